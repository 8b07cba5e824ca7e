//! An answer that the filter gives itself, in the form of Kinto's own answers.

use serde_json::{Value, json};

/// The headers that a page in a browser may read of any answer: those of Kinto (`default_cors_headers` in
/// `kinto/core/__init__.py`), and `WWW-Authenticate`, which Kinto does not send.
const EXPOSED: &str = "Alert, Backoff, Content-Length, Content-Type, Retry-After, WWW-Authenticate";

/// Seconds after which a client may try again: Kinto's own value (`retry_after_seconds`).
const RETRY_AFTER: u64 = 3;

/// An HTTP answer with Kinto's error body.
///
/// Source: `kinto.core.errors` and <https://docs.kinto-storage.org/en/latest/api/1.x/errors.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
    /// A header that other answers do not have.
    header: Option<(&'static str, String)>,
}

impl Answer {
    /// 401 for a request without a token, with Kinto's own message.
    pub(crate) fn missing_token(scheme: &str) -> Self {
        Self::new(401, 104, "Unauthorized", "Please authenticate yourself to use this endpoint.")
            .with("WWW-Authenticate", format!("{scheme} realm=\"kinto\""))
    }

    /// 401 for an invalid token (RFC 6750 section 3.1). The reason is in the host's log only.
    pub(crate) fn invalid_token(scheme: &str) -> Self {
        Self::new(401, 105, "Unauthorized", "Invalid Authorization Token")
            .with("WWW-Authenticate", format!("{scheme} realm=\"kinto\", error=\"invalid_token\""))
    }

    /// 503: the keys of the issuer are unavailable.
    pub(crate) fn keys_unavailable(retry_after: Option<u64>) -> Self {
        Self::new(
            503,
            201,
            "Service Unavailable",
            "Service temporary unavailable due to overloading or maintenance, please retry later.",
        )
        .with("Retry-After", retry_after.unwrap_or(RETRY_AFTER).to_string())
    }

    /// 200 with this body: the answer to a batch of which Kinto gets nothing.
    pub(crate) fn ok(body: &Value) -> Self {
        Self { status: 200, body: body.to_string(), header: None }
    }

    /// 400: a batch that the filter refuses.
    pub(crate) fn invalid_body(message: &str) -> Self {
        Self::new(400, 107, "Invalid parameters", message)
    }

    /// 413: a batch that is larger than the limit.
    pub(crate) fn too_large(message: &str) -> Self {
        Self::new(413, 113, "Request Entity Too Large", message)
    }

    /// 500: a call to the host failed, and nothing was forwarded.
    pub(crate) fn internal_error() -> Self {
        Self::new(
            500,
            999,
            "Internal Server Error",
            "The proxy failed to check the request; it was not forwarded.",
        )
    }

    /// 502: Kinto's answer to a batch is not a list into which the entries of rejected sub-requests can be put.
    pub(crate) fn unreadable() -> Self {
        Self::new(
            502,
            999,
            "Bad Gateway",
            "The answer to the batch could not be read. Its sub-requests were carried out, but for those whose token \
             was missing or invalid.",
        )
    }

    /// The headers, as Kinto sends them. With `has_origin` the request has an `Origin` header, so that a browser asks
    /// for the CORS headers.
    pub(crate) fn headers(&self, has_origin: bool) -> Vec<(&'static str, &str)> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none';"),
            ("access-control-expose-headers", EXPOSED),
        ];
        if has_origin {
            // Any origin may read the answer: it contains nothing else.
            headers.push(("access-control-allow-origin", "*"));
        }
        headers.extend(self.header.iter().map(|(name, value)| (*name, value.as_str())));
        headers
    }

    /// The answer as an entry of the `responses` of a batch (`build_response` in `kinto/core/utils.py`).
    pub(crate) fn batch_entry(&self, path: &str, is_head: bool) -> Value {
        let body =
            if is_head { Value::from("") } else { serde_json::from_str(&self.body).unwrap_or_default() };
        let mut entry = json!({
            "status": self.status,
            "path": path,
            "headers": {"Content-Type": "application/json", "Content-Length": self.body.len().to_string()},
            "body": body,
        });
        if let (Some((name, value)), Some(headers)) = (&self.header, entry.pointer_mut("/headers"))
            && let Some(headers) = headers.as_object_mut()
        {
            headers.insert((*name).to_owned(), value.as_str().into());
        }
        entry
    }

    fn new(status: u16, errno: u16, error: &str, message: &str) -> Self {
        let body = json!({"code": status, "errno": errno, "error": error, "message": message});
        Self { status, body: body.to_string(), header: None }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.header = Some((name, value));
        self
    }
}
