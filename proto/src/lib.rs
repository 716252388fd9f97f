//! Protobuf messages, compiled from `proto/` without `protoc`: what loong keeps
//! on disk, and, for its simulators only, what they speak on the wire.

/// Records of the sealed store. They may hold secrets and message texts, so
/// none of them implements `Debug`.
#[expect(
    missing_docs,
    reason = "the .proto file explains what a field's name does not say"
)]
#[expect(
    missing_debug_implementations,
    reason = "records hold secrets and message texts, which must not be printed"
)]
pub mod store {
    include!(concat!(env!("OUT_DIR"), "/loong.store.v1.rs"));
}

/// The messages of WhatsApp's handshake and pairing.
#[cfg(feature = "wire")]
pub mod wire;
