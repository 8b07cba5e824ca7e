//! An identity header whose name a stranger would have to guess.

use serde_json::json;

use kit::carrier::Carrier;
use kit::forgeries::{forgeries, json_type, without_safeguards};
use kit::http::{self, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, demo_config, wasm};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

/// The second lock: a header whose name a stranger would have to guess, and where the name must not be found.
#[test]
fn an_identity_header_with_a_random_part_is_found_nowhere() {
    let digits = "0123456789abcdef0123456789abcdef";
    let name = format!("userId-{digits}");
    let key = format!("HTTP_USERID_{}", digits.to_ascii_uppercase());
    let mut application = Carrier::Header.observed();
    application["settings"]["multiauth.policy.kinto_jwt.environ_key"] = json!(key);
    let kinto = Kinto::start(&json!({"kinto": application}), None);
    let mut config = demo_config(kinto.port("kinto"));
    let listener = &mut config["static_resources"]["listeners"][0];
    without_safeguards(listener);
    let settings = settings_with(json!({"userIdHeader": name, "onInvalid": "reject"}));
    wasm(listener)["configuration"] = as_struct(&settings);
    let envoy = Envoy::start(&config);
    let port = envoy.port("kinto");
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));

    assert_eq!(http::get(port, "/v1/", std::slice::from_ref(&alice)).user(), "kinto_jwt:alice");
    assert_eq!(http::get(port, "/v1/", &[header("userId", "admin")]).user(), "kinto_jwt:public");
    // Even who knows it, in every spelling, is nobody.
    for spelling in [name.clone(), name.to_ascii_uppercase(), name.replace('-', "_")] {
        assert_eq!(
            http::get(port, "/v1/", &[header(&spelling, "admin")]).user(),
            "kinto_jwt:public",
            "{spelling}"
        );
        let batch = json!({"requests": [{"path": "/", "headers": {spelling.as_str(): "admin"}}]}).to_string();
        let answer = http::post(port, "/v1/batch", &[json_type(), alice.clone()], batch.as_bytes()).json();
        assert_eq!(http::user(&answer["responses"][0]["body"]), "kinto_jwt:alice", "{spelling}");
    }
    // A Kinto that still trusts the usual header does not get the client's.
    let before = Kinto::behind_envoy();
    let mut mismatched = config_of(before.port("kinto"), &[("mismatched", as_struct(&settings))]);
    without_safeguards(&mut mismatched["static_resources"]["listeners"][0]);
    let mismatched = Envoy::start(&mismatched);
    for spelling in ["userId", "USERID", "userid"] {
        let headers = [header(spelling, "admin"), json_type()];
        assert_eq!(
            http::get(mismatched.port("mismatched"), "/v1/", &headers).user(),
            "anonymous",
            "{spelling}"
        );
        for batch in [
            json!({"requests": [{"path": "/", "headers": {spelling: "admin"}}]}),
            json!({"defaults": {"headers": {spelling: "admin"}}, "requests": [{"path": "/"}]}),
        ] {
            let answer = http::post(
                mismatched.port("mismatched"),
                "/v1/batch",
                &headers,
                batch.to_string().as_bytes(),
            );
            assert_eq!(http::user(&answer.json()["responses"][0]["body"]), "anonymous", "{batch}");
        }
    }
    // Whatever is sent, the name is in no answer, no log and no metric.
    let mut answers = Vec::new();
    let bad = header("Authorization", "JWT a.b.c");
    let own = json!({"requests": [{"path": "/v1/", "headers": {"Authorization": String::from_utf8_lossy(&alice.1)}}, {"path": "/v1/x", "method": "TRACE"}, {"path": "/v1/buckets/b", "method": "PUT", "headers": {"If-Match": "x"}}]});
    for request in forgeries(std::slice::from_ref(&alice)).into_iter().chain([
        http::bytes("POST", b"/v1/batch", &[json_type(), alice.clone()], own.to_string().as_bytes()),
        http::bytes("TRACE", b"/v1/", std::slice::from_ref(&alice), b""),
        http::bytes("GET", b"/v1/x", &[bad], b""),
        http::bytes("GET", b"/v1/%ff", std::slice::from_ref(&alice), b""),
    ]) {
        answers.extend(http::exchange(port, &request).map(|answer| (answer.head, answer.body)));
    }
    let stats = http::get(envoy.admin, "/stats/prometheus", &[]);
    answers.push((stats.head, stats.body));
    for (head, body) in &answers {
        let text = format!("{head}{}", String::from_utf8_lossy(body)).to_ascii_lowercase();
        assert!(!text.contains(digits), "{text}");
    }
    assert!(answers.len() > 300, "{}", answers.len());
    assert!(!envoy.log().to_ascii_lowercase().contains(digits), "the name is in Envoy's log");
    for settings in [
        json!({"userIdHeader": name, "http_header": name}),
        json!({"userIdHeader": name, "claimsToHeaders": {name.as_str(): "x"}}),
        json!({"userIdHeader": format!("{name} ")}),
    ] {
        let error =
            kinto_jwt_filter::parse_config(settings_with(settings).to_string().as_bytes(), None).unwrap_err();
        assert!(!error.to_string().contains(digits), "{error}");
    }
}
