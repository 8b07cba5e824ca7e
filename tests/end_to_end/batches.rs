//! The batch endpoint: what is forged there, and what must go on working.

use std::time::Duration;

use kinto_jwt_filter::is_batch;
use serde_json::{Value, json};

use crate::promise::undecided::over_h2;
use crate::wsgi::Servers;
use kit::carrier::{CARRIERS, Carrier};
use kit::forgeries::{FORGERY, forgeries, json_type, without_safeguards};
use kit::http::{self, Headers, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, closing_after_each, config_of};
use kit::table::settings_with;
use kit::tokens::{now, public_key, rs256};

fn token(user: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600}))
}

fn is_forged(port: u16, request: &[u8]) -> bool {
    let answer = http::exchange(port, request);
    answer.is_some_and(|answer| String::from_utf8_lossy(&answer.body).contains("kinto_jwt:admin"))
}

#[test]
fn no_batch_forges_an_identity() {
    let from = json!([{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}]);
    let reject = json!({"onMissing": "reject", "onInvalid": "reject"});
    let plugins = [
        ("defaults", settings_with(json!({}))),
        ("reject", settings_with(reject)),
        (
            "places, claims",
            settings_with(json!({"from": from, "claimsToHeaders": {"X-Sub": "sub"}, "forwardToken": true})),
        ),
        (
            "policies",
            settings_with(
                json!({"policies": [{"name": "a", "issuer": "a"}, {"name": "b"}], "onInvalid": "reject"}),
            ),
        ),
    ];
    let requests = [forgeries(&[]), forgeries(&[authorization(&token("alice"))])].concat();
    assert!(requests.len() >= 300, "{}", requests.len());
    for carrier in CARRIERS {
        let kinto = Kinto::start(&json!({"kinto": carrier.observed()}), None);
        let dangerous = requests.iter().filter(|request| is_forged(kinto.port("kinto"), request)).count();
        match carrier {
            Carrier::Header => {
                assert!(dangerous > 200, "only {dangerous} reach Kinto when nothing is in between")
            }
            // Nobody has the secret: not even without the filter is one of them admin.
            Carrier::Ticket => assert_eq!(dangerous, 0),
        }
        let plugins = plugins
            .each_ref()
            .map(|(name, settings)| (*name, as_struct(&carrier.settings(settings.clone()))));
        // Every safeguard of the example that could help is off: the filter must do it alone.
        let mut config = config_of(kinto.port("kinto"), &plugins);
        for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
            without_safeguards(listener);
        }
        let envoy = Envoy::start(&config);
        for (name, _) in &plugins {
            for request in &requests {
                assert!(
                    !is_forged(envoy.port(name), request),
                    "{carrier:?}, {name}: {}",
                    request.escape_ascii()
                );
            }
        }
        println!(
            "{carrier:?}: {} requests, {dangerous} of which forge an identity without the filter",
            requests.len()
        );
    }
}

#[test]
fn every_one_byte_variation_of_the_path_that_reaches_the_endpoint_is_known() {
    let kinto = Kinto::behind_envoy();
    let path = b"/v1/batch";
    let mut reached = 0;
    for at in 0..=path.len() {
        for byte in 0..=255_u8 {
            for text in [vec![byte], format!("%{byte:02x}").into_bytes()] {
                if matches!(text.as_slice(), [0 | b'\r' | b'\n' | b' ']) {
                    continue;
                }
                for skip in [0, 1] {
                    let tail = path.get(at + skip..).unwrap_or_default();
                    let variation = [&path[..at], &text, tail].concat();
                    let request = http::bytes("POST", &variation, &[json_type()], FORGERY.as_bytes());
                    if is_forged(kinto.port("kinto"), &request) {
                        reached += 1;
                        let known = is_batch(b"POST", &variation);
                        assert!(known, "{}", variation.escape_ascii());
                    }
                }
            }
        }
    }
    assert!(reached > 40, "{reached}");
}

