//! `kinto-jwt check` takes what Envoy and the module take, and refuses the rest with the same words, however it is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::check::report;
use kit::servers::{as_string, as_struct, config_of, made, project};
use kit::tokens::public_key;

const MARK: &str = "SETTINGS-GO-HERE";

/// Envoy's configuration with these lines as the member `configuration` of the plugin.
fn envoy(configuration: &str) -> String {
    let text = serde_yaml_ng::to_string(&config_of(1, &[("kinto", json!(MARK))])).unwrap();
    let (before, after) = text.split_once(&format!("configuration: {MARK}\n")).unwrap();
    let spaces = before.rsplit('\n').next().unwrap().len();
    let lines = configuration.lines().map(|line| format!("{}{line}\n", " ".repeat(spaces + 2)));
    format!("{before}configuration:\n{}{after}", lines.collect::<String>())
}

fn message(kind: &str, value: &str) -> String {
    envoy(&format!("\"@type\": type.googleapis.com/google.protobuf.{kind}\n{value}"))
}

/// Envoy's configuration with these lines of settings beside the key.
fn settings(lines: &str) -> String {
    let key: String = public_key("rsa").lines().map(|line| format!("    {line}\n")).collect();
    let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    message("Struct", &format!("value:\n  public_key: |\n{key}{lines}"))
}

fn json_file(name: &str, value: &str) -> String {
    let settings = as_struct(&json!({"public_key": public_key("rsa"), name: MARK}));
    format!("{:#}", config_of(1, &[("kinto", settings)])).replace(&format!("\"{MARK}\""), value)
}

/// What Envoy says of a file: nothing, or why the module refuses the settings.
fn said_by_envoy(file: &Path) -> String {
    let output = Command::new(made(".venv/bin/envoy"))
        .args(["--mode", "validate", "--use-dynamic-base-id", "--concurrency", "1", "--config-path"])
        .arg(file)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused =
        log.lines().find_map(|line| Some(line.split_once("configuration refused: ")?.1.trim().to_owned()));
    assert_eq!(refused.is_none(), output.status.success(), "{}: {log}", file.display());
    refused.unwrap_or_default()
}

fn said_by_check(folder: &Path, file: &str) -> String {
    let report = report(folder, &[file]);
    let findings = report["findings"].as_array().unwrap().iter().filter(|found| found["severity"] == "error");
    let words = |found: &Value| {
        format!("{}; {}", found["message"].as_str().unwrap(), found["help"].as_str().unwrap())
    };
    findings.map(words).collect()
}

