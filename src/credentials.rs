//! Where a request's token may be, and that there is one only.

use crate::rejection::Rejection;

/// A longer token is invalid and is not parsed: no issuer makes one, and parsing costs.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The place of a request's token (`http_header`, `auth_type`).
#[derive(Clone, Debug)]
pub struct Credentials {
    header: String,
    schemes: Option<Vec<String>>,
}

/// What a request holds in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'h> {
    /// Nothing, or nothing that is meant for this filter: the header is Kinto's business.
    Absent(Rejection),
    /// Something meant for this filter that cannot be a token.
    Invalid(Rejection),
    /// One token, not yet parsed.
    Token(&'h [u8]),
}

impl Credentials {
    /// A token in the `Authorization` header after one of these schemes (RFC 9110 section 11.4).
    #[must_use]
    pub fn authorization(schemes: Vec<String>) -> Self {
        Self { header: "authorization".to_owned(), schemes: Some(schemes) }
    }

    /// A token alone in a header of this name.
    #[must_use]
    pub fn bare(header: &str) -> Self {
        Self { header: header.to_ascii_lowercase(), schemes: None }
    }

    /// The name of the header, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether Envoy hands all fields of this name over as one value, joined by commas.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.schemes.is_some()
    }

    /// Finds the credential among the values of all header fields of this name.
    #[must_use]
    pub fn find<'h>(&self, mut values: impl Iterator<Item = &'h [u8]>) -> Credential<'h> {
        let Some(first) = values.next() else { return Credential::Absent(Rejection::NoToken) };
        if values.next().is_some() {
            return Credential::Invalid(Rejection::MultipleTokens);
        }
        match self.strip_scheme(first) {
            Ok([]) => Credential::Absent(Rejection::NoToken),
            // A proxy joins two fields of one name with a comma (RFC 9110 section 5.3); no token has one.
            Ok(token) if token.contains(&b',') => Credential::Invalid(Rejection::MultipleTokens),
            Ok(token) if token.len() > MAX_TOKEN_BYTES => Credential::Invalid(Rejection::TokenTooLong),
            Ok(token) => Credential::Token(token),
            Err(rejection) => rejection,
        }
    }

    /// The value after the scheme and one space; a value with a scheme and no more is empty.
    fn strip_scheme<'h>(&self, value: &'h [u8]) -> Result<&'h [u8], Credential<'h>> {
        let Some(schemes) = &self.schemes else { return Ok(value) };
        if value.is_empty() {
            return Ok(value);
        }
        let (scheme, token) = split_once(value, b' ');
        let ours = |scheme: &[u8]| schemes.iter().any(|ours| scheme.eq_ignore_ascii_case(ours.as_bytes()));
        if ours(scheme) {
            return Ok(token);
        }
        // "Basic x,JWT y" is two fields in one, and one of them is meant for this filter.
        let mut others = value.split(|byte| *byte == b',').skip(1);
        if others.any(|other| ours(split_once(other.trim_ascii_start(), b' ').0)) {
            return Err(Credential::Invalid(Rejection::MultipleTokens));
        }
        Err(Credential::Absent(Rejection::ForeignScheme))
    }
}

fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'h>(credentials: &Credentials, values: &[&'h [u8]]) -> Credential<'h> {
        credentials.find(values.iter().copied())
    }

    #[test]
    fn authorization_is_scheme_space_token() {
        let jwt = Credentials::authorization(vec!["JWT".into(), "Bearer".into()]);
        let none = Credential::Absent(Rejection::NoToken);
        let foreign = Credential::Absent(Rejection::ForeignScheme);
        let multiple = Credential::Invalid(Rejection::MultipleTokens);
        for (value, credential) in [
            (&b"JWT a.b.c"[..], Credential::Token(b"a.b.c")),
            (b"jwt a.b.c", Credential::Token(b"a.b.c")),
            (b"BEARER a.b.c", Credential::Token(b"a.b.c")),
            (b"JWT  a.b.c", Credential::Token(b" a.b.c")),
            (b"JWT \xff", Credential::Token(b"\xff")),
            (b"", none),
            (b"JWT", none),
            (b"JWT ", none),
            (b"a.b.c", foreign),
            (b"JWT\ta.b.c", foreign),
            (b"JWTx a.b.c", foreign),
            (b"Basic YTpi", foreign),
            (b"Digest a=b, c=d", foreign),
            (b"JWT a.b.c,JWT a.b.c", multiple),
            (b"JWT a.b.c, Basic YTpi", multiple),
            (b"Basic YTpi,JWT a.b.c", multiple),
            (b"Basic YTpi, jwt a.b.c", multiple),
        ] {
            assert_eq!(find(&jwt, &[value]), credential, "{}", value.escape_ascii());
        }
        assert_eq!(find(&jwt, &[]), none);
        assert_eq!(find(&jwt, &[b"JWT a.b.c", b""]), multiple);
    }

    #[test]
    fn another_header_holds_the_bare_token() {
        let bare = Credentials::bare("X-Auth-Token");
        assert_eq!(bare.header(), "x-auth-token");
        assert_eq!(find(&bare, &[b"a.b.c"]), Credential::Token(b"a.b.c"));
        assert_eq!(find(&bare, &[b""]), Credential::Absent(Rejection::NoToken));
        assert_eq!(find(&bare, &[b"a.b.c", b"a.b.c"]), Credential::Invalid(Rejection::MultipleTokens));
    }

    #[test]
    fn a_token_over_16_kib_is_not_parsed() {
        let bare = Credentials::bare("t");
        let long = vec![b'a'; MAX_TOKEN_BYTES + 1];
        assert_eq!(find(&bare, &[&long]), Credential::Invalid(Rejection::TokenTooLong));
        assert_eq!(find(&bare, &[&long[1..]]), Credential::Token(&long[1..]));
    }
}
