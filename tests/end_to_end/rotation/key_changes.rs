//! An issuer that changes its keys: which tokens are good before and after, and how often it is asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use kit::http::{self, authorization, header};
use kit::issuer::{Answer, Issuer, TLS_NAME};
use kit::servers::{Envoy, wait_for};
use kit::tokens::jwk;

use super::support::{
    A, ALICE, B, COOLDOWN, Client, PUBLIC, Stop, TWO_WORKERS, batch, batch_body, config, drip, kinto, remote,
    signed, user, usual_config, wait_for_key,
};

#[test]
fn rotation_with_overlap_refuses_no_good_token_under_load() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let publish = |keys: &[(&str, &str)]| {
        issuer.answer("/jwks", Answer::keys(keys).header("Cache-Control", "max-age=1"))
    };
    publish(&[A]);
    let envoy = Envoy::start_with(&usual_config(&kinto, &issuer, &json!({})), &TWO_WORKERS);
    wait_for_key(&envoy, "kinto", A);
    let (signer, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    // How many tokens of each key each client has had accepted.
    let accepted: [[AtomicUsize; 2]; 3] = Default::default();
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for accepted in &accepted {
            let (signer, done) = (&signer, &done);
            let mut client = Client::new(envoy.port("kinto"));
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let key = signer.load(Ordering::SeqCst);
                    let token = signed([A, B][key]);
                    // The second time it is a remembered one.
                    for _ in 0..2 {
                        assert_eq!(client.user(Some(&token)), ALICE);
                        accepted[key].fetch_add(1, Ordering::SeqCst);
                        sleep(Duration::from_millis(10));
                    }
                }
            });
        }
        // Not to wait for ever when a client has failed.
        let wait_for_clients = |key: usize, count: usize| {
            let start = Instant::now();
            let all = || accepted.iter().all(|accepted| accepted[key].load(Ordering::SeqCst) >= count);
            while !all() && start.elapsed() < Duration::from_secs(30) {
                sleep(Duration::from_millis(20));
            }
        };
        wait_for_clients(0, 20);
        publish(&[A, B]);
        issuer.wait_for("/jwks", issuer.count("/jwks") + 1);
        signer.store(1, Ordering::SeqCst);
        wait_for_clients(1, 20);
        publish(&[B]);
        issuer.wait_for("/jwks", issuer.count("/jwks") + 2);
    });
    let [a, b] =
        [0, 1].map(|key| accepted.iter().map(|count| count[key].load(Ordering::SeqCst)).sum::<usize>());
    println!("{a} tokens of a and {b} of b accepted, none refused, {} fetches", issuer.count("/jwks"));
    assert!(b >= 60, "{b}");
    wait_for("the end of the old key", || (user(&envoy, "kinto", &signed(A)) == PUBLIC).then_some(()));
}

#[test]
fn rotation_without_overlap_is_noticed_by_the_first_token() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let envoy = Envoy::start(&usual_config(&kinto, &issuer, &json!({})));
    wait_for_key(&envoy, "kinto", A);
    let remembered = signed(A);
    for _ in 0..3 {
        assert_eq!(user(&envoy, "kinto", &remembered), ALICE);
    }
    assert_eq!(issuer.count("/jwks"), 1);

    issuer.answer("/jwks", Answer::keys(&[B]).after(Duration::from_millis(300)));
    sleep(COOLDOWN);
    assert_eq!(user(&envoy, "kinto", &remembered), ALICE, "nobody knows yet");
    let forged = signed(("b", "p256"));
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(|| assert_eq!(user(&envoy, "kinto", &signed(B)), ALICE));
            scope.spawn(|| assert_eq!(batch(envoy.port("kinto"), &[&signed(B), &forged]), [ALICE, PUBLIC]));
            let envoy = &envoy;
            scope.spawn(move || {
                // What comes after the head waits with it.
                let path = format!("/v1/buckets/default/collections/c/records/r{number}");
                let body = json!({"data": {"text": "x".repeat(100_000)}}).to_string();
                let headers = [authorization(&signed(B)), header("Content-Type", "application/json")];
                let request = http::bytes("PUT", path.as_bytes(), &headers, body.as_bytes());
                let answer = http::exchange(envoy.port("kinto"), &request).unwrap();
                assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
                assert_eq!(answer.json()["data"]["text"].as_str().unwrap().len(), 100_000);
            });
        }
        scope.spawn(|| {
            let headers = [header("Content-Type", "application/json"), authorization(&signed(B))];
            let request = http::bytes("POST", b"/v1/batch", &headers, &batch_body(&[&signed(B)]));
            let answer = drip(envoy.port("kinto"), &request, Duration::from_millis(200));
            assert_eq!(http::user(&answer.json()["responses"][0]["body"]), ALICE);
        });
    });
    assert_eq!(issuer.count("/jwks"), 2, "for the tokens that came at once");
    assert_eq!(user(&envoy, "kinto", &remembered), PUBLIC);
    assert_eq!(user(&envoy, "kinto", &signed(A)), PUBLIC);
    assert_eq!(user(&envoy, "kinto", &forged), PUBLIC);
    wait_for_key(&envoy, "kinto", B);
    let seen = &issuer.seen("/jwks")[0];
    assert!(seen.head.starts_with("GET /jwks HTTP/1.1\r\n"), "{}", seen.head);
    assert!(seen.head.to_ascii_lowercase().contains(&format!("\r\nhost: {TLS_NAME}\r\n")), "{}", seen.head);
}

