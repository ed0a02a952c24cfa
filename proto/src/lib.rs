//! The contracts: generated protobuf and gRPC code, and nothing else.
