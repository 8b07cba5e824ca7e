//! What a client sees where a request is refused, and what Kinto sees of claims and of other places for a token.

use serde_json::{Value, json};

use kit::http::{self, Headers, Response, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, wait_for};
use kit::tokens::{SECRET, now, rs256, token};

fn plugin_with(more: Value) -> Value {
    as_struct(&kit::table::settings_with(more))
}

fn alice() -> String {
    rs256(&json!({"sub": "alice", "exp": now() + 600}))
}

fn expired() -> String {
    rs256(&json!({"sub": "alice", "exp": now() - 1}))
}

fn rejecting(kinto: u16) -> Envoy {
    let reject = json!({"onMissing": "reject", "onInvalid": "reject", "auth_type": ["Bearer", "JWT"]});
    let report = json!({"onMissing": "report", "onInvalid": "report"});
    let no_keys = json!({"onMissing": "reject", "remoteJwks": {"uri": "http://i/", "cluster": "nowhere", "timeoutSeconds": 7}});
    Envoy::start(&config_of(
        kinto,
        &[("reject", plugin_with(reject)), ("report", plugin_with(report)), ("no keys", as_struct(&no_keys))],
    ))
}

/// The value of a response header.
fn value(response: &Response, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    response.head.lines().find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
}

fn send(port: u16, method: &str, path: &str, headers: &Headers) -> Response {
    http::exchange(port, &http::bytes(method, path.as_bytes(), headers, b"")).expect("an answer")
}

#[test]
fn a_refusal_reads_as_kintos_own() {
    let kinto = Kinto::behind_envoy();
    let envoy = rejecting(kinto.port("kinto"));
    let port = envoy.port("reject");
    let record = "/v1/buckets/b";
    let origin = header("Origin", "https://app.example");

    let theirs = http::get(kinto.port("kinto"), record, std::slice::from_ref(&origin));
    let ours = http::get(port, record, std::slice::from_ref(&origin));
    assert_eq!((theirs.status, ours.status), (401, 401));
    assert_eq!(ours.json(), theirs.json());
    assert_eq!(ours.json()["errno"], 104);
    assert_eq!(value(&ours, "access-control-allow-origin").unwrap(), "*");
    assert_eq!(value(&ours, "cache-control").unwrap(), "no-store");
    assert_eq!(value(&ours, "www-authenticate").unwrap(), "Bearer realm=\"kinto\"");
    let list = |text: String| -> std::collections::BTreeSet<String> {
        text.split(", ").map(str::to_owned).collect()
    };
    let exposed = list(value(&ours, "access-control-expose-headers").unwrap());
    assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Retry-After"), "{exposed:?}");

    let invalid = http::get(port, "/v1/", &[authorization(&expired())]);
    assert_eq!(invalid.status, 401);
    assert_eq!(
        invalid.json(),
        json!({"code": 401, "errno": 105, "error": "Unauthorized", "message": "Invalid Authorization Token"})
    );
    assert_eq!(
        value(&invalid, "www-authenticate").unwrap(),
        "Bearer realm=\"kinto\", error=\"invalid_token\""
    );
    assert_eq!(value(&invalid, "access-control-allow-origin"), None, "no browser asked");

    let unavailable = http::get(envoy.port("no keys"), "/v1/", &[authorization(&alice())]);
    assert_eq!((unavailable.status, unavailable.json()["errno"].clone()), (503, json!(201)));
    assert_eq!(value(&unavailable, "retry-after").unwrap(), "7");
    assert!(
        envoy.log().contains("Envoy has no cluster of the name in remoteJwks.cluster"),
        "{}",
        envoy.log()
    );
}

#[test]
fn head_is_answered_without_a_body() {
    let kinto = Kinto::behind_envoy();
    let envoy = rejecting(kinto.port("kinto"));
    for token in [None, Some(authorization(&expired()))] {
        let headers: Headers = token.into_iter().collect();
        let get = send(envoy.port("reject"), "GET", "/v1/buckets", &headers);
        let head = send(envoy.port("reject"), "HEAD", "/v1/buckets", &headers);
        assert_eq!((head.status, head.body.len()), (401, 0));
        assert_eq!(value(&head, "content-length"), value(&get, "content-length"));
        assert_eq!(value(&head, "www-authenticate"), value(&get, "www-authenticate"));
    }
}

#[test]
fn what_would_be_rejected_is_reported_and_counted() {
    let kinto = Kinto::behind_envoy();
    let envoy = rejecting(kinto.port("kinto"));
    let port = envoy.port("report");
    assert_eq!(http::get(port, "/v1/", &[authorization(&expired())]).user(), "kinto_jwt:public");
    assert_eq!(http::get(port, "/v1/", &[]).user(), "kinto_jwt:public");
    assert_eq!(http::get(port, "/v1/buckets", &[]).status, 200);
    wait_for("counters", || {
        let text = String::from_utf8(http::get(envoy.admin, "/stats/prometheus", &[]).body).unwrap();
        let counted = |line: &str| text.lines().any(|other| other == line);
        (counted("kinto_jwt_decisions{outcome=\"reported\",reason=\"expired\"} 1")
            && counted("kinto_jwt_decisions{outcome=\"reported\",reason=\"no_token\"} 1")
            // An open path is nothing to report.
            && counted("kinto_jwt_decisions{outcome=\"unauthorized_user\",reason=\"no_token\"} 1"))
        .then_some(())
    });
    let log = envoy.log();
    assert!(
        log.contains("would be rejected: expired") && log.contains("would be rejected: no_token"),
        "{log}"
    );
}

