//! Kinto's answer to a batch of which the filter rejected a part, put together, or cut off where it is not what Kinto
//! sends.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use kit::forgeries::json_type;
use kit::http::{self, Response, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

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
    let reject = settings_with(json!({"onMissing": "reject", "onInvalid": "reject"}));
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
        &[("kinto", as_struct(&settings_with(json!({"onMissing": "reject", "onInvalid": "reject"}))))],
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
