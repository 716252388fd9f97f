//! The `loong` binary as a process in a home of its own: what it prints, and how
//! it ends. WhatsApp is a port that nobody listens on.

mod harness;
mod keys;
mod lifecycle;
mod refusals;
