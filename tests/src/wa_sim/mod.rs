//! A simulated WhatsApp: the server side of its protocol, with phones that are
//! real Signal peers. Clients that were never told about it can be pointed at
//! it, pair, and exchange end-to-end-encrypted messages.
//!
//! The server never sees a plaintext. What it knows is in [`hub`]: accounts,
//! devices, queues and connections; [`server`] is the listener.

pub mod address;
pub mod cert;
mod conn;
pub mod control;
pub mod events;
pub mod faults;
pub mod frame;
pub mod groups;
pub mod hub;
mod iq;
pub mod ledger;
pub mod link;
mod link_code;
mod login;
pub mod node;
pub mod noise;
mod notify;
mod pairing;
pub mod phone;
mod receipts;
mod route;
mod seed;
pub mod server;
mod stream;
