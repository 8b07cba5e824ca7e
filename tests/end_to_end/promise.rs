//! What was broken once: requests that are not decided yet, answers that cannot be put together, headers that could be
//! guessed, each in the real Envoy.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use kit::forgeries::{FORGERY, forgeries, json_type, redirected, without_safeguards};
use kit::http::{self, Headers, Response, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, config_of, demo_config, made, manager, project, wait_for, wasm};
use kit::table::with;
use kit::tokens::{b64, jws, now, rs256};

fn json_headers(headers: &Headers) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect();
    json!(pairs).to_string()
}

/// Sends a request over HTTP/2, with a pause before each half of its body and before its trailers.
pub(crate) fn over_h2(
    port: u16,
    (method, path): (&str, &str),
    headers: &Headers,
    body: &str,
    trailers: &Headers,
    pause: Duration,
) -> (u16, String) {
    let output = Command::new(made(".venv/bin/python"))
        .arg(project("tests/end_to_end/h2_request.py"))
        .args([&port.to_string(), method, path, &json_headers(headers), body, &json_headers(trailers)])
        .arg(pause.as_secs_f32().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, body) = text.split_once('\n').unwrap();
    (status.parse().unwrap_or_default(), body.to_owned())
}

/// F1. Kinto follows redirects inside a batch, to where the client's query says.
#[test]
fn a_batch_inside_a_batch_is_refused_whatever_leads_to_it() {
    let kinto = Kinto::observed();
    let reject = json!({"onMissing": "reject", "onInvalid": "reject"});
    let plugins = [("defaults", as_struct(&with(json!({})))), ("reject", as_struct(&with(reject)))];
    let mut config = config_of(kinto.port("kinto"), &plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        without_safeguards(listener);
    }
    let envoy = Envoy::start(&config);
    let mut dangerous = 0;
    let batches = redirected();
    for batch in &batches {
        let request = http::bytes("POST", b"/v1/batch", &[json_type()], batch.as_bytes());
        let bare = http::exchange(kinto.port("kinto"), &request).expect("an answer");
        dangerous += usize::from(String::from_utf8_lossy(&bare.body).contains("kinto_jwt:admin"));
        for (name, _) in &plugins {
            let answer = http::exchange(envoy.port(name), &request).expect("an answer");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("kinto_jwt:admin"), "{name}: {batch}");
            assert_eq!((answer.status, answer.json()["errno"].clone()), (400, json!(107)), "{name}: {batch}");
            assert!(!answer.head.to_ascii_lowercase().contains("x-seen-users"), "{name}: Kinto saw {batch}");
        }
    }
    assert!(dangerous * 10 > batches.len() * 9, "{dangerous} of {} forge without the filter", batches.len());
}

