//! What becomes of each sub-request of a batch, read from the body that the filter writes for Kinto.

use serde::Serialize;
use serde_json::Value;

use crate::batch::body::{BatchRequest, NOBODY, Rewritten, UnknownKeys, growth, rewrite};
use crate::batch::path::{Target, target};
use crate::batch::refusal::{Refusal, check_representation};
use crate::cli::explain::refusals;
use crate::cli::explain::request::Fields;
use crate::cli::explain::result::{Shown, seen};
use crate::cli::explain::shown::printable;
use crate::cli::failure::Failure;
use crate::gate::decide::Gate;
use crate::gate::decision::Decision;
use crate::rejection::Reason;
use crate::request::Request;
use crate::token::claims::NumericDate;
use crate::token::user_id::UserId;

/// What becomes of a batch.
#[derive(Serialize)]
pub(crate) struct Batch {
    pub(crate) refusal: Option<Refused>,
    pub(crate) requests: Vec<SubRequest>,
}

/// Why a batch is not forwarded.
#[derive(Serialize)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
    pub(crate) answer: Shown,
}

/// What becomes of a sub-request.
#[derive(Serialize)]
pub(crate) struct SubRequest {
    pub(crate) method: String,
    /// Without its query, where a token may be.
    pub(crate) path: String,
    /// Why its token, or that of the batch, proves nothing, with numbers.
    pub(crate) reason: Option<String>,
    #[serde(skip)]
    pub(crate) rejection: Option<Reason>,
    /// The user id that Kinto gets.
    pub(crate) user: Option<String>,
    /// The status of the entry that the client gets in the place of Kinto's.
    pub(crate) status: Option<u64>,
}

impl SubRequest {
    /// What becomes of it, in one sentence.
    pub(crate) fn words(&self) -> String {
        match self.status {
            Some(status) => format!("Kinto does not see it. The client gets {status}."),
            None => seen(self.user.as_deref()),
        }
    }
}

impl Batch {
    /// Decides on a batch with this request and body, as `filter/headers.rs` and `filter/body.rs` do.
    ///
    /// # Errors
    /// The request is not for the batch endpoint.
    pub(crate) fn new(
        gate: &Gate,
        request: &Fields,
        decision: Decision<'_>,
        body: &[u8],
        now: NumericDate,
    ) -> Result<Self, Failure> {
        let prefix = match target(&request.first(":method"), &request.first(":path")) {
            Target::Batch(prefix) => prefix,
            Target::Unclear => return Ok(Self::refused(Refusal::Unclear)),
            Target::Other => {
                return Err(Failure::new(
                    "the request is not for the batch endpoint; leave --batch out, or give --path /v1/batch and no --method",
                ));
            }
        };
        let outer = BatchRequest::new(decision, prefix, request.client_certificate());
        Ok(match Self::rewritten(gate, request, &outer, body, now) {
            Ok(rewritten) => Self::read(gate, &outer, body, &rewritten),
            Err(refusal) => Self::refused(refusal),
        })
    }

    fn rewritten(
        gate: &Gate,
        request: &Fields,
        outer: &BatchRequest,
        body: &[u8],
        now: NumericDate,
    ) -> Result<Rewritten, Refusal> {
        check_representation(&request.headers())?;
        if body.len() > gate.config().batch.max_bytes {
            return Err(Refusal::TooLarge);
        }
        let rewritten = rewrite(gate, body, outer, now, UnknownKeys::AreInvalid)?;
        if let Some(refusal) = rewritten.refusal {
            return Err(refusal);
        }
        let room = body.len().saturating_add(growth(gate, body.len(), outer));
        if rewritten.body.len() > room { Err(Refusal::TooLong) } else { Ok(rewritten) }
    }

    fn refused(refusal: Refusal) -> Self {
        let words = refusals::words(refusal);
        let answer = Shown::new(&refusal.answer());
        let refused = Refused { code: refusal.code(), meaning: words.meaning, remedy: words.remedy, answer };
        Self { refusal: Some(refused), requests: Vec::new() }
    }

    fn read(gate: &Gate, outer: &BatchRequest, body: &[u8], rewritten: &Rewritten) -> Self {
        let (sent, written) = (parsed(body), parsed(&rewritten.body));
        let mut forwarded = items(&written).iter();
        let requests = items(&sent).iter().enumerate().map(|(number, request)| {
            let text = |name: &str| {
                let own = request.get(name).or_else(|| sent.get("defaults")?.get(name));
                own.and_then(Value::as_str)
            };
            let path = text("path").unwrap_or_default().split('?').next().unwrap_or_default();
            let rejected = rewritten.rejected.iter().find(|(other, _)| *other == number);
            let user = match rejected {
                Some(_) => None,
                None => user(gate, outer, &written, forwarded.next()),
            };
            let decided = rewritten.decided.iter().find(|(other, ..)| *other == number);
            let rejection = decided.map_or(outer.reason, |(_, _, reason)| *reason);
            SubRequest {
                method: text("method").unwrap_or("GET").to_owned(),
                path: printable(path),
                reason: rejection.map(|reason| reason.to_string()),
                rejection,
                user,
                status: rejected.and_then(|(_, entry)| entry.get("status")?.as_u64()),
            }
        });
        Self { refusal: None, requests: requests.collect() }
    }

    /// Whether Kinto gets each sub-request from a user that a token proves.
    pub(crate) fn is_proven(&self) -> bool {
        self.refusal.is_none() && self.requests.iter().all(|request| request.rejection.is_none())
    }
}

/// The user id of a sub-request as Kinto merges its headers: its own over those of `defaults` over those of the batch
/// (`build_request` in `kinto/core/utils.py`). `None` is nobody.
fn user(gate: &Gate, outer: &BatchRequest, written: &Value, request: Option<&Value>) -> Option<String> {
    let config = gate.config();
    let name = config.ticket.as_ref().map_or(config.identity_header.name(), |_| "Cookie");
    let header = |request: Option<&Value>| request?.get("headers")?.get(name)?.as_str().map(str::to_owned);
    let own = header(request).or_else(|| header(written.get("defaults")));
    let user = match (&config.ticket, own) {
        (_, None) => return outer.outcome.user_id().map(UserId::as_str).map(str::to_owned),
        (Some(ticket), Some(cookies)) => ticket.user_id(&cookies),
        (None, user) => user,
    };
    user.filter(|user| user != NOBODY)
}

/// A body that the filter has accepted or written.
fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn items(batch: &Value) -> &[Value] {
    batch.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
