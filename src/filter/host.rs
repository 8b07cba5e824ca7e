//! What the filter needs of the host. Each call may fail.

use std::cell::{Cell, OnceCell};
use std::time::Duration;
use std::{borrow::Cow, fmt};

use crate::answer::Answer;
use crate::gate::policy::PolicyIndex;
use crate::request::Request;

/// A list of fields that belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The header section of the request, with `:method` and `:path`.
    RequestHeaders,
    /// The trailer section of the request (RFC 9110 section 6.5).
    RequestTrailers,
    /// The header section of Kinto's answer.
    ResponseHeaders,
}

/// A body that belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The body of the request.
    Request,
    /// The body of Kinto's answer.
    Response,
}

/// A call to the host that failed, by a stable name for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostError(pub &'static str);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a request may wait for the keys of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It waits. The host calls [`resume`](crate::filter::http_request::HttpRequest::resume) when the wait is over.
    Granted,
    /// No fetch is under way and none may start: decide with the known keys.
    Needless,
    /// Too many requests wait already.
    NoRoom,
}

/// The calls that the filter makes to the host, each about the current request.
///
/// A call that fails must return an error: a decision on half of a request, or one that is not written, would be an
/// identity that no token proves.
pub trait Host {
    /// The time since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The clock fails, or its time is before 1970.
    fn now(&self) -> Result<Duration, HostError>;

    /// All fields of a list. A name is in lower case.
    ///
    /// # Errors
    /// The host does not return them.
    fn fields(&self, list: Fields) -> Result<Vec<(String, Vec<u8>)>, HostError>;

    /// The first field of this name, if there is one.
    ///
    /// # Errors
    /// The host did not say.
    fn field(&self, list: Fields, name: &str) -> Result<Option<Vec<u8>>, HostError>;

    /// Replaces all fields of this name by one; `None` removes them.
    ///
    /// # Errors
    /// The list is unchanged.
    fn set_field(&self, list: Fields, name: &str, value: Option<&[u8]>) -> Result<(), HostError>;

    /// Adds a field to a list; others of its name stay.
    ///
    /// # Errors
    /// The list is unchanged.
    fn add_field(&self, list: Fields, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// SHA-256 of the DER of the certificate with which the client has opened the TLS connection of the request, in
    /// lower-case hexadecimal digits; empty if there is no certificate or no TLS.
    ///
    /// # Errors
    /// The host did not say.
    fn client_certificate(&self) -> Result<Vec<u8>, HostError>;

    /// At most `size` bytes of the part of a body that the host holds.
    ///
    /// # Errors
    /// The host does not return it.
    fn body(&self, body: Body, size: usize) -> Result<Vec<u8>, HostError>;

    /// Replaces the first `size` bytes of a body by `content`.
    ///
    /// # Errors
    /// The body is unchanged.
    fn set_body(&self, body: Body, size: usize, content: &[u8]) -> Result<(), HostError>;

    /// Answers the request. With `has_origin` the answer has the headers that a page in a browser needs.
    ///
    /// # Errors
    /// No answer was sent. The request goes no further.
    fn send(&self, answer: &Answer, has_origin: bool) -> Result<(), HostError>;

    /// Lets the paused request go on.
    ///
    /// # Errors
    /// It is still paused.
    fn resume(&self) -> Result<(), HostError>;

    /// Asks whether the request may wait for the keys of a policy's issuer.
    ///
    /// # Errors
    /// The host did not say.
    fn wait(&self, policy: PolicyIndex) -> Result<Wait, HostError>;

    /// Whether the answer to the request is the host's own 413, because the body did not fit into the host's buffer.
    ///
    /// # Errors
    /// The host did not say.
    fn has_overflowed(&self) -> Result<bool, HostError>;

    /// Sets the reason in the access log; the last one counts. A reason that is lost does no harm.
    fn note_reason(&self, code: &str);

    /// Records how long a decision with a verification took. A figure that is lost does no harm.
    fn record_verification(&self, took: Duration);
}

/// The header section of a request, of which only the needed fields are read: a call to the host costs about as much
/// as a decision.
///
/// A decision by these headers counts only if [`check`](Self::check) returns no error.
pub(crate) struct RequestHeaders<'h, H> {
    host: &'h H,
    all: OnceCell<Vec<(String, Vec<u8>)>>,
    /// The value of each of `SINGLE` that was read by its name.
    single: [OnceCell<Option<Vec<u8>>>; SINGLE.len()],
    error: Cell<Option<HostError>>,
}

/// Envoy has at most one field of each of these names: it joins several authorization fields with commas.
const SINGLE: [&str; 5] = ["authorization", ":method", ":path", "origin", "access-control-request-method"];

impl<'h, H: Host> RequestHeaders<'h, H> {
    /// Reads each field when it is needed.
    pub(crate) fn by_name(host: &'h H) -> Self {
        Self { host, all: OnceCell::new(), single: Default::default(), error: Cell::new(None) }
    }

    /// Reads all fields at once.
    pub(crate) fn whole(host: &'h H) -> Result<Self, HostError> {
        let all = host.fields(Fields::RequestHeaders)?;
        Ok(Self { all: OnceCell::from(all), ..Self::by_name(host) })
    }

    /// All fields.
    pub(crate) fn all(&self) -> &[(String, Vec<u8>)] {
        self.all.get_or_init(|| self.or_note(self.host.fields(Fields::RequestHeaders)))
    }

    /// Whether every call for a field has succeeded.
    ///
    /// # Errors
    /// The call that failed.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        self.error.get().map_or(Ok(()), Err)
    }

    fn or_note<T: Default>(&self, result: Result<T, HostError>) -> T {
        result.unwrap_or_else(|error| {
            self.error.set(Some(error));
            T::default()
        })
    }
}

impl<H: Host> Request for RequestHeaders<'_, H> {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let single =
            SINGLE.iter().position(|single| *single == name).and_then(|place| self.single.get(place));
        let single = single.filter(|_| self.all.get().is_none());
        let asked = single.map(|value| {
            value.get_or_init(|| self.or_note(self.host.field(Fields::RequestHeaders, name))).as_deref()
        });
        let all = if asked.is_some() { &[] } else { self.all() };
        let fields = all.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_slice());
        asked.flatten().into_iter().chain(fields).map(Cow::Borrowed)
    }

    fn client_certificate(&self) -> Vec<u8> {
        self.or_note(self.host.client_certificate())
    }
}
