//! Simulated phones, driven through the control API, against the published
//! client library.

mod client;
mod groups;
mod handed_out;
mod linking;
mod messages;
mod world;
