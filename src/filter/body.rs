//! The body of a batch: the filter decides on it and writes it anew.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::batch::body::{Rewritten, UnknownKeys, rewrite};
use crate::batch::refusal::Refusal;
use crate::batch::splice::Splicer;
use crate::filter::host::{Body, Host, Wait};
use crate::filter::state::{At, Batch, Flow, Next, State, answered, count_and_log, refuse};
use crate::gate::decide::Gate;
use crate::rejection::Reason;

/// Decides on a batch by its body, of which the host holds `size` bytes.
pub(super) fn decide_body(gate: &Gate, host: &impl Host, batch: Batch, size: usize, may_wait: bool) -> Next {
    let has_origin = batch.has_origin;
    let body = host.body(Body::Request, size)?;
    if body.len() > gate.config().batch.max_bytes {
        return refuse(gate, host, Refusal::TooLarge, has_origin);
    }
    let now = host.now()?.as_secs();
    let rewritten_with = |unknown_keys| rewrite(gate, &body, &batch.outer, now, unknown_keys);
    let mut rewritten = match rewritten_with(UnknownKeys::AreInvalid) {
        Ok(rewritten) => rewritten,
        Err(refusal) => return refuse(gate, host, refusal, has_origin),
    };
    if let Some(policy) = rewritten.awaits.filter(|_| may_wait) {
        match host.wait(policy)? {
            Wait::Granted => return Ok((Flow::Pause, State::AwaitingKeys(At::Body { batch, size }))),
            Wait::Needless => {}
            Wait::NoRoom => match rewritten_with(UnknownKeys::AreUnavailable) {
                Ok(without) => rewritten = without,
                Err(refusal) => return refuse(gate, host, refusal, has_origin),
            },
        }
    }
    let Some(content) = pad(std::mem::take(&mut rewritten.body), batch.content_length) else {
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
        rejected => State::Splicing(Splicer::new(rejected, rewritten.forwarded)),
    };
    Ok((Flow::Continue, state))
}

fn report_batch(gate: &Gate, host: &impl Host, rewritten: &Rewritten, outer: Option<Reason>) {
    let count = rewritten.forwarded.saturating_add(rewritten.rejected.len());
    gate.counters().add("batch_subrequests".to_owned(), u64::try_from(count).unwrap_or_default());
    for (outcome, reason) in &rewritten.decided {
        count_and_log(gate, outcome, *reason);
    }
    if let Some(reason) = rewritten.decided.iter().find_map(|(_, reason)| *reason).or(outer) {
        host.note_reason(reason.rejection.code());
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
