//! The validated configuration: its values, and what follows from them. The folder `config` builds it.

use crate::gate::cache::CacheLimits;
use crate::gate::on_failure::{Action, OnFailure};
use crate::gate::policy::{Policy, PolicyIndex};
use crate::gate::ticket::Ticket;
use crate::request::credentials::Place;
use crate::request::identity_header::IdentityHeader;
use crate::token::bound::BoundTokens;

/// The validated configuration.
#[derive(Debug)]
pub struct Config {
    /// `policies`, or the one policy that the other settings make.
    pub(crate) policies: Vec<Policy>,
    /// `onMissing`, `onInvalid`, `onKeysUnavailable`, `open` and `unauthorizedUserId`.
    pub(crate) on_failure: OnFailure,
    /// `userIdHeader`: the header that Kinto trusts, or other filters where there is a ticket.
    pub(crate) identity_header: IdentityHeader,
    /// `ticket`: the cookie that Kinto trusts in the place of the header.
    pub(crate) ticket: Option<Ticket>,
    /// The headers of `claimsToHeaders`, of all policies.
    pub(crate) claim_headers: Vec<IdentityHeader>,
    /// The header `userId`, if `userIdHeader` names another: a Kinto that still trusts it must not get a client's.
    pub(crate) usual_header: Option<IdentityHeader>,
    /// `forwardToken`: whether Kinto gets the token too.
    pub(crate) forward_token: bool,
    /// `accessLogReason`: whether the reason is noted for an access log.
    pub(crate) access_log_reason: bool,
    /// `tokenCache`: how many verified tokens are remembered, in how many bytes.
    pub(crate) token_cache: CacheLimits,
    /// `batch`: limits of the batch endpoint.
    pub(crate) batch: BatchLimits,
    /// Keys that were left out of a `jwks`, in words for the log.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// The policy of this index.
    pub(crate) fn policy(&self, index: PolicyIndex) -> Option<&Policy> {
        self.policies.get(index.0)
    }

    /// Every place where a token may be, of all policies, each once.
    pub(crate) fn places(&self) -> Vec<&Place> {
        let mut places = Vec::new();
        for place in self.policies.iter().flat_map(|policy| policy.credentials.places()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Whether any request or sub-request may be rejected.
    pub(crate) fn may_reject(&self) -> bool {
        let OnFailure { missing, invalid, keys_unavailable, .. } = self.on_failure;
        let fetches = self.policies.iter().any(|policy| policy.remote().is_some());
        [missing, invalid].contains(&Action::Reject) || (fetches && keys_unavailable == Action::Reject)
    }

    /// Whether the identity header is written: without a ticket, or if the operator has named it.
    pub(crate) fn writes_identity_header(&self) -> bool {
        self.ticket.as_ref().is_none_or(|ticket| ticket.header_too)
    }

    /// Whether WSGI files a header of this name under the key of a header that only this filter may write.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.own_headers().any(|header| header.is_spelled(name))
    }

    /// Whether the client's certificate may decide about a token.
    pub(crate) fn asks_for_certificate(&self) -> bool {
        self.policies.iter().any(|policy| policy.bound_tokens() == BoundTokens::Verify)
    }

    /// The headers that only this filter may write.
    pub(crate) fn own_headers(&self) -> impl Iterator<Item = &IdentityHeader> {
        std::iter::once(&self.identity_header).chain(&self.usual_header).chain(&self.claim_headers)
    }
}

/// Limits of the batch endpoint (`batch`).
#[derive(Clone, Debug)]
pub(crate) struct BatchLimits {
    /// Bytes of the largest body that is read (`maxBytes`).
    pub max_bytes: usize,
    /// The largest number of sub-requests (`maxRequests`).
    pub max_requests: usize,
    /// Whether a sub-request must be from the user of the batch (`ownTokens: refuse`).
    pub one_user: bool,
}

impl Default for BatchLimits {
    /// A body of the size of Envoy's usual buffers, and Kinto's default for `batch_max_requests`.
    fn default() -> Self {
        Self { max_bytes: 1_048_576, max_requests: 25, one_user: false }
    }
}
