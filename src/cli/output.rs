//! Standard output.

use std::io::Write;

use crate::cli::failure::Failure;

/// Writes lines to standard output, with colours only if that is a terminal.
///
/// # Errors
/// They cannot be written.
pub(crate) fn write_text(text: &str) -> Result<(), Failure> {
    let written = writeln!(anstream::stdout().lock(), "{text}");
    written.map_err(|error| Failure::at("standard output", error))
}
