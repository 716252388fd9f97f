//! The `loong` command line without the check of WhatsApp's certificate, so that
//! it can pair with the simulator. Everything else is the shipped library; this
//! binary is never shipped.

use std::process::ExitCode;

fn main() -> ExitCode {
    loong_cli::main_entry()
}
