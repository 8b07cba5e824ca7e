//! `kinto-jwt check`: each fault at its place, in each kind of file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kinto_jwt_filter::{HostVerify, parse_config};
use serde_json::{Value, json};

use crate::{Done, kinto_jwt};
use kit::faults;
use kit::ring_host::ring_host;
use kit::servers::{as_string, as_struct, config_of, made, project};

/// A kind of file: its name, the file with these settings, and what leads to them: the names, and how many of them lead to
/// a text that is a document of its own.
struct Kind {
    name: &'static str,
    write: fn(&Value) -> String,
    path: &'static [&'static str],
    inside: usize,
}

/// The value as a block of YAML, with each text in quotes, or in a block if it has several lines.
fn yaml(value: &Value) -> String {
    below(value, 0)
}

fn below(value: &Value, depth: usize) -> String {
    let space = "  ".repeat(depth);
    let line = |before: String, value: &Value| match value {
        Value::Array(items) if !items.is_empty() => format!("{space}{before}\n{}", below(value, depth + 1)),
        Value::Object(members) if !members.is_empty() => {
            format!("{space}{before}\n{}", below(value, depth + 1))
        }
        Value::String(text) if is_block(text) => {
            let lines = text.lines().map(|line| format!("{space}  {line}\n"));
            format!("{space}{before} |\n{}", lines.collect::<String>())
        }
        value => format!("{space}{before} {}\n", ascii(value)),
    };
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| line(format!("{}:", ascii(json!(name))), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| line("-".to_owned(), item)).collect(),
        value => format!("{}\n", ascii(value)),
    }
}

fn is_block(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c == '\n' || (' '..='~').contains(&c));
    is_plain && text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with([' ', '\n'])
}

/// JSON in ASCII.
fn ascii(json: impl ToString) -> String {
    json.to_string()
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect()
}

fn envoy(configuration: Value) -> Value {
    config_of(8888, &[("kinto", configuration)])
}

fn in_manifest(kind: &str, path: &[&str], settings: &Value) -> Value {
    let folder = match kind {
        "EnvoyExtensionPolicy" => "gateway/envoy-extension-policy",
        "WasmPlugin" => "istio/sidecar/wasm-plugin",
        _ => "istio/sidecar/traffic-extension",
    };
    let text = fs::read_to_string(project(&format!("envoy/{folder}.yaml"))).unwrap();
    let mut manifest: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(manifest["kind"], kind);
    *manifest.pointer_mut(&format!("/{}", path.join("/"))).unwrap() = settings.clone();
    manifest
}

const IN_ENVOY: [&str; 14] = [
    "static_resources",
    "listeners",
    "0",
    "filter_chains",
    "0",
    "filters",
    "0",
    "typed_config",
    "http_filters",
    "0",
    "typed_config",
    "config",
    "configuration",
    "value",
];

