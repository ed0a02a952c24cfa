//! The contracts between the services: the generated protobuf and gRPC code of
//! `proto/tradepost/**`, the descriptor set, the routing keys of the messages, the conversions
//! between protobuf and the value types, and how messages are read off a connection. *Not* a home
//! for anything that decides.

pub mod codec;
pub mod convert;
pub mod routing;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::too_many_lines,
    reason = "generated code; the protos hold its comments"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tradepost.rs"));
}

pub use generated::tradepost::{
    common, gateway, inventory, metrics, notification, order, payment, shipping,
};

/// Every proto of the workspace with its comments, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
