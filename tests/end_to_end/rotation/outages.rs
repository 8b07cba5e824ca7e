//! An issuer that is slow, not there, or answers with something else, and clients that do not wait for it.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::json;

use kit::http::{self, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, wait_for};
use kit::tokens::jwk;

use super::support::{
    A, ALICE, B, COOLDOWN, PUBLIC, assert_no_crash, assert_unavailable, batch_body, config, get, kinto,
    named, remote, signed, user, usual_config, wait_for_key, wait_for_log, wait_for_metric,
};

#[test]
fn without_an_issuer_clients_are_told_to_come_back_and_old_keys_go_on() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]).header("Cache-Control", "max-age=1"));
    issuer.down();
    let settings = remote("/jwks", &json!({"cooldownSeconds": 2, "refreshSeconds": 5}));
    let mut lenient = remote("/jwks?lenient", &json!({"cooldownSeconds": 2}));
    lenient["onKeysUnavailable"] = json!("unauthorizedUser");
    issuer.answer("/jwks?lenient", Answer::keys(&[A]));
    let plugins = [("kinto", settings), ("lenient", lenient)];
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert_unavailable(&get(&envoy, "kinto", &signed(A)));
        sleep(Duration::from_millis(100));
    }
    assert_eq!(user(&envoy, "lenient", &signed(A)), PUBLIC);
    assert_eq!(http::get(envoy.port("kinto"), "/v1/", &[]).user(), PUBLIC, "no token, no key needed");
    wait_for_log(&envoy, &["could not be fetched", "no answer"]);
    wait_for_metric(&envoy, "jwks_fetches", &[("policy", "default"), ("result", "no_answer")]);

    issuer.up();
    let up = Instant::now();
    wait_for_key(&envoy, "kinto", A);
    assert!(up.elapsed() < Duration::from_secs(20), "{:?}", up.elapsed());
    wait_for_key(&envoy, "lenient", A);

    issuer.wait_for("/jwks", issuer.count("/jwks") + 1);
    issuer.down();
    let down = Instant::now();
    while down.elapsed() < Duration::from_secs(4) {
        assert_eq!(user(&envoy, "kinto", &signed(A)), ALICE);
        assert_eq!(user(&envoy, "kinto", &signed(B)), PUBLIC);
        sleep(Duration::from_millis(100));
    }
    issuer.answer("/jwks", Answer::keys(&[A, B]));
    issuer.up();
    wait_for_key(&envoy, "kinto", B);
    assert_eq!(user(&envoy, "kinto", &signed(A)), ALICE);
    assert_no_crash(&envoy);
}

#[test]
fn a_slow_issuer_delays_a_request_for_its_time_at_most() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let timeout = Duration::from_secs(2);
    // For the request, Kinto and a busy machine.
    let at_most = timeout + Duration::from_secs(5);
    issuer.answer("/jwks", Answer::keys(&[A]).held());
    let envoy = Envoy::start(&usual_config(&kinto, &issuer, &json!({"timeoutSeconds": 2})));
    let timed = |token: &str| {
        let before = Instant::now();
        let answer = get(&envoy, "kinto", token);
        assert!(before.elapsed() < at_most, "{:?}", before.elapsed());
        answer
    };
    issuer.wait_for("/jwks", 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_unavailable(&timed(&signed(A))));
        }
        scope.spawn(|| {
            let json = header("Content-Type", "application/json");
            let post = |headers: &[_]| {
                let before = Instant::now();
                let answer =
                    http::post(envoy.port("kinto"), "/v1/batch", headers, &batch_body(&[&signed(A)]));
                assert!(before.elapsed() < at_most, "{:?}", before.elapsed());
                answer
            };
            assert_unavailable(&post(&[json.clone(), authorization(&signed(A))]));
            let answer = post(&[json]);
            assert_eq!(answer.status, 200, "{}", answer.head);
            let inner = &answer.json()["responses"][0];
            assert_eq!((&inner["status"], &inner["body"]["errno"]), (&json!(503), &json!(201)), "{inner}");
        });
    });
    issuer.answer("/jwks", Answer::keys(&[A]));
    wait_for_key(&envoy, "kinto", A);

    // Slower than allowed: the old keys answer at once, a token of an unknown key is decided without.
    issuer.answer("/jwks", Answer::keys(&[A, B]).held());
    sleep(COOLDOWN);
    let count = issuer.count("/jwks");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(timed(&signed(B)).user(), PUBLIC));
        }
        issuer.wait_for("/jwks", count + 1);
        let before = Instant::now();
        assert_eq!(user(&envoy, "kinto", &signed(A)), ALICE);
        assert!(before.elapsed() < timeout, "{:?}", before.elapsed());
    });

    wait_for_metric(&envoy, "jwks_fetches", &[("policy", "default"), ("result", "no_answer")]);

    // Slow, but in time.
    issuer.answer("/jwks", Answer::keys(&[A, B]).after(timeout / 4));
    wait_for_key(&envoy, "kinto", B);
    issuer.answer("/jwks", Answer::keys(&[A]).after(timeout / 4));
    sleep(COOLDOWN);
    assert_eq!(timed(&signed(("unknown", "p256"))).user(), PUBLIC);
    assert_eq!(timed(&signed(B)).user(), PUBLIC);
    assert_eq!(timed(&signed(A)).user(), ALICE);
}

