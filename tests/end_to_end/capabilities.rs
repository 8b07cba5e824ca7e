//! `capability_restriction_config` in `envoy.yaml`: it lists what the filter needs, and nothing else. Each name is left out
//! in turn, in a plugin with a VM of its own, and then something is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use kit::carrier;
use kit::forgeries::{FORGERY, json_type};
use kit::http::{self, Headers, Response, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, config_of, demo_config, manager, wait_for, wasm};
use kit::tokens::{now, public_key, rs256, token_with_kid};

type Names = BTreeSet<String>;

/// What was seen of a filter, by what was tried.
type Seen = BTreeMap<&'static str, String>;

/// Without one of these Envoy leaves the filter out at some point, and an identity that nobody has proved reaches Kinto.
const OPEN: [&str; 3] = ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_request_trailers"];

/// The names in the example.
fn listed() -> Names {
    let mut config = demo_config(1);
    let listener = &mut config["static_resources"]["listeners"][0];
    let restriction = &wasm(listener)["vm_config"]["capability_restriction_config"];
    restriction["allowed_capabilities"].as_object().unwrap().keys().cloned().collect()
}

fn without(left_out: &[&str]) -> Names {
    let mut names = listed();
    for name in left_out {
        assert!(names.remove(*name), "{name} is not in the list");
    }
    names
}

/// A listener whose plugin may do this. The VM has the name of the listener.
fn listener(name: &str, allowed: &Names, settings: &Value) -> Value {
    let mut config = config_of(1, &[(name, as_struct(settings))]);
    let mut listener = config["static_resources"]["listeners"][0].take();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let manager = manager(&mut listener);
    // What waits for ever without a capability ends soon.
    manager["stream_idle_timeout"] = json!("3s");
    manager["http_protocol_options"] = json!({"enable_trailers": true});
    manager["route_config"]["virtual_hosts"][0]["request_body_buffer_limit"] = json!(65_536);
    // Envoy's buffer filter would set another limit.
    let filters = manager["http_filters"].as_array_mut().unwrap();
    filters.retain(|filter| filter["name"] != "envoy.filters.http.buffer");
    let format = format!("reason of {name}: %FILTER_STATE(wasm.kinto_jwt_reason:PLAIN)%\n");
    manager["access_log"] = json!([{
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"text_format_source": {"inline_string": format}},
        },
    }]);
    let plugin = wasm(&mut listener);
    plugin["name"] = json!(name);
    plugin["vm_config"]["vm_id"] = json!(name);
    plugin["vm_config"]["environment_variables"] = json!({"key_values": {"KEY": public_key("rsa")}});
    let allowed: BTreeMap<&String, Value> = allowed.iter().map(|name| (name, json!({}))).collect();
    plugin["vm_config"]["capability_restriction_config"] = json!({"allowed_capabilities": allowed});
    listener
}

/// An Envoy that takes its listeners from a file: it takes each one alone, and leaves out what it refuses.
struct Listeners {
    dir: TempDir,
    envoy: Envoy,
}

impl Listeners {
    fn start(kinto: u16, clusters: &[Value], listeners: &[Value]) -> Self {
        let dir = TempDir::new().unwrap();
        Self::write(dir.path(), listeners);
        let mut config = demo_config(kinto);
        config["static_resources"].as_object_mut().unwrap().remove("listeners");
        config["static_resources"]["clusters"].as_array_mut().unwrap().extend_from_slice(clusters);
        let path = json!({"path": dir.path().join("listeners")});
        config["dynamic_resources"] =
            json!({"lds_config": {"resource_api_version": "V3", "path_config_source": path}});
        config["node"] = json!({"id": "kinto", "cluster": "kinto"});
        let options = ["--concurrency", "1", "--file-flush-interval-msec", "100", "--drain-time-s", "1"];
        Self { dir, envoy: Envoy::start_with(&config, &options) }
    }

    /// Puts a new version of the file in the place of the old one, by a rename.
    fn write(dir: &Path, listeners: &[Value]) {
        std::fs::write(dir.join("new"), json!({"resources": listeners}).to_string()).unwrap();
        std::fs::rename(dir.join("new"), dir.join("listeners")).unwrap();
    }

