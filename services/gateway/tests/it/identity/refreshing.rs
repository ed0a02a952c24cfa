//! Refresh tokens: raced, lost, replayed and stolen (4.2 of the area's notes).

use futures::future::join_all;
use sqlx::Executor;

use super::shop::{OPERATOR, Session, Shop, reason};

const RACERS: usize = 50;

/// Live sessions, and their refresh tokens that nobody has used.
async fn live(shop: &Shop) -> (i64, i64) {
    sqlx::query_as(
        "select count(distinct s.session_id), count(t.token_hash)
         from sessions s
         join refresh_tokens t on t.session_id = s.session_id and t.used_at is null
         where s.revoked_at is null",
    )
    .fetch_one(&mut shop.database.admin().await)
    .await
    .unwrap()
}

async fn race(shop: &Shop, session: &Session) -> (Vec<String>, usize) {
    let racers = (0..RACERS).map(|_| shop.gate.refresh(&session.refresh));
    let answers = join_all(racers).await;
    let superseded = answers.iter().filter(|answer| answer.status == 409).count();
    let won = answers.iter().filter(|answer| answer.status != 409);
    let mut successors: Vec<_> = won.map(|answer| Session::of(answer).refresh).collect();
    assert_eq!(successors.len() + superseded, RACERS);
    successors.sort();
    successors.dedup();
    (successors, superseded)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_that_race_get_one_successor_of_one_family() {
    let shop = Shop::with(|config| config.identity.refresh_replays_max = 100).await;
    let session = shop.gate.login(OPERATOR).await;

    let (successors, superseded) = race(&shop, &session).await;

    assert_eq!((successors.len(), superseded), (1, 0));
    assert_eq!(live(&shop).await, (1, 1));
    Session::of(&shop.gate.refresh(&successors[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_race_too_often_are_told_so_and_end_nothing() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;

    let (successors, superseded) = race(&shop, &session).await;

    assert_eq!((successors.len(), superseded), (1, RACERS - 6));
    assert_eq!(live(&shop).await, (1, 1));
    Session::of(&shop.gate.refresh(&successors[0]).await);
}

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;

    let lost = Session::of(&shop.gate.refresh(&session.refresh).await);
    let again = Session::of(&shop.gate.refresh(&session.refresh).await);

    assert_eq!(lost.refresh, again.refresh);
    assert_eq!(again.session, session.session);
    assert!(shop.gate.standing(&again.access).await.is_ok());
    assert_eq!(live(&shop).await, (1, 1));
}

#[tokio::test]
async fn a_token_whose_successor_was_used_ends_its_family_and_no_other() {
    let shop = Shop::open().await;
    let other = shop.gate.login(OPERATOR).await;
    let session = shop.gate.login(OPERATOR).await;
    let second = Session::of(&shop.gate.refresh(&session.refresh).await);
    let third = Session::of(&shop.gate.refresh(&second.refresh).await);

    let stolen = shop.gate.refresh(&session.refresh).await;

    assert_eq!(
        (stolen.status.as_u16(), reason(&stolen)),
        (401, "REFRESH_REUSED".to_owned())
    );
    let ended = shop.gate.refresh(&third.refresh).await;
    assert_eq!(reason(&ended), "REFRESH_INVALID");
    let standing = shop.gate.standing(&third.access).await;
    assert_eq!(standing.unwrap_err().1, "CREDENTIALS_REVOKED");
    assert!(shop.gate.standing(&other.access).await.is_ok());
    Session::of(&shop.gate.refresh(&other.refresh).await);
    assert_eq!(shop.entries("session.refresh_reuse").await, 1);
}

#[tokio::test]
async fn a_replay_after_the_grace_ends_its_family_and_no_other() {
    let shop = Shop::open().await;
    let other = shop.gate.login(OPERATOR).await;
    let session = shop.gate.login(OPERATOR).await;
    let second = Session::of(&shop.gate.refresh(&session.refresh).await);
    let mut admin = shop.database.admin().await;
    admin
        .execute("update refresh_tokens set used_at = used_at - interval '11 seconds'")
        .await
        .unwrap();

    let late = shop.gate.refresh(&session.refresh).await;

    assert_eq!(reason(&late), "REFRESH_REUSED");
    assert_eq!(
        reason(&shop.gate.refresh(&second.refresh).await),
        "REFRESH_INVALID"
    );
    Session::of(&shop.gate.refresh(&other.refresh).await);
}

#[tokio::test]
async fn refreshing_slides_but_not_beyond_the_end_of_the_session() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;
    let mut admin = shop.database.admin().await;
    admin
        .execute("update sessions set expires_at = now() + interval '1 day'")
        .await
        .unwrap();

    Session::of(&shop.gate.refresh(&session.refresh).await);

    let within: bool = sqlx::query_scalar(
        "select bool_and(t.expires_at <= s.expires_at) from refresh_tokens t
         join sessions s on s.session_id = t.session_id where t.used_at is null",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert!(within);
}

#[tokio::test]
async fn what_ran_out_or_was_never_issued_is_refused() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;
    let mut admin = shop.database.admin().await;
    admin
        .execute("update refresh_tokens set expires_at = now() - interval '1 second'")
        .await
        .unwrap();

    for token in [session.refresh.as_str(), "tpr_nothing", "", &session.access] {
        let answer = shop.gate.refresh(token).await;
        assert_eq!(
            (answer.status.as_u16(), reason(&answer)),
            (401, "REFRESH_INVALID".to_owned())
        );
    }
}

#[tokio::test]
async fn the_tables_hold_no_token_that_can_be_used() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;
    let next = Session::of(&shop.gate.refresh(&session.refresh).await);

    let rows: Vec<String> = sqlx::query_scalar("select t::text from refresh_tokens t")
        .fetch_all(&mut shop.database.admin().await)
        .await
        .unwrap();

    let rows = rows.join("\n");
    for token in [session.refresh, next.refresh] {
        assert!(!rows.contains(&token) && !rows.contains(&hex::encode(&token)));
    }
}
