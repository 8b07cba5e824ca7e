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

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::Answer;
use crate::json::RawObject;

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

impl From<serde_json::Error> for Refusal {
    fn from(_: serde_json::Error) -> Self {
        Self::Shape
    }
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

/// Kinto's answer to a batch, with the entries of the sub-requests that it did not get; `None` if it is not
/// one.
#[must_use]
pub fn splice(answer: &[u8], rejected: &[(usize, Value)]) -> Option<Vec<u8>> {
    let mut answer: RawObject<'_> = serde_json::from_slice(answer).ok()?;
    let responses = answer.remove("responses")?;
    let mut responses: Vec<Box<RawValue>> = serde_json::from_str(responses.text()).ok()?;
    for (number, entry) in rejected {
        if *number > responses.len() {
            return None;
        }
        responses.insert(*number, to_raw_value(entry).ok()?);
    }
    answer.push("responses", responses).ok()?;
    serde_json::to_vec(&answer).ok()
}
