//! The user id: what Kinto puts after `kinto_jwt:`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::rejection::Rejection;
use crate::token::claim_name::ClaimName;
use crate::token::claims::Admitted;
use crate::token::header_text::{Charset, NotCarried, check, rendered, to_latin_1};

/// What carries user ids to Kinto, and so which texts they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The identity header: a text that a header with these characters carries exactly.
    Header(Charset),
    /// A ticket: every text that is not empty. A header for other filters carries these characters.
    Ticket(Charset),
}

/// Bytes of a ticket without the user id in it, with the counters of its `Rc` and the overhead of the allocator.
const TICKET_BYTES: usize = 192;

/// A user id. An altered user id would be another user, so it reaches Kinto exactly, or the token is invalid.
#[derive(Clone)]
pub struct UserId(Rc<Inner>);

struct Inner {
    text: Box<str>,
    carrier: Carrier,
    /// The ticket that was signed last, and when, in seconds since 1970.
    ticket: RefCell<Option<(u64, Rc<str>)>>,
}

impl UserId {
    /// The user id in admitted claims.
    ///
    /// # Errors
    /// There is no claim of this name, or its value cannot be carried exactly.
    pub(crate) fn from_claims(
        claims: &Admitted,
        name: &ClaimName,
        carrier: Carrier,
    ) -> Result<Self, Rejection> {
        Self::from_value(name.find(claims.object()).ok_or(Rejection::NoUserIdClaim)?, carrier)
    }

    /// A user id from the configuration (`unauthorizedUserId`).
    ///
    /// # Errors
    /// The value cannot be carried exactly.
    pub(crate) fn from_value(value: &Value, carrier: Carrier) -> Result<Self, Rejection> {
        let text = rendered(value)?;
        if let Carrier::Header(charset) = carrier {
            check(&text, charset)?;
        }
        Ok(Self(Rc::new(Inner { text: text.into(), carrier, ticket: RefCell::default() })))
    }

    /// Bytes of its texts in memory, at most: the user id, and the ticket that may be signed for it.
    pub(crate) fn size(&self) -> usize {
        let text = self.0.text.len();
        match self.0.carrier {
            Carrier::Header(_) => text,
            Carrier::Ticket(_) => {
                text.div_ceil(3).saturating_mul(4).saturating_add(TICKET_BYTES).saturating_add(text)
            }
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The id as text; `None` if a header does not carry it exactly.
    pub(crate) fn header_text(&self) -> Option<&str> {
        let is_carried = match self.0.carrier {
            Carrier::Header(_) => true,
            Carrier::Ticket(charset) => check(self.as_str(), charset).is_ok(),
        };
        is_carried.then(|| self.as_str())
    }

    /// The same as the bytes of a header value.
    pub(crate) fn to_header_value(&self) -> Option<Cow<'_, [u8]>> {
        self.header_text().map(to_latin_1)
    }

    /// The ticket that was signed last, if that was less than `max_age` seconds before the time `now`; else a new one,
    /// which `sign` makes.
    pub(crate) fn ticket(&self, now: u64, max_age: u64, sign: impl FnOnce() -> Rc<str>) -> Rc<str> {
        let mut ticket = self.0.ticket.borrow_mut();
        match &*ticket {
            Some((signed, value)) if now.checked_sub(*signed).is_some_and(|age| age < max_age) => {
                Rc::clone(value)
            }
            _ => Rc::clone(&ticket.insert((now, sign())).1),
        }
    }
}

impl PartialEq for UserId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UserId {}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserId").field(&self.as_str()).finish()
    }
}

impl From<NotCarried> for Rejection {
    fn from(why: NotCarried) -> Self {
        match why {
            NotCarried::Type => Self::UserIdType,
            NotCarried::Empty => Self::UserIdEmpty,
            NotCarried::Control => Self::UserIdControl,
            NotCarried::OuterSpace => Self::UserIdOuterSpace,
            NotCarried::NotAscii => Self::UserIdNotAscii,
            NotCarried::NotLatin1 => Self::UserIdNotLatin1,
        }
    }
}
