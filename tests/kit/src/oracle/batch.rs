//! The body of a batch: for each sub-request, Kinto sees the identity that its own token proves.
//!
//! What Kinto sees is worked out here from the rewritten body, as `merge_dicts` and `build_request` in
//! `kinto/core/utils.py` do it; who a sub-request may be, from the body as the client has sent it.

use std::cell::OnceCell;

use arbitrary::{Result, Unstructured};
use kinto_jwt_filter::{BatchRequest, Gate, UnknownKeys, parse_config, rewrite_batch};
use serde_json::{Map, Value, json};

use crate::carrier;
use crate::oracle::path::may_be_batch;
use crate::oracle::places::{tokens, user_of};
use crate::oracle::reader::{Fields, Found, PLACES, find, in_authorization};
use crate::oracle::ticket;
use crate::oracle::token::change;
use crate::oracle::{NOW, is_itself};
use crate::tokens::SECRET;

pub const REACHED: &[&str] = &["refused", "empty", "nobody", "rejected", "user"];

struct World {
    /// By the defaults; with `reject`; with all places, a claim header and tokens that stay; with tickets.
    gates: [Gate; 4],
    tokens: [String; 3],
}

const DEFAULTS: usize = 0;
const REJECT: usize = 1;
const EVERYWHERE: usize = 2;
const TICKET: usize = 3;

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

impl World {
    fn new() -> Self {
        let places: Value = serde_json::from_str(PLACES).unwrap();
        let settings = [
            json!({}),
            json!({"onMissing": "reject", "onInvalid": "reject"}),
            json!({"from": places, "claimsToHeaders": {"X-Sub": "sub"}, "forwardToken": true}),
            json!({"ticket": {"secret": carrier::SECRET}}),
        ];
        let gates = settings.map(|mut settings| {
            settings["public_key"] = json!(SECRET);
            settings["algorithm"] = json!("HS256");
            Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap())
        });
        Self { gates, tokens: tokens() }
    }
}

/// A batch: which gate it meets, the `Authorization` of its request, its body.
struct Batch {
    gate: usize,
    authorization: Option<String>,
    body: Vec<u8>,
}

/// Who a sub-request may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    User(&'static str),
    /// The unauthorized user.
    Public,
    Nobody,
    /// It must not reach Kinto.
    Rejected,
}

/// Each sub-request that reaches Kinto is who its token proves, and is otherwise what the client has sent.
pub fn check(bytes: &[u8]) -> &'static str {
    WORLD.with(|world| {
        let world = world.get_or_init(World::new);
        let batch = Batch { gate: EVERYWHERE, authorization: None, body: bytes.to_vec() };
        let batch = match is_itself(bytes) {
            true => batch,
            false => composed(&mut Unstructured::new(bytes), &world.tokens).unwrap_or(batch),
        };
        let mut request = Fields::new("POST", "/v1/batch");
        if let Some(value) = &batch.authorization {
            request = request.with("authorization", value.as_bytes());
        }
        let gate = &world.gates[batch.gate];
        let outer = BatchRequest::new(gate.decide(&request, NOW), "/v1".to_owned(), Vec::new());
        let Ok(rewritten) = rewrite_batch(gate, &batch.body, &outer, NOW, UnknownKeys::AreInvalid) else {
            return "refused";
        };

        let sent: Value = serde_json::from_slice(&batch.body).expect("JSON");
        let got: Value = serde_json::from_slice(&rewritten.body).expect("JSON");
        let forwarded = requests(&got);
        assert_eq!(rewritten.forwarded, forwarded.len());
        let shown = String::from_utf8_lossy(&batch.body);
        let mut forwarded = forwarded.into_iter();
        let mut reached = "empty";
        for (number, sent) in requests(&sent).into_iter().enumerate() {
            let who = who(world, &batch, &request, &sent);
            let is_rejected = rewritten.rejected.iter().any(|(rejected, _)| *rejected == number);
            assert_eq!(is_rejected, who == Who::Rejected, "sub-request {number} of {shown}");
            reached = match &who {
                Who::User(_) => "user",
                Who::Rejected => "rejected",
                Who::Public | Who::Nobody => "nobody",
            };
            if who != Who::Rejected {
                let got = forwarded.next().expect("a sub-request that is not rejected");
                judge(world, &batch, &who, &sent, &got);
            }
        }
        assert_eq!(forwarded.next(), None, "one more in {shown}");
        reached
    })
}

