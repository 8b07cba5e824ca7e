//! What a subcommand prints.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::cli::failure::Failure;

/// Writes to standard output, with colours only if that is a terminal. A reader that has seen enough, such as `head`, is no
/// fault.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(bytes: &[u8]) -> Result<ExitCode, Failure> {
    match anstream::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::at("standard output", error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}
