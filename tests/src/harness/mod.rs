//! What whole-program tests share: a simulated world, the shipped binary as a
//! process, and a consumer of the bridge contract that knows only the wire.

mod bridge;
mod consumer;
mod world;

pub use bridge::{Bridge, BridgeSetup, Event, loong_binary};
pub use consumer::{Answer, Consumer};
pub use world::{World, WorldOptions};