/// The users of a batch's sub-requests to the root.
fn users(answer: &http::Response) -> Vec<String> {
    if answer.status != 200 {
        return vec![format!("HTTP {}: {}", answer.status, String::from_utf8_lossy(&answer.body))];
    }
    let body = answer.json();
    body["responses"].as_array().unwrap().iter().map(|sub| http::user(&sub["body"])).collect()
}

/// Honest batches with the users that their sub-requests are, `alice` having sent them.
fn honest() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let own = |user: &str| json!({"path": "/", "headers": {"Authorization": format!("JWT {}", token(user))}});
    let plain = json!({"path": "/v1/"});
    let bad = json!({"path": "/", "headers": {"Authorization": "JWT a.b.c"}});
    let expired = rs256(&json!({"sub": "bob", "exp": 1}));
    let default = |user: &str| json!({"headers": {"Authorization": format!("JWT {}", token(user))}});
    let basic = json!({"path": "/", "headers": {"Authorization": "Basic YWxpY2U6cHc="}});
    vec![
        ("inherits", json!({"requests": [plain, plain]}), vec!["alice", "alice"]),
        ("own token", json!({"requests": [own("bob"), plain, own("carol")]}), vec!["bob", "alice", "carol"]),
        ("own bad token", json!({"requests": [bad, plain]}), vec!["", "alice"]),
        (
            "own expired token",
            json!({"requests": [{"path": "/", "headers": {"authorization": format!("JWT {expired}")}}]}),
            vec![""],
        ),
        (
            "own empty header",
            json!({"requests": [{"path": "/", "headers": {"Authorization": ""}}]}),
            vec![""],
        ),
        ("own other scheme", json!({"requests": [basic, plain]}), vec!["", "alice"]),
        ("defaults", json!({"defaults": default("bob"), "requests": [plain, plain]}), vec!["bob", "bob"]),
        (
            "defaults and own",
            json!({"defaults": default("bob"), "requests": [own("carol"), plain]}),
            vec!["carol", "bob"],
        ),
        (
            "defaults and own bad",
            json!({"defaults": default("bob"), "requests": [bad, plain]}),
            vec!["", "bob"],
        ),
        ("bad defaults", json!({"defaults": bad, "requests": [own("carol"), plain]}), vec!["carol", ""]),
        (
            "defaults of a path",
            json!({"defaults": {"path": "/"}, "requests": [{}, own("bob")]}),
            vec!["alice", "bob"],
        ),
        (
            "other headers",
            json!({"requests": [{"path": "/", "headers": {"If-None-Match": "*", "X-Y": "é"}}]}),
            vec!["alice"],
        ),
        ("25", json!({"requests": vec![own("bob"); 25]}), vec!["bob"; 25]),
    ]
}

#[test]
fn honest_batches_are_who_kinto_jwt_says_they_are() {
    for carrier in CARRIERS {
        honest_batches(carrier);
    }
}

