//! What the service needs from the outside. One method is one transaction.

mod announcements;
mod feed;
mod live;
mod store;
pub mod webhooks;

pub use announcements::{
    Announce, Announcement, Announcer, Entry, MemberChange, ReadMove, Reader, Signal, StreamKey,
    Whose,
};
pub use feed::{Feed, Feeds, Note, OrderTelling, Told};
pub use live::{
    Change, Changes, Cursors, Follow, Followers, Gap, GroupPlace, Opened, Past, Pasts, Place,
    ReadCursors, Recent, Recents, Snapshot, StoreError, Tail, Top,
};
pub use store::{
    Cursor, Group, Groups, Histories, HistoryKey, HistoryQuestion, Joined, Kept, Marked, Outcome,
    Receipt, RequestKey, Telling, Tellings, UpkeepStore, Whom,
};
