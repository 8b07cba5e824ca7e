//! Kinto, an issuer, Envoy with the filter, Prometheus, and requests of every kind that the dashboard shows.

use std::sync::{Arc, Mutex, Weak, mpsc};

use serde_json::{Value, json};

use crate::prometheus::{Prometheus, eventually};
use kit::carrier::Carrier;
use kit::http::{self, Headers, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, demo_config, manager, wasm};
use kit::tokens::{jws, now, token};

/// How often each kind of request is sent: a rate is seen from the second time on.
pub(crate) const ROUNDS: u32 = 2;

pub(crate) struct Stack {
    pub(crate) prometheus: Prometheus,
    pub(crate) envoy: Envoy,
    pub(crate) issuer: Issuer,
    pub(crate) kinto: Kinto,
}

/// One for all tests that run at the same time; it ends with the last of them.
pub(crate) fn shared() -> Arc<Stack> {
    static SHARED: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().expect("the stack, which another test could not start");
    shared.upgrade().unwrap_or_else(|| {
        let stack = Arc::new(Stack::start_on_a_thread_that_stays());
        *shared = Arc::downgrade(&stack);
        stack
    })
}

impl Stack {
    /// Envoy ends with the thread that has started it (`PR_SET_PDEATHSIG`), and a test's thread ends with the test.
    fn start_on_a_thread_that_stays() -> Self {
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let sent = send.send(Self::start());
            while sent.is_ok() {
                std::thread::park();
            }
        });
        receive.recv().expect("the stack")
    }

    fn start() -> Self {
        let (kinto, issuer) = (Kinto::of_the_example(), Issuer::start());
        issuer.answer("/jwks.json", Answer::keys(&[("one", "rsa"), ("two", "rsa-other")]));
        let envoy = Envoy::start(&config(kinto.port("kinto"), issuer.port));
        let prometheus = Prometheus::start(envoy.admin);
        let total = |query: &str, expected: f64| {
            eventually(|| {
                let found: f64 = prometheus.query(query)?.iter().map(|(_, value)| value).sum();
                if found == expected { Ok(()) } else { Err(format!("{query}: {found}, not {expected}")) }
            });
        };
        total("kinto_jwt_jwks_keys", 2.0);
        let mut requests = Requests::new(&envoy);
        for round in 1..=ROUNDS {
            requests.send();
            total(
                "kinto_jwt_decisions",
                f64::from(round * DECISIONS.iter().map(|(.., count)| count).sum::<u32>()),
            );
        }
        Self { prometheus, envoy, issuer, kinto }
    }
}

/// The example, and beside it a listener for two issuers, one of which has no keys.
pub(crate) fn config(kinto: u16, issuer: u16) -> Value {
    let mut config = demo_config(kinto);
    let policy = |name: &str, path: &str| {
        let uri = format!("http://issuer.test/{path}");
        let remote = json!({"uri": uri, "cluster": "issuer", "refreshSeconds": 5, "cooldownSeconds": 1});
        json!({"name": name, "issuer": format!("https://{name}.test/"), "remoteJwks": remote})
    };
    let settings = json!({
        // Not Envoy but the module verifies these.
        "algorithm": "PS256",
        "policies": [policy("here", "jwks.json"), policy("gone", "not-there.json")],
        "tokenCache": {"maxEntries": 1},
    });
    let mut listener = config["static_resources"]["listeners"][0].clone();
    listener["name"] = json!("issuers");
    manager(&mut listener)["stat_prefix"] = json!("issuers");
    let plugin = wasm(&mut listener);
    plugin["vm_config"]["vm_id"] = json!("issuers");
    plugin["configuration"] = as_struct(&Carrier::Ticket.settings(settings));
    config["static_resources"]["listeners"].as_array_mut().unwrap().push(listener);

    let mut cluster = config["static_resources"]["clusters"][0].clone();
    cluster["name"] = json!("issuer");
    cluster["load_assignment"]["cluster_name"] = json!("issuer");
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *cluster.pointer_mut(address).unwrap() = json!(issuer);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
    config
}

