//! Batches that wait for keys, and do not fit into Envoy's buffer once they are rewritten. Outside of a request's
//! callbacks, Envoy would answer within the call that makes the body longer, and crash.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::small_buffers::{BUFFER, small};
use kit::forgeries::json_type;
use kit::http::{self, Headers, authorization};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, config_of, wait_for, wasm};
use kit::tokens::{b64, jws, now};

fn signed(kid: &str, key: &str) -> String {
    let claims = json!({"sub": "alice", "exp": now() + 600});
    jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
}

/// A batch of `size` bytes. Its first sub-request writes a record, with this token.
fn batch(size: usize, record: &str, token: &str) -> Vec<u8> {
    let body = |filling: &str| {
        let own = json!({"Authorization": format!("JWT {token}")});
        let put =
            json!({"method": "PUT", "path": record, "body": {"data": {"text": filling}}, "headers": own});
        json!({"requests": [put, {"path": record}, {"path": "/v1/"}]}).to_string()
    };
    body(&"x".repeat(size - body("").len())).into_bytes()
}

/// An Envoy whose issuer has the key `a` now, and `a` and `b` when it is released.
struct Stack {
    envoy: Envoy,
    issuer: Issuer,
    _kinto: Kinto,
}

impl Stack {
    fn start(more: &Value, change: impl Fn(&mut Value)) -> Self {
        let (kinto, issuer) = (Kinto::behind_envoy(), Issuer::start());
        issuer.answer("/jwks", Answer::keys(&[("a", "p256")]));
        let remote =
            json!({"uri": "http://i/jwks", "cluster": "issuer", "timeoutSeconds": 20, "cooldownSeconds": 1});
        let mut settings = json!({"algorithm": "ES256", "remoteJwks": remote});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = config_of(kinto.port("kinto"), &[("kinto", as_struct(&settings))]);
        config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
        change(&mut config);
        let stack = Self { envoy: Envoy::start(&config), issuer, _kinto: kinto };
        wait_for("keys", || (stack.user() == "kinto_jwt:alice").then_some(()));
        stack
    }

    fn user(&self) -> String {
        http::get(self.envoy.port("kinto"), "/v1/", &[authorization(&signed("a", "p256"))]).user()
    }

    /// Sends a batch whose key comes while it waits. Returns the status, and whether its record is there.
    fn send(&self, waits_at: WaitsAt, size: usize, chunked: bool) -> (u16, bool) {
        let kid = format!("{size}-{chunked}");
        let (known, new) = (signed("a", "p256"), signed(&kid, "p256-other"));
        let strangers = format!("{}.e30.junk", b64(json!({"alg": "ES256", "kid": kid}).to_string()));
        let (outer, own) = match waits_at {
            WaitsAt::Headers => (Some(&new), &new),
            WaitsAt::Body => (Some(&known), &new),
            WaitsAt::BodyOfAStranger => (None, &strangers),
        };
        let asked = self.issuer.count("/jwks");
        // The issuer may be asked again after the cooldown.
        sleep(Duration::from_millis(1_300));
        self.issuer.answer("/jwks", Answer::keys(&[("a", "p256"), (&kid, "p256-other")]).held());
        let record = format!("/v1/buckets/default/collections/c/records/{kid}");
        let headers: Headers =
            outer.map(|token| authorization(token)).into_iter().chain([json_type()]).collect();
        let body = batch(size, &record, own);
        let request = if chunked {
            http::chunked(b"/v1/batch", &headers, &body)
        } else {
            http::bytes("POST", b"/v1/batch", &headers, &body)
        };
        let answer = std::thread::scope(|scope| {
            let client = scope.spawn(|| http::exchange(self.envoy.port("kinto"), &request));
            // A body that does not fit is refused before it waits.
            let start = Instant::now();
            while self.issuer.count("/jwks") == asked && start.elapsed() < Duration::from_secs(3) {
                sleep(Duration::from_millis(20));
            }
            sleep(Duration::from_millis(300));
            self.issuer.release();
            client.join().unwrap().expect("an answer")
        });
        let is_json = answer.json().is_object();
        assert!(is_json && (answer.status == 413 || self.issuer.count("/jwks") > asked), "waited");
        assert_eq!(self.user(), "kinto_jwt:alice", "Envoy lives");
        let stored = http::get(self.envoy.port("kinto"), &record, &[authorization(&known)]);
        (answer.status, stored.status == 200)
    }
}

