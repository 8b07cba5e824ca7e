//! One request on its way through the host, as a state machine.
//!
//! The first callback removes the client's own identity headers, or writes over them, before the request waits, is
//! answered or goes on. The request goes to Kinto only from a state in which it was decided. Wherever a call to the host
//! fails, the request is answered 500 and goes no further (`HttpRequest::settle`).

use log::error;

use crate::answer::Answer;
use crate::batch::refusal::Refusal;
use crate::counters::Count;
use crate::filter::body::{Phase, decide_body};
use crate::filter::headers::{decide_again, strip, take_headers};
use crate::filter::host::{Fields, Host, HostError};
use crate::filter::response::{
    check_answer, check_overflow, check_ticket, replace_body, splice_body, strip_set_cookie,
};
use crate::filter::state::{Arrived, At, Flow, Next, State, refuse};
use crate::gate::decide::Gate;

/// One request.
#[derive(Debug)]
pub struct HttpRequest {
    state: State,
}

impl HttpRequest {
    /// A request before its first callback.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no state is the default")]
    pub const fn new() -> Self {
        Self { state: State::New }
    }

    /// The headers of the request have come; with `end_of_stream` there is no body.
    pub fn on_headers(&mut self, gate: &Gate, host: &impl Host, end_of_stream: bool) -> Flow {
        let next = match self.take() {
            State::New => take_headers(gate, host, end_of_stream),
            _ => Err(HostError("callback_order")),
        };
        self.settle(gate, host, next)
    }

    /// A part of the body has come; the host holds `size` bytes. With `end_of_stream` it is the last part.
    pub fn on_body(&mut self, gate: &Gate, host: &impl Host, size: usize, end_of_stream: bool) -> Flow {
        let next = match self.take() {
            State::New => Err(HostError("callback_order")),
            State::AwaitingKeys(At::Headers { end_of_stream: ended, .. }) => {
                let arrived = if end_of_stream { Arrived::All } else { Arrived::Part };
                Ok((Flow::Pause, State::AwaitingKeys(At::Headers { end_of_stream: ended, arrived })))
            }
            State::Batch(batch) if size > gate.config().batch.max_bytes => {
                refuse(gate, host, Refusal::TooLarge, batch.has_origin)
            }
            State::Batch(batch) if end_of_stream => decide_body(gate, host, batch, size, Phase::Arrived),
            state @ (State::AwaitingKeys(_) | State::Batch(_) | State::Overflowed(_) | State::Answered) => {
                Ok((Flow::Pause, state))
            }
            state @ (State::Splicing(_) | State::BatchForwarded | State::Ticketed | State::Done) => {
                Ok((Flow::Continue, state))
            }
        };
        self.settle(gate, host, next)
    }

    /// The trailers of the request have come. They end the body; no body callback has `end_of_stream`.
    pub fn on_trailers(&mut self, gate: &Gate, host: &impl Host) -> Flow {
        let state = self.take();
        let list = Fields::RequestTrailers;
        let stripped = host.fields(list).and_then(|fields| strip(gate, host, list, &fields));
        let next = stripped.and_then(|_| match state {
            State::New => Err(HostError("callback_order")),
            State::AwaitingKeys(At::Headers { end_of_stream, .. }) => {
                let at = At::Headers { end_of_stream, arrived: Arrived::All };
                Ok((Flow::Pause, State::AwaitingKeys(at)))
            }
            State::Batch(batch) => decide_body(gate, host, batch, usize::MAX, Phase::Arrived),
            state @ (State::AwaitingKeys(_) | State::Overflowed(_) | State::Answered) => {
                Ok((Flow::Pause, state))
            }
            state @ (State::Splicing(_) | State::BatchForwarded | State::Ticketed | State::Done) => {
                Ok((Flow::Continue, state))
            }
        });
        self.settle(gate, host, next)
    }

    /// The wait for keys is over: decides with the keys that are known now.
    pub fn resume(&mut self, gate: &Gate, host: &impl Host) {
        let next = match self.take() {
            State::AwaitingKeys(At::Headers { end_of_stream, arrived }) => {
                decide_again(gate, host, end_of_stream, arrived).and_then(|next| match (next, arrived) {
                    ((_, State::Batch(batch)), Arrived::All) => {
                        decide_body(gate, host, batch, usize::MAX, Phase::HeadersWaited)
                    }
                    // The rest of the body is still to come, and the first part must not go on without it.
                    ((_, State::Batch(batch)), Arrived::Part) => Ok((Flow::Pause, State::Batch(batch))),
                    (next, _) => Ok(next),
                })
            }
            State::AwaitingKeys(At::Body { batch, size, has_room }) => {
                decide_body(gate, host, batch, size, Phase::BodyWaited { has_room })
            }
            state => Ok((Flow::Pause, state)),
        };
        let resumed = next.and_then(|next| match next.0 {
            Flow::Continue => host.resume().map(|()| next),
            Flow::Pause => Ok(next),
        });
        self.settle(gate, host, resumed);
    }

    /// The headers of the answer have come; with `end_of_stream` there is no body. The answer is Kinto's, or the
    /// host's own.
    pub fn on_response_headers(&mut self, gate: &Gate, host: &impl Host, end_of_stream: bool) -> Flow {
        let state = self.take();
        let next = strip_set_cookie(gate, host).and_then(|is_refused| match state {
            State::Splicing(splicer) => check_answer(gate, host, splicer, end_of_stream),
            State::AwaitingKeys(_) | State::Batch(_) => {
                check_overflow(gate, host, State::Answered, end_of_stream)
            }
            State::BatchForwarded => check_overflow(gate, host, State::Done, end_of_stream),
            State::Ticketed => check_ticket(gate, host, is_refused),
            state => Ok((Flow::Continue, state)),
        });
        self.settle(gate, host, next)
    }

    /// A part of the answer's body has come; the host holds `size` bytes. With `end_of_stream` it is the last part.
    pub fn on_response_body(
        &mut self,
        gate: &Gate,
        host: &impl Host,
        size: usize,
        end_of_stream: bool,
    ) -> Flow {
        let next = match self.take() {
            State::Splicing(splicer) => splice_body(gate, host, splicer, size, end_of_stream),
            State::Overflowed(answer) => replace_body(host, *answer, size),
            state => Ok((Flow::Continue, state)),
        };
        self.settle(gate, host, next)
    }

    /// Takes the state, and leaves `Answered`, from which nothing goes to Kinto, until [`settle`](Self::settle) sets
    /// the next state.
    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Answered)
    }

    /// Sets the next state. If a call to the host has failed, there is none: the client is answered 500.
    fn settle(&mut self, gate: &Gate, host: &impl Host, next: Next) -> Flow {
        let (flow, state) = next.unwrap_or_else(|call| {
            error!("the proxy failed at {call}: the request is answered 500");
            gate.counters().count(Count::HostFailures);
            if host.send(&Answer::internal_error(), true).is_err() {
                error!("the proxy failed to answer: the request is held until it times out");
            }
            (Flow::Pause, State::Answered)
        });
        self.state = state;
        flow
    }
}
