//! A private key out of a file: PEM (PKCS #8, PKCS #1, SEC 1), or a secret.

use std::path::Path;

use p256::pkcs8::PrivateKeyInfoRef;
use pem::Pem;
use rsa::pkcs1::{DecodeRsaPrivateKey, RsaPrivateKeyRef};
use sec1::EcPrivateKey;
use spki::ObjectIdentifier;
use spki::der::Decode;

use crate::cli::failure::{Failure, shown};
use crate::cli::private_key::key::PrivateKey;
use crate::keys::fault::Fault;
use crate::keys::pem::{EC, ED25519, P256, P384, P521, RSA, RSA_PSS};

/// Reads the private key, or the secret, in this file.
///
/// # Errors
/// The file cannot be read, or has neither; the words show nothing of what is in it.
pub(crate) fn read(file: &Path) -> Result<PrivateKey, Failure> {
    let name = file.display().to_string();
    let name = shown(&name);
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::new(format!(
            "{name} cannot be read ({error}); give the file of a private key or a secret, or make one: kinto-jwt keygen"
        ))
    })?;
    parse(&bytes).map_err(|fault| Failure::new(format!("{name} {}; {}", fault.what, fault.remedy)))
}

/// Reads a private key or a secret.
///
/// # Errors
/// It is neither.
fn parse(bytes: &[u8]) -> Result<PrivateKey, Fault> {
    let text = std::str::from_utf8(bytes).ok();
    if text.is_some_and(|text| text.contains("-----BEGIN")) {
        return parse_pem(bytes);
    }
    let is_der = PrivateKeyInfoRef::from_der(bytes).is_ok()
        || RsaPrivateKeyRef::from_der(bytes).is_ok()
        || EcPrivateKey::from_der(bytes).is_ok();
    if is_der {
        return Err(Fault::new(
            "is a private key in DER",
            "give it as PEM: openssl pkey -inform DER -in key.der -out key.pem",
        ));
    }
    // The filter refuses such a secret in publicKeyEnv: no token would be valid.
    if text.is_some_and(|text| text.trim() != text) {
        return Err(Fault::new(
            "is a secret that begins or ends with white space",
            "write the secret without it, for example with printf %s in the place of echo",
        ));
    }
    Ok(PrivateKey::Secret(bytes.to_vec()))
}

fn parse_pem(bytes: &[u8]) -> Result<PrivateKey, Fault> {
    let blocks = pem::parse_many(bytes).map_err(|_| damaged())?;
    // OpenSSL may write the parameters of a curve, or a certificate, beside the key.
    let mut private = blocks.iter().filter(|block| block.tag().ends_with("PRIVATE KEY"));
    let block = match (private.next(), private.next()) {
        (Some(block), None) => block,
        (Some(_), Some(_)) => {
            return Err(Fault::new("holds more than one private key", "give the one that is to sign"));
        }
        (None, _) => {
            return Err(Fault::new(
                "is a PEM without a private key",
                "give the private half: a PEM that begins with -----BEGIN PRIVATE KEY-----",
            ));
        }
    };
    if block.tag() == "ENCRYPTED PRIVATE KEY" || block.headers().get("Proc-Type").is_some() {
        return Err(Fault::new(
            "is locked with a passphrase",
            "write an open copy of it: openssl pkey -in key.pem -out open.pem",
        ));
    }
    match block.tag() {
        "PRIVATE KEY" => parse_pkcs8(block),
        "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(block.contents())
            .map(|key| PrivateKey::Rsa(Box::new(key)))
            .map_err(|_| damaged()),
        "EC PRIVATE KEY" => parse_sec1(block),
        "OPENSSH PRIVATE KEY" => Err(Fault::new(
            "is a private key in the format of OpenSSH",
            "change a copy of it: ssh-keygen -p -m PKCS8 -f copy (for RSA and ECDSA), or make a new key: kinto-jwt keygen",
        )),
        _ => Err(unknown_kind()),
    }
}

/// PKCS #8 (RFC 5208, RFC 5958).
fn parse_pkcs8(block: &Pem) -> Result<PrivateKey, Fault> {
    let info = PrivateKeyInfoRef::from_der(block.contents()).map_err(|_| damaged())?;
    let oid = info.algorithm.oid;
    let curve = info.algorithm.parameters_oid().ok();
    match oid {
        RSA => rsa::PrivateKey::try_from(info).ok().map(|key| PrivateKey::Rsa(Box::new(key))),
        RSA_PSS => {
            return Err(Fault::new(
                "is an RSA key that is marked for PSS only, which the filter does not accept",
                "make an RSA key without the mark: kinto-jwt keygen --algorithm PS256",
            ));
        }
        EC => match curve {
            Some(P256) => p256::SecretKey::try_from(info).ok().map(PrivateKey::P256),
            Some(P384) => p384::SecretKey::try_from(info).ok().map(PrivateKey::P384),
            Some(P521) => p521::SecretKey::try_from(info).ok().map(PrivateKey::P521),
            _ => return Err(unknown_kind()),
        },
        ED25519 => ed25519_dalek::SigningKey::try_from(info).ok().map(PrivateKey::Ed25519),
        _ => return Err(unknown_kind()),
    }
    .ok_or_else(damaged)
}

/// SEC 1 appendix C.4 (RFC 5915).
fn parse_sec1(block: &Pem) -> Result<PrivateKey, Fault> {
    let der = block.contents();
    let key = EcPrivateKey::from_der(der).map_err(|_| damaged())?;
    let curve: Option<ObjectIdentifier> = key.parameters.and_then(|parameters| parameters.named_curve());
    match curve {
        Some(P256) => p256::SecretKey::from_sec1_der(der).ok().map(PrivateKey::P256),
        Some(P384) => p384::SecretKey::from_sec1_der(der).ok().map(PrivateKey::P384),
        Some(P521) => p521::SecretKey::from_sec1_der(der).ok().map(PrivateKey::P521),
        _ => return Err(unknown_kind()),
    }
    .ok_or_else(damaged)
}

fn damaged() -> Fault {
    Fault::new("is a damaged private key", "copy the whole PEM again, or make a new key: kinto-jwt keygen")
}

fn unknown_kind() -> Fault {
    Fault::new(
        "is a private key of another kind than RSA, P-256, P-384, P-521 and Ed25519",
        "make a new key: kinto-jwt keygen",
    )
}
