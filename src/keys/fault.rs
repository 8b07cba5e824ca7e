//! Why a key cannot be used, in words for the operator.

use std::borrow::Cow;

/// Why the setting that holds a key or a key set is refused. Holds no secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, as a predicate: `is a private key`.
    pub(crate) what: Cow<'static, str>,
    /// What the operator can do, as an order: `give its public half`.
    pub(crate) remedy: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}