/// What a round decides: outcome, reason, how often.
pub(crate) const DECISIONS: [(&str, &str, u32); 7] = [
    ("user", "none", 3 + 2 + 4),
    ("unauthorized_user", "no_token", 2 + 6),
    ("unauthorized_user", "foreign_scheme", 1),
    ("unauthorized_user", "expired", 4 + 1),
    ("unauthorized_user", "bad_signature", 30),
    ("unauthorized_user", "kid_unknown", 1),
    ("rejected", "keys_unavailable", 2),
];
/// What else it counts: metric, reason if it has one, how often.
pub(crate) const EVENTS: [(&str, Option<&str>, u32); 3] = [
    ("kinto_jwt_identity_headers_removed", None, 6),
    ("kinto_jwt_batch_subrequests", None, 3),
    ("kinto_jwt_batch_refusals", Some("batch_nested"), 1),
];

/// A round of requests. Its tokens are the same each time, so that the cache has something to find.
pub(crate) struct Requests {
    example: u16,
    issuers: u16,
    alice: Headers,
    expired: Headers,
    forged: Headers,
    /// By two users in turn, whom a cache for one forgets.
    here: [Headers; 2],
    unknown: Headers,
    gone: Headers,
}

impl Requests {
    pub(crate) fn new(envoy: &Envoy) -> Self {
        let claims = |user: &str, exp: u64| json!({"sub": user, "exp": exp});
        let later = now() + 3600;
        let example = |key, exp| vec![authorization(&token("RS256", key, &claims("alice", exp)))];
        let issued = |policy: &str, kid: &str, user: &str| {
            let mut claims = claims(user, later);
            claims["iss"] = json!(format!("https://{policy}.test/"));
            let header = json!({"alg": "PS256", "kid": kid}).to_string();
            vec![authorization(&jws("PS256", "rsa", header, claims.to_string()))]
        };
        Self {
            example: envoy.port("kinto"),
            issuers: envoy.port("issuers"),
            alice: example("demo", later),
            expired: example("demo", now() - 3600),
            forged: example("rsa", later),
            here: [issued("here", "one", "bob"), issued("here", "one", "carol")],
            unknown: issued("here", "three", "bob"),
            gone: issued("gone", "one", "bob"),
        }
    }

    pub(crate) fn send(&mut self) {
        let get = |port: u16, headers: &[(String, Vec<u8>)], user: &str, times: u32| {
            for _ in 0..times {
                assert_eq!(http::get(port, "/v1/", headers).user(), user);
            }
        };
        get(self.example, &self.alice, "kinto_jwt:alice", 3);
        get(self.example, &[], "kinto_jwt:public", 2);
        get(self.example, &[header("Authorization", "Basic YTpi")], "kinto_jwt:public", 1);
        get(self.example, &self.expired, "kinto_jwt:public", 4);
        get(self.example, &self.forged, "kinto_jwt:public", 30);
        // With a body: all headers are read only then, and what is removed is counted.
        let spoof = http::bytes("GET", b"/v1/", &[header("userId", "admin")], b"{}");
        for _ in 0..6 {
            assert_eq!(http::exchange(self.example, &spoof).unwrap().user(), "kinto_jwt:public");
        }

        let batch = |requests: Value| {
            let headers = [self.alice.clone(), vec![header("Content-Type", "application/json")]].concat();
            http::post(
                self.example,
                "/v1/batch",
                &headers,
                json!({"requests": requests}).to_string().as_bytes(),
            )
        };
        let expired = String::from_utf8(self.expired[0].1.clone()).unwrap();
        let own = json!({"path": "/v1/", "headers": {"Authorization": expired}});
        assert_eq!(batch(json!([{"path": "/v1/"}, own, {"path": "/v1/"}])).status, 200);
        assert_eq!(batch(json!([{"path": "/v1/batch", "method": "POST"}])).status, 400);

        for _ in 0..2 {
            get(self.issuers, &self.here[0], "kinto_jwt:bob", 1);
            get(self.issuers, &self.here[1], "kinto_jwt:carol", 1);
        }
        get(self.issuers, &self.unknown, "kinto_jwt:public", 1);
        get(self.issuers, &self.gone, "HTTP 503", 2);
    }
}
