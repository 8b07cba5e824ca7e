//! Configurations: every form that an operator can write, and every fault in the operator's words.

use std::process::Command;

use kinto_jwt_filter::parse_config;
use serde_json::{Value, json};

use kit::faults;
use kit::http::{self, authorization};
use kit::plugin_file::PluginFile;
use kit::ring_host::ring_host;
use kit::servers::{
    Envoy, Kinto, as_string, as_struct, config_of, demo_config, envoy, made, project, wait_for, wasm,
};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

#[test]
fn every_fault_is_named_with_its_remedy() {
    for (settings, words) in faults::of_kinto_jwt_settings().into_iter().chain(faults::of_own_settings()) {
        let message =
            parse_config(settings.to_string().as_bytes(), None).expect_err(&settings.to_string()).to_string();
        for word in words {
            assert!(message.contains(word), "{word:?} is not in: {message}");
        }
        let secret = settings["public_key"].as_str().unwrap_or("-").trim();
        assert!(secret.len() < 10 || !message.contains(secret), "the key is in: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    // In YAML, Envoy makes texts of these: in JSON they are numbers, and no text of a token might be the same.
    for number in [json!(1.5), json!(9_007_199_254_740_992_u64), json!(-9_007_199_254_740_992_i64)] {
        let settings = settings_with(json!({"refusedClaims": {"a": [1, number]}}));
        let message = parse_config(settings.to_string().as_bytes(), None).unwrap_err().to_string();
        assert!(message.contains("whole number below 2^53"), "{message}");
    }
    for text in ["{", "[]", "public_key: x", "{\"public_key\":\"a\",\"public_key\":\"b\"}", "\u{1}\u{2}"] {
        let message = parse_config(text.as_bytes(), None).unwrap_err().to_string();
        assert!(message.starts_with("the configuration is "), "{message}");
    }
}

/// Envoy's exit code and log on a configuration that it only checks.
fn validate(config: &Value) -> (bool, String) {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("envoy.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    let output = envoy()
        .args(["--mode", "validate", "--use-dynamic-base-id", "--config-path"])
        .arg(&file)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// As updates of a running Envoy, which is faster than to start one for each.
#[test]
fn envoy_refuses_every_fault_with_our_words_and_keeps_the_old_configuration() {
    let kinto = Kinto::behind_envoy();
    let mut file = PluginFile::new(&settings_with(json!({})));
    let envoy = file.envoy(kinto.port("kinto"), &["--concurrency", "1"]);
    let mut known = 0;
    for (settings, words) in faults::of_kinto_jwt_settings().into_iter().chain(faults::of_own_settings()) {
        file.write(&settings);
        let line = wait_for(&format!("refusal of {settings}"), || {
            let log = envoy.log();
            let mut lines = log.lines().filter(|line| line.contains("configuration refused: "));
            lines.nth(known).map(str::to_owned)
        });
        known += 1;
        for word in words {
            assert!(line.contains(word), "{word:?} is not in: {line}");
        }
        // kinto-jwt check, too, says what this says (tests/cli/check.rs).
        let natively = parse_config(settings.to_string().as_bytes(), Some(ring_host)).unwrap_err();
        assert!(line.contains(&format!("configuration refused: {natively}")), "{natively} is not in: {line}");
    }
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));
    assert_eq!(http::get(envoy.port("kinto"), "/v1/", &[alice]).user(), "kinto_jwt:alice");
    let refused = envoy.log().matches("configuration refused: ").count();
    assert_eq!(refused, known, "each once");
}

/// `kinto-jwt check` reads YAML by these rules (`src/cli/scalar.rs`).
#[test]
fn envoy_reads_texts_without_quotes_as_it_was_seen_to_do() {
    let text = std::fs::read_to_string(project("tests/cli/scalars.json")).unwrap();
    let measured: Vec<(String, Value, Value)> = serde_json::from_str(&text).unwrap();
    let list: String = measured.iter().map(|(text, ..)| format!("    - {text}\n")).collect();
    let yaml = format!("node:\n  id: test\n  cluster: test\n  metadata:\n    list:\n{list}");
    let envoy = Envoy::start_with(&demo_config(1), &["--config-yaml", &yaml]);
    let info = http::get(envoy.admin, "/server_info", &[]);
    let info: Value = serde_json::from_slice(&info.body).unwrap();
    let expected: Vec<Value> = measured.into_iter().map(|(_, envoy, _)| envoy).collect();
    assert_eq!(info["node"]["metadata"]["list"], Value::from(expected));
}

#[test]
fn the_configuration_may_come_in_each_form() {
    let settings = settings_with(
        json!({"leeway": 30, "audience": ["a"], "unauthorizedUserId": 7, "batch": {"maxBytes": 1000}}),
    );
    let text = settings.to_string();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text);
    let bytes = json!({"@type": "type.googleapis.com/google.protobuf.BytesValue", "value": encoded});
    let pretty = format!("\n  {}\n", serde_json::to_string_pretty(&settings).unwrap());
    let doubles = as_string(&text.replace("30", "30.0").replace("1000", "1e3"));
    let forms = [
        ("Struct", as_struct(&settings)),
        ("StringValue", as_string(&text)),
        ("indented", as_string(&pretty)),
        ("BytesValue", bytes),
        ("doubles", doubles),
    ];
    let kinto = Kinto::behind_envoy();
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &forms));
    let token = rs256(&json!({"sub": "alice", "aud": "a", "exp": now() - 10}));
    for (form, _) in &forms {
        assert_eq!(
            http::get(envoy.port(form), "/v1/", &[authorization(&token)]).user(),
            "kinto_jwt:alice",
            "{form}"
        );
        assert_eq!(http::get(envoy.port(form), "/v1/", &[]).user(), "kinto_jwt:7", "{form}");
    }
}

