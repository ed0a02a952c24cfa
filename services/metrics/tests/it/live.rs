//! Live counting: its calls, its cluster, and what survives its process.

mod calls;
mod cluster;
mod restarts;
mod support;
