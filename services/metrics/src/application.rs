//! The use cases that sequence more than one call.

mod answers;
mod archive;
mod audit;
mod ingest;
mod live;
mod raw;
mod room;
mod upkeep;

pub use answers::{Answer, AnswerLimits, AnswerParts, Answers, Asked, NotAnswered};
pub use archive::{ArchiveLimits, ArchiveParts, Archiver, Progress, Tell};
pub use audit::{Audited, Disagreement, audit};
pub use ingest::{Ingest, IngestLimits, NotStored, Refused, Stored};
pub use live::{CountStored, Keeper, Live, LiveLimits, NotCounted};
pub use raw::{Content, Export, ExportLimits, ExportOrder, Exports, Listing, NotExported, NotRead};
pub use room::{NoRoom, Room, Share};
pub use upkeep::{Upkeep, UpkeepLimits};
