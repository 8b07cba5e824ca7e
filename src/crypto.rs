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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rsa::BoxedUint;
    use rsa::pkcs1::EncodeRsaPublicKey;

    use super::*;

    fn b64(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// Verifies a token, and that it no longer verifies with one bit of its signature changed.
    fn assert_verifies(algorithm: Algorithm, key: &DecodingKey, token: &str) {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let verifier = verifier(algorithm, key).unwrap();
        let mut signature = b64(signature);
        assert!(verifier.verify(input.as_bytes(), &signature).is_ok());
        signature[7] ^= 1;
        assert!(verifier.verify(input.as_bytes(), &signature).is_err());
    }

    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    #[test]
    fn rfc_7515_a_1_hs256() {
        let key = DecodingKey::from_secret(&b64(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ));
        let token = format!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        assert_verifies(Algorithm::HS256, &key, &token);
    }

    #[test]
    fn rfc_7515_a_2_rs256() {
        let n = b64(concat!(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
            "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
            "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
            "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        ));
        let n = BoxedUint::from_be_slice(&n, 2048).unwrap();
        let key = RsaKey::new(n, BoxedUint::from(65537_u64)).unwrap();
        let key = DecodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
        let token = format!(
            "eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{}",
            concat!(
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj",
                "Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe",
                "7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8",
                "np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            )
        );
        assert_verifies(Algorithm::RS256, &key, &token);
    }

    #[test]
    fn rfc_7515_a_3_es256() {
        let key = DecodingKey::from_ec_components(
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        )
        .unwrap();
        let signature =
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert_verifies(Algorithm::ES256, &key, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
    }

    #[test]
    fn rfc_8037_a_4_eddsa() {
        let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}");
        assert_verifies(Algorithm::EdDSA, &key, &token);
    }

    #[test]
    fn keys_that_prove_nothing_are_refused() {
        // A point of order 1: every message would have a signature (RFC 8032 section 5.1.7).
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(verifier(Algorithm::EdDSA, &DecodingKey::from_ed_der(&identity)).is_err());
        // Not on the curve.
        let off_curve = [&[4][..], &[1; 64]].concat();
        assert!(verifier(Algorithm::ES256, &DecodingKey::from_ec_der(&off_curve)).is_err());
        assert!(verifier(Algorithm::RS256, &DecodingKey::from_rsa_der(b"junk")).is_err());
    }
}
