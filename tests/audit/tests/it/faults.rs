//! Planted faults: each test shows a clean shop, plants one, and names who catches it.

use serde_json::json;
use tradepost_audit::Service;
use tradepost_types::{OrderId, PaymentId};

use crate::order::Way;
use crate::shop::Shop;

#[tokio::test]
async fn a_shop_without_orders_and_one_with_orders_of_every_way_are_clean() {
    let empty = Shop::empty().await;
    let shop = Shop::open().await;

    empty.assert_clean().await;
    shop.assert_clean().await;
}

#[tokio::test]
async fn a_stock_counter_off_by_one_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let off = "update items set reserved = reserved + 1 where sku = 'CUP'";
    shop.run(Service::Inventory, off).await;
    assert_eq!(shop.offended().await, ["stock.reserved_is_held"]);

    let off = "update items set reserved = 0, on_hand = on_hand + 1 where sku = 'CUP'";
    shop.run(Service::Inventory, off).await;
    assert_eq!(shop.offended().await, ["stock.on_hand_is_moved"]);
}

#[tokio::test]
async fn more_reserved_than_there_is_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let oversold = "alter table items drop constraint items_stock_covers_reserved;
        update items set reserved = on_hand + 1 where sku = 'CUP'";
    shop.run(Service::Inventory, oversold).await;

    let offended = shop.offended().await;
    assert_eq!(
        offended,
        ["stock.covers_reserved", "stock.reserved_is_held"]
    );
}

#[tokio::test]
async fn a_sale_that_no_reservation_explains_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let sold = "update items set on_hand = on_hand - 1 where sku = 'CUP';
        insert into stock_movements (tenant_id, movement_id, sku, kind, delta, on_hand_after,
            reference)
        select tenant_id, gen_random_uuid(), sku, 'sold', -1, on_hand, '' from items
        where sku = 'CUP'";
    shop.run(Service::Inventory, sold).await;

    assert_eq!(shop.offended().await, ["stock.sold_is_committed"]);
}

#[tokio::test]
async fn an_unbalanced_entry_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let unbalanced = "update postings set amount = amount + 1
        where account = 'provider_receivable'";
    shop.sabotage(Service::Payment, unbalanced).await;

    let offended = shop.offended().await;
    assert_eq!(
        offended,
        ["ledger.entries_balance", "ledger.balances_recompute"]
    );
}

#[tokio::test]
async fn a_missing_entry_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let gone = "delete from postings p using journal_entries e
            where e.tenant_id = p.tenant_id and e.entry_id = p.entry_id and e.kind = 'capture';
        delete from journal_entries where kind = 'capture'";
    shop.sabotage(Service::Payment, gone).await;

    assert_eq!(shop.offended().await, ["ledger.balances_recompute"]);
}

#[tokio::test]
async fn disputes_that_everybody_knows_of_are_clean_open_and_lost() {
    let mut shop = Shop::open().await;
    let (open, lost) = (
        shop.sell(Way::Delivered).await,
        shop.sell(Way::Delivered).await,
    );

    shop.dispute(open, "under_review", 650, 15).await;
    shop.dispute(lost, "lost", 1_650, 15).await;

    shop.assert_clean().await;
}

#[tokio::test]
async fn a_withdrawal_that_we_do_not_know_of_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    shop.provider(sold, "dispute", "dispute_withdrawn", 1_650);
    assert_eq!(shop.offended().await, ["provider.agrees_with_payments"]);

    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.dispute(sold, "needs_response", 650, 15).await;
    shop.assert_clean().await;
    shop.provider(sold, "dispute", "dispute_fee_returned", 15);
    assert_eq!(shop.offended().await, ["provider.agrees_with_payments"]);
}