/// Whether a request that waits for keys is decided before anything of it goes on, whatever Envoy does meanwhile.
fn undecided(stop_iteration: bool, keys_come: bool) {
    let issuer = Issuer::start();
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]).held());
    let settings = json!({
        "algorithm": "ES256",
        "remoteJwks": {"uri": "http://i/jwks", "cluster": "issuer", "timeoutSeconds": if keys_come { 20 } else { 1 }},
    });
    let mut config = config_of(http::echo(), &[("kinto", as_struct(&settings))]);
    let listener = &mut config["static_resources"]["listeners"][0];
    without_safeguards(listener);
    wasm(listener)["allow_on_headers_stop_iteration"] = json!(stop_iteration);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
    let envoy = Envoy::start(&config);
    let port = envoy.port("kinto");

    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let good = jws("ES256", "p256", r#"{"alg":"ES256","kid":"a"}"#, &claims);
    let junk = format!("{}.{}.{}", b64(r#"{"alg":"ES256","kid":"a"}"#), b64(&claims), b64([7; 64]));
    let token = if keys_come { good } else { junk };
    let headers = |more: &[(&str, &str)]| -> Headers {
        let own = [authorization(&token), header("userId", "admin"), json_type()];
        own.into_iter().chain(more.iter().map(|(name, value)| header(name, value))).collect()
    };
    let put = r#"{"data":{"userId":"kept"}}"#.to_owned();
    // The body is larger than what comes with the head.
    let batch = format!("{FORGERY}{}", " ".repeat(30_000));
    let drip = |request: Vec<u8>| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        for part in [&request[..head], &request[head..head + 10]] {
            (&stream).write_all(part).unwrap();
            sleep(Duration::from_millis(150));
        }
        http::exchange_on(stream, &request[head + 10..])
    };
    let ask = |request: &[u8]| http::exchange(port, request);
    let h1 = |answer: Option<Response>| {
        let answer = answer.expect("an answer");
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    type Job<'j> = (String, Box<dyn FnOnce() -> (u16, String) + Send + 'j>);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for (method, path, body) in [("PUT", "/v1/buckets/b", &put), ("POST", "/v1/batch", &batch)] {
        let (headers, h1, ask, drip) = (&headers, &h1, &ask, &drip);
        let mut add = |how: &str, job| jobs.push((format!("{method}, {how}"), job));
        let whole = http::bytes(method, path.as_bytes(), &headers(&[]), body.as_bytes());
        let dripped = whole.clone();
        let chunked = http::chunked_as(method, path.as_bytes(), &headers(&[]), body.as_bytes());
        let chunked_drip = chunked.clone();
        add("in one piece", Box::new(move || h1(ask(&whole))));
        add("dripped", Box::new(move || h1(drip(dripped))));
        add("chunked", Box::new(move || h1(ask(&chunked))));
        add("chunked and dripped", Box::new(move || h1(drip(chunked_drip))));
        for (how, pause, trailers) in [
            ("h2", 0, vec![]),
            ("h2 dripped", 150, vec![]),
            ("h2 with trailers", 0, vec![header("userid", "admin")]),
            ("h2 dripped with trailers", 150, vec![header("userid", "admin"), header("x-checksum", "1")]),
        ] {
            let (pause, line) = (Duration::from_millis(pause), (method, path));
            add(how, Box::new(move || over_h2(port, line, &headers(&[]), body, &trailers, pause)));
        }
    }
    let mut answers: Vec<(String, (u16, String))> = Vec::new();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = jobs.into_iter().map(|(how, job)| (how, scope.spawn(job))).collect();
        // A client that goes while its request waits.
        for body in [&put, &batch] {
            let request = http::bytes("PUT", b"/v1/gone", &headers(&[]), body.as_bytes());
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(&request[..request.len() - 1]).unwrap();
            sleep(Duration::from_millis(100));
        }
        issuer.wait_for("/jwks", 1);
        if keys_come {
            sleep(Duration::from_millis(900));
            assert_eq!(envoy.stat("cluster.kinto.upstream_rq_total"), 0, "before the keys have come");
            issuer.release();
        }
        for (how, client) in waiting {
            answers.push((how, client.join().unwrap()));
        }
    });
    assert_eq!(answers.len(), 16);
    for (how, (status, received)) in answers {
        let what = format!("{how}, option {stop_iteration}");
        if !keys_come {
            assert_eq!(status, 503, "{what}: {received}");
            continue;
        }
        assert_eq!(status, 200, "{what}: {received}");
        let (head, body) = received.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: {received}"));
        let users: Vec<&str> =
            head.lines().filter(|line| line.to_ascii_lowercase().starts_with("userid")).collect();
        assert_eq!(users, ["userid: alice"], "{what}");
        assert!(!received.contains("admin"), "{what}: {received}");
        assert!(how.starts_with("POST") || body.contains("kept"), "{what}: {received}");
    }
    if !keys_come {
        assert_eq!(envoy.stat("cluster.kinto.upstream_rq_total"), 0, "nothing reached the upstream");
    }
    let log = envoy.log();
    assert!(!log.contains("panicked") && !log.contains("Uncaught"), "{log}");
}