fn honest_batches(carrier: Carrier) {
    let behind = Kinto::start(&json!({"kinto": carrier.application()}), None);
    let policies = [
        ("public", json!({})),
        ("anonymous", json!({"unauthorizedUserId": null})),
        ("forward", json!({"forwardToken": true})),
        ("long", json!({"unauthorizedUserId": "n".repeat(300), "userIdHeader": "userId"})),
    ];
    let plugins: Vec<(&str, Value)> = policies
        .iter()
        .map(|(name, more)| (*name, as_struct(&carrier.settings(settings_with(more.clone())))))
        .collect();
    let envoy = Envoy::start(&config_of(behind.port("kinto"), &plugins));
    let applications: Value = policies.iter().map(|(name, more)| {
        let mut ini = json!({"multiauth.policies": "kinto_jwt", "multiauth.policy.kinto_jwt.use": "kinto_jwt.JWTAuthenticationPolicy", "multiauth.policy.kinto_jwt.public_key": public_key("rsa")});
        if let Some(user) = more.get("unauthorizedUserId") {
            ini["multiauth.policy.kinto_jwt.unauthorizedUserId"] = json!(user.as_str().unwrap_or("null"));
        }
        ((*name).to_owned(), json!({"settings": ini}))
    }).collect::<serde_json::Map<_, _>>().into();
    let kinto_jwt = Kinto::start(&applications, None);
    let who = [json_type(), authorization(&token("alice"))];
    for (policy, more) in &policies {
        let nobody = match more.get("unauthorizedUserId") {
            None => "kinto_jwt:public".to_owned(),
            Some(user) => {
                user.as_str().map_or_else(|| "anonymous".to_owned(), |user| format!("kinto_jwt:{user}"))
            }
        };
        for (name, batch, expected) in honest() {
            let expected: Vec<String> = expected
                .iter()
                .map(|user| if user.is_empty() { nobody.clone() } else { format!("kinto_jwt:{user}") })
                .collect();
            let body = batch.to_string();
            let theirs = users(&http::post(kinto_jwt.port(policy), "/v1/batch", &who, body.as_bytes()));
            assert_eq!(theirs, expected, "kinto_jwt, {policy}: {name}");
            let ours = users(&http::post(envoy.port(policy), "/v1/batch", &who, body.as_bytes()));
            assert_eq!(ours, expected, "{carrier:?}, {policy}: {name}");
            let chunked = http::chunked(b"/v1/batch", &who, body.as_bytes());
            assert_eq!(
                users(&http::exchange(envoy.port(policy), &chunked).unwrap()),
                expected,
                "{carrier:?}, {policy}: {name}, chunked"
            );
        }
        // Without an identity of its own, a batch gives none.
        let body = json!({"requests": [{"path": "/"}, {"path": "/", "headers": {"Authorization": format!("JWT {}", token("bob"))}}]});
        let answer = http::post(envoy.port(policy), "/v1/batch", &[json_type()], body.to_string().as_bytes());
        assert_eq!(users(&answer), [nobody.as_str(), "kinto_jwt:bob"], "{carrier:?}, {policy}");
    }
}

#[test]
fn the_data_of_a_batch_arrives_as_it_was_sent() {
    let kinto = Kinto::behind_envoy();
    let envoy =
        Envoy::start(&config_of(kinto.port("kinto"), &[("kinto", as_struct(&settings_with(json!({}))))]));
    let data = r#"{"int":12345678901234567890123,"float":1.10,"exp":1E5,"neg":-0,"text":"\u00e5\/\ud83d\ude00 å","deep":{"userId":"admin","headers":{"userId":"x"}},"list":[1,2.50,null,true]}"#;
    let record = |bucket: &str| {
        format!(
            r#"{{"defaults":{{"method":"PUT"}},"requests":[{{"path":"/buckets/{bucket}"}},{{"path":"/buckets/{bucket}/collections/c"}},{{"path":"/buckets/{bucket}/collections/c/records/r","body":{{"data":{data}}}}}]}}"#
        )
    };
    let stored = |port: u16, bucket: &str, who: (String, Vec<u8>)| {
        let answer = http::post(port, "/v1/batch", &[json_type(), who.clone()], record(bucket).as_bytes());
        let body = answer.json();
        let statuses: Vec<&Value> =
            body["responses"].as_array().unwrap().iter().map(|sub| &sub["status"]).collect();
        assert_eq!(statuses, [201, 201, 201], "{body}");
        let text = http::get(port, &format!("/v1/buckets/{bucket}/collections/c/records/r"), &[who]).body;
        let text = String::from_utf8(text).unwrap();
        let (before, rest) = text.split_once("\"last_modified\":").unwrap();
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}{after}").replace("\"id\":\"r\"", "")
    };
    let through = stored(envoy.port("kinto"), "through", authorization(&token("alice")));
    let direct = stored(kinto.port("kinto"), "direct", header("userId", "alice"));
    assert_eq!(through, direct);
}

