//! The structure of the source: which folder may use which; of the module: what it imports and exports; of the dependencies:
//! why each is there, and which Rust they need.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wasmparser::{Parser, Payload};

/// The folders and files of `src`, from the bottom to the top. Each may use those of the floors below its own.
const FLOORS: [&[&str]; 9] = [
    &["answer", "json", "rejection"],
    &["counters"],
    &["request", "token"],
    &["keys"],
    &["gate"],
    &["batch", "config"],
    &["filter"],
    &["cli"],
    &["bin"],
];

/// Callbacks that the SDK itself needs: they are in the module whatever the filter implements.
const SDK_CALLBACKS: [&str; 4] =
    ["proxy_on_vm_start", "proxy_on_context_create", "proxy_on_delete", "proxy_on_memory_allocate"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module of a file: `gate::policy` for `src/gate/policy.rs`, `gate` for `src/gate/mod.rs`.
fn module(file: &Path) -> String {
    let path = file.strip_prefix(source()).unwrap().with_extension("");
    let names: Vec<&str> = path.iter().map(|name| name.to_str().unwrap()).collect();
    names.join("::").trim_end_matches("::mod").to_owned()
}

/// The code of a file without its comments and without its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// For each module, the modules that it uses.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let files: Vec<PathBuf> =
        files(&source()).into_iter().filter(|file| !file.ends_with("tests.rs")).collect();
    let modules: BTreeSet<String> = files.iter().map(|file| module(file)).collect();
    let mut arrows = BTreeMap::new();
    for file in files.iter().filter(|file| !file.ends_with("lib.rs")) {
        let (from, code) = (module(file), code(file));
        assert!(
            !code.contains("super::"),
            "{from} names a module by super::, which this test does not follow"
        );
        let used = code.split("crate::").skip(1).filter_map(|path| {
            let end =
                path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
            let mut path = &path[..end];
            while !modules.contains(path) {
                path = path.rsplit_once("::").map(|(parent, _)| parent)?;
            }
            Some(path.to_owned())
        });
        let used: BTreeSet<String> = used.filter(|to| *to != from).collect();
        arrows.insert(from, used);
    }
    arrows
}

fn floor(module: &str) -> usize {
    let top = module.split("::").next().unwrap();
    FLOORS.iter().position(|names| names.contains(&top)).unwrap_or_else(|| panic!("{top} is on no floor"))
}

#[test]
fn folders_use_only_what_is_below_them() {
    let mut count = 0;
    for (from, used) in arrows() {
        for to in used {
            let same_folder = from.split("::").next() == to.split("::").next();
            assert!(same_folder || floor(&to) < floor(&from), "{from} uses {to}, which is not below it");
            count += 1;
        }
    }
    assert!(count > 100, "only {count} arrows were found");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut arrows = arrows();
    // Take away what uses nothing that is left, and what nothing uses, until only circles are left.
    loop {
        let modules: BTreeSet<String> = arrows.keys().cloned().collect();
        let used: BTreeSet<String> = arrows.values().flatten().cloned().collect();
        let before = arrows.len();
        arrows.retain(|from, to| used.contains(from) && to.iter().any(|to| modules.contains(to)));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "a circle among {arrows:?}");
}

#[test]
fn only_one_folder_knows_the_sdk() {
    for file in files(&source()) {
        let is_envoys = module(&file).starts_with("filter::envoy");
        assert!(is_envoys || !code(&file).contains("proxy_wasm"), "{} knows the SDK", file.display());
    }
}

/// `Admitted` claims come out of a verified signature and the rules. This names the two ways around, and who may use them.
#[test]
fn claims_have_no_other_way_in() {
    for (call, only) in [("without_verification(", "gate::policy"), ("Claims::parse(", "keys::key")] {
        let callers = files(&source()).into_iter().filter(|file| {
            let code = code(file);
            code.contains(call) && !code.contains(&format!("fn {call}"))
        });
        let callers: Vec<String> =
            callers.map(|file| module(&file)).filter(|name| !name.ends_with("tests")).collect();
        assert_eq!(callers, [only], "{call}");
    }
}

/// The module that `make build` makes.
fn module_bytes() -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wasm32-wasip1/release/kinto_jwt_filter.wasm");
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run make build", path.display()))
}

#[test]
fn the_module_exports_each_callback_that_the_filter_implements() {
    // The linker script leaves out all others: each one that is exported costs a call for each request.
    let sources = files(&source().join("filter/envoy")).into_iter().map(|file| code(&file));
    let code = sources.collect::<Vec<_>>().join("\n");
    let implemented = code.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("fn on_")?.split('(').next()?;
        Some(format!(
            "proxy_on_{}",
            name.replace("http_request_", "request_").replace("http_response_", "response_")
        ))
    });
    let expected: BTreeSet<String> = implemented.chain(SDK_CALLBACKS.map(str::to_owned)).collect();
    assert!(
        expected.contains("proxy_on_request_headers") && expected.contains("proxy_on_tick"),
        "{expected:?}"
    );

    let exported = exports().into_iter().filter(|name| name.starts_with("proxy_on_"));
    let exported: BTreeSet<String> = exported.collect();
    assert_eq!(exported, expected, "build/wasm-ld names what is exported");
}

