//! Keys, and the only way from a token to its claims: a verified signature.

use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature::Verifier;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::claims::Claims;
use crate::crypto::KeyVerifier;
use crate::host_crypto::{HostVerify, can_verify};
use crate::rejection::Rejection;
use crate::token::Token;

/// The names that `algorithm` may have: RFC 7518 section 3.1 without `none` and ES512, and RFC 8037.
pub const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
];

/// The key that tokens are verified with, and its one algorithm.
pub struct Keys {
    alg: &'static str,
    verifier: KeyVerifier,
    enforced: bool,
}

impl Keys {
    /// A key for the algorithm of this name; with `enforced` false (`verifyToken`) no signature is checked.
    ///
    /// # Errors
    /// The key is not one for the algorithm.
    pub(crate) fn new(
        (alg, algorithm): (&'static str, Algorithm),
        key: &DecodingKey,
        enforced: bool,
        host: Option<HostVerify>,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self { alg, verifier: KeyVerifier::new(algorithm, key, host)?, enforced })
    }

    /// Whether a host such as Envoy can verify signatures of this algorithm.
    #[must_use]
    pub fn is_hostable(&self) -> bool {
        can_verify(self.verifier.algorithm())
    }

    /// Whether signatures are verified by the host's cryptography rather than in the module.
    #[must_use]
    pub fn is_hosted(&self) -> bool {
        self.verifier.is_hosted()
    }

    /// The claims of a token that this key signed.
    ///
    /// The algorithm is the configured one, whatever the token says (RFC 8725 section 3.1).
    pub fn verify(&self, token: &Token<'_>) -> Result<Claims, Rejection> {
        if token.alg() != Some(self.alg) {
            return Err(Rejection::AlgNotAllowed);
        }
        if self.enforced {
            self.verifier
                .verify(token.signing_input(), token.signature())
                .map_err(|_| Rejection::BadSignature)?;
        }
        Claims::parse(token.payload())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("alg", &self.alg)
            .field("enforced", &self.enforced)
            .finish_non_exhaustive()
    }
}
