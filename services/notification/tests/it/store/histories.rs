//! Histories: pieces of streams, pages, read cursors.

use tradepost_notification::ports::{Cursor, Histories, HistoryQuestion, Kept, Marked, Reader};
use tradepost_notifications::stream::Stream;

use super::support::{Desk, group};

/// All of a history, in pages of this size.
async fn paged(desk: &Desk, reader: &Reader, unread_only: bool, size: i64) -> Vec<Kept> {
    let (mut all, mut after) = (Vec::<Kept>::new(), None);
    loop {
        let question = HistoryQuestion {
            unread_only,
            after,
            limit: size,
        };
        let page = desk.store.page(reader, &question).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.key.clone());
        all.extend(page);
    }
}

async fn titles(desk: &Desk, reader: &Reader, unread_only: bool) -> Vec<String> {
    let kept = paged(desk, reader, unread_only, 2).await;
    kept.into_iter().map(|kept| kept.content.title).collect()
}

/// Ann is told something, and so is the staff, before she joins, while she is in, and after.
async fn stage() -> Desk {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.tell(desk.to_group("staff", "s1 before")).await;
    desk.tell(desk.to_users(&["ann"], "u1")).await;
    desk.join("staff", &["ann", "bob"]).await;
    desk.tell(desk.to_group("staff", "s2")).await;
    desk.tell(desk.to_users(&["ann", "bob"], "u2")).await;
    desk.tell(desk.to_group("staff", "s3")).await;
    desk.leave("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "s4 away")).await;
    desk.tell(desk.to_users(&["ann"], "u3")).await;
    desk.join("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "s5")).await;
    desk
}

#[tokio::test]
async fn a_history_has_what_was_told_while_one_was_a_member_newest_first() {
    let desk = stage().await;

    let ann = titles(&desk, &desk.reader("ann"), false).await;
    let bob = titles(&desk, &desk.reader("bob"), false).await;
    let cid = titles(&desk, &desk.reader("cid"), false).await;

    assert_eq!(ann, ["s5", "u3", "s3", "u2", "s2", "u1"]);
    assert_eq!(bob, ["s5", "s4 away", "s3", "u2", "s2"]);
    assert!(cid.is_empty());
}

#[tokio::test]
async fn pages_of_any_size_make_the_same_history() {
    let desk = stage().await;
    let ann = desk.reader("ann");
    // One call's entries of several streams have one time.
    desk.tell(desk.to_users(&["ann"], "u4")).await;
    let all = paged(&desk, &ann, false, 100).await;

    for size in 1..=all.len() {
        let size = i64::try_from(size).unwrap();
        let pages = paged(&desk, &ann, false, size).await;
        let keys = |kept: &[Kept]| kept.iter().map(|kept| kept.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&pages), keys(&all), "pages of {size}");
    }
}

#[tokio::test]
async fn what_is_unread_is_the_top_less_the_cursor() {
    let desk = stage().await;
    let ann = desk.reader("ann");

    let before = titles(&desk, &ann, true).await;
    let marked = desk.store.mark(&ann, &[(Stream::User, 2)]).await.unwrap();
    let after = titles(&desk, &ann, true).await;

    // Who left has read what was told before.
    assert_eq!(before, ["s5", "u3", "u2", "u1"]);
    assert_eq!(after, ["s5", "u3"]);
    let Marked::Done(cursors, moves) = marked else {
        panic!("{marked:?}");
    };
    assert_eq!(moves.len(), 1);
    let staff = Stream::Group(group("staff"));
    let cursor = |stream, top, read| Cursor { stream, top, read };
    assert_eq!(cursors, [cursor(Stream::User, 3, 2), cursor(staff, 5, 4)]);
    let unread: u64 = cursors.iter().map(|at| at.top - at.read).sum();
    assert_eq!(unread, 2);
}

#[tokio::test]
async fn cursors_never_go_back_nor_above_the_top() {
    let desk = stage().await;
    let ann = desk.reader("ann");
    let staff = Stream::Group(group("staff"));
    let marks = [(Stream::User, 99), (staff.clone(), 1)];

    let first = desk.store.mark(&ann, &marks).await.unwrap();
    let second = desk.store.mark(&ann, &[(Stream::User, 1)]).await.unwrap();
    let all = desk.store.mark(&ann, &[]).await.unwrap();

    let reads = |marked: &Marked| match marked {
        Marked::Done(cursors, moves) => {
            let reads: Vec<u64> = cursors.iter().map(|cursor| cursor.read).collect();
            (reads, moves.len())
        }
        Marked::NoStream(stream) => panic!("{stream}"),
    };
    assert_eq!(reads(&first), (vec![3, 4], 1));
    assert_eq!(reads(&second), (vec![3, 4], 0));
    assert_eq!(reads(&all), (vec![3, 5], 1));
    assert!(titles(&desk, &ann, true).await.is_empty());
}

#[tokio::test]
async fn nothing_is_moved_if_one_stream_is_not_the_users() {
    let desk = stage().await;
    let cid = desk.reader("ann");
    let other = Stream::Group(group("other"));

    let marked = desk
        .store
        .mark(&cid, &[(Stream::User, 3), (other.clone(), 1)])
        .await;

    assert_eq!(marked.unwrap(), Marked::NoStream(other));
    let cursors = desk.store.cursors(&cid).await.unwrap();
    assert_eq!(cursors[0].read, 0);
}
