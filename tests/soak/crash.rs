//! VMs that are killed while requests come: other workers go on, the VM comes back, and nothing passes unchecked.
//!
//! The module is one that `build/module.sh crash-test` makes. It traps where the header `x-crash-test` says.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::forgeries::json_type;
use kit::http::{self, Headers, Response, authorization, header};
use kit::issuer::Issuer;
use kit::servers::{Envoy, Kinto, as_struct, config_of, made, manager, wait_for, wasm};
use serde_json::{Value, json};

use crate::client::{Client, connect};
use crate::figures::Figures;
use crate::keys::{Keys, signed};
use crate::mix::{MIX, Mix, Verdict};
use crate::stack::{Listener, Stop, failures, log_failures, settings};
use kit::random::Random;

/// Where the VM traps: each place so often.
const PLACES: [&str; 3] = ["headers", "body", "answer"];
const ROUNDS: usize = 3;

/// The longest that a VM may be away. Envoy loads it again with the first request that comes after its backoff, which
/// is 1 s, and up to half of it more at random (`ReloadConfig.backoff`). The rest is for a busy machine.
const AWAY: Duration = Duration::from_millis(1500 + 2000);

/// Requests of each kind that are under way when the VM traps, on connections of both workers.
const UNDER_WAY: usize = 6;

/// Connections, of which some are of each worker.
const CONNECTIONS: usize = 16;

/// So long requests that crash the VM come one after the other.
const STORM: Duration = Duration::from_secs(6);

/// Envoy's `stream_idle_timeout`. It ends requests that waited for a key in a VM that has gone: nobody resumes them.
const IDLE: Duration = Duration::from_secs(6);

struct Crashing {
    envoy: Envoy,
    issuer: Issuer,
    keys: Keys,
    _kinto: Kinto,
}

/// A request that has been sent in part, and the rest of it.
struct UnderWay {
    what: &'static str,
    /// A bucket that the request makes, if it is decided.
    bucket: Option<String>,
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Crashing {
    fn start() -> Self {
        let (kinto, issuer, keys) = (Kinto::behind_envoy(), Issuer::start(), Keys::new());
        issuer.answer("/jwks", keys.published(0));
        let settings = settings(&json!({}));
        let mut config = config_of(kinto.port("kinto"), &[("kinto", as_struct(&settings))]);
        config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
        let listener = &mut config["static_resources"]["listeners"][0];
        log_failures(listener);
        manager(listener)["stream_idle_timeout"] = json!(format!("{}s", IDLE.as_secs()));
        let module = made("target/crash-test/wasm32-wasip1/crash-test/kinto_jwt_filter.wasm");
        wasm(listener)["vm_config"]["code"]["local"]["filename"] = json!(module);
        let envoy = Envoy::start_with(&config, &["--concurrency", "2"]);
        http::post(envoy.admin, "/logging?wasm=info", &[], b"");
        let crashing = Self { envoy, issuer, keys, _kinto: kinto };
        wait_for("keys", || crashing.all_are_served().then_some(()));
        crashing
    }

    fn port(&self) -> u16 {
        self.envoy.port("kinto")
    }

    /// A request that a user with a good token makes, who would like to be somebody else.
    fn good(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let more = more.iter().map(|(name, value)| header(name, value));
        let own = [authorization(&self.keys.known(0)), header("userId", "admin")];
        http::bytes("GET", b"/v1/", &own.into_iter().chain(more).collect::<Headers>(), b"")
    }

    /// Whether each of some new connections is served.
    fn all_are_served(&self) -> bool {
        (0..CONNECTIONS).all(|_| is_served(Client::new(self.port()).send(&self.good(&[])).as_ref()))
    }

    /// Sends a request that takes the VM of its worker down, and returns the status of the answer, if there is one.
    fn crash(&self, client: &mut Client, place: &str) -> Option<u16> {
        let trap = ("X-Crash-Test", place);
        let request = if place == "body" {
            let own = [authorization(&self.keys.known(0)), header(trap.0, trap.1), json_type()];
            http::bytes("POST", b"/v1/", &own, b"{}")
        } else {
            self.good(&[trap])
        };
        let answer = client.send(&request)?;
        assert!(!String::from_utf8_lossy(&answer.body).contains("admin"), "{place}");
        Some(answer.status)
    }

    fn traps(&self) -> usize {
        self.envoy.log().matches("Uncaught RuntimeError: unreachable").count()
    }

    fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasm.kinto-jwt-filter.{name}"))
    }