/// F2. With Envoy's plugin option `allow_on_headers_stop_iteration` the body comes while the headers wait.
#[test]
fn an_undecided_request_goes_nowhere() {
    for stop_iteration in [false, true] {
        undecided(stop_iteration, false);
    }
}

#[test]
fn a_request_that_waited_goes_on_as_decided() {
    for stop_iteration in [false, true] {
        undecided(stop_iteration, true);
    }
}

/// An upstream that answers each request with these bytes, whatever it is; it ends with the test process.
fn answering(answer: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 65_536];
            while !request.windows(4).any(|w| w == b"]}\r\n") && !request.ends_with(b"0\r\n\r\n") {
                let read = stream.read(&mut chunk).unwrap_or_default();
                request.extend_from_slice(&chunk[..read]);
                let text = String::from_utf8_lossy(&request);
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    http::content_length(head).is_some_and(|length| body.len() >= length)
                });
                if read == 0 || whole {
                    break;
                }
            }
            let _ = stream.write_all(&answer());
        }
    });
    port
}

/// F7. Kinto's answer to a batch of which a part is rejected, where it is not what Kinto sends.
#[test]
fn an_answer_that_cannot_be_put_together_is_an_error_and_nothing_is_shifted() {
    let reject = with(json!({"onMissing": "reject", "onInvalid": "reject"}));
    let good = format!("JWT {}", rs256(&json!({"sub": "alice", "exp": now() + 600})));
    let own = json!({"path": "/v1/", "headers": {"Authorization": good}});
    let batch = json!({"requests": [{"path": "/v1/x"}, own, {"path": "/v1/y"}, own]}).to_string();
    let entry =
        |number: usize| json!({"status": 200, "path": "/v1/", "headers": {}, "body": {"number": number}});
    let list = |count: usize| json!({"responses": (1..=count).map(entry).collect::<Vec<_>>()}).to_string();
    let head = |more: &str, length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n"
        )
    };
    let plain = |more: &str, body: String| [head(more, body.len()).into_bytes(), body.into_bytes()].concat();
    let chunked = |body: &str, trailers: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n0\r\n{trailers}\r\n", body.len()).into_bytes()
    };
    let post = |upstream: u16| {
        let envoy = Envoy::start(&config_of(upstream, &[("kinto", as_struct(&reject))]));
        let answer = http::exchange(
            envoy.port("kinto"),
            &http::bytes("POST", b"/v1/batch", &[json_type()], batch.as_bytes()),
        );
        assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
        answer
    };
    let in_order = |answer: Response, what: &str| {
        let answer = answer.json();
        let entries = answer["responses"].as_array().unwrap_or_else(|| panic!("{what}: {answer}"));
        let numbers: Vec<Value> = entries.iter().map(|entry| entry["body"]["number"].clone()).collect();
        assert_eq!(numbers, [json!(null), json!(1), json!(null), json!(2)], "{what}");
        assert_eq!((&entries[0]["status"], &entries[0]["path"]), (&json!(401), &json!("/v1/x")), "{what}");
        assert_eq!((&entries[2]["status"], &entries[2]["path"]), (&json!(401), &json!("/v1/y")), "{what}");
    };
    for (what, answer) in [
        ("as Kinto sends it", plain("", list(2))),
        ("with trailers", chunked(&list(2), "X-Checksum: 1\r\n")),
        ("identity", plain("Content-Encoding: identity\r\n", list(2))),
        ("no coding", plain("Content-Encoding: \r\n", list(2))),
        ("in UTF-8", plain("", list(2)).replace_text("application/json", "application/json; charset=UTF-8")),
    ] {
        in_order(post(answering(move || answer.clone())).expect(what), what);
    }
    // Before the head has gone on: an error in Kinto's format, which says what has been done.
    for (what, answer) in [
        ("encoded", plain("Content-Encoding: gzip\r\n", list(2))),
        ("twice encoded", plain("Content-Encoding: identity, br\r\n", list(2))),
        ("no body", plain("", String::new())),
        ("no JSON", plain("", list(2)).replace_text("application/json", "text/html")),
        ("another JSON", plain("", list(2)).replace_text("application/json", "application/jsonx")),
        (
            "in UTF-16",
            plain("", list(2)).replace_text("application/json", "application/json; charset=utf-16"),
        ),
    ] {
        let answer = post(answering(move || answer.clone())).expect(what);
        assert_eq!((answer.status, answer.json()["code"].clone()), (502, json!(502)), "{what}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("were carried out"), "{what}: {message}");
    }
    // Later, the answer is cut off: no client reads it as a whole one.
    for (what, answer) in [
        ("too few", plain("", list(1))),
        ("too many", plain("", list(3))),
        ("an error", plain("", json!({"code": 500}).to_string())),
        ("half", plain("", list(2)[..60].to_owned())),
        ("more", plain("", format!("{} x", list(2)))),
    ] {
        if let Some(answer) = post(answering(move || answer.clone())) {
            let read = serde_json::from_slice::<Value>(&answer.body);
            assert!(read.is_err(), "{what}: {}", String::from_utf8_lossy(&answer.body));
        }
    }
    // Kinto is asked for an answer that can be read, whatever the client accepts.
    let envoy = Envoy::start(&config_of(http::echo(), &[("kinto", as_struct(&reject))]));
    let headers = [json_type(), header("Accept-Encoding", "gzip, br")];
    let all = json!({"requests": [own]}).to_string();
    let received = http::post(envoy.port("kinto"), "/v1/batch", &headers, all.as_bytes()).body;
    let received = String::from_utf8(received).unwrap();
    let codings: Vec<&str> = received.lines().filter(|line| line.starts_with("accept-encoding")).collect();
    assert_eq!(codings, ["accept-encoding: identity"], "{received}");
    // Kinto's own errors, of the whole batch, pass as they are.
    let error = json!({"code": 503, "errno": 201}).to_string();
    let refused = plain("", error.clone()).replace_text("200 OK", "503 Service Unavailable");
    let answer = post(answering(move || refused.clone())).expect("an answer");
    assert_eq!((answer.status, answer.body), (503, error.into_bytes()));
}

