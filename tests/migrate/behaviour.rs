//! A real Kinto with `kinto_jwt`, against a real Envoy with the filter in front of a real Kinto, both from the same ini file:
//! one before, one after the migration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use kit::http;
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, as_struct, config_of, manager, wasm};
use kit::tokens::now;

use crate::codes::printed;
use crate::files::{IniFile, copy, ini_files, text};
use crate::requests::{Request, requests};

/// A file after its migration.
struct Migrated<'f> {
    file: &'f IniFile,
    path: PathBuf,
    settings: Value,
    codes: BTreeSet<String>,
    /// The variables that `migrate` wants removed.
    removed: Vec<String>,
}

fn migrated<'f>(file: &'f IniFile, dir: &Path) -> Migrated<'f> {
    let path = copy(file, dir);
    let yaml = path.with_extension("yaml");
    let output = file.migrate(&path, &["--in-place", "--settings-out", yaml.to_str().unwrap()]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {errors}", file.name);
    assert_eq!(text(&output.stdout), "", "{}: all is in files", file.name);
    let removed = errors.lines().find_map(|line| line.strip_prefix("warning[override]: "));
    let words = removed.into_iter().flat_map(|line| line.split([' ', ',', ':', '.']));
    Migrated {
        removed: words.filter(|word| file.environment().contains_key(*word)).map(str::to_owned).collect(),
        codes: printed(&errors),
        settings: serde_yaml_ng::from_str(&fs::read_to_string(yaml).unwrap()).unwrap(),
        path,
        file,
    }
}

/// Envoy with a listener, and a cluster that leads to its Kinto, for each file.
fn envoy(files: &[Migrated<'_>], kinto: &Kinto) -> Envoy {
    let plugins: Vec<(&str, Value)> =
        files.iter().map(|migrated| (migrated.file.name.as_str(), as_struct(&migrated.settings))).collect();
    let mut config = config_of(0, &plugins);
    let cluster = config["static_resources"]["clusters"][0].clone();
    let mut clusters = Vec::new();
    for (index, migrated) in files.iter().enumerate() {
        let name = &migrated.file.name;
        let listener = &mut config["static_resources"]["listeners"][index];
        let routes = manager(listener).pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
        *routes.pointer_mut("/1/route/cluster").unwrap() = json!(name);
        if migrated.settings.get("publicKeyEnv").is_some() {
            // The name that migrate writes, and the secret that it says belongs there.
            let variables = json!({"key_values": {"KINTO_JWT_SECRET": migrated.file.key()}});
            wasm(listener)["vm_config"]["environment_variables"] = variables;
            wasm(listener)["vm_config"]["vm_id"] = json!(name);
        }
        let mut cluster = cluster.clone();
        cluster["name"] = json!(name);
        cluster["load_assignment"]["cluster_name"] = json!(name);
        let port = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
        *cluster.pointer_mut(port).unwrap() = json!(kinto.port(name));
        clusters.push(cluster);
    }
    config["static_resources"]["clusters"] = json!(clusters);
    Envoy::start(&config)
}

/// The issuer of the policies of OpenID Connect, which believes every token.
fn issuer() -> Issuer {
    let issuer = Issuer::start();
    let address = format!("http://127.0.0.1:{}/userinfo", issuer.port);
    let metadata = json!({"userinfo_endpoint": address}).to_string();
    issuer.answer("/.well-known/openid-configuration", Answer::new(200, metadata));
    issuer.answer("/userinfo", Answer::new(200, json!({"sub": "openid"}).to_string()));
    issuer
}

/// What a client sees: who Kinto says that it is, each answer of a batch, or a class of statuses.
fn answer(port: u16, request: &Request) -> String {
    let bytes =
        http::bytes(request.method, request.path.as_bytes(), &request.headers, request.body.as_bytes());
    let response = http::exchange(port, &bytes).expect("an answer");
    let class = format!("HTTP {}xx", response.status / 100);
    if response.status != 200 {
        return class;
    }
    let root = response.json();
    let parts = root["responses"].as_array().cloned();
    let user = |part: &Value| match part["status"].as_u64() {
        Some(200) if part["body"].get("user").is_some() => http::user(&part["body"]),
        Some(200) if part["path"] == "/v1/" => "anonymous".to_owned(),
        Some(status) => format!("HTTP {}xx", status / 100),
        None => part.to_string(),
    };
    match parts {
        Some(parts) => parts.iter().map(user).collect::<Vec<_>>().join(", "),
        None if request.path == "/v1/" => response.user(),
        None => class,
    }
}

/// What was found out about one file.
#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
    count: usize,
    /// The codes that explain a difference.
    shown: BTreeSet<&'static str>,
}

