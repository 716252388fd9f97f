//! The simulated server against a client that was never told about it: plain
//! whatsapp-rust with its in-memory store.

mod client;
mod faults;
mod groups;
mod listen;
mod pairing;
mod texts;
mod world;