trait ReplaceText {
    fn replace_text(&self, from: &str, to: &str) -> Vec<u8>;
}

impl ReplaceText for Vec<u8> {
    fn replace_text(&self, from: &str, to: &str) -> Vec<u8> {
        String::from_utf8(self.clone()).unwrap().replace(from, to).into_bytes()
    }
}

/// F7. An answer larger than Envoy's buffers is put together all the same: it is not held.
#[test]
fn an_answer_larger_than_envoys_buffers_is_put_together() {
    let kinto = Kinto::behind_envoy();
    let mut config = config_of(
        kinto.port("kinto"),
        &[("kinto", as_struct(&with(json!({"onMissing": "reject", "onInvalid": "reject"}))))],
    );
    for part in ["listeners", "clusters"] {
        config["static_resources"][part][0]["per_connection_buffer_limit_bytes"] = json!(32_768);
    }
    let envoy = Envoy::start(&config);
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));
    let record = "/v1/buckets/default/collections/c/records/r";
    let body = json!({"data": {"text": "x]}[{\"".repeat(10_000)}}).to_string();
    let put = http::bytes("PUT", record.as_bytes(), &[json_type(), alice.clone()], body.as_bytes());
    assert_eq!(http::exchange(envoy.port("kinto"), &put).unwrap().status, 201);
    let own = json!({"path": record, "headers": {"Authorization": String::from_utf8_lossy(&alice.1)}});
    let batch = json!({"requests": [{"path": "/v1/x"}, own, own, own, own, {"path": "/v1/y"}]}).to_string();
    let answer = http::post(envoy.port("kinto"), "/v1/batch", &[json_type()], batch.as_bytes()).json();
    let statuses: Vec<u64> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [401, 200, 200, 200, 200, 401]);
}

