//! Which requests reach Kinto's batch endpoint, and which paths a batch may name.
//!
//! A path is decoded once, without its query. A path that servers may read in more than one way is refused
//! ([`Target::Unclear`], [`Refusal::Path`]).

use percent_encoding::percent_decode;

use crate::batch::refusal::Refusal;

/// Bytes of the longest path of a sub-request: a token in its query may be as long.
const MAX_PATH_BYTES: usize = 16 * 1024;

/// The methods that Kinto's batch view does not accept: it accepts POST (`kinto/core/views/batch.py`). Every method
/// that is not in this list is treated like POST.
const OTHER_METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"];

/// Where a request with a body goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To another endpoint than the batch endpoint.
    Other,
    /// To the batch endpoint below this prefix, such as `/v1`.
    Batch(String),
    /// The path has more than one reading.
    Unclear,
}

/// Finds out where a request of this method and `:path` goes.
///
/// Every path whose last segment is `batch` leads to the batch endpoint: a route may cut a prefix off.
pub(crate) fn target(method: &[u8], path: &[u8]) -> Target {
    if OTHER_METHODS.contains(&method) {
        return Target::Other;
    }
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let Some(path) = decode(path) else { return Target::Unclear };
    let mut segments = path.rsplit('/').filter(|segment| !segment.is_empty());
    match segments.next() {
        Some(last) if is_batch_segment(last) => {
            Target::Batch(segments.next().map(|prefix| format!("/{prefix}")).unwrap_or_default())
        }
        _ => Target::Other,
    }
}

/// Whether a request of this method and `:path` might reach the batch endpoint.
#[must_use]
pub fn is_batch(method: &[u8], path: &[u8]) -> bool {
    target(method, path) != Target::Other
}

/// Writes the path of a sub-request so that Kinto does not redirect it.
///
/// Kinto follows its own redirects inside a batch, in the same process and with the same body, and takes their
/// target from text that the client wrote (`page_not_found` in `kinto/core/views/errors.py`, `follow_subrequest`
/// in `kinto/core/utils.py`). It redirects a path that ends in `/`, and its own version alone, such as `/v1`. So the
/// `/` at the end is cut off here, and added to the version. That is `prefix`, the segment before `batch` in the path
/// of the batch: Kinto puts it before every path that does not begin with it.
///
/// # Errors
/// Kinto may read the path in another way, or it leads to the batch endpoint.
pub(crate) fn without_redirect(path: String, prefix: &str) -> Result<String, Refusal> {
    if path.len() > MAX_PATH_BYTES {
        return Err(Refusal::PathTooLong);
    }
    let (plain, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    if query.chars().any(char::is_control) {
        return Err(Refusal::Path);
    }
    let decoded = decode(plain.as_bytes()).ok_or(Refusal::Path)?;
    let shorter = plain.strip_suffix('/').unwrap_or(plain);
    let segments: Vec<&str> = decoded.strip_suffix('/').unwrap_or(&decoded).split('/').skip(1).collect();
    // Kinto's redirects take an encoded slash for a slash.
    if segments.contains(&"") || decoded.matches('/').count() != plain.matches('/').count() {
        return Err(Refusal::Path);
    }
    let ends_in_slash = match segments.as_slice() {
        [.., last] if is_batch_segment(last) => return Err(Refusal::Nested),
        [] => true,
        [_] => shorter == prefix,
        _ => false,
    };
    Ok(format!("{shorter}{}{query}", if ends_in_slash { "/" } else { "" }))
}

/// Decodes a path (RFC 3986 section 3.3); `None` if servers may read it in more than one way.
///
/// Servers differ on: an escape that is cut off or encoded twice, bytes that are not UTF-8, white space and
/// control characters (Python's `urlsplit` drops tabs and line ends, Pyramid lets a final line feed pass), `#` and `?`,
/// `\` for `/`, dot segments, segments that are parameters alone or hold an encoded slash (RFC 3986
/// section 3.3), a path that does not start with `/`.
fn decode(path: &[u8]) -> Option<String> {
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@|/".contains(byte) => after,
            _ => return None,
        };
    }
    let decoded = String::from_utf8(percent_decode(path).collect()).ok()?;
    let is_delimiter = |c: char| c.is_control() || c.is_whitespace() || ['\\', '%', '?', '#'].contains(&c);
    // A segment that is nothing, or dots, once its parameters are cut off.
    let is_odd = |segment: &str| match segment.split_once(';') {
        Some((bare, _)) => ["", ".", ".."].contains(&bare),
        None => [".", ".."].contains(&segment),
    };
    // Parameters with an encoded slash in them, which end somewhere else before and after decoding.
    let slashes = path.iter().filter(|byte| **byte == b'/').count();
    let hides_slash = decoded.contains(';') && decoded.matches('/').count() != slashes;
    let is_clear = decoded.starts_with('/')
        && !decoded.contains(is_delimiter)
        && !decoded.split('/').any(is_odd)
        && !hides_slash;
    is_clear.then_some(decoded)
}