#[test]
fn two_workers_make_one_fetch() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let envoy =
        Envoy::start_with(&usual_config(&kinto, &issuer, &json!({"refreshSeconds": 5})), &TWO_WORKERS);
    let start = Instant::now();
    wait_for_key(&envoy, "kinto", A);
    let mut clients: Vec<_> = (0..24).map(|_| Client::new(envoy.port("kinto"))).collect();
    let mut everyone_is_alice_with = |key: (&str, &str)| {
        for client in &mut clients {
            assert_eq!(client.user(Some(&signed(key))), ALICE);
        }
    };
    everyone_is_alice_with(A);
    for worker in ["worker_0", "worker_1"] {
        assert!(
            envoy.stat(&format!("listener.*{worker}.downstream_cx_total")) > 0,
            "{worker} has no connection"
        );
    }
    if start.elapsed() < Duration::from_secs(4) {
        assert_eq!(issuer.count("/jwks"), 1, "at start");
    }
    // One for each refresh.
    issuer.wait_for("/jwks", 3);
    everyone_is_alice_with(A);
    let times = issuer.seen("/jwks");
    for pair in times.windows(2) {
        assert!(pair[1].at - pair[0].at > Duration::from_secs(3), "{:?}", pair[1].at - pair[0].at);
    }
    // One for a rotation, whichever worker notices it.
    sleep(COOLDOWN);
    issuer.answer("/jwks", Answer::keys(&[B]));
    let (before, rotation) = (issuer.seen("/jwks"), Instant::now());
    everyone_is_alice_with(B);
    assert_eq!(user(&envoy, "kinto", &signed(("a", "p256"))), PUBLIC);
    // On a machine so busy that another refresh is due there may be two.
    if rotation.elapsed().as_secs() < 1 && before.last().unwrap().at.elapsed().as_secs() < 4 {
        assert_eq!(issuer.count("/jwks"), before.len() + 1);
    }
}

#[test]
fn max_age_makes_a_refresh_earlier_and_never_later() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let answer = |cache: &str| Answer::keys(&[A]).header("Cache-Control", cache);
    issuer.answer("/short", answer("public, max-age=5"));
    issuer.answer("/long", answer("max-age=86400"));
    issuer.answer("/zero", answer("no-cache, max-age=0"));
    let plugins = [
        ("short", remote("/short", &json!({"refreshSeconds": 600}))),
        ("long", remote("/long", &json!({"refreshSeconds": 5}))),
        ("zero", remote("/zero", &json!({"cooldownSeconds": 2}))),
        ("none", remote("/none", &json!({"refreshSeconds": 600}))),
    ];
    issuer.answer("/none", Answer::keys(&[A]));
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    for (name, _) in &plugins {
        wait_for_key(&envoy, name, A);
    }
    for path in ["/short", "/long"] {
        issuer.wait_for(path, 2);
        let seen = issuer.seen(path);
        let pause = seen[1].at - seen[0].at;
        assert!((3..15).contains(&pause.as_secs()), "{path}: {pause:?}");
    }
    let zero = issuer.seen("/zero");
    assert!(zero.len() >= 2);
    for pair in zero.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause > Duration::from_secs(1), "{pause:?} between two fetches, with a cooldown of 2 s");
    }
    assert_eq!(issuer.count("/none"), 1);
}

#[test]
fn a_set_without_kids_is_fetched_again_when_its_key_does_not_fit() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let publish = |name: &str| {
        let mut key = jwk("", name);
        key.as_object_mut().unwrap().remove("kid");
        issuer.answer("/jwks", Answer::new(200, json!({"keys": [key]}).to_string()));
    };
    publish(A.1);
    let envoy = Envoy::start(&usual_config(&kinto, &issuer, &json!({})));
    wait_for_key(&envoy, "kinto", A);
    assert_eq!(issuer.count("/jwks"), 1);
    publish(B.1);
    sleep(COOLDOWN);
    // The tokens name keys, and the set does not.
    assert_eq!(user(&envoy, "kinto", &signed(B)), ALICE);
    assert_eq!(issuer.count("/jwks"), 2);
    for _ in 0..10 {
        assert_eq!(user(&envoy, "kinto", &signed(A)), PUBLIC);
        assert_eq!(user(&envoy, "kinto", &signed(B)), ALICE);
    }
    assert!(issuer.count("/jwks") <= 3, "not for each token of the old key: {}", issuer.count("/jwks"));
}
