//! The keys of one policy, which an issuer may replace while requests are decided.

use std::cell::RefCell;
use std::rc::Rc;

use crate::keys::key::Keys;
use crate::keys::remote::RemoteJwks;

/// Keys that may change while requests are decided.
#[derive(Debug)]
pub struct KeyRing {
    current: RefCell<Option<Rc<Keys>>>,
    /// Where they come from, when they come from an issuer.
    pub remote: Option<RemoteJwks>,
}

impl KeyRing {
    /// Keys from the configuration.
    pub(crate) fn fixed(keys: Keys) -> Self {
        Self { current: RefCell::new(Some(Rc::new(keys))), remote: None }
    }

    /// Keys that are yet to come.
    pub(crate) fn remote(remote: RemoteJwks) -> Self {
        Self { current: RefCell::new(None), remote: Some(remote) }
    }

    /// The keys that are known now.
    #[must_use]
    pub fn current(&self) -> Option<Rc<Keys>> {
        self.current.try_borrow().ok()?.clone()
    }

    pub(crate) fn replace(&self, keys: Keys) {
        if let Ok(mut current) = self.current.try_borrow_mut() {
            *current = Some(Rc::new(keys));
        }
    }
}