/// F8. Strangers with unknown keys take no place from a user of a new key.
#[test]
fn strangers_who_wait_push_nobody_out() {
    const STRANGERS: usize = 600;
    let issuer = Issuer::start();
    issuer.answer("/jwks", Answer::keys(&[("a", "p256")]));
    let settings = json!({
        "algorithm": "ES256",
        "onInvalid": "reject",
        "remoteJwks": {"uri": "http://i/jwks", "cluster": "issuer", "timeoutSeconds": 60, "cooldownSeconds": 1},
    });
    let mut config = config_of(1, &[("kinto", as_struct(&settings))]);
    // Kinto's server would be too few at once: Envoy itself answers those that pass.
    let manager = manager(&mut config["static_resources"]["listeners"][0]);
    manager["route_config"]["virtual_hosts"][0]["routes"] =
        json!([{"match": {"prefix": "/"}, "direct_response": {"status": 204}}]);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
    let envoy = Envoy::start(&config);
    let port = envoy.port("kinto");
    let token = |kid: &str, key: &str, number: usize| {
        let claims = json!({"sub": "alice", "exp": now() + 600, "jti": number.to_string()}).to_string();
        jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims)
    };
    let status = |token: &str| http::get(port, "/v1/", &[authorization(token)]).status;
    wait_for("the first keys", || (status(&token("a", "p256", 0)) == 204).then_some(()));

    sleep(Duration::from_millis(1300));
    issuer.answer("/jwks", Answer::keys(&[("a", "p256"), ("b", "p256-other")]).held());
    let strangers: Vec<TcpStream> = (0..STRANGERS)
        .map(|number| {
            let junk = format!(
                "{}.e30.{}",
                b64(json!({"alg": "ES256", "kid": number.to_string()}).to_string()),
                b64([7; 64])
            );
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(&http::bytes("GET", b"/v1/", &[authorization(&junk)], b"")).unwrap();
            stream
        })
        .collect();
    issuer.wait_for("/jwks", 2);
    wait_for("all strangers", || {
        (envoy.stat("http.kinto.downstream_rq_active") >= u64::try_from(STRANGERS).unwrap()).then_some(())
    });
    std::thread::scope(|scope| {
        let user = scope.spawn(|| status(&token("b", "p256-other", 1)));
        sleep(Duration::from_millis(300));
        assert!(!user.is_finished(), "the user of a new key waits for it");
        issuer.release();
        assert_eq!(user.join().unwrap(), 204, "{}", envoy.log());
    });
    for stream in strangers {
        assert_eq!(http::exchange_on(stream, b"").unwrap().status, 401);
    }
    // Envoy lets requests go on one inside the other: too many at once are more than V8's stack holds.
    assert!(!envoy.log().contains("Uncaught"), "{}", envoy.log());
}