/// Whether a segment is `batch`, with or without parameters (RFC 3986 section 3.3), which some servers cut off.
fn is_batch_segment(segment: &str) -> bool {
    segment.split(';').next() == Some("batch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_to_the_endpoint_is_known() {
        for path in [
            "/v1/batch",
            "/v1/batch?x=/y",
            "/v1/%62atch",
            "//v1/batch",
            "/v1//batch",
            "/v1%2fbatch",
            "/%76%31/batch",
            "/v1/batch/",
            "/v1/batch//",
            "/v1/b%61tch/",
            "/v1/batch%2F",
            "/v1/batch;x=y",
            "/kinto/v1/batch",
        ] {
            let Target::Batch(prefix) = target(b"POST", path.as_bytes()) else { panic!("{path}") };
            assert_eq!(prefix, "/v1", "{path}");
        }
        assert_eq!(target(b"POST", b"/batch"), Target::Batch(String::new()));
        for method in ["POST", "post", "PoSt", "X", ""] {
            assert!(is_batch(method.as_bytes(), b"/v1/batch"), "{method}");
        }
    }

    #[test]
    fn a_path_with_two_readings_is_unclear() {
        for path in [
            "/v1/batch#x",
            "/v1/x#/batch",
            "/v1/batch%0a",
            "/v1/batch%20",
            "/v1/ba\ttch",
            "\u{1}/v1/batch",
            "/v1/%2562atch",
            "/v1/%62atch%3Fx/",
            "/v1\\batch",
            "/v1%5cbatch",
            "/v1/%252525252562atch",
            "/v1/x%00",
            "/v1/./batch",
            "/v1/x/../batch",
            "/v1/x/%2e%2e/batch",
            "/v1/batch/x/..",
            "/v1/batch/.",
            "/v1/batch/..",
            "/v1/batch/;",
            "/v1/batch/;x=y/",
            "/v1/batch/.;x",
            "/v1/batch;x%2f9",
            "/v1/batch;x%2Fbatch",
            // uWSGI cuts an escape off that is not whole.
            "/v1/batch%",
            "/v1/batch%6",
            "/v1/bat%63h%2?x=1",
            "/v1/batch%zz",
            "/v1/x%ff",
            "/v1/\u{e9}",
            "/v1/100%25",
            "",
            "*",
            "v1/batch",
        ] {
            assert_eq!(target(b"POST", path.as_bytes()), Target::Unclear, "{path}");
        }
        let path = format!("/v1/%{}", "25".repeat(30_000));
        assert_eq!(target(b"POST", path.as_bytes()), Target::Unclear);
    }

    #[test]
    fn other_requests_are_left_alone() {
        for path in [
            "/",
            "/v1/",
            "/v1/Batch",
            "/v1/batches",
            "/v1/batch-x",
            "/v1/buckets/batch/collections",
            "/v1/buckets?x=/batch",
            "/v1/buckets?x=#\\%2562",
            "/v1/accounts/alice%40example.org/reset-password",
            "/v1/accounts/%C3%A9/reset-password",
        ] {
            assert_eq!(target(b"POST", path.as_bytes()), Target::Other, "{path}");
        }
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            assert!(!is_batch(method.as_bytes(), b"/v1/batch"), "{method}");
        }
    }

    #[test]
    fn a_sub_requests_path_is_not_redirected() {
        for (path, written) in [
            ("/", "/"),
            ("/v1", "/v1/"),
            ("/v1?x=/v1y", "/v1/?x=/v1y"),
            ("/v1/", "/v1/"),
            ("/v1/?x", "/v1/?x"),
            ("/buckets/", "/buckets"),
            ("/v1/buckets/?_limit=1", "/v1/buckets?_limit=1"),
            (
                "/buckets/b/collections/c/records?_sort=-a,b&x=%20\"1\"",
                "/buckets/b/collections/c/records?_sort=-a,b&x=%20\"1\"",
            ),
            ("/buckets/%C3%A9/x@y:1", "/buckets/%C3%A9/x@y:1"),
            ("/v1?/v1batch", "/v1/?/v1batch"),
            ("/v1/?/v1batch", "/v1/?/v1batch"),
            ("/b/?/v1/b/%61tch", "/b?/v1/b/%61tch"),
            ("/v1/x?y#z=é%", "/v1/x?y#z=é%"),
            ("/v1x/", "/v1x"),
            // Kinto puts its version before these, but for /v11.
            ("/%76%31/", "/%76%31"),
            ("/v2", "/v2"),
            ("/v2/", "/v2"),
            ("/v11/?/v11/", "/v11?/v11/"),
            ("/buckets/batch/collections", "/buckets/batch/collections"),
        ] {
            assert_eq!(without_redirect(path.to_owned(), "/v1").as_deref(), Ok(written), "{path}");
        }
        for path in [
            "",
            "v1/",
            "?",
            "http://k/v1/",
            "//v1/",
            "/v1//x",
            "/b//?x=/v1/ba//tch",
            "/v1/./x",
            "/v1/x/..",
            "/v1/%2e/x",
            "/v1/x%2F",
            "/v1/x%2fy",
            "/v1/x%3Fy",
            "/v1/x%23",
            "/v1/x%25",
            "/v1/x%",
            "/v1/x%zz",
            "/v1/x\\y",
            "/v1/x#y",
            "/v1/x?y\tz",
            "/é",
            "/v1/x%ff",
            "/v1/x\n",
            "/v1/x%0a",
            "/v1/x y",
            "/v1/\u{0}",
        ] {
            assert_eq!(without_redirect(path.to_owned(), "/v1"), Err(Refusal::Path), "{path}");
        }
        for path in ["/batch", "/v1/batch", "/v1/batch/", "/v1/b%61tch", "/v1/batch?x", "/v1/batch;x"] {
            assert_eq!(without_redirect(path.to_owned(), "/v1"), Err(Refusal::Nested), "{path}");
        }
        let long = format!("/v1/?{}", "x".repeat(MAX_PATH_BYTES));
        assert_eq!(without_redirect(long, "/v1"), Err(Refusal::PathTooLong));
    }
}
