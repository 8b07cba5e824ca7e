//! How far a request has come, and what every step towards the next state may do.

use log::{debug, info};

use crate::answer::Answer;
use crate::batch::body::BatchRequest;
use crate::batch::refusal::Refusal;
use crate::batch::splice::Splicer;
use crate::filter::host::{Host, HostError};
use crate::gate::decide::Gate;
use crate::rejection::Rejection;

/// What the proxy does after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The headers, or this part of the body, go on.
    Continue,
    /// They stay, and what comes after them.
    Pause,
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing of it has been seen.
    New,
    /// It is not decided yet: it waits for the keys of an issuer.
    AwaitingKeys(At),
    /// A batch whose headers have been decided and whose body has not come yet.
    Batch(Batch),
    /// It has gone to Kinto, as a batch of which Kinto answers only a part.
    Splicing(Splicer),
    /// It has gone to Kinto, and nothing is left to do.
    Done,
    /// It has been answered, and never goes to Kinto.
    Answered,
}

/// Where a request waits.
#[derive(Debug)]
pub(super) enum At {
    /// At its headers. `arrived` says what of the body has come since: with Envoy's plugin option
    /// `allow_on_headers_stop_iteration` the body comes while the headers wait, and is not handed out again.
    Headers { end_of_stream: bool, arrived: Arrived },
    /// At its body.
    Body { batch: Batch, size: usize },
}

/// What of a body has come while the headers waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Nothing,
    Part,
    All,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) outer: BatchRequest,
    /// Envoy hands out no header once it has passed it on.
    pub(super) has_origin: bool,
    pub(super) content_length: Option<usize>,
}

/// A request's next state, and what the proxy does.
pub(super) type Next = Result<(Flow, State), HostError>;

pub(super) fn refuse(gate: &Gate, host: &impl Host, refusal: Refusal, has_origin: bool) -> Next {
    debug!("{}", refusal.code());
    gate.counters().add(format!("batch_refusals.reason.{}", refusal.code()), 1);
    host.note_reason(refusal.code());
    answered(host, &refusal.answer(), has_origin)
}

pub(super) fn answered(host: &impl Host, answer: &Answer, has_origin: bool) -> Next {
    host.send(answer, has_origin)?;
    Ok((Flow::Pause, State::Answered))
}

/// Counts what becomes of a request, and says why it proved nothing.
pub(super) fn report(gate: &Gate, outcome: &str, rejection: Option<Rejection>) {
    gate.counters().count_decision(outcome, rejection);
    match rejection {
        Some(rejection) if outcome == "reported" => info!("would be rejected: {}", rejection.code()),
        Some(rejection) => debug!("{outcome}: {}", rejection.code()),
        None => {}
    }
}
