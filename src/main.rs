//! Arguments to command to exit code; the only exit of the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    punctual::cli::run(std::env::args_os()).into()
}
