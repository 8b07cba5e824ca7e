//! The headers of a request: the filter decides on them, and writes or removes those that only it may write.

use std::borrow::Cow;

use crate::batch::body::{BatchRequest, growth};
use crate::batch::path::{Target, target};
use crate::batch::refusal::{Refusal, check_representation};
use crate::counters::Count;
use crate::filter::host::{Fields, Host, HostError, RequestHeaders, Wait};
use crate::filter::state::{
    Arrived, At, Batch, Flow, Next, State, answered, count_and_log, note_reason, refuse,
};
use crate::gate::decide::Gate;
use crate::gate::decision::{Decision, Outcome};
use crate::request::Request;
use crate::request::credentials::Place;
use crate::request::identity_header::IdentityHeader;
use crate::token::claims::NumericDate;
use crate::token::header_text::HeaderText;
use crate::token::user_id::UserId;

/// Decides by the headers of a request, of which only this filter may write some.
pub(super) fn take_headers(gate: &Gate, host: &impl Host, end_of_stream: bool) -> Next {
    decide_headers(gate, host, end_of_stream, None)
}

/// Decides by the headers of a request whose wait for keys is over. `arrived` is how much of the body came meanwhile.
pub(super) fn decide_again(gate: &Gate, host: &impl Host, end_of_stream: bool, arrived: Arrived) -> Next {
    decide_headers(gate, host, end_of_stream, Some(arrived))
}

/// Reads the headers of a request. Where it has to read them all, it removes those that only this filter may write, in
/// every spelling, and returns `true`. Else each of these has one spelling, and [`write_identity`] writes or removes it.
fn read_headers<'h, H: Host>(
    gate: &Gate,
    host: &'h H,
    end_of_stream: bool,
) -> Result<(RequestHeaders<'h, H>, bool), HostError> {
    // Without a body, it is no batch.
    if end_of_stream && gate.config().own_headers().all(IdentityHeader::has_one_spelling) {
        return Ok((RequestHeaders::by_name(host), false));
    }
    let headers = RequestHeaders::whole(host)?;
    let removed = strip(gate, host, Fields::RequestHeaders, headers.all())?;
    gate.counters().add(Count::IdentityHeadersRemoved, u64::try_from(removed).unwrap_or(u64::MAX));
    Ok((headers, true))
}

/// Removes the headers that only this filter may write, in every spelling, from a list of fields. Returns how many
/// there were.
pub(super) fn strip(
    gate: &Gate,
    host: &impl Host,
    list: Fields,
    fields: &[(String, Vec<u8>)],
) -> Result<usize, HostError> {
    let mut removed = 0_usize;
    // No cookie may be in trailers (RFC 9110 section 6.5.1).
    let is_cookie =
        |name: &str| list == Fields::RequestTrailers && name == "cookie" && gate.config().ticket.is_some();
    for (name, _) in fields.iter().filter(|(name, _)| gate.config().is_ours(name) || is_cookie(name)) {
        host.set_field(list, name, None)?;
        removed = removed.saturating_add(1);
    }
    Ok(removed)
}

fn decide_headers<H: Host>(gate: &Gate, host: &H, end_of_stream: bool, waited: Option<Arrived>) -> Next {
    let (headers, are_stripped) = read_headers(gate, host, end_of_stream)?;
    let headers = &headers;
    let (mut decision, now) = decide(gate, host, headers)?;
    if let Some(policy) = decision.awaits.filter(|_| waited.is_none()) {
        // While it waits, an access log would show what the client claims.
        write_identity(gate, host, &Outcome::Anonymous, are_stripped)?;
        write_ticket(gate, host, None, now)?;
        match host.wait(policy)? {
            Wait::Granted => {
                let at = At::Headers { end_of_stream, arrived: Arrived::Nothing };
                return Ok((Flow::Pause, State::AwaitingKeys(at)));
            }
            Wait::Needless => {}
            Wait::NoRoom => decision = gate.without_room(decision, headers),
        }
    }
    remove_tokens(host, &decision.remove, headers)?;
    write_identity(gate, host, &decision.outcome, are_stripped)?;
    write_ticket(gate, host, decision.outcome.user_id(), now)?;

    let target = match end_of_stream {
        true => Target::Other,
        false => target(&headers.first(":method"), &headers.first(":path")),
    };
    headers.check()?;
    match target {
        Target::Unclear => return refuse(gate, host, Refusal::Unclear, has_origin(headers)?),
        // The request of a batch is not rejected itself: each of its sub-requests may be.
        Target::Batch(prefix) if !decision.lacks_keys() => {
            let certificate =
                if gate.config().asks_for_certificate() { headers.client_certificate() } else { Vec::new() };
            let (outer, has_origin) =
                (BatchRequest::new(decision, prefix, certificate), has_origin(headers)?);
            // A body that is there already must not grow: `decide_body` says why.
            let may_grow = waited != Some(Arrived::All);
            return begin_batch(gate, host, headers, outer, has_origin, may_grow)?
                .or_else(|refusal| refuse(gate, host, refusal, has_origin));
        }
        Target::Batch(_) | Target::Other => {}
    }
    count_and_log(gate, decision.outcome.code(), decision.reason);
    if let Some(rejection) = decision.rejection() {
        note_reason(gate, host, rejection.code());
    }
    match &decision.outcome {
        Outcome::Rejected(answer) => answered(host, answer, has_origin(headers)?),
        // Not for an unauthorized user: anybody could send a body so slowly that Kinto refuses the ticket, and make the
        // counter grow.
        Outcome::User(..) if gate.config().ticket.is_some() => Ok((Flow::Continue, State::Ticketed)),
        _ => Ok((Flow::Continue, State::Done)),
    }
}

