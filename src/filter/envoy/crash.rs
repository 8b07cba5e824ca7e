//! A trap on demand, with the feature `crash-test` only: `make soak` shows what a crash of the VM does.

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

#[cfg(not(debug_assertions))]
compile_error!(
    "a module with the feature crash-test goes down when a client says so: it must never be released"
);

/// The header of a request that says where the VM traps: `headers`, `body` or `answer`.
const HEADER: &str = "x-crash-test";

/// Where the VM traps during one request.
#[derive(Default)]
pub(super) struct Crash(RefCell<Vec<u8>>);

impl Crash {
    /// Reads where the VM traps. Envoy hands out no headers after it has passed them on.
    pub(super) fn note(&self) {
        let wanted = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, HEADER);
        self.0.replace(wanted.ok().flatten().unwrap_or_default());
    }

    /// Traps, if the request says so.
    pub(super) fn trap_at(&self, place: &str) {
        if *self.0.borrow() == place.as_bytes() {
            core::arch::wasm32::unreachable();
        }
    }
}
