//! The HTTP server on real sockets: what the original client and other callers
//! see, and what they cannot do.

mod admin;
mod batches;
mod client;
mod golden;
mod guards;
mod limits;
mod rig;
mod sends;
mod shutdown;
mod status;
