//! From a JWK Set (RFC 7517 section 5) to keys. Keys that can verify a token are used; others are named and left out.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use rsa::pkcs1::{RsaPublicKey, UintRef};
use serde_json::{Map, Value};
use spki::der::Encode;

use crate::keys::algorithm::{Algorithm, names};
use crate::keys::boringssl::HostVerify;
use crate::keys::fault::Fault;
use crate::keys::key::Key;
use crate::keys::pem;

/// The largest number of keys in a set. No issuer has more, and each key costs memory and time in every worker.
const MAX_KEYS: usize = 100;

/// Where a set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The configuration, which may hold a secret.
    Inline,
    /// The address of an issuer, which anybody can read.
    Remote,
}

/// The keys of a set that can be used, and words on each key that cannot.
pub(crate) struct KeySet {
    pub(crate) keys: Vec<Key>,
    pub(crate) skipped: Vec<String>,
}

/// Why a key of a set cannot be used, as a predicate: `is damaged`.
#[derive(Debug)]
struct Unusable(Cow<'static, str>);

const DAMAGED: Unusable = Unusable(Cow::Borrowed("is damaged"));

impl Unusable {
    fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        Self(fault.what)
    }
}

/// Reads a set for tokens of these algorithms.
///
/// # Errors
/// It is not a JWK Set, or has no key that can be used.
pub(crate) fn parse(
    set: &Value,
    algorithms: &[Algorithm],
    origin: Origin,
    host: Option<HostVerify>,
) -> Result<KeySet, Fault> {
    let Some(jwks) = set.get("keys").and_then(Value::as_array) else {
        return Err(Fault::new(
            "is not a JWK Set",
            "give a map with a list of keys: { keys: [ { kty: RSA, kid: .., n: .., e: AQAB } ] }",
        ));
    };
    if jwks.len() > MAX_KEYS {
        return Err(Fault::new(format!("has more than {MAX_KEYS} keys"), "give those that sign tokens"));
    }
    let mut set = KeySet { keys: Vec::new(), skipped: Vec::new() };
    for (number, jwk) in (1_usize..).zip(jwks) {
        let parsed = jwk.as_object().ok_or(Unusable::new("is not a map"));
        match parsed.and_then(|jwk| parse_key(jwk, algorithms, origin, host)) {
            Ok(keys) => set.keys.extend(keys),
            Err(Unusable(why)) => set.skipped.push(format!("key {number}{} {why}", kid_in_words(jwk))),
        }
    }
    if set.keys.is_empty() {
        let faults = if set.skipped.is_empty() { "it is empty".to_owned() } else { set.skipped.join(", ") };
        return Err(Fault::new(
            format!("has no key that verifies {}: {faults}", names(algorithms, " or ")),
            "give the issuer's keys, or set algorithm to what they are for",
        ));
    }
    Ok(set)
}

/// Prepares one key for each algorithm that it can verify, or says why it cannot be used.
fn parse_key(
    jwk: &Map<String, Value>,
    algorithms: &[Algorithm],
    origin: Origin,
    host: Option<HostVerify>,
) -> Result<Vec<Key>, Unusable> {
    let text = |name: &str| match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Unusable::new(format!("has a {name} that is not text"))),
    };
    if text("use")?.is_some_and(|usage| usage != "sig") {
        return Err(Unusable::new("is not for signatures (use)"));
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.as_array().is_some_and(|operations| operations.iter().any(|name| name == "verify"))
    {
        return Err(Unusable::new("is not for verifying (key_ops)"));
    }
    if jwk.contains_key("d") {
        return Err(Unusable::new("is a private key, which must never leave the token issuer"));
    }
    let certificate = certificate(jwk)?;
    let kinds = Kind::named_by(jwk, certificate.is_some())?;
    if kinds.contains(&Kind::Secret) && origin == Origin::Remote {
        return Err(Unusable::new("is a shared secret, and this set is public"));
    }
    let alg = text("alg")?;
    let kid = text("kid")?;
    let fits = |algorithm: &&Algorithm| {
        kinds.iter().any(|kind| kind.verifies(**algorithm))
            && alg.is_none_or(|alg| alg.parse() == Ok(**algorithm))
    };
    // A secret may be long enough for one algorithm and too short for another.
    let (mut keys, mut fault) = (Vec::new(), None);
    for algorithm in algorithms.iter().filter(fits) {
        let key = match (&certificate, kinds.as_slice()) {
            (Some(certificate), _) => pem::parse_certificate(certificate, *algorithm).map_err(Unusable::from),
            (None, [kind, ..]) => kind.to_key(jwk, *algorithm),
            (None, []) => Err(DAMAGED),
        };
        match key.and_then(|key| Ok(Key::new(kid, *algorithm, &key, host)?)) {
            Ok(key) => keys.push(key),
            Err(unusable) => fault = Some(unusable),
        }
    }
    if keys.is_empty() {
        let unfit = if alg.is_some() { "has another alg" } else { "is for none of algorithm" };
        return Err(fault.unwrap_or_else(|| Unusable::new(unfit)));
    }
    Ok(keys)
}

