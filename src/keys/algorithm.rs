//! The signature algorithms that this filter verifies: RFC 7518 section 3.1 without `none`, and RFC 8037.
//!
//! jsonwebtoken has such a list, but without ES512.

use std::str::FromStr;

/// One algorithm. Its name in the code is its name in `alg` and in the setting `algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    /// On the curve Ed25519 alone. `Ed25519` is its other name (RFC 9864 section 2.2).
    EdDSA,
    HS256,
    HS384,
    HS512,
}

/// All of them, in the order in which messages list them.
pub(crate) const ALGORITHMS: [Algorithm; 13] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

/// No algorithm has this name, in this spelling.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

impl FromStr for Algorithm {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Ok(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            "EdDSA" | "Ed25519" => Self::EdDSA,
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            _ => return Err(Unknown),
        })
    }
}

impl Algorithm {
    /// Whether it is one of RSA: a key for one of them is a key for all six.
    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512)
    }

    /// Whether its key is a shared secret.
    pub(crate) fn is_hmac(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// The names of algorithms as `alg` and the setting `algorithm` write them, with `separator` between two.
pub(crate) fn names(algorithms: &[Algorithm], separator: &str) -> String {
    let names: Vec<String> = algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    names.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_written_is_read_again() {
        let written = names(&ALGORITHMS, " ");
        let read: Vec<Algorithm> = written.split(' ').map(|name| name.parse().unwrap()).collect();
        assert_eq!(read, ALGORITHMS);
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
        for name in ["none", "ES256K", "Ed448", "ed25519", "EDDSA", "rs256", "RS256 ", ""] {
            assert_eq!(name.parse::<Algorithm>(), Err(Unknown), "{name}");
        }
    }
}
