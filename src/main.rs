//! `glance-scrubber`: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    glance_scrubber::cli::main().into()
}
