//! Keys from an issuer that changes them, is slow, lies or is not there: through the real Envoy to the real Kinto.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use kit::http::{self, Response, authorization, header};
use kit::issuer::{Answer, Issuer, TLS_NAME};
use kit::servers::{Envoy, Kinto, as_struct, config_of, free_port, project, wait_for};
use kit::tokens::{jwk, jws, now};

/// Keys by `kid` and name in `tests/keys`.
const A: (&str, &str) = ("a", "p256");
const B: (&str, &str) = ("b", "p256-other");

const ALICE: &str = "kinto_jwt:alice";
const PUBLIC: &str = "kinto_jwt:public";

/// The smallest `cooldownSeconds`, with some time for a busy machine.
const COOLDOWN: Duration = Duration::from_millis(1300);

const TWO_WORKERS: [&str; 2] = ["--concurrency", "2"];

/// One Kinto for the tests that run at the same time.
fn kinto() -> Arc<Kinto> {
    static SHARED: Mutex<Weak<Kinto>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let kinto = Arc::new(Kinto::behind_envoy());
        *shared = Arc::downgrade(&kinto);
        kinto
    })
}

/// A new token of alice's.
fn signed((kid, key): (&str, &str)) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let claims = json!({"sub": "alice", "exp": now() + 3600, "jti": number.to_string()});
    jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
}

/// A filter that asks the issuer for this path, with these settings over the shortest that there are.
fn remote(path: &str, more: &Value) -> Value {
    let mut remote =
        json!({"uri": format!("http://{TLS_NAME}{path}"), "cluster": "issuer", "cooldownSeconds": 1});
    remote.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"algorithm": "ES256", "remoteJwks": remote})
}

/// The same settings in a policy of this name, which is in the log.
fn named(name: &str, mut settings: Value) -> Value {
    settings["name"] = json!(name);
    json!({"policies": [settings]})
}

/// A cluster that speaks TLS with the issuer and believes this file of `tests/keys`, and this name.
fn tls_cluster(name: &str, issuer: &Issuer, trusted: &str, san: &str) -> Value {
    let mut cluster = issuer.cluster(name);
    cluster["transport_socket"] = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": TLS_NAME,
            "common_tls_context": {"validation_context": {
                "trusted_ca": {"filename": project(&format!("tests/keys/{trusted}"))},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": san}}],
            }},
        },
    });
    cluster
}

/// Envoy's configuration with a listener for each of these, and the clusters.
fn config(kinto: &Kinto, clusters: &[Value], plugins: &[(&str, Value)]) -> Value {
    let plugins: Vec<_> = plugins.iter().map(|(name, settings)| (*name, as_struct(settings))).collect();
    let mut config = config_of(kinto.port("kinto"), &plugins);
    config["static_resources"]["clusters"].as_array_mut().unwrap().extend_from_slice(clusters);
    config
}

/// One listener, `kinto`, which asks the issuer for `/jwks`.
fn usual(kinto: &Kinto, issuer: &Issuer, more: &Value) -> Value {
    config(kinto, &[issuer.cluster("issuer")], &[("kinto", remote("/jwks", more))])
}

fn get(envoy: &Envoy, listener: &str, token: &str) -> Response {
    http::get(envoy.port(listener), "/v1/", &[authorization(token)])
}

fn user(envoy: &Envoy, listener: &str, token: &str) -> String {
    get(envoy, listener, token).user()
}

/// Waits until a new token of this key is accepted.
fn wait_for_key(envoy: &Envoy, listener: &str, key: (&str, &str)) {
    wait_for(&format!("key {} at {listener}", key.0), || {
        (user(envoy, listener, &signed(key)) == ALICE).then_some(())
    });
}