    fn update(&self, listeners: &[Value]) {
        Self::write(self.dir.path(), listeners);
    }

    /// The port of each listener that Envoy has taken.
    fn ports(&self) -> BTreeMap<String, u16> {
        let listeners = http::get(self.envoy.admin, "/listeners?format=json", &[]).json();
        let listeners = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
        let port = |listener: &Value| {
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
            (listener["name"].as_str().unwrap().to_owned(), u16::try_from(port).unwrap())
        };
        listeners.iter().map(port).collect()
    }
}

/// Settings with which the filter does all that it can: a key from the environment, and an issuer, whose policy has this
/// name.
fn settings(name: &str) -> Value {
    let uri = format!("http://issuer.test/{name}");
    json!({
        "requireExp": true,
        "unauthorizedUserId": "public",
        "onInvalid": "reject",
        "accessLogReason": true,
        "policies": [
            {"name": name, "issuer": "remote", "algorithm": "ES256",
             "remoteJwks": {"uri": uri, "cluster": "issuer", "cooldownSeconds": 1}},
            {"name": "static", "publicKeyEnv": "KEY"},
        ],
    })
}

/// The user of an answer, or those of the entries of a batch's answer, or what there is instead.
fn users(answer: Option<Response>) -> String {
    let Some(answer) = answer else { return "no answer".to_owned() };
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return format!("HTTP {}", answer.status);
    };
    let Some(entries) = body["responses"].as_array() else { return answer.user() };
    let user = |entry: &Value| {
        if entry["status"] == 200 { http::user(&entry["body"]) } else { entry["status"].to_string() }
    };
    entries.iter().map(user).collect::<Vec<_>>().join(" ")
}

/// A batch in chunks, with trailers after them.
fn with_trailers(body: &str) -> Vec<u8> {
    let mut request = http::chunked(b"/v1/batch", &[json_type()], body.as_bytes());
    request.truncate(request.len() - 2);
    request.extend(b"userId: admin\r\n\r\n");
    request
}

/// Tries all that the filter does.
fn try_all(port: u16, name: &str, issuer: &Issuer) -> Seen {
    let claims = json!({"sub": "alice", "exp": now() + 600});
    let good = rs256(&claims);
    let of_issuer = |kid: &str, key: &str| {
        let claims = json!({"iss": "remote", "sub": "alice", "exp": now() + 600});
        authorization(&token_with_kid("ES256", key, kid, &claims))
    };
    let get = |headers: Headers| users(http::exchange(port, &http::bytes("GET", b"/v1/", &headers, b"")));
    let batch = |body: &str| {
        http::exchange(port, &http::bytes("POST", b"/v1/batch", &[json_type()], body.as_bytes()))
    };
    let own = |token: &str| json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {token}")}});
    let mixed = json!({"requests": [own("a.b.c"), own(&good)]}).to_string();

    let mut seen = Seen::from([
        ("a header with an identity", get(vec![header("userId", "admin")])),
        ("a token", get(vec![authorization(&good)])),
        ("an invalid token", get(vec![authorization("a.b.c")])),
        ("a key of the issuer", get(vec![of_issuer("a", "p256")])),
        ("a forged batch", users(batch(FORGERY))),
        (
            "a forged batch in chunks",
            users(http::exchange(port, &http::chunked(b"/v1/batch", &[json_type()], FORGERY.as_bytes()))),
        ),
        ("a forged batch with trailers", users(http::exchange(port, &with_trailers(FORGERY)))),
        ("a batch", users(batch(&mixed))),
        ("a batch with trailers", users(http::exchange(port, &with_trailers(&mixed)))),
    ]);
    let large = batch(&format!("{mixed}{}", " ".repeat(80_000)));
    let is_kintos =
        large.is_some_and(|answer| answer.status == 413 && answer.head.contains("application/json"));
    seen.insert("a batch larger than the buffer is refused in Kinto's format", is_kintos.to_string());
    // A request that waits for a new key of the issuer.
    std::thread::sleep(Duration::from_millis(1100));
    issuer.answer(&format!("/{name}"), Answer::keys(&[("a", "p256"), ("b", "p256-other")]));
    seen.insert("a new key of the issuer", get(vec![of_issuer("b", "p256-other")]));
    seen
}

