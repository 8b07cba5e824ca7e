//! The signature algorithms that this filter verifies: RFC 7518 section 3.1 without `none` and ES512, and RFC 8037.
//!
//! [`Algorithm`] is jsonwebtoken's: it knows these twelve, and reads them from their names.

use jsonwebtoken::Algorithm;

/// All of them, in the order in which messages list them.
pub(crate) const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

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
        for name in ["none", "ES512", "ES256K", "Ed448", "rs256", ""] {
            assert!(name.parse::<Algorithm>().is_err(), "{name}");
        }
    }
}
