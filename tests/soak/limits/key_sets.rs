//! Very many keys: how many a set may have, and what reading it costs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, as_struct, config_of, wait_for};
use kit::tokens::{jwk, jws, now};
use serde_json::{Value, json};

use super::{P99, Usage, answering, ask, assert_no_crash, good_requests, user};
use crate::client::Client;
use crate::figures::Figures;
use crate::stack::Stop;

/// The largest number of keys in a set (`src/keys/jwks.rs`).
const MOST: usize = 100;
const TOO_MANY: usize = 10_000;

/// CPU of Envoy for one set, whatever is in it: all workers, and the good requests beside it.
const CPU: Duration = Duration::from_secs(3);

/// The longest that a good request waits for a worker that reads a set.
const HELD_UP: Duration = Duration::from_secs(1);

/// A set with the key `a`, and so many others of the same kind.
fn set(count: usize, name: &str) -> String {
    let mut key = jwk("a", name);
    let mut keys = vec![key.clone()];
    for number in 1..count {
        key["kid"] = json!(format!("other{number}"));
        keys.push(key.clone());
    }
    json!({"keys": keys}).to_string()
}

fn signed(alg: &str, kid: &str, name: &str) -> String {
    let claims = json!({"sub": "alice", "exp": now() + 3600}).to_string();
    jws(alg, name, json!({"alg": alg, "kid": kid}).to_string(), claims)
}

/// What became of a set that the issuer published while alice sent good requests.
struct Read {
    set: String,
    cpu: Duration,
    good: Figures,
}

/// Has the filter fetch this set in the place of one with the key `a` alone, until the metric counts this result.
fn read(what: &str, set: String, (alg, name): (&str, &str), more: &Value, result: &str) -> Read {
    let issuer = Issuer::start();
    issuer.answer("/jwks", Answer::keys(&[("a", name)]));
    let mut remote = json!({"uri": "http://issuer/jwks", "cluster": "issuer", "cooldownSeconds": 1});
    remote.as_object_mut().unwrap().extend(more["remote"].as_object().unwrap().clone());
    let settings = json!({"algorithm": more["algorithm"], "remoteJwks": remote});
    let envoy = answering(&settings, Some(&issuer));
    let alice = signed(alg, "a", name);
    for _ in 0..16 {
        wait_for("keys", || {
            (user(&ask(&mut Client::new(envoy.port("kinto")), &alice)) == "alice").then_some(())
        });
    }
    sleep(Duration::from_millis(1_300));
    issuer.answer("/jwks", Answer::new(200, set.as_str()));
    let counter = format!("wasmcustom.kinto_jwt.jwks_fetches.policy.default.result.{result}");
    let (before, usage, stop) = (envoy.stat(&counter), Usage::of(&envoy), AtomicBool::new(false));
    let good = std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        // A new token each time: the filter verifies each with the keys that it has.
        let good = scope.spawn(|| good_requests(&envoy, || signed(alg, "a", name), &stop));
        sleep(Duration::from_millis(500));
        ask(&mut Client::new(envoy.port("kinto")), &signed(alg, "unknown", name));
        wait_for(result, || (envoy.stat(&counter) > before).then_some(()));
        // The other worker takes the set within a second.
        sleep(Duration::from_millis(1_500));
        stop.store(true, Ordering::SeqCst);
        good.join().expect("alice is alice")
    });
    let cpu = usage.cpu();
    println!(
        "  {what}: {} bytes, {result}; CPU of Envoy in the 2 s around it {cpu:.1?}; good requests: {}",
        set.len(),
        good.latency()
    );
    assert_no_crash(&envoy);
    if result == "ok" {
        for _ in 0..16 {
            let last = signed(alg, &format!("other{}", MOST - 1), name);
            assert_eq!(
                user(&ask(&mut Client::new(envoy.port("kinto")), &last)),
                "alice",
                "the last key of the set"
            );
        }
    }
    Read { set, cpu, good }
}

fn assert_within_bounds(read: &Read) {
    assert!(read.cpu < CPU, "{:?} of CPU", read.cpu);
    assert!(read.good.percentile(99) < P99.max(HELD_UP), "{}", read.good.latency());
    assert!(read.good.percentile(100) < HELD_UP, "{}", read.good.latency());
}

#[test]
fn ten_thousand_keys_are_refused_and_a_hundred_are_read() {
    let es256 = |remote: Value| json!({"algorithm": "ES256", "remote": remote});
    let large = json!({"maxBytes": 16 << 20});
    let key = ("ES256", "p256");
    let many =
        read("10,000 keys, maxBytes as it is", set(TOO_MANY, "p256"), key, &es256(json!({})), "too_large");
    assert!(many.set.len() > 131_072);
    assert_within_bounds(&many);
    let many = read(
        "10,000 keys, maxBytes 16 MiB",
        set(TOO_MANY, "p256"),
        key,
        &es256(large.clone()),
        "no_usable_key",
    );
    assert_within_bounds(&many);
    let one_more = read("101 keys", set(MOST + 1, "p256"), key, &es256(json!({})), "no_usable_key");
    assert_within_bounds(&one_more);
    let most = read("100 keys of ES256", set(MOST, "p256"), key, &es256(json!({})), "ok");
    assert_within_bounds(&most);
    // The most expensive set that is taken: large keys, each for six algorithms.
    let all = json!({"algorithm": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "remote": {}});
    let rsa = read(
        "100 keys of RSA-4096 for six algorithms",
        set(MOST, "rsa-4096"),
        ("RS256", "rsa-4096"),
        &all,
        "ok",
    );
    assert_within_bounds(&rsa);
}

#[test]
fn ten_thousand_keys_in_the_configuration_are_refused_at_load() {
    let jwks: Value = serde_json::from_str(&set(TOO_MANY, "p256")).unwrap();
    let settings = json!({"algorithm": "ES256", "jwks": jwks});
    let start = Instant::now();
    let log =
        Envoy::try_start(&config_of(1, &[("kinto", as_struct(&settings))]), &["--concurrency", "2"]).err();
    let took = start.elapsed();
    let log = log.expect("Envoy refuses the configuration");
    let line = log.lines().find(|line| line.contains("configuration refused: ")).expect(&log);
    assert!(line.contains("jwks has more than 100 keys"), "{line}");
    println!("  Envoy has refused 10,000 keys in its configuration {took:.1?} after its start");
    assert!(took < Duration::from_secs(30), "{took:?}");
}
