//! Requests for the checks, and a second reader of the places in which a token may be.

use std::borrow::Cow;

use kinto_jwt_filter::Request;

/// A request: the names of its fields in lower case, and their values; `:method` and `:path` too.
#[derive(Clone, Debug)]
pub struct Fields(pub Vec<(String, Vec<u8>)>);

impl Fields {
    /// A request of this method and path.
    pub fn new(method: &str, path: impl Into<Vec<u8>>) -> Self {
        Self(vec![(":method".to_owned(), method.into()), (":path".to_owned(), path.into())])
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The values of all fields of this name.
    pub fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f [u8]> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_slice())
    }
}

impl Request for Fields {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        self.all(name).map(Cow::Borrowed)
    }
}

/// What one place, or all places, of a request hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing that is meant for the filter.
    Nothing,
    /// What cannot be one token.
    Invalid,
    /// One text that may be a token.
    Token(Vec<u8>),
}

/// The places that the checks configure: `Authorization: JWT`, the cookie `t`, the parameter `t`.
pub const PLACES: &str =
    r#"[{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}]"#;

/// What a request holds in all of [`PLACES`].
pub fn find(request: &Fields) -> Found {
    let mut found = in_authorization(request);
    let path = request.all(":path").next().unwrap_or_default();
    for values in [cookies_named(request, b"t"), parameters_named(path, b"t")] {
        for value in &values {
            let here = text(value, values.iter().all(|other| other == value));
            found = both(found, here);
        }
    }
    found
}

fn both(one: Found, other: Found) -> Found {
    match (one, other) {
        (Found::Nothing, found) | (found, Found::Nothing) => found,
        (Found::Token(one), Found::Token(other)) if one == other => Found::Token(one),
        _ => Found::Invalid,
    }
}

/// What a text is that stands where a token stands. No token has a comma, nor more than 16 KiB.
fn text(value: &[u8], is_only: bool) -> Found {
    match value {
        _ if !is_only => Found::Invalid,
        [] => Found::Nothing,
        value if value.contains(&b',') || value.len() > 16 * 1024 => Found::Invalid,
        value => Found::Token(value.to_vec()),
    }
}

/// What `Authorization` holds for the scheme `JWT`.
pub(super) fn in_authorization(request: &Fields) -> Found {
    let values: Vec<&[u8]> = request.all("authorization").collect();
    let [value] = values.as_slice() else {
        return if values.is_empty() { Found::Nothing } else { Found::Invalid };
    };
    let scheme_of = |value: &[u8]| value.split(|byte| *byte == b' ').next().unwrap().to_ascii_lowercase();
    if scheme_of(value) == b"jwt" {
        return text(value.get(4..).unwrap_or_default(), true);
    }
    let joined = value.split(|byte| *byte == b',').skip(1);
    let is_ours = joined.map(<[u8]>::trim_ascii_start).any(|other| scheme_of(other) == b"jwt");
    if is_ours { Found::Invalid } else { Found::Nothing }
}

/// The cookies of a request, in order: each name and value (RFC 6265 section 5.4), without white space around them.
pub fn cookies(request: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = request.all("cookie").flat_map(|field| field.split(|byte| *byte == b';'));
    let pairs = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            (pair[..at].trim_ascii_end().to_vec(), value.trim_ascii_start().to_vec())
        })
        .collect()
}

fn cookies_named(request: &Fields, name: &[u8]) -> Vec<Vec<u8>> {
    let named = cookies(request).into_iter().filter(|(other, _)| other == name);
    named
        .map(|(_, value)| match value.as_slice() {
            [b'"', inner @ .., b'"'] => inner.to_vec(),
            _ => value,
        })
        .collect()
}

/// The parameters in the query of a path, in order: each name and value, decoded (WHATWG URL, section 5.1).
pub fn parameters(path: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(at) = path.iter().position(|byte| *byte == b'?') else { return Vec::new() };
    let pieces = path[at + 1..].split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let at = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
            (unescaped(&piece[..at]), unescaped(piece.get(at + 1..).unwrap_or_default()))
        })
        .collect()
}

fn parameters_named(path: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let named = parameters(path).into_iter().filter(|(other, _)| other == name);
    named.map(|(_, value)| value).collect()
}

/// A text of a query: `+` is a space, and what is not UTF-8 becomes U+FFFD.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit =
        |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut read = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escaped = digit(text.get(at + 1)).zip(digit(text.get(at + 2))).filter(|_| *byte == b'%');
        at += if escaped.is_some() { 3 } else { 1 };
        read.push(match escaped {
            Some((high, low)) => high * 16 + low,
            None if *byte == b'+' => b' ',
            None => *byte,
        });
    }
    String::from_utf8_lossy(&read).into_owned().into_bytes()
}