/// Waits for a line of Envoy's log that has all of these words.
fn wait_for_log(envoy: &Envoy, words: &[&str]) {
    wait_for(&format!("{words:?} in Envoy's log"), || {
        let log = envoy.log();
        log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

/// Sends a request in three parts, with a pause before the second and the third.
fn drip(port: u16, request: &[u8], pause: Duration) -> Response {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let half = head + (request.len() - head) / 2;
    for part in [&request[..head], &request[head..half]] {
        (&stream).write_all(part).unwrap();
        sleep(pause);
    }
    http::exchange_on(stream, &request[half..]).unwrap()
}

/// The users that the sub-requests of a batch are, which bring these tokens.
fn batch(port: u16, tokens: &[&str]) -> Vec<String> {
    let answer =
        http::post(port, "/v1/batch", &[header("Content-Type", "application/json")], &batch_body(tokens));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let answer = answer.json();
    answer["responses"].as_array().unwrap().iter().map(|answer| http::user(&answer["body"])).collect()
}

fn batch_body(tokens: &[&str]) -> Vec<u8> {
    let request =
        |token: &&str| json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {token}")}});
    json!({"requests": tokens.iter().map(request).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// Waits until Prometheus reads a number above zero under this name and these labels.
fn wait_for_metric(envoy: &Envoy, name: &str, labels: &[(&str, &str)]) {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    wait_for(&format!("{name} {labels:?}"), || {
        let numbers = http::get(envoy.admin, &format!("/stats/prometheus?filter={name}"), &[]).body;
        let numbers = String::from_utf8(numbers).unwrap();
        let is_it =
            |line: &&str| !line.starts_with('#') && labels.iter().all(|label| line.contains(label.as_str()));
        (numbers.lines().find(is_it)?.rsplit(' ').next()?.parse::<f64>().ok()? > 0.0).then_some(())
    });
}

/// A module that panics is loaded anew: only the log knows.
fn assert_no_crash(envoy: &Envoy) {
    let log = envoy.log();
    let crash = log.lines().find(|line| line.contains("panicked") || line.contains("failed: Uncaught"));
    assert_eq!(crash, None);
}

/// Kinto's words for: come back later.
fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.head);
    assert_eq!(answer.json()["errno"], 201);
    assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{}", answer.head);
}

/// A client that keeps its connection for as long as the server does.
struct Client {
    port: u16,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    fn new(port: u16) -> Self {
        Self { port, connection: None }
    }

    fn get(&mut self, token: Option<&str>) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?),
        };
        let credentials = token.map(|token| format!("Authorization: JWT {token}\r\n")).unwrap_or_default();
        let request = format!("GET /v1/ HTTP/1.1\r\nHost: kinto\r\n{credentials}\r\n");
        connection.get_ref().set_read_timeout(Some(Duration::from_secs(30)))?;
        connection.get_ref().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if connection.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.expect("Kinto and Envoy say how long an answer is")];
        connection.read_exact(&mut body)?;
        if !lower.contains("connection: close") {
            self.connection = Some(connection);
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(Response { status, head, body })
    }

    /// The user, or what there is instead.
    fn user(&mut self, token: Option<&str>) -> String {
        self.get(token).map_or_else(|error| error.to_string(), |answer| answer.user())
    }
}

/// Ends the clients of a test, also when the test fails: their scope would wait for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn rotation_with_overlap_refuses_no_good_token_under_load() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let publish = |keys: &[(&str, &str)]| {
        issuer.answer("/jwks", Answer::keys(keys).header("Cache-Control", "max-age=1"))
    };
    publish(&[A]);
    let envoy = Envoy::start_with(&usual(&kinto, &issuer, &json!({})), &TWO_WORKERS);
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
    let envoy = Envoy::start(&usual(&kinto, &issuer, &json!({})));
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
    let envoy = Envoy::start(&usual(&kinto, &issuer, &json!({"timeoutSeconds": 2})));
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
fn ten_thousand_unknown_keys_are_a_handful_of_fetches() {
    const COUNT: usize = 10_000;
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]).after(Duration::from_millis(200)));
    let mut settings = remote("/jwks", &json!({"cooldownSeconds": 2}));
    settings["onInvalid"] = json!("reject");
    let envoy =
        Envoy::start_with(&config(&kinto, &[issuer.cluster("issuer")], &[("kinto", settings)]), &TWO_WORKERS);
    wait_for_key(&envoy, "kinto", A);
    let before = issuer.count("/jwks");
    let signature = signed(A).rsplit('.').next().unwrap().to_owned();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let (mut good, mut slowest) = (0, Duration::ZERO);
    let refused: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(envoy.port("kinto"));
                    let mut refused = 0;
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= COUNT {
                            return refused;
                        }
                        // A thousand in a second, if the machine can.
                        let at = Duration::from_millis(number.try_into().unwrap());
                        sleep(at.saturating_sub(start.elapsed()));
                        let header =
                            kit::tokens::b64(format!("{{\"alg\":\"ES256\",\"kid\":\"{number:016x}\"}}"));
                        let answer = client.get(Some(&format!("{header}.e30.{signature}"))).unwrap();
                        assert_eq!(answer.status, 401, "{}", answer.head);
                        refused += 1;
                    }
                })
            })
            .collect();
        let mut client = Client::new(envoy.port("kinto"));
        while next.load(Ordering::SeqCst) < COUNT && start.elapsed() < Duration::from_secs(60) {
            let sent = Instant::now();
            assert_eq!(client.user(Some(&signed(A))), ALICE);
            slowest = slowest.max(sent.elapsed());
            good += 1;
            sleep(Duration::from_millis(20));
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let (took, fetches) = (start.elapsed(), issuer.count("/jwks") - before);
    println!(
        "{refused} unknown keys in {took:.1?}: {fetches} fetches; {good} good tokens, slowest {slowest:.0?}"
    );
    assert_eq!(refused, COUNT);
    let at_most = 1 + usize::try_from(took.as_secs()).unwrap() / 2;
    assert!((1..=at_most).contains(&fetches), "{fetches} fetches in {took:?}");
    assert!(good > 20 && slowest < Duration::from_secs(5), "{good} good tokens, slowest {slowest:?}");
}