#[tokio::test]
async fn a_dispute_that_the_ledger_does_not_explain_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.dispute(sold, "under_review", 650, 15).await;
    shop.assert_clean().await;

    // Lost, and the loss was never entered.
    let lost = "update disputes set state = 'lost'";
    shop.run(Service::Payment, lost).await;
    assert_eq!(shop.offended().await, ["ledger.balances_recompute"]);

    let gone = "update disputes set state = 'under_review';
        delete from postings p using journal_entries e
            where e.tenant_id = p.tenant_id and e.entry_id = p.entry_id
              and e.kind = 'dispute_withdrawn';
        delete from journal_entries where kind = 'dispute_withdrawn'";
    shop.sabotage(Service::Payment, gone).await;
    assert_eq!(shop.offended().await, ["ledger.balances_recompute"]);
}

#[tokio::test]
async fn an_undone_order_whose_money_is_neither_refunded_nor_lost_at_the_bank_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.dispute(sold, "lost", 1_650, 15).await;
    shop.assert_clean().await;

    // It was won after all, and nobody refunded it.
    let returned = format!(
        "update orders set state = 'returned', saga = jsonb_set(saga, '{{phase,name}}', '\"returned\"')
         where order_id = '{id}';
         update order_events set type = 'returned', state = 'returned',
             data = jsonb_set(data, '{{saga,phase,name}}', '\"returned\"')
         where order_id = '{id}' and version = 2",
        id = sold.order.as_uuid()
    );
    shop.sabotage(Service::Order, &returned).await;
    let before = shop.offended().await;
    shop.provider(sold, "dispute", "dispute_reinstated", 1_650);
    let after = shop.offended().await;

    assert!(
        !before.contains(&"provider.is_paid_for_orders"),
        "{before:?}"
    );
    assert!(after.contains(&"provider.is_paid_for_orders"), "{after:?}");
}

#[tokio::test]
async fn a_second_charge_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    shop.provider(sold, "capture", "captured", 1_650);

    let offended = shop.offended().await;
    let expected = [
        "provider.charges_once",
        "provider.agrees_with_payments",
        "provider.is_paid_for_orders",
    ];
    assert_eq!(offended, expected);
}

#[tokio::test]
async fn a_second_authorisation_is_caught_even_after_it_was_voided() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    shop.provider(sold, "create", "authorised", 1_650);
    shop.provider(sold, "cancel", "voided", 1_650);

    assert_eq!(shop.offended().await, ["provider.charges_once"]);
}

#[tokio::test]
async fn a_charge_for_nobody_is_caught() {
    let mut shop = Shop::open().await;
    shop.assert_clean().await;

    let moves = json!([{"kind": "authorised", "amount": 5}]);
    let (order, payment) = (OrderId::new(), PaymentId::new());
    let ids = json!({"order_id": order.to_string(), "payment_id": payment.to_string(),
                     "moves": moves});
    shop.log("create", &ids);
    assert_eq!(shop.offended().await, ["provider.knows_no_stranger"]);

    let mut shop = Shop::open().await;
    shop.log("create", &json!({"moves": moves}));
    assert_eq!(shop.offended().await, ["provider.knows_no_stranger"]);
}

#[tokio::test]
async fn books_that_differ_from_the_providers_log_are_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Confirmed).await;
    shop.assert_clean().await;

    shop.provider(sold, "cancel", "voided", 1_650);

    let offended = shop.offended().await;
    let expected = [
        "provider.agrees_with_payments",
        "provider.is_paid_for_orders",
    ];
    assert_eq!(offended, expected);
}

#[tokio::test]
async fn money_taken_that_is_not_the_orders_total_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    // Order, lines and history agree with each other; only the money is another.
    let cheaper = format!(
        "update orders set total_minor = 1400 where order_id = '{id}';
         delete from order_lines where order_id = '{id}' and line_number = 3;
         update order_lines set quantity = 4 where order_id = '{id}' and line_number = 1;
         update orders set line_count = 2, unit_count = 8 where order_id = '{id}';
         update order_events set data = jsonb_set(data, '{{placed}}', data -> 'placed' ||
             '{{\"total_minor\": 1400, \"line_count\": 2, \"unit_count\": 8}}')
         where order_id = '{id}' and version = 1",
        id = sold.order.as_uuid()
    );
    shop.sabotage(Service::Order, &cheaper).await;

    let offended = shop.offended().await;
    let expected = [
        "provider.is_paid_for_orders",
        "payments.have_an_order",
        "reservations.fit_their_order",
        "shipments.only_for_paid",
        "metrics.count_orders",
    ];
    assert_eq!(offended, expected);
}

