//! Keys from an issuer that changes them, is slow, lies or is not there: through the real Envoy to the real Kinto.

mod key_changes;
mod outages;
mod support;
mod trust;
mod under_load;
