//! The cookie that only this filter may write, in every spelling that a parser of cookies takes for it.

use std::borrow::Cow;

use crate::request::identity_header::is_field_name;

/// The value of a `Cookie` field without the pieces in which a parser could find a cookie of this name. The other
/// pieces stay byte for byte.
///
/// WebOb finds a cookie wherever its name stands before `=`: behind a quote, a comma, or a value that looks like a date
/// (`_rx_cookie` in `webob/cookies.py`). So a piece stays only if it is understood: it begins with another name
/// (RFC 6265 section 4.1.1), and this name stands before no `=` in the rest of it; or it stands before no `=` at all. A
/// piece with a backslash or a byte beyond ASCII, which no cookie may have, is removed too: WebOb fails at some of them,
/// and Kinto answers 500.
pub(crate) fn without<'v>(value: &'v [u8], name: &[u8]) -> Cow<'v, [u8]> {
    if stays(value, name) {
        return Cow::Borrowed(value);
    }
    let pieces = value.split(|byte| *byte == b';').filter(|piece| stays(rest(piece, name), name));
    Cow::Owned(pieces.collect::<Vec<_>>().join(&b';').trim_ascii().to_vec())
}

/// A piece without the name that it begins with, if that is another one.
fn rest<'p>(piece: &'p [u8], name: &[u8]) -> &'p [u8] {
    let mut parts = piece.splitn(2, |byte| *byte == b'=');
    let first = parts.next().unwrap_or_default().trim_ascii();
    let is_another = first != name && std::str::from_utf8(first).is_ok_and(is_field_name);
    parts.next().filter(|_| is_another).unwrap_or(piece)
}

/// Whether this name stands nowhere before `=`, with or without white space between them, and every byte is one that a
/// cookie may have.
fn stays(text: &[u8], name: &[u8]) -> bool {
    let mut starts = 0..text.len();
    let sets = starts.any(|start| {
        let behind = text.get(start..).and_then(|text| text.strip_prefix(name));
        behind.is_some_and(|behind| behind.iter().find(|byte| **byte > b' ') == Some(&b'='))
    });
    !sets && text.is_ascii() && !text.contains(&b'\\')
}

/// Whether the value of a `Set-Cookie` field sets a cookie of this name (RFC 6265 section 5.2).
pub(crate) fn is_set_cookie(value: &[u8], name: &[u8]) -> bool {
    let mut parts = value.splitn(2, |byte| *byte == b'=');
    parts.next().is_some_and(|first| first.trim_ascii() == name) && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_cookie_is_removed_and_no_other_cookie() {
        for (value, rest) in [
            (&b"kjwt=T"[..], &b""[..]),
            (b"kjwt=\"T\"", b""),
            (b"kjwt =T", b""),
            (b"kjwt\t= T", b""),
            (b"kjwt\x0b=T", b""),
            (b"a=1;kjwt=T;b=2", b"a=1;b=2"),
            (b"a=1; kjwt=T; b=\"2\"", b"a=1; b=\"2\""),
            (b"kjwt=T; kjwt=U", b""),
            (b"kjwt==T", b""),
            (b"a=1, kjwt=T; b=2", b"b=2"),
            (b"a kjwt=T; b=2", b"b=2"),
            (b"\"kjwt=T; b=2", b"b=2"),
            (b"[kjwt=T", b""),
            (b"a=\"\"kjwt=T", b""),
            (b"a=Wed, 01-Jan-2020 00:00:00 GMTkjwt=T; b=2", b"b=2"),
            (b"a=kjwt=T", b""),
            (b"a=\"; kjwt=T; b=\"", b"a=\"; b=\""),
            (b"\xffkjwt=T; b=2", b"b=2"),
            (b"a=\"\xff\"; b=2; c=\"\\351\"", b"b=2"),
            (b"xkjwt=1; kjwt=T; kjwtx=2; KJWT=3", b"xkjwt=1; kjwtx=2; KJWT=3"),
            (b"xkjwt = 1; kjwt=T", b"xkjwt = 1"),
        ] {
            assert_eq!(&*without(value, b"kjwt"), rest, "{}", value.escape_ascii());
        }
        for value in [
            &b""[..],
            b"a=1",
            b" a=1;b=2 ;; c",
            b"kjwt",
            b"kjwt; a=1",
            b"xkjwt=1",
            b"a={\"x\":\"kjwt\"}",
            b"a=kjwt",
        ] {
            assert_eq!(&*without(value, b"kjwt"), value, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_set_cookie_is_known_by_its_name() {
        for (value, is_ours) in [
            (&b"kjwt=; Max-Age=0"[..], true),
            (b" kjwt =x", true),
            (b"kjwt", false),
            (b"xkjwt=1", false),
            (b"a=kjwt=1", false),
            (b"KJWT=1", false),
        ] {
            assert_eq!(is_set_cookie(value, b"kjwt"), is_ours, "{}", value.escape_ascii());
        }
    }
}
