//! What holds a configuration of the filter.

/// What holds a configuration of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The extension `envoy.filters.http.wasm` in a configuration of Envoy.
    Envoy,
    /// A `WasmPlugin` or a `TrafficExtension` of Istio.
    Istio,
    /// An `EnvoyExtensionPolicy` of Envoy Gateway.
    EnvoyGateway,
    /// Nothing: a file with the settings alone.
    Nothing,
}
