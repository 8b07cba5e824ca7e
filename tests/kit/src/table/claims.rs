//! What a token claims: its times, its audience, its JSON, its user.

use kinto_jwt_filter::Rejection::*;
use serde_json::{Value, json};

use super::{List, Policy, add_policy, settings_with};
use crate::tokens::{sha256, x5c};

/// Tokens that are bound to a key of their client.
pub(super) fn bound(list: &mut List) {
    for cnf in [json!({"x5t#S256": sha256(&x5c("rsa"))}), json!({"jkt": ""}), json!(null)] {
        list.claims(&format!("cnf {cnf}"), json!({"sub": "alice", "cnf": cnf}), Err(TokenBound))
            .differs("bound-token");
    }
}

pub(super) fn times(list: &mut List, now: u64) {
    let at = |claim: &str, value: Value| json!({"sub": "alice", claim: value});
    list.claims("no exp", json!({"sub": "alice"}), Ok("alice"));
    for claim in ["exp", "nbf", "iat"] {
        for value in [json!("soon"), json!(""), json!(null), json!([1]), json!({})] {
            list.claims(&format!("{claim} {value}"), at(claim, value), Err(NotNumericDate));
        }
    }
    list.claims("exp as text", at("exp", json!((now + 600).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp with spaces", at("exp", json!(format!(" {} ", now + 600))), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp as past text", at("exp", json!((now - 600).to_string())), Err(NotNumericDate));
    list.claims("nbf as text", at("nbf", json!((now - 5).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("iat as text", at("iat", json!((now - 5).to_string())), Err(NotNumericDate))
        .differs("text-dates");
    list.claims("exp true", at("exp", json!(true)), Err(NotNumericDate));
    list.claims("nbf false", at("nbf", json!(false)), Err(NotNumericDate)).differs("text-dates");
    list.claims("iat true", at("iat", json!(true)), Err(NotNumericDate)).differs("text-dates");
    list.claims("exp negative", at("exp", json!(-5)), Err(NotNumericDate));
    list.claims("nbf negative", at("nbf", json!(-5)), Err(NotNumericDate)).differs("negative-dates");
    list.claims("iat negative", at("iat", json!(-5)), Err(NotNumericDate)).differs("negative-dates");
    for (name, claim, value, expected) in [
        ("exp 10 s ago", "exp", json!(now - 10), Err(Expired)),
        ("exp a day ago", "exp", json!(now - 86_400), Err(Expired)),
        ("exp 0", "exp", json!(0), Err(Expired)),
        ("exp in 60 s", "exp", json!(now + 60), Ok("alice")),
        ("exp in decimals", "exp", serde_json::from_str(&format!("{}.75", now + 60)).unwrap(), Ok("alice")),
        ("exp in the far future", "exp", json!(1e30), Ok("alice")),
        ("nbf 5 s ago", "nbf", json!(now - 5), Ok("alice")),
        ("nbf now", "nbf", json!(now), Ok("alice")),
        ("nbf in 300 s", "nbf", json!(now + 300), Err(NotYetValid)),
        ("iat 5 s ago", "iat", json!(now - 5), Ok("alice")),
        ("iat in 300 s", "iat", json!(now + 300), Err(IssuedInFuture)),
    ] {
        list.claims(name, at(claim, value), expected);
    }
    list.claims("jti", at("jti", json!("1")), Ok("alice"));
    list.claims("jti of a number", at("jti", json!(1)), Err(JwtIdNotString));
    list.claims("jti null", at("jti", json!(null)), Err(JwtIdNotString));
    list.claims("iss", at("iss", json!("https://issuer.example")), Ok("alice"));
    list.claims("iss of a number", at("iss", json!(5)), Ok("alice"));
}

pub(super) fn audiences_without_one(list: &mut List) {
    for aud in [json!(""), json!([]), json!(null), json!(0), json!(0.0), json!(false), json!({})] {
        list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), Ok("alice"));
    }
    for aud in [json!("x"), json!(["x"]), json!([""]), json!(7), json!(true), json!({"x": 1})] {
        list.claims(&format!("aud {aud}"), json!({"sub": "alice", "aud": aud}), Err(AudienceUnexpected));
    }
}

pub(super) fn payloads(list: &mut List, now: u64) {
    for (name, payload, expected, entry) in [
        (
            "sub twice",
            r#"{"sub":"first","sub":"second"}"#.to_owned(),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        (
            "exp twice, past first",
            format!(r#"{{"sub":"alice","exp":1,"exp":{}}}"#, now + 600),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        (
            "exp twice, past last",
            format!(r#"{{"sub":"alice","exp":{},"exp":1}}"#, now + 600),
            Err(ClaimsNotJson),
            None,
        ),
        (
            "names twice, nested",
            r#"{"sub":"alice","x":{"a":1,"a":2}}"#.into(),
            Err(ClaimsNotJson),
            Some("strict-json"),
        ),
        ("escaped name", r#"{"\u0073ub":"alice"}"#.into(), Ok("alice"), None),
        ("white space", " \n\t{\"sub\" : \"alice\"} \r\n".into(), Ok("alice"), None),
        ("8 KiB", format!(r#"{{"sub":"alice","x":"{}"}}"#, "y".repeat(8192)), Ok("alice"), None),
        (
            "over 16 KiB",
            format!(r#"{{"sub":"alice","x":"{}"}}"#, "y".repeat(12_500)),
            Err(TokenTooLong),
            Some("size"),
        ),
        (
            "depth 100",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(100), "]".repeat(100)),
            Ok("alice"),
            None,
        ),
        (
            "depth 200",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
            Err(ClaimsNotJson),
            Some("size"),
        ),
        (
            "depth 5000",
            format!(r#"{{"sub":"alice","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000)),
            Err(ClaimsNotJson),
            None,
        ),
        ("5000 digits", format!(r#"{{"sub":"alice","x":{}}}"#, "9".repeat(5000)), Err(ClaimsNotJson), None),
        ("exp 1e400", r#"{"sub":"alice","exp":1e400}"#.into(), Err(ClaimsNotJson), None),
        ("exp NaN", r#"{"sub":"alice","exp":NaN}"#.into(), Err(ClaimsNotJson), None),
        ("exp Infinity", r#"{"sub":"alice","exp":Infinity}"#.into(), Err(ClaimsNotJson), None),
        ("NaN", r#"{"sub":"alice","x":NaN}"#.into(), Err(ClaimsNotJson), Some("strict-json")),
        ("UTF-8 BOM", "\u{feff}{\"sub\":\"alice\"}".into(), Err(ClaimsNotJson), Some("strict-json")),
        ("not JSON", "hello".into(), Err(ClaimsNotJson), None),
        ("an array", r#"["sub","alice"]"#.into(), Err(ClaimsNotJson), None),
        ("a string", r#""alice""#.into(), Err(ClaimsNotJson), None),
        ("null", "null".into(), Err(ClaimsNotJson), None),
        ("empty", String::new(), Err(ClaimsNotJson), None),
        ("empty object", "{}".into(), Err(NoUserIdClaim), None),
        ("trailing comma", r#"{"sub":"alice",}"#.into(), Err(ClaimsNotJson), None),
        ("trailing text", r#"{"sub":"alice"} x"#.into(), Err(ClaimsNotJson), None),
        ("two objects", r#"{"sub":"alice"}{"sub":"bob"}"#.into(), Err(ClaimsNotJson), None),
        ("a comment", r#"{"sub":"alice"/*x*/}"#.into(), Err(ClaimsNotJson), None),
        ("single quotes", "{'sub':'alice'}".into(), Err(ClaimsNotJson), None),
        ("raw line feed", "{\"sub\":\"al\nice\"}".into(), Err(ClaimsNotJson), None),
        ("leading zero", r#"{"sub":"alice","x":01}"#.into(), Err(ClaimsNotJson), None),
        ("lone surrogate", r#"{"sub":"a\ud800b"}"#.into(), Err(ClaimsNotJson), Some("crash")),
    ] {
        list.payload(name, payload, expected).differs = entry;
    }
    let utf_16: Vec<u8> = r#"{"sub":"alice"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    list.payload("UTF-16", utf_16, Err(ClaimsNotJson)).differs("strict-json");
    list.payload("not UTF-8", b"{\"sub\":\"al\xffice\"}", Err(ClaimsNotJson));
}

pub(super) fn user_ids(list: &mut List) {
    for sub in [
        "inner space",
        "auth0|5f:x",
        "alice, bob",
        "a%20b",
        "a\"b\\c",
        "/buckets/b/groups/g",
        "kinto_jwt:alice",
        "account:admin",
        "public",
        "system.everyone",
    ] {
        list.claims(&format!("sub {sub}"), json!({"sub": sub}), Ok(sub));
    }
    list.claims("sub of 1000 characters", json!({"sub": "a".repeat(1000)}), Ok(&"a".repeat(1000)));
    for (sub, expected) in [
        ("ålice", UserIdNotAscii),
        ("ÿ", UserIdNotAscii),
        ("日本", UserIdNotAscii),
        ("a😀b", UserIdNotAscii),
        ("a\u{30a}lice", UserIdNotAscii),
        ("al\nice", UserIdControl),
        ("alice\r\nuserId: admin", UserIdControl),
        ("al\0ice", UserIdControl),
        ("al\tice", UserIdControl),
        ("al\u{7f}ice", UserIdControl),
        ("al\u{85}ice", UserIdControl),
        ("  alice  ", UserIdOuterSpace),
        (" ", UserIdOuterSpace),
        ("\u{a0}alice", UserIdOuterSpace),
        ("", UserIdEmpty),
    ] {
        list.claims(&format!("sub {sub:?}"), json!({"sub": sub}), Err(expected)).differs("user-id");
    }
    list.claims("no sub", json!({"x": 1}), Err(NoUserIdClaim));
    list.claims("Sub", json!({"Sub": "alice"}), Err(NoUserIdClaim));
    for sub in [json!(null), json!(42), json!(0), json!(1.5), json!(true), json!({"id": "a"}), json!(["a"])] {
        list.claims(&format!("sub {sub}"), json!({"sub": sub}), Err(SubjectNotString));
    }
}

pub(super) fn user_id_claims(list: &mut List, claim: &str, now: u64) {
    let claims_with = |value: Value| json!({"sub": "alice", claim: value});
    if claim == "exp" {
        list.claims("exp", claims_with(json!(now + 600)), Ok(&(now + 600).to_string()));
        list.claims("no exp", json!({"sub": "alice"}), Err(NoUserIdClaim));
        return;
    }
    for (value, expected, entry) in [
        (json!("bob"), Ok("bob"), None),
        (json!(42), Ok("42"), None),
        (json!(0), Ok("0"), None),
        (json!(-3), Ok("-3"), None),
        (json!(12_345_678_901_234_567_890_u64), Ok("12345678901234567890"), None),
        (json!(true), Ok("True"), None),
        (json!(false), Ok("False"), None),
        (json!(1.5), Err(UserIdType), Some("user-id-type")),
        (json!(null), Err(UserIdType), Some("user-id-type")),
        (json!({"id": "x"}), Err(UserIdType), Some("crash")),
        (json!(["x"]), Err(UserIdType), Some("crash")),
        (json!(""), Err(UserIdEmpty), Some("user-id")),
        (json!("ålice"), Err(UserIdNotAscii), Some("user-id")),
        (json!("日本"), Err(UserIdNotAscii), Some("user-id")),
        (json!("a\nb"), Err(UserIdControl), Some("user-id")),
    ] {
        list.claims(&format!("{claim} {value}"), claims_with(value), expected).differs = entry;
    }
    list.claims("not there", json!({"sub": "alice"}), Err(NoUserIdClaim));
    list.claims("sub of a number", json!({"sub": 5, claim: "bob"}), Err(SubjectNotString));
    list.claims("other case", json!({"sub": "alice", claim.to_uppercase(): "bob"}), Err(NoUserIdClaim));
    if claim == "user.id" {
        list.claims("nested", json!({"sub": "alice", "user": {"id": "bob"}}), Err(NoUserIdClaim));
    }
    let huge = format!(r#"{{"sub":"alice","{claim}":{}}}"#, "9".repeat(30));
    list.payload("30 digits", huge, Err(UserIdType)).differs("user-id-type");
}

/// User ids beyond ASCII, which the WSGI server behind must be able to carry.
pub(super) fn charsets(policies: &mut Vec<Policy>) {
    let users = |list: &mut List, latin_1: bool| {
        for sub in ["ålice", "élan", "müller", "ÿ", "\u{a1}a"] {
            let expected = if latin_1 { Ok(sub) } else { Err(UserIdNotAscii) };
            list.claims(sub, json!({"sub": sub}), expected);
        }
        for sub in ["日本", "a\u{30a}lice", "a\u{100}"] {
            let expected = if latin_1 { UserIdNotLatin1 } else { UserIdNotAscii };
            list.claims(sub, json!({"sub": sub}), Err(expected));
        }
        list.claims("ASCII", json!({"sub": "alice"}), Ok("alice"));
    };
    add_policy(policies, "ascii", settings_with(json!({"userIdCharset": "ascii"})), |list| {
        users(list, false)
    });
    add_policy(policies, "latin-1", settings_with(json!({"userIdCharset": "latin-1"})), |list| {
        users(list, true)
    });
    let unauthorized = json!({"userIdCharset": "latin-1", "unauthorizedUserId": "öffentlich"});
    add_policy(policies, "latin-1 unauthorized user", settings_with(unauthorized), |list| {
        list.headers("no token", vec![], Err(NoToken));
    });
}