const KINDS: [Kind; 10] = [
    Kind { name: "settings.yaml", write: yaml, path: &[], inside: 0 },
    Kind { name: "settings.json", write: |settings| format!("{settings:#}"), path: &[], inside: 0 },
    Kind {
        name: "envoy.yaml",
        write: |settings| yaml(&envoy(as_struct(settings))),
        path: &IN_ENVOY,
        inside: 0,
    },
    Kind {
        name: "envoy.json",
        write: |settings| format!("{:#}", envoy(as_struct(settings))),
        path: &IN_ENVOY,
        inside: 0,
    },
    Kind {
        name: "string-value.yaml",
        write: |settings| yaml(&envoy(as_string(&format!("{}\n", ascii(format!("{settings:#}")))))),
        path: &IN_ENVOY,
        inside: 14,
    },
    Kind {
        name: "wasm-plugin.yaml",
        write: |settings| yaml(&in_manifest("WasmPlugin", &["spec", "pluginConfig"], settings)),
        path: &["spec", "pluginConfig"],
        inside: 0,
    },
    Kind {
        name: "traffic-extension.yaml",
        write: |settings| yaml(&in_manifest("TrafficExtension", &["spec", "wasm", "pluginConfig"], settings)),
        path: &["spec", "wasm", "pluginConfig"],
        inside: 0,
    },
    Kind {
        name: "envoy-extension-policy.yaml",
        write: |settings| {
            yaml(&in_manifest("EnvoyExtensionPolicy", &["spec", "wasm", "0", "config"], settings))
        },
        path: &["spec", "wasm", "0", "config"],
        inside: 0,
    },
    Kind {
        name: "config-map.yaml",
        write: |settings| {
            let data = json!({"kinto.ini": "a = b\n", "settings.yaml": yaml(settings)});
            yaml(&json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data}))
        },
        path: &["data", "settings.yaml"],
        inside: 2,
    },
    Kind {
        name: "list.json",
        write: |settings| {
            let plugin = in_manifest("WasmPlugin", &["spec", "pluginConfig"], settings);
            format!("{:#}", json!({"apiVersion": "v1", "kind": "List", "items": [plugin]}))
        },
        path: &["items", "0", "spec", "pluginConfig"],
        inside: 0,
    },
];

/// The report of the command about a folder, as JSON.
pub(crate) fn report(folder: &Path, arguments: &[&str]) -> Value {
    let Done { out, err, .. } = kinto_jwt(folder, &[&["check", "--format", "json"], arguments].concat());
    assert_eq!(err, "");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

/// Where PyYAML finds what is asked for.
fn places(folder: &Path, asked: &Value) -> Vec<(u64, u64)> {
    let mut python = Command::new(made(".venv/bin/python"))
        .arg(project("tests/cli/places.py"))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&python.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn each_fault_is_shown_at_its_place_in_each_kind_of_file_with_the_words_of_the_filter() {
    let host: HostVerify = ring_host;
    let faults = [faults::of_kinto_jwt_settings(), faults::of_own_settings()].concat();
    assert!(faults.len() > 150, "{}", faults.len());
    for kind in &KINDS {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut expected, mut asked) = (Vec::new(), Vec::new());
        // A file of nothing is no file of the filter.
        let is_bare = kind.path.is_empty() || kind.path[0] == "data";
        let faults = faults.iter().filter(|(settings, _)| !is_bare || *settings != json!({}));
        for (number, (settings, _)) in faults.enumerate() {
            let file = format!("{number:03}-{}", kind.name);
            fs::write(folder.path().join(&file), (kind.write)(settings)).unwrap();
            let error = parse_config(settings.to_string().as_bytes(), Some(host)).unwrap_err();
            asked.push(
                json!({"file": file, "path": kind.path, "inside": kind.inside, "pointer": error.pointer()}),
            );
            expected.push((file, error));
        }
        let report = report(folder.path(), &["."]);
        let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for finding in
            report["findings"].as_array().unwrap().iter().filter(|found| found["severity"] == "error")
        {
            found.entry(finding["file"].as_str().unwrap()).or_default().push(finding);
        }
        for ((file, error), (line, column)) in expected.iter().zip(places(folder.path(), &Value::from(asked)))
        {
            let findings = found
                .get(format!("./{file}").as_str())
                .unwrap_or_else(|| panic!("{file}: {error}: not found"));
            let [finding] = findings.as_slice() else { panic!("{file}: {findings:?}") };
            let help = finding["help"].as_str().unwrap();
            // What may be meant comes first.
            let help = help
                .split_once("? ")
                .filter(|(meant, _)| meant.starts_with("did you mean"))
                .map_or(help, |(_, help)| help);
            let words = format!("{}; {help}", finding["message"].as_str().unwrap());
            assert_eq!(words, error.to_string(), "{file}");
            assert_eq!(
                (&finding["line"], &finding["column"]),
                (&json!(line), &json!(column)),
                "{file}: {words}"
            );
        }
    }
}
