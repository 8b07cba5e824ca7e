//! The parts of a token: JWS Compact Serialization (RFC 7515 section 3.1). Nothing is verified here.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use memchr::memchr;
use serde_json::Value;

use crate::json;
use crate::rejection::Rejection;

/// A well-formed token whose signature was not verified.
///
/// `jwk`, `jku`, `x5u` and `x5c` are not read: a key never comes from the token that it verifies.
#[derive(Debug)]
pub struct Token<'t> {
    header: Rc<Value>,
    signing_input: &'t [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Whether the parts of a token may have the padding of RFC 4648 section 4 (`padding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Padding {
    /// No (RFC 7515 section 2).
    #[default]
    Refuse,
    /// Each part may have all of its padding: AWS load balancers write it, and sign it.
    Accept,
}

impl<'t> Token<'t> {
    /// Reads the parts of a token.
    ///
    /// # Errors
    /// It is not a compact JWS, or its header asks for an extension that this filter does not have.
    pub fn parse(token: &'t [u8]) -> Result<Self, Rejection> {
        Self::parse_with(token, Padding::Refuse, &LastHeader::default())
    }

    /// Reads the parts of a token, and takes the header from `last` if that has the same bytes.
    pub(crate) fn parse_with(
        token: &'t [u8],
        padding: Padding,
        last: &LastHeader,
    ) -> Result<Self, Rejection> {
        let (header, rest) = cut(token).ok_or(Rejection::NotThreeParts)?;
        let (payload, signature) = cut(rest).ok_or(Rejection::NotThreeParts)?;
        if cut(signature).is_some() {
            return Err(Rejection::NotThreeParts);
        }
        // Before the header is looked up: another policy may accept padding.
        if padding == Padding::Refuse && memchr(b'=', token).is_some() {
            return Err(Rejection::NotBase64Url);
        }
        let signing_input =
            token.get(..token.len().saturating_sub(signature.len()).saturating_sub(1)).unwrap_or_default();
        Ok(Self {
            header: last.parse(header)?,
            signing_input,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// The `alg` header parameter (RFC 7515 section 4.1.1), if it is a string.
    pub(crate) fn alg(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    /// The `kid` header parameter (RFC 7515 section 4.1.4).
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The `typ` header parameter (RFC 7515 section 4.1.9), if it is a string.
    pub(crate) fn typ(&self) -> Option<&str> {
        self.header.get("typ")?.as_str()
    }

    /// All parameters of the header (RFC 7515 section 4).
    pub(crate) fn header(&self) -> &Value {
        &self.header
    }

    /// The octets that the signature is over (RFC 7515 section 5.2, step 8).
    pub(crate) fn signing_input(&self) -> &'t [u8] {
        self.signing_input
    }

    /// The decoded payload. Nothing in it is true before the signature is verified.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The decoded signature.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The header that was parsed last. An issuer writes the same header into all its tokens, so it is parsed once.
#[derive(Debug, Default)]
pub(crate) struct LastHeader(RefCell<Option<KnownHeader>>);

#[derive(Debug)]
struct KnownHeader {
    text: Box<[u8]>,
    header: Rc<Value>,
}

impl LastHeader {
    fn parse(&self, part: &[u8]) -> Result<Rc<Value>, Rejection> {
        if let Some(known) = self.0.borrow().as_ref().filter(|known| *known.text == *part) {
            return Ok(Rc::clone(&known.header));
        }
        let header = Rc::new(parse_header(&decode(part)?)?);
        self.0.replace(Some(KnownHeader { text: part.into(), header: Rc::clone(&header) }));
        Ok(header)
    }
}

fn parse_header(header: &[u8]) -> Result<Value, Rejection> {
    let header = json::parse_object(header).map_err(|_| Rejection::HeaderNotJson)?;
    if header.get("crit").is_some() {
        return Err(Rejection::CriticalExtension);
    }
    if header.get("b64") == Some(&Value::Bool(false)) {
        return Err(Rejection::UnencodedPayload);
    }
    if !header.get("kid").is_none_or(Value::is_string) {
        return Err(Rejection::KidNotString);
    }
    Ok(header)
}

/// What is before the first dot, and what is after it.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (part, rest) = text.split_at_checked(memchr(b'.', text)?)?;
    Some((part, rest.split_first()?.1))
}

/// Decodes base64url without other characters, and with unused bits that are zero. If there is padding, all of it must
/// be there. So no two texts without padding have the same value, and no two with it.
fn decode(part: &[u8]) -> Result<Vec<u8>, Rejection> {
    let engine = if part.ends_with(b"=") { &URL_SAFE } else { &URL_SAFE_NO_PAD };
    engine.decode(part).map_err(|_| Rejection::NotBase64Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<(), Rejection> {
        let token = format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header));
        Token::parse(token.as_bytes()).map(|_| ())
    }

    #[test]
    fn a_token_has_three_parts_of_canonical_base64url() {
        let token = Token::parse(b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln").unwrap();
        assert_eq!(token.alg(), Some("RS256"));
        assert_eq!(token.signing_input(), b"eyJhbGciOiJSUzI1NiJ9.e30");
        assert_eq!(token.payload(), b"{}");
        assert_eq!(token.signature(), b"sig");
        for (text, rejection) in [
            ("", Rejection::NotThreeParts),
            ("e30", Rejection::NotThreeParts),
            ("e30.e30", Rejection::NotThreeParts),
            ("e30.e30.e30.e30", Rejection::NotThreeParts),
            (".e30.e30.e30", Rejection::NotThreeParts),
            ("e30=.e30.e30", Rejection::NotBase64Url),
            ("e30.e30.c2ln ", Rejection::NotBase64Url),
            (" e30.e30.c2ln", Rejection::NotBase64Url),
            ("e30.e30.c2l+", Rejection::NotBase64Url),
            ("e30.e30.c2l/", Rejection::NotBase64Url),
            ("e30.e30.c2l!", Rejection::NotBase64Url),
            ("e30.e30.YR", Rejection::NotBase64Url),
            ("e30.e30.Y", Rejection::NotBase64Url),
            ("..", Rejection::HeaderNotJson),
        ] {
            assert_eq!(Token::parse(text.as_bytes()).unwrap_err(), rejection, "{text}");
        }
        assert!(Token::parse(b"\xff.\xff.\xff").is_err());
    }

    #[test]
    fn the_last_header_is_known_by_every_byte() {
        let last = LastHeader::default();
        let alg = |token: &str| {
            Token::parse_with(token.as_bytes(), Padding::Refuse, &last).map(|t| t.alg().map(str::to_owned))
        };
        let (rs, es) = ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln");
        for (token, expected) in [(rs, "RS256"), (rs, "RS256"), (es, "ES256"), (rs, "RS256")] {
            assert_eq!(alg(token), Ok(Some(expected.to_owned())));
        }
        assert_eq!(alg("bnVsbA.e30.c2ln"), Err(Rejection::HeaderNotJson));
        assert_eq!(alg("eyJhbGciOiJSUzI1NiJ9.e30=.c2ln"), Err(Rejection::NotBase64Url));
    }

    #[test]
    fn padding_is_accepted_where_it_is_asked_for_and_right() {
        let last = LastHeader::default();
        let parse = |token: &str, padding| {
            let token = Token::parse_with(token.as_bytes(), padding, &last)?;
            Ok((token.payload().to_vec(), token.signature().to_vec()))
        };
        let read = |payload: &[u8], signature: &[u8]| Ok((payload.to_vec(), signature.to_vec()));
        for (token, result) in [
            ("e30=.e30=.YQ==", read(b"{}", b"a")),
            ("e30.e30=.YQ==", read(b"{}", b"a")),
            ("e30.e30.YQ==", read(b"{}", b"a")),
            ("e30.e30.YWE=", read(b"{}", b"aa")),
            ("e30.e30.YWFh", read(b"{}", b"aaa")),
            ("e30.e30.YQ=", Err(Rejection::NotBase64Url)),
            ("e30.e30.YQ===", Err(Rejection::NotBase64Url)),
            ("e30.e30.YWE==", Err(Rejection::NotBase64Url)),
            ("e30.e30.YWFh=", Err(Rejection::NotBase64Url)),
            ("e30.e30.YWFh====", Err(Rejection::NotBase64Url)),
            ("e30.e30.YR==", Err(Rejection::NotBase64Url)),
            ("e30.e30.Y===", Err(Rejection::NotBase64Url)),
            ("e30.e30.====", Err(Rejection::NotBase64Url)),
            ("e30.e30.=YQ=", Err(Rejection::NotBase64Url)),
            ("e30.e30.YQ==YQ==", Err(Rejection::NotBase64Url)),
            ("e30=.e=30.YQ==", Err(Rejection::NotBase64Url)),
            ("e30.e30.-_8=", read(b"{}", &[0xfb, 0xff])),
            ("e30.e30.+/8=", Err(Rejection::NotBase64Url)),
        ] {
            assert_eq!(parse(token, Padding::Accept), result, "{token}");
            if token.contains('=') {
                // The header is known by now, with padding too.
                assert_eq!(parse(token, Padding::Refuse), Err(Rejection::NotBase64Url), "{token}");
            }
        }
    }

    #[test]
    fn the_header_is_an_object_without_extensions() {
        for (header, result) in [
            (r#"{"alg":"RS256","ver":1,"x5c":[{}],"jwk":{"kty":"RSA"},"b64":true,"kid":"","typ":5}"#, Ok(())),
            (r#"["RS256"]"#, Err(Rejection::HeaderNotJson)),
            ("null", Err(Rejection::HeaderNotJson)),
            (r#"{"alg":"none","alg":"RS256"}"#, Err(Rejection::HeaderNotJson)),
            (r#"{"alg":"RS256","crit":null}"#, Err(Rejection::CriticalExtension)),
            (r#"{"alg":"RS256","crit":["b64"],"b64":true}"#, Err(Rejection::CriticalExtension)),
            (r#"{"alg":"RS256","b64":false}"#, Err(Rejection::UnencodedPayload)),
            (r#"{"alg":"RS256","kid":5}"#, Err(Rejection::KidNotString)),
        ] {
            assert_eq!(parse(header), result, "{header}");
        }
    }
}
