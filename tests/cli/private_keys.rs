//! The files of private keys: older forms are read, and each wrong one is named.

use std::fs;

use serde_json::json;

use crate::{complained, printed, user_of};
use kit::tokens::{SECRET, jwk, key_file, now, public_key};

/// Keys in the older forms: PKCS #1 for RSA, and SEC 1 for EC, as `openssl genrsa -traditional` and
/// `openssl ecparam -genkey` write them.
#[test]
fn keys_in_older_forms_are_read() {
    use p256::pkcs8::{DecodePrivateKey, LineEnding};
    use rsa::pkcs1::EncodeRsaPrivateKey;

    let folder = tempfile::TempDir::new().unwrap();
    let pkcs8 = |name: &str| key_file(&format!("{name}.key.pem"));
    let ending = LineEnding::LF;
    let rsa = rsa::PrivateKey::from_pkcs8_pem(&pkcs8("rsa")).unwrap().to_pkcs1_pem(ending).unwrap();
    let p256 = p256::SecretKey::from_pkcs8_pem(&pkcs8("p256")).unwrap().to_sec1_pem(ending).unwrap();
    let p384 = p384::SecretKey::from_pkcs8_der(&der("p384")).unwrap().to_sec1_der().unwrap();
    let p521 = p521::SecretKey::from_pkcs8_pem(&pkcs8("p521")).unwrap().to_sec1_pem(ending).unwrap();
    let p384 = pem_of("EC PRIVATE KEY", &p384);
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let beside = format!("{parameters}{}", p256.as_str());
    let with_certificate = format!("{}{}", key_file("rsa.cert.pem"), pkcs8("rsa"));
    let crlf = pkcs8("ed25519").replace('\n', "\r\n");
    for (key, text, algorithm) in [
        ("rsa", rsa.as_str(), "RS256"),
        ("p256", p256.as_str(), "ES256"),
        ("p384", &p384, "ES384"),
        ("p521", p521.as_str(), "ES512"),
        ("p256", &beside, "ES256"),
        ("rsa", &with_certificate, "RS256"),
        ("ed25519", &crlf, "EdDSA"),
    ] {
        fs::write(folder.path().join("key"), text).unwrap();
        let token = printed(folder.path(), &["token", "--key", "key", "--sub", "alice"]);
        let settings = json!({"public_key": public_key(key), "algorithm": algorithm});
        assert_eq!(user_of(&settings, token.trim(), now()).as_deref(), Ok("alice"), "{key}");
    }
}

fn der(name: &str) -> Vec<u8> {
    pem::parse(key_file(&format!("{name}.key.pem"))).unwrap().into_contents()
}

fn pem_of(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

#[test]
fn each_wrong_key_is_named_and_never_shown() {
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGsME8G\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{}\n-----END RSA PRIVATE KEY-----\n",
        "MIGsME8G"
    );
    let key = |name: &str| key_file(&format!("{name}.key.pem")).into_bytes();
    let damaged = key_file("rsa.key.pem").replace("MIIE", "AAAA").into_bytes();
    let two = [key("rsa"), key("p256")].concat();
    let not_base64 = b"-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n".to_vec();
    let echoed = format!("{SECRET}\n").into_bytes();
    let openssh = pem_of("OPENSSH PRIVATE KEY", b"openssh-key-v1").into_bytes();
    let dsa = pem_of("DSA PRIVATE KEY", b"0").into_bytes();
    let k256 = pem_of(
        "EC PRIVATE KEY",
        &[&[48, 46, 2, 1, 1, 4, 32], &[7; 32][..], &[160, 7, 6, 5, 43, 129, 4, 0, 10]].concat(),
    );
    let cases: Vec<(Vec<u8>, &[&str], &[&str])> = vec![
        (key("rsa-1024"), &[], &["is an RSA key of 1024 bits", "2048", "RFC 7518 3.3"]),
        (key("rsa-pss"), &[], &["marked for PSS only", "kinto-jwt keygen"]),
        (key("rsa-pss"), &["--algorithm", "PS256"], &["marked for PSS only"]),
        (key("ed448"), &[], &["of another kind than RSA, P-256, P-384, P-521 and Ed25519", "keygen"]),
        (k256.into_bytes(), &[], &["of another kind than RSA"]),
        (dsa, &[], &["of another kind than RSA"]),
        (key("rsa"), &["--algorithm", "ES256"], &["is an RSA key, which is for RS256", "algorithm is ES256"]),
        (key("p256"), &["--algorithm", "ES384"], &["is an EC key on P-256, which is for ES256"]),
        (key("p384"), &["--algorithm", "EdDSA"], &["is an EC key on P-384, which is for ES384"]),
        (key("p521"), &["--algorithm", "RS256"], &["is an EC key on P-521, which is for ES512"]),
        (key("ed25519"), &["--algorithm", "PS256"], &["is an Ed25519 key, which is for EdDSA"]),
        (key("rsa"), &["--algorithm", "HS256"], &["is a PEM or SSH key, and HS256 takes a shared secret"]),
        (public_key("rsa").into_bytes(), &[], &["a PEM without a private key", "the private half"]),
        (public_key("rsa").into_bytes(), &["--algorithm", "HS256"], &["a PEM without a private key"]),
        (key_file("rsa.cert.pem").into_bytes(), &[], &["a PEM without a private key"]),
        (key_file("rsa.ssh.pub").trim().into(), &[], &["is a PEM or SSH key"]),
        (jwk("k", "rsa").to_string().into_bytes(), &[], &["is a JWK or another JSON text"]),
        (two, &[], &["holds more than one private key"]),
        (damaged, &[], &["is a damaged private key", "again"]),
        (not_base64, &[], &["is a damaged private key"]),
        (encrypted.into(), &[], &["is locked with a passphrase", "openssl pkey -in key.pem -out open.pem"]),
        (old_encrypted.into_bytes(), &[], &["is locked with a passphrase"]),
        (openssh, &[], &["in the format of OpenSSH", "ssh-keygen -p -m PKCS8"]),
        (der("rsa"), &[], &["is a private key in DER", "openssl pkey -inform DER"]),
        (der("p256"), &["--algorithm", "HS256"], &["is a private key in DER"]),
        (echoed, &[], &["begins or ends with white space", "printf %s"]),
        (SECRET[..31].into(), &[], &["is a secret of 31 bytes, and HS256 needs 32"]),
        (SECRET[..63].into(), &["--algorithm", "HS512"], &["is a secret of 63 bytes, and HS512 needs 64"]),
        (SECRET.into(), &["--algorithm", "RS256"], &["is a secret, and RS256 signs with a private key"]),
        (Vec::new(), &[], &["is a secret of 0 bytes"]),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (content, more, words) in cases {
        fs::write(folder.path().join("the.key"), &content).unwrap();
        let message = complained(folder.path(), &[&["token", "--key", "the.key"], more].concat(), words);
        assert!(message.starts_with("kinto-jwt: the.key "), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        let shown = String::from_utf8_lossy(&content).into_owned();
        for line in shown.lines().filter(|line| line.len() > 3 && !line.starts_with("-----")) {
            assert!(!message.contains(line.trim()), "the key is in: {message}");
        }
    }
    complained(folder.path(), &["token", "--key", "missing"], &["missing cannot be read", "keygen"]);
    complained(folder.path(), &["token", "--key", "."], &[". cannot be read"]);
}
