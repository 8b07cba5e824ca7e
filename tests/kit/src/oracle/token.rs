//! The decision on a token: whoever is let in, a key of the policy has signed exactly these bytes.

use std::cell::OnceCell;
use std::collections::HashSet;

use arbitrary::{Result, Unstructured};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinto_jwt_filter::{Gate, Outcome, parse_config};
use ring::{hmac, signature};
use serde_json::{Value, json};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

use crate::oracle::NOW;
use crate::oracle::reader::Fields;
use crate::tokens::{SECRET, b64, jwk, jws, public_key};

pub const REACHED: &[&str] = &["changed", "composed", "user", "raw", "same"];

/// One way to sign: the `alg`, and the key in `tests/keys` or the secret.
type Signer = (&'static str, &'static str);

/// What signs the good tokens. The last two do so in each run: they are fast, and sign alike each time.
const SIGNERS: [Signer; 7] = [
    ("RS256", "rsa"),
    ("PS384", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("RS256", "rsa-other"),
    ("EdDSA", "ed25519"),
    ("HS256", SECRET),
];

/// Three policies: for one issuer a PEM, for another a JWK Set and more rules, for all others a secret.
fn settings(max_entries: u32) -> Value {
    let mut p256 = jwk("p256", "p256");
    p256["alg"] = json!("ES256");
    json!({
        "policies": [
            {"name": "pem", "issuer": "https://pem", "algorithm": ["RS256", "PS384"], "public_key": public_key("rsa")},
            {"name": "set", "issuer": "https://set", "algorithm": ["ES256", "ES384", "EdDSA"], "audience": "kinto",
             "jwks": {"keys": [p256, jwk("p384", "p384"), jwk("ed25519", "ed25519")]}, "userIdTokenKey": "/user/id"},
            {"name": "secret", "algorithm": "HS256", "public_key": SECRET, "maxAgeSeconds": 100, "typ": "JWT"},
        ],
        "tokenCache": {"maxEntries": max_entries},
    })
}

struct World {
    /// With a cache, which remembers what earlier inputs have proved, and without one.
    gates: [Gate; 2],
    good: Vec<String>,
    /// The signing inputs of the good tokens.
    signed: HashSet<String>,
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

impl World {
    fn new() -> Self {
        let gate = |entries| Gate::new(parse_config(settings(entries).to_string().as_bytes(), None).unwrap());
        let claims = |alg: &str| match alg {
            "RS256" | "PS384" => json!({"iss": "https://pem", "sub": "alice", "exp": NOW + 600}),
            "HS256" => json!({"sub": "carol", "iat": NOW - 50}),
            _ => json!({"iss": "https://set", "user": {"id": "bob"}, "aud": ["kinto"], "nbf": NOW}),
        };
        let token = |(alg, key): &Signer| {
            let header = json!({"alg": alg, "typ": "JWT", "kid": if key.len() < 10 { key } else { "" }});
            jws(alg, key, header.to_string(), claims(alg).to_string())
        };
        let good: Vec<String> = SIGNERS.iter().map(token).collect();
        let signed = good.iter().map(|token| signing_input(token).to_owned()).collect();
        Self { gates: [gate(100), gate(0)], good, signed }
    }
}

fn signing_input(token: &str) -> &str {
    token.rsplit_once('.').unwrap().0
}

/// A token, and the text that this run has signed for it.
struct Input {
    kind: &'static str,
    token: Vec<u8>,
    signed: Option<String>,
}

/// Whoever the filter says that it is, a policy's own key has signed exactly this token, which names the user.
pub fn check(bytes: &[u8]) -> &'static str {
    WORLD.with(|world| {
        let world = world.get_or_init(World::new);
        let raw = Input { kind: "raw", token: bytes.to_vec(), signed: None };
        let input = match bytes.starts_with(b"ey") {
            true => raw,
            false => input(&mut Unstructured::new(bytes), &world.good).unwrap_or(raw),
        };
        let request = Fields::new("GET", "/v1/").with("authorization", [b"JWT ", &input.token[..]].concat());
        let [cached, fresh] = world.gates.each_ref().map(|gate| gate.decide(&request, NOW).outcome);
        assert_eq!(cached, fresh, "the cache has changed the decision");
        let shown = String::from_utf8_lossy(&input.token);
        let user = match &cached {
            Outcome::User(user, _) => user.as_str(),
            outcome => {
                assert_eq!(outcome.user_id().map(|user| user.as_str()), Some("public"));
                assert!(input.kind != "same" || shown == world.good[4], "a good token was refused: {shown}");
                let proved = proved(&input.token);
                assert!(
                    input.kind != "composed" || proved.is_none(),
                    "refused, but good: {shown} {proved:?}"
                );
                return input.kind;
            }
        };
        assert_eq!(proved(&input.token).as_deref(), Some(user), "nothing proves {shown}");
        let text = std::str::from_utf8(&input.token).unwrap();
        let is_ours = |signed: &String| signed == signing_input(text);
        assert!(
            world.signed.contains(signing_input(text)) || input.signed.as_ref().is_some_and(is_ours),
            "{text}"
        );
        "user"
    })
}

fn input(u: &mut Unstructured<'_>, good: &[String]) -> Result<Input> {
    let new = |kind, token| Ok(Input { kind, token, signed: None });
    match u.int_in_range(0..=3)? {
        0 => new("same", u.choose(good)?.clone().into_bytes()),
        1 => {
            let mut token = u.choose(good)?.clone().into_bytes();
            for _ in 0..=u.int_in_range(0..=3)? {
                change(u, &mut token)?;
            }
            new("changed", token)
        }
        2 => {
            // Parts of several good tokens, and of none.
            let mut part = |number: usize| {
                let token = u.choose(good)?;
                let part = token.split('.').nth(number).unwrap().to_owned();
                Ok(if u.ratio(1, 8)? { b64(text(u, 0, &[])?) } else { part })
            };
            let parts = [part(0)?, part(1)?, part(2)?];
            new("changed", parts.join(".").into_bytes())
        }
        _ => composed(u),
    }
}

/// Changes some bytes of a text.
pub(super) fn change(u: &mut Unstructured<'_>, text: &mut Vec<u8>) -> Result<()> {
    let at = u.choose_index(text.len() + 1)?;
    let end = (at + u.int_in_range(0..=4)?).min(text.len());
    let new: Vec<u8> = match u.int_in_range(0..=5)? {
        0 => Vec::new(),
        1 => vec![*u.choose(b".=AQgw-_+/ \n,")?],
        2 => u.arbitrary()?,
        3 => text.get(at..end).unwrap_or_default().to_ascii_uppercase(),
        4 => text[at..].to_vec(),
        _ => vec![u.arbitrary()?],
    };
    text.splice(at..end, new);
    Ok(())
}

/// A JSON text of these members (of the header: `kind` 0, or of the claims: 1) and of others, which mostly take the place of
/// one of the same name.
fn text(u: &mut Unstructured<'_>, kind: usize, usual: &[&str]) -> Result<String> {
    const MEMBERS: [&[&str]; 2] = [
        &[
            r#""alg":"HS256""#,
            r#""alg":"EdDSA""#,
            r#""alg":"none""#,
            r#""alg":"RS256""#,
            r#""alg":["HS256"]"#,
            r#""\u0061lg":"HS256""#,
            r#""typ":"JWT""#,
            r#""typ":"application/jwt""#,
            r#""typ":"at+jwt""#,
            r#""kid":"ed25519""#,
            r#""kid":"p256""#,
            r#""kid":5"#,
            r#""crit":["exp"]"#,
            r#""b64":false"#,
            r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        ],
        &[
            r#""iss":"https://pem""#,
            r#""iss":"https://set""#,
            r#""iss":"https:\/\/set""#,
            r#""iss":["https://set"]"#,
            r#""sub":"mallory""#,
            r#""sub":42"#,
            r#""sub":"m\u0061llory""#,
            r#""sub":"é""#,
            r#""user":{"id":"mallory"}"#,
            r#""user":{"id":7}"#,
            r#""user":{"id":true}"#,
            r#""\/user\/id":"mallory""#,
            r#""aud":"kinto""#,
            r#""aud":["other","kinto"]"#,
            r#""aud":[]"#,
            r#""aud":"other""#,
            r#""iat":1700000000"#,
            r#""iat":1699999950.5"#,
            r#""iat":1.7e9"#,
            r#""iat":1"#,
            r#""exp":1700000001"#,
            r#""exp":1700000000"#,
            r#""exp":"1800000000""#,
            r#""nbf":1700000000"#,
            r#""nbf":-1"#,
            r#""jti":1"#,
            r#""x":[[[{}]]]"#,
        ],
    ];
    let mut members: Vec<String> = usual.iter().map(|member| (*member).to_owned()).collect();
    for _ in 0..u.int_in_range(0..=4)? {
        let member = match u.ratio(1, 20)? {
            true => u.arbitrary::<&str>()?,
            false => *u.choose(MEMBERS[kind])?,
        };
        let name = member.split(':').next();
        if u.ratio(7, 8)? {
            members.retain(|other| other.split(':').next() != name);
        }
        members.push(member.to_owned());
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// A token that is signed now, by a key that may or may not be the one that its header names.
fn composed(u: &mut Unstructured<'_>) -> Result<Input> {
    let (alg, key) = *u.choose(&SIGNERS[5..])?;
    let (header, claims): (&[&str], &[&str]) = match alg {
        "EdDSA" => (
            &[r#""alg":"EdDSA""#, r#""kid":"ed25519""#],
            &[r#""iss":"https://set""#, r#""aud":"kinto""#, r#""user":{"id":"mallory"}"#],
        ),
        _ => (&[r#""alg":"HS256""#, r#""typ":"JWT""#], &[r#""sub":"mallory""#, r#""iat":1700000000"#]),
    };
    let (header, claims) = (text(u, 0, header)?, text(u, 1, claims)?);
    let token = jws(alg, key, header, claims);
    let signed = Some(signing_input(&token).to_owned());
    let mut token = token.into_bytes();
    let is_changed = u.ratio(1, 4)?;
    if is_changed {
        change(u, &mut token)?;
    }
    Ok(Input { kind: if is_changed { "changed" } else { "composed" }, token, signed })
}

/// The user that a token proves by the three policies, found out with ring; `None` if it proves nothing.
fn proved(token: &[u8]) -> Option<String> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, payload, signed] = parts.as_slice() else { return None };
    let message = &token[..header.len() + 1 + payload.len()];
    let (header, payload, signed) = (decoded(header)?, decoded(payload)?, decoded(signed)?);
    let (header, claims) = (object(&header)?, object(&payload)?);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (alg, iss) = (text(&header["alg"])?, text(&claims["iss"]));
    let kid = header.get("kid");
    if header.get("crit").is_some()
        || header["b64"] == json!(false)
        || kid.is_some_and(|kid| !kid.is_string())
    {
        return None;
    }
    let kid = kid.and_then(Value::as_str);
    let (id, is_verified) = match iss.as_deref() {
        Some("https://pem") => {
            let algorithm: &'static dyn signature::VerificationAlgorithm = match alg.as_str() {
                "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                _ => return None,
            };
            (&claims["sub"], verified("rsa", algorithm, message, &signed) && aud(&claims).is_empty())
        }
        Some("https://set") => {
            let (key, algorithm): (_, &'static dyn signature::VerificationAlgorithm) = match alg.as_str() {
                "ES256" => ("p256", &signature::ECDSA_P256_SHA256_FIXED),
                "ES384" => ("p384", &signature::ECDSA_P384_SHA384_FIXED),
                "EdDSA" | "Ed25519" => ("ed25519", &signature::ED25519),
                _ => return None,
            };
            let is_named = kid.is_none_or(|kid| kid == key);
            let is_verified = is_named && verified(key, algorithm, message, &signed);
            let literal = claims.get("/user/id");
            (literal.unwrap_or(&claims["user"]["id"]), is_verified && aud(&claims).contains(&json!("kinto")))
        }
        _ => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
            let typ = text(&header["typ"])?.to_ascii_lowercase();
            let iat = claims["iat"].as_f64()?;
            let is_new = (NOW - 100..=NOW).contains(&seconds(iat));
            let is_typed = ["jwt", "application/jwt"].contains(&typ.as_str());
            let is_verified = alg == "HS256" && hmac::verify(&key, message, &signed).is_ok();
            (&claims["sub"], is_verified && is_new && is_typed && aud(&claims).is_empty())
        }
    };
    let texts = ["sub", "jti"].iter().all(|name| claims.get(*name).is_none_or(Value::is_string));
    (is_verified && texts && is_now(&claims)).then(|| carried(id)).flatten()
}

fn decoded(part: &[u8]) -> Option<Vec<u8>> {
    let decoded = URL_SAFE_NO_PAD.decode(part).ok()?;
    (b64(&decoded).as_bytes() == part).then_some(decoded)
}

/// An object in which no name is there twice, at any depth: written anew it has as many names.
fn object(text: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(text).ok().filter(Value::is_object)?;
    let text = std::str::from_utf8(text).unwrap();
    let names = |text: &str| {
        let (mut count, mut is_inside, mut is_escaped) = (0, false, false);
        for character in text.chars() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = is_inside,
                '"' => is_inside = !is_inside,
                ':' if !is_inside => count += 1,
                _ => {}
            }
        }
        count
    };
    (names(text) == names(&value.to_string())).then_some(value)
}

/// The items of `aud`: none where Python takes the value for false.
fn aud(claims: &Value) -> Vec<Value> {
    match &claims["aud"] {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::Array(items) if items.iter().all(Value::is_string) => items.clone(),
        Value::Number(number) if number.as_f64() == Some(0.0) => Vec::new(),
        Value::Object(members) if members.is_empty() => Vec::new(),
        Value::String(_) => vec![claims["aud"].clone()],
        _ => vec![Value::Null],
    }
}

fn verified(
    key: &str,
    algorithm: &'static dyn signature::VerificationAlgorithm,
    message: &[u8],
    signed: &[u8],
) -> bool {
    let spki = pem::parse(public_key(key)).unwrap().into_contents();
    let info = SubjectPublicKeyInfoRef::from_der(&spki).unwrap();
    let key = info.subject_public_key.raw_bytes();
    signature::UnparsedPublicKey::new(algorithm, key).verify(message, signed).is_ok()
}

#[expect(clippy::as_conversions, reason = "cuts a fraction off, and there is no other conversion from f64")]
fn seconds(time: f64) -> u64 {
    time.trunc() as u64
}

/// Whether the times of the claims are numbers that allow a use now.
fn is_now(claims: &Value) -> bool {
    let time =
        |name: &str| claims.get(name).map(|time| time.as_f64().filter(|time| !time.is_sign_negative()));
    let holds = |name: &str, is_right: &dyn Fn(u64) -> bool| {
        time(name).is_none_or(|time| time.is_some_and(|time| is_right(seconds(time))))
    };
    holds("exp", &|exp| exp > NOW) && holds("nbf", &|nbf| nbf <= NOW) && holds("iat", &|iat| iat <= NOW)
}

/// The text of a user id as a header carries it, if one can.
fn carried(id: &Value) -> Option<String> {
    let text = match id {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
        _ => return None,
    };
    let is_carried = text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) && text.trim() == text;
    (is_carried && !text.is_empty()).then_some(text)
}
