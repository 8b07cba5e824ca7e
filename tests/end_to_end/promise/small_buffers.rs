//! Batches in an Envoy whose buffers are small, as Envoy Gateway sets them: done whole, or refused in Kinto's format with
//! nothing done.

use serde_json::{Value, json};

use kit::forgeries::json_type;
use kit::http::{self, Headers, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, manager};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

pub(super) const BUFFER: usize = 32_768;

pub(super) fn small(config: &mut Value) {
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["per_connection_buffer_limit_bytes"] = json!(BUFFER);
        let route = manager(listener).pointer_mut("/route_config/virtual_hosts/0").unwrap();
        route.as_object_mut().unwrap().remove("request_body_buffer_limit");
        // It would raise the limit.
        let filters = manager(listener)["http_filters"].as_array_mut().unwrap();
        filters.retain(|filter| filter["name"] != "envoy.filters.http.buffer");
    }
    config["static_resources"]["clusters"][0]["per_connection_buffer_limit_bytes"] = json!(BUFFER);
}

/// A batch of `size` bytes that writes a record of its own, reads it, and has two more sub-requests, one of them with an
/// invalid token.
fn batch(size: usize, record: &str) -> Vec<u8> {
    let path = format!("/v1/buckets/default/collections/c/records/{record}");
    let body = |filling: &str| {
        let put = json!({"method": "PUT", "path": path, "body": {"data": {"text": filling}}});
        let rejected = json!({"path": "/v1/", "headers": {"Authorization": "JWT a.b.c"}});
        json!({"requests": [put, {"path": path}, rejected, {"path": "/v1/"}]}).to_string()
    };
    body(&"x".repeat(size - body("").len())).into_bytes()
}

#[test]
fn a_batch_that_does_not_fit_is_refused_in_kintos_format_and_nothing_is_done() {
    let kinto = Kinto::behind_envoy();
    let reject = settings_with(json!({"onMissing": "reject", "onInvalid": "reject"}));
    // Rewritten, a batch is longer than it was; here it is much longer.
    let long = settings_with(json!({"userIdHeader": format!("userId-{}", "x".repeat(2_000))}));
    let settings = [("default", settings_with(json!({}))), ("reject", reject), ("long", long)];
    let mut config =
        config_of(kinto.port("kinto"), &settings.each_ref().map(|(name, s)| (*name, as_struct(s))));
    small(&mut config);
    let envoy = Envoy::start(&config);
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));
    let headers: Headers = vec![json_type(), alice.clone(), header("Origin", "https://page.example")];
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in &settings {
        let port = envoy.port(name);
        for size in [10_000, 28_000, BUFFER - 2_000, BUFFER - 100, BUFFER, BUFFER + 1, 60_000, 900_000] {
            for is_chunked in [false, true] {
                let record = format!("{name}-{size}-{is_chunked}");
                let body = batch(size, &record);
                let what = format!("{record}: {} bytes", body.len());
                let request = if is_chunked {
                    http::chunked(b"/v1/batch", &headers, &body)
                } else {
                    http::bytes("POST", b"/v1/batch", &headers, &body)
                };
                let answer = http::exchange(port, &request).unwrap_or_else(|| panic!("{what}: no answer"));
                let is_done = match answer.status {
                    200 => {
                        assert_eq!(answer.json()["responses"].as_array().unwrap().len(), 4, "{what}");
                        true
                    }
                    413 => {
                        let error = answer.json();
                        assert_eq!((&error["code"], &error["errno"]), (&json!(413), &json!(113)), "{what}");
                        let message = error["message"].as_str().unwrap();
                        assert!(message.contains("fewer sub-requests"), "{what}: {message}");
                        for field in ["content-type: application/json", "access-control-allow-origin: *"] {
                            assert!(answer.head.contains(field), "{what}: {}", answer.head);
                        }
                        false
                    }
                    status => panic!("{what}: {status} {:?}", String::from_utf8_lossy(&answer.body)),
                };
                seen.insert(is_done);
                assert!(is_done || body.len() > BUFFER - 4_000 || *name == "long", "{what}");
                assert!(!is_done || body.len() <= BUFFER, "{what}");
                let path = format!("/v1/buckets/default/collections/c/records/{record}");
                let stored = http::get(envoy.port("default"), &path, std::slice::from_ref(&alice)).status;
                if *name == "default" {
                    assert_eq!(stored, if is_done { 200 } else { 404 }, "{what}");
                }
            }
        }
    }
    assert_eq!(seen.len(), 2, "some fit and some do not");
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}