/// The certificate in which the key is (RFC 7517 section 4.7), in DER; `None` if the key is in members of its own. Those
/// count where there are both: then `x5c` is not read.
fn certificate(jwk: &Map<String, Value>) -> Result<Option<Vec<u8>>, Unusable> {
    let Some(x5c) = jwk.get("x5c").filter(|_| !KEY_MEMBERS.iter().any(|name| jwk.contains_key(*name))) else {
        return Ok(None);
    };
    // The first one has the key; the others vouch for it, which is not asked for.
    let first = x5c.get(0).and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    first.map(Some).ok_or(Unusable::new("has an x5c that is not a list of certificates in base64"))
}

/// Members that hold a key (RFC 7518 section 6, RFC 8037 section 2).
const KEY_MEMBERS: [&str; 5] = ["n", "e", "x", "y", "k"];

/// The kinds of keys that verify signatures (RFC 7518 section 6.1, RFC 8037 section 2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

/// Each kind, with the `kty` and the `crv` that name it.
const KINDS: [(Kind, &str, Option<&str>); 6] = [
    (Kind::Rsa, "RSA", None),
    (Kind::P256, "EC", Some("P-256")),
    (Kind::P384, "EC", Some("P-384")),
    (Kind::P521, "EC", Some("P-521")),
    (Kind::Ed25519, "OKP", Some("Ed25519")),
    (Kind::Secret, "oct", None),
];

impl Kind {
    /// The kinds that `kty` and `crv` name. It is one, except where a certificate says the curve and no `crv` does.
    fn named_by(jwk: &Map<String, Value>, is_certified: bool) -> Result<Vec<Self>, Unusable> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let (kty, crv) = (text("kty"), text("crv"));
        if !KINDS.iter().any(|(_, name, _)| Some(*name) == kty) {
            return Err(Unusable::new("is of an unknown kty"));
        }
        let fits = |curve: Option<&str>| curve.is_none() || curve == crv || (crv.is_none() && is_certified);
        let kinds = KINDS.iter().filter(|(_, name, curve)| Some(*name) == kty && fits(*curve));
        let kinds: Vec<Self> = kinds.map(|(kind, ..)| *kind).collect();
        if kinds.is_empty() {
            return Err(Unusable::new("is on a curve other than P-256, P-384, P-521 and Ed25519"));
        }
        Ok(kinds)
    }

    fn verifies(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa => algorithm.is_rsa(),
            Self::P256 => algorithm == Algorithm::ES256,
            Self::P384 => algorithm == Algorithm::ES384,
            Self::P521 => algorithm == Algorithm::ES512,
            Self::Ed25519 => algorithm == Algorithm::EdDSA,
            Self::Secret => algorithm.is_hmac(),
        }
    }

    fn to_key(self, jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<DecodingKey, Unusable> {
        let octets = |name: &str| {
            let text = jwk
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| Unusable::new(format!("has no {name}")))?;
            // RFC 7517 says base64url without padding, but some issuers write padding.
            let octets = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            octets.map_err(|_| Unusable::new(format!("has a {name} that is not base64url")))
        };
        match self {
            Self::Rsa => {
                let (modulus, exponent) = (octets("n")?, octets("e")?);
                let key = RsaPublicKey {
                    modulus: UintRef::new(&modulus).map_err(|_| DAMAGED)?,
                    public_exponent: UintRef::new(&exponent).map_err(|_| DAMAGED)?,
                };
                let der = key.to_der().map_err(|_| DAMAGED)?;
                Ok(pem::parse_rsa(&der, algorithm)?)
            }
            Self::P256 | Self::P384 | Self::P521 => {
                // SEC 1 section 2.3.3, uncompressed.
                Ok(DecodingKey::from_ec_der(&[vec![4], octets("x")?, octets("y")?].concat()))
            }
            Self::Ed25519 => Ok(DecodingKey::from_ed_der(&octets("x")?)),
            Self::Secret => Ok(pem::parse_secret(&octets("k")?, algorithm)?),
        }
    }
}

/// The `kid` of a key, which is public, for the log.
fn kid_in_words(jwk: &Value) -> String {
    let kid = jwk.get("kid").and_then(Value::as_str);
    kid.map(|kid| format!(" (kid {:?})", kid.chars().take(64).collect::<String>())).unwrap_or_default()
}
