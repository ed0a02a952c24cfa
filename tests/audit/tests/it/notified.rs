//! What the notification service has told is held against its own counters.

use tradepost_audit::{Service, Verdict, audit};

use crate::shop::Shop;

/// A user who was told three things and has read one, and a group that was told one.
async fn told() -> Shop {
    let shop = Shop::empty().await;
    let tenant = shop.tenant.as_uuid();
    let told = format!(
        "insert into user_streams (tenant_id, user_id, last_seq, read_seq)
         values ('{tenant}', 'ann', 3, 1);
         insert into groups (tenant_id, group_id, display_name, last_seq)
         values ('{tenant}', 'staff', 'Staff', 1), ('{tenant}', 'quiet', 'Quiet', 0);
         insert into members
             (tenant_id, user_id, group_id, joined_after, joined_at, read_seq, stood)
         values ('{tenant}', 'ann', 'staff', 0, now(), 1, 0);
         insert into notifications (tenant_id, stream, created_at, seq, id, content)
         select '{tenant}', stream, now() + seq * interval '1 second', seq, gen_random_uuid(), '{{}}'
         from (values ('user:ann', 1), ('user:ann', 2), ('user:ann', 3), ('group:staff', 1))
             as told (stream, seq)"
    );
    shop.run(Service::Notification, &told).await;
    shop.assert_clean().await;
    shop
}

#[tokio::test]
async fn a_lost_or_doubled_notification_is_caught() {
    let faults = [
        "delete from notifications where stream = 'user:ann' and seq = 2",
        "delete from notifications where stream = 'user:ann' and seq = 3",
        "delete from notifications where stream = 'group:staff'",
        "update user_streams set last_seq = 4",
        "delete from members; delete from groups",
        "insert into notifications (tenant_id, stream, created_at, seq, id, content)
         select tenant_id, stream, created_at + interval '1 millisecond', seq, gen_random_uuid(),
             content
         from notifications where seq = 3",
    ];
    for fault in faults {
        let shop = told().await;
        shop.run(Service::Notification, fault).await;
        assert_eq!(shop.offended().await, ["notification.no_gaps"], "{fault}");
    }
}

#[tokio::test]
async fn what_was_told_twice_is_caught() {
    let shop = told().await;

    let twice = "update notifications n set id = other.id from notifications other
                 where n.seq = 2 and other.stream = n.stream and other.seq = 1";
    shop.run(Service::Notification, twice).await;

    assert_eq!(shop.offended().await, ["notification.told_once"]);
}

#[tokio::test]
async fn a_time_that_goes_back_is_caught() {
    let shop = told().await;

    let back = "update notifications set created_at = created_at - interval '5 seconds'
                where seq = 2";
    shop.run(Service::Notification, back).await;

    assert_eq!(shop.offended().await, ["notification.times_follow"]);
}

#[tokio::test]
async fn a_cursor_above_the_top_and_a_membership_in_another_are_caught() {
    let shop = told().await;

    shop.run(Service::Notification, "update members set read_seq = 2")
        .await;
    assert_eq!(shop.offended().await, ["notification.read_is_told"]);

    let twice = "update members set read_seq = 1;
        insert into members (tenant_id, user_id, group_id, joined_after, joined_at, left_at_seq,
                             left_at, read_seq, stood)
        select tenant_id, user_id, group_id, 1, now(), 1, now(), 1, 1 from members";
    shop.run(Service::Notification, twice).await;
    assert_eq!(shop.offended().await, ["notification.members_once"]);
}

#[tokio::test]
async fn a_mail_to_who_was_not_told_is_caught() {
    let mailed = "insert into email_messages
            (tenant_id, notification_id, type, title, message, told_at)
        select tenant_id, id, 'a.b', 'T', '', created_at from notifications
        where seq = 1;
        insert into emails (tenant_id, email_id, user_id, notification_id)
        select tenant_id, gen_random_uuid(), 'ann', notification_id from email_messages";
    for fault in [
        "update emails set user_id = 'bob' where notification_id in
            (select id from notifications where stream = 'user:ann')",
        "update members set joined_after = 1",
    ] {
        let shop = told().await;
        shop.run(Service::Notification, mailed).await;
        shop.assert_clean().await;
        shop.run(Service::Notification, fault).await;
        let offended = shop.offended().await;
        assert_eq!(offended, ["notification.mailed_is_told"], "{fault}");
    }
}

#[tokio::test]
async fn a_shop_whose_notification_service_is_not_named_is_audited_without_it() {
    let shop = told().await;
    shop.run(Service::Notification, "delete from notifications")
        .await;
    let mut targets = shop.targets();
    targets
        .databases
        .retain(|named| named.service != Service::Notification);

    let findings = audit(&targets).await.unwrap();

    assert_eq!(findings.verdict(), Verdict::Clean, "{findings}");
    let mut invariants = findings.invariants.iter();
    assert!(invariants.all(|finding| !finding.invariant.starts_with("notification.")));
}
