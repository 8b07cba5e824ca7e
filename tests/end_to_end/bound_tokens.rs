//! Tokens that are bound to a client certificate (RFC 8705), in the real Envoy with listeners that ask for one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::promise::undecided::over_h2;
use kit::forgeries::json_type;
use kit::http::{self, Headers, authorization, header};
use kit::servers::{Envoy, Kinto, Process, as_struct, config_of, made, project, wait_for};
use kit::table::settings_with;
use kit::tokens::{key_file, now, rs256, sha256, x5c};

/// A client that opens TLS at a port, with this certificate or without one, and speaks this protocol inside.
struct Client {
    port: u16,
    _process: Process,
}

impl Client {
    fn start(server: u16, protocol: &str, certificate: Option<&str>) -> Self {
        let mut command = Command::new(made(".venv/bin/python"));
        command.arg(project("tests/end_to_end/tls_tunnel.py")).args([&server.to_string(), protocol]);
        if let Some(name) = certificate {
            let file = |kind: &str| project(&format!("tests/keys/{name}.{kind}.pem"));
            command.args([file("cert"), file("key")]);
        }
        let mut process = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (_, output) = process.pipes();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert!(process.exited().is_none(), "the tunnel has ended");
        Self { port: line.trim().parse().unwrap(), _process: process }
    }

    fn user(&self, headers: &Headers) -> String {
        let request = http::bytes("GET", b"/v1/", headers, b"");
        http::exchange(self.port, &request).map_or_else(|| "closed".to_owned(), |answer| answer.user())
    }
}

/// A token of this user that is bound to this certificate of `tests/keys`.
fn bound(user: &str, certificate: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600, "cnf": {"x5t#S256": sha256(&x5c(certificate))}}))
}

fn unbound(user: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600}))
}

/// `envoy/settings/client-certificates.yaml` with keys of the tests, and with what `more` says about certificates of
/// clients.
fn tls(more: &Value) -> Value {
    let text = std::fs::read_to_string(project("envoy/settings/client-certificates.yaml")).unwrap();
    let mut socket = serde_yaml_ng::from_str::<Value>(&text).unwrap()["transport_socket"].take();
    let pem = |kind: &str| json!({"inline_string": key_file(&format!("p256.{kind}.pem"))});
    let context = &mut socket["typed_config"];
    let common = &mut context["common_tls_context"];
    common["tls_certificates"] = json!([{"certificate_chain": pem("cert"), "private_key": pem("key")}]);
    common["validation_context"] = more["validation_context"].clone();
    if let Some(required) = more.get("require_client_certificate") {
        context["require_client_certificate"] = required.clone();
    }
    socket
}

/// Envoy with a listener for each of these settings, and for each what it is with TLS.
fn envoy(kinto: u16, listeners: &[(&str, Value, Option<Value>)]) -> Envoy {
    let plugins: Vec<_> = listeners
        .iter()
        .map(|(name, settings, _)| (*name, as_struct(&settings_with(settings.clone()))))
        .collect();
    let mut config = config_of(kinto, &plugins);
    for (listener, (.., more)) in
        config["static_resources"]["listeners"].as_array_mut().unwrap().iter_mut().zip(listeners)
    {
        if let Some(more) = more {
            listener["filter_chains"][0]["transport_socket"] = tls(more);
        }
    }
    // One worker, and so one cache.
    Envoy::start(&config)
}

/// The client may show a certificate of this authority, which here is the certificate itself.
fn of(names: &[&str]) -> Value {
    let trusted: String = names.iter().map(|name| key_file(&format!("{name}.cert.pem"))).collect();
    json!({"validation_context": {"trusted_ca": {"inline_string": trusted}}})
}

fn verify() -> Value {
    json!({"boundTokens": "verify"})
}

const ALICE: &str = "kinto_jwt:alice";
const PUBLIC: &str = "kinto_jwt:public";

