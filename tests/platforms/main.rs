//! The manifests in `envoy/istio`, `envoy/gateway` and `envoy/kubernetes`, without a cluster:
//!
//! - each is what its schema allows (`schema`), and others cannot reach Kinto (`protection`);
//! - each is translated into the Envoy configuration that its platform makes of it (`istio`, `envoy_gateway`), which the
//!   real Envoy loads, and through which the decision table and the forgeries hold (`decisions`); `golden` checks the
//!   translators, which refuse what they do not understand (`unknown_fields`);
//! - the proxy and Kinto have the secret of the tickets by the Secret that the pages make (`environment`);
//! - the issuer's certificate is checked (`issuer`), faults are what the page says (`faults`), and Kinto with Envoy in one
//!   pod runs as its files say (`pod`).
//!
//! What is not shown here: that a cluster accepts the manifests, and that the platforms do what their source says. There
//! is no schema here for Sidecar, ServiceEntry and DestinationRule, for Gateway and HTTPRoute, and for EnvoyProxy and
//! ClientTrafficPolicy. For them the translators are the check: they know each field that the manifests use, from the
//! documentation of the projects, and refuse all others.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod decisions;
mod ecds;
mod environment;
mod envoy_gateway;
mod faults;
mod fields;
mod golden;
mod issuer;
mod istio;
mod kustomization;
mod pod;
mod protection;
mod schema;
mod shape;
mod unknown_fields;
