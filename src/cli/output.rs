//! What a subcommand prints.

use std::io::Write;
use std::process::ExitCode;

use crate::cli::failure::Failure;

/// Writes to standard output, with colours only if that is a terminal.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(bytes: &[u8]) -> Result<ExitCode, Failure> {
    let written = anstream::stdout().lock().write_all(bytes);
    written.map(|()| ExitCode::SUCCESS).map_err(|error| Failure::at("standard output", error))
}