/// The sub-requests with what they inherit from `defaults` (`merge_dicts`).
fn requests(batch: &Value) -> Vec<Value> {
    let mut requests = batch["requests"].as_array().expect("a list").clone();
    for request in &mut requests {
        if let Some(defaults) = batch.get("defaults") {
            merge(request.as_object_mut().expect("an object"), defaults.as_object().expect("an object"));
        }
    }
    requests
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (name, value) in from {
        match value {
            Value::Object(members) => {
                let place = into.entry(name.clone()).or_insert_with(|| json!({}));
                merge(place.as_object_mut().expect("an object"), members);
            }
            value => drop(into.entry(name.clone()).or_insert_with(|| value.clone())),
        }
    }
}

/// The key under which WSGI files a header (PEP 3333).
fn key(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn headers(request: &Value) -> Vec<(&str, &str)> {
    let members = request.get("headers").and_then(Value::as_object);
    members
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
        .collect()
}

/// The path as `build_request` completes it.
fn path(request: &Value) -> String {
    let path = request["path"].as_str().expect("a path");
    if path.starts_with("/v1") { path.to_owned() } else { format!("/v1{path}") }
}

/// The fields of a sub-request in which a token may be.
fn fields(request: &Value) -> Fields {
    let method = request.get("method").and_then(Value::as_str).unwrap_or("GET");
    let mut fields = Fields::new(method, path(request));
    for (name, value) in headers(request) {
        match key(name).as_str() {
            "AUTHORIZATION" => fields = fields.with("authorization", value),
            "COOKIE" => fields = fields.with("cookie", value),
            _ => {}
        }
    }
    fields
}

/// Who a sub-request is by what the client has sent.
fn who(world: &World, batch: &Batch, outer: &Fields, sent: &Value) -> Who {
    let fields = fields(sent);
    let found_in =
        |fields: &Fields| if batch.gate == EVERYWHERE { find(fields) } else { in_authorization(fields) };
    let brings = fields.all("authorization").next().is_some();
    let found = match found_in(&fields) {
        Found::Nothing if !brings => found_in(outer),
        found => found,
    };
    let is_missing = found == Found::Nothing;
    match found {
        Found::Token(token) if user_of(&token, &world.tokens).is_some() => {
            Who::User(user_of(&token, &world.tokens).unwrap())
        }
        _ if batch.gate != REJECT => Who::Public,
        _ if is_missing && is_open(&path(sent)) => Who::Nobody,
        _ => Who::Rejected,
    }
}

/// Whether Kinto answers everybody at this path (the default of `open`).
fn is_open(path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let path = percent_decoded(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    matches!(segments.as_slice(), ["v1"] | ["v1", "__heartbeat__" | "__lbheartbeat__" | "__version__"])
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        decoded.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        decoded.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(decoded).expect("UTF-8")
}

/// Compares a sub-request as Kinto reads it with what it must be.
fn judge(world: &World, batch: &Batch, who: &Who, sent: &Value, got: &Value) {
    let shown = format!("{who:?} {sent} became {got}");
    // `build_request`: the headers of the batch's request, and over them those of the sub-request; the last one of a
    // key counts.
    let outer_user = batch
        .authorization
        .as_deref()
        .map(|value| value.strip_prefix("JWT ").and_then(|token| user_of(token.as_bytes(), &world.tokens)));
    let outer_id = match outer_user.flatten() {
        Some(user) => Some(user),
        None if batch.gate == REJECT => None,
        None => Some("public"),
    };
    let seen = |name: &str, outer: Option<&str>| {
        let own = headers(got)
            .into_iter()
            .filter(|(other, _)| key(other) == name)
            .map(|(_, value)| value.to_owned());
        outer.map(str::to_owned).into_iter().chain(own).last()
    };
    let id = match seen("COOKIE", None) {
        // The ticket of the batch's request is in its `Cookie`, which another one replaces.
        Some(cookie) if batch.gate == TICKET => ticket::user(cookie.as_bytes()),
        _ if batch.gate == TICKET => outer_id.map(str::to_owned),
        _ => seen("USERID", outer_id),
    };
    let sub = seen("X_SUB", outer_user.flatten().filter(|_| batch.gate == EVERYWHERE))
        .filter(|sub| !sub.is_empty());
    let (expected, claim) = match who {
        Who::User(user) => (Some(*user), Some(*user)),
        Who::Public => (Some("public"), None),
        Who::Nobody | Who::Rejected => (None, None),
    };
    assert_eq!(id.as_deref().filter(|id| *id != "system.Everyone"), expected, "{shown}");
    if batch.gate == EVERYWHERE {
        assert_eq!(sub.as_deref(), claim, "{shown}");
    } else {
        assert_eq!(in_authorization(&fields(got)), Found::Nothing, "a token is left: {shown}");
    }

    // Kinto follows no redirect to a batch, and runs none.
    let path = path(got);
    assert!(!may_be_batch(path.as_bytes()), "a batch: {shown}");
    let plain = path.split('?').next().unwrap();
    // `page_not_found` in `kinto/core/views/errors.py`.
    let is_redirected = plain == "/v1" || (plain.ends_with('/') && plain != "/v1/");
    assert!(!is_redirected, "Kinto redirects {path}: {shown}");
    assert_eq!(got.get("body").and_then(|body| body.get("requests")), None, "{shown}");

    // The rest is as it was sent.
    assert_eq!(got.get("method"), sent.get("method"), "{shown}");
    assert_eq!(got.get("body"), sent.get("body"), "{shown}");
    let bare = |request: &Value| {
        let path = self::path(request);
        let (plain, query) = path.split_once('?').unwrap_or((&path, ""));
        (plain.trim_end_matches('/').to_owned(), query.to_owned())
    };
    assert_eq!(bare(got), bare(sent), "{shown}");
    let others = |request: &Value| {
        let written = ["USERID", "X_SUB", "AUTHORIZATION", "CONTENT_LENGTH", "CONTENT_TYPE"];
        let is_written = |name: &str| written.contains(&name) || (name == "COOKIE" && batch.gate == TICKET);
        let others = headers(request).into_iter().filter(|(name, _)| !is_written(&key(name)));
        let mut others: Vec<_> = others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        others.sort();
        others
    };
    assert_eq!(others(got), others(sent), "{shown}");
}

const NAMES: [&str; 20] = [
    "Authorization",
    "authorization",
    "AUTHORIZATION",
    "Author\u{131}zation",
    "userId",
    "userid",
    "USERID",
    "user\u{131}d",
    "u\u{17f}erid",
    "user-Id",
    "Cookie",
    "cookie",
    "X-Sub",
    "x_sub",
    "Content-Type",
    "Content-Length",
    "Content_Type",
    "Host",
    "If-Match",
    "",
];

const PATHS: [&str; 17] = [
    "/",
    "/v1",
    "/v2/",
    "/v11/?",
    "/%76%31",
    "/v1/",
    "/v1/buckets",
    "/buckets/",
    "/v1/__heartbeat__",
    "/v1/batch",
    "/b%61tch",
    "/v1/b/?/v1/b/atch",
    "/v1x",
    "/v1/buckets?t=TOKEN",
    "/x?a=1&%74=TOKEN&t=TOKEN",
    "/v1/x%2Fy",
    "/v1/é",
];

const VALUES: [&str; 14] = [
    "JWT TOKEN",
    "JWT TOKEN",
    "jwt TOKEN",
    "JWT",
    "JWT a.b.c",
    "Basic x",
    "Basic x, JWT TOKEN",
    "t=TOKEN; x=1",
    "kjwt=TICKET",
    "x=1, kjwt =TICKET; y=\"2\"",
    "x=1;t=\"TOKEN\"; t=TOKEN",
    "alice",
    "application/json",
    "",
];

fn composed(u: &mut Unstructured<'_>, tokens: &[String; 3]) -> Result<Batch> {
    let gate = *u.choose(&[DEFAULTS, REJECT, EVERYWHERE, TICKET])?;
    let authorization = match u.int_in_range(0..=3)? {
        0 => None,
        1 => Some("JWT a.b.c".to_owned()),
        number => Some(format!("JWT {}", tokens[number - 2])),
    };
    let mut members = Vec::new();
    if u.arbitrary()? {
        members.push(("defaults".to_owned(), sub_request(u, tokens)?));
    }
    let mut list = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        list.push(sub_request(u, tokens)?);
    }
    members.push(("requests".to_owned(), format!("[{}]", list.join(","))));
    let mut body = object(u, members)?.into_bytes();
    if u.ratio(1, 6)? {
        change(u, &mut body)?;
    }
    Ok(Batch { gate, authorization, body })
}

fn sub_request(u: &mut Unstructured<'_>, tokens: &[String; 3]) -> Result<String> {
    let mut members = Vec::new();
    if u.ratio(7, 8)? {
        let mut path = filled(u, tokens, &PATHS)?.into_bytes();
        if u.ratio(1, 8)? {
            change(u, &mut path)?;
        }
        members.push(("path".to_owned(), quoted(u, &String::from_utf8_lossy(&path))?));
    }
    if u.arbitrary()? {
        let mut headers = Vec::new();
        for _ in 0..u.int_in_range(0..=4)? {
            let name = (*u.choose(&NAMES)?).to_owned();
            let value = if u.ratio(1, 12)? { u.arbitrary()? } else { filled(u, tokens, &VALUES)? };
            headers.push((name, quoted(u, &value)?));
        }
        members.push(("headers".to_owned(), object(u, headers)?));
    }
    if u.ratio(1, 4)? {
        let method = *u.choose(&["GET", "POST", "PUT", "HEAD", "get", "OPTIONS"])?;
        members.push(("method".to_owned(), quoted(u, method)?));
    }
    if u.ratio(1, 4)? {
        let bodies = [
            r#"{"data":{"a":1.50}}"#,
            r#"{"requests":[]}"#,
            "{}",
            "[]",
            r#"{"Requests":{"x":[]}}"#,
            r#"{"data":{"b":2},"c":1}"#,
        ];
        members.push(("body".to_owned(), (*u.choose(&bodies)?).to_owned()));
    }
    object(u, members)
}

/// One of these texts with a token in it.
fn filled(u: &mut Unstructured<'_>, tokens: &[String; 3], texts: &[&str]) -> Result<String> {
    let text = *u.choose(texts)?;
    let text =
        if text.contains("TICKET") { text.replace("TICKET", &ticket::stolen()) } else { text.to_owned() };
    Ok(if text.contains("TOKEN") { text.replace("TOKEN", u.choose(tokens)?) } else { text })
}

/// An object of these members, one of which may be there twice.
fn object(u: &mut Unstructured<'_>, mut members: Vec<(String, String)>) -> Result<String> {
    if u.ratio(1, 16)? && !members.is_empty() {
        let twice = u.choose(&members)?.clone();
        members.push(twice);
    }
    let mut written = Vec::new();
    for (name, value) in members {
        written.push(format!("{}:{value}", quoted(u, &name)?));
    }
    Ok(format!("{{{}}}", written.join(",")))
}

/// A JSON text, some of it escaped.
fn quoted(u: &mut Unstructured<'_>, text: &str) -> Result<String> {
    if !u.ratio(1, 8)? {
        return Ok(Value::from(text).to_string());
    }
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    Ok(format!("\"{}\"", units.collect::<String>()))
}