#[derive(Clone, Copy)]
enum WaitsAt {
    Headers,
    Body,
    BodyOfAStranger,
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = self.envoy.log();
            assert!(!log.contains("panicked") && !log.contains("Caught"), "{log}");
        }
    }
}

#[test]
fn a_batch_that_waits_at_its_body_and_outgrows_the_buffer_is_refused() {
    let stack = Stack::start(&json!({}), small);
    for (size, chunked, expected) in [
        (10_000, false, (200, true)),
        (10_000, true, (200, true)),
        (BUFFER - 200, false, (413, false)),
        (BUFFER - 200, true, (413, false)),
        (BUFFER + 2_000, false, (413, false)),
    ] {
        assert_eq!(stack.send(WaitsAt::Body, size, chunked), expected, "{size}, chunked {chunked}");
    }
}

#[test]
fn a_batch_that_waits_at_its_headers_does_not_grow() {
    let stack = Stack::start(&json!({}), |config| {
        small(config);
        wasm(&mut config["static_resources"]["listeners"][0])["allow_on_headers_stop_iteration"] =
            json!(true);
    });
    for (size, chunked, expected) in [
        (10_000, false, (200, true)),
        (10_000, true, (200, true)),
        (BUFFER - 200, false, (200, true)),
        (BUFFER - 200, true, (200, true)),
        (BUFFER + 2_000, false, (413, false)),
    ] {
        assert_eq!(stack.send(WaitsAt::Headers, size, chunked), expected, "{size}, chunked {chunked}");
    }
}

/// Where it would have to, the client is asked to try again: then the keys are known.
#[test]
fn a_batch_that_waits_at_its_headers_and_would_grow_may_come_again() {
    let stack = Stack::start(&json!({"forwardToken": true}), |config| {
        wasm(&mut config["static_resources"]["listeners"][0])["allow_on_headers_stop_iteration"] =
            json!(true);
    });
    for chunked in [false, true] {
        assert_eq!(stack.send(WaitsAt::Headers, 10_000, chunked), (503, false), "chunked {chunked}");
    }
    assert_eq!(stack.send(WaitsAt::Body, 10_001, false), (200, true));
}

/// Nobody needs a valid token for that.
#[test]
fn a_strangers_batch_that_waits_takes_nobody_down() {
    let as_it_is = |_: &mut Value| ();
    let mebibyte = |config: &mut Value| {
        small(config);
        config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] = json!(1_048_576);
    };
    let status = |stack: &Stack, size: usize| stack.send(WaitsAt::BodyOfAStranger, size, false).0;
    assert_eq!(status(&Stack::start(&json!({}), mebibyte), 1_047_000), 413);
    assert_eq!(status(&Stack::start(&json!({"forwardToken": true}), as_it_is), 1_048_000), 413);
    assert_eq!(status(&Stack::start(&json!({}), as_it_is), 1_048_000), 200);
}

/// Whether a batch is from one user is known only when its keys have come.
#[test]
fn a_batch_of_one_user_that_waits_is_not_refused_before_its_keys_come() {
    let stack = Stack::start(&json!({"batch": {"ownTokens": "refuse"}}), |_: &mut Value| ());
    for chunked in [false, true] {
        assert_eq!(stack.send(WaitsAt::Body, 10_000, chunked), (200, true), "chunked {chunked}");
    }
}
