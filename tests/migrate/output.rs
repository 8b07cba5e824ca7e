//! What `migrate` writes: no secret where it is shown, nothing over a file that is there.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{copy, ini_files, text};
use kit::servers::{made, project, wasm};

#[test]
fn no_secret_is_shown() {
    for file in ini_files() {
        let output = file.migrate(&file.path, &[]);
        let shown = text(&output.stdout) + &text(&output.stderr);
        for secret in [
            file.key(),
            "the-hmac-secret",
            "pässword",
            "an-older-one",
            "too-short",
            "correct-horse",
            "BEGIN PRIVATE",
        ] {
            let is_name = secret.len() < 9 && !secret.contains("word");
            assert!(is_name || !shown.contains(secret), "{}: {secret}:\n{shown}", file.name);
        }
    }
}

/// The environment replaces the key: the one in the file may be of use to somebody all the same.
#[test]
fn a_key_that_the_environment_replaces_is_not_shown() {
    let files = ini_files();
    let file = files.iter().find(|file| file.name == "algorithm-hs256").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinto-jwt"));
    command.arg("migrate").arg(&file.path).args(["--app", file.app()]).env_clear();
    command.env("MULTIAUTH_POLICY_KINTO_JWT_ALGORITHM", "ES256");
    command.env("MULTIAUTH_POLICY_KINTO_JWT_PUBLIC_KEY", kit::tokens::public_key("p256"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(shown.contains("-multiauth") && !shown.contains(file.key()), "{shown}");
}

/// Any other setting, and a comment, may hold a secret whose name nobody knows.
#[test]
fn the_changes_show_no_line_that_stays() {
    let files = ini_files();
    let file = files.iter().find(|file| file.name == "algorithm-hs256").unwrap();
    let dir = TempDir::new().unwrap();
    let path = copy(file, dir.path());
    let mark = "s3cret0mark";
    let text_before = fs::read_to_string(&path).unwrap();
    // Above and below each line that goes.
    let lines = text_before.lines().map(|line| match line.starts_with("multiauth.policy") {
        true => format!("kinto.x{0} = {mark}\n# {mark}\n{line}\nkinto.y{0} = {mark}\n", line.len()),
        false => format!("{line}\n"),
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    let output = file.migrate(&path, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(shown.contains("+multiauth") && !shown.contains(mark), "{shown}");
}

#[test]
fn files_are_written_whole_and_over_none() {
    let files = ini_files();
    for name in ["algorithm-hs256", "line-ends", "comments", "use-config"] {
        let file = files.iter().find(|file| file.name == name).unwrap();
        let dir = TempDir::new().unwrap();
        let path = copy(file, dir.path());
        let old = fs::read(&path).unwrap();
        let new = path.with_extension("new");
        let output = file.migrate(&path, &["--ini-out", new.to_str().unwrap()]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert_eq!(fs::read(&path).unwrap(), old, "{name}: the file itself stays");
        let written = fs::read_to_string(&new).unwrap();
        assert!(written.contains("RemoteUserAuthenticationPolicy"), "{name}");
        assert!(name == "use-config" || written.contains("the-hmac-secret"), "{name}: its secrets are there");
        assert_eq!(written.matches('\n').count(), written.lines().count(), "{name}");
        assert_eq!(written.contains("\r\n"), name == "line-ends", "{name}");
        assert!(name != "line-ends" || !written.replace("\r\n", "").contains('\n'), "{name}");

        let again = file.migrate(&path, &["--ini-out", new.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(2), "{name}");
        assert!(text(&again.stderr).contains("is there already"), "{name}: {}", text(&again.stderr));

        let output = file.migrate(&path, &["--in-place"]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert_eq!(fs::read_to_string(&path).unwrap(), written, "{name}: the same in place");
        let kept = path.with_file_name(format!("{name}.ini.before-migrate"));
        assert_eq!(fs::read(kept).unwrap(), old, "{name}: the old one is beside it");
        // There is nothing to migrate any more.
        assert_eq!(file.migrate(&path, &["--in-place"]).status.code(), Some(2), "{name}");
    }
}

#[test]
fn a_secret_that_no_variable_can_hold_goes_into_a_file_only() {
    use std::os::unix::fs::PermissionsExt;

    let files = ini_files();
    let file = files.iter().find(|file| file.name == "algorithm-hs256").unwrap();
    let dir = TempDir::new().unwrap();
    let path = copy(file, dir.path());
    // The secret begins with the line feed above it.
    let lines = fs::read_to_string(&path).unwrap().replace("public_key = ", "public_key =\n    ");
    fs::write(&path, lines).unwrap();
    let output = file.migrate(&path, &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    assert!(!text(&output.stderr).contains(file.key()));

    let yaml = dir.path().join("settings.yaml");
    let output = file.migrate(&path, &["--settings-out", yaml.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains(file.key()), "the diff hides it");
    assert_eq!(fs::metadata(&yaml).unwrap().permissions().mode() & 0o777, 0o600);
    let settings: Value = serde_yaml_ng::from_str(&fs::read_to_string(&yaml).unwrap()).unwrap();
    assert_eq!(settings["public_key"], format!("\n{}", file.key()));
}

/// Both names lead to one file: the second text must not replace the first.
#[test]
fn a_file_with_two_names_is_written_once() {
    let files = ini_files();
    let file = files.iter().find(|file| file.name == "algorithm-hs256").unwrap();
    let dir = TempDir::new().unwrap();
    let path = copy(file, dir.path());
    let other = path.with_file_name("other.ini");
    std::os::unix::fs::symlink(path.file_name().unwrap(), &other).unwrap();
    let text_before = fs::read_to_string(&path).unwrap().replace("[app:main]", "[app:base]");
    fs::write(&path, format!("[app:main]\nuse = config:other.ini#base\n\n{text_before}")).unwrap();
    let output = file.migrate(&path, &["--in-place"]);
    let text_after = fs::read_to_string(&path).unwrap();
    // Either all of it, or nothing and a word why.
    let is_whole = text_after.contains("RemoteUserAuthenticationPolicy")
        && !text_after.contains("JWTAuthenticationPolicy");
    let is_untouched = !output.status.success() && text_after.contains("JWTAuthenticationPolicy");
    assert!(is_whole || is_untouched, "{}:\n{text_after}", text(&output.stderr));
}

#[test]
fn nothing_is_written_when_a_file_is_there() {
    let files = ini_files();
    let file = files.iter().find(|file| file.name == "use-config").unwrap();
    let dir = TempDir::new().unwrap();
    let path = copy(file, dir.path());
    let (yaml, kept) = (dir.path().join("s.yaml"), path.with_file_name("parts/base.ini.before-migrate"));
    fs::write(&kept, "mine").unwrap();
    let old = fs::read(&path).unwrap();
    let output = file.migrate(&path, &["--in-place", "--settings-out", yaml.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!yaml.exists() && fs::read(&path).unwrap() == old && fs::read(&kept).unwrap() == b"mine");
}

/// As an operator goes on: `check` has nothing to add, and the real Envoy loads what was written.
#[test]
fn the_configuration_of_envoy_is_taken_by_check_and_by_envoy() {
    let dir = TempDir::new().unwrap();
    let (mut checked, mut listeners, mut config) = (0, Vec::new(), Value::Null);
    for file in ini_files().iter().filter(|file| file.exit() == 0) {
        let path = copy(file, dir.path());
        let envoy = path.with_extension("yaml");
        let output = file.migrate(&path, &["--envoy-out", envoy.to_str().unwrap()]);
        assert!(output.status.success(), "{}: {}", file.name, text(&output.stderr));
        let secret = text(&output.stderr).contains("warning[secret]").then(|| file.key().to_owned());
        let mut check = Command::new(env!("CARGO_BIN_EXE_kinto-jwt"));
        check.args(["check", "--strict", "--quiet"]).arg(&envoy);
        if let Some(secret) = &secret {
            check.env("KINTO_JWT_SECRET", secret);
        }
        let said = check.output().unwrap();
        assert_eq!((said.status.code(), text(&said.stdout)), (Some(0), String::new()), "{}", file.name);
        let written = fs::read_to_string(&envoy).unwrap();
        assert!(!written.contains("MULTIAUTH_POLICY"), "{}: the ticket of the example", file.name);
        config = serde_yaml_ng::from_str(&written).unwrap();
        let listener = &mut config["static_resources"]["listeners"][0];
        listener["name"] = json!(file.name);
        listener["address"]["socket_address"]["port_value"] = json!(0);
        if let Some(secret) = secret {
            // Where Envoy runs, its environment has the secret.
            let variables = &mut wasm(listener)["vm_config"]["environment_variables"];
            assert_eq!(*variables, json!({"host_env_keys": ["KINTO_JWT_SECRET"]}), "{}", file.name);
            *variables = json!({"key_values": {"KINTO_JWT_SECRET": secret}});
        }
        listeners.push(listener.take());
        checked += 1;
    }
    assert!(checked > 80, "{checked}");
    let file = dir.path().join("all.yaml");
    config["static_resources"]["listeners"] = Value::from(listeners);
    fs::write(&file, config.to_string()).unwrap();
    let validated = Command::new(made(".venv/bin/envoy"))
        .args(["--mode", "validate", "--use-dynamic-base-id", "--config-path"])
        .arg(&file)
        .current_dir(project(""))
        .output()
        .unwrap();
    assert!(validated.status.success(), "{}", text(&validated.stderr));
}
