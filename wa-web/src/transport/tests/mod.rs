//! Against servers and proxies in this process.

mod config;
mod dialling;
mod servers;
mod traffic;
