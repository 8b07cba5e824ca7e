//! `kinto-jwt schema`: the JSON Schema of the plugin configuration, for editors.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::output::write;

/// Draft 2020-12. `tests/cli/schema.rs` compares it with the parser and with the page of settings.
const SCHEMA: &str = include_str!("../../docs/kinto-jwt-filter.schema.json");

/// Prints the schema.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    write(SCHEMA.as_bytes())
}
