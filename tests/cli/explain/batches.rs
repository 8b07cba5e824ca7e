//! Batches: the users are those that the real Kinto sees behind the real Envoy, and each refusal is Envoy's answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use kinto_jwt_filter::is_batch;
use serde_json::{Value, json};

use super::{Asked, Done, Files, faults, secrets};
use kit::forgeries::{forgeries, without_safeguards};
use kit::http::{self, Headers, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

fn token(user: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600}))
}

/// Settings, by a name.
fn settings() -> Vec<(&'static str, Value)> {
    let from = json!([{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}]);
    vec![
        ("defaults", settings_with(json!({}))),
        ("reject", settings_with(json!({"onMissing": "reject", "onInvalid": "reject"}))),
        (
            "nobody",
            settings_with(
                json!({"unauthorizedUserId": null, "from": from, "claimsToHeaders": {"X-Sub": "sub"}, "forwardToken": true}),
            ),
        ),
    ]
}

/// Honest batches: each way in which a sub-request gets its user.
fn honest() -> Vec<Value> {
    let with = |value: String| json!({"path": "/", "headers": {"Authorization": value}});
    let own = |user: &str| with(format!("JWT {}", token(user)));
    let expired = with(format!("JWT {}", rs256(&json!({"sub": "bob", "exp": 1}))));
    let default = |request: Value| json!({"headers": request["headers"]});
    let plain = json!({"path": "/v1/"});
    let requests = vec![
        plain.clone(),
        own("bob"),
        with("JWT a.b.c".to_owned()),
        expired.clone(),
        with(String::new()),
        with("Basic YWxpY2U6cHc=".to_owned()),
        json!({"path": "/", "headers": {"Cookie": format!("t={}", token("carol"))}}),
        json!({"path": format!("/?t={}", token("carol"))}),
        json!({"path": "/", "headers": {"userId": "admin"}}),
        json!({"method": "HEAD", "path": "/buckets"}),
        json!({"path": "/buckets/none"}),
    ];
    vec![
        json!({"requests": requests}),
        json!({"requests": []}),
        json!({"defaults": default(own("bob")), "requests": requests}),
        json!({"defaults": default(expired), "requests": requests}),
        json!({"defaults": plain, "requests": [{}, own("bob"), {"method": "HEAD"}]}),
        json!({"defaults": {"path": format!("/?t={}", token("carol"))}, "requests": [{}, own("bob"), {"path": "/"}]}),
        json!({"requests": vec![plain; 26]}),
    ]
}

/// The parts of a request: method, path, headers and body.
fn taken_apart(request: &[u8]) -> Option<(String, String, Headers, Vec<u8>)> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&request[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().splitn(2, ' ');
    let (method, path) = (line.next().unwrap().to_owned(), line.next().unwrap());
    // Envoy takes the path out of an address (RFC 9112 section 3.2.2).
    let path = path.strip_prefix("http://kinto").unwrap_or(path).to_owned();
    let headers: Headers =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| header(name, value)).collect();
    let is_chunked = headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    (!is_chunked).then(|| (method, path, headers, request[end + 4..].to_vec()))
}

/// For each sub-request what the client sees: a user, where the answer has one, and the status of a rejected one.
fn seen(answer: &http::Response) -> Vec<Option<String>> {
    let body = answer.json();
    let entries = body["responses"].as_array().unwrap_or_else(|| panic!("{body}")).iter();
    let one = |entry: &Value| match entry["status"].as_u64().unwrap() {
        401 if entry["headers"]["WWW-Authenticate"].as_str().is_some_and(|text| text.starts_with("JWT")) => {
            Some("HTTP 401".to_owned())
        }
        200 if entry["body"].get("project_name").is_some() => Some(http::user(&entry["body"])),
        _ => None,
    };
    entries.map(one).collect()
}

