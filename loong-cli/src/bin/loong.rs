//! The `loong` binary. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loong_cli::main_entry()
}
