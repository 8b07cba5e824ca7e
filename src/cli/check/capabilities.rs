//! The list of what Envoy lets the module do, `capability_restriction_config`.

use crate::cli::check::finding::{Finding, Rule};
use crate::cli::document::Node;
use crate::cli::plugin::Plugin;

/// The callbacks without which an identity that nobody has proved reaches Kinto: Envoy does not call the filter there
/// (proxy-wasm-cpp-host, `src/wasm.cc`: `getFunctions`). `tests/end_to_end/capabilities.rs` shows it.
const KEEP_THE_PROMISE: [&str; 3] =
    ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_request_trailers"];

/// What else the module needs, for one setting or another. `tests/end_to_end/capabilities.rs` leaves out each.
const NEEDED: [&str; 33] = [
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_add_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_buffer_bytes",
    "proxy_set_buffer_bytes",
    "proxy_send_local_response",
    "proxy_continue_stream",
    "proxy_set_effective_context",
    "proxy_http_call",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_call_foreign_function",
    "proxy_get_current_time_nanoseconds",
    "proxy_set_tick_period_milliseconds",
    "proxy_get_property",
    "proxy_set_property",
    "proxy_log",
    "proxy_get_log_level",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_record_metric",
    "environ_get",
    "environ_sizes_get",
    "random_get",
];

/// A list that misses something. An empty list restricts nothing (proxy-wasm-cpp-host, `capabilityAllowed`).
pub(super) fn lacking(plugin: &Plugin) -> Option<Finding> {
    const FIELD: &str = "capability_restriction_config";
    // Envoy 1.40 reads it in vm_config, and beside it if there is none (`normalizeConfig`); before, beside it only.
    let of_vm = plugin.wasm.field("vm_config").and_then(|vm| vm.field_member(FIELD));
    let restriction = of_vm.or_else(|| plugin.wasm.field_member(FIELD))?;
    let listed = restriction.value.field("allowed_capabilities").map(Node::members).unwrap_or_default();
    if listed.is_empty() {
        return None;
    }
    let missing = |names: &[&'static str]| {
        let missing = names.iter().copied().filter(|name| listed.iter().all(|member| member.name != *name));
        missing.collect::<Vec<_>>().join(", ")
    };
    let (open, other) = (missing(&KEEP_THE_PROMISE), missing(&NEEDED));
    let message = match (open.is_empty(), other.is_empty()) {
        (true, true) => return None,
        (false, _) => {
            format!("without {open}, Envoy does not call the filter, and Kinto believes the client")
        }
        (true, false) => format!("without {other}, the filter cannot do all of its work"),
    };
    Some(Finding {
        rule: Rule::LacksCapability,
        message,
        help: "write the whole list of envoy/envoy.yaml of this version, or leave capability_restriction_config out"
            .to_owned(),
        span: restriction.span.clone(),
    })
}
