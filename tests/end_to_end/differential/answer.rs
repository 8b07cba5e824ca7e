//! What an answer of an observed Kinto says.

use serde_json::Value;

use kit::http::Response;

/// What an answer of an observed Kinto says of what happened inside.
pub(super) fn seen(answer: &Response, name: &str) -> Vec<Value> {
    let prefix = format!("{name}: ");
    let mut lines = answer.head.lines();
    let line = lines.find(|line| line.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(&prefix)));
    line.map_or_else(Vec::new, |line| serde_json::from_str(&line[prefix.len()..]).unwrap())
}

pub(super) fn is_forged(answer: &Response) -> bool {
    let is_claim = |user: &Value| user.as_str().is_some_and(|user| user.contains("forged"));
    seen(answer, "x-seen-users").iter().any(is_claim)
        || String::from_utf8_lossy(&answer.body).contains("kinto_jwt:forged")
}

/// How many times the batch endpoint was entered.
pub(super) fn batches(answer: &Response) -> usize {
    let is_batch = |view: &&Value| view.as_str().is_some_and(|view| view.starts_with("POST batch "));
    seen(answer, "x-seen-views").iter().filter(is_batch).count()
}

/// An answer without the times in it.
pub(super) fn normalised(answer: Value) -> Value {
    match answer {
        Value::Array(list) => list.into_iter().map(normalised).collect(),
        Value::Object(members) => {
            let is_time =
                |name: &str| matches!(name, "last_modified" | "ETag" | "Last-Modified" | "Date" | "Expires");
            let members = members.into_iter().filter(|(name, _)| !is_time(name));
            members.map(|(name, value)| (name, normalised(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    }
}

/// Where an answer redirects to, without the host.
pub(super) fn location(answer: &Response) -> Option<Vec<u8>> {
    let mut lines = answer.head.lines();
    let line = lines.find(|line| line.to_ascii_lowercase().starts_with("location: "))?;
    let target = line.split_once(": ")?.1;
    let path =
        target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    Some(path.as_bytes().to_vec())
}