#[test]
fn two_workers_make_one_fetch() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let envoy = Envoy::start_with(&usual(&kinto, &issuer, &json!({"refreshSeconds": 5})), &TWO_WORKERS);
    let start = Instant::now();
    wait_for_key(&envoy, "kinto", A);
    let mut clients: Vec<_> = (0..24).map(|_| Client::new(envoy.port("kinto"))).collect();
    let mut all = |key: (&str, &str)| {
        for client in &mut clients {
            assert_eq!(client.user(Some(&signed(key))), ALICE);
        }
    };
    all(A);
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
    all(A);
    let times = issuer.seen("/jwks");
    for pair in times.windows(2) {
        assert!(pair[1].at - pair[0].at > Duration::from_secs(3), "{:?}", pair[1].at - pair[0].at);
    }
    // One for a rotation, whichever worker notices it.
    sleep(COOLDOWN);
    issuer.answer("/jwks", Answer::keys(&[B]));
    let (before, rotation) = (issuer.seen("/jwks"), Instant::now());
    all(B);
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
fn discovery_believes_the_configured_issuer_only() {
    const METADATA: &str = ".well-known/openid-configuration";
    let (kinto, issuer) = (kinto(), Issuer::start());
    let host = format!("http://{TLS_NAME}");
    let documents = [
        ("good", json!({"issuer": format!("{host}/good"), "jwks_uri": format!("{host}/good/keys")}), true),
        ("other-issuer", json!({"issuer": host, "jwks_uri": format!("{host}/good/keys")}), false),
        (
            "other-host",
            json!({"issuer": format!("{host}/other-host"), "jwks_uri": "http://elsewhere.test/good/keys"}),
            false,
        ),
        ("without-keys", json!({"issuer": format!("{host}/without-keys")}), false),
    ];
    issuer.answer("/good/keys", Answer::keys(&[A]));
    let plugins = documents.each_ref().map(|(name, document, _)| {
        issuer.answer(&format!("/{name}/{METADATA}"), Answer::new(200, document.to_string()));
        let remote = json!({"cluster": "issuer", "discovery": true, "cooldownSeconds": 1});
        let settings =
            json!({"algorithm": "ES256", "issuer": format!("{host}/{name}"), "remoteJwks": remote});
        (*name, named(name, settings))
    });
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    let token = |name: &str, (kid, key): (&str, &str)| {
        let claims = json!({"sub": "alice", "iss": format!("{host}/{name}")});
        jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
    };
    for (name, _, is_good) in &documents {
        if *is_good {
            wait_for("the keys", || (user(&envoy, name, &token(name, A)) == ALICE).then_some(()));
        } else {
            wait_for_log(&envoy, &[&format!(" {name}: "), "metadata"]);
            wait_for_metric(&envoy, "jwks_fetches", &[("policy", name), ("result", "discovery")]);
            assert_unavailable(&get(&envoy, name, &token(name, A)));
        }
    }
    assert_eq!(user(&envoy, "good", &token("other-issuer", A)), PUBLIC);
    assert_eq!(user(&envoy, "good", &signed(A)), PUBLIC, "no iss");

    // The issuer moves its keys, and changes them.
    let moved = json!({"issuer": format!("{host}/good"), "jwks_uri": format!("{host}/moved")});
    issuer.answer("/moved", Answer::keys(&[B]));
    issuer.answer(&format!("/good/{METADATA}"), Answer::new(200, moved.to_string()));
    wait_for("the moved keys", || (user(&envoy, "good", &token("good", B)) == ALICE).then_some(()));
    assert_eq!(user(&envoy, "good", &token("good", A)), PUBLIC);
}

