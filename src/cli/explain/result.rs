//! What becomes of a request: the user that Kinto sees, or the answer that the client gets.

use serde::Serialize;
use serde_json::Value;

use crate::answer::Answer;
use crate::cli::explain::shown::printable;
use crate::gate::config::Config;
use crate::gate::decision::Outcome;
use crate::gate::on_failure::Action;
use crate::rejection::{Cause, Rejection};

/// What becomes of a request.
#[derive(Serialize)]
pub(crate) struct Fate {
    /// The filter's own word for it, as in the metrics.
    pub(crate) outcome: &'static str,
    /// The setting that has decided it, such as `onInvalid: reject`.
    pub(crate) setting: Option<String>,
    /// The user id that Kinto gets.
    pub(crate) user: Option<String>,
    /// The answer that the client gets in the place of Kinto's.
    pub(crate) answer: Option<Shown>,
    /// The claim headers that Kinto gets.
    pub(crate) claim_headers: Vec<(String, String)>,
    #[serde(skip)]
    pub(crate) words: String,
}

/// An answer that the filter gives itself.
#[derive(Serialize)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) errno: Option<u64>,
    pub(crate) message: String,
    /// `WWW-Authenticate` or `Retry-After`.
    pub(crate) header: Option<String>,
}

impl Shown {
    pub(crate) fn new(answer: &Answer) -> Self {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let own = |name: &str| ["WWW-Authenticate", "Retry-After"].contains(&name);
        let header = answer.headers(false).into_iter().find(|(name, _)| own(name));
        Self {
            status: answer.status,
            errno: body.get("errno").and_then(Value::as_u64),
            message: body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
            header: header.map(|(name, value)| format!("{name}: {value}")),
        }
    }

    /// The answer in one sentence.
    pub(crate) fn words(&self) -> String {
        let header = self.header.as_ref().map(|header| format!(", with {header}")).unwrap_or_default();
        let errno = self.errno.map(|errno| format!(", errno {errno}")).unwrap_or_default();
        format!("The client gets {}{errno}: \"{}\"{header}", self.status, self.message)
    }
}

impl Fate {
    /// What becomes of a request with this outcome.
    pub(crate) fn new(config: &Config, outcome: &Outcome, rejection: Option<Rejection>) -> Self {
        let action = rejection.map(|rejection| config.on_failure.action(rejection.cause()));
        let setting = rejection.map(Rejection::cause).zip(action);
        let answer = if let Outcome::Rejected(answer) = outcome { Some(Shown::new(answer)) } else { None };
        let seen = seen(outcome.user_id().map(|user| user.as_str()));
        let words = match (outcome, action) {
            (Outcome::User(..), _) => seen,
            (Outcome::Reported(_), _) => {
                format!("{seen} With reject in the place of report, the client would get an error")
            }
            (Outcome::Anonymous, Some(Action::Reject)) => {
                format!("{seen} A CORS preflight, and a path in open without a token, is never rejected")
            }
            (Outcome::Unauthorized(_) | Outcome::Anonymous, _) => seen,
            (Outcome::Rejected(_), _) => {
                let answer = answer.as_ref().map(Shown::words).unwrap_or_default();
                format!("Kinto does not see the request. {answer}")
            }
        };
        let claim = |(number, name): (usize, &str)| {
            Some((name.to_owned(), printable(outcome.claim(number)?.as_str())))
        };
        let headers = config.claim_headers.iter().map(|header| header.name()).enumerate();
        Self {
            outcome: outcome.code(),
            setting: setting.map(|(cause, action)| format!("{}: {}", setting_of(cause), name_of(action))),
            user: outcome.user_id().map(|user| user.as_str().to_owned()),
            answer,
            claim_headers: headers.filter_map(claim).collect(),
            words,
        }
    }
}

/// Whom Kinto sees. `None` is nobody.
pub(crate) fn seen(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("Kinto sees the user kinto_jwt:{}.", printable(user)),
        None => "Kinto sees nobody: the request is anonymous.".to_owned(),
    }
}

const fn setting_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Missing => "onMissing",
        Cause::Invalid => "onInvalid",
        Cause::KeysUnavailable => "onKeysUnavailable",
    }
}

const fn name_of(action: Action) -> &'static str {
    match action {
        Action::UnauthorizedUser => "unauthorizedUser",
        Action::Anonymous => "anonymous",
        Action::Reject => "reject",
        Action::Report => "report",
    }
}
