//! An answer of the filter's own, in Kinto's dialect.

use serde_json::json;

/// An HTTP answer with Kinto's error body.
///
/// Source: `kinto.core.errors` and <https://docs.kinto-storage.org/en/latest/api/1.x/errors.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
}

impl Answer {
    /// 400: a batch body that the filter cannot vouch for.
    #[must_use]
    pub fn invalid_body(message: &str) -> Self {
        Self::new(400, 107, "Invalid parameters", message)
    }

    /// 413: a batch body over the limit.
    #[must_use]
    pub fn too_large(message: &str) -> Self {
        Self::new(413, 113, "Request Entity Too Large", message)
    }

    fn new(status: u16, errno: u16, error: &str, message: &str) -> Self {
        let body = json!({"code": status, "errno": errno, "error": error, "message": message});
        Self { status, body: body.to_string() }
    }
}
