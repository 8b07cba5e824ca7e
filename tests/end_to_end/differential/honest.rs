//! Batches as honest clients write them.

use serde_json::{Map, Value, json};

use super::Tokens;
use kit::random::Random;

/// Who a request or a sub-request is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Alice,
    Bob,
    /// The bearer of a token that proves nothing.
    Nobody,
    Inherits,
}

/// A batch for the filter, with tokens, and the same for Kinto alone, with identities.
pub(super) struct Honest {
    pub(super) outer: Who,
    pub(super) with_tokens: String,
    pub(super) with_identities: String,
    pub(super) has_bobs: bool,
}

impl Who {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Nobody | Self::Inherits => "public",
        }
    }

    fn claim(self, headers: &mut Map<String, Value>, tokens: Option<&Tokens>) {
        let Some(tokens) = tokens else {
            headers.insert("userId".to_owned(), json!(self.id()));
            return;
        };
        let token = match self {
            Self::Bob => &tokens.bob,
            Self::Alice => &tokens.alice,
            _ => &tokens.expired,
        };
        headers.insert("Authorization".to_owned(), json!(format!("JWT {token}")));
    }
}

/// One sub-request, or the defaults of all.
struct Part {
    who: Who,
    members: Map<String, Value>,
}

impl Part {
    fn written(&self, tokens: Option<&Tokens>) -> Value {
        let mut members = self.members.clone();
        if self.who != Who::Inherits {
            let headers = members.entry("headers").or_insert_with(|| json!({}));
            self.who.claim(headers.as_object_mut().unwrap(), tokens);
        }
        members.into()
    }
}

/// A batch about a bucket that no other case has.
pub(super) fn batch(mut random: Random, tokens: &Tokens, case: usize) -> Honest {
    let outer = if random.one_in(5) { Who::Nobody } else { Who::Alice };
    let bucket = format!("/buckets/h{case}");
    let mut parts = vec![part(&mut random, "PUT", &bucket)];
    for path in [format!("{bucket}/collections/c"), format!("{bucket}/collections/c/records/r1")] {
        if !random.one_in(4) {
            parts.push(part(&mut random, "PUT", &path));
        }
    }
    for _ in 0..random.below(8) {
        let (method, path) = operation(&mut random, &bucket, case);
        parts.push(part(&mut random, method, &path));
    }
    let defaults = random.one_in(2).then(|| defaults(&mut random, &mut parts));
    let has_bobs = parts.iter().chain(&defaults).any(|part| part.who == Who::Bob);
    let written = |tokens: Option<&Tokens>| {
        let requests: Vec<Value> = parts.iter().map(|part| part.written(tokens)).collect();
        let mut batch = json!({"requests": requests});
        if let Some(defaults) = &defaults {
            batch["defaults"] = defaults.written(tokens);
        }
        batch.to_string()
    };
    Honest { outer, with_tokens: written(Some(tokens)), with_identities: written(None), has_bobs }
}

fn operation(random: &mut Random, bucket: &str, case: usize) -> (&'static str, String) {
    let collection = format!("{bucket}/collections/{}", random.pick(&["c", "d", "%64", "c-1"]));
    let record = format!("{collection}/records/{}", random.pick(&["r1", "r2", "r%31", "x-batch", "Batch"]));
    let query = random.pick(&["", "", "", "?_fields=id", "?_sort=id", "?id=r1&x=%2Fb", "?text=%C3%A5+b"]);
    match random.below(14) {
        0 => ("GET", random.pick(&["/", "/v1/", "/v1/?x=%2Fbatch"]).to_owned()),
        1 => ("GET", format!("{bucket}{query}")),
        2 => ("GET", format!("{bucket}/collections{query}")),
        3 => ("GET", format!("{collection}/records{query}")),
        4 => ("HEAD", format!("{collection}/records")),
        5 => ("POST", format!("{collection}/records")),
        6 => ("DELETE", format!("{collection}/records{query}")),
        7 => ("DELETE", record),
        8 => ("PATCH", record),
        9 => ("PUT", format!("{bucket}/groups/g")),
        10 => ("PUT", format!("/buckets/default/collections/h{case}/records/r1")),
        11 => ("PUT", collection),
        12 => ("GET", record),
        _ => ("PUT", record),
    }
}

