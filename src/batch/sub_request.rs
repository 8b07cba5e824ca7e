//! The parts of a batch's body: a closed list of members, each of its type, and no sub-request whose body Kinto could
//! take for a batch.
//!
//! Source: `BatchPayloadSchema` and `BatchRequestSchema` in `kinto/core/views/batch.py`. The filter parses a batch and
//! writes it anew: the only text of the client that Kinto parses is that of each `body`.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::batch::refusal::Refusal;

/// The largest number of fields in one `headers`: Envoy's limit for a request (`max_headers_count`).
const MAX_HEADERS: usize = 100;

/// Methods of sub-requests (`valid_http_method` in `kinto/core/views/batch.py`).
const METHODS: [&str; 7] = ["GET", "HEAD", "DELETE", "TRACE", "POST", "PUT", "PATCH"];

/// The body of a batch.
#[derive(Serialize)]
pub(crate) struct Batch<'b> {
    /// What Kinto merges into each sub-request (`merge_dicts` in `kinto/core/utils.py`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) defaults: Option<SubRequest<'b>>,
    pub(crate) requests: Vec<SubRequest<'b>>,
}

/// A sub-request, or `defaults`.
#[derive(Serialize)]
pub(crate) struct SubRequest<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Headers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'b RawValue>,
}

/// The `headers` of a sub-request, in order.
#[derive(Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl<'b> Batch<'b> {
    /// Reads the body of a batch with no more than this many sub-requests.
    ///
    /// # Errors
    /// It is not such a body.
    pub(crate) fn parse(body: &'b [u8], max_requests: usize) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::NotJson)?;
        let [defaults, requests] = members(text, ["defaults", "requests"])?;
        let requests = items(requests.ok_or(Refusal::Shape)?, max_requests)?;
        Ok(Self {
            defaults: defaults.map(SubRequest::parse).transpose()?,
            requests: requests.into_iter().map(SubRequest::parse).collect::<Result<_, _>>()?,
        })
    }
}

impl<'b> SubRequest<'b> {
    fn parse(value: &'b RawValue) -> Result<Self, Refusal> {
        let [method, path, headers, body] = members(value.get(), ["method", "path", "headers", "body"])?;
        let text = |member: &RawValue| serde_json::from_str::<String>(member.get());
        let method = method.map(text).transpose()?;
        if method.as_ref().is_some_and(|method| !METHODS.contains(&method.as_str())) {
            return Err(Refusal::Shape);
        }
        // Kinto merges `defaults.body` into the body of each sub-request, member by member: the merged body has a
        // member `requests` if and only if one of the two has it.
        if let Some(body) = body
            && has_requests(body)?
        {
            return Err(Refusal::Nested);
        }
        let headers = headers.map(|headers| serde_json::from_str(headers.get())).transpose()?;
        Ok(Self { method, path: path.map(text).transpose()?, headers, body })
    }
}

