//! Settings that differ from good ones in one place, good and bad.

use serde_json::{Value, json};

use crate::schema::known;
use kit::table::settings_with;
use kit::tokens::{jwk, public_key, x5c};

/// Values that an operator might write by mistake, or on purpose.
fn odd_values() -> Vec<Value> {
    let words =
        ["", "a", " a", "a ", "a b", "a_b", "é", "Ā", "a\nb", "\u{a0}", "/v1/", "Host", "cookie", "reject"];
    let more = [
        "HS256",
        "Ed25519",
        "Digest",
        "latin-1",
        "ascii",
        "accept",
        "https://i/k",
        "HTTP://i",
        "http://u@i/",
        "http:i",
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00.5+00:00",
        "2026-11-24 10:00:00Z",
        "2016-12-31T23:59:60Z",
        "0123456789abcdef0123456789abcdef",
        "{\"keys\":[]}",
        "sk-0123456789abcdef0123456789abcdef",
    ];
    let texts = words.into_iter().chain(more).map(Value::from);
    let numbers = [
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(4),
        json!(60),
        json!(61),
        json!(86_401),
        json!(1e3),
    ];
    let large = [json!(16_777_216), json!(4_294_967_295_u32), json!(4_294_967_296_u64), json!(1_u64 << 53)];
    let mut values = vec![Value::Null, json!(true), json!(false)];
    values.extend(texts.chain(numbers).chain(large));
    let lists: Vec<Value> = values.iter().map(|value| json!([value])).collect();
    let maps = values.iter().flat_map(|value| {
        ["a", "sub", "X-A", "x_a", "header", "cookie", "query", "cluster", "uri", "maxBytes", "name"]
            .map(|name| Value::Object([(name.to_owned(), value.clone())].into_iter().collect()))
    });
    let maps: Vec<Value> = maps.collect();
    let pairs = [
        json!([]),
        json!({}),
        json!([{}]),
        json!(["a", "b"]),
        json!(["a", "a"]),
        json!(["RS256", "RS256"]),
        json!(["EdDSA", "Ed25519"]),
        json!([["a"]]),
        json!({"a": "b", "sub": ["c"]}),
        json!({"header": "a", "schemes": "b"}),
        json!({"header": "a", "schemes": null, "cookie": null}),
        json!({"header": "a", "cookie": "b", "schemes": "c"}),
        json!({"cookie": "b", "schemes": "c"}),
        json!([{"cookie": "a"}, {"query": "b"}]),
        json!({"cluster": "c", "uri": "https://i/k", "discovery": null}),
        json!({"cluster": "c", "uri": null, "discovery": true}),
        json!({"cluster": "c", "uri": "https://i/k", "discovery": true}),
        json!({"cluster": "c", "uri": "https://i/k", "x": null}),
        json!({"keys": [jwk("k", "rsa"), 5]}),
        json!({"keys": [{"kty": "RSA", "x5c": [x5c("rsa")]}], "x": 1}),
    ];
    values.into_iter().chain(lists).chain(maps).chain(pairs).collect()
}

/// Settings that differ from good ones in one place.
pub(super) fn variants() -> Vec<Value> {
    let base = settings_with(json!({"issuer": "https://issuer.example"}));
    let remote = json!({"uri": "https://issuer.example/keys", "cluster": "issuer"});
    let mut variants = Vec::new();
    for value in odd_values() {
        for name in known(&json!({"x": 1})) {
            let mut settings = base.clone();
            settings[&name] = value.clone();
            if ["jwks", "remoteJwks"].contains(&name.as_str()) {
                settings.as_object_mut().unwrap().remove("public_key");
            }
            variants.push(settings.clone());
            // The same in a policy, and with the default of it outside.
            settings["name"] = json!("p");
            variants.push(json!({"policies": [settings]}));
            variants.push(json!({"public_key": public_key("rsa"), "policies": [{"name": "p", name: value}]}));
        }
        for name in
            ["uri", "discovery", "cluster", "timeoutSeconds", "refreshSeconds", "cooldownSeconds", "maxBytes"]
        {
            let mut remote = remote.clone();
            remote[name] = value.clone();
            variants.push(json!({"issuer": "https://issuer.example", "remoteJwks": remote}));
        }
        for (name, member) in [("batch", "maxRequests"), ("batch", "maxBytes"), ("tokenCache", "maxEntries")]
        {
            variants.push(settings_with(json!({name: {member: value}})));
        }
        variants.push(settings_with(json!({"userIdCharset": "latin-1", "unauthorizedUserId": value})));
    }
    // Keys and places outside of policies, and in one.
    let some = |name: &str, value: Value| [json!({}), json!({name: null}), json!({name: value})];
    let keys = some("public_key", json!(public_key("rsa")));
    let sets = some("jwks", json!({"keys": [jwk("k", "rsa")]}));
    let places = some("from", json!({"cookie": "c"}));
    let headers = some("http_header", json!("X-T"));
    let mut parts = Vec::new();
    for choice in 0..81_usize {
        let mut part = json!({});
        for (digit, from) in [&keys, &sets, &places, &headers].into_iter().enumerate() {
            let digit = choice / 3_usize.pow(u32::try_from(digit).unwrap()) % 3;
            part.as_object_mut().unwrap().extend(from[digit].as_object().unwrap().clone());
        }
        parts.push(part);
    }
    for outside in &parts {
        for inside in &parts {
            let mut settings = outside.clone();
            let mut policy = inside.clone();
            policy["name"] = json!("p");
            settings["policies"] = json!([policy]);
            variants.push(settings.clone());
            settings["policies"].as_array_mut().unwrap().push(json!({"name": "q"}));
            variants.push(settings);
        }
        variants.push(outside.clone());
    }
    variants
}
