//! A key as the text of a file: PEM (RFC 7468) and JWK Set (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::KeypairBytes;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::pkcs1::RsaPublicKeyRef;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

use crate::cli::private_key::key::PrivateKey;
use crate::keys::algorithm::Algorithm;
use crate::keys::fault::Fault;

impl PrivateKey {
    /// The private key as PEM (PKCS #8), or the secret as it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn private_text(&self) -> Result<Vec<u8>, Fault> {
        let ending = LineEnding::LF;
        let pem = match self {
            Self::Rsa(key) => key.to_pkcs8_pem(ending),
            Self::P256(key) => key.to_pkcs8_pem(ending),
            Self::P384(key) => key.to_pkcs8_pem(ending),
            Self::P521(key) => key.to_pkcs8_pem(ending),
            // Without the public half beside it (RFC 5958 version 2), which OpenSSL does not read.
            Self::Ed25519(key) => {
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(ending)
            }
            Self::Secret(secret) => return Ok(secret.clone()),
        };
        pem.map(|pem| pem.as_bytes().to_vec()).map_err(|_| not_written())
    }

    /// The public half as PEM (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// It is a secret, which has no public half.
    pub(crate) fn public_pem(&self) -> Result<String, Fault> {
        let ending = LineEnding::LF;
        match self {
            Self::Rsa(key) => key.as_public_key().to_public_key_pem(ending),
            Self::P256(key) => key.public_key().to_public_key_pem(ending),
            Self::P384(key) => key.public_key().to_public_key_pem(ending),
            Self::P521(key) => key.public_key().to_public_key_pem(ending),
            Self::Ed25519(key) => key.verifying_key().to_public_key_pem(ending),
            Self::Secret(_) => return Err(not_written()),
        }
        .map_err(|_| not_written())
    }

    /// The public half as a JWK Set of one key for this algorithm. Without a `kid`, its thumbprint is its name
    /// (RFC 7638). Returns the set and the `kid`.
    ///
    /// # Errors
    /// It is a secret, which nobody may publish.
    pub(crate) fn public_set(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<(Value, String), Fault> {
        let mut jwk = self.public_members().ok_or_else(not_written)?;
        let thumbprint = || URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.to_string()));
        let kid = kid.map_or_else(thumbprint, str::to_owned);
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), json!(kid));
            members.insert("alg".to_owned(), json!(format!("{algorithm:?}")));
            members.insert("use".to_owned(), json!("sig"));
        }
        Ok((json!({"keys": [jwk]}), kid))
    }

    /// The members that make the key (RFC 7518 section 6, RFC 8037 section 2), in the order of RFC 7638 section 3.3.
    fn public_members(&self) -> Option<Value> {
        let block = pem::parse(self.public_pem().ok()?).ok()?;
        let info = SubjectPublicKeyInfoRef::from_der(block.contents()).ok()?;
        let bits = info.subject_public_key.as_bytes()?;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let on_curve = |curve: &str| {
            // SEC 1 section 2.3.3: 04, x, y.
            let point = bits.get(1..)?;
            let (x, y) = point.split_at_checked(point.len().checked_div(2)?)?;
            Some(json!({"crv": curve, "kty": "EC", "x": text(x), "y": text(y)}))
        };
        match self {
            Self::Rsa(_) => {
                let key = RsaPublicKeyRef::from_der(bits).ok()?;
                let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
                Some(json!({"e": text(e), "kty": "RSA", "n": text(n)}))
            }
            Self::P256(_) => on_curve("P-256"),
            Self::P384(_) => on_curve("P-384"),
            Self::P521(_) => on_curve("P-521"),
            Self::Ed25519(_) => Some(json!({"crv": "Ed25519", "kty": "OKP", "x": text(bits)})),
            Self::Secret(_) => None,
        }
    }
}

fn not_written() -> Fault {
    Fault::new("has no public half that can be written", "make a new key: kinto-jwt keygen")
}
