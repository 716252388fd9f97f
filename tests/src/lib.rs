//! Simulated servers, and what the integration tests share.

pub mod harness;
pub mod interop;
pub mod sim_client;
pub mod wa_sim;
