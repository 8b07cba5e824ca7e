//! The whole decision: for a request, who Kinto shall take it for, or the answer that it gets instead.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use crate::answer::Answer;
use crate::counters::Numbers;
use crate::gate::cache::TokenCache;
use crate::gate::config::Config;
use crate::gate::on_failure::OnFailure;
use crate::gate::policy::{Policy, Verified};
use crate::keys::host::HostVerify;
use crate::rejection::{Cause, Rejection};
use crate::request::Request;
use crate::request::credentials::{Credential, Credentials, Place};
use crate::token::claims::{NumericDate, unverified_issuer};
use crate::token::header_text::HeaderText;
use crate::token::jws::{LastHeader, Token};
use crate::token::user_id::UserId;

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision<'g> {
    /// As whom it is forwarded, or the answer.
    pub outcome: Outcome,
    /// The places whose tokens must not reach Kinto.
    pub remove: Vec<&'g Place>,
    /// Why the token, or its absence, proved nothing.
    pub rejection: Option<Rejection>,
    /// The policy whose issuer, asked again, might know the token's key: its place in the list.
    pub awaits: Option<usize>,
}

impl Decision<'_> {
    /// Whether the request is rejected for want of keys, and may come again as it is.
    #[must_use]
    pub fn lacks_keys(&self) -> bool {
        let rejected = matches!(self.outcome, Outcome::Rejected(_));
        rejected && self.rejection.is_some_and(|rejection| rejection.cause() == Cause::KeysUnavailable)
    }
}

/// As whom a request is forwarded, or that it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user that the token proves, and the values of the claim headers.
    User(UserId, Option<Rc<[Option<HeaderText>]>>),
    /// The unauthorized user, as with `kinto_jwt`; `None` is nobody.
    Unauthorized(Option<UserId>),
    /// Nobody, by the operator's policy.
    Anonymous,
    /// The unauthorized user, although `report` says that it would be rejected.
    Reported(Option<UserId>),
    /// Nobody: the client gets this answer.
    Rejected(Answer),
}

impl Outcome {
    /// Who Kinto shall take the request for; `None` for an anonymous one.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::User(user_id, _) => Some(user_id),
            Self::Unauthorized(user_id) | Self::Reported(user_id) => user_id.as_ref(),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }

    /// The value of a claim header, by its place in the configuration's list.
    #[must_use]
    pub fn claim(&self, number: usize) -> Option<&HeaderText> {
        match self {
            Self::User(_, claims) => claims.as_ref()?.get(number)?.as_ref(),
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

/// What a request's token proves, or why it proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct Proof<'g> {
    verdict: Result<Verified, Rejection>,
    policy: Option<&'g Policy>,
    remove: Vec<&'g Place>,
}

impl Proof<'_> {
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        self.verdict.as_ref().err().copied()
    }
}

/// The tokens of one batch that have failed: each policy verifies a token once.
#[derive(Debug, Default)]
pub(crate) struct Failed(HashMap<(usize, Box<[u8]>), Rejection>);

impl Failed {
    fn or_else(
        &mut self,
        policy: usize,
        token: &[u8],
        verify: impl FnOnce() -> Result<Verified, Rejection>,
    ) -> Result<Verified, Rejection> {
        let key = (policy, token.into());
        if let Some(rejection) = self.0.get(&key) {
            return Err(*rejection);
        }
        let verified = verify();
        if let Err(rejection) = &verified {
            self.0.insert(key, *rejection);
        }
        verified
    }
}

/// The policies at work.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    cache: TokenCache,
    last_header: LastHeader,
    numbers: Numbers,
}

