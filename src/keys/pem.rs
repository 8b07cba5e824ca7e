//! From the setting `public_key` to a key, or to words that say what it is instead.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use serde::de::IgnoredAny;
use spki::der::Decode;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::keys::algorithm::Algorithm;
use crate::keys::certificate;
use crate::keys::fault::Fault;

pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Bits of the smallest RSA modulus (RFC 7518 section 3.3), and of the largest: a larger one costs too much time.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Reads the setting as a key for `algorithm`: a PEM, or the secret of an HS algorithm.
///
/// # Errors
/// It is not such a key.
pub(crate) fn parse(text: &str, algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    if algorithm.is_hmac() { parse_secret(text.as_bytes(), algorithm) } else { parse_pem(text, algorithm) }
}

/// Reads a secret, which must be as long as the hash or longer (RFC 7518 section 3.2).
///
/// A public key is not accepted as a secret: everybody who knows it could sign tokens (CVE-2026-48526).
///
/// # Errors
/// The secret is too short, or is a key of another kind.
pub(crate) fn parse_secret(secret: &[u8], algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    if let Some(kind) = public_kind(secret) {
        return Err(Fault::new(
            format!("is a {kind}, and {algorithm:?} takes a shared secret"),
            "write the secret, or set algorithm to the one that the key is for (RS256, ES256, EdDSA, ..); a JWK Set \
             goes into jwks",
        ));
    }
    let smallest = smallest_secret(algorithm);
    if secret.len() < smallest {
        return Err(Fault::new(
            format!(
                "is a secret of {} bytes, and {algorithm:?} needs {smallest} or more (RFC 7518 3.2)",
                secret.len()
            ),
            format!(
                "give the issuer and this filter a new one, for example from: openssl rand -base64 {smallest}"
            ),
        ));
    }
    Ok(DecodingKey::from_secret(secret))
}

/// The bytes of the smallest secret of an HS algorithm: as many as its hash has (RFC 7518 section 3.2).
pub(crate) fn smallest_secret(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    }
}

/// The kind of a key that must not be a secret, because others may know it: a PEM, SSH or DER key, or a JWK.
fn public_kind(secret: &[u8]) -> Option<&'static str> {
    // In base64 too: Keycloak shows the key of a realm so, a PEM without its first and its last line.
    let bare: Vec<u8> = secret.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(bare).unwrap_or_default();
    if is_public(secret) || is_public(&decoded) {
        return Some("DER key or certificate");
    }
    let text = String::from_utf8_lossy(secret);
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    if text.contains("-----BEGIN") || ssh_type(text).is_some() {
        return Some("PEM or SSH key");
    }
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok() || text.contains("kty");
    (text.starts_with(['{', '[']) && is_json).then_some("JWK or another JSON text")
}

/// Whether the octets are those of a key or a certificate: DER, or the form within an SSH key (RFC 4253 section 6.6).
fn is_public(octets: &[u8]) -> bool {
    SubjectPublicKeyInfoRef::from_der(octets).is_ok()
        || certificate::public_key(octets).is_some()
        || rsa::pkcs1::RsaPublicKeyRef::from_der(octets).is_ok()
        || octets.get(4..).is_some_and(|name| name.starts_with(b"ssh-") || name.starts_with(b"ecdsa-sha2-"))
}

fn parse_pem(text: &str, algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    if let Some(kind) = ssh_type(text) {
        return Err(Fault::new(
            format!("is an SSH key ({kind})"),
            "give it as PEM: ssh-keygen -e -m PKCS8 -f key.pub",
        ));
    }
    if text.contains("-----BEGIN") && text.contains("\\n") {
        return Err(Fault::new(
            "is a PEM with \\n written out where its lines should end",
            "write it as a YAML block (public_key: |) with real line ends",
        ));
    }
    let blocks = pem::parse_many(text).map_err(|_| not_a_key())?;
    let block = match blocks.as_slice() {
        [] => return Err(not_a_key()),
        [block] => block,
        _ => return Err(Fault::new("holds more than one PEM block", "give the one public key")),
    };
    match block.tag() {
        "PUBLIC KEY" => parse_spki(block.contents(), algorithm),
        "RSA PUBLIC KEY" => parse_rsa(block.contents(), algorithm),
        "CERTIFICATE" => parse_certificate(block.contents(), algorithm),
        tag if tag.ends_with("PRIVATE KEY") => Err(Fault::new(
            "is a private key, which must never leave the token issuer",
            "give its public half: openssl pkey -in key.pem -pubout",
        )),
        _ => Err(Fault::new(
            "is a PEM, but not of a public key",
            "give a PEM that begins with -----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----",
        )),
    }
}