fn compare(migrated: &Migrated<'_>, before: u16, after: u16) -> Findings {
    let mut findings = Findings::default();
    for request in requests(migrated.file, now()) {
        findings.count += 1;
        let (theirs, ours) = (answer(before, &request), answer(after, &request));
        if ours == theirs {
            continue;
        }
        let printed: Vec<&str> =
            request.codes.iter().copied().filter(|code| migrated.codes.contains(*code)).collect();
        if printed.is_empty() {
            let name = &migrated.file.name;
            findings.wrong.push(format!("{name}: {}: {ours}, kinto_jwt {theirs}", request.name));
        }
        findings.shown.extend(printed);
    }
    findings
}

#[test]
fn the_migrated_configuration_answers_alike_but_for_what_was_said() {
    let dir = TempDir::new().unwrap();
    let files = ini_files();
    let files: Vec<Migrated<'_>> =
        files.iter().filter(|file| file.exit() == 0).map(|file| migrated(file, dir.path())).collect();
    let issuer = issuer();
    let address = format!("http://127.0.0.1:{}", issuer.port);
    let applications = |path: &dyn Fn(&Migrated<'_>) -> Value| -> Value {
        let started = |migrated: &Migrated<'_>| {
            let mut application = path(migrated);
            // The address in the files is nobody's.
            application["environment"]["MULTIAUTH_POLICY_PEOPLE_ISSUER"] = json!(address);
            (migrated.file.name.clone(), application)
        };
        files.iter().map(started).collect::<Map<_, _>>().into()
    };
    let before = applications(&|migrated| migrated.file.application(&migrated.file.path, &[]));
    let after = applications(&|migrated| migrated.file.application(&migrated.path, &migrated.removed));
    let (before, after) = std::thread::scope(|scope| {
        let before = scope.spawn(|| Kinto::start(&before, None));
        let after = Kinto::start(&after, None);
        (before.join().unwrap(), after)
    });
    let envoy = envoy(&files, &after);
    let compared = |migrated: &Migrated<'_>| {
        let name = &migrated.file.name;
        compare(migrated, before.port(name), envoy.port(name))
    };
    let of_some = |some: &[Migrated<'_>]| some.iter().map(compared).collect::<Vec<_>>();
    let findings: Vec<Findings> = std::thread::scope(|scope| {
        let chunks = files.chunks(files.len().div_ceil(4));
        let threads: Vec<_> = chunks.map(|some| scope.spawn(move || of_some(some))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let wrong: Vec<&str> = findings.iter().flat_map(|found| &found.wrong).map(String::as_str).collect();
    let count: usize = findings.iter().map(|found| found.count).sum();
    println!("{} files, {count} requests", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Each code that a request may show is shown by one: none is there in vain.
    let shown: BTreeSet<&str> = findings.iter().flat_map(|found| found.shown.clone()).collect();
    let possible = files.iter().flat_map(|migrated| requests(migrated.file, now()));
    let possible: BTreeSet<&str> = possible.flat_map(|request| request.codes).collect();
    assert_eq!(shown, possible);
}

#[test]
fn a_secret_is_the_one_that_the_variable_must_hold() {
    let files = ini_files();
    let with_secret = files.iter().filter(|file| file.exit() == 0 && file.key().len() > 20);
    let secrets: BTreeMap<&str, &str> = with_secret.map(|file| (file.name.as_str(), file.key())).collect();
    assert!(secrets.len() > 2, "{secrets:?}");
    for file in files.iter().filter(|file| secrets.contains_key(file.name.as_str())) {
        let read = file.settings().unwrap();
        assert_eq!(read["multiauth.policy.kinto_jwt.public_key"], file.key(), "{}", file.name);
    }
}
