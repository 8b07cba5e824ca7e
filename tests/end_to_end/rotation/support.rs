//! What the tests of rotating keys share: configurations, tokens, clients, and what they wait for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use kit::http::{self, Response, authorization, header};
use kit::issuer::{Issuer, TLS_NAME};
use kit::servers::{Envoy, Kinto, as_struct, config_of, project, wait_for};
use kit::tokens::{jws, now};

/// Keys by `kid` and name in `tests/keys`.
pub(super) const A: (&str, &str) = ("a", "p256");
pub(super) const B: (&str, &str) = ("b", "p256-other");

pub(super) const ALICE: &str = "kinto_jwt:alice";
pub(super) const PUBLIC: &str = "kinto_jwt:public";

/// The smallest `cooldownSeconds`, with some time for a busy machine.
pub(super) const COOLDOWN: Duration = Duration::from_millis(1300);

pub(super) const TWO_WORKERS: [&str; 2] = ["--concurrency", "2"];

/// One Kinto for the tests that run at the same time.
pub(super) fn kinto() -> Arc<Kinto> {
    static SHARED: Mutex<Weak<Kinto>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let kinto = Arc::new(Kinto::behind_envoy());
        *shared = Arc::downgrade(&kinto);
        kinto
    })
}

/// A new token of alice's.
pub(super) fn signed((kid, key): (&str, &str)) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let claims = json!({"sub": "alice", "exp": now() + 3600, "jti": number.to_string()});
    jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
}

/// A filter that asks the issuer for this path, with these settings over the shortest that there are.
pub(super) fn remote(path: &str, more: &Value) -> Value {
    let mut remote =
        json!({"uri": format!("http://{TLS_NAME}{path}"), "cluster": "issuer", "cooldownSeconds": 1});
    remote.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"algorithm": "ES256", "remoteJwks": remote})
}

/// The same settings in a policy of this name, which is in the log.
pub(super) fn named(name: &str, mut settings: Value) -> Value {
    settings["name"] = json!(name);
    json!({"policies": [settings]})
}

/// A cluster that speaks TLS with the issuer and believes this file of `tests/keys`, and this name.
pub(super) fn tls_cluster(name: &str, issuer: &Issuer, trusted: &str, san: &str) -> Value {
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
pub(super) fn config(kinto: &Kinto, clusters: &[Value], plugins: &[(&str, Value)]) -> Value {
    let plugins: Vec<_> = plugins.iter().map(|(name, settings)| (*name, as_struct(settings))).collect();
    let mut config = config_of(kinto.port("kinto"), &plugins);
    config["static_resources"]["clusters"].as_array_mut().unwrap().extend_from_slice(clusters);
    config
}

/// One listener, `kinto`, which asks the issuer for `/jwks`.
pub(super) fn usual_config(kinto: &Kinto, issuer: &Issuer, more: &Value) -> Value {
    config(kinto, &[issuer.cluster("issuer")], &[("kinto", remote("/jwks", more))])
}

pub(super) fn get(envoy: &Envoy, listener: &str, token: &str) -> Response {
    http::get(envoy.port(listener), "/v1/", &[authorization(token)])
}

pub(super) fn user(envoy: &Envoy, listener: &str, token: &str) -> String {
    get(envoy, listener, token).user()
}

/// Waits until a new token of this key is accepted.
pub(super) fn wait_for_key(envoy: &Envoy, listener: &str, key: (&str, &str)) {
    wait_for(&format!("key {} at {listener}", key.0), || {
        (user(envoy, listener, &signed(key)) == ALICE).then_some(())
    });
}

/// Waits for a line of Envoy's log that has all of these words.
pub(super) fn wait_for_log(envoy: &Envoy, words: &[&str]) {
    wait_for(&format!("{words:?} in Envoy's log"), || {
        let log = envoy.log();
        log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

/// Sends a request in three parts, with a pause before the second and the third.
pub(super) fn drip(port: u16, request: &[u8], pause: Duration) -> Response {
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
pub(super) fn batch(port: u16, tokens: &[&str]) -> Vec<String> {
    let answer =
        http::post(port, "/v1/batch", &[header("Content-Type", "application/json")], &batch_body(tokens));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let answer = answer.json();
    answer["responses"].as_array().unwrap().iter().map(|answer| http::user(&answer["body"])).collect()
}

pub(super) fn batch_body(tokens: &[&str]) -> Vec<u8> {
    let request =
        |token: &&str| json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {token}")}});
    json!({"requests": tokens.iter().map(request).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// Waits until Prometheus reads a number above zero under this name and these labels.
pub(super) fn wait_for_metric(envoy: &Envoy, name: &str, labels: &[(&str, &str)]) {
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
pub(super) fn assert_no_crash(envoy: &Envoy) {
    let log = envoy.log();
    let crash = log.lines().find(|line| line.contains("panicked") || line.contains("failed: Uncaught"));
    assert_eq!(crash, None);
}

/// Kinto's words for: come back later.
pub(super) fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.head);
    assert_eq!(answer.json()["errno"], 201);
    assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{}", answer.head);
}

/// A client that keeps its connection for as long as the server does.
pub(super) struct Client {
    pub(super) port: u16,
    pub(super) connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, connection: None }
    }

    pub(super) fn get(&mut self, token: Option<&str>) -> io::Result<Response> {
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
    pub(super) fn user(&mut self, token: Option<&str>) -> String {
        self.get(token).map_or_else(|error| error.to_string(), |answer| answer.user())
    }
}

/// Ends the clients of a test, also when the test fails: their scope would wait for ever.
pub(super) struct Stop<'a>(pub(super) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
