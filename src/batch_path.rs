//! Which requests reach Kinto's batch endpoint, by what the path decodes to.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Times that a path is decoded. Kinto decodes once, and once more after a redirect inside a batch.
const MAX_DECODINGS: usize = 4;

/// Whether a request of this method and `:path` may reach the batch endpoint, which takes POST only.
#[must_use]
pub fn is_batch(method: &[u8], path: &[u8]) -> bool {
    method.eq_ignore_ascii_case(b"POST") && reaches_batch(path)
}

/// Whether some reading of the path names the batch endpoint.
///
/// Any path whose last segment is `batch` will do, so that neither a prefix that the route strips nor
/// Kinto's redirects (`/batch`, `/v1/batch/`) open a way around. What only a broken or hostile client sends is
/// read in every way that a server may read it: `%2F` as a separator, dot segments resolved, control
/// characters dropped (Python's `urlsplit` drops tabs and line ends; Pyramid's `$` lets a final line feed
/// pass).
pub(crate) fn reaches_batch(path: &[u8]) -> bool {
    let mut reading = Cow::Borrowed(before_query(path));
    for _ in 0..MAX_DECODINGS {
        if ends_in_batch(&reading) || ends_in_batch(before_query(&reading)) {
            return true;
        }
        if !reading.contains(&b'%') {
            return false;
        }
        let decoded = percent_decode(&reading).collect::<Vec<u8>>();
        if decoded.len() == reading.len() {
            return false;
        }
        reading = Cow::Owned(decoded);
    }
    // Still encoded: not a path of Kinto's, and treated as the worst that it can be.
    true
}

fn before_query(path: &[u8]) -> &[u8] {
    path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

fn ends_in_batch(path: &[u8]) -> bool {
    let mut parents = 0_usize;
    for segment in path.rsplit(|byte| matches!(byte, b'/' | b'\\')) {
        let visible = || segment.iter().filter(|byte| !byte.is_ascii_control() && **byte != b' ');
        if visible().eq(b"".iter()) || visible().eq(b".".iter()) {
            continue;
        }
        if visible().eq(b"..".iter()) {
            parents = parents.saturating_add(1);
        } else if parents > 0 {
            parents = parents.saturating_sub(1);
        } else {
            return visible().eq(b"batch".iter());
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_to_the_endpoint_is_known() {
        for path in [
            "/v1/batch",
            "/v1/batch?x=/y",
            "/v1/batch#x",
            "/v1/%62atch",
            "//v1/batch",
            "/v1//batch",
            "/v1%2fbatch",
            "/%76%31/batch",
            "/batch",
            "/v1/batch/",
            "/v1/batch//",
            "/v1/b%61tch/",
            "/v1/batch%2F",
            "/v1/batch%0a",
            "/v1/batch%20",
            "/v1/ba\tch".replace('\t', "\tt").as_str(),
            "\u{1}/v1/batch",
            "/v1/./batch",
            "/v1/x/../batch",
            "/v1/batch/x/..",
            "/v1/batch/.",
            "/v1/%2562atch",
            "/v1/%62atch%3Fx/",
            "/kinto/v1/batch",
            "/v1\\batch",
            "/v1/%252525252562atch",
        ] {
            assert!(is_batch(b"POST", path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn other_requests_are_left_alone() {
        for path in [
            "/",
            "",
            "/v1/",
            "/v1/Batch",
            "/v1/batches",
            "/v1/batch-x",
            "/v1/buckets/batch/collections",
            "/v1/buckets?x=/batch",
            "/v1/buckets/100%25/collections",
            "/v1/x?p=%25252525252525",
        ] {
            assert!(!is_batch(b"POST", path.as_bytes()), "{path}");
        }
        assert!(!is_batch(b"GET", b"/v1/batch"));
        assert!(!is_batch(b"PUT", b"/v1/buckets/a/collections/b/records/batch"));
        assert!(is_batch(b"post", b"/v1/batch"));
    }

    #[test]
    fn a_path_that_stays_encoded_is_not_decoded_for_ever() {
        assert!(is_batch(b"POST", format!("/v1/%{}", "25".repeat(30_000)).as_bytes()));
    }
}
