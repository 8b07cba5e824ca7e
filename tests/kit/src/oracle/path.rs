//! The path recogniser: what the filter takes for another request than a batch is none for any server.

use std::collections::HashSet;

use kinto_jwt_filter::is_batch;

pub const REACHED: &[&str] = &["batch", "unclear or batch", "other"];

/// What a server makes of a path before it looks for the endpoint.
type Step = fn(&[u8]) -> Vec<u8>;

/// Paths that servers make of a path, at most. More are not looked at.
const MOST: usize = 200;

/// A path that may lead to the batch endpoint in any of the ways in which servers read paths is known to the filter.
pub fn check(path: &[u8]) -> &'static str {
    let is_known = is_batch(b"POST", path);
    for method in [&b"post"[..], b"X", b""] {
        assert_eq!(is_batch(method, path), is_known, "the method changes the path");
    }
    let reading = readings(path).into_iter().find(|path| leads_to_batch(path));
    match reading {
        Some(reading) => {
            assert!(is_known, "a server may read {} as {}", path.escape_ascii(), reading.escape_ascii());
            "batch"
        }
        None if is_known => "unclear or batch",
        None => "other",
    }
}

/// Whether the last segment of a path that was read is `batch`.
fn leads_to_batch(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').rfind(|segment| !segment.is_empty()) == Some(b"batch")
}

/// Whether a server may read this path as that of the batch endpoint.
pub(super) fn may_be_batch(path: &[u8]) -> bool {
    readings(path).iter().any(|path| leads_to_batch(path))
}

/// What servers may make of a path: each of the steps that some server takes, in any order, and the query cut off.
fn readings(path: &[u8]) -> HashSet<Vec<u8>> {
    let steps: [Step; 9] = [
        decoded,
        decoded_and_cut,
        without_fragment,
        without_controls,
        trimmed,
        with_slashes,
        without_dots,
        without_parameters,
        without_authority,
    ];
    let path = path.split(|byte| *byte == b'?').next().unwrap().to_vec();
    let mut known = HashSet::from([path.clone()]);
    let mut next = vec![path];
    while let Some(path) = next.pop() {
        for step in steps {
            let read = step(&path);
            if known.len() < MOST && known.insert(read.clone()) {
                next.push(read);
            }
        }
    }
    known
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Escapes decoded once; what is no escape stays (Python's `unquote`).
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        if let (b'%', [high, low, beyond @ ..]) = (byte, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            read.push(high * 16 + low);
            rest = beyond;
        } else {
            read.push(*byte);
            rest = after;
        }
    }
    read
}

/// The same, but that an escape which is not whole ends the path (uWSGI), as does a zero (C).
fn decoded_and_cut(path: &[u8]) -> Vec<u8> {
    let mut read = decoded(path);
    let end = read.iter().position(|byte| matches!(byte, b'%' | 0)).unwrap_or(read.len());
    read.truncate(end);
    read
}

/// Without what follows `#` (RFC 3986 section 3.5).
fn without_fragment(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == b'#').next().unwrap().to_vec()
}

/// Without tabs and line ends (Python's `urlsplit`).
fn without_controls(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !b"\t\r\n".contains(byte)).collect()
}

/// Without white space and control characters at both ends (Python's `urlsplit`, and Pyramid's `$`).
fn trimmed(path: &[u8]) -> Vec<u8> {
    let is_space = |byte: &u8| *byte <= b' ';
    let start = path.iter().position(|byte| !is_space(byte)).unwrap_or(path.len());
    let end = path.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    path[start..end].to_vec()
}

/// With `/` for `\` (WHATWG URL).
fn with_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// Without dot segments (RFC 3986 section 5.2.4).
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    kept.join(&b'/')
}

/// Without the parameters of each segment (RFC 3986 section 3.3).
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let bare = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap());
    bare.collect::<Vec<_>>().join(&b'/')
}

/// Without scheme and host (RFC 9112 section 3.2.2).
fn without_authority(path: &[u8]) -> Vec<u8> {
    let Some(at) = path.windows(3).position(|part| part == b"://") else { return path.to_vec() };
    let rest = &path[at + 3..];
    let start = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    rest[start..].to_vec()
}