#[tokio::test]
async fn a_refund_above_the_captured_amount_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    let beyond = format!(
        "alter table payments drop constraint payments_refunded_within_captured;
         update payments set refunded = captured + 1 where payment_id = '{id}';
         insert into refunds (tenant_id, refund_id, payment_id, state, amount, origin)
         select tenant_id, gen_random_uuid(), payment_id, 'succeeded', captured + 1, 'request'
         from payments where payment_id = '{id}'",
        id = sold.payment.as_uuid()
    );
    shop.run(Service::Payment, &beyond).await;

    let offended = shop.offended().await;
    assert!(
        offended.contains(&"payments.refunded_within_captured"),
        "{offended:?}"
    );
    assert!(
        offended.contains(&"provider.agrees_with_payments"),
        "{offended:?}"
    );
}

#[tokio::test]
async fn a_lost_order_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Rejected).await;
    shop.assert_clean().await;

    let lost = format!(
        "delete from orders where order_id = '{id}'; delete from order_lines where order_id = '{id}';
         delete from order_events where order_id = '{id}'",
        id = sold.order.as_uuid()
    );
    shop.sabotage(Service::Order, &lost).await;

    let offended = shop.offended().await;
    assert_eq!(
        offended,
        [
            "orders.accepted_exist",
            "reservations.have_an_order",
            "metrics.count_orders",
        ]
    );
}

#[tokio::test]
async fn an_orphan_reservation_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let orphan = "insert into reservations (tenant_id, reservation_id, order_id, state, skus,
            quantities, expire_at)
        select tenant_id, gen_random_uuid(), gen_random_uuid(), 'held', '{CUP}', '{1}',
               now() + interval '10 minutes'
        from items where sku = 'CUP';
        update items set reserved = 1 where sku = 'CUP'";
    shop.run(Service::Inventory, orphan).await;

    assert_eq!(shop.offended().await, ["reservations.have_an_order"]);
}

#[tokio::test]
async fn a_reservation_that_outlives_its_order_or_its_expiry_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Rejected).await;
    shop.assert_clean().await;

    let held = format!(
        "update reservations set state = 'held', reject_reason = null,
             expire_at = now() - interval '1 hour' where reservation_id = '{id}';
         update items i set reserved = u.units
         from (values ('CUP', 5), ('white hanging heart', 4)) as u (sku, units)
         where u.sku = i.sku",
        id = sold.reservation.as_uuid()
    );
    shop.run(Service::Inventory, &held).await;

    let offended = shop.offended().await;
    assert_eq!(
        offended,
        [
            "reservations.fit_their_order",
            "reservations.expire_in_time"
        ]
    );
}

#[tokio::test]
async fn two_parcels_for_an_order_are_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Delivered).await;
    shop.assert_clean().await;

    let again = format!(
        "drop index shipments_one_per_order;
         insert into shipments (tenant_id, shipment_id, order_id, state, document)
         select tenant_id, gen_random_uuid(), order_id, 'in_transit', document
         from shipments where order_id = '{id}'",
        id = sold.order.as_uuid()
    );
    shop.run(Service::Shipping, &again).await;

    let offended = shop.offended().await;
    assert_eq!(
        offended,
        ["shipments.have_an_order", "shipments.go_out_once"]
    );
}

#[tokio::test]
async fn a_parcel_of_a_cancelled_order_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Cancelled).await;
    shop.assert_clean().await;

    let goes_out = format!(
        "update shipments set state = 'label_ready' where order_id = '{}'",
        sold.order.as_uuid()
    );
    shop.run(Service::Shipping, &goes_out).await;

    assert_eq!(shop.offended().await, ["shipments.only_for_paid"]);
}

