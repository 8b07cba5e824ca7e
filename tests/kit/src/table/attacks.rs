//! Published attacks on tokens that no other file of the table has. `tests/vectors/attacks.rs` is the catalogue, with the
//! sources.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinto_jwt_filter::Rejection::*;
use ring::hmac;
use serde_json::{Value, json};

use super::{AUTH0, Policy, add_policy, settings_with};
use crate::tokens::{
    SECRET, b64, jwk, jws, public_forms, public_key, rs256, sign, token, token_with_kid, x5c,
};

pub(super) fn attacks(policies: &mut Vec<Policy>, now: u64) {
    // Who the attacker would like to be.
    let claims = json!({"sub": "admin", "exp": now + 600});
    add_policy(policies, "attacks on RS256", settings_with(json!({})), |list| {
        for (name, token, expected) in without_signature(&claims) {
            list.token(&name, &token, expected);
        }
        for (name, secret) in public_forms("rsa") {
            list.token(&format!("HS256 with {name}"), &mac(&secret, "", &claims), Err(AlgNotAllowed));
        }
        for alg in ["HS384", "HS512"] {
            list.token(
                &format!("{alg} with the PEM"),
                &token(alg, &public_key("rsa"), &claims),
                Err(AlgNotAllowed),
            );
        }
        for (name, header) in keys_in_headers() {
            let token = jws("RS256", "rsa-other", header.to_string(), claims.to_string());
            list.token(name, &token, Err(BadSignature));
        }
        for (name, kid) in KIDS {
            list.token(
                &format!("{name} in kid"),
                &token_with_kid("RS256", "rsa-other", kid, &claims),
                Err(BadSignature),
            );
            let empty = token_with_kid("HS256", "", kid, &claims);
            list.token(&format!("{name} in kid, empty secret"), &empty, Err(AlgNotAllowed));
        }
        for (name, token, expected) in encrypted().into_iter().chain(other_forms(&claims)) {
            list.token(&name, &token, expected);
        }
    });
    let settings = json!({"public_key": public_key("p256"), "algorithm": "ES256"});
    add_policy(policies, "attacks on ES256", settings, |list| {
        let signed = token("ES256", "p256", &json!({"sub": "alice", "exp": now + 600}));
        let (input, signature) = signed.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = signature.split_at(32);
        let with = |r: &[u8], s: &[u8]| format!("{input}.{}", b64([r, s].concat()));
        let (zero, one) = ([0; 32], [&[0; 31][..], &[1]].concat());
        for (name, r, s) in [
            ("r and s are 0", &zero[..], &zero[..]),
            ("r is 0", &zero, s),
            ("s is 0", r, &zero),
            ("r and s are 1", &one, &one),
            ("r is 1, s is 0", &one, &zero),
            ("r and s are the order", &P256_ORDER, &P256_ORDER),
            ("r is the order", &P256_ORDER, s),
            ("s is the order", r, &P256_ORDER),
            ("s and r", s, r),
            ("r and s of 33 bytes", &[&[0], r].concat(), &[&[0], s].concat()),
            ("r and s of 48 bytes", &[&[0; 16], r].concat(), &[&[0; 16], s].concat()),
            ("r alone", r, &[]),
        ] {
            list.token(name, &with(r, s), Err(BadSignature));
        }
        list.token("no signature", &format!("{input}."), Err(BadSignature));
        list.token(
            "DER of zeros",
            &format!("{input}.{}", b64([0x30, 6, 2, 1, 0, 2, 1, 0])),
            Err(BadSignature),
        );
        // ECDSA has two signatures for each: RFC 7518 section 3.4 forbids neither. Both say the same of the same user.
        list.token("s is the order minus s", &with(r, &subtracted(&P256_ORDER, s)), Ok("alice"));
        for (name, secret) in public_forms("p256") {
            list.token(&format!("HS256 with {name}"), &mac(&secret, "", &claims), Err(AlgNotAllowed));
        }
        for alg in ["ES384", "ES512", "ES256K", "EdDSA", "none"] {
            let header = json!({"alg": alg}).to_string();
            list.token(
                &format!("{alg} of an ES256 signature"),
                &jws("ES256", "p256", header, claims.to_string()),
                Err(AlgNotAllowed),
            );
        }
    });
    let settings = json!({"public_key": SECRET, "algorithm": "HS256"});
    add_policy(policies, "attacks on HS256", settings, |list| {
        for secret in [
            "",
            "\0",
            "secret",
            "null",
            "undefined",
            "changeit",
            "your-256-bit-secret",
            &SECRET[..SECRET.len() - 1],
        ] {
            list.token(&format!("secret {secret:?}"), &token("HS256", secret, &claims), Err(BadSignature));
        }
        let signed = token("HS256", SECRET, &claims);
        let (input, _) = signed.rsplit_once('.').unwrap();
        let tag = sign("HS256", SECRET, input.as_bytes());
        for length in [0, 1, 8, 31] {
            list.token(
                &format!("{length} bytes of the tag"),
                &format!("{input}.{}", b64(&tag[..length])),
                Err(BadSignature),
            );
        }
        list.token(
            "a tag and zeros",
            &format!("{input}.{}", b64([&tag[..], &[0; 32]].concat())),
            Err(BadSignature),
        );
        list.token("RS256 of a key of the attacker", &rs256(&claims), Err(AlgNotAllowed));
    });
    let set = json!({"keys": [jwk("rsa", "rsa"), jwk("ec", "p256"), {"kty": "oct", "kid": "secret", "k": b64(SECRET)}]});
    let settings = json!({"jwks": set, "algorithm": ["RS256", "ES256", "HS256"]});
    add_policy(policies, "attacks on a key set", settings, |list| {
        // Here HS256 is allowed, and the keys have no `alg`.
        for (key, kid) in [("rsa", "rsa"), ("p256", "ec")] {
            for (name, secret) in public_forms(key) {
                list.token(
                    &format!("HS256 with {name} of {kid}"),
                    &mac(&secret, kid, &claims),
                    Err(AlgNotAllowed),
                );
                list.token(
                    &format!("HS256 with {name} of {kid} as another kid"),
                    &mac(&secret, "secret", &claims),
                    Err(BadSignature),
                );
            }
        }
        list.token(
            "RS256 as the secret",
            &token_with_kid("RS256", "rsa-other", "secret", &claims),
            Err(AlgNotAllowed),
        );
        list.token(
            "RS256 as the EC key",
            &token_with_kid("RS256", "rsa-other", "ec", &claims),
            Err(AlgNotAllowed),
        );
        list.token("none as the secret", &token_with_kid("none", "", "secret", &claims), Err(AlgNotAllowed));
        for kid in
            ["RSA", "rsa\0", "rsa ", " rsa", "rsa/../ec", "", "*", "0", "null", "__proto__", "constructor"]
        {
            list.token(
                &format!("kid {kid:?}"),
                &token_with_kid("RS256", "rsa-other", kid, &claims),
                Err(KidUnknown),
            );
        }
        for kid in [json!(["rsa"]), json!({"kid": "rsa"}), json!(0), json!(true), json!(null)] {
            let header = json!({"alg": "RS256", "kid": kid}).to_string();
            list.token(
                &format!("kid {kid}"),
                &jws("RS256", "rsa-other", header, claims.to_string()),
                Err(KidNotString),
            );
        }
        for (name, header) in keys_in_headers() {
            let mut header = header.clone();
            header["kid"] = json!("rsa");
            let token = jws("RS256", "rsa-other", header.to_string(), claims.to_string());
            list.token(name, &token, Err(BadSignature));
        }
    });
    let settings =
        settings_with(json!({"issuer": [AUTH0, "https://b.example"], "audience": ["kinto", "kinto-admin"]}));
    add_policy(policies, "attacks on issuer and audience", settings, |list| {
        let claims_of = |iss: Value, aud: Value| json!({"sub": "admin", "iss": iss, "aud": aud});
        for iss in [
            json!("https"),
            json!("h"),
            json!(""),
            json!("auth0"),
            json!(AUTH0.trim_end_matches('/')),
            json!(format!("{AUTH0}x")),
            json!(format!("{AUTH0}@evil.example")),
            json!(AUTH0.to_uppercase()),
            json!(format!("{AUTH0}\0")),
            json!([AUTH0]),
            json!({AUTH0: 1}),
            json!(true),
            json!(null),
        ] {
            list.claims(&format!("iss {iss}"), claims_of(iss, json!("kinto")), Err(IssuerUnknown));
        }
        for (aud, expected) in [
            (json!("kint"), AudienceMismatch),
            (json!("kinto-"), AudienceMismatch),
            (json!("kinto,kinto-admin"), AudienceMismatch),
            (json!("kinto kinto-admin"), AudienceMismatch),
            (json!(["k", "i", "n", "t", "o"]), AudienceMismatch),
            (json!([["kinto"]]), AudienceMismatch),
            (json!([""]), AudienceMismatch),
            (json!([null]), AudienceMismatch),
            (json!(["kinto", null]), AudienceMismatch),
            (json!({"kinto": true}), AudienceMismatch),
            (json!(true), AudienceMismatch),
            (json!(""), AudienceMissing),
            (json!([]), AudienceMissing),
            (json!(null), AudienceMissing),
        ] {
            list.claims(&format!("aud {aud}"), claims_of(json!(AUTH0), aud), Err(expected));
        }
    });
}