/// Why an import is in the module that the filter never calls: the SDK's traits have a method for it, and Rust links all
/// methods of a trait together. Envoy does not let the module call it: `capability_restriction_config` in `envoy.yaml`.
const LINKED: &str = "";

/// All that the module imports, and why.
const IMPORTS: [(&str, &str, &str); 41] = [
    ("env", "proxy_get_header_map_pairs", "the headers and trailers of a request"),
    ("env", "proxy_get_header_map_value", "one header"),
    ("env", "proxy_replace_header_map_value", "the identity header, and Content-Length of a batch"),
    (
        "env",
        "proxy_add_header_map_value",
        "the identity where all headers were read; the cookies that Kinto sets, but for that of the ticket",
    ),
    ("env", "proxy_remove_header_map_value", "the client's own identity headers, and the token"),
    ("env", "proxy_get_buffer_bytes", "the settings, a batch, its answer, an issuer's keys"),
    ("env", "proxy_set_buffer_bytes", "a batch and its answer, written anew"),
    ("env", "proxy_send_local_response", "an answer of the filter itself"),
    ("env", "proxy_continue_stream", "a request that has waited for keys"),
    ("env", "proxy_set_effective_context", "which request that is"),
    ("env", "proxy_http_call", "keys of an issuer"),
    ("env", "proxy_get_shared_data", "keys that another worker has fetched"),
    ("env", "proxy_set_shared_data", "keys for the other workers"),
    ("env", "proxy_call_foreign_function", "verify_signature, Envoy's BoringSSL"),
    ("env", "proxy_get_current_time_nanoseconds", "the clock, for the times in a token"),
    ("env", "proxy_set_tick_period_milliseconds", "the timer"),
    ("env", "proxy_get_property", "whether Envoy's buffer was too small for a batch"),
    ("env", "proxy_set_property", "the reason of a rejection, for the access log"),
    ("env", "proxy_log", "the log"),
    ("env", "proxy_get_log_level", "its level"),
    ("env", "proxy_define_metric", "metrics"),
    ("env", "proxy_increment_metric", "counters"),
    ("env", "proxy_record_metric", "gauges and the histogram"),
    ("env", "proxy_close_stream", LINKED),
    ("env", "proxy_dequeue_shared_queue", LINKED),
    ("env", "proxy_done", LINKED),
    ("env", "proxy_enqueue_shared_queue", LINKED),
    ("env", "proxy_get_status", LINKED),
    ("env", "proxy_grpc_call", LINKED),
    ("env", "proxy_grpc_cancel", LINKED),
    ("env", "proxy_grpc_close", LINKED),
    ("env", "proxy_grpc_send", LINKED),
    ("env", "proxy_grpc_stream", LINKED),
    ("env", "proxy_register_shared_queue", LINKED),
    ("env", "proxy_resolve_shared_queue", LINKED),
    ("env", "proxy_set_header_map_pairs", LINKED),
    ("wasi_snapshot_preview1", "environ_get", "publicKeyEnv"),
    ("wasi_snapshot_preview1", "environ_sizes_get", "publicKeyEnv"),
    ("wasi_snapshot_preview1", "random_get", "the seed of hash maps, against keys that are made to collide"),
    // The standard library's last words before it ends a module. The filter's own are in Envoy's log: the SDK sees to it.
    ("wasi_snapshot_preview1", "fd_write", LINKED),
    ("wasi_snapshot_preview1", "proc_exit", LINKED),
];

/// What the module exports beside callbacks: its memory, what Envoy calls once, and the version of the interface.
const EXPORTS: [&str; 3] = ["_initialize", "memory", "proxy_abi_version_0_2_1"];

/// Callbacks that Envoy calls whether they are listed or not, and one of the SDK that only says yes.
const NOT_LISTED: [&str; 2] = ["proxy_on_memory_allocate", "proxy_on_vm_start"];

/// The names that the module exports.
fn exports() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&module_bytes()) {
        if let Payload::ExportSection(exports) = payload.unwrap() {
            names.extend(exports.into_iter().map(|export| export.unwrap().name.to_owned()));
        }
    }
    names
}

/// jsonwebtoken brings js-sys and wasm-bindgen along on wasm32, which no feature switches off. None of it may be linked.
#[test]
fn the_module_imports_and_exports_this_and_nothing_else() {
    let mut imported = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&module_bytes()) {
        if let Payload::ImportSection(imports) = payload.unwrap() {
            let imports = imports.into_imports().map(|import| import.unwrap());
            imported.extend(imports.map(|import| (import.module.to_owned(), import.name.to_owned())));
        }
    }
    let expected = IMPORTS.map(|(module, name, _)| (module.to_owned(), name.to_owned()));
    assert_eq!(imported, BTreeSet::from(expected));
    let others = exports().into_iter().filter(|name| !name.starts_with("proxy_on_"));
    assert_eq!(others.collect::<Vec<_>>(), EXPORTS);
}