#[tokio::test]
async fn a_booking_without_an_answer_is_waited_for_and_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Confirmed).await;
    shop.assert_clean().await;

    let planned = format!(
        "update shipments set state = 'planned',
             document = '{{\"errand\": {{\"ask\": {{\"book\": {{}}}}, \"attempts\": 1}}}}'
         where order_id = '{}'",
        sold.order.as_uuid()
    );
    shop.run(Service::Shipping, &planned).await;

    let findings = shop.audit().await.unwrap();
    let offended: Vec<&str> = findings
        .offended()
        .map(|finding| finding.invariant)
        .collect();
    assert_eq!(
        offended,
        [
            "shipments.only_for_paid",
            "shipments.at_rest",
            "messages.none_lost"
        ]
    );
    let restless = findings.restless.unwrap();
    assert!(
        restless.contains("1 calls to the carrier due"),
        "{restless}"
    );
}

#[tokio::test]
async fn a_parcel_that_the_carrier_was_not_told_to_forget_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Cancelled).await;
    shop.assert_clean().await;

    let untold = format!(
        "update shipments set document = '{{\"errand\": {{\"ask\": \"cancel\", \"attempts\": 1}}}}'
         where order_id = '{}'",
        sold.order.as_uuid()
    );
    shop.run(Service::Shipping, &untold).await;
    assert_eq!(shop.offended().await, ["shipments.at_rest"]);

    let told = "update shipments set document = '{\"errand\": null}'";
    shop.run(Service::Shipping, told).await;
    shop.assert_clean().await;
}

#[tokio::test]
async fn an_order_that_is_not_at_its_end_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Confirmed).await;
    shop.assert_clean().await;

    let stuck = format!(
        "update orders set state = 'capturing', deadline_at = now() - interval '1 hour',
             saga = jsonb_set(saga, '{{phase}}', '{{\"name\": \"capturing\", \"parcel\": \"booked\"}}')
         where order_id = '{id}';
         update order_events set state = 'capturing', data = jsonb_set(data, '{{saga}}',
             (select saga from orders where order_id = '{id}'))
         where order_id = '{id}' and version = 2",
        id = sold.order.as_uuid()
    );
    shop.sabotage(Service::Order, &stuck).await;

    let findings = shop.audit().await.unwrap();
    let offended: Vec<&str> = findings
        .offended()
        .map(|finding| finding.invariant)
        .collect();
    assert_eq!(offended, ["orders.at_rest", "orders.live_have_timer"]);
    assert!(findings.restless.unwrap().contains("1 sagas in motion"));
}

#[tokio::test]
async fn a_payment_that_nobody_finishes_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let unknown = "update payments set state = 'unknown' where state = 'authorized'";
    shop.run(Service::Payment, unknown).await;

    let offended = shop.offended().await;
    assert_eq!(offended, ["payments.at_rest", "shipments.only_for_paid"]);
}

#[tokio::test]
async fn a_row_that_is_not_the_fold_of_its_history_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let renamed = "update orders set customer_ref = 'somebody else' where state = 'delivered'";
    shop.run(Service::Order, renamed).await;
    assert_eq!(shop.offended().await, ["history.folds_to_row"]);

    let gap = "update orders set customer_ref = 'c-1';
        update order_events set version = 3 where version = 2 and state = 'delivered';
        update orders set version = 3 where state = 'delivered'";
    shop.sabotage(Service::Order, gap).await;
    assert_eq!(shop.offended().await, ["history.has_no_gaps"]);
}

#[tokio::test]
async fn a_total_that_is_not_that_of_the_lines_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let dearer = "update order_lines set unit_price_minor = 251 where line_number = 1";
    shop.sabotage(Service::Order, dearer).await;

    assert_eq!(shop.offended().await, ["orders.lines_add_up"]);
}

