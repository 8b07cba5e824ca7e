//! What becomes of a request that proves nothing: for each cause, the action that the operator has set.

use percent_encoding::percent_decode;

use crate::rejection::Cause;
use crate::request::Request;
use crate::token::user_id::UserId;

/// What becomes of a request that proves nothing (`onMissing`, `onInvalid`, `onKeysUnavailable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Forward as `unauthorizedUserId`, as `kinto_jwt` does.
    UnauthorizedUser,
    /// Forward as nobody: without an identity header.
    Anonymous,
    /// Answer 401, or 503 if keys are unavailable.
    Reject,
    /// Forward as `unauthorizedUserId`; log and count what `reject` would have rejected.
    Report,
}

/// The actions for all causes, and what they need.
#[derive(Clone, Debug)]
pub(crate) struct OnFailure {
    /// `onMissing`.
    pub missing: Action,
    /// `onInvalid`.
    pub invalid: Action,
    /// `onKeysUnavailable`.
    pub keys_unavailable: Action,
    /// `open`: paths that need no token.
    pub open: OpenPaths,
    /// `unauthorizedUserId`; `None` is nobody.
    pub unauthorized: Option<UserId>,
    /// The scheme in `WWW-Authenticate` (RFC 9110 section 11.6.1).
    pub challenge: String,
}

impl OnFailure {
    /// The action for a cause.
    pub(crate) const fn action(&self, cause: Cause) -> Action {
        match cause {
            Cause::Missing => self.missing,
            Cause::Invalid => self.invalid,
            Cause::KeysUnavailable => self.keys_unavailable,
        }
    }

    /// Whether this request is never rejected for this cause: a CORS preflight, which cannot bring a token, or one
    /// without a token to an open path.
    pub(crate) fn exempts(&self, cause: Cause, request: &impl Request) -> bool {
        is_preflight(request) || (cause == Cause::Missing && self.open.contains(&request.first(":path")))
    }
}

/// <https://fetch.spec.whatwg.org/#cors-preflight-request>
fn is_preflight(request: &impl Request) -> bool {
    *request.first(":method") == *b"OPTIONS"
        && !request.first("origin").is_empty()
        && !request.first("access-control-request-method").is_empty()
}

/// A set of paths, which are compared after decoding.
#[derive(Clone, Debug)]
pub(crate) struct OpenPaths(Vec<Vec<Vec<u8>>>);

impl OpenPaths {
    /// These paths; no path below them.
    pub(crate) fn new(paths: &[String]) -> Self {
        Self(paths.iter().map(|path| normalized(path.as_bytes())).collect())
    }

    /// Whether this `:path` is one of them. If Kinto reads the path in another way, the worst is that the request is
    /// forwarded without an identity, or as the unauthorized user.
    fn contains(&self, path: &[u8]) -> bool {
        self.0.contains(&normalized(path))
    }
}

/// The segments of a path, decoded, without query and fragment. Empty segments are dropped and dot segments are
/// resolved (RFC 3986 section 5.2.4). `/v1` and `/v1/` are one: Kinto redirects the first to the second.
fn normalized(path: &[u8]) -> Vec<Vec<u8>> {
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let decoded: Vec<u8> = percent_decode(path).collect();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_vec()),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_path_is_open_in_every_spelling_and_no_other_is() {
        let open = OpenPaths::new(&["/v1/".into(), "/v1/__heartbeat__".into()]);
        for path in [
            "/v1/",
            "/v1",
            "//v1//",
            "/v1/?x=/y",
            "/%76%31/",
            "/v1/./",
            "/v1/x/..",
            "/v1%2f",
            "/v1/#x",
            "/v1/__heartbeat__",
            "/v1/__heartbeat__/",
            "/v1/__heartbeat__?x",
        ] {
            assert!(open.contains(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "/",
            "/V1/",
            "/v1/x",
            "/v1/__heartbeat__/x",
            "/v1/__heartbeat__x",
            "/v1/..",
            "/v2/",
            "/v1/%252e%252e/v1",
            "/v1/buckets?/v1/",
            "/v1/buckets#/../",
        ] {
            assert!(!open.contains(path.as_bytes()), "{path}");
        }
    }
}
