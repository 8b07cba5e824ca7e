//! The body of a batch: the filter decides on it and writes it anew.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::batch::body::{Rewritten, UnknownKeys, growth, rewrite};
use crate::batch::refusal::Refusal;
use crate::batch::splice::Splicer;
use crate::counters::Count;
use crate::filter::host::{Body, Host, HostError, Wait};
use crate::filter::state::{At, Batch, Flow, Next, State, answered, count_and_log, note_reason, refuse};
use crate::gate::decide::Gate;
use crate::rejection::{Reason, Rejection};

/// When a batch is decided by its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the callback in which the body has come to its end.
    Arrived,
    /// Later: the headers have waited for keys, and the body came meanwhile.
    HeadersWaited,
    /// Later: the body has waited for keys. `has_room`: it was made as long as it may become, before it waited.
    BodyWaited { has_room: bool },
}

/// Decides on a batch by its body, of which the host holds `size` bytes.
///
/// A body grows in the callback only, where Envoy answers 413 after the callback if its buffer is too small. Later, Envoy
/// would answer within the call that makes the body longer, and call the module within that call, which the SDK does not
/// bear: Envoy would crash.
pub(super) fn decide_body(
    gate: &Gate,
    host: &impl Host,
    batch: Box<Batch>,
    size: usize,
    phase: Phase,
) -> Next {
    let has_origin = batch.has_origin;
    let has_waited = matches!(phase, Phase::BodyWaited { .. });
    let body = host.body(Body::Request, size)?;
    // A body that has waited was measured before, and has spaces at its end.
    if !has_waited && body.len() > gate.config().batch.max_bytes {
        return refuse(gate, host, Refusal::TooLarge, has_origin);
    }
    let now = host.now()?.as_secs();
    let rewritten_with = |unknown_keys| rewrite(gate, &body, &batch.outer, now, unknown_keys);
    let mut rewritten = match rewritten_with(UnknownKeys::AreInvalid) {
        Ok(rewritten) => rewritten,
        Err(refusal) => return refuse(gate, host, refusal, has_origin),
    };
    if let Some(policy) = rewritten.awaits.filter(|_| !has_waited) {
        match host.wait(policy)? {
            Wait::Granted => {
                let has_room = phase == Phase::Arrived;
                let size = if has_room { make_room(gate, host, &batch, size, body)? } else { size };
                return Ok((Flow::Pause, State::AwaitingKeys(At::Body { batch, size, has_room })));
            }
            Wait::Needless => {}
            Wait::NoRoom => match rewritten_with(UnknownKeys::AreUnavailable) {
                Ok(without) => rewritten = without,
                Err(refusal) => return refuse(gate, host, refusal, has_origin),
            },
        }
    }
    if let Some(refusal) = rewritten.refusal {
        return refuse(gate, host, refusal, has_origin);
    }
    let fits = |content: &Vec<u8>| phase == Phase::Arrived || content.len() <= body.len();
    let content = pad(std::mem::take(&mut rewritten.body), batch.content_length).filter(fits);
    let Some(content) = content else {
        if matches!(phase, Phase::HeadersWaited | Phase::BodyWaited { has_room: false }) {
            // There was no room. At the next attempt the keys are known, and nothing waits.
            note_reason(gate, host, Rejection::KeysUnavailable.code());
            return answered(host, &Answer::keys_unavailable(None), has_origin);
        }
        return refuse(gate, host, Refusal::TooLong, has_origin);
    };
    report_batch(gate, host, &rewritten, batch.outer.reason);
    if rewritten.forwarded == 0 && !rewritten.rejected.is_empty() {
        let entries: Vec<Value> = rewritten.rejected.into_iter().map(|(_, entry)| entry).collect();
        return answered(host, &Answer::ok(&json!({"responses": entries})), has_origin);
    }
    host.set_body(Body::Request, size, &content)?;
    let state = match rewritten.rejected {
        rejected if rejected.is_empty() => State::BatchForwarded,
        rejected => State::Splicing(Box::new(Splicer::new(rejected, rewritten.forwarded))),
    };
    Ok((Flow::Continue, state))
}

/// Makes the body that the host holds as long as it may become, with spaces at its end. Returns its size.
fn make_room(
    gate: &Gate,
    host: &impl Host,
    batch: &Batch,
    size: usize,
    mut body: Vec<u8>,
) -> Result<usize, HostError> {
    let room = batch
        .content_length
        .unwrap_or_else(|| body.len().saturating_add(growth(gate, body.len(), &batch.outer)));
    body.resize(room.max(body.len()), b' ');
    host.set_body(Body::Request, size, &body)?;
    Ok(body.len())
}

fn report_batch(gate: &Gate, host: &impl Host, rewritten: &Rewritten, outer: Option<Reason>) {
    let count = rewritten.forwarded.saturating_add(rewritten.rejected.len());
    gate.counters().add(Count::BatchSubrequests, u64::try_from(count).unwrap_or_default());
    for (_, outcome, reason) in &rewritten.decided {
        count_and_log(gate, outcome, *reason);
    }
    if let Some(reason) = rewritten.decided.iter().find_map(|(_, _, reason)| *reason).or(outer) {
        note_reason(gate, host, reason.rejection.code());
    }
}

/// Fills a body with spaces up to the length that was announced; JSON may end in spaces (RFC 8259 section 2). `None` if
/// the body is longer.
fn pad(mut body: Vec<u8>, content_length: Option<usize>) -> Option<Vec<u8>> {
    if let Some(length) = content_length {
        if body.len() > length {
            return None;
        }
        body.resize(length, b' ');
    }
    Some(body)
}