/// Whether the request has an `Origin` header, and so comes from a page in a browser.
fn has_origin<H: Host>(headers: &RequestHeaders<'_, H>) -> Result<bool, HostError> {
    let has_origin = !headers.first("origin").is_empty();
    headers.check().map(|()| has_origin)
}

fn decide<'g, H: Host>(
    gate: &'g Gate,
    host: &H,
    headers: &RequestHeaders<'_, H>,
) -> Result<(Decision<'g>, NumericDate), HostError> {
    let checked = gate.counters().verifications();
    let start = host.now()?;
    let decision = gate.decide(headers, start.as_secs());
    headers.check()?;
    if gate.counters().verifications() != checked {
        host.record_verification(host.now()?.saturating_sub(start));
    }
    Ok((decision, start.as_secs()))
}

fn remove_tokens<H: Host>(
    host: &H,
    places: &[&Place],
    headers: &RequestHeaders<'_, H>,
) -> Result<(), HostError> {
    let mut removed = Vec::new();
    for place in places {
        let name = place.field();
        if let Place::Header { .. } = place {
            host.set_field(Fields::RequestHeaders, name, None)?;
            continue;
        }
        if removed.contains(&name) {
            continue;
        }
        // All places in this field at once.
        removed.push(name);
        let same = || places.iter().filter(|other| other.field() == name);
        let values = headers.values(name).map(Cow::into_owned);
        let rest =
            values.filter_map(|value| same().try_fold(value, |value, place| place.remove_from(&value)));
        let rest: Vec<Vec<u8>> = rest.collect();
        let rest = (!rest.is_empty()).then(|| rest.join(&b"; "[..]));
        headers.check()?;
        host.set_field(Fields::RequestHeaders, name, rest.as_deref())?;
    }
    Ok(())
}

/// Writes the headers that only this filter may write, or removes them. With `are_stripped`, the client's own were removed
/// before.
fn write_identity(
    gate: &Gate,
    host: &impl Host,
    outcome: &Outcome,
    are_stripped: bool,
) -> Result<(), HostError> {
    let config = gate.config();
    let write = |header: &IdentityHeader, value: Option<&[u8]>| match value {
        None if are_stripped => Ok(()),
        Some(value) if are_stripped => host.add_field(Fields::RequestHeaders, header.name(), value),
        value => host.set_field(Fields::RequestHeaders, header.name(), value),
    };
    let written = outcome.user_id().filter(|_| config.writes_identity_header());
    // Where there is a ticket, the header is for other filters, and a user id that no header carries stays away.
    write(&config.identity_header, written.and_then(UserId::to_header_value).as_deref())?;
    if let Some(header) = &config.usual_header {
        write(header, None)?;
    }
    for (number, header) in config.claim_headers.iter().enumerate() {
        write(header, outcome.claim(number).map(HeaderText::to_header_value).as_deref())?;
    }
    Ok(())
}

/// Writes a ticket for this user, if the operator has set `ticket`, in the place of the client's own.
fn write_ticket(
    gate: &Gate,
    host: &impl Host,
    user_id: Option<&UserId>,
    now: NumericDate,
) -> Result<(), HostError> {
    let Some(ticket) = &gate.config().ticket else { return Ok(()) };
    let (list, name) = (Fields::RequestHeaders, "cookie");
    let held = match host.field(list, name)? {
        None => Vec::new(),
        Some(_) => host.fields(list)?,
    };
    let values = held.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice());
    let cookies = ticket.cookies(values, user_id, now);
    match cookies.is_empty() {
        true if held.is_empty() => Ok(()),
        is_empty => host.set_field(list, name, (!is_empty).then_some(&cookies)),
    }
}

/// Lets the headers of a batch go on. Its body follows when it is decided.
fn begin_batch<H: Host>(
    gate: &Gate,
    host: &H,
    headers: &RequestHeaders<'_, H>,
    outer: BatchRequest,
    has_origin: bool,
    may_grow: bool,
) -> Result<Result<(Flow, State), Refusal>, HostError> {
    let first = |name| headers.values(name).next();
    let set = |name, value: Option<&[u8]>| host.set_field(Fields::RequestHeaders, name, value);
    if let Err(refusal) = check_representation(headers.all()) {
        return Ok(Err(refusal));
    }
    set("content-type", Some(b"application/json"))?;
    let declared = first("content-length").and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > gate.config().batch.max_bytes) {
        return Ok(Err(Refusal::TooLarge));
    }
    let growth = |length| if may_grow { growth(gate, length, &outer) } else { 0 };
    let content_length = declared.map(|length| length.saturating_add(growth(length)));
    if let Some(length) = content_length {
        set("content-length", Some(length.to_string().as_bytes()))?;
    }
    if gate.config().may_reject() {
        // Entries may have to be put into the answer, so it must not be encoded (RFC 9110 section 12.5.3).
        set("accept-encoding", Some(b"identity"))?;
    }
    if !matches!(outer.outcome, Outcome::Rejected(_)) {
        count_and_log(gate, outer.outcome.code(), outer.reason);
    }
    Ok(Ok((Flow::Continue, State::Batch(Box::new(Batch { outer, has_origin, content_length })))))
}
