//! Simulated servers, and what the integration tests share.

pub mod sim_client;
pub mod wa_sim;
