//! Filters after this one, which use the user that it has found: `envoy/settings/other-filters.yaml`, in Envoy.

use serde_json::{Value, json};

use kit::forgeries::json_type;
use kit::http::{self, Headers, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, manager, project};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

/// An Envoy with the filters of the example of these names, and its access log.
fn envoy(kinto: u16, names: &[&str], settings: Value) -> Envoy {
    let text = std::fs::read_to_string(project("envoy/settings/other-filters.yaml")).unwrap();
    let example: Value = serde_yaml_ng::from_str(&text).unwrap();
    let mut config = config_of(kinto, &[("kinto", as_struct(&settings_with(settings)))]);
    let manager = manager(&mut config["static_resources"]["listeners"][0]);
    manager["access_log"] = example["access_log"].clone();
    let filters = manager["http_filters"].as_array_mut().unwrap();
    for (place, name) in (1..).zip(names) {
        let mut all = example["http_filters"].as_array().unwrap().iter();
        let filter = all.find(|filter| filter["name"].as_str().unwrap().ends_with(name));
        let mut filter = filter.unwrap().clone();
        // A test takes longer than a second.
        if let Some(bucket) = filter.pointer_mut("/typed_config/descriptors/0/token_bucket") {
            bucket["fill_interval"] = json!("600s");
        }
        filters.insert(place, filter);
    }
    Envoy::start(&config)
}

fn token(user: &str) -> (String, Vec<u8>) {
    authorization(&rs256(&json!({"sub": user, "exp": now() + 600})))
}

#[test]
fn rbac_knows_the_user_and_nobody_can_pretend() {
    let kinto = Kinto::behind_envoy();
    let envoy = envoy(kinto.port("kinto"), &["rbac"], json!({}));
    let port = envoy.port("kinto");
    let spoof = || header("userId", "alice");
    for (headers, may_write) in [
        (vec![token("alice")], true),
        (vec![token("bob")], true),
        (vec![token("carol")], false),
        (vec![], false),
        (vec![spoof()], false),
        (vec![token("carol"), spoof()], false),
        (vec![header("userid", "alice"), header("Userid", "bob")], false),
    ] {
        assert_eq!(http::get(port, "/v1/", &headers).status, 200);
        let all = [headers.clone(), vec![json_type()]].concat();
        let put = http::bytes("PUT", b"/v1/buckets/default/collections/c/records/r", &all, b"{}");
        let status = http::exchange(port, &put).unwrap().status;
        assert_eq!(status != 403, may_write, "{headers:?}: {status}");
    }
    // What the page warns of: the filter sees the batch, and not what is in it.
    let own = String::from_utf8(token("carol").1).unwrap();
    let write = json!({"method": "PUT", "path": "/v1/buckets/default/collections/c/records/x", "headers": {"Authorization": own}});
    let batch = json!({"requests": [write]}).to_string();
    let answer = http::post(port, "/v1/batch", &[json_type(), token("alice")], batch.as_bytes()).json();
    assert_eq!(answer["responses"][0]["status"], 201, "{answer}");
}

#[test]
fn rate_limits_count_each_user_and_not_what_a_client_says() {
    let kinto = Kinto::behind_envoy();
    let envoy = envoy(kinto.port("kinto"), &["local_ratelimit"], json!({}));
    let passed = |headers: &dyn Fn(usize) -> Headers| {
        let answers = (0..120).map(|number| http::get(envoy.port("kinto"), "/v1/", &headers(number)).status);
        answers.filter(|status| *status == 200).count()
    };
    assert_eq!(passed(&|_| vec![token("alice")]), 50);
    assert_eq!(passed(&|_| vec![token("bob")]), 50);
    // Others make Envoy forget nobody.
    for number in 0..40 {
        http::get(envoy.port("kinto"), "/v1/", &[token(&format!("other-{number}"))]);
    }
    assert_eq!(passed(&|_| vec![token("alice")]), 0);
    // Another name in every request changes nothing.
    assert_eq!(passed(&|number| vec![token("carol"), header("userId", format!("user-{number}"))]), 50);
    assert_eq!(passed(&|_| vec![token("carol")]), 0);
}

#[test]
fn the_access_log_has_the_user() {
    let kinto = Kinto::behind_envoy();
    let name = "userId-5f0c1d";
    let envoy = envoy(kinto.port("kinto"), &[], json!({"onInvalid": "reject", "accessLogReason": true}));
    let port = envoy.port("kinto");
    http::get(port, "/v1/one", &[token("alice")]);
    http::get(port, "/v1/two", &[header("userId", "admin")]);
    http::get(port, "/v1/three", &[authorization("a.b.c"), header("userId", "admin"), header(name, "admin")]);
    for line in [
        "GET /v1/one 404 user=alice reason=-",
        "GET /v1/two 404 user=public reason=no_token",
        "GET /v1/three 401 user=- reason=not_base64url",
    ] {
        kit::servers::wait_for(line, || envoy.log().lines().any(|logged| logged == line).then_some(()));
    }
}
