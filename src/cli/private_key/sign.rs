//! The signature of a token: what `keys/verify.rs` verifies.

use getrandom::SysRng;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::{SignatureEncoding, Signer};
use rsa::traits::SignatureScheme;
use rsa::{Pkcs1v15Sign, Pss};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::cli::private_key::key::PrivateKey;
use crate::keys::algorithm::Algorithm;
use crate::keys::fault::Fault;
use crate::keys::pem;

impl PrivateKey {
    /// Signs the header and the payload of a token, as RFC 7515 section 5.1 joins them, in the form of RFC 7518
    /// section 3. The signature is the same each time (ECDSA: RFC 6979), but for PS algorithms, which are random.
    ///
    /// # Errors
    /// The filter would not take the key for this algorithm: it is of another kind, or too short.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Fault> {
        self.check(algorithm)?;
        match (self, algorithm) {
            (Self::Rsa(key), Algorithm::RS256) => {
                rsa(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
            }
            (Self::Rsa(key), Algorithm::RS384) => {
                rsa(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message))
            }
            (Self::Rsa(key), Algorithm::RS512) => {
                rsa(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message))
            }
            // RFC 7518 section 3.5: the salt is as long as the hash.
            (Self::Rsa(key), Algorithm::PS256) => rsa(key, Pss::<Sha256>::new(), &Sha256::digest(message)),
            (Self::Rsa(key), Algorithm::PS384) => rsa(key, Pss::<Sha384>::new(), &Sha384::digest(message)),
            (Self::Rsa(key), Algorithm::PS512) => rsa(key, Pss::<Sha512>::new(), &Sha512::digest(message)),
            (Self::P256(key), _) => {
                signature::<p256::ecdsa::Signature>(&p256::ecdsa::SigningKey::from(key), message)
            }
            (Self::P384(key), _) => {
                signature::<p384::ecdsa::Signature>(&p384::ecdsa::SigningKey::from(key), message)
            }
            (Self::P521(key), _) => {
                signature::<p521::ecdsa::Signature>(&p521::ecdsa::SigningKey::from(key), message)
            }
            (Self::Ed25519(key), _) => signature::<ed25519_dalek::Signature>(key, message),
            (Self::Secret(secret), Algorithm::HS256) => mac::<Hmac<Sha256>>(secret, message),
            (Self::Secret(secret), Algorithm::HS384) => mac::<Hmac<Sha384>>(secret, message),
            (Self::Secret(secret), Algorithm::HS512) => mac::<Hmac<Sha512>>(secret, message),
            (Self::Rsa(_) | Self::Secret(_), _) => None,
        }
        .ok_or_else(|| Fault::new("makes no signature", "make a new key: kinto-jwt keygen"))
    }

    /// Asks the filter whether it would verify tokens of this algorithm with the public half, or with the secret.
    fn check(&self, algorithm: Algorithm) -> Result<(), Fault> {
        match self {
            Self::Secret(_) if !algorithm.is_hmac() => Err(Fault::new(
                format!("is a secret, and {algorithm:?} signs with a private key"),
                "give a private key as PEM, or name an HS algorithm",
            )),
            Self::Secret(secret) => pem::parse_secret(secret, algorithm).map(drop),
            _ => pem::parse(&self.public_pem()?, algorithm).map(drop),
        }
    }
}

fn rsa(key: &rsa::PrivateKey, scheme: impl SignatureScheme, hash: &[u8]) -> Option<Vec<u8>> {
    key.sign_with_rng(&mut SysRng, scheme, hash).ok()
}

/// ECDSA as r || s, or EdDSA.
fn signature<S: SignatureEncoding>(key: &impl Signer<S>, message: &[u8]) -> Option<Vec<u8>> {
    key.try_sign(message).ok().map(|signature| signature.to_vec())
}

fn mac<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mac = <M as KeyInit>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().to_vec())
}
