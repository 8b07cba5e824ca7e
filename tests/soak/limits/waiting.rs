//! Strangers whose tokens have unknown keys, while the issuer never answers: all of them wait.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::forgeries::json_type;
use kit::http::{self, authorization};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, config_of, wait_for};
use kit::tokens::{b64, jws, now};
use serde_json::json;

use super::{P99, Usage, answering, ask, assert_no_crash, good_requests, user};
use crate::client::{Client, connect};
use crate::stack::Stop;

const STRANGERS: usize = 256;

/// Strangers who send a batch of this many bytes, below `batch.maxBytes`: Envoy holds all of it.
const BATCHES: usize = 64;
const BATCH: usize = 1_000_000;

/// Kibibytes of Envoy's memory for a stranger who waits, and for one with a batch.
const EACH: u64 = 128;
const EACH_BATCH: u64 = 3 * 1024;

/// How long the good requests are measured.
const WHILE: Duration = Duration::from_secs(8);

fn junk(number: usize) -> String {
    let header = json!({"alg": "ES256", "kid": format!("unknown{number}")}).to_string();
    format!("{}.{}.{}", b64(header), b64(r#"{"sub":"alice"}"#), b64([7; 64]))
}

fn send(envoy: &Envoy, request: &[u8]) -> TcpStream {
    let mut stream = connect(envoy.port("kinto")).expect("Envoy listens");
    stream.write_all(request).unwrap();
    stream
}

fn wait_for_requests(envoy: &Envoy, count: usize) {
    wait_for("all strangers", || {
        (envoy.stat("http.kinto.downstream_rq_active") >= u64::try_from(count).unwrap()).then_some(())
    });
}

#[test]
fn strangers_who_wait_hold_nobody_up() {
    let issuer = Issuer::start();
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]));
    let settings = json!({
        "algorithm": "ES256",
        "onInvalid": "reject",
        "remoteJwks": {"uri": "http://issuer/jwks", "cluster": "issuer", "timeoutSeconds": 60, "cooldownSeconds": 1},
    });
    let envoy = answering(&settings, Some(&issuer));
    let made = AtomicUsize::new(0);
    let good = || {
        let jti = made.fetch_add(1, Ordering::Relaxed).to_string();
        let claims = json!({"sub": "alice", "exp": now() + 600, "jti": jti}).to_string();
        jws("ES256", "p256", r#"{"alg":"ES256","kid":"a"}"#, claims)
    };
    for _ in 0..16 {
        let mut client = Client::new(envoy.port("kinto"));
        wait_for("keys", || (user(&ask(&mut client, &good())) == "alice").then_some(()));
    }
    sleep(Duration::from_millis(1_300));
    let asked = issuer.count("/jwks");
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]).held());
    let measure = |what: &str, count: usize, each: u64, usage: &Usage<'_>| {
        let (stop, start) = (AtomicBool::new(false), Instant::now());
        let figures = std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            let clients: Vec<_> =
                (0..2).map(|_| scope.spawn(|| good_requests(&envoy, good, &stop))).collect();
            sleep(WHILE.saturating_sub(start.elapsed()));
            stop.store(true, Ordering::SeqCst);
            let mut figures = crate::figures::Figures::default();
            for client in clients {
                figures.add(client.join().expect("alice is alice"));
            }
            figures
        });
        let (grown, bound) = (usage.grown(), each * u64::try_from(count).unwrap());
        println!(
            "  {count} {what} wait: memory of Envoy grew by {grown} KiB (bound {bound}); good requests: {}",
            figures.latency()
        );
        assert!(grown < bound, "{count} {what}: memory grew by {grown} KiB");
        assert!(figures.percentile(99) < P99, "{}", figures.latency());
    };

    let usage = Usage::of(&envoy);
    let strangers: Vec<TcpStream> = (0..STRANGERS)
        .map(|number| send(&envoy, &http::bytes("GET", b"/v1/", &[authorization(&junk(number))], b"")))
        .collect();
    issuer.wait_for("/jwks", asked + 1);
    wait_for_requests(&envoy, STRANGERS);
    measure("requests", STRANGERS, EACH, &usage);
    wait_for_requests(&envoy, STRANGERS);

    let usage = Usage::of(&envoy);
    let batches: Vec<TcpStream> = (0..BATCHES)
        .map(|number| {
            let own = json!({"Authorization": format!("JWT {}", junk(number))});
            let batch = json!({"requests": [{"path": "/v1/", "headers": own}]}).to_string();
            let batch = format!("{batch}{}", " ".repeat(BATCH - batch.len()));
            send(&envoy, &http::bytes("POST", b"/v1/batch", &[json_type()], batch.as_bytes()))
        })
        .collect();
    wait_for_requests(&envoy, STRANGERS + BATCHES);
    measure("batches of a megabyte", BATCHES, EACH_BATCH, &usage);
    wait_for_requests(&envoy, STRANGERS + BATCHES);
    assert_eq!(issuer.count("/jwks"), asked + 1, "the issuer was asked once");

    issuer.release();
    for stream in strangers {
        assert_eq!(http::exchange_on(stream, b"").expect("an answer").status, 401);
    }
    drop(batches);
    wait_for("the end of all", || (envoy.stat("http.kinto.downstream_rq_active") == 0).then_some(()));
    assert_eq!(user(&ask(&mut Client::new(envoy.port("kinto")), &good())), "alice");
    assert_no_crash(&envoy);
}

