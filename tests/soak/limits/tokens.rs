//! Very many different tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kit::servers::wait_for;
use kit::tokens::{now, public_key, token};
use serde_json::json;

use super::{P99, Usage, answering, ask, assert_no_crash, good_requests, user};
use crate::client::Client;
use crate::figures::Figures;
use crate::stack::Stop;

const COUNT: usize = 100_000;
const CLIENTS: usize = 4;

/// Kibibytes by which the memory may grow: twice the default of `tokenCache.maxBytes` for each of two workers, because
/// the memory of a VM has gaps, and some for Envoy itself.
const GROWTH: u64 = 2 * 2 * 8 * 1024 + 16 * 1024;

#[test]
fn a_hundred_thousand_good_and_as_many_bad_tokens() {
    let settings = json!({"public_key": public_key("p256"), "algorithm": "ES256", "onInvalid": "reject"});
    let envoy = answering(&settings, None);
    let exp = now() + 7200;
    let good = |number: usize| token("ES256", "p256", &json!({"sub": format!("user{number}"), "exp": exp}));
    let alice = token("ES256", "p256", &json!({"sub": "alice", "exp": exp}));
    // A signature of the right key, for another token.
    let signature = alice.rsplit('.').next().unwrap();
    let bad = |number: usize| {
        let claims = json!({"sub": "alice", "exp": exp, "jti": number.to_string()}).to_string();
        format!("{}.{}.{signature}", kit::tokens::b64(r#"{"alg":"ES256"}"#), kit::tokens::b64(claims))
    };
    // The first requests make the workers' memory what it is.
    let mut client = Client::new(envoy.port("kinto"));
    for number in 0..200 {
        assert_eq!(user(&ask(&mut client, &bad(number))), "HTTP 401");
    }
    let usage = Usage::of(&envoy);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let run = |next: &AtomicUsize| {
        let mut client = Client::new(envoy.port("kinto"));
        let mut figures = Figures::default();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= COUNT {
                return figures;
            }
            assert_eq!(user(&ask(&mut client, &good(number))), format!("user{number}"));
            assert_eq!(user(&ask(&mut client, &bad(number))), "HTTP 401");
            figures.count("good", "user");
            figures.count("bad", "401");
        }
    };
    let figures = std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let beside = scope.spawn(|| good_requests(&envoy, || alice.clone(), &stop));
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| run(&next))).collect();
        let mut figures = Figures::default();
        for client in clients {
            figures.add(client.join().expect("each user is the token's"));
        }
        stop.store(true, Ordering::SeqCst);
        figures.add(beside.join().expect("alice is alice"));
        figures
    });
    let grown = usage.grown();
    println!("  memory of Envoy grew by {grown} KiB (bound {GROWTH}), CPU of Envoy {:.1?}", usage.cpu());
    figures.print();
    assert_eq!((figures.with("good", "user"), figures.with("bad", "401")), (COUNT, COUNT));
    assert!(grown < GROWTH, "memory grew by {grown} KiB");
    assert!(figures.percentile(99) < P99, "{}", figures.latency());
    // Each worker keeps 10,000 tokens.
    let kept = 2 * 10_000;
    wait_for("forgotten tokens", || {
        let forgotten = usize::try_from(envoy.stat("wasmcustom.kinto_jwt.cache_evictions")).unwrap();
        (forgotten + kept >= COUNT).then_some(())
    });
    assert_no_crash(&envoy);
}