#[tokio::test]
async fn an_outbox_row_that_is_never_sent_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let unsent = "insert into messaging.outbox (message_id, tenant_id, exchange, routing_key,
            mandatory, kind, correlation_id, subject, sequence, occurred_at, body)
        values (gen_random_uuid(), gen_random_uuid(), 'tradepost.events', 'shipping.delivered',
                false, 'x', gen_random_uuid(), '', 1, now(), '')";
    shop.run(Service::Shipping, unsent).await;

    assert_eq!(shop.offended().await, ["messages.outbox_is_empty"]);
}

#[tokio::test]
async fn a_lost_outbox_row_is_caught_by_what_it_should_have_told() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    // Shipping delivered, and its message is gone: everything is quiet, and the order waits on.
    let delivered = "update shipments set state = 'handed_over' where state = 'label_ready'";
    shop.run(Service::Shipping, delivered).await;

    assert_eq!(shop.offended().await, ["messages.none_lost"]);
}

#[tokio::test]
async fn a_lost_command_is_caught() {
    let mut shop = Shop::open().await;
    let sold = shop.sell(Way::Rejected).await;
    shop.assert_clean().await;

    let never = format!(
        "delete from reservations where reservation_id = '{}'",
        sold.reservation.as_uuid()
    );
    shop.run(Service::Inventory, &never).await;

    assert_eq!(shop.offended().await, ["messages.none_lost"]);
}

#[tokio::test]
async fn a_message_that_took_effect_twice_or_unmarked_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let unmarked = "delete from messaging.inbox where message_id =
        (select message_id from messaging.inbox order by handled_at desc, message_id limit 1)";
    shop.run(Service::Order, unmarked).await;
    assert_eq!(shop.offended().await, ["messages.are_marked"]);

    let shop = Shop::open().await;
    let twice = "update order_events set cause =
            (select cause from order_events where version = 2 and state = 'delivered')
        where version = 2 and state = 'cancelled'";
    shop.sabotage(Service::Order, twice).await;
    assert_eq!(shop.offended().await, ["messages.take_effect_once"]);
}

#[tokio::test]
async fn a_message_to_be_tried_again_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let retried = "insert into messaging.retries (queue, dedup_key, next_attempt_at, attempts,
            fingerprint, reason, last_error, headers, body)
        values ('q', 'k', now() + interval '1 hour', 3, 'f', 'UNAVAILABLE', 'x', '{}', '')";
    shop.run(Service::Payment, retried).await;

    assert_eq!(shop.offended().await, ["messages.retries_are_empty"]);
}

#[tokio::test]
async fn a_parked_message_is_caught_unless_it_is_the_known_poison() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let parked = "insert into messaging.parked (queue, dedup_key, fingerprint, reason, detail,
            attempts, headers, body)
        values ('order.replies', 'k', 'f', 'POISON', 'no such kind', 1, '{}', '')";
    shop.run(Service::Order, parked).await;

    assert_eq!(shop.offended().await, ["messages.none_parked"]);
    for (expected, offended) in [(1, 0), (2, 1)] {
        let mut targets = shop.targets();
        targets.parked_expected = expected;
        let findings = tradepost_audit::audit(&targets).await.unwrap();
        assert_eq!(findings.offended().count(), offended);
    }
}

#[tokio::test]
async fn a_table_that_shows_other_tenants_rows_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let open = "create policy leak on shipments for select to tradepost_app using (true);
        insert into shipments (tenant_id, shipment_id, order_id, state, document)
        values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'voided', '{}')";
    shop.run(Service::Shipping, open).await;
    let offended = shop.offended().await;
    assert_eq!(
        offended,
        ["shipments.have_an_order", "tenancy.hides_others"]
    );

    let off = "alter table shipments disable row level security";
    shop.run(Service::Shipping, off).await;
    assert!(shop.offended().await.contains(&"tenancy.is_forced"));
}
