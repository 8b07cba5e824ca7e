//! A request that is not decided yet, because its key has to come first: nothing of it goes on.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use kit::forgeries::{FORGERY, json_type, without_safeguards};
use kit::http::{self, Headers, Response, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, as_struct, config_of, made, manager, project, wait_for, wasm};
use kit::tokens::{b64, jws, now};

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
    let answer_over_h1 = |answer: Option<Response>| {
        let answer = answer.expect("an answer");
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    type Job<'j> = (String, Box<dyn FnOnce() -> (u16, String) + Send + 'j>);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for (method, path, body) in [("PUT", "/v1/buckets/b", &put), ("POST", "/v1/batch", &batch)] {
        let (headers, answer_over_h1, ask, drip) = (&headers, &answer_over_h1, &ask, &drip);
        let mut add = |how: &str, job| jobs.push((format!("{method}, {how}"), job));
        let whole = http::bytes(method, path.as_bytes(), &headers(&[]), body.as_bytes());
        let dripped = whole.clone();
        let chunked = http::chunked_as(method, path.as_bytes(), &headers(&[]), body.as_bytes());
        let chunked_drip = chunked.clone();
        add("in one piece", Box::new(move || answer_over_h1(ask(&whole))));
        add("dripped", Box::new(move || answer_over_h1(drip(dripped))));
        add("chunked", Box::new(move || answer_over_h1(ask(&chunked))));
        add("chunked and dripped", Box::new(move || answer_over_h1(drip(chunked_drip))));
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
