//! What a request needs of the proxy, and that each of it may fail.

use std::cell::{Cell, OnceCell};
use std::time::Duration;
use std::{borrow::Cow, fmt};

use crate::answer::Answer;
use crate::gate::policy::PolicyIndex;
use crate::request::Request;

/// A list of fields that belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The header section of the request, `:method` and `:path` among it.
    RequestHeaders,
    /// The trailer section of the request (RFC 9110 section 6.5).
    RequestTrailers,
    /// The header section of Kinto's answer.
    ResponseHeaders,
}

/// A body that belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The request's.
    Request,
    /// Kinto's answer's.
    Response,
}

/// A call to the proxy that failed, by a name that is stable for metrics.
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
    /// It waits: the proxy calls [`resume`](crate::filter::http_request::HttpRequest::resume) when it is over.
    Granted,
    /// The issuer is not asked now: what is known must do.
    Needless,
    /// Too many wait.
    NoRoom,
}

/// The proxy, at the request that it is at work on.
///
/// A call that fails must say so: what is decided on half of a request, or is not written, is an identity that no token
/// proves.
pub trait Host {
    /// The time since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// There is no clock, or it is before 1970.
    fn now(&self) -> Result<Duration, HostError>;

    /// All fields of a list. A name is in lower case.
    ///
    /// # Errors
    /// The proxy did not hand them out.
    fn fields(&self, list: Fields) -> Result<Vec<(String, Vec<u8>)>, HostError>;

    /// The first field of this name, if there is one.
    ///
    /// # Errors
    /// The proxy did not say.
    fn field(&self, list: Fields, name: &str) -> Result<Option<Vec<u8>>, HostError>;

    /// Puts one field in the place of all of this name; `None` removes them.
    ///
    /// # Errors
    /// The list is what it was.
    fn set_field(&self, list: Fields, name: &str, value: Option<&[u8]>) -> Result<(), HostError>;

    /// At most `size` bytes of a body, as far as the proxy holds it.
    ///
    /// # Errors
    /// The proxy did not hand it out.
    fn body(&self, body: Body, size: usize) -> Result<Vec<u8>, HostError>;

    /// Puts `content` in the place of the first `size` bytes of a body.
    ///
    /// # Errors
    /// The body is what it was.
    fn set_body(&self, body: Body, size: usize, content: &[u8]) -> Result<(), HostError>;

    /// Answers the request in the proxy's stead. A request with an `Origin` is a browser's.
    ///
    /// # Errors
    /// There is no answer; the request goes no further all the same.
    fn send(&self, answer: &Answer, has_origin: bool) -> Result<(), HostError>;

    /// Lets a request go on that was paused.
    ///
    /// # Errors
    /// It is still paused.
    fn resume(&self) -> Result<(), HostError>;

    /// Asks whether the request may wait for the keys of a policy's issuer.
    ///
    /// # Errors
    /// The proxy did not say.
    fn wait(&self, policy: PolicyIndex) -> Result<Wait, HostError>;

    /// Names the reason for the access log, in the place of one that was named before. A reason that is lost does no
    /// harm.
    fn note_reason(&self, code: &str);

    /// Records how long signatures took. A figure that is lost does no harm.
    fn record_verification(&self, took: Duration);
}

/// The header section of a request, read as far as it is needed: a call to the proxy costs about as much as a decision.
///
/// A decision that was made on it counts only if [`check`](Self::check) says so.
pub(crate) struct RequestHeaders<'h, H> {
    host: &'h H,
    all: OnceCell<Vec<(String, Vec<u8>)>>,
    error: Cell<Option<HostError>>,
}

impl<'h, H: Host> RequestHeaders<'h, H> {
    /// Asks for each field when it is needed.
    pub(crate) fn by_name(host: &'h H) -> Self {
        Self { host, all: OnceCell::new(), error: Cell::new(None) }
    }

    /// Asks for all fields at once.
    pub(crate) fn whole(host: &'h H) -> Result<Self, HostError> {
        let all = host.fields(Fields::RequestHeaders)?;
        Ok(Self { host, all: OnceCell::from(all), error: Cell::new(None) })
    }

    /// All fields.
    pub(crate) fn all(&self) -> &[(String, Vec<u8>)] {
        self.all.get_or_init(|| self.or_note(self.host.fields(Fields::RequestHeaders)))
    }

    /// Whether all that was read was there to be read.
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
        // Envoy has no more than one of these; it joins fields of the name authorization by commas.
        let single = ["authorization", ":method", ":path", "origin", "access-control-request-method"];
        let by_name = self.all.get().is_none() && single.contains(&name);
        let all = if by_name { &[] } else { self.all() };
        let fields = all.iter().filter(move |(other, _)| other == name);
        let asked = by_name.then(|| self.or_note(self.host.field(Fields::RequestHeaders, name))).flatten();
        asked.map(Cow::Owned).into_iter().chain(fields.map(|(_, value)| Cow::Borrowed(value.as_slice())))
    }
}
