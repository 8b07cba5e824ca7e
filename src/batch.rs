//! Kinto's batch body in, a body that claims nobody else's identity out.
//!
//! `POST /v1/batch` carries headers for each sub-request in its JSON body (`requests[].headers`,
//! `defaults.headers`; `kinto/core/views/batch.py`). Kinto merges them over the headers of the request
//! itself, so a header filter alone does not see an identity claimed there. The rules:
//!
//! 1. The body is one strict JSON object in UTF-8, with unique names wherever this file reads them.
//! 2. Whatever Python would file under the identity header's key is removed, in every spelling.
//! 3. A sub-request that has the token header, of its own or from `defaults`, goes through the same decision
//!    as any request and gets its own identity, valid or not. Every other one inherits the outer request's.
//! 4. No sub-request reaches the batch endpoint again.
//! 5. What is not about identity stays as it was, byte for byte.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::Answer;
use crate::batch_path::reaches_batch;
use crate::claims::NumericDate;
use crate::gate::Gate;
use crate::identity_header::{is_token, same_key, wsgi_key};
use crate::json::{RawMember, RawObject};
use crate::user_id::UserId;

/// Pyramid's name for nobody: as a user id it is no user (`pyramid.authentication`, `_clean_principal`).
///
/// A sub-request inherits the outer request's headers and cannot take one away, so an anonymous one inside
/// an authenticated request says so in this way.
const NOBODY: &str = "system.Everyone";

/// Kinto's default `batch_max_requests`; more sub-requests are Kinto's to refuse.
const USUAL_REQUESTS: usize = 25;

/// Limits of the batch endpoint (`batch`).
#[derive(Clone, Debug)]
pub struct BatchLimits {
    /// Bytes of the largest body that is read (`maxBytes`).
    pub max_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { max_bytes: 1_048_576 }
    }
}

/// Why a batch is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Larger than `batch.maxBytes`.
    TooLarge,
    /// Named as another charset than UTF-8: Kinto would read other text than this filter.
    Charset,
    /// A content coding such as gzip (RFC 9110 section 8.4).
    ContentCoding,
    /// Not UTF-8, not JSON, or an object with two members of one name.
    NotJson,
    /// JSON, but not of the shape that Kinto documents.
    Shape,
    /// A header name that is not an RFC 9110 token.
    HeaderName,
    /// A header value that is not a string.
    HeaderValue,
    /// A batch inside a batch.
    Nested,
    /// Longer than the Content-Length that was already sent on.
    TooLong,
}

impl Refusal {
    /// A stable name for the log and for tests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "batch_too_large",
            Self::Charset => "batch_charset",
            Self::ContentCoding => "batch_content_coding",
            Self::NotJson => "batch_not_json",
            Self::Shape => "batch_shape",
            Self::HeaderName => "batch_header_name",
            Self::HeaderValue => "batch_header_value",
            Self::Nested => "batch_nested",
            Self::TooLong => "batch_too_long",
        }
    }

    /// The answer to the client.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::TooLarge => Answer::too_large("The batch is larger than the proxy's limit."),
            Self::Charset => Answer::invalid_body("body: the charset of a batch must be UTF-8."),
            Self::ContentCoding => Answer::invalid_body("body: a batch must not have a Content-Encoding."),
            Self::NotJson => Answer::invalid_body("body: Invalid JSON: not UTF-8 JSON with unique names."),
            Self::Shape => {
                Answer::invalid_body("body: requests must be a list of objects, defaults an object.")
            }
            Self::HeaderName => Answer::invalid_body("headers in body: a name is not a valid header name."),
            Self::HeaderValue => Answer::invalid_body("headers in body: a value is not a string."),
            Self::Nested => {
                Answer::invalid_body("requests in body: Recursive call on /batch endpoint is forbidden.")
            }
            Self::TooLong => {
                Answer::invalid_body("requests in body: too many tokens; send fewer sub-requests.")
            }
        }
    }
}

/// Checks the headers of a batch and returns the media type alone, when there were parameters to drop.
///
/// # Errors
/// Kinto would decode the body in another way than this filter does.
pub fn check_media_type<'h>(
    content_type: Option<&'h [u8]>,
    content_encoding: Option<&[u8]>,
) -> Result<Option<&'h [u8]>, Refusal> {
    if !content_encoding.is_none_or(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::ContentCoding);
    }
    let mut parts = content_type.unwrap_or_default().split(|byte| *byte == b';');
    let media_type = parts.next().unwrap_or_default().trim_ascii();
    let mut has_parameters = false;
    for parameter in parts {
        has_parameters = true;
        let mut halves = parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        let utf_8 = value.eq_ignore_ascii_case(b"utf-8") || value.eq_ignore_ascii_case(b"utf8");
        if name.eq_ignore_ascii_case(b"charset") && !utf_8 {
            return Err(Refusal::Charset);
        }
    }
    Ok(has_parameters.then_some(media_type))
}

