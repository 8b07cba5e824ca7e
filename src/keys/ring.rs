//! The keys of one policy, which an issuer may replace while requests are decided.

use std::cell::RefCell;
use std::rc::Rc;

use crate::keys::key::Keys;
use crate::keys::remote::RemoteJwks;

/// The keys of one policy.
#[derive(Debug)]
pub(crate) struct KeyRing {
    current: RefCell<Option<Rc<Keys>>>,
    /// Where they come from, if they come from an issuer.
    pub(crate) remote: Option<RemoteJwks>,
}

impl KeyRing {
    /// Keys from the configuration.
    pub(crate) fn fixed(keys: Keys) -> Self {
        Self { current: RefCell::new(Some(Rc::new(keys))), remote: None }
    }

    /// Keys that the issuer has not sent yet.
    pub(crate) fn remote(remote: RemoteJwks) -> Self {
        Self { current: RefCell::new(None), remote: Some(remote) }
    }

    /// The keys that are known now.
    pub(crate) fn current(&self) -> Option<Rc<Keys>> {
        self.current.borrow().clone()
    }

    pub(crate) fn replace(&self, keys: Keys) {
        self.current.replace(Some(Rc::new(keys)));
    }
}