    /// Begins requests of each kind, which are not decided, or not at their end, when the VM traps.
    fn begin(&self, round: usize) -> Vec<UnderWay> {
        let claims = json!({"sub": "user0", "exp": kit::tokens::now() + 600});
        let unknown = authorization(&signed("unknown", "p256", &claims));
        let forged = header("userId", "admin");
        let mut begun = Vec::new();
        for number in 0..UNDER_WAY {
            let bucket = |what: &str| format!("crash-{round}-{number}-{what}");
            let batch = |bucket: &str, headers: Value| {
                let put = json!({"method": "PUT", "path": format!("/buckets/{bucket}"), "headers": headers});
                json!({"requests": [put], "defaults": {"headers": {"userId": "admin"}}}).to_string()
            };
            let mut begin = |what: &'static str, bucket: Option<String>, request: &[u8], cut: usize| {
                let (sent, rest) = request.split_at(request.len() - cut);
                let mut stream = connect(self.port()).expect("Envoy listens");
                stream.write_all(sent).unwrap();
                begun.push(UnderWay { what, bucket, stream, rest: rest.to_vec() });
            };
            let waits = http::bytes("GET", b"/v1/", &[unknown.clone(), forged.clone()], b"");
            begin("a request waits for a key", None, &waits, 0);

            let half = bucket("half");
            let body = batch(&half, json!({"userId": "admin"}));
            let request = http::bytes("POST", b"/v1/batch", &[forged.clone(), json_type()], body.as_bytes());
            begin("a batch without its end", Some(half), &request, 20);

            let waiting = bucket("waiting");
            let token = String::from_utf8(unknown.1.clone()).unwrap();
            let body = batch(&waiting, json!({"Authorization": token}));
            let request = http::bytes("POST", b"/v1/batch", &[forged.clone(), json_type()], body.as_bytes());
            begin("a batch waits for a key", Some(waiting), &request, 0);

            let body = r#"{"data": {"a": "b"}}"#;
            let own = [authorization(&self.keys.known(0)), forged.clone(), json_type()];
            let path = b"/v1/buckets/default/collections/c/records/r";
            let request = http::bytes("PUT", path, &own, body.as_bytes());
            begin("a record without its end", None, &request, 5);
        }
        begun
    }

    /// Whether nobody has made this bucket.
    fn is_absent(&self, bucket: &str) -> bool {
        let headers = [authorization(&self.keys.known(0)), header("If-None-Match", "*")];
        let put = http::bytes("PUT", format!("/v1/buckets/{bucket}").as_bytes(), &headers, b"");
        wait_for("an answer about a bucket", || {
            let status = http::exchange(self.port(), &put)?.status;
            (status < 500).then_some(status)
        }) == 201
    }

    /// One crash with requests under way. Returns how long it was until all connections were served again.
    fn round(&self, round: usize, place: &str, figures: &mut Figures) -> Duration {
        let asked = self.issuer.count("/jwks");
        self.issuer.answer("/jwks", self.keys.published(0).held());
        self.issuer.wait_for("/jwks", asked + 1);
        let begun = self.begin(round);
        sleep(Duration::from_millis(200));
        let status = self.crash(&mut Client::new(self.port()), place);
        let crashed = Instant::now();
        assert!(matches!(status, None | Some(503)), "the request that crashes the VM: {status:?}");
        figures.count("crashes the VM", status.map_or("no answer".to_owned(), |status| status.to_string()));
        wait_for("all workers", || self.all_are_served().then_some(()));
        let away = crashed.elapsed();
        self.issuer.answer("/jwks", self.keys.published(0));
        self.issuer.release();
        for UnderWay { stream, rest, .. } in &begun {
            // Envoy may have closed it.
            let _ = (&*stream).write_all(rest);
        }
        for UnderWay { what, bucket, stream, .. } in begun {
            let answer = http::exchange_on(stream, b"");
            let outcome = match &answer {
                None => "no answer".to_owned(),
                Some(answer) => {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(!text.contains("admin"), "{what}: {text}");
                    answer.status.to_string()
                }
            };
            let failed = answer.is_none_or(|answer| answer.status >= 500);
            if let Some(bucket) = bucket.filter(|_| failed) {
                assert!(self.is_absent(&bucket), "{what}: it failed, and Kinto has done it");
            }
            figures.count(what, outcome);
        }
        away
    }

    /// Crashes the VM of one worker twice, so that Envoy waits for its backoff. Returns for how long that worker was
    /// away; `None` if this machine was too busy to see it.
    fn twice(&self, figures: &mut Figures) -> Option<Duration> {
        // A VM that was loaded longer ago than the backoff is back at once.
        sleep(AWAY);
        let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| Client::new(self.port())).collect();
        for client in &mut clients {
            assert!(is_served(client.send(&self.good(&[])).as_ref()), "before the crash");
        }
        let (first, others) = clients.split_first_mut().unwrap();
        assert_eq!(self.crash(first, "headers"), Some(503));
        let loaded = Instant::now();
        assert!(is_served(first.send(&self.good(&[])).as_ref()), "the VM is back at once");
        assert_eq!(self.crash(first, "headers"), Some(503));
        let crashed = Instant::now();
        let (mut served, mut away) = (0, 0);
        for client in others {
            let answer = client.send(&self.good(&[]));
            if is_served(answer.as_ref()) {
                served += 1;
            } else {
                assert_eq!(answer.map(|answer| answer.status), Some(503));
                away += 1;
            }
        }
        // The shortest backoff, since the VM was loaded.
        let is_seen = loaded.elapsed() < Duration::from_secs(1);
        wait_for("the VM", || is_served(first.send(&self.good(&[])).as_ref()).then_some(()));
        if !is_seen {
            return None;
        }
        assert!(served > 0 && away > 0, "{served} connections are served, {away} not");
        figures.count("connections beside a VM that is away", format!("{served} served, {away} not"));
        Some(crashed.elapsed())
    }
}

