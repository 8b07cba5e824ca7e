//! The command `kinto-jwt`: what the filter will do, before it does it, and why it has done it.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments.rs` | the subcommands and their arguments |
//! | `check` | the subcommand `check` |
//! | `output.rs`, `failure.rs` | standard output; why a subcommand cannot do its work |
//! | `yaml.rs`, `bounds.rs`, `inside.rs` | reads YAML; refuses what is too deep or too large; YAML in a text of YAML |
//! | `document.rs`, `scalar.rs` | a file as a tree with the place of each value; what YAML makes of a text without quotes |
//! | `in_words.rs` | times and places of tokens, in words |
//! | `explain/` | why a token proves nothing, and as whom Kinto will see a request |
//! | `file.rs`, `resource.rs`, `plugin.rs`, `holder.rs` | a file of the operator; the documents in it, and in its ConfigMaps; finds the configurations of the filter in a file, and loads them |
//! | `environment.rs`, `placeholder.rs`, `host.rs`, `protobuf.rs` | what Envoy gives to the module: variables, `verify_signature`, the settings |
//! | `keygen.rs`, `token.rs` | new keys, and tokens to try out settings with |
//! | `secret.rs` | what may be shown |
//! | `schema.rs` | the JSON Schema of the settings |
//! | `private_key/` | private keys and secrets: made, read, written, and used to sign |
//! | `migrate` | from an ini file with `kinto_jwt` to the settings of the filter |

mod arguments;
mod bounds;
mod check;
mod document;
mod environment;
mod explain;
mod failure;
mod file;
mod holder;
mod host;
mod in_words;
mod inside;
mod keygen;
mod migrate;
mod output;
mod placeholder;
mod plugin;
mod private_key;
mod protobuf;
mod resource;
mod scalar;
mod schema;
mod secret;
mod token;
mod yaml;

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::cli::arguments::{Arguments, Command};
use crate::cli::secret::LONGEST_SHOWN;

pub use crate::cli::migrate::read_settings;

/// Runs the command with the arguments of the process.
///
/// It ends with 0 if all is well, with 1 if something was found to be wrong, and with 2 if it could not do its work.
#[must_use]
pub fn main() -> ExitCode {
    let done = match arguments().command {
        Command::Check(check) => check::run(&check),
        Command::Completions { shell } => arguments::completions(shell),
        Command::Keygen(arguments) => keygen::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Schema => schema::run(),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Man => arguments::man_page(),
        Command::Migrate(arguments) => migrate::run(arguments),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("kinto-jwt: {failure}");
            ExitCode::from(2)
        }
    }
}

/// The arguments of the process. If they are wrong, it ends with 2 and says why, without a text that may be a token in the
/// wrong place.
fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|mut error| {
        for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
            if matches!(error.get(kind), Some(ContextValue::String(text)) if text.len() > LONGEST_SHOWN) {
                error.insert(kind, ContextValue::String("..".to_owned()));
                // The advice repeats it.
                error.remove(ContextKind::Suggested);
            }
        }
        error.exit()
    })
}
