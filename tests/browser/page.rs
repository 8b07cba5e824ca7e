//! What the script of a page of another origin can read, in a real browser.

use serde_json::{Value, json};

use crate::chromium::read_by_a_page;
use crate::proxy::{Proxy, token_that_is};
use kit::http::user;

/// What an application asks for. A browser sends a preflight first if there is a token or a JSON body.
const REQUESTS: [(&str, &str, Option<&str>); 6] = [
    ("PUT", "/buckets/shelf", Some(r#"{"data": {}}"#)),
    ("POST", "/buckets/shelf/collections", Some(r#"{"data": {"id": "books"}}"#)),
    ("GET", "/buckets/shelf", None),
    ("HEAD", "/buckets/shelf", None),
    ("POST", "/batch", Some(r#"{"requests": [{"path": "/v1/buckets/shelf"}]}"#)),
    ("GET", "/", None),
];

/// What the page can read of the answers to `REQUESTS` with this token, one after the other.
fn read(server: &str, token: Option<&str>) -> Vec<Value> {
    let requests = REQUESTS.map(|(method, path, body)| {
        let mut headers = json!({});
        if let Some(token) = token {
            headers["Authorization"] = json!(format!("Bearer {token}"));
        }
        if body.is_some() {
            headers["Content-Type"] = json!("application/json");
        }
        let mut request = json!({"url": format!("{server}{path}"), "method": method, "headers": headers});
        if let Some(body) = body {
            request["body"] = json!(body);
        }
        request
    });
    read_by_a_page(&requests)
}

/// The status, what Kinto's errno is if it is an error, and who Kinto says it is.
fn said(answer: &Value) -> String {
    let Some(status) = answer["status"].as_u64() else { return answer["unreadable"].to_string() };
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
    let outcome = |status: &Value, body: &Value| match body["errno"].as_u64() {
        Some(errno) => format!("{status}/{errno}"),
        None => status.to_string(),
    };
    if let Some(responses) = body["responses"].as_array() {
        let each: Vec<_> = responses.iter().map(|each| outcome(&each["status"], &each["body"])).collect();
        return format!("{status}: {}", each.join(" "));
    }
    if body["project_name"] == "kinto" { user(&body) } else { outcome(&json!(status), &body) }
}

/// Alice makes her shelf, and others come to it.
#[rustfmt::skip]
const TABLE: [(&str, &str, [&str; 6]); 12] = [
    // policy      token      PUT bucket  POST coll.  GET bucket  HEAD   batch           who, by GET /v1/
    ("defaults",  "good",    ["201",     "201",     "200",     "200", "200: 200",     "kinto_jwt:alice"]),
    ("defaults",  "bad",     ["403/121", "403/121", "403/121", "403", "200: 403/121", "kinto_jwt:public"]),
    ("defaults",  "expired", ["403/121", "403/121", "403/121", "403", "200: 403/121", "kinto_jwt:public"]),
    ("defaults",  "none",    ["403/121", "403/121", "403/121", "403", "200: 403/121", "kinto_jwt:public"]),
    ("anonymous", "good",    ["200",     "200",     "200",     "200", "200: 200",     "kinto_jwt:alice"]),
    ("anonymous", "bad",     ["401/104", "401/104", "401/104", "401", "200: 401/104", "anonymous"]),
    ("anonymous", "expired", ["401/104", "401/104", "401/104", "401", "200: 401/104", "anonymous"]),
    ("anonymous", "none",    ["401/104", "401/104", "401/104", "401", "200: 401/104", "anonymous"]),
    ("reject",    "good",    ["200",     "200",     "200",     "200", "200: 200",     "kinto_jwt:alice"]),
    ("reject",    "bad",     ["401/105", "401/105", "401/105", "401", "200: 401/105", "401/105"]),
    ("reject",    "expired", ["401/105", "401/105", "401/105", "401", "200: 401/105", "401/105"]),
    ("reject",    "none",    ["401/104", "401/104", "401/104", "401", "200: 401/104", "anonymous"]),
];

#[test]
fn a_page_can_read_why_each_of_its_requests_was_rejected() {
    let proxy = Proxy::start();
    let mut wrong = Vec::new();
    for (policy, token, expected) in TABLE {
        let answers = read(&proxy.url(policy), token_that_is(token).as_deref());
        let said: Vec<_> = answers.iter().map(said).collect();
        if said != expected {
            wrong.push(format!("{policy}, {token}: {said:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_page_reads_of_a_rejected_request_what_it_reads_of_kintos_own_401_and_the_challenge() {
    let proxy = Proxy::start();
    let (kinto, mut filter) = (read(&proxy.url("kinto"), None), read(&proxy.url("reject"), None));
    // The batch and the open path come after.
    let rejected = ..4;
    for answer in &mut filter[rejected] {
        let headers = answer["headers"].as_object_mut().unwrap();
        assert_eq!(headers.remove("cache-control"), Some(json!("no-store")));
        assert_eq!(headers.remove("www-authenticate"), Some(json!(r#"Bearer realm="kinto""#)));
    }
    assert_eq!(filter[rejected], kinto[rejected]);
}

#[test]
fn a_page_reads_that_its_token_is_invalid_and_not_why() {
    let proxy = Proxy::start();
    let body = r#"{"code":401,"errno":105,"error":"Unauthorized","message":"Invalid Authorization Token"}"#;
    let headers = json!({
        "cache-control": "no-store",
        "content-length": body.len().to_string(),
        "content-type": "application/json",
        "www-authenticate": r#"Bearer realm="kinto", error="invalid_token""#,
    });
    for token in ["bad", "expired"] {
        let answers = read(&proxy.url("reject"), token_that_is(token).as_deref());
        // The GET and the HEAD.
        assert_eq!(answers[2], json!({"status": 401, "headers": headers, "body": body}));
        assert_eq!(answers[3], json!({"status": 401, "headers": headers, "body": ""}));
    }
}

#[test]
fn a_page_reads_that_there_are_no_keys_and_when_to_come_back() {
    let proxy = Proxy::start();
    let answers = read(&proxy.url("without keys"), token_that_is("good").as_deref());
    let said: Vec<_> = answers.iter().map(said).collect();
    assert_eq!(said, ["503/201", "503/201", "503/201", "503", "503/201", "503/201"]);
    for answer in answers {
        // The default of remoteJwks.timeoutSeconds.
        assert_eq!(answer["headers"]["retry-after"], "5", "{answer}");
    }
}

#[test]
fn without_cors_headers_a_page_reads_nothing() {
    let proxy = Proxy::start();
    let answer = kit::http::get(proxy.port("reject, without CORS"), "/v1/buckets/shelf", &[]);
    assert_eq!(answer.status, 401);
    for token in ["bad", "none"] {
        let answers = read(&proxy.url("reject, without CORS"), token_that_is(token).as_deref());
        assert!(answers.iter().all(|answer| *answer == json!({"unreadable": "TypeError"})), "{answers:?}");
    }
}
