//! Signature verification with keys that are parsed once, behind jsonwebtoken's [`JwtVerifier`].

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

/// A verifier for `algorithm` (RFC 7518 section 3.1, RFC 8037) with this key.
///
/// # Errors
/// The key cannot be read as one for the algorithm.
pub(crate) fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    let unusable = || Error::from(ErrorKind::InvalidKeyFormat);
    let key = match algorithm {
        Algorithm::HS256 => Key::Hs256(Hmac::new_from_slice(bytes).map_err(|_| unusable())?),
        Algorithm::HS384 => Key::Hs384(Hmac::new_from_slice(bytes).map_err(|_| unusable())?),
        Algorithm::HS512 => Key::Hs512(Hmac::new_from_slice(bytes).map_err(|_| unusable())?),
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => Key::Rsa(RsaKey::from_pkcs1_der(bytes).map_err(|_| unusable())?),
        Algorithm::ES256 => {
            Key::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| unusable())?)
        }
        Algorithm::ES384 => {
            Key::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| unusable())?)
        }
        Algorithm::EdDSA => {
            let bytes = bytes.try_into().map_err(|_| unusable())?;
            let key = Ed25519Key::from_bytes(bytes).map_err(|_| unusable())?;
            if key.is_weak() {
                return Err(unusable());
            }
            Key::Ed25519(key)
        }
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(Module { algorithm, key }))
}

/// Verification inside the module, by the RustCrypto crates.
struct Module {
    algorithm: Algorithm,
    key: Key,
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

impl JwtVerifier for Module {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Module {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        if self.matches(message, signature) { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl Module {
    fn matches(&self, message: &[u8], signature: &[u8]) -> bool {
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
