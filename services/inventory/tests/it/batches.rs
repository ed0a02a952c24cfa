//! Batches of commands: races, duplicates, order, expiry.

use std::array;

use futures::future::{join, join_all};
use tradepost_inventory::domain::{Action, ReservationState};
use tradepost_inventory::ports::{Asked, Handled, ReservationStore};
use tradepost_types::ReservationId;

use crate::support::{Warehouse, reserve};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_buyers_of_the_last_units_exactly_stock_many_win() {
    let shop = Warehouse::open().await;
    shop.stocked("LANTERN", 25).await;
    let buyers: Vec<Asked> = (0..96)
        .map(|_| shop.ask(ReservationId::new(), reserve(&[("LANTERN", 1)])))
        .collect();

    let batches = join_all(buyers.chunks(8).map(|batch| shop.store.carry_out(batch))).await;

    let handled: Vec<Handled> = batches.into_iter().map(Result::unwrap).collect();
    assert_eq!(handled.iter().map(|batch| batch.held).sum::<u64>(), 25);
    assert_eq!(handled.iter().map(|batch| batch.rejected).sum::<u64>(), 71);
    let stock = shop.stock("LANTERN").await;
    assert_eq!(
        (stock.on_hand, stock.reserved, stock.available),
        (25, 25, 0)
    );
}

/// One process repeats a command whose answer is late while another still carries it out.
#[tokio::test(flavor = "multi_thread")]
async fn e04_two_who_reserve_under_one_new_id_at_once_hold_its_units_once() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1_000).await;

    for _ in 0..40 {
        let id = ReservationId::new();
        let asked: [Asked; 4] = array::from_fn(|_| shop.ask(id, reserve(&[("A", 1)])));
        let done = join_all(asked.chunks(1).map(|batch| shop.store.carry_out(batch))).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(shop.said(id).await, ["inventory.reserved"; 4]);
    }

    assert_eq!(shop.stock("A").await.reserved, 40);
}

/// A cancellation sends the release at once, while the reservation may still be carried out.
#[tokio::test(flavor = "multi_thread")]
async fn e04_a_release_beside_its_new_reservation_leaves_nothing_held() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1_000).await;

    for _ in 0..40 {
        let id = ReservationId::new();
        let hold = [shop.ask(id, reserve(&[("A", 1)]))];
        let give_back = [shop.ask(id, Action::Release)];
        let (held, released) = join(
            shop.store.carry_out(&hold),
            shop.store.carry_out(&give_back),
        )
        .await;
        assert!(held.is_ok() && released.is_ok(), "{held:?} {released:?}");
        let found = shop.store.find(shop.tenant, id).await.unwrap().unwrap();
        assert_eq!(found.reservation.state, ReservationState::Released);
    }

    assert_eq!(shop.stock("A").await.reserved, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_cross_items_in_opposite_orders_all_finish() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1_000).await;
    shop.stocked("B", 1_000).await;
    let one_way = reserve(&[("A", 1), ("B", 1)]);
    let other_way = reserve(&[("B", 1), ("A", 1)]);
    let batches: Vec<Vec<Asked>> = (0..24)
        .map(|index| {
            let action = if index % 2 == 0 { &one_way } else { &other_way };
            (0..4)
                .map(|_| shop.ask(ReservationId::new(), action.clone()))
                .collect()
        })
        .collect();

    let done = join_all(batches.iter().map(|batch| shop.store.carry_out(batch))).await;

    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(shop.stock("A").await.reserved, 96);
    assert_eq!(shop.stock("B").await.reserved, 96);
}

#[tokio::test]
async fn e04_a_message_delivered_again_has_no_second_effect_and_no_second_answer() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let id = ReservationId::new();
    let (hold, sell) = (
        shop.ask(id, reserve(&[("A", 3)])),
        shop.ask(id, Action::Commit),
    );

    for asked in [&hold, &hold, &sell, &sell, &hold] {
        shop.store
            .carry_out(std::slice::from_ref(asked))
            .await
            .unwrap();
    }

    assert_eq!(shop.stock("A").await.on_hand, 7);
    assert_eq!(
        shop.said(id).await,
        ["inventory.reserved", "inventory.committed"]
    );
    assert_eq!(shop.moved("A").await, 7);
}

