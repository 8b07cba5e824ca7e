//! Kinto's answer to a batch of which a part was rejected: the entries of that part are put into it.

use log::error;

use crate::answer::Answer;
use crate::batch::refusal::{Refusal, utf_8_media_type};
use crate::batch::splice::Splicer;
use crate::counters::Count;
use crate::filter::host::{Body, Fields, Host, HostError};
use crate::filter::state::{Flow, Next, State, answered, count_refusal, note_reason};
use crate::gate::decide::Gate;
use crate::request::cookies::is_set_cookie;

/// Removes Kinto's `Set-Cookie` of the ticket from an answer: the cookie is between the filter and Kinto. Says whether
/// there was one. Kinto sends it with each 401 (`forget` in `pyramid/authentication.py`).
pub(super) fn strip_set_cookie(gate: &Gate, host: &impl Host) -> Result<bool, HostError> {
    let Some(ticket) = &gate.config().ticket else { return Ok(false) };
    let (list, name) = (Fields::ResponseHeaders, "set-cookie");
    if host.field(list, name)?.is_none() {
        return Ok(false);
    }
    let fields = host.fields(list)?.into_iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    let (ours, others): (Vec<_>, Vec<_>) =
        fields.partition(|value| is_set_cookie(value, ticket.cookie_name.as_bytes()));
    if ours.is_empty() {
        return Ok(false);
    }
    host.set_field(list, name, None)?;
    for value in others {
        host.add_field(list, name, &value)?;
    }
    Ok(true)
}

/// Looks at the answer to a request with a ticket. `is_refused`: Kinto has answered 401, which it never does to a user
/// whom it believes (`forbidden` in `kinto/core/views/errors.py`).
pub(super) fn check_ticket(gate: &Gate, host: &impl Host, is_refused: bool) -> Next {
    if is_refused {
        gate.counters().count(Count::TicketsRefused);
    }
    if gate.clock().is_due()
        && let Some(date) = host.field(Fields::ResponseHeaders, "date")?
    {
        gate.clock().compare(&date, host.now()?.as_secs());
    }
    Ok((Flow::Continue, State::Done))
}

/// Lets the answer begin if entries can be put into it: it is JSON and not encoded.
pub(super) fn check_answer(
    gate: &Gate,
    host: &impl Host,
    splicer: Box<Splicer>,
    end_of_stream: bool,
) -> Next {
    let field = |name| host.field(Fields::ResponseHeaders, name);
    if field(":status")?.is_none_or(|status| status != b"200") {
        // An error that is about the whole batch has no entries.
        return check_overflow(gate, host, State::Done, end_of_stream);
    }
    let media_type = field("content-type")?.unwrap_or_default();
    let is_json =
        utf_8_media_type(&media_type).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
    let coding = field("content-encoding")?.unwrap_or_default();
    let is_plain = coding.is_empty() || coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    if end_of_stream || !is_plain || !is_json {
        return unreadable(gate, host);
    }
    host.set_field(Fields::ResponseHeaders, "content-length", None)?;
    Ok((Flow::Continue, State::Splicing(splicer)))
}

pub(super) fn splice_body(
    gate: &Gate,
    host: &impl Host,
    mut splicer: Box<Splicer>,
    size: usize,
    end_of_stream: bool,
) -> Next {
    let piece = host.body(Body::Response, size)?;
    match splicer.push(&piece) {
        Ok(content) if !end_of_stream || splicer.is_complete() => {
            host.set_body(Body::Response, size, &content)?;
            Ok((Flow::Continue, State::Splicing(splicer)))
        }
        _ => unreadable(gate, host),
    }
}

/// Lets the answer to a batch begin. Where the batch does not fit into the host's buffer, Kinto has got nothing of its body,
/// and the filter's answer takes the place of the host's, which no client of Kinto can read.
pub(super) fn check_overflow(gate: &Gate, host: &impl Host, otherwise: State, end_of_stream: bool) -> Next {
    let is_413 = host.field(Fields::ResponseHeaders, ":status")?.is_some_and(|status| status == b"413");
    if end_of_stream || !is_413 || !host.has_overflowed()? {
        return Ok((Flow::Continue, otherwise));
    }
    count_refusal(gate, host, Refusal::Overflow);
    let answer = Refusal::Overflow.answer();
    let length = answer.body.len().to_string();
    // Any origin may read the answer. Whether the request has one is not known any more.
    let headers = answer.headers(true).into_iter().chain([("content-length", length.as_str())]);
    for (name, value) in headers {
        host.set_field(Fields::ResponseHeaders, name, Some(value.as_bytes()))?;
    }
    Ok((Flow::Continue, State::Overflowed(Box::new(answer))))
}

/// Puts the body of the answer in the place of the host's, which comes in one piece.
pub(super) fn replace_body(host: &impl Host, answer: Answer, size: usize) -> Next {
    host.set_body(Body::Response, size, answer.body.as_bytes())?;
    Ok((Flow::Continue, State::Answered))
}

/// Answers 502, since Kinto's answer cannot be read. If its headers have gone on, the host cuts it off instead.
fn unreadable(gate: &Gate, host: &impl Host) -> Next {
    error!("Kinto's answer to a batch cannot be read: the client gets an error in its stead");
    gate.counters().count(Count::BatchAnswersUnreadable);
    note_reason(gate, host, "batch_answer_unreadable");
    answered(host, &Answer::unreadable(), true)
}