#[test]
fn the_example_settings_are_accepted_by_envoy() {
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(project(&format!("envoy/settings/{name}.yaml"))).unwrap();
        serde_yaml_ng::from_str(&text).unwrap()
    };
    let names = ["rotating-keys", "several-issuers", "web-page"];
    let files = std::fs::read_dir(project("envoy/settings")).unwrap().count();
    assert_eq!(
        files,
        names.len() + 5,
        "and issuer-cluster.yaml, and four that plugin_file, other_filters, bound_tokens and without_vm load"
    );
    let plugins: Vec<_> = names.iter().map(|name| (*name, as_struct(&read(name)))).collect();
    let mut config = config_of(1, &plugins);
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(read("issuer-cluster"));
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        let secret = json!({"key_values": {"KINTO_JWT_MACHINES": kit::tokens::SECRET}});
        wasm(listener)["vm_config"]["environment_variables"] = secret;
    }
    let (ok, log) = validate(&config);
    assert!(ok, "{log}");
}

#[test]
fn the_example_is_loaded_as_it_is_and_the_demo_token_fits_it() {
    let mut count = 0;
    for file in std::fs::read_dir(project("envoy")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "yaml") && text.contains("static_resources:")
        {
            let output = envoy()
                .args(["--mode", "validate", "--use-dynamic-base-id", "--config-path"])
                .arg(&path)
                .current_dir(project(""))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            count += 1;
        }
    }
    assert!(count > 0);
    let kinto = Kinto::of_the_example();
    let envoy = Envoy::start(&demo_config(kinto.port("kinto")));
    let minted = Command::new(made(".venv/bin/python"))
        .arg(project("envoy/demo/mint.py"))
        .arg("bob")
        .output()
        .unwrap();
    let token = String::from_utf8(minted.stdout).unwrap();
    assert_eq!(
        http::get(envoy.port("kinto"), "/v1/", &[authorization(token.trim())]).user(),
        "kinto_jwt:bob"
    );
    assert_eq!(http::get(envoy.port("kinto"), "/v1/", &[]).user(), "kinto_jwt:public");
}

#[test]
fn a_bad_update_leaves_the_old_configuration_at_work() {
    let kinto = Kinto::behind_envoy();
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("listeners.yaml");
    let listeners = |settings: &Value| {
        let mut config = config_of(kinto.port("kinto"), &[("kinto", as_struct(settings))]);
        let mut listener = config["static_resources"]["listeners"][0].take();
        // An update must not move the port.
        listener["address"]["socket_address"]["port_value"] = json!(port_of(dir.path()));
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        json!({"resources": [listener]}).to_string()
    };
    let write = |settings: &Value| {
        let next = dir.path().join("next.yaml");
        std::fs::write(&next, listeners(settings)).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    write(&settings_with(json!({"unauthorizedUserId": "first"})));
    let mut config = demo_config(kinto.port("kinto"));
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({"id": "test", "cluster": "test"});
    config["dynamic_resources"] =
        json!({"lds_config": {"resource_api_version": "V3", "path_config_source": {"path": file}}});
    let envoy = Envoy::start(&config);
    let port = port_of(dir.path());
    let user = || http::get(port, "/v1/", &[]).user();
    kit::servers::wait_for_port(port);
    assert_eq!(user(), "kinto_jwt:first");

    write(&settings_with(json!({"unauthorizedUserId": ""})));
    wait_for("refusal", || envoy.log().contains("configuration refused: unauthorizedUserId").then_some(()));
    wait_for("rejected update", || (envoy.stat("listener_manager.lds.update_rejected") > 0).then_some(()));
    assert_eq!(user(), "kinto_jwt:first");
    let token = rs256(&json!({"sub": "alice"}));
    assert_eq!(http::get(port, "/v1/", &[authorization(&token)]).user(), "kinto_jwt:alice");

    write(&settings_with(json!({"unauthorizedUserId": "second"})));
    wait_for("update", || (user() == "kinto_jwt:second").then_some(()));
}

/// One free port for each directory.
fn port_of(dir: &std::path::Path) -> u16 {
    let file = dir.join("port");
    if !file.exists() {
        std::fs::write(&file, kit::servers::free_port().to_string()).unwrap();
    }
    std::fs::read_to_string(&file).unwrap().parse().unwrap()
}

#[test]
fn switching_verification_off_is_said_aloud() {
    let (ok, log) =
        validate(&config_of(1, &[("kinto", as_struct(&settings_with(json!({"verifyToken": false}))))]));
    assert!(ok, "{log}");
    assert!(log.contains("VERIFYTOKEN IS FALSE: EVERY TOKEN IS BELIEVED"), "{log}");
}
