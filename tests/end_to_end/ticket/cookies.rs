//! Cookies as WebOb reads them, compared with WebOb itself.

use std::io::Write;
use std::process::{Command, Stdio};

use kinto_jwt_filter::{BatchRequest, Gate, UnknownKeys, parse_config, rewrite_batch};
use serde_json::{Value, json};

use kit::carrier::Carrier;
use kit::http;
use kit::random::Random;
use kit::servers::made;
use kit::table::{Case, settings_with};
use kit::tokens::{now, rs256};

/// Spellings of a cookie, TICKET for its value.
pub(crate) const SPELLINGS: [&str; 22] = [
    "kjwt=TICKET",
    "kjwt=\"TICKET\"",
    "kjwt =TICKET",
    "kjwt\t=\tTICKET",
    "kjwt= TICKET",
    "a=1;kjwt=TICKET",
    "a=1; kjwt=TICKET; b=2",
    "kjwt=x; kjwt=TICKET",
    "kjwt=TICKET; kjwt",
    "a=1, kjwt=TICKET",
    "a kjwt=TICKET",
    "\"kjwt=TICKET",
    "a=\"\"kjwt=TICKET",
    "a=\"x\" kjwt=TICKET",
    "[kjwt=TICKET",
    "a=Wed, 01-Jan-2020 00:00:00 GMTkjwt=TICKET",
    "a=\"; kjwt=TICKET",
    "a=\\\"; kjwt=TICKET",
    "a=\\; kjwt=TICKET",
    "{\"kjwt=TICKET\"}",
    ";;=; kjwt=TICKET;",
    "kjwt=\"TICKET",
];

/// What a made-up cookie consists of.
const PARTS: [&str; 36] = [
    "kjwt",
    "kjwt",
    "kjwt",
    "=",
    "=",
    "=",
    ";",
    ";",
    "; ",
    " ",
    "\t",
    ",",
    "\"",
    "\"",
    "\\",
    "\\3",
    "\\351",
    "a",
    "b=1",
    "x",
    "kj",
    "wt",
    "KJWT",
    "(",
    "@",
    "[",
    "Wed, 01-Jan-2020 00:00:00 GMT",
    "GMT",
    "kjwt=TICKET",
    "kjwt=TICKET",
    "é",
    "日",
    "$",
    "'",
    "=kjwt=",
    "userid_type:b64unicode",
];

const READ: &str = "
import json, sys
from webob import Request
def cookies(header):
    try:
        return dict(Request.blank('/', headers={'Cookie': header}).cookies)
    except Exception as error:
        return repr(error)
json.dump([cookies(header) for header in json.load(sys.stdin)], sys.stdout)
";

/// What WebOb reads in these fields.
fn webob(fields: &[String]) -> Vec<Value> {
    let mut python = Command::new(made(".venv/bin/python"))
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let text = json!(fields).to_string();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A made-up cookie field.
fn made_up(random: &mut Random) -> String {
    (0..=random.below(12)).map(|_| random.pick(&PARTS)).collect()
}

#[test]
fn webob_finds_the_ticket_of_the_filter_and_no_other() {
    const FIELDS: usize = 20_000;
    let settings = Carrier::Ticket.settings(settings_with(json!({"unauthorizedUserId": null})));
    let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
    let token = rs256(&json!({"sub": "alice", "exp": now() + 600}));
    let headers = [vec![http::authorization(&token)], Vec::new()];
    let mut random = Random::of_case(1, 0);
    let spelled = SPELLINGS.iter().map(|spelling| (*spelling).to_owned());
    let sent: Vec<String> =
        spelled.chain(std::iter::repeat_with(|| made_up(&mut random))).take(FIELDS).collect();
    let before = webob(&sent);
    let theirs = before
        .iter()
        .filter(|cookies| cookies["kjwt"].as_str().is_some_and(|value| value.contains("TICKET")));
    let theirs = theirs.count();
    assert!(theirs * 20 > FIELDS, "only {theirs} of {FIELDS} fields have a ticket for WebOb");
    for headers in headers {
        let is_alice = !headers.is_empty();
        let outer = BatchRequest::new(
            gate.decide(&Case::new("", headers, Ok("")), now()),
            "/v1".to_owned(),
            Vec::new(),
        );
        let written: Vec<String> = sent
            .iter()
            .map(|cookie| {
                let batch = json!({"requests": [{"path": "/", "headers": {"Cookie": cookie}}]}).to_string();
                let rewritten =
                    rewrite_batch(&gate, batch.as_bytes(), &outer, now(), UnknownKeys::AreInvalid).unwrap();
                let batch: Value = serde_json::from_slice(&rewritten.body).unwrap();
                batch["requests"][0]["headers"]["Cookie"].as_str().unwrap().to_owned()
            })
            .collect();
        for (number, (cookies, written)) in webob(&written).into_iter().zip(&written).enumerate() {
            let sent = &sent[number];
            let ticket = cookies["kjwt"].as_str();
            assert_eq!(
                ticket.is_some(),
                is_alice,
                "{sent:?} became {written:?}, of which WebOb makes {cookies}"
            );
            assert!(
                ticket.is_none_or(|ticket| ticket.ends_with("YWxpY2U=!userid_type:b64unicode")),
                "{sent:?}: {cookies}"
            );
            assert!(cookies.is_object(), "WebOb fails at {written:?}, made of {sent:?}");
            if !sent.contains("kjwt") && sent.is_ascii() && !sent.contains('\\') {
                let ticket =
                    written.strip_prefix(sent.as_str()).unwrap_or_else(|| panic!("{sent:?}: {written:?}"));
                assert_eq!(
                    ticket.trim_start_matches("; ").starts_with("kjwt="),
                    is_alice,
                    "{sent:?}: {written:?}"
                );
                assert!(is_alice || ticket.is_empty(), "{sent:?}: {written:?}");
            }
        }
    }
    println!("{FIELDS} fields, in {theirs} of which WebOb finds a ticket");
}