#[tokio::test]
async fn e04_a_release_before_its_reservation_is_remembered() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let id = ReservationId::new();

    shop.carry_out(id, Action::Release).await;
    shop.carry_out(id, reserve(&[("A", 1)])).await;

    assert_eq!(
        shop.said(id).await,
        ["inventory.released", "inventory.rejected"]
    );
    assert_eq!(shop.stock("A").await.reserved, 0);
}

#[tokio::test]
async fn a_whole_life_in_one_batch_is_carried_out_in_order() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let id = ReservationId::new();
    let batch = [
        shop.ask(id, reserve(&[("A", 4)])),
        shop.ask(id, Action::Commit),
        shop.ask(id, Action::Release),
    ];

    shop.store.carry_out(&batch).await.unwrap();

    let said = [
        "inventory.reserved",
        "inventory.committed",
        "inventory.released",
    ];
    assert_eq!(shop.said(id).await, said);
    assert_eq!(
        (shop.stock("A").await.on_hand, shop.moved("A").await),
        (10, 10)
    );
}

#[tokio::test]
async fn e07_two_lines_of_one_sku_are_one_demand() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let (short, enough) = (ReservationId::new(), ReservationId::new());

    shop.carry_out(short, reserve(&[("A", 6), ("A", 5)])).await;
    shop.carry_out(enough, reserve(&[("A", 6), ("A", 4)])).await;

    assert_eq!(shop.said(short).await, ["inventory.rejected"]);
    assert_eq!(shop.said(enough).await, ["inventory.reserved"]);
    assert_eq!(shop.stock("A").await.available, 0);
}

/// Puts the end of a hold into the past, by the database's clock.
async fn run_out(shop: &Warehouse, id: ReservationId) {
    let mut tx = shop.database.system_tx().await.unwrap();
    let done = sqlx::query("update reservations set expire_at = now() where reservation_id = $1")
        .bind(id.as_uuid())
        .execute(tx.conn())
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn e06_of_expiry_and_commit_at_one_instant_one_wins_and_the_books_agree() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 50).await;
    let ids: Vec<_> = (0..10).map(|_| ReservationId::new()).collect();
    for &id in &ids {
        shop.carry_out(id, reserve(&[("A", 2)])).await;
        run_out(&shop, id).await;
    }
    let commits: Vec<Asked> = ids.iter().map(|&id| shop.ask(id, Action::Commit)).collect();

    let commit = join_all(commits.chunks(2).map(|batch| shop.store.carry_out(batch)));
    let sweep = join_all((0..4).map(|_| shop.store.expire_due(3)));
    let (committed, swept) = tokio::join!(commit, sweep);

    assert!(committed.iter().all(Result::is_ok) && swept.iter().all(Result::is_ok));
    for &id in &ids {
        let mut said = shop.said(id).await;
        said.sort();
        let expected = [
            "inventory.commit_refused",
            "inventory.expired",
            "inventory.reserved",
        ];
        assert_eq!(said, expected);
    }
    let stock = shop.stock("A").await;
    assert_eq!((stock.on_hand, stock.reserved), (50, 0));
}

#[tokio::test]
async fn the_sweeper_ends_what_is_due_and_nothing_else() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let (due, live) = (ReservationId::new(), ReservationId::new());
    shop.carry_out(due, reserve(&[("A", 2)])).await;
    shop.carry_out(live, reserve(&[("A", 3)])).await;
    run_out(&shop, due).await;

    let handled = shop.store.expire_due(100).await.unwrap();

    assert_eq!(handled.expired, 1);
    assert_eq!(
        shop.said(due).await,
        ["inventory.reserved", "inventory.expired"]
    );
    assert_eq!(shop.said(live).await, ["inventory.reserved"]);
    assert_eq!(shop.stock("A").await.reserved, 3);
}
