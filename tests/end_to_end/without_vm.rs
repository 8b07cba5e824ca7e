//! A worker of Envoy that could not create its WebAssembly VM: Envoy leaves the filter out there. What a client can do
//! then with the header, with a ticket, and with the header behind the guard of `envoy/settings/header-guard.yaml`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::promise::undecided::over_h2;
use crate::ticket::cookies::SPELLINGS;
use kit::carrier::{self, Carrier, tickets};
use kit::forgeries::{FORGERY, forgeries, json_type, without_safeguards};
use kit::http::{self, Headers, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::pages::{read, yaml};
use kit::plugin_file::PluginFile;
use kit::servers::{Envoy, Kinto, as_struct, config_of, manager, wait_for};
use kit::table::{policies, settings_with};
use kit::tokens::{jws, now, rs256};

const GUARD: &str = "envoy/settings/header-guard.yaml";

const GIB: u64 = 1 << 30;

/// Envoy's log has this line where a worker has no VM.
const NO_VM: &str = "Failed to create new Wasm instance";

/// What the guard writes into the identity header.
const MARK: &str = "not-checked";

/// What to do if one of these tests fails with a later Envoy.
const CHANGED: &str = "Envoy does not leave the filter out any more: SECURITY.md, docs/ticket.md, docs/operating.md \
                       and the guard's file say that it does";

/// A listener with the filter.
struct Listener {
    name: &'static str,
    settings: Value,
    /// The port of what is behind Envoy.
    upstream: u16,
    is_guarded: bool,
}

impl Listener {
    fn new(name: &'static str, upstream: u16, more: Value) -> Self {
        Self { name, settings: settings_with(more), upstream, is_guarded: false }
    }

    fn guarded(self) -> Self {
        Self { is_guarded: true, ..self }
    }
}

/// Puts the guard into a listener, as its file says.
fn guard(listener: &mut Value) {
    let text = read(GUARD);
    assert_eq!(text.matches(&format!(": {MARK} }}")).count(), 2, "the mark stands at two places");
    let mut guard = yaml(&text);
    let manager = manager(listener);
    manager["early_header_mutation_extensions"] = guard["early_header_mutation_extensions"].take();
    let filters = manager["http_filters"].as_array_mut().unwrap();
    filters.insert(1, guard["http_filters"][0].take());
}

fn cluster_of(upstream: u16) -> String {
    format!("upstream-{upstream}")
}

/// The counter of the requests that reached what is behind Envoy.
fn requests_to(upstream: u16) -> String {
    format!("cluster.{}.upstream_rq_total", cluster_of(upstream))
}

/// An Envoy with these listeners. What else in the example could help is off, where `is_alone` says so.
fn config_with(listeners: &[Listener], is_alone: bool) -> Value {
    let plugins: Vec<_> = listeners.iter().map(|own| (own.name, as_struct(&own.settings))).collect();
    let mut config = config_of(1, &plugins);
    let resources = &mut config["static_resources"];
    let example = resources["clusters"][0].take();
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    let upstreams: BTreeSet<u16> = listeners.iter().map(|own| own.upstream).collect();
    let clusters = upstreams.iter().map(|port| {
        let mut cluster = example.clone();
        cluster["name"] = json!(cluster_of(*port));
        *cluster.pointer_mut(address).unwrap() = json!(port);
        cluster
    });
    resources["clusters"] = clusters.collect();
    for (listener, own) in resources["listeners"].as_array_mut().unwrap().iter_mut().zip(listeners) {
        if is_alone {
            without_safeguards(listener);
        }
        let route = manager(listener).pointer_mut("/route_config/virtual_hosts/0/routes/1/route/cluster");
        *route.unwrap() = json!(cluster_of(own.upstream));
        if own.is_guarded {
            guard(listener);
        }
    }
    config
}

fn config(listeners: &[Listener]) -> Value {
    config_with(listeners, true)
}

/// An Envoy whose only worker has no VM, because there is no address space left for it. With several listeners there is
/// no such limit: to load the second one, Envoy needs as many VMs as to run.
fn without_vm(config: &Value) -> Envoy {
    // V8 of Envoy 1.40 takes 10 GiB of address space for each VM, and there are two before the worker's.
    for limit in std::iter::once(24).chain((2..=96).step_by(2)) {
        let Ok(envoy) = Envoy::try_start_within(limit * GIB, config) else { continue };
        // When the worker answers, it has tried.
        http::get(envoy.port(config["static_resources"]["listeners"][0]["name"].as_str().unwrap()), "/", &[]);
        if envoy.log().contains(NO_VM) {
            assert!(envoy.log().contains("Wasm VM failed Failed to initialize Wasm code"), "{}", envoy.log());
            return envoy;
        }
    }
    panic!("with no limit of the address space Envoy starts and its worker lacks a VM")
}

fn token(user: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600}))
}

