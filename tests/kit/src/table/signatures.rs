//! How a token is written and signed: its algorithm, its header, its encoding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::List;
use crate::tokens::{SECRET, b64, jws, public_key, rs256, sign, token};

pub(super) fn signatures(list: &mut List, good: &Value) {
    let signed = rs256(good);
    let parts: Vec<&str> = signed.split('.').collect();
    list.token("other key", &token("RS256", "rsa-other", good), Err(BadSignature));
    let forged = format!("{}.{}.{}", parts[0], b64(r#"{"sub":"mallory"}"#), parts[2]);
    list.token("other payload", &forged, Err(BadSignature));
    list.token("no signature", &format!("{}.{}.", parts[0], parts[1]), Err(BadSignature));
    let short = &sign("RS256", "rsa", format!("{}.{}", parts[0], parts[1]).as_bytes())[..248];
    list.token("short signature", &format!("{}.{}.{}", parts[0], parts[1], b64(short)), Err(BadSignature));
    let zero = format!("{}.{}.{}", parts[0], parts[1], b64([0; 256]));
    list.token("signature of zeros", &zero, Err(BadSignature));
    for alg in ["none", "RS384", "RS512", "PS256"] {
        list.token(&format!("alg {alg}"), &token(alg, "rsa", good), Err(AlgNotAllowed));
    }
    list.token("alg ES256", &token("ES256", "p256", good), Err(AlgNotAllowed));
    list.token("alg EdDSA", &token("EdDSA", "ed25519", good), Err(AlgNotAllowed));
    list.token("alg HS256 of the public key", &token("HS256", &public_key("rsa"), good), Err(AlgNotAllowed));
    list.token(
        "alg HS256 of the public key, trimmed",
        &token("HS256", public_key("rsa").trim(), good),
        Err(AlgNotAllowed),
    );
    for alg in
        [json!("None"), json!("NONE"), json!("rs256"), json!(null), json!(256), json!(["RS256"]), json!("")]
    {
        let header = json!({"typ": "JWT", "alg": alg}).to_string();
        list.token(
            &format!("alg {alg}, signed"),
            &jws("RS256", "rsa", header, good.to_string()),
            Err(AlgNotAllowed),
        );
    }
    list.token("no alg", &jws("RS256", "rsa", r#"{"typ":"JWT"}"#, good.to_string()), Err(AlgNotAllowed));
}

pub(super) fn jose_headers(list: &mut List, good: &Value) {
    let mut header = |name: &str, header: &str, expected| {
        let token = jws("RS256", "rsa", header, good.to_string());
        let entry = match (expected, name) {
            (Err(HeaderNotJson), "alg twice, ours last" | "UTF-8 BOM" | "UTF-16") => Some("strict-json"),
            (Err(CriticalExtension), "crit b64 true") => Some("crit"),
            _ => None,
        };
        list.token(name, &token, expected).differs = entry;
    };
    for more in [
        r#""typ":"jwt""#,
        r#""typ":"at+jwt""#,
        r#""typ":5"#,
        r#""typ":null"#,
        r#""cty":"JWT""#,
        r#""kid":"k1""#,
        r#""kid":"""#,
        r#""jwk":{"kty":"RSA"}"#,
        r#""jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":[1]"#,
        r#""b64":true"#,
        r#""b64":0"#,
        r#""ver":1,"nested":{"a":[1,2]}"#,
    ] {
        header(more, &format!(r#"{{"alg":"RS256",{more}}}"#), Ok("alice"));
    }
    for (name, text, expected) in [
        ("white space", " {\"alg\" : \"RS256\"}\r\n", Ok("alice")),
        ("kid of a number", r#"{"alg":"RS256","kid":5}"#, Err(KidNotString)),
        ("kid null", r#"{"alg":"RS256","kid":null}"#, Err(KidNotString)),
        ("crit", r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, Err(CriticalExtension)),
        ("crit empty", r#"{"alg":"RS256","crit":[]}"#, Err(CriticalExtension)),
        ("crit null", r#"{"alg":"RS256","crit":null}"#, Err(CriticalExtension)),
        ("crit b64 true", r#"{"alg":"RS256","crit":["b64"],"b64":true}"#, Err(CriticalExtension)),
        ("b64 false", r#"{"alg":"RS256","b64":false}"#, Err(UnencodedPayload)),
        ("b64 false, crit", r#"{"alg":"RS256","b64":false,"crit":["b64"]}"#, Err(CriticalExtension)),
        ("not JSON", "hello", Err(HeaderNotJson)),
        ("an array", r#"["RS256"]"#, Err(HeaderNotJson)),
        ("null", "null", Err(HeaderNotJson)),
        ("empty", "", Err(HeaderNotJson)),
        ("alg twice, ours last", r#"{"alg":"none","alg":"RS256"}"#, Err(HeaderNotJson)),
        ("alg twice, ours first", r#"{"alg":"RS256","alg":"none"}"#, Err(HeaderNotJson)),
        ("UTF-8 BOM", "\u{feff}{\"alg\":\"RS256\"}", Err(HeaderNotJson)),
    ] {
        header(name, text, expected);
    }
    let attacker = r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}"#;
    list.token("own key in jwk", &jws("RS256", "rsa-other", attacker, good.to_string()), Err(BadSignature));
    let utf_16: Vec<u8> = r#"{"alg":"RS256"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    list.token("UTF-16", &jws("RS256", "rsa", utf_16, good.to_string()), Err(HeaderNotJson))
        .differs("strict-json");
    list.token(
        "not UTF-8",
        &jws("RS256", "rsa", b"{\"alg\":\"RS256\",\"x\":\"\xff\"}", good.to_string()),
        Err(HeaderNotJson),
    );
}

pub(super) fn encodings(list: &mut List, good: &Value) {
    let signed = rs256(good);
    let parts: Vec<&str> = signed.split('.').collect();
    let pad = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let input = format!("{}.{}", pad(&b64(r#"{"alg":"RS256"} "#)), pad(&b64(r#"{"sub":"alice"}"#)));
    let padded = format!("{input}.{}", pad(&b64(sign("RS256", "rsa", input.as_bytes()))));
    list.token("padding", &padded, Err(NotBase64Url)).differs("padding");
    let padded = format!("{}.{}.{}", parts[0], parts[1], pad(parts[2]));
    list.token("padded signature", &padded, Err(NotBase64Url)).differs("padding");
    let last = signed.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let other = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    for (name, token, expected) in [
        ("unused bits set", format!("{}{other}", &signed[..signed.len() - 1]), Err(NotBase64Url)),
        ("leading dot", format!(".{signed}"), Err(NotThreeParts)),
        ("trailing dot", format!("{signed}."), Err(NotThreeParts)),
        ("four parts", format!("{signed}.abcd"), Err(NotThreeParts)),
        ("five parts", "a.b.c.d.e".to_owned(), Err(NotThreeParts)),
        ("two parts", format!("{}.{}", parts[0], parts[1]), Err(NotThreeParts)),
        ("one part", parts[0].to_owned(), Err(NotThreeParts)),
        ("trailing text", format!("{signed} junk"), Err(NotBase64Url)),
        ("trailing comma", format!("{signed},"), Err(MultipleTokens)),
        ("trailing semicolon", format!("{signed};"), Err(NotBase64Url)),
        (
            "junk inside",
            format!("{}!{}", &signed[..signed.len() - 5], &signed[signed.len() - 5..]),
            Err(NotBase64Url),
        ),
        ("in quotes", format!("\"{signed}\""), Err(NotBase64Url)),
        ("percent-encoded dots", signed.replace('.', "%2E"), Err(NotThreeParts)),
        (
            "JSON serialization",
            json!({"protected": parts[0], "payload": parts[1]}).to_string(),
            Err(MultipleTokens),
        ),
        ("null", "null".into(), Err(NotThreeParts)),
        ("dots", "..".into(), Err(HeaderNotJson)),
        ("letters", "a.b.c".into(), Err(NotBase64Url)),
    ] {
        list.token(name, &token, expected);
    }
}

pub(super) fn algorithm(list: &mut List, alg: &str, key: &str, good: &Value) {
    list.headers("no token", vec![], Err(NoToken));
    list.token("good", &token(alg, key, good), Ok("alice"));
    list.token("alg none", &token("none", "", good), Err(AlgNotAllowed));
    if alg != "RS256" {
        list.token("RS256", &rs256(good), Err(AlgNotAllowed));
    }
    let other = match alg {
        "ES256" => "p256-other",
        "ES512" => "p521-other",
        "ES384" | "EdDSA" => "",
        _ => "rsa-other",
    };
    if !other.is_empty() {
        list.token("other key", &token(alg, other, good), Err(BadSignature));
    }
    let signed = token(alg, key, good);
    let (input, signature) = signed.rsplit_once('.').unwrap();
    for zeros in [0, 32, 64, 96, 132, 256] {
        list.token(&format!("{zeros} zeros"), &format!("{input}.{}", b64(vec![0; zeros])), Err(BadSignature));
    }
    let longer = [URL_SAFE_NO_PAD.decode(signature).unwrap(), vec![0]].concat();
    list.token("a byte more", &format!("{input}.{}", b64(longer)), Err(BadSignature));
    if alg == "EdDSA" {
        let header = r#"{"typ":"JWT","alg":"Ed25519"}"#;
        list.token("alg Ed25519", &jws(alg, key, header, good.to_string()), Ok("alice")).differs("ed25519");
    }
    if alg == "ES256" {
        let der = sign("ES256-DER", key, input.as_bytes());
        list.token("DER signature", &format!("{input}.{}", b64(der)), Err(BadSignature));
    }
}

pub(super) fn secret(list: &mut List, alg: &str, good: &Value) {
    list.token("good", &token(alg, SECRET, good), Ok("alice"));
    list.token("other secret", &token(alg, &SECRET.replace('c', "d"), good), Err(BadSignature));
    list.token("secret and a line feed", &token(alg, &format!("{SECRET}\n"), good), Err(BadSignature));
    list.token("empty secret", &token(alg, "", good), Err(BadSignature));
    for other in ["HS256", "HS384", "HS512"].into_iter().filter(|other| *other != alg) {
        list.token(other, &token(other, SECRET, good), Err(AlgNotAllowed));
    }
    list.token("RS256", &rs256(good), Err(AlgNotAllowed));
    let signed = token(alg, SECRET, good);
    let (input, _) = signed.rsplit_once('.').unwrap();
    let tag = sign(alg, SECRET, input.as_bytes());
    list.token("half a tag", &format!("{input}.{}", b64(&tag[..16])), Err(BadSignature));
}