#[test]
fn an_answer_that_is_no_key_set_leaves_the_old_keys_at_work() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let ok = |body: &str| Answer::new(200, body);
    let two = json!({"keys": [jwk(A.0, A.1), jwk(B.0, B.1)]}).to_string();
    let large = two.replacen('{', &format!("{{\"padding\": \"{}\",", "x".repeat(5 << 20)), 1);
    let secret = json!({"keys": [{"kty": "oct", "kid": "b", "alg": "HS256", "k": "c2VjcmV0"}]}).to_string();
    let redirect = Answer::new(302, two.as_str()).header("Location", "/elsewhere");
    issuer.answer("/elsewhere", ok(&two));
    let answers = [
        ("garbage", Answer::new(200, b"\0\xff{\"keys\"".as_slice()), "not a JSON object", "not_json"),
        (
            "html",
            ok("<!DOCTYPE html><title>Welcome</title>").header("Content-Type", "text/html"),
            "not a JSON object",
            "not_json",
        ),
        ("half", ok(&two[..two.len() / 2]), "not a JSON object", "not_json"),
        ("nothing", ok(""), "not a JSON object", "not_json"),
        ("list", ok("[]"), "not a JSON object", "not_json"),
        ("twice", ok(&two.replacen('{', "{\"keys\": [],", 1)), "not a JSON object", "not_json"),
        ("large", ok(&large), "larger than maxBytes", "too_large"),
        ("redirect", redirect, "redirect", "redirect"),
        ("empty", ok("{\"keys\": []}"), "no key", "no_usable_key"),
        ("secret", ok(&secret), "no key", "no_usable_key"),
        ("error", Answer::new(500, two.as_str()), "status 500", "status"),
        ("cut", ok(&two).cut(), "no answer", "no_answer"),
        ("missing", Answer::new(404, two.as_str()), "status 404", "status"),
        ("partial", Answer::new(206, two.as_str()), "status 206", "status"),
    ];
    let path = |name: &str| format!("/{name}");
    let plugins = answers.each_ref().map(|(name, ..)| {
        issuer.answer(&path(name), Answer::keys(&[A]));
        (*name, named(name, remote(&path(name), &json!({}))))
    });
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    for (name, answer, ..) in &answers {
        wait_for_key(&envoy, name, A);
        issuer.answer(&path(name), answer.clone());
    }
    sleep(COOLDOWN);
    for (name, _, words, code) in &answers {
        let count = issuer.count(&path(name));
        assert_eq!(user(&envoy, name, &signed(B)), PUBLIC, "{name}");
        assert!(issuer.count(&path(name)) > count, "{name}: not asked");
        assert_eq!(user(&envoy, name, &signed(A)), ALICE, "{name}");
        wait_for_log(&envoy, &[&format!(" {name}: "), "could not be fetched", words]);
        wait_for_metric(&envoy, "jwks_fetches", &[("policy", name), ("result", code)]);
        wait_for_metric(&envoy, "jwks_keys", &[("policy", name)]);
    }
    assert_eq!(issuer.count("/elsewhere"), 0, "a redirect was followed");
    for (name, ..) in &answers {
        issuer.answer(&path(name), ok(&two));
    }
    for (name, ..) in &answers {
        wait_for_key(&envoy, name, B);
    }
    assert_no_crash(&envoy);
}

#[test]
fn a_cluster_that_is_missing_is_named_in_the_log() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let plugins = [("kinto", remote("/jwks", &json!({"cluster": "nowhere"})))];
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    assert_unavailable(&get(&envoy, "kinto", &signed(A)));
    wait_for_log(&envoy, &["could not be fetched", "Envoy has no cluster of the name in remoteJwks.cluster"]);
    wait_for_metric(&envoy, "jwks_fetches", &[("policy", "default"), ("result", "no_cluster")]);
    wait_for_metric(&envoy, "decisions", &[("outcome", "rejected"), ("reason", "keys_unavailable")]);
    assert_eq!(http::get(envoy.port("kinto"), "/v1/", &[]).user(), PUBLIC);
}

#[test]
fn clients_that_hang_up_while_they_wait_do_no_harm() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let envoy = Envoy::start(&usual_config(&kinto, &issuer, &json!({})));
    wait_for_key(&envoy, "kinto", A);
    for round in 0..2 {
        issuer.answer("/jwks", Answer::keys(&[A, B]).held());
        sleep(COOLDOWN);
        let count = issuer.count("/jwks");
        let token = signed((["first", "second"][round], "p256"));
        let json = header("Content-Type", "application/json");
        let requests = [
            http::bytes("GET", b"/v1/", &[authorization(&token)], b""),
            http::bytes("POST", b"/v1/batch", std::slice::from_ref(&json), &batch_body(&[&token])),
            http::bytes("POST", b"/v1/batch", &[json, authorization(&token)], &batch_body(&[&token])),
        ];
        let waiting: Vec<_> = (0..21)
            .map(|number| {
                let mut stream = TcpStream::connect(("127.0.0.1", envoy.port("kinto"))).unwrap();
                stream.write_all(&requests[number % 3]).unwrap();
                stream
            })
            .collect();
        issuer.wait_for("/jwks", count + 1);
        let patient = spawn({
            let (port, token) = (envoy.port("kinto"), signed(B));
            move || http::get(port, "/v1/", &[authorization(&token)]).user()
        });
        sleep(Duration::from_millis(200));
        for stream in &waiting {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        drop(waiting);
        assert_eq!(user(&envoy, "kinto", &signed(A)), ALICE);
        wait_for("the end of their requests", || {
            // What is left: the patient client's, and this question's own connection is another listener's.
            (envoy.stat("http.kinto.downstream_rq_active") <= 1).then_some(())
        });
        issuer.release();
        assert_eq!(patient.join().unwrap(), ALICE);
        assert_eq!(user(&envoy, "kinto", &signed(A)), ALICE);
        assert_eq!(user(&envoy, "kinto", &signed(B)), ALICE);
    }
    assert_no_crash(&envoy);
}
