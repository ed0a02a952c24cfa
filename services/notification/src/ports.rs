//! What the service needs from the outside. One method is one transaction.

mod access;
mod announcements;
pub mod channels;
pub mod email;
mod feed;
mod live;
mod preferences;
mod presence;
mod store;
pub mod webhooks;

pub use access::{
    Access, Admitted, Credentials, Judge, Refused, Revocation, Revocations, Revoked, Shown,
    Unfollowed,
};
pub use announcements::{
    Announce, Announcement, Announcer, Entry, MemberChange, PreferenceChange, ReadMove, Reader,
    Signal, StreamKey, Whose,
};
pub use feed::{Feed, Feeds, Note, OrderTelling, Told};
pub use live::{
    Change, Changes, Cursors, Follow, Followers, Gap, GroupPlace, Opened, Past, Pasts, Place,
    Portion, ReadCursors, Recent, Recents, Snapshot, StoreError, Tail, Top,
};
pub use preferences::{Expected, PreferenceStore, Preferred, StoredPreferences};
pub use presence::{Elsewhere, Here, Moved, OtherNodes, People, Present};
pub use store::{
    Cursor, Group, Groups, Histories, HistoryKey, HistoryQuestion, Joined, Kept, Marked, Outcome,
    Receipt, RequestKey, Telling, Tellings, UpkeepStore, Whom,
};