/// Adds what the log, the access log and the metrics say.
fn look_around(seen: &mut Seen, name: &str, envoy: &Envoy, issuer: &Issuer) {
    let log = envoy.log();
    let has =
        |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word))).to_string();
    let own = format!("wasm log {name}");
    let is_above_zero = |stat: &str| (envoy.stat(&format!("wasmcustom.kinto_jwt.{stat}")) > 0).to_string();
    let fetches = format!("jwks_fetches.policy.{name}.result.ok");
    seen.extend([
        ("the issuer is asked", (issuer.count(&format!("/{name}")) > 0).to_string()),
        ("the log", has(&[&own, "took a new key set"])),
        ("the log at the level debug", has(&[&own, "[debug]"])),
        ("no verify_signature", has(&[&own, "the host offers no verify_signature"])),
        ("the reason in the access log", has(&[&format!("reason of {name}: no_token")])),
        ("a counter", is_above_zero(&fetches)),
        ("a gauge", is_above_zero(&format!("jwks_keys.policy.{name}"))),
    ]);
}

#[test]
fn each_capability_is_needed_and_some_keep_the_promise() {
    const ALL: &str = "all";
    let (kinto, issuer) = (Kinto::behind_envoy(), Issuer::start());
    let mut lists: BTreeMap<String, Names> =
        listed().into_iter().map(|name| (name.clone(), without(&[&name]))).collect();
    lists.insert(ALL.to_owned(), listed());
    for name in lists.keys() {
        issuer.answer(&format!("/{name}"), Answer::keys(&[("a", "p256")]));
    }
    let listeners: Vec<Value> =
        lists.iter().map(|(name, allowed)| listener(name, allowed, &settings(name))).collect();
    let listeners = Listeners::start(kinto.port("kinto"), &[issuer.cluster("issuer")], &listeners);
    let ports = listeners.ports();

    let (issuer, next, all) = (&issuer, Mutex::new(lists.keys()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(name) = next.lock().unwrap().next() else { return };
                    let seen = ports.get(name).map_or_else(
                        || Seen::from([("the configuration is taken", "false".to_owned())]),
                        |port| try_all(*port, name, issuer),
                    );
                    all.lock().unwrap().insert(name.clone(), seen);
                }
            });
        }
    });
    // The filter hands its counts to Envoy once a second, and Envoy writes its access log ten times.
    let fetches = format!("wasmcustom.kinto_jwt.jwks_fetches.policy.{ALL}.result.ok");
    wait_for("the counts", || (listeners.envoy.stat(&fetches) > 0).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    let mut all = all.into_inner().unwrap();
    for (name, seen) in &mut all {
        look_around(seen, name, &listeners.envoy, issuer);
    }

    let (alice, public) = ("kinto_jwt:alice".to_owned(), "kinto_jwt:public".to_owned());
    let (yes, no) = ("true".to_owned(), "false".to_owned());
    let with_all = all.remove(ALL).unwrap();
    let expected = Seen::from([
        ("a header with an identity", public.clone()),
        ("a token", alice.clone()),
        ("an invalid token", "HTTP 401".to_owned()),
        ("a key of the issuer", alice.clone()),
        ("a new key of the issuer", alice.clone()),
        ("a forged batch", public.clone()),
        ("a forged batch in chunks", public.clone()),
        ("a forged batch with trailers", public),
        ("a batch", format!("401 {alice}")),
        ("a batch with trailers", format!("401 {alice}")),
        ("a batch larger than the buffer is refused in Kinto's format", yes.clone()),
        ("the issuer is asked", yes.clone()),
        ("the log", yes.clone()),
        ("the log at the level debug", yes.clone()),
        ("no verify_signature", no),
        ("the reason in the access log", yes.clone()),
        ("a counter", yes.clone()),
        ("a gauge", yes),
    ]);
    assert_eq!(with_all, expected);

    let mut open = BTreeSet::new();
    for (name, seen) in &all {
        let changed: Seen = seen
            .iter()
            .filter(|(what, how)| with_all.get(*what) != Some(how))
            .map(|(w, h)| (*w, h.clone()))
            .collect();
        // Of requests, proxy_on_delete only frees the memory: the next test has it.
        assert_eq!(changed.is_empty(), name == "proxy_on_delete", "{name}: {changed:?}");
        if seen.values().any(|how| how.contains("admin")) {
            open.insert(name.as_str());
        }
    }
    assert_eq!(open, BTreeSet::from(OPEN), "an identity that nobody has proved");
    assert_eq!(
        all["proxy_http_call"]["the issuer is asked"], "false",
        "what is not listed cannot be reached"
    );
}

