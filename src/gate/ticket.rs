//! The ticket: a user id that is signed, in a cookie, as Pyramid's own `AuthTktAuthenticationPolicy` verifies it.
//!
//! Who has not got the secret cannot make one, whatever way to Kinto is found. Source: `AuthTicket`, `parse_ticket` and
//! `calculate_digest` in `pyramid/authentication.py`; the digest is SHA-512, Pyramid's default.

use std::fmt;

use base16ct::HexDisplay;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

use crate::request::cookies::without;
use crate::token::user_id::UserId;

/// How Pyramid reads the user id: as text in UTF-8 and base64 (`userid_type_decoders`).
const USER_DATA: &str = "userid_type:b64unicode";

/// Bytes of a ticket without the user id: the digest and the time in hexadecimal digits, `!` and [`USER_DATA`].
const FRAME_BYTES: usize = 128 + 8 + 1 + USER_DATA.len();

/// Signs tickets (`ticket`).
pub(crate) struct Ticket {
    /// `secret` or `secretEnv`: Kinto's `secret`.
    pub(crate) secret: Box<[u8]>,
    /// `cookieName`: Kinto's `cookie_name`.
    pub(crate) cookie_name: String,
    /// `timeoutSeconds`: Kinto's `timeout`, after which a ticket proves nothing.
    pub(crate) timeout: u64,
    /// Whether the operator has named an identity header: then other filters read the user id there.
    pub(crate) header_too: bool,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secret.
        f.debug_struct("Ticket")
            .field("cookie_name", &self.cookie_name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    /// The value of a `Cookie` field: the cookies in these values without every ticket, and at their end a ticket for
    /// the user, signed at the time `now` (in seconds since 1970). Empty if there is nothing to say.
    ///
    /// A ticket is used again for a tenth of its time, so that each has nine tenths of it left: its time is cut off to
    /// a whole second, and Kinto compares it with a time that is not.
    pub(crate) fn cookies<'v>(
        &self,
        values: impl IntoIterator<Item = &'v [u8]>,
        user_id: Option<&UserId>,
        now: u64,
    ) -> Vec<u8> {
        let (name, mut cookies) = (self.cookie_name.as_bytes(), Vec::new());
        for value in values {
            add(&mut cookies, &[&without(value, name)]);
        }
        if let Some(user_id) = user_id {
            let ticket = user_id.ticket(now, self.timeout / 10, || self.sign(user_id.as_str(), now).into());
            add(&mut cookies, &[name, b"=", ticket.as_bytes()]);
        }
        cookies
    }

    /// Bytes of a cookie with a ticket for a user id of this length, at most.
    pub(crate) fn cookie_bytes(&self, user_id: usize) -> usize {
        let encoded = user_id.div_ceil(3).saturating_mul(4);
        self.cookie_name.len().saturating_add(encoded).saturating_add(FRAME_BYTES)
    }

    /// The user id in the ticket at the end of what [`cookies`](Self::cookies) has written.
    #[cfg(feature = "cli")]
    pub(crate) fn user_id(&self, cookies: &str) -> Option<String> {
        let ticket = cookies.rsplit("; ").next()?.strip_prefix(&self.cookie_name)?.strip_prefix('=')?;
        let user_id = ticket.get(136..)?.strip_suffix(USER_DATA)?.strip_suffix('!')?;
        String::from_utf8(STANDARD.decode(user_id).ok()?).ok()
    }

    fn sign(&self, user_id: &str, now: u64) -> String {
        let time = u32::try_from(now).unwrap_or(u32::MAX);
        let user_id = STANDARD.encode(user_id);
        // The address of the client, which is not part of the ticket, as Pyramid writes it: 0.0.0.0.
        let time_bytes = time.to_be_bytes();
        let digest =
            digest(&[&[0; 4], &time_bytes, &self.secret, user_id.as_bytes(), &[0; 2], USER_DATA.as_bytes()]);
        let digest = self::digest(&[digest.as_bytes(), &self.secret]);
        format!("{digest}{time:08x}{user_id}!{USER_DATA}")
    }
}

/// Adds a cookie, given in parts, to those in the value of a `Cookie` field.
fn add(cookies: &mut Vec<u8>, parts: &[&[u8]]) {
    if !cookies.is_empty() && parts.iter().any(|part| !part.is_empty()) {
        // With the space: WebOb takes `\;` at the end of a value as a part of it.
        cookies.extend_from_slice(b"; ");
    }
    parts.iter().for_each(|part| cookies.extend_from_slice(part));
}

/// The SHA-512 of these texts, one after the other, in hexadecimal digits.
fn digest(texts: &[&[u8]]) -> String {
    format!("{:x}", HexDisplay(&Sha512::digest(texts.concat())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::header_text::Charset;
    use crate::token::user_id::Carrier;

    fn ticket() -> Ticket {
        Ticket {
            secret: b"0123456789abcdef0123456789abcdef".as_slice().into(),
            cookie_name: "kjwt".into(),
            timeout: 30,
            header_too: false,
        }
    }

    fn user_id(text: &str) -> UserId {
        UserId::from_value(&json!(text), Carrier::Ticket(Charset::Ascii)).unwrap()
    }

    #[test]
    fn a_ticket_is_what_pyramid_signs() {
        // pyramid.authentication.AuthTicket(secret, base64.b64encode("Zoë 日本".encode()), "0.0.0.0",
        // user_data="userid_type:b64unicode", time=1800000000, hashalg="sha512").cookie_value(), of Pyramid 2.1, which
        // writes = as %3D
        let signed = "5db31ed952da8f4661327b1ea88f12e90f1273a5fdb738b789e3a7d8e1a274e0d04eadb4527bf4bac8b5abbd25\
             d2e350e8c0ac4dbc835d1184bbadee3557e9036b49d200Wm/DqyDml6XmnKw=!userid_type:b64unicode";
        assert_eq!(ticket().sign("Zoë 日本", 1_800_000_000), signed);
        assert_eq!("kjwt=".len() + signed.len(), ticket().cookie_bytes("Zoë 日本".len()) + 1);
    }

    #[test]
    fn a_ticket_is_used_again_for_a_tenth_of_its_time() {
        let (ticket, alice) = (ticket(), user_id("alice"));
        let at = |now| ticket.cookies([], Some(&alice), now);
        let first = at(1000);
        assert_eq!(at(1002), first);
        // At the end of the second 1003, four seconds would have passed.
        assert_ne!(at(1003), first);
        // The clock was set back: a ticket of the future would be valid for longer.
        assert_eq!(at(999), ticket.cookies([], Some(&user_id("alice")), 999));
    }

    #[test]
    fn the_ticket_is_the_last_cookie() {
        let (ticket, alice) = (ticket(), user_id("alice"));
        let own = ticket.cookies([], Some(&alice), 1000);
        for (values, rest) in [
            (&[][..], &b""[..]),
            (&[&b"kjwt=T"[..]], b""),
            (&[b"a=1"], b"a=1; "),
            (&[b"a=1", b"", b"kjwt=T", b"b=2"], b"a=1; b=2; "),
        ] {
            let values = values.iter().copied();
            assert_eq!(ticket.cookies(values.clone(), Some(&alice), 1000), [rest, &own].concat());
            let rest = rest.strip_suffix(b"; ").unwrap_or_default();
            assert_eq!(ticket.cookies(values, None, 1000), rest);
        }
    }
}