/// Entry by entry: `user` or the status and errno.
fn entries(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    let entry = |entry: &Value| match entry["status"].as_u64().unwrap() {
        200 => http::user(&entry["body"]),
        status => format!("{status} {} {}", entry["body"]["errno"], entry["path"].as_str().unwrap()),
    };
    response.json()["responses"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn in_a_batch_each_refused_sub_request_gets_its_own_401() {
    let kinto = Kinto::behind_envoy();
    let envoy = rejecting(kinto.port("kinto"));
    let port = envoy.port("reject");
    let good = format!("Bearer {}", alice());
    let bad = format!("Bearer {}", expired());
    let own = |token: &str| json!({"path": "/v1/", "headers": {"Authorization": token}});
    let batch = |headers: &Headers, body: Value| {
        entries(&http::post(port, "/v1/batch", headers, body.to_string().as_bytes()))
    };

    let mixed = json!({"requests": [own(&bad), own(&good), {"path": "/buckets/b"}, {"path": "/"}, own(&bad), own(&good)]});
    let invalid = "401 105 /v1/";
    assert_eq!(
        batch(&vec![], mixed.clone()),
        [invalid, "kinto_jwt:alice", "401 104 /v1/buckets/b", "anonymous", invalid, "kinto_jwt:alice"]
    );
    assert_eq!(
        batch(&vec![header("Authorization", &good)], mixed.clone()),
        [invalid, "kinto_jwt:alice", "403 121 /v1/buckets/b", "kinto_jwt:alice", invalid, "kinto_jwt:alice"]
    );
    // Whoever brings a bad token is refused everywhere where it would be used.
    assert_eq!(
        batch(&vec![header("Authorization", &bad)], mixed),
        [invalid, "kinto_jwt:alice", "401 105 /v1/buckets/b", invalid, invalid, "kinto_jwt:alice"]
    );
    let all = json!({"requests": [own(&bad), {"method": "HEAD", "path": "/v1/buckets/b?x=1"}]});
    assert_eq!(batch(&vec![], all), [invalid, "401 null /v1/buckets/b"]);
    let defaults =
        json!({"defaults": {"headers": {"Authorization": bad}}, "requests": [{"path": "/v1/"}, own(&good)]});
    assert_eq!(batch(&vec![], defaults), [invalid, "kinto_jwt:alice"]);
    let defaults = json!({"defaults": {"path": "/v1/", "headers": {"Authorization": good}}, "requests": [{}, own(&bad)]});
    assert_eq!(batch(&vec![], defaults), ["kinto_jwt:alice", invalid]);
    // None of it is Kinto's: what Kinto refuses as a whole, it refuses as a whole.
    let many = json!({"requests": vec![own(&good); 26]}).to_string();
    assert_eq!(http::post(port, "/v1/batch", &[], many.as_bytes()).status, 400);

    // The entry is Kinto's to the letter, with the challenge besides.
    let anonymous = json!({"requests": [{"path": "/v1/buckets/b"}]}).to_string();
    let theirs = http::post(kinto.port("kinto"), "/v1/batch", &[], anonymous.as_bytes()).json();
    let mut ours = http::post(port, "/v1/batch", &[], anonymous.as_bytes()).json();
    let challenge = ours["responses"][0]["headers"].as_object_mut().unwrap().remove("WWW-Authenticate");
    assert_eq!(challenge.unwrap(), "Bearer realm=\"kinto\"");
    assert_eq!(ours, theirs);

    // Without keys the whole batch is told to come back, as Kinto does without its storage.
    let answer =
        http::post(envoy.port("no keys"), "/v1/batch", &[authorization(&alice())], anonymous.as_bytes());
    assert_eq!(answer.status, 503);
    let own = json!({"requests": [{"path": "/v1/", "headers": {"Authorization": format!("JWT {}", alice())}}, {"path": "/v1/"}]});
    let answer = http::post(envoy.port("no keys"), "/v1/batch", &[], own.to_string().as_bytes());
    assert_eq!(entries(&answer), ["503 201 /v1/", "anonymous"]);
}

#[test]
fn claims_reach_kinto_as_headers_exactly_or_not_at_all() {
    let settings = json!({"public_key": SECRET, "algorithm": "HS256", "onMissing": "reject", "userIdCharset": "latin-1", "claimsToHeaders":
        {"X-Email": "email", "X-Realm": "/realm/name", "X-Level": "level"}});
    let mut config = config_of(http::echo(), &[("claims", as_struct(&settings))]);
    kit::servers::manager(&mut config["static_resources"]["listeners"][0])["common_http_protocol_options"]
        ["headers_with_underscores_action"] = json!("ALLOW");
    let envoy = Envoy::start(&config);
    let spoofs = [
        header("X-Email", "evil"),
        header("x_email", "evil"),
        header("X-LEVEL", "9"),
        header("X-Realm", "evil"),
    ];
    let received = |claims: Value| -> Vec<String> {
        let credential = authorization(&token("HS256", SECRET, &claims));
        let headers = [&spoofs[..], &[credential]].concat();
        let echo = http::get(envoy.port("claims"), "/v1/", &headers).body;
        let text: String = echo.iter().map(|byte| char::from(*byte)).collect();
        let ours = |line: &&str| {
            line.starts_with("x-email")
                || line.starts_with("x_")
                || line.starts_with("x-realm")
                || line.starts_with("x-level")
        };
        let mut lines: Vec<String> = text.lines().filter(ours).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let claims = json!({"sub": "a", "email": "ålice@example.org", "realm": {"name": "kinto"}, "level": 3});
    for _ in 0..2 {
        assert_eq!(received(claims.clone()), ["x-email: ålice@example.org", "x-level: 3", "x-realm: kinto"]);
    }
    for claim in [
        json!(null),
        json!(["a"]),
        json!({}),
        json!(""),
        json!("日本"),
        json!("a\r\nuserId: admin"),
        json!(" a"),
        json!(1.5),
    ] {
        assert_eq!(received(json!({"sub": "a", "email": claim})), [""; 0], "{claim}");
    }

    // In a batch: the client's are removed, a sub-request's own token fills them, or empties what it would inherit.
    let own = token("HS256", SECRET, &json!({"sub": "b", "email": "b@example.org"}));
    let body = json!({"requests": [
        {"path": "/", "headers": {"x-email": "evil", "X_REALM": "evil", "Keep": "this"}},
        {"path": "/", "headers": {"Authorization": format!("JWT {own}")}},
    ]});
    let outer = [authorization(&token("HS256", SECRET, &claims))];
    let echo = http::post(envoy.port("claims"), "/v1/batch", &outer, body.to_string().as_bytes()).body;
    let text: String = echo.iter().map(|byte| char::from(*byte)).collect();
    let received: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1.trim()).unwrap();
    assert_eq!(received["requests"][0]["headers"], json!({"Keep": "this"}));
    assert_eq!(
        received["requests"][1]["headers"],
        json!({"userId": "b", "X-Email": "b@example.org", "X-Level": "", "X-Realm": ""})
    );
}

#[test]
fn a_token_is_removed_from_where_it_was() {
    let from = json!([{"header": "Authorization", "schemes": ["Bearer"]}, {"cookie": "t"}, {"query": "access_token"}]);
    let settings = json!({"public_key": SECRET, "algorithm": "HS256", "from": from});
    let mut forwarding = settings.clone();
    forwarding["forwardToken"] = json!(true);
    let plugins = [("remove", as_struct(&settings)), ("forward", as_struct(&forwarding))];
    let envoy = Envoy::start(&config_of(http::echo(), &plugins));
    let good = token("HS256", SECRET, &json!({"sub": "alice"}));
    let bad = token("HS256", &SECRET[1..], &json!({"sub": "alice"}));
    for (token, user) in [(&good, "alice"), (&bad, "public")] {
        let headers = [
            header("Authorization", format!("Bearer {token}")),
            header("Cookie", format!("a=1; t={token}; b=\"2\"")),
        ];
        let path = format!("/v1/?x=%20&access_token={token}&y");
        let text =
            |listener| String::from_utf8(http::get(envoy.port(listener), &path, &headers).body).unwrap();
        let received = text("remove");
        assert!(!received.contains(token.as_str()), "{received}");
        for line in ["GET /v1/?x=%20&y HTTP/1.1", "cookie: a=1; b=\"2\"", &format!("userid: {user}")] {
            assert!(received.to_lowercase().contains(&line.to_lowercase()), "{line} is not in {received}");
        }
        assert_eq!(text("forward").matches(token.as_str()).count(), 3);

        let body = json!({"requests": [
            {"path": format!("/v1/?access_token={token}&z=1")},
            {"path": "/v1/", "headers": {"Cookie": format!("t={token}; c=3")}},
            {"path": "/v1/", "headers": {"Cookie": "d=4"}},
        ]});
        let received = http::post(envoy.port("remove"), "/v1/batch", &[], body.to_string().as_bytes()).body;
        let received = String::from_utf8(received).unwrap();
        let received: Value =
            serde_json::from_str(received.split_once("\r\n\r\n").unwrap().1.trim()).unwrap();
        // Nothing is written where it is what the batch's own request says.
        let own = |mut headers: Value| {
            if user == "alice" {
                headers["userId"] = json!(user);
            }
            headers
        };
        let requests = received["requests"].as_array().unwrap();
        assert_eq!(requests[0]["path"], "/v1/?z=1");
        assert_eq!(requests[0].get("headers"), (user == "alice").then(|| own(json!({}))).as_ref());
        assert_eq!(requests[1]["headers"], own(json!({"Cookie": "c=3"})));
        assert_eq!(requests[2]["headers"], json!({"Cookie": "d=4"}));
    }
}