/// The second lock: a header whose name a stranger would have to guess, and where the name must not be found.
#[test]
fn an_identity_header_with_a_random_part_is_found_nowhere() {
    let digits = "0123456789abcdef0123456789abcdef";
    let name = format!("userId-{digits}");
    let key = format!("HTTP_USERID_{}", digits.to_ascii_uppercase());
    let ini = json!({"ini": project("envoy/kinto.ini"), "observe": true,
        "settings": {"multiauth.policy.kinto_jwt.environ_key": key}});
    let kinto = Kinto::start(&json!({"kinto": ini}), None);
    let mut config = demo_config(kinto.port("kinto"));
    let listener = &mut config["static_resources"]["listeners"][0];
    without_safeguards(listener);
    let settings = with(json!({"userIdHeader": name, "onInvalid": "reject"}));
    wasm(listener)["configuration"] = as_struct(&settings);
    let envoy = Envoy::start(&config);
    let port = envoy.port("kinto");
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));

    assert_eq!(http::get(port, "/v1/", std::slice::from_ref(&alice)).user(), "kinto_jwt:alice");
    assert_eq!(http::get(port, "/v1/", &[header("userId", "admin")]).user(), "kinto_jwt:public");
    // Even who knows it, in every spelling, is nobody.
    for spelling in [name.clone(), name.to_ascii_uppercase(), name.replace('-', "_")] {
        assert_eq!(
            http::get(port, "/v1/", &[header(&spelling, "admin")]).user(),
            "kinto_jwt:public",
            "{spelling}"
        );
        let batch = json!({"requests": [{"path": "/", "headers": {spelling.as_str(): "admin"}}]}).to_string();
        let answer = http::post(port, "/v1/batch", &[json_type(), alice.clone()], batch.as_bytes()).json();
        assert_eq!(http::user(&answer["responses"][0]["body"]), "kinto_jwt:alice", "{spelling}");
    }
    // A Kinto that still trusts the usual header does not get the client's.
    let before = Kinto::behind_envoy();
    let mut mismatched = config_of(before.port("kinto"), &[("mismatched", as_struct(&settings))]);
    without_safeguards(&mut mismatched["static_resources"]["listeners"][0]);
    let mismatched = Envoy::start(&mismatched);
    for spelling in ["userId", "USERID", "userid"] {
        let headers = [header(spelling, "admin"), json_type()];
        assert_eq!(
            http::get(mismatched.port("mismatched"), "/v1/", &headers).user(),
            "anonymous",
            "{spelling}"
        );
        for batch in [
            json!({"requests": [{"path": "/", "headers": {spelling: "admin"}}]}),
            json!({"defaults": {"headers": {spelling: "admin"}}, "requests": [{"path": "/"}]}),
        ] {
            let answer = http::post(
                mismatched.port("mismatched"),
                "/v1/batch",
                &headers,
                batch.to_string().as_bytes(),
            );
            assert_eq!(http::user(&answer.json()["responses"][0]["body"]), "anonymous", "{batch}");
        }
    }
    // Whatever is sent, the name is in no answer, no log and no metric.
    let mut answers = Vec::new();
    let bad = header("Authorization", "JWT a.b.c");
    let own = json!({"requests": [{"path": "/v1/", "headers": {"Authorization": String::from_utf8_lossy(&alice.1)}}, {"path": "/v1/x", "method": "TRACE"}, {"path": "/v1/buckets/b", "method": "PUT", "headers": {"If-Match": "x"}}]});
    for request in forgeries(std::slice::from_ref(&alice)).into_iter().chain([
        http::bytes("POST", b"/v1/batch", &[json_type(), alice.clone()], own.to_string().as_bytes()),
        http::bytes("TRACE", b"/v1/", std::slice::from_ref(&alice), b""),
        http::bytes("GET", b"/v1/x", &[bad], b""),
        http::bytes("GET", b"/v1/%ff", std::slice::from_ref(&alice), b""),
    ]) {
        answers.extend(http::exchange(port, &request).map(|answer| (answer.head, answer.body)));
    }
    let stats = http::get(envoy.admin, "/stats/prometheus", &[]);
    answers.push((stats.head, stats.body));
    for (head, body) in &answers {
        let text = format!("{head}{}", String::from_utf8_lossy(body)).to_ascii_lowercase();
        assert!(!text.contains(digits), "{text}");
    }
    assert!(answers.len() > 300, "{}", answers.len());
    assert!(!envoy.log().to_ascii_lowercase().contains(digits), "the name is in Envoy's log");
    for settings in [
        json!({"userIdHeader": name, "http_header": name}),
        json!({"userIdHeader": name, "claimsToHeaders": {name.as_str(): "x"}}),
        json!({"userIdHeader": format!("{name} ")}),
    ] {
        let error = kinto_jwt_filter::parse_config(with(settings).to_string().as_bytes(), None).unwrap_err();
        assert!(!error.to_string().contains(digits), "{error}");
    }
}