impl Gate {
    /// A gate that follows this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            cache: TokenCache::new(config.token_cache),
            last_header: LastHeader::default(),
            numbers: Numbers::default(),
            config,
        }
    }

    /// The configuration that it follows.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it counts.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// What it has counted since it was last asked, by name.
    #[must_use]
    pub fn take_counts(&self) -> BTreeMap<String, u64> {
        self.numbers.note_evictions(self.cache.take_evictions());
        self.numbers.take()
    }

    /// Takes an issuer's key set for the policy at this place in the list; tokens that the old keys verified are
    /// forgotten. Returns words on the keys in it that are of no use.
    ///
    /// # Errors
    /// It has no usable key: words on why. Those that are known stay.
    pub fn take_set(
        &self,
        policy: usize,
        set: &Value,
        host: Option<HostVerify>,
    ) -> Result<Vec<String>, String> {
        let policy = self.config.policies.get(policy).ok_or("no such policy")?;
        let skipped = policy.take_set(set, host).map_err(|(fault, _)| fault)?;
        self.cache.clear();
        Ok(skipped)
    }

    /// Decides on a request at the time `now`.
    #[must_use]
    pub fn decide(&self, request: &impl Request, now: NumericDate) -> Decision<'_> {
        self.decision(&self.prove(request, now, None), request)
    }

    /// What a request's token proves at the time `now`, or why it proves nothing. A token in `failed` is not verified
    /// again, and one that fails is put there.
    pub(crate) fn prove(
        &self,
        request: &impl Request,
        now: NumericDate,
        failed: Option<&mut Failed>,
    ) -> Proof<'_> {
        let mut remove = Vec::new();
        let (policy, credential) = self.choose(request, &mut remove);
        if self.config.forward_token {
            remove.clear();
        }
        Proof { verdict: self.identify(policy, &credential, now, failed), policy, remove }
    }

    /// What becomes of a request, by what it proves.
    pub(crate) fn decision<'g>(&'g self, proof: &Proof<'g>, request: &impl Request) -> Decision<'g> {
        let rejection = proof.rejection();
        let learns = |policy: &&Policy| rejection.is_some_and(|rejection| policy.may_learn(rejection));
        Decision {
            outcome: self.outcome(proof, request),
            remove: proof.remove.clone(),
            rejection,
            awaits: proof.policy.filter(learns).map(|policy| policy.number),
        }
    }

    pub(crate) fn outcome(&self, proof: &Proof<'_>, request: &impl Request) -> Outcome {
        match &proof.verdict {
            Ok(verified) => Outcome::User(verified.user_id.clone(), verified.claims.clone()),
            Err(rejection) => self.without_proof(*rejection, proof.policy, request),
        }
    }

    /// The decision on a request that should wait for keys when there is no room to wait: its token is not invalid, its
    /// key is unavailable. Any other decision stays as it is.
    #[must_use]
    pub fn without_room<'g>(&'g self, decision: Decision<'g>, request: &impl Request) -> Decision<'g> {
        let Some(number) = decision.awaits else { return decision };
        let rejection = Rejection::NoRoomToWait;
        let outcome = self.without_proof(rejection, self.config.policies.get(number), request);
        Decision { outcome, rejection: Some(rejection), ..decision }
    }

    /// The policy that a request's token is for, by its place and its unverified `iss`, and the token.
    fn choose<'r, 'g: 'r>(
        &'g self,
        request: &'r impl Request,
        used: &mut Vec<&'g Place>,
    ) -> (Option<&'g Policy>, Credential<'r>) {
        if let [policy] = self.config.policies.as_slice() {
            return (Some(policy), policy.credentials.find(request, used));
        }
        let mut chosen = None;
        let mut absent = Rejection::NoToken;
        let mut unfit = None;
        let (mut last_token, mut last_issuer): (Option<Cow<'r, [u8]>>, Option<Rc<str>>) = (None, None);
        let mut previous: Option<(&Credentials, Credential<'r>)> = None;
        for policy in &self.config.policies {
            // Policies have the same places more often than not.
            let found = match previous {
                Some((credentials, found)) if *credentials == policy.credentials => found,
                _ => policy.credentials.find(request, used),
            };
            previous = Some((&policy.credentials, found.clone()));
            match found {
                Credential::Absent(Rejection::NoToken) => {}
                Credential::Absent(rejection) => absent = rejection,
                found if chosen.is_none() => {
                    let fits = match &found {
                        Credential::Token(token) => {
                            if last_token.as_ref() != Some(token) {
                                (last_token, last_issuer) = (Some(token.clone()), self.issuer(token));
                            }
                            policy.is_for(last_issuer.as_deref())
                        }
                        _ => policy.is_for(None),
                    };
                    if fits {
                        chosen = Some((policy, found));
                    } else if let Credential::Invalid(rejection) = found {
                        unfit = Some(rejection);
                    } else {
                        unfit = unfit.or(Some(Rejection::IssuerUnknown));
                    }
                }
                _ => {}
            }
        }
        used.dedup();
        match (chosen, unfit) {
            (Some((policy, found)), _) => (Some(policy), found),
            (None, Some(rejection)) => (None, Credential::Invalid(rejection)),
            (None, None) => (None, Credential::Absent(absent)),
        }
    }

    /// The `iss` that a token claims.
    fn issuer(&self, token: &[u8]) -> Option<Rc<str>> {
        if let Some(known) = self.cache.find(token) {
            return known.issuer;
        }
        let parsed = Token::parse_with(token, &self.last_header).ok()?;
        unverified_issuer(parsed.payload()).map(Rc::from)
    }

    fn identify(
        &self,
        policy: Option<&Policy>,
        credential: &Credential<'_>,
        now: NumericDate,
        failed: Option<&mut Failed>,
    ) -> Result<Verified, Rejection> {
        let token = match credential {
            Credential::Token(token) => token,
            Credential::Absent(rejection) | Credential::Invalid(rejection) => return Err(*rejection),
        };
        let policy = policy.ok_or(Rejection::IssuerUnknown)?;
        let Some(known) = self.cache.find(token).filter(|known| known.policy == policy.number) else {
            let Some(failed) = failed else { return self.verify(policy, token, now) };
            return failed.or_else(policy.number, token, || self.verify(policy, token, now));
        };
        self.numbers.count_hit();
        match policy.rules.check_times(known.validity, now) {
            Err(Rejection::Expired) => {
                self.cache.forget(token);
                Err(Rejection::Expired)
            }
            checked => checked.map(|()| known),
        }
    }

    fn verify(&self, policy: &Policy, token: &[u8], now: NumericDate) -> Result<Verified, Rejection> {
        self.numbers.count_miss();
        let verified = policy.verify(token, &self.last_header, &self.numbers, now)?;
        if !policy.rules.unverified {
            self.cache.keep(token, verified.clone());
        }
        Ok(verified)
    }

    /// What becomes of a request that proves nothing.
    pub(crate) fn without_proof(
        &self,
        rejection: Rejection,
        policy: Option<&Policy>,
        request: &impl Request,
    ) -> Outcome {
        let failures = &self.config.failures;
        let cause = rejection.cause();
        let unauthorized = || failures.unauthorized.clone();
        match failures.on(cause) {
            OnFailure::UnauthorizedUser => Outcome::Unauthorized(unauthorized()),
            OnFailure::Anonymous => Outcome::Anonymous,
            OnFailure::Report if failures.is_exempt(cause, request) => Outcome::Unauthorized(unauthorized()),
            OnFailure::Report => Outcome::Reported(unauthorized()),
            OnFailure::Reject if failures.is_exempt(cause, request) => Outcome::Anonymous,
            OnFailure::Reject => Outcome::Rejected(match cause {
                Cause::Missing => Answer::missing_token(&failures.challenge),
                Cause::Invalid => Answer::invalid_token(&failures.challenge),
                Cause::KeysUnavailable => Answer::keys_unavailable(policy.and_then(Policy::retry_after)),
            }),
        }
    }
}
