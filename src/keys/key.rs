//! Keys, and the only way from a token to its claims: a verified signature.

use jsonwebtoken::DecodingKey;

use crate::counters::{By, Counters};
use crate::keys::algorithm::Algorithm;
use crate::keys::boringssl::{HostKey, HostVerify, can_verify};
use crate::keys::fault::Fault;
use crate::keys::verify::ModuleKey;
use crate::rejection::Rejection;
use crate::token::claims::Claims;
use crate::token::jws::Token;

/// A key for one algorithm, whatever a token says (RFC 8725 section 3.1).
///
/// The host and the module must agree on every signature; the tests run each vector through both.
pub(crate) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    module: ModuleKey,
    /// Where the host can verify the algorithm.
    host: Option<HostKey>,
}

impl Key {
    /// Prepares a key for verification by the host, if the host can, and by the module.
    ///
    /// # Errors
    /// The bytes of `key` are not a key for the algorithm, or only a host could verify it and this one cannot.
    pub(crate) fn new(
        kid: Option<&str>,
        algorithm: Algorithm,
        key: &DecodingKey,
        host: Option<HostVerify>,
    ) -> Result<Self, Fault> {
        let bytes = key.try_get_as_bytes().ok();
        let module = bytes.and_then(|bytes| ModuleKey::parse(algorithm, bytes)).ok_or_else(|| {
            Fault::new(
                format!("is damaged, or not a key for {algorithm:?}"),
                "copy the whole PEM from the issuer again",
            )
        })?;
        let host = host.and_then(|verify| HostKey::prepare(verify, algorithm, &module.to_spki_der()?));
        if host.is_none() && !module.can_verify() {
            return Err(Fault::new(
                format!(
                    "is for {algorithm:?}, which only Envoy's verify_signature verifies, and it is not here"
                ),
                "run the filter in Envoy, or let the issuer sign with ES256 or ES384",
            ));
        }
        Ok(Self { kid: kid.map(str::to_owned), algorithm, module, host })
    }

    /// Whether this key made the signature of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // A host that gives no verdict leaves it to the module.
        let verdict = self.host.as_ref().and_then(|host| host.verify(message, signature));
        verdict.unwrap_or_else(|| self.module.verifies(message, signature))
    }

    /// Who verifies the signatures of this key.
    pub(crate) fn verified_by(&self) -> By {
        if self.host.is_some() { By::Host } else { By::Module }
    }
}

/// The keys that tokens of one policy are verified with.
pub(crate) struct Keys {
    keys: Vec<Key>,
    choice: Choice,
}

/// How the key of a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// There is one key for each algorithm, whatever `kid` says (`public_key`).
    Only,
    /// By `kid` (`jwks`, `remoteJwks`).
    ByKid,
}

impl Keys {
    /// These keys.
    pub(crate) fn new(keys: Vec<Key>, choice: Choice) -> Self {
        Self { keys, choice }
    }

    /// How many keys there are; a key that fits several algorithms counts for each.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The `kid` and the algorithm of each, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Option<&str>, Algorithm)> {
        self.keys.iter().map(|key| (key.kid.as_deref(), key.algorithm))
    }

    /// Whether the module verifies signatures that a host such as Envoy could verify.
    pub(crate) fn lacks_host(&self) -> bool {
        self.keys.iter().any(|key| can_verify(key.algorithm) && key.verified_by() == By::Module)
    }

    /// The claims of a token that one of these keys signed with this algorithm, which is the token's `alg`.
    ///
    /// # Errors
    /// No key fits, the signature is wrong, or the payload is not a JSON object.
    pub(crate) fn verify(
        &self,
        token: &Token<'_>,
        algorithm: Algorithm,
        counters: &Counters,
    ) -> Result<Claims, Rejection> {
        let signed_by = |key: &Key| {
            counters.count_verification(key.verified_by());
            key.verifies(token.signing_input(), token.signature())
        };
        if self.candidates(token.kid(), algorithm)?.any(signed_by) {
            return Claims::parse(token.payload());
        }
        // The token has a `kid`, and no key here has one: the right key may be a newer one of the issuer.
        let is_named = self.names_keys() || token.kid().is_none() || self.choice == Choice::Only;
        Err(if is_named { Rejection::BadSignature } else { Rejection::KidUnknown })
    }

    /// Whether any of the keys has a `kid`.
    fn names_keys(&self) -> bool {
        self.keys.iter().any(|key| key.kid.is_some())
    }

    /// The keys that may have signed a token: by `kid`, then by `alg` (RFC 7517 sections 4.4 and 4.5).
    fn candidates<'k>(
        &'k self,
        kid: Option<&'k str>,
        algorithm: Algorithm,
    ) -> Result<impl Iterator<Item = &'k Key>, Rejection> {
        // A set whose keys have no `kid` has one key for an algorithm, or none can be chosen.
        let by_kid = kid.filter(|_| self.choice == Choice::ByKid && self.names_keys());
        let named = move |key: &&Key| by_kid.is_none() || key.kid.as_deref() == by_kid;
        if !self.keys.iter().any(|key| named(&key)) {
            return Err(Rejection::KidUnknown);
        }
        let fitting = self.keys.iter().filter(named).filter(move |key| key.algorithm == algorithm);
        match (fitting.clone().count(), by_kid) {
            (0, _) => Err(Rejection::AlgNotAllowed),
            // To try each key would cost a signature check for each key of the set, for every such token.
            (2.., None) if kid.is_some() => Err(Rejection::KidUnknown),
            (2.., None) => Err(Rejection::KidMissing),
            _ => Ok(fitting),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids: Vec<_> = self.names().collect();
        f.debug_struct("Keys").field("keys", &kids).field("choice", &self.choice).finish()
    }
}