#[test]
fn a_bound_token_counts_over_a_connection_with_its_certificate_only() {
    let kinto = Kinto::behind_envoy();
    let both = || Some(of(&["rsa", "rsa-other"]));
    let listeners = [
        ("verify", verify(), both()),
        ("refuse", json!({}), both()),
        ("ignore", json!({"boundTokens": "ignore"}), both()),
        ("plain", verify(), None),
    ];
    let envoy = envoy(kinto.port("kinto"), &listeners);
    let client = |listener: &str, name| Client::start(envoy.port(listener), "http/1.1", name);
    let (right, other, none) =
        (client("verify", Some("rsa")), client("verify", Some("rsa-other")), client("verify", None));
    let token = authorization(&bound("alice", "rsa"));

    // The token is verified once and remembered; its certificate is looked at each time.
    let over = [(&right, ALICE), (&other, PUBLIC), (&none, PUBLIC), (&right, ALICE), (&other, PUBLIC)];
    for (number, (client, user)) in over.into_iter().enumerate() {
        assert_eq!(client.user(&vec![token.clone()]), user, "{number}");
    }
    // The other way round: what was refused at first is as good as new.
    let second = authorization(&bound("bob", "rsa-other"));
    for (client, user) in [(&none, PUBLIC), (&right, PUBLIC), (&other, "kinto_jwt:bob"), (&right, PUBLIC)] {
        assert_eq!(client.user(&vec![second.clone()]), user);
    }
    let stat = |name: &str| envoy.stat(&format!("wasmcustom.kinto_jwt.{name}"));
    wait_for("counts", || (stat("cache_lookups.result.hit") >= 7).then_some(()));
    let refused = "decisions.outcome.unauthorized_user.reason.token_bound_elsewhere";
    wait_for("counts", || (stat(refused) == 6).then_some(()));

    // What a client writes into headers is no certificate.
    let digest: String = digits("rsa");
    let hash = format!("Hash={digest};Subject=\"CN=test\"");
    for name in ["x-forwarded-client-cert", "connection.sha256-peer-certificate-digest", "client-cert"] {
        for value in [&digest, &hash] {
            let headers = vec![token.clone(), header(name, value)];
            assert_eq!(other.user(&headers), PUBLIC, "{name}: {value}");
            assert_eq!(none.user(&headers), PUBLIC, "{name}: {value}");
            assert_eq!(http::get(envoy.port("plain"), "/v1/", &headers).user(), PUBLIC, "{name}: {value}");
        }
    }

    // A bearer token is one everywhere.
    let bearer = vec![authorization(&unbound("alice"))];
    for client in [&right, &other, &none] {
        assert_eq!(client.user(&bearer), ALICE);
    }
    assert_eq!(http::get(envoy.port("plain"), "/v1/", &bearer).user(), ALICE);

    // Other settings, over the right connection and over another one.
    for (listener, expected) in [("refuse", [PUBLIC, PUBLIC]), ("ignore", [ALICE, ALICE])] {
        let users = ["rsa", "rsa-other"].map(|name| client(listener, Some(name)).user(&vec![token.clone()]));
        assert_eq!(users, expected, "{listener}");
    }
}

