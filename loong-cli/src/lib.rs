//! The `loong` command line as a library.
pub mod config;
