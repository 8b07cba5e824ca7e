//! What is decided on a request.

use std::rc::Rc;

use crate::answer::Answer;
use crate::gate::policy::PolicyIndex;
use crate::rejection::{Cause, Reason, Rejection};
use crate::request::credentials::Place;
use crate::token::header_text::HeaderText;
use crate::token::user_id::UserId;

/// The decision on one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision<'g> {
    /// As whom the request is forwarded, or the answer that the client gets instead.
    pub outcome: Outcome,
    /// The places whose tokens must not reach Kinto.
    pub(crate) remove: Vec<&'g Place>,
    /// Why the token, or its absence, proves nothing.
    pub(crate) reason: Option<Reason>,
    /// The policy whose issuer may have the key of the token: the request should wait for it.
    pub awaits: Option<PolicyIndex>,
}

impl Decision<'_> {
    /// Why the token, or its absence, proves nothing.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        self.reason.map(|reason| reason.rejection)
    }

    /// Whether the request is rejected because keys are unavailable: it may succeed later, unchanged.
    pub(crate) fn lacks_keys(&self) -> bool {
        let is_rejected = matches!(self.outcome, Outcome::Rejected(_));
        is_rejected && self.rejection().is_some_and(|rejection| rejection.cause() == Cause::KeysUnavailable)
    }
}

/// As whom a request is forwarded, or that it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user that the token proves, and the values of the claim headers.
    User(UserId, Option<Rc<[Option<HeaderText>]>>),
    /// The unauthorized user, as with `kinto_jwt`; `None` is nobody.
    Unauthorized(Option<UserId>),
    /// Nobody: the action `anonymous`, or a request that `reject` exempts.
    Anonymous,
    /// The unauthorized user; with the action `reject` instead of `report` the request would be rejected.
    Reported(Option<UserId>),
    /// Not forwarded: the client gets this answer.
    Rejected(Answer),
}

impl Outcome {
    /// Who Kinto takes the request for; `None` is nobody.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::User(user_id, _) => Some(user_id),
            Self::Unauthorized(user_id) | Self::Reported(user_id) => user_id.as_ref(),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }

    /// The value of a claim header, by the index of the header in the configuration.
    #[must_use]
    pub fn claim(&self, header: usize) -> Option<&HeaderText> {
        match self {
            Self::User(_, claims) => claims.as_ref()?.get(header)?.as_ref(),
            _ => None,
        }
    }

    /// A stable name for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::User(..) => "user",
            Self::Unauthorized(Some(_)) => "unauthorized_user",
            Self::Unauthorized(None) | Self::Anonymous => "anonymous",
            Self::Reported(_) => "reported",
            Self::Rejected(_) => "rejected",
        }
    }
}
