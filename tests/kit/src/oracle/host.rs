//! A host that holds one request in memory, as Envoy's header map does.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use kinto_jwt_filter::{
    Answer, Body, Fields as List, Flow, Gate, Host, HostError, HttpRequest, PolicyIndex, Wait,
};

use crate::oracle::NOW;
use crate::oracle::reader::Fields;

struct Memory {
    headers: RefCell<Fields>,
    answer: Cell<Option<u16>>,
}

/// What Kinto gets of a request without a body, or the status that the client gets instead.
pub(super) fn through(gate: &Gate, request: Fields) -> Result<Fields, u16> {
    let host = Memory { headers: RefCell::new(request), answer: Cell::new(None) };
    match HttpRequest::new().on_headers(gate, &host, true) {
        Flow::Continue => Ok(host.headers.into_inner()),
        Flow::Pause => Err(host.answer.get().expect("an answer")),
    }
}

impl Host for Memory {
    fn now(&self) -> Result<Duration, HostError> {
        Ok(Duration::from_secs(NOW))
    }

    fn fields(&self, list: List) -> Result<Vec<(String, Vec<u8>)>, HostError> {
        assert_eq!(list, List::RequestHeaders);
        Ok(self.headers.borrow().0.clone())
    }

    fn field(&self, list: List, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        assert_eq!(list, List::RequestHeaders);
        Ok(self.headers.borrow().all(&name.to_ascii_lowercase()).next().map(<[u8]>::to_vec))
    }

    fn set_field(&self, list: List, name: &str, value: Option<&[u8]>) -> Result<(), HostError> {
        assert_eq!(list, List::RequestHeaders);
        let name = name.to_ascii_lowercase();
        let fields = &mut self.headers.borrow_mut().0;
        fields.retain(|(other, _)| *other != name);
        fields.extend(value.map(|value| (name, value.to_vec())));
        Ok(())
    }

    fn add_field(&self, list: List, name: &str, value: &[u8]) -> Result<(), HostError> {
        assert_eq!(list, List::RequestHeaders);
        self.headers.borrow_mut().0.push((name.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    }

    fn client_certificate(&self) -> Result<Vec<u8>, HostError> {
        Ok(Vec::new())
    }

    fn send(&self, answer: &Answer, _: bool) -> Result<(), HostError> {
        self.answer.set(Some(answer.status));
        Ok(())
    }

    fn wait(&self, _: PolicyIndex) -> Result<Wait, HostError> {
        Ok(Wait::Needless)
    }

    fn body(&self, _: Body, _: usize) -> Result<Vec<u8>, HostError> {
        unreachable!("there is no body")
    }

    fn set_body(&self, _: Body, _: usize, _: &[u8]) -> Result<(), HostError> {
        unreachable!("there is no body")
    }

    fn resume(&self) -> Result<(), HostError> {
        unreachable!("nothing waits")
    }

    fn has_overflowed(&self) -> Result<bool, HostError> {
        Ok(false)
    }

    fn note_reason(&self, _: &str) {}

    fn record_verification(&self, _: Duration) {}
}