impl Gate {
    /// Rewrites a batch body so that each sub-request is who its token proves. `outer` is the identity of
    /// the request that carries it.
    ///
    /// # Errors
    /// The body is not one that this filter can vouch for.
    pub fn rewrite_batch(
        &self,
        body: &[u8],
        outer: Option<&UserId>,
        now: NumericDate,
    ) -> Result<Vec<u8>, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| Refusal::NotJson)?;
        let mut batch: RawObject<'_> = serde_json::from_str(text).map_err(|_| Refusal::NotJson)?;
        let rewriter = Rewriter { gate: self, token_key: wsgi_key(self.config().credentials.header()), now };

        let defaults = batch.remove("defaults");
        let mut defaults = defaults.as_ref().map(object).transpose()?;
        let defaults_headers = defaults.as_mut().map(|defaults| defaults.remove("headers"));
        let defaults_headers = defaults_headers.flatten();
        let defaults_headers = defaults_headers.as_ref().map(object).transpose()?;
        let mut defaults_headers = defaults_headers.map(|headers| rewriter.clean(headers)).transpose()?;

        let requests = batch.remove("requests").ok_or(Refusal::Shape)?;
        let requests: Vec<&RawValue> = serde_json::from_str(requests.text()).map_err(|_| Refusal::Shape)?;
        let mut written = Vec::with_capacity(requests.len());
        let nothing = Headers::default();
        for request in requests {
            let mut request = object(&RawMember::Borrowed(request))?;
            check_path(request.get("path").or_else(|| defaults.as_ref()?.get("path")))?;
            if let Some(headers) = request.remove("headers") {
                let mut own = rewriter.clean(object(&headers)?)?;
                rewriter.identify(&mut own, defaults_headers.as_ref().unwrap_or(&nothing), outer)?;
                request.push("headers", own.rest)?;
            }
            written.push(request);
        }
        batch.push("requests", written)?;
        if let Some(mut defaults) = defaults {
            if let Some(mut headers) = defaults_headers.take() {
                rewriter.identify(&mut headers, &nothing, outer)?;
                defaults.push("headers", headers.rest)?;
            }
            batch.push("defaults", defaults)?;
        }
        serde_json::to_vec(&batch).map_err(|_| Refusal::Shape)
    }

    /// Bytes to add to the Content-Length of a batch, for what its body may grow when it is rewritten: the
    /// headers go to Kinto before the body is known, and spaces fill what was not needed.
    ///
    /// An identity is shorter than the token that it replaces; it is extra beside a token that stays, a header
    /// of another scheme, or an empty one.
    #[must_use]
    pub fn batch_growth(&self, content_length: usize) -> usize {
        let config = self.config();
        let user_id = config.unauthorized.as_ref().map_or(NOBODY, UserId::as_str);
        let member = json!({config.identity_header.name(): user_id}).to_string();
        let kept_tokens = if config.forward_token { content_length } else { 0 };
        member.len().saturating_mul(USUAL_REQUESTS).saturating_add(kept_tokens)
    }
}

/// Headers of the body: those that hold a token, and the rest.
#[derive(Default)]
struct Headers<'b> {
    tokens: Vec<(String, String)>,
    rest: RawObject<'b>,
}

struct Rewriter<'g> {
    gate: &'g Gate,
    token_key: String,
    now: NumericDate,
}

impl Rewriter<'_> {
    /// Removes every claimed identity and takes the tokens out.
    fn clean<'b>(&self, headers: RawObject<'b>) -> Result<Headers<'b>, Refusal> {
        let mut clean = Headers::default();
        for (name, value) in headers.0 {
            if self.gate.config().identity_header.is_spelled(&name) {
                continue;
            }
            if !is_token(&name) {
                return Err(Refusal::HeaderName);
            }
            if !value.text().starts_with('"') {
                return Err(Refusal::HeaderValue);
            }
            if same_key(&name, &self.token_key) {
                let token = serde_json::from_str(value.text()).map_err(|_| Refusal::HeaderValue)?;
                clean.tokens.push((name, token));
            } else {
                clean.rest.0.push((name, value));
            }
        }
        Ok(clean)
    }

    /// Decides on the tokens that these headers have once Kinto has merged the defaults into them, and
    /// writes the identity.
    fn identify(
        &self,
        own: &mut Headers<'_>,
        defaults: &Headers<'_>,
        outer: Option<&UserId>,
    ) -> Result<(), Refusal> {
        let tokens = std::mem::take(&mut own.tokens);
        if tokens.is_empty() {
            return Ok(());
        }
        let overridden = |name: &String| tokens.iter().any(|(own, _)| own == name);
        let merged = tokens.iter().chain(defaults.tokens.iter().filter(|(name, _)| !overridden(name)));
        let decision = self.gate.decide(merged.map(|(_, token)| token.as_bytes()), self.now);
        let name = self.gate.config().identity_header.name();
        match &decision.user_id {
            Some(user_id) => own.rest.push(name, user_id.as_str())?,
            None if outer.is_some() || !defaults.tokens.is_empty() => own.rest.push(name, NOBODY)?,
            None => {}
        }
        if !decision.remove_token {
            for (name, token) in tokens {
                own.rest.push(&name, token)?;
            }
        }
        Ok(())
    }
}

fn object<'b>(member: &RawMember<'b>) -> Result<RawObject<'b>, Refusal> {
    let RawMember::Borrowed(value) = member else { return Err(Refusal::Shape) };
    if !value.get().starts_with('{') {
        return Err(Refusal::Shape);
    }
    RawObject::deserialize(*value).map_err(|_| Refusal::NotJson)
}

fn check_path(path: Option<&RawMember<'_>>) -> Result<(), Refusal> {
    let Some(path) = path else { return Ok(()) };
    let path: String = serde_json::from_str(path.text()).map_err(|_| Refusal::Shape)?;
    if reaches_batch(path.as_bytes()) { Err(Refusal::Nested) } else { Ok(()) }
}

impl RawObject<'_> {
    fn push(&mut self, name: &str, value: impl serde::Serialize) -> Result<(), Refusal> {
        let value = to_raw_value(&value).map_err(|_| Refusal::Shape)?;
        self.0.push((name.to_owned(), RawMember::Owned(value)));
        Ok(())
    }
}