fn part(random: &mut Random, method: &str, path: &str) -> Part {
    let who = match random.below(10) {
        0 | 1 => Who::Bob,
        2 => Who::Nobody,
        _ => Who::Inherits,
    };
    let path = match path.strip_prefix("/v1") {
        None if random.one_in(2) => format!("/v1{path}"),
        _ => path.to_owned(),
    };
    let mut members = Map::new();
    members.insert("path".to_owned(), json!(path));
    if method != "GET" || random.one_in(2) {
        members.insert("method".to_owned(), json!(method));
    }
    // Without a body, a POST gets an id at random.
    if matches!(method, "PUT" | "PATCH") && !random.one_in(4) || method == "POST" {
        members.insert("body".to_owned(), body(random, method, &path));
    }
    if random.one_in(4) {
        let (name, value) = random.pick(&[
            &("If-None-Match", "*"),
            &("If-None-Match", "\"1600000000001\""),
            &("If-Match", "\"1600000000001\""),
            &("If-Match", "\"1600000000002\""),
            &("if-none-match", "\"x\""),
            &("X-Y", "é"),
            &("Cookie", "a=b"),
            &("Accept", "application/json"),
            &("Response-Behavior", "diff"),
        ]);
        let mut headers = Map::new();
        headers.insert((*name).to_owned(), json!(value));
        members.insert("headers".to_owned(), headers.into());
    }
    Part { who, members }
}

fn body(random: &mut Random, method: &str, path: &str) -> Value {
    let mut data =
        json!({"n": random.below(100), "text": random.pick(&["a", "å\u{1f600}", "\"\\\n", "userId", ""])});
    match random.below(6) {
        0 => data["headers"] = json!({"userId": "x", "Authorization": "JWT a.b.c"}),
        1 => data["requests"] = json!([{"path": "/v1/batch", "headers": {"userId": "x"}}]),
        2 => data["number"] = json!(1.5e300),
        3 => data["list"] = json!([1, 2.5, null, true, {"defaults": {}}]),
        4 => data["last_modified"] = json!(1_600_000_000_000_u64 + u64::try_from(random.below(3)).unwrap()),
        _ => {}
    }
    if method == "POST" {
        data["id"] = json!(random.pick(&["r1", "r2", "p1"]));
    }
    if path.contains("/groups/") {
        data["members"] = json!(["kinto_jwt:member"]);
    }
    let mut body = json!({"data": data});
    if random.one_in(4) {
        body["permissions"] = json!({"write": [random.pick(&["kinto_jwt:bob", "system.Everyone"])]});
    }
    body
}

/// Takes something out of all requests to where it means the same for most.
fn defaults(random: &mut Random, parts: &mut [Part]) -> Part {
    let who = match random.below(4) {
        0 => Who::Bob,
        1 => Who::Nobody,
        _ => Who::Inherits,
    };
    let mut members = Map::new();
    if random.one_in(2) {
        members.insert("method".to_owned(), json!("PUT"));
        for part in parts.iter_mut().filter(|part| part.members.get("method") == Some(&json!("PUT"))) {
            part.members.remove("method");
        }
    }
    if random.one_in(3) {
        members.insert("body".to_owned(), json!({"data": {"of_defaults": {"a": 1}}}));
    }
    if random.one_in(3) {
        members.insert("headers".to_owned(), json!({"X-Of-Defaults": "x"}));
    }
    if random.one_in(4) {
        members.insert("path".to_owned(), json!("/v1/"));
        for part in parts.iter_mut().filter(|part| part.members["path"] == "/v1/") {
            part.members.remove("path");
        }
    }
    Part { who, members }
}