fn alice() -> (String, Vec<u8>) {
    authorization(&token("alice"))
}

/// Kinto's users of the sub-requests of a batch, or the status of the answer.
fn users(port: u16, headers: &[(String, Vec<u8>)], batch: &Value) -> Vec<String> {
    let headers = [headers, &[json_type()]].concat();
    let answer = http::post(port, "/v1/batch", &headers, batch.to_string().as_bytes());
    if answer.status != 200 {
        return vec![answer.user()];
    }
    let answer = answer.json();
    answer["responses"].as_array().unwrap().iter().map(|sub| http::user(&sub["body"])).collect()
}

/// A VM for each worker, and two more: what docs/operating.md says about the gauge.
fn lacks_vms(envoy: &Envoy) -> u64 {
    envoy.stat("server.concurrency") + 2 - envoy.stat("wasm.envoy.wasm.runtime.v8.active")
}

/// This is what the host does, and not what we want: the pages say it.
#[test]
fn envoy_leaves_the_filter_out_of_a_worker_without_a_vm() {
    let kinto = Kinto::behind_envoy();
    let config = config(&[Listener::new("header", kinto.port("kinto"), json!({}))]);
    let forged: Value = serde_json::from_str(FORGERY).unwrap();

    let envoy = without_vm(&config);
    let port = envoy.port("header");
    assert_eq!(lacks_vms(&envoy), 1);
    let user = http::get(port, "/v1/", &[header("userId", "kinto")]).user();
    assert_eq!(user, "kinto_jwt:kinto", "{CHANGED}");
    assert_eq!(users(port, &[], &forged), ["kinto_jwt:admin"], "{CHANGED}");
    assert_eq!(http::get(port, "/v1/", &[alice()]).user(), "anonymous", "{CHANGED}");
    assert_eq!(envoy.stat(&requests_to(kinto.port("kinto"))), 3);

    let envoy = Envoy::start(&config);
    let port = envoy.port("header");
    assert_eq!(lacks_vms(&envoy), 0);
    assert_eq!(http::get(port, "/v1/", &[header("userId", "kinto")]).user(), "kinto_jwt:public");
    assert_eq!(users(port, &[], &forged), ["kinto_jwt:public"]);
    assert_eq!(http::get(port, "/v1/", &[alice()]).user(), "kinto_jwt:alice");
    let envoy = Envoy::start_with(&config, &["--concurrency", "3"]);
    wait_for("a VM in each worker", || (lacks_vms(&envoy) == 0).then_some(()));
}

#[test]
fn with_a_ticket_everybody_is_nobody_without_the_filter() {
    let kinto = Kinto::start(&json!({"kinto": Carrier::Ticket.application()}), None);
    let settings = Carrier::Ticket.settings(json!({}));
    let envoy = without_vm(&config(&[Listener::new("ticket", kinto.port("kinto"), settings)]));
    let port = envoy.port("ticket");
    let user = |headers: &[(String, Vec<u8>)]| http::get(port, "/v1/", headers).user();
    assert_eq!(user(&[alice()]), "anonymous", "{CHANGED}");
    for name in ["userId", "USERID", "Remote-User", "REMOTE_USER", "X-Kinto-User"] {
        assert_eq!(user(&[header(name, "admin")]), "anonymous", "{name}");
        assert_eq!(user(&[header(name, "admin"), alice()]), "anonymous", "{name}");
    }
    let [other, empty, old, good] = tickets(&[
        ("0123456789abcdef0123456789abcdef", 0, "admin"),
        ("", 0, "admin"),
        (carrier::SECRET, -32, "admin"),
        (carrier::SECRET, 0, "admin"),
    ])
    .try_into()
    .unwrap();
    for ticket in [&other, &empty, &old, "admin"] {
        for spelling in SPELLINGS {
            let cookie = spelling.replace("TICKET", ticket);
            assert_eq!(user(&[header("Cookie", &cookie)]), "anonymous", "{cookie}");
            let headers = json!({"Cookie": cookie, "userId": "admin"});
            let batch =
                json!({"defaults": {"headers": headers}, "requests": [{"path": "/", "headers": headers}]});
            let seen = users(port, &[], &batch);
            assert!(seen == ["anonymous"] || seen == ["HTTP 400"], "{batch}: {seen:?}");
        }
    }
    for who in [vec![], vec![alice()]] {
        for request in forgeries(&who) {
            let answer = http::exchange(port, &request).map(|answer| answer.body).unwrap_or_default();
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains("kinto_jwt:"), "{}: {answer}", String::from_utf8_lossy(&request));
        }
    }
    // Who has read a ticket between Envoy and Kinto could use it, if Kinto could be reached: here it can.
    assert_eq!(user(&[header("Cookie", format!("kjwt={good}"))]), "kinto_jwt:admin", "{CHANGED}");
}

