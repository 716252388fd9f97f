//! What a WhatsApp server reads and writes itself: handshake, certificates,
//! client payloads, and the identities made when a device is linked.
//!
//! End-to-end-encrypted messages are not here: a server never opens them.

#![expect(
    missing_docs,
    reason = "generated; the .proto file explains the fields"
)]

include!(concat!(env!("OUT_DIR"), "/loong.wire.rs"));
