//! Keys, and the only way from a token to its claims: a verified signature.

use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature::Verifier;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::counters::Numbers;
use crate::keys::host::{HostVerify, can_verify};
use crate::keys::verify::KeyVerifier;
use crate::rejection::Rejection;
use crate::token::claims::Claims;
use crate::token::jws::Token;

/// An algorithm and its name, as `alg` and the setting `algorithm` write it.
pub(crate) type NamedAlgorithm = (&'static str, Algorithm);

/// The names that `algorithm` may have: RFC 7518 section 3.1 without `none` and ES512, and RFC 8037.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 12] = [
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

/// A key for one algorithm, whatever a token says (RFC 8725 section 3.1).
pub(crate) struct Key {
    kid: Option<String>,
    alg: &'static str,
    verifier: KeyVerifier,
}

impl Key {
    /// Prepares a key.
    ///
    /// # Errors
    /// It is not one for the algorithm.
    pub(crate) fn new(
        kid: Option<String>,
        (alg, algorithm): NamedAlgorithm,
        key: &DecodingKey,
        host: Option<HostVerify>,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self { kid, alg, verifier: KeyVerifier::new(algorithm, key, host)? })
    }
}

/// The keys that tokens are verified with.
pub struct Keys {
    algorithms: Vec<&'static str>,
    keys: Vec<Key>,
    choice: Choice,
}

/// How a token's key is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// There is one, whatever `kid` says (`public_key`).
    Only,
    /// By `kid` (`jwks`, `remoteJwks`).
    ByKid,
    /// None is needed: every token is believed (`verifyToken: false`).
    Unverified,
}

impl Keys {
    /// These keys, for tokens of these algorithms.
    pub(crate) fn new(algorithms: &[NamedAlgorithm], keys: Vec<Key>, choice: Choice) -> Self {
        Self { algorithms: algorithms.iter().map(|(name, _)| *name).collect(), keys, choice }
    }

    /// How many keys there are; one that fits several algorithms counts for each.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a host such as Envoy could verify signatures that this module verifies.
    #[must_use]
    pub fn lacks_host(&self) -> bool {
        self.keys.iter().any(|key| can_verify(key.verifier.algorithm()) && !key.verifier.is_hosted())
    }

    /// The claims of a token that one of these keys signed.
    pub fn verify(&self, token: &Token<'_>, numbers: &Numbers) -> Result<Claims, Rejection> {
        let alg = token.alg().filter(|alg| self.algorithms.contains(alg)).ok_or(Rejection::AlgNotAllowed)?;
        if self.choice != Choice::Unverified {
            let signed_by = |key: &Key| {
                numbers.count_verification(key.verifier.is_hosted());
                key.verifier.verify(token.signing_input(), token.signature()).is_ok()
            };
            if !self.candidates(token.kid(), alg)?.any(signed_by) {
                return Err(Rejection::BadSignature);
            }
        }
        Claims::parse(token.payload())
    }

    /// The keys that may have signed a token: by `kid`, then by `alg` (RFC 7517 sections 4.4 and 4.5).
    fn candidates<'k>(
        &'k self,
        kid: Option<&'k str>,
        alg: &'k str,
    ) -> Result<impl Iterator<Item = &'k Key>, Rejection> {
        let kid = kid.filter(|_| self.choice == Choice::ByKid);
        let named = move |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
        if !self.keys.iter().any(|key| named(&key)) {
            return Err(Rejection::KidUnknown);
        }
        let fitting = self.keys.iter().filter(named).filter(move |key| key.alg == alg);
        match (fitting.clone().count(), kid) {
            (0, _) => Err(Rejection::AlgNotAllowed),
            // Which one? Trying each would make every token without kid as dear as the set is long.
            (2.., None) => Err(Rejection::KidMissing),
            _ => Ok(fitting),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("algorithms", &self.algorithms)
            .field("choice", &self.choice)
            .finish_non_exhaustive()
    }
}