type Row = (String, String, Result<&'static str, kinto_jwt_filter::Rejection>);

/// Tokens without a signature, whatever they call that.
fn without_signature(claims: &Value) -> Vec<Row> {
    let unsigned = |header: &str| jws("none", "", header, claims.to_string());
    let mut rows = Vec::new();
    for alg in
        ["none", "nOnE", "noNE", "NoNe", "none ", " none", "none\0", "nonе", "ｎｏｎｅ", "", "null", "false"]
    {
        rows.push((
            format!("alg {alg:?} and no signature"),
            unsigned(&json!({"alg": alg}).to_string()),
            Err(AlgNotAllowed),
        ));
    }
    for alg in [json!(null), json!(false), json!(0), json!(["none"]), json!({"none": 1})] {
        rows.push((
            format!("alg {alg} and no signature"),
            unsigned(&json!({"alg": alg}).to_string()),
            Err(AlgNotAllowed),
        ));
    }
    for (name, header, expected) in [
        ("no alg and no signature", "{}", AlgNotAllowed),
        ("alg in capitals", r#"{"ALG":"RS256","Alg":"none"}"#, AlgNotAllowed),
        ("alg as an escape", r#"{"\u0061lg":"none"}"#, AlgNotAllowed),
        ("alg and alg as an escape", r#"{"alg":"RS256","\u0061lg":"none"}"#, HeaderNotJson),
        ("alg none, then RS256", r#"{"alg":"none","alg":"RS256"}"#, HeaderNotJson),
    ] {
        rows.push((name.to_owned(), unsigned(header), Err(expected)));
    }
    let signed = rs256(&json!({"sub": "alice"}));
    let (_, signature) = signed.rsplit_once('.').unwrap();
    let none = unsigned(r#"{"alg":"none"}"#);
    rows.push((
        "alg none and the signature of another".to_owned(),
        format!("{none}{signature}"),
        Err(AlgNotAllowed),
    ));
    let stripped = unsigned(r#"{"typ":"JWT","alg":"RS256"}"#);
    rows.push(("signature stripped".to_owned(), stripped.clone(), Err(BadSignature)));
    rows.push(("signature of another".to_owned(), format!("{stripped}{signature}"), Err(BadSignature)));
    let two = stripped.trim_end_matches('.').to_owned();
    rows.push(("signature and dot stripped".to_owned(), two, Err(NotThreeParts)));
    rows
}

/// An HS256 token, with this `kid` unless it is empty.
fn mac(secret: &[u8], kid: &str, claims: &Value) -> String {
    let header = if kid.is_empty() { json!({"alg": "HS256"}) } else { json!({"alg": "HS256", "kid": kid}) };
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", b64(tag.as_ref()))
}

/// Headers that bring the attacker's key along, or say where it is.
fn keys_in_headers() -> [(&'static str, Value); 7] {
    let address = "http://127.0.0.1:1/keys";
    [
        ("key in jwk", json!({"alg": "RS256", "jwk": jwk("rsa", "rsa-other")})),
        ("secret in jwk", json!({"alg": "RS256", "jwk": {"kty": "oct", "k": ""}})),
        ("certificate in x5c", json!({"alg": "RS256", "x5c": [x5c("rsa-other")]})),
        ("address in jku", json!({"alg": "RS256", "jku": address})),
        ("address in x5u", json!({"alg": "RS256", "x5u": address})),
        ("file in jku", json!({"alg": "RS256", "jku": "file:///etc/passwd"})),
        (
            "both, and a thumbprint",
            json!({"alg": "RS256", "jwk": jwk("rsa", "rsa-other"), "jku": address, "x5t#S256": "AA"}),
        ),
    ]
}

/// What a `kid` becomes in a careless lookup of its key.
const KIDS: [(&str, &str); 8] = [
    ("the path of an empty file", "../../../../../../dev/null"),
    ("a path with a zero byte", "/dev/null\0.pem"),
    ("a path of Windows", r"..\..\windows\win.ini"),
    ("SQL", "x' UNION SELECT '' --"),
    ("LDAP", "*)(uid=*))(|(uid=*"),
    ("a command", "key.pem|/bin/true"),
    ("an address", "http://127.0.0.1:1/key"),
    ("a template", "{{7*7}}${7*7}"),
];

/// Encrypted tokens (RFC 7516), which this filter does not read.
fn encrypted() -> Vec<Row> {
    let jwe = |header: Value| {
        format!(
            "{}.{}.{}.{}.{}",
            b64(header.to_string()),
            b64([1; 32]),
            b64([2; 12]),
            b64([3; 16]),
            b64([4; 16])
        )
    };
    let pbes2 = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2_147_483_647, "p2s": "AAAAAAAAAAA"});
    let zipped = json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"});
    let three = |header: &Value| jws("none", "", header.to_string(), r#"{"sub":"admin"}"#);
    vec![
        (
            "JWE for the public key".to_owned(),
            jwe(json!({"alg": "RSA-OAEP", "enc": "A256GCM"})),
            Err(NotThreeParts),
        ),
        ("JWE with RS256".to_owned(), jwe(json!({"alg": "RS256", "enc": "A256GCM"})), Err(NotThreeParts)),
        ("JWE with many rounds (p2c)".to_owned(), jwe(pbes2.clone()), Err(NotThreeParts)),
        ("JWE of compressed data".to_owned(), jwe(zipped.clone()), Err(NotThreeParts)),
        ("three parts with many rounds (p2c)".to_owned(), three(&pbes2), Err(AlgNotAllowed)),
        ("three parts with alg dir".to_owned(), three(&zipped), Err(AlgNotAllowed)),
        // `{"sub":"admin"}`, deflated and signed by the issuer: `zip` is a parameter of JWE, and is not looked at.
        (
            "signed compressed data".to_owned(),
            jws("RS256", "rsa", r#"{"alg":"RS256","zip":"DEF"}"#, DEFLATED),
            Err(ClaimsNotJson),
        ),
    ]
}

const DEFLATED: &[u8] = b"\xab\x56\x2a\x2e\x4d\x52\xb2\x52\x4a\x4c\xc9\xcd\xcc\x53\xaa\x05\x00";

/// Other serializations, other encodings, tokens within tokens, and too much of everything.
fn other_forms(claims: &Value) -> Vec<Row> {
    let good = rs256(&json!({"sub": "alice"}));
    let parts: Vec<&str> = good.split('.').collect();
    let forged = b64(claims.to_string());
    // RSA signatures of 2048 bits have 342 characters: one of them is `-` or `_`, but for one token in 50,000.
    let standard = format!("{}.{}.{}", parts[0], parts[1], parts[2].replace('-', "+").replace('_', "/"));
    assert_ne!(standard, good);
    let signature = json!({"protected": parts[0], "signature": parts[2]});
    vec![
        (
            "flattened JSON".to_owned(),
            json!({"payload": forged, "protected": parts[0], "signature": parts[2]}).to_string(),
            Err(MultipleTokens),
        ),
        (
            "general JSON".to_owned(),
            json!({"payload": forged, "signatures": [signature]}).to_string(),
            Err(MultipleTokens),
        ),
        ("JSON without a comma".to_owned(), json!({"payload": forged}).to_string(), Err(NotThreeParts)),
        // A compact token in the name of a member, and another payload beside it.
        (
            "JSON around a compact token".to_owned(),
            format!(
                r#"{{"  {}.{forged}.":"","protected":"{}","payload":"{}","signature":"{}"}}"#,
                parts[0], parts[0], parts[1], parts[2]
            ),
            Err(MultipleTokens),
        ),
        (
            "a token within an unsigned one".to_owned(),
            jws("none", "", r#"{"alg":"none","cty":"JWT"}"#, &good),
            Err(AlgNotAllowed),
        ),
        (
            "a token within one of the attacker".to_owned(),
            jws("RS256", "rsa-other", r#"{"alg":"RS256","cty":"JWT"}"#, &good),
            Err(BadSignature),
        ),
        (
            "a token within one of the issuer".to_owned(),
            jws("RS256", "rsa", r#"{"alg":"RS256","cty":"JWT"}"#, &good),
            Err(ClaimsNotJson),
        ),
        ("the alphabet of base64".to_owned(), standard, Err(NotBase64Url)),
        ("a space within".to_owned(), format!("{} {}", &good[..9], &good[9..]), Err(NotBase64Url)),
        ("a tab within".to_owned(), format!("{}\t{}", &good[..9], &good[9..]), Err(NotBase64Url)),
        (
            "payload inserted".to_owned(),
            format!("{}.{forged}.{}.{}", parts[0], parts[1], parts[2]),
            Err(NotThreeParts),
        ),
        ("payload appended".to_owned(), format!("{good}.{forged}"), Err(NotThreeParts)),
        ("16,000 dots".to_owned(), ".".repeat(16_000), Err(NotThreeParts)),
        ("20,000 dots".to_owned(), ".".repeat(20_000), Err(TokenTooLong)),
        (
            "20,000 letters in the header".to_owned(),
            format!("{}.e30.e30", "A".repeat(20_000)),
            Err(TokenTooLong),
        ),
        ("deep header".to_owned(), jws("none", "", "[".repeat(9_000), "{}"), Err(HeaderNotJson)),
    ]
}

/// The order of P-256 (SEC 2 section 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The difference of two large numbers, the first of which is the larger one.
fn subtracted(from: &[u8], what: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits: Vec<u8> = from
        .iter()
        .zip(what)
        .rev()
        .map(|(from, what)| {
            let difference = i16::from(*from) - i16::from(*what) - borrow;
            borrow = i16::from(difference < 0);
            u8::try_from(difference.rem_euclid(256)).unwrap()
        })
        .collect();
    digits.reverse();
    digits
}