/// SHA-256 of a certificate of `tests/keys`, as Envoy writes it.
fn digits(name: &str) -> String {
    let der = pem::parse(key_file(&format!("{name}.cert.pem"))).unwrap().into_contents();
    let digest = ring::digest::digest(&ring::digest::SHA256, &der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 8705 section 3: TLS proves that the client has the key of its certificate, whoever has signed that.
#[test]
fn whether_a_certificate_is_trusted_is_the_listeners_business() {
    let kinto = Kinto::behind_envoy();
    let accept = json!({"trust_chain_verification": "ACCEPT_UNTRUSTED", "trusted_ca": {"inline_string": key_file("p256.cert.pem")}});
    let listeners = [
        ("trusted", verify(), Some(of(&["rsa"]))),
        ("any", verify(), Some(json!({"validation_context": accept}))),
        (
            "any, required",
            verify(),
            Some(json!({"validation_context": accept, "require_client_certificate": true})),
        ),
        ("required", verify(), Some(json!({"require_client_certificate": true}))),
        ("not asked for", verify(), Some(json!({}))),
    ];
    let envoy = envoy(kinto.port("kinto"), &listeners);
    let user = |listener: &str, name: Option<&str>| {
        let client = Client::start(envoy.port(listener), "http/1.1", name);
        client.user(&vec![authorization(&bound("alice", name.unwrap_or("rsa")))])
    };
    for (listener, name, expected) in [
        ("trusted", Some("rsa"), ALICE),
        ("trusted", Some("rsa-other"), "closed"),
        ("trusted", None, PUBLIC),
        ("any", Some("rsa"), ALICE),
        ("any", Some("rsa-other"), ALICE),
        ("any", None, PUBLIC),
        ("any, required", Some("rsa-other"), ALICE),
        ("any, required", None, "closed"),
        // Without a validation context Envoy asks for no certificate, so that no client shows one.
        ("required", Some("rsa"), PUBLIC),
        ("required", None, PUBLIC),
        ("not asked for", Some("rsa"), PUBLIC),
    ] {
        let without = || envoy.stat("listener.127.0.0.1_0.ssl.no_certificate");
        let before = without();
        assert_eq!(user(listener, name), expected, "{listener} {name:?}");
        assert_eq!(without() - before, u64::from(expected == PUBLIC), "{listener} {name:?}: no certificate");
    }
}

/// A TLS session that goes on in another connection has the certificate with which it began.
#[test]
fn a_session_that_is_resumed_has_its_certificate() {
    let kinto = Kinto::behind_envoy();
    let envoy = envoy(kinto.port("kinto"), &[("verify", verify(), Some(of(&["rsa"])))]);
    let client = Client::start(envoy.port("verify"), "http/1.1", Some("rsa"));
    for _ in 0..5 {
        assert_eq!(client.user(&vec![authorization(&bound("alice", "rsa"))]), ALICE);
    }
    let resumed = envoy.stat("listener.127.0.0.1_0.ssl.session_reused");
    assert!(resumed > 0, "no session was resumed");
}

#[test]
fn the_sub_requests_of_a_batch_come_over_its_connection() {
    let kinto = Kinto::behind_envoy();
    let envoy = envoy(kinto.port("kinto"), &[("verify", verify(), Some(of(&["rsa", "rsa-other"])))]);
    let get = |token: &str| json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {token}")}});
    let (own, others) = (bound("bob", "rsa"), bound("carol", "rsa-other"));
    let requests = json!([{"path": "/v1/"}, get(&own), get(&others), get(&unbound("dave")), get(&own)]);
    let from_defaults = json!({"defaults": {"headers": {"Authorization": format!("JWT {own}")}},
        "requests": [{"path": "/v1/"}, get(&others)]});
    let batch = json!({"requests": requests});
    for (certificate, users, of_defaults) in [
        (Some("rsa"), ["alice", "bob", "public", "dave", "bob"], ["bob", "public"]),
        (Some("rsa-other"), ["public", "public", "carol", "dave", "public"], ["public", "carol"]),
        (None, ["public", "public", "public", "dave", "public"], ["public", "public"]),
    ] {
        let client = Client::start(envoy.port("verify"), "http/1.1", certificate);
        // Twice: what was remembered is checked, too.
        for _ in 0..2 {
            let users_of = |batch: &Value| -> Vec<String> {
                let headers = [json_type(), authorization(&bound("alice", "rsa"))];
                let answer =
                    http::post(client.port, "/v1/batch", &headers, batch.to_string().as_bytes()).json();
                answer["responses"].as_array().unwrap().iter().map(|part| http::user(&part["body"])).collect()
            };
            assert_eq!(users_of(&batch), users.map(|user| format!("kinto_jwt:{user}")), "{certificate:?}");
            assert_eq!(users_of(&from_defaults), of_defaults.map(|user| format!("kinto_jwt:{user}")));
        }
    }
}

#[test]
fn it_is_the_same_over_http_2() {
    let kinto = Kinto::behind_envoy();
    let envoy = envoy(kinto.port("kinto"), &[("verify", verify(), Some(of(&["rsa", "rsa-other"])))]);
    let own = json!({"Authorization": format!("JWT {}", bound("bob", "rsa"))});
    let batch = json!({"requests": [{"path": "/v1/"}, {"path": "/v1/", "headers": own}]}).to_string();
    for (certificate, users) in [("rsa", [ALICE, "kinto_jwt:bob"]), ("rsa-other", [PUBLIC, PUBLIC])] {
        let client = Client::start(envoy.port("verify"), "h2", Some(certificate));
        let headers = vec![json_type(), authorization(&bound("alice", "rsa"))];
        let (status, body) =
            over_h2(client.port, ("POST", "/v1/batch"), &headers, &batch, &vec![], Duration::ZERO);
        let answer: Value = serde_json::from_str(&body).unwrap();
        let seen: Vec<_> =
            answer["responses"].as_array().unwrap().iter().map(|part| http::user(&part["body"])).collect();
        assert_eq!((status, seen), (200, users.map(str::to_owned).to_vec()), "{certificate}");
    }
}
