//! The command `kinto-jwt`: [`kinto_jwt_filter::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    kinto_jwt_filter::cli::main()
}