/// Behind the guard, with each way in which the filter writes the identity header, or leaves it out.
fn guarded(kinto: &Kinto) -> Vec<Listener> {
    let nobody = json!({"unauthorizedUserId": null});
    let claims = json!({"userIdHeader": "X-Kinto-User", "claimsToHeaders": {"X-User-Email": "email"}});
    let keys = json!({"algorithm": "ES256", "remoteJwks": {"uri": "http://i/jwks", "cluster": "issuer"}});
    let mut keys = Listener::new("keys", kinto.port("kinto"), keys);
    keys.settings.as_object_mut().unwrap().remove("public_key");
    let listeners = [
        Listener::new("public", kinto.port("kinto"), json!({})),
        Listener::new("nobody", kinto.port("kinto"), nobody),
        Listener::new("named", kinto.port("named"), json!({"userIdHeader": "X-Kinto-User"})),
        Listener::new("ticket", kinto.port("ticket"), Carrier::Ticket.settings(json!({}))),
        Listener::new("claims", http::echo(), claims),
        keys,
    ];
    listeners.into_iter().map(Listener::guarded).collect()
}

fn kintos() -> Kinto {
    let [header, ticket] = [Carrier::Header, Carrier::Ticket].map(Carrier::application);
    let mut named = Carrier::Header.application();
    named["settings"]["multiauth.policy.kinto_jwt.environ_key"] = json!("HTTP_X_KINTO_USER");
    Kinto::start(&json!({"kinto": header, "named": named, "ticket": ticket}), None)
}

/// The header's spellings, each once and in pairs, with the mark and without.
fn spoofs(spellings: &[&str]) -> Vec<Headers> {
    let mut all = Vec::new();
    for first in spellings {
        for value in ["admin", "", MARK] {
            all.push(vec![header(first, value)]);
            all.extend(spellings.iter().map(|second| vec![header(first, value), header(second, "admin")]));
        }
    }
    all
}

const PLAIN: [&str; 3] = ["userId", "userid", "USERID"];
const NAMED: [&str; 5] = ["X-Kinto-User", "x-kinto-user", "X_Kinto_User", "x-kinto_user", "userId"];

#[test]
fn the_guard_refuses_what_the_filter_has_not_seen() {
    let (kinto, issuer) = (kintos(), Issuer::start());
    for listener in guarded(&kinto) {
        let (name, requests) = (listener.name, requests_to(listener.upstream));
        let mut config = config(&[listener]);
        config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
        let envoy = without_vm(&config);
        let port = envoy.port(name);
        let spoofs = spoofs(&PLAIN).into_iter().chain(spoofs(&NAMED));
        for mut headers in spoofs.chain([vec![], vec![alice()]]) {
            for who in [None, Some(alice())] {
                headers.extend(who);
                for path in ["/v1/", "/", "/v1/__heartbeat__", "/v1/buckets"] {
                    assert_eq!(http::get(port, path, &headers).status, 403, "{name}: {headers:?}");
                }
                let batch: Value = serde_json::from_str(FORGERY).unwrap();
                assert_eq!(users(port, &headers, &batch), ["HTTP 403"], "{name}: {headers:?}");
            }
        }
        for request in forgeries(&[alice()]) {
            let status = http::exchange(port, &request).map(|answer| answer.status);
            let text = String::from_utf8_lossy(&request);
            // What Envoy does not take at all.
            assert!(matches!(status, Some(400 | 403)), "{name}: {status:?}: {text}");
        }
        let headers = vec![header("userId", "admin"), json_type()];
        let trailers = vec![header("userid", "admin"), header("x-kinto-user", "admin")];
        let (status, _) = over_h2(port, ("POST", "/v1/batch"), &headers, FORGERY, &trailers, Duration::ZERO);
        assert_eq!(status, 403, "{name}");
        assert_eq!(envoy.stat(&requests), 0, "{name}: {CHANGED}");
    }
}

