//! Which policy a request's token is for.

use std::borrow::Cow;
use std::rc::Rc;

use crate::gate::policy::Policy;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::request::credentials::{Credential, Credentials, Place};

/// The policy that decides on a request, and what the request holds for it.
pub(crate) struct Chosen<'g, 'r> {
    /// `None` if no policy fits.
    pub(crate) policy: Option<&'g Policy>,
    pub(crate) credential: Credential<'r>,
    /// The places, of all policies, that hold something meant for this filter.
    pub(crate) places: Vec<&'g Place>,
}

/// A token and the `iss` that it claims: read once where one policy after another finds the same token.
struct WithIssuer<'r> {
    token: Cow<'r, [u8]>,
    issuer: Option<Rc<str>>,
}

/// Chooses the first policy that finds something in its places and whose `issuer` is the token's `iss`, or that has no
/// `issuer`. What is found and cannot be a token has no `iss`. If there is one policy only, it is always chosen.
///
/// Where no policy fits, the request is rejected for the most specific of these reasons: something cannot be a token
/// (the last one that was found), the issuer is unknown, a scheme is not this filter's, there is no token.
///
/// `issuer_of` reads the `iss` of a token, nothing verified: it may choose the policy, and no more.
pub(crate) fn choose<'g: 'r, 'r>(
    policies: &'g [Policy],
    request: &'r impl Request,
    issuer_of: impl Fn(&[u8]) -> Option<Rc<str>>,
) -> Chosen<'g, 'r> {
    let mut places = Vec::new();
    if let [policy] = policies {
        let credential = policy.credentials.find(request, &mut places);
        return Chosen { policy: Some(policy), credential, places };
    }
    let mut chosen = None;
    let mut unfit = Credential::Absent(Rejection::NoToken);
    let mut previous: Option<(&Credentials, Credential<'r>)> = None;
    let mut last: Option<WithIssuer<'r>> = None;
    for policy in policies {
        // Neighbours often have the same places: they are searched once.
        let credential = match previous {
            Some((credentials, credential)) if *credentials == policy.credentials => credential,
            _ => policy.credentials.find(request, &mut places),
        };
        previous = Some((&policy.credentials, credential.clone()));
        if chosen.is_some() {
            // The places of the other policies are searched too, so that no token in them reaches Kinto.
            continue;
        }
        let issuer = match &credential {
            Credential::Absent(_) => {
                if unfit == Credential::Absent(Rejection::NoToken) {
                    unfit = credential;
                }
                continue;
            }
            Credential::Invalid(_) => None,
            Credential::Token(token) => {
                let known = last.take().filter(|last| last.token == *token);
                let read = || WithIssuer { issuer: issuer_of(token), token: token.clone() };
                last.insert(known.unwrap_or_else(read)).issuer.as_deref()
            }
        };
        if policy.issuers.include(issuer) {
            chosen = Some((policy, credential));
        } else if let Credential::Invalid(_) = credential {
            unfit = credential;
        } else if let Credential::Absent(_) = unfit {
            unfit = Credential::Invalid(Rejection::IssuerUnknown);
        }
    }
    match chosen {
        Some((policy, credential)) => Chosen { policy: Some(policy), credential, places },
        None => Chosen { policy: None, credential: unfit, places },
    }
}
