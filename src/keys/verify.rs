//! Signature verification: the host's BoringSSL where it is offered, the module's own crates otherwise.
//!
//! Keys are parsed once, at load. Both ways sit behind jsonwebtoken's [`JwtVerifier`] and must agree on every
//! token; the tests run each vector through both.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey};
use p256::ecdsa::signature::Verifier as EcdsaVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, Pss, PublicKey as RsaKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use spki::EncodePublicKey;

use crate::keys::host::{HostKey, HostVerify};

/// A verifier for one algorithm (RFC 7518 section 3.1, RFC 8037) with one key.
pub(crate) struct KeyVerifier {
    algorithm: Algorithm,
    key: Key,
    host: Option<HostKey>,
}

enum Key {
    Hs256(Hmac<Sha256>),
    Hs384(Hmac<Sha384>),
    Hs512(Hmac<Sha512>),
    Rsa(RsaKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(Ed25519Key),
}

impl KeyVerifier {
    /// Prepares a key, and the host's use of it if the host can verify the algorithm.
    ///
    /// # Errors
    /// The key cannot be read as one for the algorithm.
    pub(crate) fn new(
        algorithm: Algorithm,
        key: &DecodingKey,
        host: Option<HostVerify>,
    ) -> Result<Self, Error> {
        let key = Key::parse(algorithm, key.try_get_as_bytes()?).ok_or(ErrorKind::InvalidKeyFormat)?;
        let host = host.and_then(|verify| HostKey::prepare(verify, algorithm, &key.to_spki_der()?));
        Ok(Self { algorithm, key, host })
    }

    /// Whether signatures are verified by the host.
    pub(crate) fn is_hosted(&self) -> bool {
        self.host.is_some()
    }

    fn verify_in_module(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Hs256(mac) => hmac_matches(mac, message, signature),
            Key::Hs384(mac) => hmac_matches(mac, message, signature),
            Key::Hs512(mac) => hmac_matches(mac, message, signature),
            Key::Rsa(key) => rsa_matches(self.algorithm, key, message, signature),
            // RFC 7518 section 3.4: r || s, never DER; from_slice checks their length and range.
            Key::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| EcdsaVerifier::verify(key, message, &signature).is_ok()),
            Key::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| EcdsaVerifier::verify(key, message, &signature).is_ok()),
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

impl JwtVerifier for KeyVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for KeyVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // A host that gives no verdict leaves it to the module.
        let hosted = self.host.as_ref().and_then(|host| host.verify(message, signature));
        let matches = hosted.unwrap_or_else(|| self.verify_in_module(message, signature));
        if matches { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl Key {
    fn parse(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::HS256 => Self::Hs256(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::HS384 => Self::Hs384(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::HS512 => Self::Hs512(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa(RsaKey::from_pkcs1_der(bytes).ok()?),
            Algorithm::ES256 => Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?),
            Algorithm::ES384 => Self::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?),
            Algorithm::EdDSA => {
                let key = Ed25519Key::from_bytes(bytes.try_into().ok()?).ok()?;
                // A point of small order: every message would have a signature (RFC 8032 section 5.1.7).
                Self::Ed25519(Some(key).filter(|key| !key.is_weak())?)
            }
            _ => return None,
        })
    }

    /// The key as SubjectPublicKeyInfo, which is what the host reads; `None` for what it cannot use.
    fn to_spki_der(&self) -> Option<Vec<u8>> {
        let document = match self {
            Self::Rsa(key) => key.to_public_key_der(),
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::Hs256(_) | Self::Hs384(_) | Self::Hs512(_) | Self::Ed25519(_) => return None,
        };
        Some(document.ok()?.into_vec())
    }
}

/// The whole tag, in constant time.
fn hmac_matches<M: Mac + Clone>(mac: &M, message: &[u8], tag: &[u8]) -> bool {
    mac.clone().chain_update(message).verify_slice(tag).is_ok()
}

fn rsa_matches(algorithm: Algorithm, key: &RsaKey, message: &[u8], signature: &[u8]) -> bool {
    match algorithm {
        Algorithm::RS256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        Algorithm::RS384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        Algorithm::RS512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
        // RFC 7518 section 3.5: the salt is as long as the hash.
        Algorithm::PS256 => key.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature),
        Algorithm::PS384 => key.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature),
        Algorithm::PS512 => key.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
        _ => return false,
    }
    .is_ok()
}

#[cfg(test)]
mod ring_host;
#[cfg(test)]
mod tests;