/// Reads the key in a certificate (X.509), and nothing else in it.
///
/// # Errors
/// It is no certificate, or its key is not for the algorithm.
pub(crate) fn parse_certificate(der: &[u8], algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    let damaged =
        || Fault::new("is a damaged certificate", "give its key: openssl x509 -in cert.pem -pubkey -noout");
    parse_spki(certificate::public_key(der).ok_or_else(damaged)?, algorithm)
}

fn parse_spki(der: &[u8], algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| not_a_key())?;
    let bits = info.subject_public_key.as_bytes().ok_or_else(not_a_key)?;
    if info.algorithm.oid == RSA {
        return parse_rsa(bits, algorithm);
    }
    let curve = || info.algorithm.parameters_oid().ok();
    let (kind, fits) = match info.algorithm.oid {
        EC if curve() == Some(P256) => {
            ("an EC key on P-256, which is for ES256", algorithm == Algorithm::ES256)
        }
        EC if curve() == Some(P384) => {
            ("an EC key on P-384, which is for ES384", algorithm == Algorithm::ES384)
        }
        EC if curve() == Some(P521) => {
            ("an EC key on P-521, which is for ES512", algorithm == Algorithm::ES512)
        }
        EC => ("an EC key on a curve other than P-256, P-384 and P-521", false),
        ED25519 => ("an Ed25519 key, which is for EdDSA", algorithm == Algorithm::EdDSA),
        RSA_PSS => ("an RSA key that is marked for PSS only, which few libraries read", false),
        _ => ("a key of an unknown kind", false),
    };
    if !fits {
        return Err(wrong_kind(kind, algorithm));
    }
    let key = if algorithm == Algorithm::EdDSA {
        DecodingKey::from_ed_der(bits)
    } else {
        DecodingKey::from_ec_der(bits)
    };
    Ok(key)
}

/// Reads an RSA public key (RFC 8017 appendix A.1.1).
///
/// # Errors
/// It is not such a key, or its size is not in [`RSA_BITS`].
pub(crate) fn parse_rsa(der: &[u8], algorithm: Algorithm) -> Result<DecodingKey, Fault> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(der).map_err(|_| not_a_key())?;
    if !algorithm.is_rsa() {
        return Err(wrong_kind(
            "an RSA key, which is for RS256, RS384, RS512, PS256, PS384, PS512",
            algorithm,
        ));
    }
    let bits = bit_length(key.modulus.as_bytes());
    if !RSA_BITS.contains(&bits) {
        return Err(Fault::new(
            format!(
                "is an RSA key of {bits} bits, and it must have {} to {} (RFC 7518 3.3)",
                RSA_BITS.start(),
                RSA_BITS.end()
            ),
            "have the issuer sign with a new key, for example from: openssl genrsa 2048",
        ));
    }
    Ok(DecodingKey::from_rsa_der(der))
}

fn bit_length(big_endian: &[u8]) -> usize {
    let zeros: u32 = big_endian.first().map_or(0, |byte| byte.leading_zeros());
    big_endian.len().saturating_mul(8).saturating_sub(usize::try_from(zeros).unwrap_or_default())
}

fn ssh_type(text: &str) -> Option<&str> {
    let kind = text.split_whitespace().next()?;
    (kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-")).then_some(kind)
}

fn not_a_key() -> Fault {
    Fault::new(
        "is not a PEM public key",
        "give a PEM that begins with -----BEGIN PUBLIC KEY----- (or -----BEGIN RSA PUBLIC KEY-----)",
    )
}

fn wrong_kind(kind: &str, algorithm: Algorithm) -> Fault {
    Fault::new(
        format!("is {kind}, and algorithm is {algorithm:?}"),
        "change algorithm, or give the key that it needs",
    )
}