fn is_served(answer: Option<&Response>) -> bool {
    answer.is_some_and(|answer| {
        let user = answer.user();
        assert!(matches!(user.as_str(), "kinto_jwt:user0" | "HTTP 503"), "{user}");
        answer.status == 200
    })
}

/// Requests of every kind, until the stop. A crash is a reason for a failure, and never for another user.
fn attack(crashing: &Crashing, thread: usize, stop: &AtomicBool, figures: &Mutex<Figures>) {
    let mix = Mix::new(&crashing.keys);
    let mut random = Random::of_case(1, thread);
    let mut own = Figures::default();
    while !stop.load(Ordering::SeqCst) {
        let request = mix.request(random.weighted(&MIX), Listener::Lenient, &mut random);
        let stream = connect(crashing.port()).expect("Envoy listens");
        let answer = http::exchange_on(stream, &request.bytes);
        if let Verdict::Wrong(what) = request.judge(answer.as_ref()) {
            panic!("{what}");
        }
        let status = answer.map_or("no answer".to_owned(), |answer| answer.status.to_string());
        own.count("during crashes", status);
        sleep(Duration::from_millis(10));
    }
    figures.lock().unwrap().add(own);
}

#[test]
fn a_vm_that_dies_lets_nothing_through_and_comes_back() {
    let crashing = Crashing::start();
    let (stop, figures) = (AtomicBool::new(false), Mutex::new(Figures::default()));
    let mut own = Figures::default();
    let (mut away, mut twice) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let attackers: Vec<_> = (0..4)
            .map(|thread| {
                let (crashing, stop, figures) = (&crashing, &stop, &figures);
                scope.spawn(move || attack(crashing, thread, stop, figures))
            })
            .collect();
        for round in 0..ROUNDS * PLACES.len() {
            away.push(crashing.round(round, PLACES[round % PLACES.len()], &mut own));
        }
        for _ in 0..ROUNDS {
            twice.push(wait_for("a VM that is away", || crashing.twice(&mut own)));
        }
        let start = Instant::now();
        while start.elapsed() < STORM {
            let place = PLACES[usize::try_from(start.elapsed().as_millis()).unwrap() % PLACES.len()];
            let status = crashing.crash(&mut Client::new(crashing.port()), place);
            own.count("storm", status.map_or("no answer".to_owned(), |status| status.to_string()));
            sleep(Duration::from_millis(30));
        }
        let over = Instant::now();
        wait_for("all workers", || crashing.all_are_served().then_some(()));
        away.push(over.elapsed());
        stop.store(true, Ordering::SeqCst);
        for attacker in attackers {
            attacker.join().expect("an attacker is somebody else");
        }
    });
    own.add(figures.into_inner().unwrap());
    own.print();
    let (traps, loaded) = (crashing.traps(), crashing.counter("vm_reload_success"));
    let [failed, backoff] = ["vm_reload_failure", "vm_reload_backoff"].map(|name| crashing.counter(name));
    println!(
        "  {traps} traps, {loaded} times loaded again, {failed} times not; {backoff} requests came too soon"
    );
    println!("  away after one crash: {away:.1?}; after two: {twice:.1?}");
    let longest = away.iter().chain(&twice).max().unwrap();
    assert!(*longest < AWAY, "a VM was away for {longest:?}");
    assert!(traps > ROUNDS * PLACES.len() && failed == 0, "{traps} traps, {failed} failed reloads");
    assert!(own.with("during crashes", "200") > 0 && own.with("during crashes", "503") > 0);
    for what in [
        "a request waits for a key",
        "a batch without its end",
        "a batch waits for a key",
        "a record without its end",
    ] {
        assert!(own.with(what, "503") > 0, "{what}: no request was on the worker that crashed");
    }
    for cause in failures(&crashing.envoy) {
        assert!(cause.contains("wasm_fail_stream"), "an answer 5xx without a crash: {cause}");
    }
}
