//! Signature verification in the module, by the crates of RustCrypto and dalek, where the host cannot (`boringssl.rs`).
//!
//! A key is parsed once, at load.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Verifier;
use p521::elliptic_curve::point::AffineCoordinates;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, Pss, PublicKey as RsaKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use spki::EncodePublicKey;

use crate::keys::algorithm::Algorithm;

/// A key in the form that the module's crates take, for one algorithm (RFC 7518 section 3.1, RFC 8037).
pub(crate) enum ModuleKey {
    Hs256(Hmac<Sha256>),
    Hs384(Hmac<Sha384>),
    Hs512(Hmac<Sha512>),
    /// For one of RS256, RS384, RS512, PS256, PS384 and PS512.
    Rsa(RsaKey, Algorithm),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    /// For the host alone: the arithmetic of signatures on this curve would make the module 36 KB larger (measured).
    P521(p521::PublicKey),
    Ed25519(Ed25519Key),
}

impl ModuleKey {
    /// Reads the secret of an HS algorithm, a PKCS #1 RSA key, a SEC 1 point or the 32 bytes of an Ed25519 key.
    pub(crate) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::HS256 => Self::Hs256(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::HS384 => Self::Hs384(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::HS512 => Self::Hs512(Hmac::new_from_slice(bytes).ok()?),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa(RsaKey::from_pkcs1_der(bytes).ok()?, algorithm),
            Algorithm::ES256 => Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?),
            Algorithm::ES384 => Self::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?),
            Algorithm::ES512 => Self::P521(parse_p521(bytes)?),
            Algorithm::EdDSA => {
                let key = Ed25519Key::from_bytes(bytes.try_into().ok()?).ok()?;
                // With a point of small order, a signature would fit every message (RFC 8032 section 5.1.7).
                Self::Ed25519(Some(key).filter(|key| !key.is_weak())?)
            }
        })
    }

    /// Whether the module itself has the code to verify with this key.
    pub(crate) fn can_verify(&self) -> bool {
        !matches!(self, Self::P521(_))
    }

    /// Whether this key made the signature of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(mac) => hmac_matches(mac, message, signature),
            Self::Hs384(mac) => hmac_matches(mac, message, signature),
            Self::Hs512(mac) => hmac_matches(mac, message, signature),
            Self::Rsa(key, algorithm) => rsa_matches(*algorithm, key, message, signature),
            // RFC 7518 section 3.4: r || s, never DER; from_slice checks their length and range.
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P521(_) => false,
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }

    /// The key as SubjectPublicKeyInfo (RFC 5280), which the host reads; `None` for a key that the host cannot use.
    pub(crate) fn to_spki_der(&self) -> Option<Vec<u8>> {
        let document = match self {
            Self::Rsa(key, _) => key.to_public_key_der(),
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::P521(key) => key.to_public_key_der(),
            Self::Hs256(_) | Self::Hs384(_) | Self::Hs512(_) | Self::Ed25519(_) => return None,
        };
        Some(document.ok()?.into_vec())
    }
}

/// Reads a point on P-521 that is not compressed (SEC 1 section 2.3.4).
fn parse_p521(bytes: &[u8]) -> Option<p521::PublicKey> {
    let (x, y) = bytes.strip_prefix(&[4])?.split_at_checked(66)?;
    let point = p521::AffinePoint::from_coordinates(x.try_into().ok()?, y.try_into().ok()?);
    p521::PublicKey::from_affine(point.into_option()?).ok()
}

/// Compares the whole tag, in constant time.
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
mod tests;
