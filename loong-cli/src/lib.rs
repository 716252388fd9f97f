//! The command line of loong as a library, so that a test-only binary can be
//! built from exactly what is shipped.
//!
//! [`main_entry`] is the whole program. [`config`] reads `loong.toml`,
//! [`terminal`] is what people and scripts see of a running bridge, and
//! [`Exit`] lists the ways in which the process ends.

mod cli;
mod commands;
pub mod config;
mod entry;
mod exit;
mod failure;
mod logging;
mod signals;
pub mod terminal;

pub use self::{
    entry::{main_entry, run},
    exit::Exit,
    failure::Failure,
};
