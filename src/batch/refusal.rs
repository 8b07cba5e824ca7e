//! Why a batch is refused.

use crate::answer::Answer;

/// Why a batch is not forwarded: Kinto could read it in another way than the filter, it is over a limit, or `ownTokens`
/// forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Larger than `batch.maxBytes`.
    TooLarge,
    /// Larger than the host's buffer.
    Overflow,
    /// More sub-requests than `batch.maxRequests`.
    TooManyRequests(usize),
    /// Servers may read the path of the request in more than one way, and one of them may be the batch endpoint.
    Unclear,
    /// Another media type than JSON, or other parameters than `charset=utf-8`: Kinto would read another text than this
    /// filter.
    MediaType,
    /// A content coding such as gzip (RFC 9110 section 8.4).
    ContentCoding,
    /// Not UTF-8, not JSON, or an object with two members of one name.
    NotJson,
    /// JSON, but with other members, or members of other types, than Kinto documents.
    Shape,
    /// Servers may read the path of a sub-request in more than one way.
    Path,
    /// A sub-request's path is longer than 16 KiB.
    PathTooLong,
    /// A header name that is not a field name (RFC 9110 section 5.1).
    HeaderName,
    /// A header value that holds a control character.
    HeaderValue,
    /// A header longer than 64 KiB.
    HeaderTooLong,
    /// Two headers that WSGI files under one key.
    HeaderTwice,
    /// A header that changes how a sub-request or its body is read.
    HeaderReserved,
    /// A batch inside a batch.
    Nested,
    /// A sub-request is from another user than the request that carries it, and `batch.ownTokens` is `refuse`.
    OtherUser,
    /// The new body is longer than the Content-Length that Kinto already has: many sub-requests have long identities,
    /// or long claims fill several headers.
    TooLong,
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() { Self::Shape } else { Self::NotJson }
    }
}

impl Refusal {
    /// A stable name for the log, metrics and tests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "batch_too_large",
            Self::Overflow => "batch_larger_than_buffer",
            Self::TooManyRequests(_) => "batch_too_many_requests",
            Self::Unclear => "batch_unclear_path",
            Self::MediaType => "batch_media_type",
            Self::ContentCoding => "batch_content_coding",
            Self::NotJson => "batch_not_json",
            Self::Shape => "batch_shape",
            Self::Path => "batch_path",
            Self::PathTooLong => "batch_path_too_long",
            Self::HeaderName => "batch_header_name",
            Self::HeaderValue => "batch_header_value",
            Self::HeaderTooLong => "batch_header_too_long",
            Self::HeaderTwice => "batch_header_twice",
            Self::HeaderReserved => "batch_header_reserved",
            Self::Nested => "batch_nested",
            Self::OtherUser => "batch_other_user",
            Self::TooLong => "batch_too_long",
        }
    }

    /// The answer to the client.
    #[must_use]
    pub fn answer(self) -> Answer {
        let invalid = |message: &str| Answer::invalid_body(message);
        match self {
            Self::TooLarge => Answer::too_large("The batch is larger than the proxy's limit."),
            Self::Overflow => Answer::too_large(
                "The body is larger than the proxy's buffer: send fewer sub-requests at once, or have the limit \
                 raised (request_body_buffer_limit or per_connection_buffer_limit_bytes in Envoy).",
            ),
            // Kinto's own words.
            Self::TooManyRequests(limit) => {
                invalid(&format!("requests in body: Number of requests is limited to {limit}"))
            }
            Self::Unclear => {
                invalid("path: servers may read it in more than one way; write it without encoding.")
            }
            Self::MediaType => invalid("Content-Type: a batch must be application/json, in UTF-8."),
            Self::ContentCoding => invalid("body: a batch must not have a Content-Encoding."),
            Self::NotJson => invalid("body: Invalid JSON: not UTF-8 JSON with unique names."),
            Self::Shape => invalid(
                "body: requests must be a list of objects, defaults an object; \
                 each may have method, path, headers and body, once, of Kinto's types.",
            ),
            Self::Path => invalid(
                "path in body: must start with / and have no empty segments, dot segments, control characters, #, \
                 or encoded delimiters.",
            ),
            Self::PathTooLong => invalid("path in body: longer than 16 KiB."),
            Self::HeaderName => invalid("headers in body: a name is not a valid header name."),
            Self::HeaderValue => invalid("headers in body: a value has a control character."),
            Self::HeaderTooLong => invalid("headers in body: a header is longer than 64 KiB."),
            Self::HeaderTwice => invalid("headers in body: a header is there in two spellings."),
            Self::HeaderReserved => invalid(
                "headers in body: Host, Transfer-Encoding and Content-* cannot be set, but for Content-Type as \
                 application/json, application/merge-patch+json or application/json-patch+json.",
            ),
            Self::Nested => invalid("requests in body: Recursive call on /batch endpoint is forbidden."),
            Self::OtherUser => invalid(
                "requests in body: each must be from the user of the batch; send the token in the headers of the batch.",
            ),
            Self::TooLong => invalid("requests in body: too many long identities; send fewer sub-requests."),
        }
    }
}

/// Checks the headers that say how the body of a batch is read.
///
/// # Errors
/// Kinto would read the body in another way than this filter does.
pub(crate) fn check_representation(headers: &[(String, Vec<u8>)]) -> Result<(), Refusal> {
    for (name, value) in headers {
        match name.as_str() {
            // Kinto's batch view takes no other (`CONTENT_TYPES` in `kinto/core/resource/viewset.py`).
            "content-type" => {
                let media_type = utf_8_media_type(value).unwrap_or_default();
                if !value.is_empty() && !media_type.eq_ignore_ascii_case(b"application/json") {
                    return Err(Refusal::MediaType);
                }
            }
            "content-encoding" if !value.is_empty() && !value.eq_ignore_ascii_case(b"identity") => {
                return Err(Refusal::ContentCoding);
            }
            // uWSGI files Content_Type where it files Content-Type.
            name if name.starts_with("content_") => return Err(Refusal::MediaType),
            _ => {}
        }
    }
    Ok(())
}

/// The media type of a Content-Type that has no parameter but `charset=utf-8` (RFC 9110 section 8.3).
pub(crate) fn utf_8_media_type(content_type: &[u8]) -> Option<&[u8]> {
    let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media_type = parts.next()?;
    let is_utf_8 = |parameter: &[u8]| {
        let lower = parameter.to_ascii_lowercase();
        [&b"charset=utf-8"[..], b"charset=\"utf-8\"", b"charset=utf8", b""].contains(&lower.as_slice())
    };
    parts.all(is_utf_8).then_some(media_type)
}
