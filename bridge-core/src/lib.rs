//! What a messenger bridge needs whatever the messenger is: the JSON contract
//! `loong_channel_bridge_v1` and the HTTP server that speaks it, an inbox and an
//! outbox that survive crashes, the allowlist, sealed storage, and the [`driver`]
//! trait that a messenger implements.
//!
//! Nothing here knows WhatsApp, iLink, configuration files or the command line.

pub mod account;
pub mod clock;
pub mod contract;
pub mod driver;
pub mod driver_memory;
pub mod inbox;
pub mod message;
pub mod outbox;
pub mod policy;
pub mod server;
pub mod state;
pub mod target;
pub mod vault;
