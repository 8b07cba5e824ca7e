//! Where the token of a request may be. A request with two different tokens has none.

use std::borrow::Cow;

use memchr::memchr;

use crate::rejection::Rejection;
use crate::request::Request;

/// Bytes of the longest token. A longer one is invalid and is not parsed: no issuer makes one, and parsing costs time.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// One place where a token may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A header field.
    Header {
        /// Its name, in lower case.
        name: String,
        /// The schemes, one of which stands before the token (RFC 9110 section 11.4). With an empty list the token
        /// stands alone.
        schemes: Vec<String>,
    },
    /// A cookie of this name (RFC 6265 section 4.2).
    Cookie(String),
    /// A parameter of this name in the query of the path (RFC 6750 section 2.3).
    Query(String),
}

/// What a request has in one place, or in all places of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential<'r> {
    /// Nothing, or something that is meant for Kinto and not for this filter.
    Absent(Rejection),
    /// Something that is meant for this filter and cannot be a token.
    Invalid(Rejection),
    /// One token, not yet parsed.
    Token(Cow<'r, [u8]>),
}

/// The places of a policy's tokens (`from`, or `http_header` and `auth_type`), in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials(Vec<Place>);

impl Credentials {
    /// Credentials in these places.
    pub(crate) fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// The places.
    pub(crate) fn places(&self) -> &[Place] {
        &self.0
    }

    /// Finds the token of a request. Adds to `used` the places that hold something meant for this filter.
    pub(crate) fn find<'r, 'c: 'r>(
        &'c self,
        request: &'r impl Request,
        used: &mut Vec<&'c Place>,
    ) -> Credential<'r> {
        let mut found = Credential::Absent(Rejection::NoToken);
        for place in &self.0 {
            let here = place.find(request);
            if matches!(here, Credential::Absent(_)) {
                if here == Credential::Absent(Rejection::ForeignScheme)
                    && matches!(found, Credential::Absent(_))
                {
                    found = here;
                }
                continue;
            }
            if !used.contains(&place) {
                used.push(place);
            }
            found = match (found, here) {
                (Credential::Absent(_), here) => here,
                (Credential::Token(one), Credential::Token(other)) if one == other => Credential::Token(one),
                (Credential::Token(_), Credential::Token(_)) => {
                    Credential::Invalid(Rejection::MultipleTokens)
                }
                (Credential::Token(_), invalid) | (invalid, _) => invalid,
            };
        }
        found
    }
}

impl Place {
    /// The name of the field in which the place is, in lower case.
    pub(crate) fn field(&self) -> &str {
        match self {
            Self::Header { name, .. } => name,
            Self::Cookie(_) => "cookie",
            Self::Query(_) => ":path",
        }
    }

    /// The value of the field without the token; `None` if nothing is left.
    pub(crate) fn remove_from(&self, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Header { .. } => None,
            Self::Cookie(name) => {
                let pairs = cookies(value).filter(|pair| cookie(pair).0 != name.as_bytes());
                let kept = pairs.collect::<Vec<_>>().join(&b"; "[..]);
                (!kept.is_empty()).then_some(kept)
            }
            Self::Query(name) => {
                let others = parameters(value).filter(|piece| !is_named(piece, name));
                let kept = others.collect::<Vec<_>>().join(&b'&');
                let path = split_once(value, b'?').0;
                Some(if kept.is_empty() { path.to_vec() } else { [path, &kept].join(&b'?') })
            }
        }
    }

    /// Whether this place holds something that is meant for this filter.
    pub(crate) fn holds_token(&self, request: &impl Request) -> bool {
        !matches!(self.find(request), Credential::Absent(_))
    }

    fn find<'r>(&'r self, request: &'r impl Request) -> Credential<'r> {
        match self {
            Self::Header { name, schemes } => find_in_header(request.values(name), schemes),
            Self::Cookie(name) => {
                let fields: Vec<Cow<'_, [u8]>> = request.values("cookie").collect();
                let cookies = fields.iter().flat_map(|field| cookies(field)).map(cookie);
                let named = cookies.filter(|(other, _)| *other == name.as_bytes());
                all_equal(named.map(|(_, value)| value), |value| Some(unquoted(value).to_vec()))
            }
            Self::Query(name) => {
                let path = request.first(":path");
                all_equal(parameters(&path).filter(|piece| is_named(piece, name)), decoded_value)
            }
        }
    }
}

