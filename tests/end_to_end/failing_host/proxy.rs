//! A proxy that holds one request, and whose calls fail where a test wants it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use kinto_jwt_filter::{Answer, Body, Fields, Host, HostError, PolicyIndex, Wait};

use kit::tokens::now;

/// A proxy that holds one request and its answer, as Envoy does.
#[derive(Default)]
pub(super) struct Proxy {
    pub(super) request: RefCell<Vec<(String, Vec<u8>)>>,
    pub(super) trailers: RefCell<Vec<(String, Vec<u8>)>>,
    pub(super) response: RefCell<Vec<(String, Vec<u8>)>>,
    pub(super) request_body: RefCell<Vec<u8>>,
    pub(super) response_body: RefCell<Vec<u8>>,
    /// The answer that it gave itself, if it did.
    pub(super) sent: RefCell<Option<Answer>>,
    pub(super) resumed: Cell<bool>,
    /// Whether its answer is its own 413.
    pub(super) overflowed: Cell<bool>,
    /// SHA-256 of the client's certificate, in hexadecimal digits.
    pub(super) certificate: String,
    pub(super) reason: RefCell<Option<String>>,
    pub(super) wait: Cell<Option<Wait>>,
    /// Which call fails, counted from 0; none if it is larger than all.
    pub(super) fails_at: usize,
    /// The calls that have been made.
    pub(super) calls: RefCell<Vec<&'static str>>,
}

impl Proxy {
    fn call(&self, name: &'static str) -> Result<(), HostError> {
        let mut calls = self.calls.borrow_mut();
        calls.push(name);
        if calls.len() - 1 == self.fails_at { Err(HostError(name)) } else { Ok(()) }
    }

    fn list(&self, list: Fields) -> &RefCell<Vec<(String, Vec<u8>)>> {
        match list {
            Fields::RequestHeaders => &self.request,
            Fields::RequestTrailers => &self.trailers,
            Fields::ResponseHeaders => &self.response,
        }
    }

    fn content(&self, body: Body) -> &RefCell<Vec<u8>> {
        match body {
            Body::Request => &self.request_body,
            Body::Response => &self.response_body,
        }
    }

    /// The values of a header that Kinto would get.
    pub(super) fn header(&self, name: &str) -> Vec<String> {
        let request = self.request.borrow();
        let values = request.iter().filter(|(other, _)| other == name);
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }
}

impl Host for Proxy {
    fn now(&self) -> Result<Duration, HostError> {
        self.call("clock")?;
        Ok(Duration::from_secs(now()))
    }

    fn fields(&self, list: Fields) -> Result<Vec<(String, Vec<u8>)>, HostError> {
        self.call("get_fields")?;
        Ok(self.list(list).borrow().clone())
    }

    fn field(&self, list: Fields, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.call("get_field")?;
        let fields = self.list(list).borrow();
        Ok(fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone()))
    }

    fn set_field(&self, list: Fields, name: &str, value: Option<&[u8]>) -> Result<(), HostError> {
        self.call("set_field")?;
        let mut fields = self.list(list).borrow_mut();
        fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        fields.extend(value.map(|value| (name.to_ascii_lowercase(), value.to_vec())));
        Ok(())
    }

    fn add_field(&self, list: Fields, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call("add_field")?;
        self.list(list).borrow_mut().push((name.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    }

    fn client_certificate(&self) -> Result<Vec<u8>, HostError> {
        self.call("certificate")?;
        Ok(self.certificate.clone().into_bytes())
    }

    fn body(&self, body: Body, size: usize) -> Result<Vec<u8>, HostError> {
        self.call("get_body")?;
        let content = self.content(body).borrow();
        Ok(content[..size.min(content.len())].to_vec())
    }

    fn set_body(&self, body: Body, _size: usize, content: &[u8]) -> Result<(), HostError> {
        self.call("set_body")?;
        *self.content(body).borrow_mut() = content.to_vec();
        Ok(())
    }

    fn send(&self, answer: &Answer, _has_origin: bool) -> Result<(), HostError> {
        self.call("send")?;
        *self.sent.borrow_mut() = Some(answer.clone());
        Ok(())
    }

    fn resume(&self) -> Result<(), HostError> {
        self.call("resume")?;
        self.resumed.set(true);
        Ok(())
    }

    fn wait(&self, _policy: PolicyIndex) -> Result<Wait, HostError> {
        self.call("wait")?;
        Ok(self.wait.get().unwrap_or(Wait::Needless))
    }

    fn has_overflowed(&self) -> Result<bool, HostError> {
        self.call("has_overflowed")?;
        Ok(self.overflowed.get())
    }

    fn note_reason(&self, code: &str) {
        *self.reason.borrow_mut() = Some(code.to_owned());
    }

    fn record_verification(&self, _took: Duration) {}
}