/// Strangers who take all connections to Kinto that there are (`max_connections` of `envoy/envoy.yaml`): with requests
/// whose bodies never end, and with batches that wait for a key. Envoy opens none before it has the whole body.
#[test]
fn no_stranger_takes_a_connection_to_kinto_and_keeps_it() {
    const STRANGERS: usize = 120;
    let (kinto, issuer) = (Kinto::behind_envoy(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]));
    let remote =
        json!({"uri": "http://issuer/jwks", "cluster": "issuer", "timeoutSeconds": 30, "cooldownSeconds": 1});
    let settings = json!({"algorithm": "ES256", "remoteJwks": remote});
    let mut config = config_of(kinto.port("kinto"), &[("kinto", as_struct(&settings))]);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
    let envoy = Envoy::start_with(&config, &["--concurrency", "2"]);
    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let good = jws("ES256", "p256", r#"{"alg":"ES256","kid":"a"}"#, claims);
    let get = http::bytes("GET", b"/v1/", &[authorization(&good)], b"");
    let ask = || http::exchange(envoy.port("kinto"), &get).map(|answer| answer.user());
    for _ in 0..16 {
        wait_for("keys", || (ask()? == "kinto_jwt:alice").then_some(()));
    }
    sleep(Duration::from_millis(1_300));
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]).held());
    let waiting = |number: usize| {
        let own = json!({"Authorization": format!("JWT {}", junk(number))});
        let batch = json!({"requests": [{"path": "/v1/", "headers": own}]}).to_string();
        http::bytes("POST", b"/v1/batch", &[json_type()], batch.as_bytes())
    };
    let endless = |method: &str, path: &str| {
        let mut request = http::bytes(method, path.as_bytes(), &[json_type()], b"{\"data\": {}}");
        request.truncate(request.len() - 3);
        request
    };
    for (what, requests) in [
        ("batches that wait", (0..STRANGERS).map(waiting).collect::<Vec<_>>()),
        ("batches without an end", vec![endless("POST", "/v1/batch"); STRANGERS]),
        (
            "records without an end",
            vec![endless("PUT", "/v1/buckets/default/collections/c/records/r"); STRANGERS],
        ),
    ] {
        let strangers: Vec<TcpStream> = requests.iter().map(|request| send(&envoy, request)).collect();
        wait_for_requests(&envoy, STRANGERS);
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let start = Instant::now();
            assert_eq!(ask().as_deref(), Some("kinto_jwt:alice"), "{what}");
            slowest = slowest.max(start.elapsed());
        }
        println!("  {STRANGERS} {what}: the slowest of 20 good requests took {slowest:.1?}");
        assert!(slowest < Duration::from_secs(2), "{what}: {slowest:?}");
        drop(strangers);
        wait_for("their end", || (envoy.stat("http.kinto.downstream_rq_active") == 0).then_some(()));
    }
}