fn find_in_header<'r>(mut values: impl Iterator<Item = Cow<'r, [u8]>>, schemes: &[String]) -> Credential<'r> {
    let Some(value) = values.next() else { return Credential::Absent(Rejection::NoToken) };
    if values.next().is_some() {
        return Credential::Invalid(Rejection::MultipleTokens);
    }
    match token_start(&value, schemes) {
        Ok(start) => bare_token(skip(value, start)),
        Err(credential) => credential,
    }
}

/// The index at which the token starts: after the scheme and one space. A value that is only a scheme has an empty
/// token.
fn token_start(value: &[u8], schemes: &[String]) -> Result<usize, Credential<'static>> {
    if schemes.is_empty() || value.is_empty() {
        return Ok(0);
    }
    let ours = |scheme: &[u8]| schemes.iter().any(|ours| scheme.eq_ignore_ascii_case(ours.as_bytes()));
    let scheme = split_once(value, b' ').0;
    if ours(scheme) {
        return Ok(value.len().min(scheme.len().saturating_add(1)));
    }
    // "Basic x,JWT y" is two fields that a proxy has joined, and one of them is meant for this filter.
    let mut others = value.split(|byte| *byte == b',').skip(1);
    if others.any(|other| ours(split_once(other.trim_ascii_start(), b' ').0)) {
        return Err(Credential::Invalid(Rejection::MultipleTokens));
    }
    Err(Credential::Absent(Rejection::ForeignScheme))
}

/// The credential in a value that consists of a token and nothing else.
fn bare_token(value: Cow<'_, [u8]>) -> Credential<'_> {
    if value.is_empty() {
        Credential::Absent(Rejection::NoToken)
    } else if memchr(b',', &value).is_some() {
        // A proxy joins two fields of one name with a comma (RFC 9110 section 5.3); no token has one.
        Credential::Invalid(Rejection::MultipleTokens)
    } else if value.len() > MAX_TOKEN_BYTES {
        Credential::Invalid(Rejection::TokenTooLong)
    } else {
        Credential::Token(value)
    }
}

/// The credential in several values, which must be the same when decoded.
fn all_equal<'v>(
    mut values: impl Iterator<Item = &'v [u8]>,
    decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Credential<'static> {
    let Some(first) = values.next() else { return Credential::Absent(Rejection::NoToken) };
    let decoded = decode(first);
    if values.any(|other| other != first && decode(other) != decoded) {
        return Credential::Invalid(Rejection::MultipleTokens);
    }
    bare_token(Cow::Owned(decoded.unwrap_or_default()))
}

/// The pieces of a cookie field, each `name=value` as it was written.
fn cookies(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// The name and the value of a cookie. WebOb accepts white space around `=` (`webob/cookies.py`), RFC 6265 does not.
fn cookie(pair: &[u8]) -> (&[u8], &[u8]) {
    let (name, value) = split_once(pair, b'=');
    (name.trim_ascii_end(), value.trim_ascii_start())
}

/// The value of a cookie without the quotes around it (RFC 6265 section 4.1.1). What is left of a value with other
/// quotes, or with the escapes that Python writes between quotes, is not base64url and so no token.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// The pieces of a query, each `name=value` as it was written.
fn parameters(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_once(path, b'?').1.split(|byte| *byte == b'&')
}

/// Whether a piece of a query has this name when it is decoded.
fn is_named(piece: &[u8], name: &str) -> bool {
    let written = split_once(piece, b'=').0;
    if written.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        form_urlencoded::parse(written).next().is_some_and(|(other, _)| other == name)
    } else {
        written == name.as_bytes()
    }
}

/// The decoded value of a piece of a query.
fn decoded_value(piece: &[u8]) -> Option<Vec<u8>> {
    form_urlencoded::parse(piece).next().map(|(_, value)| value.into_owned().into_bytes())
}

fn skip(value: Cow<'_, [u8]>, start: usize) -> Cow<'_, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.get(start..).unwrap_or_default()),
        Cow::Owned(mut value) => {
            value.drain(..start.min(value.len()));
            Cow::Owned(value)
        }
    }
}

fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of fields.
    struct Fields<'t>(Vec<(&'t str, &'t [u8])>);

    impl Request for Fields<'_> {
        fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
            self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| Cow::Borrowed(*value))
        }
    }

    fn find(places: &[Place], fields: &[(&str, &[u8])]) -> Credential<'static> {
        match Credentials::new(places.to_vec()).find(&Fields(fields.to_vec()), &mut Vec::new()) {
            Credential::Token(token) => Credential::Token(Cow::Owned(token.into_owned())),
            Credential::Absent(rejection) => Credential::Absent(rejection),
            Credential::Invalid(rejection) => Credential::Invalid(rejection),
        }
    }

    fn token(text: &'static [u8]) -> Credential<'static> {
        Credential::Token(Cow::Borrowed(text))
    }

    const NONE: Credential<'static> = Credential::Absent(Rejection::NoToken);
    const FOREIGN: Credential<'static> = Credential::Absent(Rejection::ForeignScheme);
    const MULTIPLE: Credential<'static> = Credential::Invalid(Rejection::MultipleTokens);

    fn header(name: &str, schemes: &[&str]) -> Place {
        Place::Header { name: name.into(), schemes: schemes.iter().map(|scheme| (*scheme).into()).collect() }
    }

    #[test]
    fn authorization_is_scheme_space_token() {
        let jwt = [header("authorization", &["JWT", "Bearer"])];
        for (value, credential) in [
            (&b"JWT a.b.c"[..], token(b"a.b.c")),
            (b"jwt a.b.c", token(b"a.b.c")),
            (b"BEARER a.b.c", token(b"a.b.c")),
            (b"JWT  a.b.c", token(b" a.b.c")),
            (b"JWT \xff", token(b"\xff")),
            (b"", NONE),
            (b"JWT", NONE),
            (b"JWT ", NONE),
            (b"a.b.c", FOREIGN),
            (b"JWT\ta.b.c", FOREIGN),
            (b"JWTx a.b.c", FOREIGN),
            (b"Basic YTpi", FOREIGN),
            (b"Digest a=b, c=d", FOREIGN),
            (b"JWT a.b.c,JWT a.b.c", MULTIPLE),
            (b"JWT a.b.c, Basic YTpi", MULTIPLE),
            (b"Basic YTpi,JWT a.b.c", MULTIPLE),
            (b"Basic YTpi, jwt a.b.c", MULTIPLE),
        ] {
            assert_eq!(find(&jwt, &[("authorization", value)]), credential, "{}", value.escape_ascii());
        }
        assert_eq!(find(&jwt, &[]), NONE);
        assert_eq!(find(&jwt, &[("authorization", b"JWT a.b.c"), ("authorization", b"")]), MULTIPLE);
    }

    #[test]
    fn another_header_holds_the_bare_token() {
        let bare = [header("x-auth-token", &[])];
        assert_eq!(find(&bare, &[("x-auth-token", b"a.b.c")]), token(b"a.b.c"));
        assert_eq!(find(&bare, &[("x-auth-token", b"")]), NONE);
        assert_eq!(find(&bare, &[("x-auth-token", b"a.b.c"), ("x-auth-token", b"a.b.c")]), MULTIPLE);
    }

    #[test]
    fn a_token_over_16_kib_is_not_parsed() {
        let bare = [header("t", &[])];
        let long = vec![b'a'; MAX_TOKEN_BYTES + 1];
        assert_eq!(find(&bare, &[("t", &long)]), Credential::Invalid(Rejection::TokenTooLong));
        assert_eq!(find(&bare, &[("t", &long[1..])]), Credential::Token(Cow::Borrowed(&long[1..])));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_removed_alone() {
        let cookie = Place::Cookie("jwt".into());
        for (field, credential, rest) in [
            (&b"jwt=a.b.c"[..], token(b"a.b.c"), None),
            (b"x=1; jwt=a.b.c; y=\"2\"", token(b"a.b.c"), Some(&b"x=1; y=\"2\""[..])),
            (b"x=1;jwt=a.b.c", token(b"a.b.c"), Some(b"x=1")),
            (b"x=1; jwt =a.b.c", token(b"a.b.c"), Some(b"x=1")),
            (b"jwt = a.b.c; jwt=a.b.c", token(b"a.b.c"), None),
            (b"jwt=a.b.c; jwt\t=d.e.f", MULTIPLE, None),
            (b"jwt=a.b.c; jwt=a.b.c", token(b"a.b.c"), None),
            (b"jwt=a.b.c; jwt=d.e.f", MULTIPLE, None),
            (b"JWT=a.b.c", NONE, Some(b"JWT=a.b.c")),
            (b"jwt=", NONE, None),
            (b"jwt=\"a.b.c\"", token(b"a.b.c"), None),
            (b"x=1; jwt =\t\"a.b.c\" ; y=2", token(b"a.b.c"), Some(b"x=1; y=2")),
            (b"jwt=a.b.c; jwt=\"a.b.c\"", token(b"a.b.c"), None),
            (b"jwt=\"a.b.c\"; jwt=\"d.e.f\"", MULTIPLE, None),
            (b"jwt=\"a.b.c\"; jwt=d.e.f", MULTIPLE, None),
            (b"jwt=\"\"", NONE, None),
            // No token has a quote, a backslash or a space: what is left of these is not base64url.
            (b"jwt=\"a.b.c", token(b"\"a.b.c"), None),
            (b"jwt=a.b.c\"", token(b"a.b.c\""), None),
            (b"jwt=\"", token(b"\""), None),
            (b"jwt=\"\"a.b.c\"\"", token(b"\"a.b.c\""), None),
            (b"jwt=\" a.b.c \"", token(b" a.b.c "), None),
            (b"jwt=\"a\\056b.c\"", token(b"a\\056b.c"), None),
            (b"jwt='a.b.c'", token(b"'a.b.c'"), None),
            (b"jwt=\"a.b.c\"x", token(b"\"a.b.c\"x"), None),
            (b"jwt=\"a.b.c;d\"", token(b"\"a.b.c"), Some(b"d\"")),
            (b"jwt=\"a.b.c, d.e.f\"", MULTIPLE, None),
            (b"jwt", NONE, None),
            (b"xjwt=a; a=jwt=b", NONE, Some(b"xjwt=a; a=jwt=b")),
        ] {
            assert_eq!(
                find(std::slice::from_ref(&cookie), &[("cookie", field)]),
                credential,
                "{}",
                field.escape_ascii()
            );
            assert_eq!(cookie.remove_from(field).as_deref(), rest, "{}", field.escape_ascii());
        }
        let twice: [(&str, &[u8]); 2] = [("cookie", b"jwt=a.b.c"), ("cookie", b"jwt=d.e.f")];
        assert_eq!(find(&[cookie], &twice), MULTIPLE);
    }

    #[test]
    fn a_parameter_is_found_by_its_decoded_name_and_removed_alone() {
        let query = Place::Query("access_token".into());
        for (path, credential, rest) in [
            (&b"/v1/?access_token=a.b.c"[..], token(b"a.b.c"), &b"/v1/"[..]),
            (b"/v1/?x=%20&access_token=a.b.c&y", token(b"a.b.c"), b"/v1/?x=%20&y"),
            (b"/v1/?access%5ftoken=a%2eb.c", token(b"a.b.c"), b"/v1/"),
            (b"/v1/?access_token=a.b.c&access_token=a.b.c", token(b"a.b.c"), b"/v1/"),
            (b"/v1/?access_token=a.b.c&access_token=d.e.f", MULTIPLE, b"/v1/"),
            (b"/v1/?access_token=", NONE, b"/v1/"),
            (b"/v1/?Access_token=a", NONE, b"/v1/?Access_token=a"),
            (b"/access_token=a?x=access_token=b", NONE, b"/access_token=a?x=access_token=b"),
            (b"/v1/", NONE, b"/v1/"),
        ] {
            assert_eq!(
                find(std::slice::from_ref(&query), &[(":path", path)]),
                credential,
                "{}",
                path.escape_ascii()
            );
            assert_eq!(query.remove_from(path).as_deref(), Some(rest), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn there_is_one_token_in_all_places() {
        let places = [header("authorization", &["Bearer"]), Place::Cookie("jwt".into())];
        for (authorization, cookie, credential) in [
            (&b"Bearer a.b.c"[..], &b""[..], token(b"a.b.c")),
            (b"", b"jwt=a.b.c", token(b"a.b.c")),
            (b"Basic x", b"jwt=a.b.c", token(b"a.b.c")),
            (b"Basic x", b"", FOREIGN),
            (b"Bearer a.b.c", b"jwt=a.b.c", token(b"a.b.c")),
            (b"Bearer a.b.c", b"jwt=d.e.f", MULTIPLE),
            (b"Bearer a.b.c, Basic x", b"jwt=a.b.c", MULTIPLE),
            (b"Bearer a.b.c", b"jwt=d; jwt=e", MULTIPLE),
            (b"", b"", NONE),
        ] {
            let fields = [("authorization", authorization), ("cookie", cookie)];
            assert_eq!(find(&places, &fields), credential, "{}", authorization.escape_ascii());
        }
    }
}
