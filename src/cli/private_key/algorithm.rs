//! The option `--algorithm`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::keys::algorithm::{ALGORITHMS, Algorithm};

/// Reads the name of an algorithm, as the setting `algorithm` has it.
pub(crate) fn algorithms() -> impl TypedValueParser<Value = Algorithm> {
    let names = ALGORITHMS.map(|algorithm| match algorithm {
        Algorithm::EdDSA => PossibleValue::new("EdDSA").alias("Ed25519"),
        other => PossibleValue::new(format!("{other:?}")),
    });
    PossibleValuesParser::new(names).try_map(|name| name.parse().map_err(|_| "no algorithm has this name"))
}
