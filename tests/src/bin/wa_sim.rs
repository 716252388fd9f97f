//! `wa-sim`: a simulated WhatsApp on loopback.

fn main() {}