#[test]
fn an_issuer_behind_tls_is_believed_by_its_certificate() {
    let (kinto, issuer) = (kinto(), Issuer::start_with_tls());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let clusters = [
        tls_cluster("right", &issuer, "issuer.cert.pem", TLS_NAME),
        tls_cluster("other-authority", &issuer, "rsa.cert.pem", TLS_NAME),
        tls_cluster("other-name", &issuer, "issuer.cert.pem", "other.test"),
        issuer.cluster("plain"),
    ];
    let uri = format!("https://{TLS_NAME}/jwks");
    let plugins = clusters.each_ref().map(|cluster| {
        let name = cluster["name"].as_str().unwrap();
        (name, remote("/jwks", &json!({"uri": uri, "cluster": name})))
    });
    let envoy = Envoy::start(&config(&kinto, &clusters, &plugins));
    wait_for_key(&envoy, "right", A);
    for name in ["other-authority", "other-name", "plain"] {
        let failed = format!("cluster.{name}.upstream_cx_total");
        wait_for("an attempt", || (envoy.stat(&failed) > 0).then_some(()));
        assert_unavailable(&get(&envoy, name, &signed(A)));
    }
    assert!(envoy.stat("cluster.right.ssl.handshake") > 0);
    issuer.answer("/jwks", Answer::keys(&[B]));
    wait_for_key(&envoy, "right", B);
    for name in ["other-authority", "other-name", "plain"] {
        assert_unavailable(&get(&envoy, name, &signed(B)));
    }
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
fn keys_of_two_issuers_are_kept_apart() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let keys = [("one", "p256"), ("two", "p256-other")];
    let plugins = keys.map(|(name, key)| {
        issuer.answer(&format!("/{name}"), Answer::keys(&[("same", key)]));
        (name, remote(&format!("/{name}"), &json!({})))
    });
    let envoy = Envoy::start_with(&config(&kinto, &[issuer.cluster("issuer")], &plugins), &TWO_WORKERS);
    for (name, key) in keys {
        wait_for_key(&envoy, name, ("same", key));
    }
    for (name, own) in keys {
        for (_, key) in keys {
            let expected = if key == own { ALICE } else { PUBLIC };
            assert_eq!(user(&envoy, name, &signed(("same", key))), expected, "{name} {key}");
        }
    }
}

#[test]
fn clients_that_hang_up_while_they_wait_do_no_harm() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let envoy = Envoy::start(&usual(&kinto, &issuer, &json!({})));
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

#[test]
fn a_new_configuration_under_load_loses_no_request() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    for path in ["/old", "/new"] {
        issuer.answer(path, Answer::keys(&[A]).header("Cache-Control", "max-age=1"));
    }
    let (dir, port) = (tempfile::TempDir::new().unwrap(), free_port());
    let file = dir.path().join("listeners.yaml");
    let complete = |path: &str, unauthorized: &str| {
        let mut settings = remote(path, &json!({}));
        settings["unauthorizedUserId"] = json!(unauthorized);
        config(&kinto, &[issuer.cluster("issuer")], &[("kinto", settings)])
    };
    let write = |path: &str, unauthorized: &str| {
        let mut listener = complete(path, unauthorized)["static_resources"]["listeners"][0].take();
        listener["address"]["socket_address"]["port_value"] = json!(port);
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        let next = dir.path().join("next.yaml");
        std::fs::write(&next, json!({"resources": [listener]}).to_string()).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    write("/old", "first");
    let mut config = complete("/old", "first");
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({"id": "test", "cluster": "test"});
    config["dynamic_resources"] =
        json!({"lds_config": {"resource_api_version": "V3", "path_config_source": {"path": file}}});
    let envoy = Envoy::start_with(&config, &["--concurrency", "2", "--drain-time-s", "2"]);
    let user = |token: Option<&str>| Client::new(port).user(token);
    wait_for("the first configuration", || (user(Some(&signed(A))) == ALICE).then_some(()));

    let done = AtomicBool::new(false);
    let (good, without) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::new(port);
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.user(Some(&signed(A))), ALICE);
                    good.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(10));
                }
            });
        }
        scope.spawn(|| {
            let mut client = Client::new(port);
            while !done.load(Ordering::SeqCst) {
                let user = client.user(None);
                let known = ["kinto_jwt:first", "kinto_jwt:second", "kinto_jwt:third"];
                assert!(known.contains(&user.as_str()), "{user}");
                without.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(10));
            }
        });
        sleep(Duration::from_millis(500));
        for (path, unauthorized) in [("/old", "second"), ("/new", "third")] {
            write(path, unauthorized);
            let expected = format!("kinto_jwt:{unauthorized}");
            wait_for(unauthorized, || (user(None) == expected).then_some(()));
            // The old connections are drained in the meantime.
            sleep(Duration::from_millis(2500));
        }
    });
    let (good, without) = (good.into_inner(), without.into_inner());
    println!("{good} requests with a token and {without} without, none lost");
    assert!(good > 50 && without > 25, "{good} {without}");
    assert_eq!(envoy.stat("http.kinto.downstream_rq_5xx"), 0);
    assert_eq!(user(None), "kinto_jwt:third");

    // What the old configuration left behind asks no more.
    wait_for("the end of the old configuration", || {
        let (old, new) = (issuer.count("/old"), issuer.count("/new"));
        issuer.wait_for("/new", new + 3);
        (issuer.count("/old") == old).then_some(())
    });
}