/// `tests/end_to_end/capabilities.rs` shows that each name in the list is needed.
#[test]
fn envoy_yaml_lists_what_the_filter_calls_and_what_calls_the_filter() {
    let calls = IMPORTS.into_iter().filter(|(_, _, why)| *why != LINKED).map(|(_, name, _)| name.to_owned());
    let callbacks = exports().into_iter().filter(|name| name.starts_with("proxy_on_"));
    let expected: BTreeSet<String> =
        calls.chain(callbacks.filter(|name| !NOT_LISTED.contains(&name.as_str()))).collect();
    for file in ["envoy/envoy.yaml", "envoy/settings/plugin-file.yaml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let names = text.lines().filter_map(|line| line.trim_start().strip_suffix(": {}"));
        assert_eq!(names.map(str::to_owned).collect::<BTreeSet<_>>(), expected, "{file}");
    }
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/supply-chain.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names =
        rows.flat_map(|row| row.split(" | ").next().unwrap().split(", ")).map(|name| name.trim_matches('`'));
    assert_eq!(names.map(str::to_owned).collect::<BTreeSet<_>>(), expected, "docs/supply-chain.md");
}

/// The header that takes a module with the feature `crash-test` down; without the feature, no module knows it.
#[test]
fn nothing_takes_the_module_down() {
    let trap = "x-crash-test";
    let source = fs::read_to_string(source().join("filter/envoy/crash.rs")).unwrap();
    assert!(source.contains(&format!("\"{trap}\"")), "crash.rs has another header");
    assert!(
        source.contains("#[cfg(not(debug_assertions))]\ncompile_error!"),
        "a release could have the feature"
    );
    let module = module_bytes();
    assert!(
        !module.windows(trap.len()).any(|part| part == trap.as_bytes()),
        "run make build, without crash-test"
    );
}

#[test]
fn the_module_names_no_folder_of_this_machine() {
    // Or another machine would make another module of the same source: build/module.sh maps the names.
    let module = String::from_utf8_lossy(&module_bytes()).into_owned();
    assert!(module.contains("/registry/") && module.contains("src/filter"), "it names no file at all");
    let home = std::env::var("HOME").unwrap();
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    for folder in [&cargo, env!("CARGO_MANIFEST_DIR")] {
        assert!(!module.contains(folder), "{folder} is in the module");
    }
}

/// The manifests of this repository: this one, and those below it.
fn manifests() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![top.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (kind, path) = entry.map(|entry| (entry.file_type().unwrap(), entry.path())).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            if kind.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name == "Cargo.toml" {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn each_dependency_has_its_reason_beside_it() {
    let mut count = 0;
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        let (mut is_list, mut above) = (false, "");
        for line in text.lines() {
            if line.starts_with('[') {
                let table = line.trim_start_matches('[').split(']').next().unwrap();
                assert!(!table.contains("dependencies."), "{}: write {table} in a line", manifest.display());
                is_list = table.ends_with("dependencies");
            } else if is_list && line.contains('=') && !line.starts_with('#') {
                let reason = line.split_once(" # ").map_or(above, |(_, reason)| reason);
                let name = line.split(' ').next().unwrap();
                assert!(reason.len() > 2, "{}: why {name}?", manifest.display());
                count += 1;
            }
            above = line.strip_prefix("# ").unwrap_or_default();
        }
    }
    assert!(count > 50, "only {count} dependencies were found");
}

/// A crate for which our `rust-version` is too old would not build there.
#[test]
fn no_dependency_needs_a_newer_rust() {
    let version = |text: &str| -> Vec<u32> {
        let mut numbers: Vec<u32> = text.split('.').map(|number| number.parse().unwrap()).collect();
        numbers.resize(3, 0);
        numbers
    };
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let mut count = 0;
    for target in ["wasm32-wasip1", "x86_64-unknown-linux-gnu"] {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--offline", "--features=cli"])
            .arg(format!("--filter-platform={target}"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        for package in metadata["packages"].as_array().unwrap() {
            let Some(needed) = package["rust_version"].as_str() else { continue };
            assert!(version(needed) <= ours, "{} needs Rust {needed}", package["name"]);
            count += 1;
        }
    }
    assert!(count > 100, "only {count} crates say which Rust they need");
}

/// `forbid` lets no line of a file allow it again. The one unsafe block of ours is in a macro of the SDK.
#[test]
fn unsafe_code_is_forbidden_in_each_crate() {
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        // The module for comparison has nothing but the SDK's macro.
        let is_forbidden =
            text.contains("\nunsafe_code = \"forbid\"") || manifest.ends_with("benches/noop/Cargo.toml");
        assert!(is_forbidden, "{}", manifest.display());
    }
}
