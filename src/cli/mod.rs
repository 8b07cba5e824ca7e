//! The command `kinto-jwt`: what the filter will do, before it does it, and why it has done it.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments.rs` | the subcommands and their arguments |
//! | `failure.rs` | why a subcommand cannot do its work |

mod arguments;
mod failure;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::arguments::{Arguments, Command};

/// Runs the command with the arguments of the process.
///
/// It ends with 0 if all is well, with 1 if something was found to be wrong, and with 2 if it could not do its work.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Completions { shell } => arguments::completions(shell),
        Command::Man => arguments::man_page(),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("kinto-jwt: {failure}");
            ExitCode::from(2)
        }
    }
}
