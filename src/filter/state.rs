//! The states of a request, and what leads from one to the next.

use log::{debug, info};

use crate::answer::Answer;
use crate::batch::body::BatchRequest;
use crate::batch::refusal::Refusal;
use crate::batch::splice::Splicer;
use crate::filter::host::{Host, HostError};
use crate::gate::decide::Gate;
use crate::rejection::Reason;

/// What the host does after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It passes the headers, or this part of the body, on.
    Continue,
    /// It holds them, and what comes after them.
    Pause,
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum State {
    /// No callback has come.
    New,
    /// It is not decided: it waits for the keys of an issuer.
    AwaitingKeys(At),
    /// It is a batch. Its headers are decided, and its body has not come.
    Batch(Box<Batch>),
    /// It is a batch that has gone to Kinto in part: entries must be put into Kinto's answer.
    Splicing(Box<Splicer>),
    /// It is a batch that was passed on whole. The host may still answer 413, if the rewritten body is too large for its
    /// buffer.
    BatchForwarded,
    /// It is a batch that does not fit into the host's buffer. This answer takes the place of the host's.
    Overflowed(Box<Answer>),
    /// It has gone to Kinto with the ticket of a proven user, and Kinto has not answered.
    Ticketed,
    /// It has gone to Kinto as it was decided, and nothing is left to do.
    Done,
    /// It was answered, and never goes to Kinto.
    Answered,
}

/// Where a request waits.
#[derive(Debug)]
pub(super) enum At {
    /// At its headers. `arrived` says how much of the body has come since: with Envoy's plugin option
    /// `allow_on_headers_stop_iteration` the body comes while the headers wait, and no callback repeats it.
    Headers { end_of_stream: bool, arrived: Arrived },
    /// At its body, of which the host holds `size` bytes. `has_room`: it is as long as it may become.
    Body { batch: Box<Batch>, size: usize, has_room: bool },
}

/// How much of a body has come while the headers waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Nothing,
    Part,
    All,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) outer: BatchRequest,
    /// Whether the request has an `Origin` header. Envoy hands out no headers after it has passed them on.
    pub(super) has_origin: bool,
    pub(super) content_length: Option<usize>,
}

/// The next state of a request and what the host does, or the call to the host that failed.
pub(super) type Next = Result<(Flow, State), HostError>;

pub(super) fn refuse(gate: &Gate, host: &impl Host, refusal: Refusal, has_origin: bool) -> Next {
    count_refusal(gate, host, refusal);
    answered(host, &refusal.answer(), has_origin)
}

pub(super) fn count_refusal(gate: &Gate, host: &impl Host, refusal: Refusal) {
    debug!("{}", refusal.code());
    gate.counters().count_seldom(format!("batch_refusals.reason.{}", refusal.code()));
    note_reason(gate, host, refusal.code());
}

pub(super) fn answered(host: &impl Host, answer: &Answer, has_origin: bool) -> Next {
    host.send(answer, has_origin)?;
    Ok((Flow::Pause, State::Answered))
}

/// Notes why a request proves nothing, or why a batch is refused, if an access log reads it (`accessLogReason`).
pub(super) fn note_reason(gate: &Gate, host: &impl Host, code: &str) {
    if gate.config().access_log_reason {
        host.note_reason(code);
    }
}

/// Counts the outcome of a request, and logs why it proves nothing.
pub(super) fn count_and_log(gate: &Gate, outcome: &'static str, reason: Option<Reason>) {
    gate.counters().count_decision(outcome, reason.map(|reason| reason.rejection));
    match reason {
        Some(reason) if outcome == "reported" => info!("would be rejected: {reason}"),
        Some(reason) => debug!("{outcome}: {reason}"),
        None => {}
    }
}