/// Envoy's answers, or the filter's, and that Kinto never sees such a batch.
#[test]
fn what_cannot_be_vouched_for_is_refused_in_kintos_words() {
    let kinto = Kinto::behind_envoy();
    let plugins = [
        ("kinto", as_struct(&settings_with(json!({})))),
        ("small", as_struct(&settings_with(json!({"batch": {"maxBytes": 1000}})))),
    ];
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    let port = envoy.port("kinto");
    let post = |headers: &[(String, Vec<u8>)], body: &[u8]| http::post(port, "/v1/batch", headers, body);
    let utf_16 = header("Content-Type", "application/json; charset=utf-16");
    for (what, headers, body) in [
        ("charset", vec![utf_16], FORGERY.as_bytes()),
        ("gzip", vec![json_type(), header("Content-Encoding", "gzip")], FORGERY.as_bytes()),
        ("BOM", vec![json_type()], b"\xef\xbb\xbf{\"requests\":[]}"),
        ("not UTF-8", vec![json_type()], b"{\"requests\":[],\"x\":\"\xff\"}"),
        ("NaN", vec![json_type()], br#"{"requests":[{"path":"/","body":{"x":NaN}}]}"#),
        ("not JSON", vec![json_type()], b"{"),
        ("a list", vec![json_type()], b"[]"),
        ("requests no list", vec![json_type()], br#"{"requests":1}"#),
        ("no requests", vec![json_type()], b"{}"),
        ("a request no object", vec![json_type()], br#"{"requests":["/"]}"#),
        ("headers no object", vec![json_type()], br#"{"requests":[{"path":"/","headers":"userId: admin"}]}"#),
        ("defaults no object", vec![json_type()], br#"{"defaults":[],"requests":[]}"#),
        ("a path no text", vec![json_type()], br#"{"requests":[{"path":1}]}"#),
        ("a name twice", vec![json_type()], br#"{"requests":[{"path":"/","path":"/v1/"}]}"#),
        (
            "a header name with a space",
            vec![json_type()],
            br#"{"requests":[{"path":"/","headers":{"a b":"x"}}]}"#,
        ),
        ("a header value no text", vec![json_type()], br#"{"requests":[{"path":"/","headers":{"a":1}}]}"#),
        ("a batch in a batch", vec![json_type()], br#"{"requests":[{"path":"/v1/%62atch"}]}"#),
    ] {
        let answer = post(&headers, body);
        assert_eq!(answer.status, 400, "{what}: {}", String::from_utf8_lossy(&answer.body));
        let error = answer.json();
        assert_eq!((&error["code"], &error["errno"]), (&json!(400), &json!(107)), "{what}");
        assert_eq!(error["error"], "Invalid parameters", "{what}");
        assert!(answer.head.to_ascii_lowercase().contains("content-type: application/json"), "{what}");
    }
    let body = |size: usize| {
        let batch = json!({"requests": [{"path": "/"}]}).to_string();
        format!("{batch}{}", " ".repeat(size - batch.len())).into_bytes()
    };
    let small = envoy.port("small");
    for (size, status) in [(1000, 200), (1001, 413)] {
        assert_eq!(http::post(small, "/v1/batch", &[json_type()], &body(size)).status, status, "{size}");
        let chunked = http::chunked(b"/v1/batch", &[json_type()], &body(size));
        assert_eq!(http::exchange(small, &chunked).unwrap().status, status, "{size}, chunked");
    }
    let error = http::post(small, "/v1/batch", &[json_type()], &body(1001)).json();
    assert_eq!((&error["code"], &error["errno"]), (&json!(413), &json!(113)));
    assert_eq!(post(&[json_type()], &body(1_048_576)).status, 200, "the default limit");
    assert_eq!(post(&[json_type()], &body(1_048_577)).status, 413, "over the default limit");
    assert_eq!(post(&[json_type()], b"").status, 400, "no body is Kinto's to refuse");
}

/// The servers that Kinto's documentation names read what the filter wrote, whatever length was announced.
#[test]
fn waitress_gunicorn_uwsgi_and_granian_read_the_same_batch() {
    for carrier in CARRIERS {
        wsgi_servers(carrier);
    }
}

fn wsgi_servers(carrier: Carrier) {
    let servers = Servers::start(&carrier.application());
    let plugins = [
        ("public", json!({})),
        ("forward", json!({"forwardToken": true})),
        ("latin-1", json!({"userIdCharset": "latin-1"})),
    ];
    let settings = |more: &Value| as_struct(&carrier.settings(settings_with(more.clone())));
    let plugins: Vec<(&str, Value)> = plugins.iter().map(|(name, more)| (*name, settings(more))).collect();
    for (server, port) in servers.ports() {
        let mut config = config_of(port, &plugins);
        closing_after_each(&mut config);
        let envoy = Envoy::start(&config);
        for policy in ["public", "forward"] {
            for (name, batch, expected) in honest() {
                let expected: Vec<String> = expected
                    .iter()
                    .map(|user| format!("kinto_jwt:{}", if user.is_empty() { "public" } else { user }))
                    .collect();
                let who = [json_type(), authorization(&token("alice"))];
                let answer = http::post(envoy.port(policy), "/v1/batch", &who, batch.to_string().as_bytes());
                assert_eq!(users(&answer), expected, "{server}, {policy}: {name}");
            }
        }
        let user = |policy: &str, user: &str| {
            http::get(envoy.port(policy), "/v1/", &[authorization(&token(user))]).user()
        };
        // Granian hands a value with a byte above 0x7F to Kinto as the empty text: all such users would be one.
        for name in ["ålice", "élan", "müller ÿ"].into_iter().filter(|_| carrier == Carrier::Header) {
            assert_eq!(user("public", name), "kinto_jwt:public", "{server}: {name}");
            let carried = if server == "granian" { "" } else { name };
            assert_eq!(user("latin-1", name), format!("kinto_jwt:{carried}"), "{server}: {name}");
        }
        for name in
            ["alice", "ålice", "日本 😀", " a ", "a\tb\r\nuserId: admin", "\u{0}\u{1}", "a!b|c=\"d\";e,%41+/"]
        {
            let name = if carrier == Carrier::Ticket { name } else { "alice" };
            assert_eq!(user("public", name), format!("kinto_jwt:{name}"), "{server}");
        }
    }
}

/// HTTP/2 may end a body with trailers, and then no body callback tells the end.
#[test]
fn a_batch_that_ends_in_trailers_is_checked_too() {
    for carrier in CARRIERS {
        batches_with_trailers(carrier);
    }
}

fn batches_with_trailers(carrier: Carrier) {
    let kinto = Kinto::start(&json!({"kinto": carrier.application()}), None);
    let settings = as_struct(&carrier.settings(settings_with(json!({}))));
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &[("kinto", settings)]));
    let send = |batch: &Value, trailers: &str| {
        let headers = vec![json_type(), authorization(&token("alice"))];
        let trailers =
            trailers.split_once(": ").map(|(name, value)| header(name, value)).into_iter().collect();
        let (line, body) = (("POST", "/v1/batch"), batch.to_string());
        let (_, answer) = over_h2(envoy.port("kinto"), line, &headers, &body, &trailers, Duration::ZERO);
        let body: Value = serde_json::from_str(&answer).unwrap();
        body["responses"].as_array().unwrap().iter().map(|sub| http::user(&sub["body"])).collect::<Vec<_>>()
    };
    let batch = json!({"requests": [{"path": "/", "headers": {"userId": "admin"}}, {"path": "/", "headers": {"Authorization": format!("JWT {}", token("bob"))}}]});
    for trailers in ["", "x-checksum: 1", "userid: admin", "cookie: kjwt=x"] {
        assert_eq!(send(&batch, trailers), ["kinto_jwt:alice", "kinto_jwt:bob"], "{trailers}");
    }
}

/// A request that is none is left alone: its body streams and is not looked at.
#[test]
fn other_bodies_pass_untouched() {
    let kinto = Kinto::behind_envoy();
    let envoy = Envoy::start(&config_of(
        kinto.port("kinto"),
        &[("kinto", as_struct(&settings_with(json!({"batch": {"maxBytes": 10}}))))],
    ));
    let alice = authorization(&token("alice"));
    let put = |path: &str, body: &str| {
        let headers: Headers = vec![json_type(), alice.clone()];
        http::exchange(envoy.port("kinto"), &http::bytes("PUT", path.as_bytes(), &headers, body.as_bytes()))
            .unwrap()
            .status
    };
    assert_eq!(put("/v1/buckets/b", "{}"), 201);
    assert_eq!(put("/v1/buckets/b/collections/batch", "{}"), 201);
    let body = json!({"data": {"headers": {"userId": "x"}, "text": "x".repeat(400_000)}}).to_string();
    assert_eq!(put("/v1/buckets/b/collections/batch/records/batch", &body), 201);
}

/// Kinto keeps the user of the first sub-request for all that was created, updated or deleted in one list.
#[test]
fn kintos_history_names_the_first_user_of_a_batch_for_all() {
    let mut application = Carrier::Header.application();
    application["settings"]["kinto.includes"] = json!("kinto.plugins.default_bucket kinto.plugins.history");
    let kinto = Kinto::start(&json!({"kinto": application}), None);
    let plugin = |own: &str| as_struct(&settings_with(json!({"batch": {"ownTokens": own}})));
    let plugins = [
        ("default", as_struct(&settings_with(json!({})))),
        ("allow", plugin("allow")),
        ("refuse", plugin("refuse")),
    ];
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    let alice = authorization(&token("alice"));
    let put = |path: &str, body: Value| {
        let headers = [json_type(), alice.clone()];
        let request = http::bytes("PUT", path.as_bytes(), &headers, body.to_string().as_bytes());
        assert_eq!(http::exchange(envoy.port("default"), &request).unwrap().status, 201, "{path}");
    };
    let bob = format!("JWT {}", token("bob"));
    for (listener, status, users) in [
        // Bob's record is his, and the history says that the public user has made it.
        ("default", 200, &["kinto_jwt:public"; 2][..]),
        ("allow", 200, &["kinto_jwt:public"; 2]),
        ("refuse", 400, &[]),
    ] {
        put(&format!("/v1/buckets/of-{listener}"), json!({"permissions": {"write": ["system.Everyone"]}}));
        put(&format!("/v1/buckets/of-{listener}/collections/c"), json!({}));
        let records = format!("/v1/buckets/of-{listener}/collections/c/records");
        let batch = json!({"requests": [
            {"method": "PUT", "path": format!("{records}/of-nobody")},
            {"method": "PUT", "path": format!("{records}/of-bob"), "headers": {"Authorization": bob}},
        ]});
        let answer =
            http::post(envoy.port(listener), "/v1/batch", &[json_type()], batch.to_string().as_bytes());
        assert_eq!(answer.status, status, "{listener}: {}", answer.json());
        let get = |path: &str| http::get(envoy.port("default"), path, std::slice::from_ref(&alice)).json();
        let stored = get(&records)["data"].as_array().unwrap().len();
        assert_eq!(stored, users.len(), "{listener}: {}", answer.json());
        let history = get(&format!("/v1/buckets/of-{listener}/history?resource_name=record"));
        let named: Vec<&str> = history["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["user_id"].as_str().unwrap())
            .collect();
        assert_eq!(named, users, "{listener}: {history}");
        if status == 200 {
            let made = &answer.json()["responses"][1];
            assert_eq!(made["body"]["permissions"]["write"], json!(["kinto_jwt:bob"]), "{listener}: {made}");
        } else {
            let refused = answer.json();
            assert_eq!((&refused["code"], &refused["errno"]), (&json!(400), &json!(107)), "{refused}");
        }
    }
    // One user for all, by two tokens: it is named for both.
    let own = json!({"method": "PUT", "path": "/v1/buckets/of-refuse/collections/c/records/own", "headers": {"Authorization": bob}});
    let batch = json!({"requests": [own, {"method": "PUT", "path": "/v1/buckets/of-refuse/collections/c/records/other"}]});
    let headers = [json_type(), authorization(&token("bob"))];
    let answer = http::post(envoy.port("refuse"), "/v1/batch", &headers, batch.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.json());
    let history =
        http::get(envoy.port("default"), "/v1/buckets/of-refuse/history?resource_name=record", &[alice])
            .json();
    let named: Vec<&str> =
        history["data"].as_array().unwrap().iter().map(|entry| entry["user_id"].as_str().unwrap()).collect();
    assert_eq!(named, ["kinto_jwt:bob"; 2], "{history}");
}
