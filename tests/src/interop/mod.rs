//! Clients of other projects against the simulator and against the shipped
//! bridge: what the `interop` binary runs.
//!
//! Nothing here changes those clients. Baileys runs as it comes from its
//! registry, `whatsapp-rust` with its in-memory store; both are only told where
//! the server is.

mod baileys;
mod bridge;
mod heard;
mod party;
mod plain;
mod run;
mod scenarios;
mod stage;

pub use run::{Report, run};
pub use scenarios::{Scenario, all};
pub use stage::{Stage, StageOptions};