#[test]
fn without_on_delete_nothing_is_freed() {
    // Without proxy_on_tick, what was counted is handed over only when the plugin is deleted.
    let kinto = Kinto::behind_envoy();
    let settings = json!({"public_key": public_key("rsa"), "requireExp": true});
    let count = |left_out: &[&str]| {
        let old = listener("old", &without(left_out), &settings);
        let new = listener("new", &listed(), &settings);
        let listeners = Listeners::start(kinto.port("kinto"), &[], std::slice::from_ref(&old));
        let port = listeners.ports()["old"];
        assert_eq!(http::get(port, "/v1/", &[authorization("a.b.c")]).user(), "kinto_jwt:public");
        let vms = || listeners.envoy.stat("wasm.envoy.wasm.runtime.v8.active");
        let of_one = vms();
        listeners.update(&[new]);
        wait_for("the end of the old plugin", || {
            let names: Vec<String> = listeners.ports().into_keys().collect();
            (names == ["new"] && vms() == of_one).then_some(())
        });
        listeners.envoy.stat("wasmcustom.kinto_jwt.cache_lookups.result.miss")
    };
    assert_eq!(count(&["proxy_on_tick"]), 1);
    assert_eq!(count(&["proxy_on_tick", "proxy_on_delete"]), 0);
}

#[test]
fn without_add_header_map_value_the_other_cookies_of_an_answer_are_lost() {
    let settings =
        json!({"public_key": public_key("rsa"), "requireExp": true, "ticket": {"secret": carrier::SECRET}});
    let name = "proxy_add_header_map_value";
    let listeners = [("all", listed()), (name, without(&[name]))].map(|(name, allowed)| {
        let mut listener = listener(name, &allowed, &settings);
        // An answer as Kinto gives it with a ticket that it does not believe, and one more cookie.
        let cookies = ["kjwt=; Max-Age=0", "a=1"];
        let cookies = cookies.map(|cookie| json!({"header": {"key": "set-cookie", "value": cookie}}));
        let host = &mut manager(&mut listener)["route_config"]["virtual_hosts"][0];
        host["response_headers_to_add"] = json!(cookies);
        host["routes"] = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
        listener
    });
    let listeners = Listeners::start(1, &[], &listeners);
    let ports = listeners.ports();
    let cookies = |name: &str| {
        let answer = http::exchange(ports[name], &http::bytes("GET", b"/", &[], b"")).unwrap();
        let lines = answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        (answer.status, lines.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(cookies("all"), (200, "a=1".to_owned()));
    assert_eq!(cookies(name), (503, String::new()));
}

#[test]
fn a_list_that_changes_counts_at_once() {
    let kinto = Kinto::behind_envoy();
    let settings =
        json!({"public_key": public_key("rsa"), "requireExp": true, "unauthorizedUserId": "public"});
    let with = |names: &Names| listener("kinto", names, &settings);
    let listeners = Listeners::start(kinto.port("kinto"), &[], &[with(&listed())]);
    let user = || {
        let request = http::bytes("GET", b"/v1/", &[header("userId", "admin")], b"");
        users(http::exchange(listeners.ports()["kinto"], &request))
    };
    assert_eq!(user(), "kinto_jwt:public");
    listeners.update(&[with(&without(&["proxy_on_request_headers"]))]);
    // Nothing warns of it but `kinto-jwt check`.
    wait_for("the new list", || (user() == "kinto_jwt:admin").then_some(()));
    assert!(!listeners.envoy.log().contains("restricted"), "{}", listeners.envoy.log());
    listeners.update(&[with(&listed())]);
    wait_for("the whole list", || (user() == "kinto_jwt:public").then_some(()));
}
