//! The subcommands and their arguments.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::check::Check;
use crate::cli::explain::Explain;
use crate::cli::failure::Failure;
use crate::cli::keygen::Keygen;
use crate::cli::migrate::Migrate;
use crate::cli::output::write;
use crate::cli::token::Token;

/// Checks, explains and migrates the settings of kinto-jwt-filter.
#[derive(Debug, Parser)]
#[command(name = "kinto-jwt", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the settings in files of Envoy or Kubernetes, and say what they do
    Check(Check),
    /// Write the completions for a shell to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Make a new key pair or secret, and print the settings that fit it
    Keygen(Keygen),
    /// Sign a token to try out settings with, and print it
    Token(Token),
    /// Write the JSON Schema of the settings to standard output, for an editor
    Schema,
    /// Explain why a token proves nothing, and as whom Kinto will see a request
    Explain(Box<Explain>),
    /// Write the man page to standard output
    Man,
    /// Write the settings of the filter, and the changes of Kinto's ini file, for an ini file with kinto_jwt
    Migrate(Migrate),
}

/// Writes the completions for a shell to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "kinto-jwt", &mut script);
    write(&script)
}

/// Writes the man page to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn man_page() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut page)
        .map_err(|error| Failure::at("man page", error))?;
    write(&page)
}