/// The members of an object, which must have no others than these, and each of them at most once.
fn members<'b, const N: usize>(
    text: &'b str,
    names: [&'static str; N],
) -> Result<[Option<&'b RawValue>; N], Refusal> {
    struct Members<const N: usize>([&'static str; N]);
    impl<'de, const N: usize> Visitor<'de> for Members<N> {
        type Value = [Option<&'de RawValue>; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with the members that Kinto documents")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = [None; N];
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                let known = self.0.iter().zip(&mut found).find(|(known, _)| **known == name);
                match known {
                    Some((_, place @ None)) => *place = Some(value),
                    _ => return Err(A::Error::custom("a member that is unknown, or there twice")),
                }
            }
            Ok(found)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_map(Members(names))?;
    deserializer.end()?;
    Ok(found)
}

/// The items of a list, which must have no more than `limit`.
fn items(list: &RawValue, limit: usize) -> Result<Vec<&RawValue>, Refusal> {
    struct Items(usize);
    impl<'de> Visitor<'de> for Items {
        type Value = (Vec<&'de RawValue>, usize);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while items.len() < self.0
                && let Some(item) = seq.next_element()?
            {
                items.push(item);
            }
            let mut rest = 0_usize;
            while seq.next_element::<IgnoredAny>()?.is_some() {
                rest = rest.saturating_add(1);
            }
            Ok((items, rest))
        }
    }
    let (items, rest) = serde_json::Deserializer::from_str(list.get()).deserialize_seq(Items(limit))?;
    if rest > 0 { Err(Refusal::TooManyRequests(limit)) } else { Ok(items) }
}

/// Whether an object has a member `requests`, however its name is escaped.
///
/// # Errors
/// It is not an object.
fn has_requests(body: &RawValue) -> Result<bool, Refusal> {
    struct IsRequests(bool);
    impl<'de> Deserialize<'de> for IsRequests {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(NameVisitor)
        }
    }
    struct NameVisitor;
    impl Visitor<'_> for NameVisitor {
        type Value = IsRequests;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name")
        }

        fn visit_str<E>(self, name: &str) -> Result<IsRequests, E> {
            Ok(IsRequests(name == "requests"))
        }
    }
    struct BodyVisitor;
    impl<'de> Visitor<'de> for BodyVisitor {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let mut found = false;
            while let Some((IsRequests(is_it), IgnoredAny)) = map.next_entry()? {
                found |= is_it;
            }
            Ok(found)
        }
    }
    Ok(serde_json::Deserializer::from_str(body.get()).deserialize_map(BodyVisitor)?)
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MAX_HEADERS} strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    if headers.len() == MAX_HEADERS {
                        return Err(A::Error::custom("too many headers"));
                    }
                    headers.push(header);
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Refusal> {
        let batch = Batch::parse(text.as_bytes(), 2)?;
        Ok(serde_json::to_string(&batch).unwrap())
    }

    #[test]
    fn what_kinto_documents_is_written_as_it_was() {
        for text in [
            r#"{"requests":[]}"#,
            r#"{"requests":[{}]}"#,
            r#"{"defaults":{"method":"PUT","headers":{"If-Match":"\"1\""}},"requests":[{"path":"/a"},{"path":"/b"}]}"#,
            r#"{"requests":[{"method":"PATCH","path":"/a?b=\"1\"","headers":{},"body":{ "data" : {"x":1.10E5,"x":-0,"requests":[1]}}}]}"#,
        ] {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        assert_eq!(
            parse(r#" {"r\u0065quests": [ {"body":{},"path":"\/\u0061"} ] } "#).as_deref(),
            Ok(r#"{"requests":[{"path":"/a","body":{}}]}"#)
        );
    }

    #[test]
    fn anything_else_is_refused() {
        use Refusal::{NotJson, Shape};
        for (text, refusal) in [
            ("", NotJson),
            ("{", NotJson),
            ("\u{feff}{\"requests\":[]}", NotJson),
            (r#"{"requests":[]}x"#, NotJson),
            (r#"{"requests":[{"body":{"x":NaN}}]}"#, NotJson),
            (r#"{"requests":[{"path":"\ud800"}]}"#, NotJson),
            ("[]", Shape),
            ("null", Shape),
            ("{}", Shape),
            (r#"{"requests":null}"#, Shape),
            (r#"{"requests":{}}"#, Shape),
            (r#"{"requests":"a"}"#, Shape),
            (r#"{"requests":[],"x":1}"#, Shape),
            (r#"{"requests":[],"requests":[]}"#, Shape),
            (r#"{"requests":[],"r\u0065quests":[]}"#, Shape),
            (r#"{"requests":[],"defaults":null}"#, Shape),
            (r#"{"requests":[],"defaults":[]}"#, Shape),
            (r#"{"requests":[],"defaults":{"x":1}}"#, Shape),
            (r#"{"requests":["/"]}"#, Shape),
            (r#"{"requests":[["GET","/"]]}"#, Shape),
            (r#"[{},[]]"#, Shape),
            (r#"{"requests":[null]}"#, Shape),
            (r#"{"requests":[{"x":1}]}"#, Shape),
            (r#"{"requests":[{"path":1}]}"#, Shape),
            (r#"{"requests":[{"path":null}]}"#, Shape),
            (r#"{"requests":[{"path":"/","p\u0061th":"/"}]}"#, Shape),
            (r#"{"requests":[{"method":"OPTIONS"}]}"#, Shape),
            (r#"{"requests":[{"method":"get"}]}"#, Shape),
            (r#"{"requests":[{"method":["GET"]}]}"#, Shape),
            (r#"{"requests":[{"headers":[["a","b"]]}]}"#, Shape),
            (r#"{"requests":[{"headers":{"a":1}}]}"#, Shape),
            (r#"{"requests":[{"headers":{"a":null}}]}"#, Shape),
            (r#"{"requests":[{"body":[]}]}"#, Shape),
            (r#"{"requests":[{"body":"{}"}]}"#, Shape),
            (r#"{"requests":[{"body":null}]}"#, Shape),
        ] {
            assert_eq!(parse(text), Err(refusal), "{text}");
        }
        assert_eq!(parse(r#"{"requests":[{},{},{}]}"#), Err(Refusal::TooManyRequests(2)));
        assert_eq!(parse(r#"{"requests":[1,2,3]}"#), Err(Refusal::TooManyRequests(2)));
        assert_eq!(Batch::parse(b"{\"requests\":[],\"\xff\":1}", 2).err(), Some(NotJson));
        let headers: Vec<String> = (0..=MAX_HEADERS).map(|number| format!("\"a{number}\":\"\"")).collect();
        let of =
            |count: usize| format!(r#"{{"requests":[{{"headers":{{{}}}}}]}}"#, headers[..count].join(","));
        assert!(parse(&of(MAX_HEADERS)).is_ok());
        assert_eq!(parse(&of(MAX_HEADERS + 1)), Err(Shape));
    }

    #[test]
    fn a_body_that_could_be_a_batch_is_refused() {
        for body in [
            r#"{"requests":[]}"#,
            r#"{"requests":null}"#,
            r#"{"r\u0065quests":[{"path":"/v1/"}]}"#,
            r#"{"\u0072\u0065\u0071\u0075\u0065\u0073\u0074\u0073":1}"#,
            r#"{"data":{},"requests":1,"x":2}"#,
            r#"{"defaults":{},"requests":[]}"#,
        ] {
            assert_eq!(
                parse(&format!(r#"{{"requests":[{{"body":{body}}}]}}"#)),
                Err(Refusal::Nested),
                "{body}"
            );
            assert_eq!(
                parse(&format!(r#"{{"defaults":{{"body":{body}}},"requests":[]}}"#)),
                Err(Refusal::Nested),
                "{body}"
            );
        }
        for body in [r#"{"Requests":[]}"#, r#"{"data":{"requests":[]}}"#, r#"{"requests ":1}"#, "{}"] {
            assert!(parse(&format!(r#"{{"requests":[{{"body":{body}}}]}}"#)).is_ok(), "{body}");
        }
    }
}