#[test]
fn check_says_what_envoy_says() {
    let text = json!({"public_key": public_key("rsa"), "leeway": 5}).to_string();
    let base64 = kit::tokens::b64(&text);
    let rows = [
        // Tags and `!ignore`.
        ("a.yaml", settings("!ignore foo: bar\nleeway: 5")),
        ("a.yaml", settings("leeway: !!str 010")),
        ("a.yaml", settings("leeway: !seconds 5")),
        ("a.yaml", settings("leeway: !!int \"5\"")),
        ("a.yaml", settings("leeway: ! 5")),
        ("a.yaml", settings("algorithm: !!str 010")),
        // Names without quotes, `<<`, aliases.
        ("a.yaml", settings("~: 5")),
        ("a.yaml", settings("yes: 5")),
        ("a.yaml", settings("<<: { leeway: 5 }")),
        ("a.yaml", settings("issuer: &a [x]\naudience: *a\nleeway: &b a")),
        // Messages.
        ("a.yaml", envoy("{}")),
        ("a.yaml", message("Struct", "")),
        (
            "a.yaml",
            message("Value", "value: { leeway: a }")
                .replace("protobuf.Value", "protobuf.Int32Value")
                .replace("{ leeway: a }", "5"),
        ),
        ("a.yaml", message("StringValue", "value: null")),
        ("a.yaml", message("StringValue", &format!("value: '{text}'"))),
        ("a.yaml", message("BytesValue", &format!("value: {base64}"))),
        (
            "a.yaml",
            message("Struct", "value: { publicKeyEnv: A }").replace("vm_config:", "vmConfig:").replace(
                "environment_variables: { host_env_keys: [MULTIAUTH_POLICY_KINTO_JWT_SECRET] }",
                "environmentVariables: { keyValues: { A: a } }",
            ),
        ),
        // JSON.
        ("a.json", json_file("leeway", "\t5").replace("\": ", "\":\t")),
        ("a.json", json_file("issuer", r#""\ud83d\ude00 \\ud83d""#)),
        ("a.json", json_file("issuer", "[5]")),
        ("a.json", json_file("leeway", "1e1")),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (file, text) in rows {
        let path = folder.path().join(file);
        fs::write(&path, &text).unwrap();
        assert_eq!(said_by_check(folder.path(), file), said_by_envoy(&path), "{text}");
    }
}

/// What `go-yaml` does, which reads for Kubernetes, and Envoy does not.
#[test]
fn names_of_kubernetes_are_merged_and_converted() {
    let plugin = fs::read_to_string(project("envoy/istio/sidecar/wasm-plugin.yaml")).unwrap();
    let with =
        |lines: &str| plugin.replace("    requireExp: true\n", &format!("    requireExp: true\n{lines}"));
    let rows = [
        ("    <<: { leeway: 5 }\n", ""),
        ("    <<: [{ leeway: 5 }, { leeway: a }]\n", ""),
        ("    <<: { requireExp: 5, leeway: a }\n", "leeway is not a whole number"),
        ("    \"<<\": { leeway: 5 }\n", "a text that is not a name is not a setting"),
        ("    yes: 5\n", "\"true\" is not a setting"),
        ("    010: 5\n", "\"8\" is not a setting"),
        ("    leeway: !!str 5\n", "leeway is not a whole number"),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    for (lines, words) in rows {
        let text = with(lines);
        assert!(text.contains(lines), "{text}");
        fs::write(folder.path().join("a.yaml"), &text).unwrap();
        let said = said_by_check(folder.path(), "a.yaml");
        assert!(said.starts_with(words) && said.is_empty() == words.is_empty(), "{lines}: {said}");
    }
}

/// What is in a text has its settings, too: they are not missing, and not those of YAML.
#[test]
fn settings_in_a_text_are_those_of_json() {
    let text = json!({"public_key": public_key("rsa"), "requireExp": false, "unauthorizedUserId": "public", "userIdHeader": "userId-0123456789abcdef", "leeway": 1.0});
    let base64 = kit::tokens::b64(text.to_string());
    let bytes = json!({"@type": "type.googleapis.com/google.protobuf.BytesValue", "value": base64});
    let folder = tempfile::TempDir::new().unwrap();
    let envoy = |configuration| config_of(1, &[("kinto", configuration)]).to_string();
    let in_resource = |kind: &str, name: &str, value: &str| {
        json!({"apiVersion": "v1", "kind": kind, name: {"a.ini": "a: [", "a.yaml": value}}).to_string()
    };
    let mut whole = text.clone();
    // As YAML, 1.0 is a text.
    whole["leeway"] = json!(1);
    let config = envoy(as_struct(&whole));
    let files = [
        envoy(as_string(&text.to_string())),
        envoy(bytes),
        in_resource("ConfigMap", "data", &config),
        in_resource("Secret", "stringData", &config),
        in_resource("Secret", "data", &kit::tokens::b64(&config)),
        in_resource("ConfigMap", "binaryData", &kit::tokens::b64(&config)),
    ];
    for file in files {
        fs::write(folder.path().join("a.yaml"), &file).unwrap();
        let report = report(folder.path(), &["a.yaml"]);
        assert_eq!(report["findings"], json!([]), "{file}");
        assert_eq!(report["taken"].as_array().unwrap().len(), 1, "{file}");
    }
}