/// An Envoy that runs takes a new module: for a time it has the VMs of both.
#[test]
fn a_new_module_can_leave_a_worker_without_the_filter() {
    let kinto = Kinto::behind_envoy();
    let settings = settings_with(json!({}));
    for (is_guarded, public, forged) in
        [(false, "kinto_jwt:public", "kinto_jwt:admin"), (true, "kinto_jwt:public", "HTTP 403")]
    {
        // Whether it happens depends on when Envoy gives up the old VMs, too.
        let taken = [48; 5].into_iter().chain((42..=72).step_by(2)).any(|limit| {
            let mut plugin = PluginFile::new(&settings);
            let mut config = plugin.config(kinto.port("kinto"));
            if is_guarded {
                guard(&mut config["static_resources"]["listeners"][0]);
            }
            let Ok(envoy) = Envoy::try_start_within(limit * GIB, &config) else { return false };
            // Nobody, where Envoy has come to its end for want of address space.
            let request = http::bytes("GET", b"/v1/", &[header("userId", "admin")], b"");
            let port = envoy.port("kinto");
            let user = || http::exchange(port, &request).map_or(String::new(), |answer| answer.user());
            let lacks_vm = || envoy.log().contains(NO_VM);
            let first = user();
            if lacks_vm() {
                return false;
            }
            assert_eq!(first, public);
            // As a new module does, another name makes new VMs.
            plugin.content["resources"][0]["typed_config"]["config"]["vm_config"]["vm_id"] = json!("new");
            plugin.write(&settings);
            std::thread::sleep(Duration::from_secs(2));
            let is_open = user() == forged;
            let is_right = if is_open { lacks_vm() } else { [public, ""].contains(&user().as_str()) };
            assert!(is_right, "{limit} GiB: {}", envoy.log());
            is_open
        });
        assert!(taken, "{CHANGED}");
    }
}