#[test]
fn the_users_of_sub_requests_are_those_that_kinto_sees() {
    let kinto = Kinto::behind_envoy();
    let settings = settings();
    let plugins: Vec<(&str, Value)> =
        settings.iter().map(|(name, settings)| (*name, as_struct(settings))).collect();
    let mut config = config_of(kinto.port("kinto"), &plugins);
    config["static_resources"]["listeners"].as_array_mut().unwrap().iter_mut().for_each(without_safeguards);
    let envoy = Envoy::start(&config);
    let files = Files::new();
    let mut asked = Vec::new();
    for (name, settings) in &settings {
        let path = files.settings(name, settings);
        for who in [vec![], vec![authorization(&token("alice"))], vec![authorization("a.b.c")]] {
            let batches = honest().into_iter().map(|batch| {
                let json = http::header("Content-Type", "application/json");
                http::bytes("POST", b"/v1/batch", &[&who[..], &[json]].concat(), batch.to_string().as_bytes())
            });
            // The forgeries are many: each is sent by alice to one of them, by nobody to another.
            let forged = match (*name, who.len()) {
                ("defaults", 1) | ("reject", 0) => forgeries(&who),
                _ => Vec::new(),
            };
            let forged = forged.into_iter().filter(|_| who != [authorization("a.b.c")]);
            asked.extend(batches.chain(forged).map(|request| (*name, path.clone(), request)));
        }
    }
    let (batches, users) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = faults(&asked, |(name, path, request)| {
        let (method, target, headers, body) = taken_apart(request)?;
        let body = files.write(&format!("batch-{}", batches.fetch_add(1, Ordering::Relaxed)), body);
        let mut asked = Asked::new(path, now()).and("--batch").and(body);
        asked = asked.and("--method").and(&method).and("--path").and(&target).headers(&headers);
        let done = asked.clone().and("--format").and("json").explain();
        let answer = http::exchange(envoy.port(name), request)?;
        let text = format!("{}{}{}", done.out, done.err, asked.explain().out);
        let leaked = secrets(request).into_iter().find(|secret| text.contains(secret));
        let compared = match leaked {
            Some(secret) => Err(format!("{secret} is shown")),
            None => compared(&method, &target, &done, &answer),
        };
        users.fetch_add(compared.as_ref().copied().unwrap_or_default(), Ordering::Relaxed);
        compared.err().map(|fault| format!("{name}: {}: {fault}", request.escape_ascii()))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (batches, users) = (batches.into_inner(), users.into_inner());
    assert!(batches > 500 && users > 300, "{batches} batches with {users} users");
}

/// How many users and rejected sub-requests are those of the answer.
///
/// # Errors
/// How what is explained differs from the answer.
fn compared(method: &str, path: &str, done: &Done, answer: &http::Response) -> Result<usize, String> {
    let fine = |is_fine: bool, fault: String| if is_fine { Ok(0) } else { Err(fault) };
    if done.code == 2 {
        let is_other = !is_batch(method.as_bytes(), path.as_bytes());
        return fine(is_other && done.err.contains("not for the batch endpoint"), done.err.clone());
    }
    let report = done.json();
    let batch = &report["batch"];
    let differs = |answer: String| format!("{batch}, and the answer is {answer}");
    if let Some(refusal) = batch["refusal"].as_object() {
        return fine(refusal["answer"]["status"] == answer.status, differs(answer.status.to_string()));
    }
    if answer.status != 200 {
        // What the filter lets pass, Envoy or Kinto may not know: another spelling of the endpoint, for example.
        let is_endpoint =
            method == "POST" && !path.contains('#') && path.split('?').next() == Some("/v1/batch");
        return fine(!is_endpoint && [400, 404].contains(&answer.status), differs(answer.status.to_string()));
    }
    let user = |request: &Value| match (request["status"].as_u64(), request["user"].as_str()) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(user)) => format!("kinto_jwt:{user}"),
        (None, None) => "anonymous".to_owned(),
    };
    let said: Vec<String> = batch["requests"].as_array().unwrap().iter().map(user).collect();
    let seen = seen(answer);
    let is_same = |(said, seen): (&String, &Option<String>)| seen.as_ref().is_none_or(|seen| seen == said);
    if said.len() != seen.len() || !said.iter().zip(&seen).all(is_same) {
        return Err(differs(format!("{seen:?}")));
    }
    Ok(seen.iter().flatten().count())
}
