//! What whole-program tests share: the shipped binary as a process, and a
//! consumer of the bridge contract that knows only the wire.

mod bridge;
mod consumer;

pub use bridge::{Bridge, BridgeSetup, Event, loong_binary};
pub use consumer::{Answer, Consumer};
