//! One private key: a new one, and which algorithm it is for.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use getrandom::SysRng;
use p256::elliptic_curve::Generate;

use crate::cli::failure::Failure;
use crate::keys::algorithm::Algorithm;
use crate::keys::pem;

/// A private key, or the secret of an HS algorithm. It has no `Debug`, so that no message shows it.
pub(crate) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// The bytes as they are in the file.
    Secret(Vec<u8>),
}

impl PrivateKey {
    /// A new key for the algorithm, out of the random numbers of the operating system. An RSA key has this many bits; a
    /// secret is a text of letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub(crate) fn generate(algorithm: Algorithm, rsa_bits: usize) -> Result<Self, Failure> {
        let random = &mut SysRng;
        Ok(match algorithm {
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => {
                Self::Rsa(Box::new(rsa::PrivateKey::new(random, rsa_bits).map_err(not_made)?))
            }
            Algorithm::ES256 => Self::P256(p256::SecretKey::try_generate_from_rng(random).map_err(not_made)?),
            Algorithm::ES384 => Self::P384(p384::SecretKey::try_generate_from_rng(random).map_err(not_made)?),
            Algorithm::ES512 => Self::P521(p521::SecretKey::try_generate_from_rng(random).map_err(not_made)?),
            Algorithm::EdDSA => {
                let seed = <[u8; 32]>::try_generate_from_rng(random).map_err(not_made)?;
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                let mut bytes = vec![0; pem::smallest_secret(algorithm)];
                getrandom::fill(&mut bytes).map_err(not_made)?;
                Self::Secret(URL_SAFE_NO_PAD.encode(bytes).into_bytes())
            }
        })
    }

    /// The algorithm that a token is signed with if nobody names another.
    pub(crate) fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::RS256,
            Self::P256(_) => Algorithm::ES256,
            Self::P384(_) => Algorithm::ES384,
            Self::P521(_) => Algorithm::ES512,
            Self::Ed25519(_) => Algorithm::EdDSA,
            Self::Secret(_) => Algorithm::HS256,
        }
    }
}

fn not_made(error: impl Display) -> Failure {
    Failure::new(format!("no new key could be made ({error}); see why this machine gives no random numbers"))
}