#[test]
fn behind_the_guard_the_decisions_are_the_same() {
    let kinto = Kinto::behind_envoy();
    let policies = policies(now());
    let listener = |policy: &kit::table::Policy| Listener {
        settings: policy.settings.clone(),
        ..Listener::new(policy.name, kinto.port("kinto"), json!({}))
    };
    let listeners: Vec<Listener> = policies.iter().map(|policy| listener(policy).guarded()).collect();
    let envoy = Envoy::start(&config_with(&listeners, false));
    let mut count = 0;
    for policy in &policies {
        for case in &policy.cases {
            let request = http::bytes(case.method, case.path.as_bytes(), &case.headers, b"");
            let answer = http::exchange(envoy.port(policy.name), &request).expect("an answer").user();
            assert_eq!(answer, policy.answer(case), "{}: {}", policy.name, case.name);
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn behind_the_guard_all_else_is_the_same() {
    let (kinto, issuer) = (kintos(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]).held());
    let open = Listener::new("open", kinto.port("kinto"), json!({}));
    let listeners: Vec<Listener> = guarded(&kinto).into_iter().chain([open]).collect();
    let mut config = config(&listeners);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
    let envoy = Envoy::start(&config);
    let port = |name: &str| envoy.port(name);
    let user = |name: &str, headers: &[(String, Vec<u8>)]| http::get(port(name), "/v1/", headers).user();

    // A request that waits for keys is seen when it goes on.
    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let waiting = authorization(&jws("ES256", "p256", r#"{"alg":"ES256","kid":"a"}"#, &claims));
    std::thread::scope(|scope| {
        let get = || user("keys", &[waiting.clone(), header("userId", "admin")]);
        let batch =
            || users(port("keys"), std::slice::from_ref(&waiting), &serde_json::from_str(FORGERY).unwrap());
        let (get, batch) = (scope.spawn(get), scope.spawn(batch));
        issuer.wait_for("/jwks", 1);
        std::thread::sleep(Duration::from_millis(300));
        assert!(!get.is_finished() && !batch.is_finished(), "they wait");
        issuer.release();
        assert_eq!(get.join().unwrap(), "kinto_jwt:alice");
        assert_eq!(batch.join().unwrap(), ["kinto_jwt:alice"]);
    });

    // Who has no token, and who says to be somebody.
    for (name, spellings, nobody) in [
        ("public", &PLAIN[..], "kinto_jwt:public"),
        ("nobody", &PLAIN, "anonymous"),
        ("named", &NAMED, "kinto_jwt:public"),
        ("ticket", &PLAIN, "kinto_jwt:public"),
    ] {
        for headers in spoofs(spellings).into_iter().chain([vec![]]) {
            assert_eq!(user(name, &headers), nobody, "{name}: {headers:?}");
            assert_eq!(
                user(name, &[headers.clone(), vec![alice()]].concat()),
                "kinto_jwt:alice",
                "{name}: {headers:?}"
            );
            let own = |user: &str| json!({"path": "/", "headers": {"Authorization": format!("JWT {}", token(user))}});
            let batch =
                json!({"requests": [{"path": "/", "headers": {"userId": "admin"}}, own("bob"), own(MARK)]});
            // A sub-request of the user who is called as the mark has an identity that its token proves.
            let expected = ["kinto_jwt:bob".to_owned(), format!("kinto_jwt:{MARK}")];
            assert_eq!(users(port(name), &headers, &batch)[1..], expected, "{name}: {headers:?}");
            assert_eq!(users(port(name), &headers, &batch)[0], nobody, "{name}: {headers:?}");
        }
        // Where the mark is in the identity header, the user who is called so is locked out, and is nobody else.
        let called_so = if matches!(name, "named" | "ticket") { "kinto_jwt:not-checked" } else { "HTTP 403" };
        assert_eq!(user(name, &[authorization(&token(MARK))]), called_so, "{name}");
        // The redirect of the route.
        assert_eq!(http::get(port(name), "/", &[]).status, 307, "{name}");
    }

    // What reaches Kinto.
    let received = |headers: &[(String, Vec<u8>)]| -> Vec<(String, String)> {
        let head = String::from_utf8_lossy(&http::get(port("claims"), "/v1/", headers).body).to_lowercase();
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let own = fields.filter(|(name, _)| name.contains("user") && !name.contains("agent"));
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let email = authorization(&rs256(&json!({"sub": "alice", "email": "a@b.example", "exp": now() + 600})));
    for mut headers in spoofs(&NAMED) {
        headers.extend([header("X-User-Email", "x"), header("x_user_email", "x")]);
        assert_eq!(received(&headers), [pair("x-kinto-user", "public")], "{headers:?}");
        headers.push(email.clone());
        let expected = [pair("x-kinto-user", "alice"), pair("x-user-email", "a@b.example")];
        assert_eq!(received(&headers), expected, "{headers:?}");
    }

    // Forgeries are answered as without the guard, but for times and ids.
    for who in [vec![], vec![alice()]] {
        for request in forgeries(&who) {
            let answers = ["public", "open"].map(|name| {
                let answer = http::exchange(port(name), &request)?;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(!body.contains("kinto_jwt:admin"), "{body}");
                Some((answer.status, body.matches("kinto_jwt:").count()))
            });
            assert_eq!(answers[0], answers[1], "{}", String::from_utf8_lossy(&request));
        }
    }
}

/// What the comment in the guard's file says about the counter.
#[test]
fn behind_the_guard_each_request_with_a_body_counts_as_a_removed_header() {
    let kinto = Kinto::behind_envoy();
    let listeners = [Listener::new("public", kinto.port("kinto"), json!({})).guarded()];
    let envoy = Envoy::start(&config(&listeners));
    for headers in [vec![], vec![alice()], vec![header("userId", "admin")]] {
        let request = http::bytes("GET", b"/v1/", &headers, b"{}");
        assert_eq!(http::exchange(envoy.port("public"), &request).unwrap().status, 200);
    }
    let removed = || envoy.stat("wasmcustom.kinto_jwt.identity_headers_removed");
    wait_for("counts", || (removed() == 3).then_some(()));
}
