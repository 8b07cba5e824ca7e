//! The list of what the module is built from.

use std::collections::BTreeSet;
use std::process::Command;

use kit::servers::{made, module, project};
use serde_json::Value;

/// Name and version of each crate in the list, as a folder of Cargo's registry is named.
fn listed() -> BTreeSet<String> {
    let file = made("target/wasm32-wasip1/release/kinto_jwt_filter.cdx.json");
    let list: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(list["metadata"]["component"]["name"], "kinto-jwt-filter");
    assert_eq!(list["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let crates = list["components"].as_array().unwrap().iter();
    crates
        .map(|each| format!("{}-{}", each["name"].as_str().unwrap(), each["version"].as_str().unwrap()))
        .collect()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(project(".")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn each_crate_that_the_module_names_is_listed() {
    // The file of each place that can panic is in the module.
    let module = String::from_utf8_lossy(&std::fs::read(module()).unwrap()).into_owned();
    let named: BTreeSet<&str> =
        module.split("/registry/").skip(1).map(|path| path.split('/').nth(1).unwrap()).collect();
    assert!(named.len() > 10, "{named:?}");
    let listed = listed();
    for each in named {
        assert!(listed.contains(each), "{each} is in the module and not in the list");
    }
}

#[test]
fn each_crate_that_cargo_links_is_listed() {
    let tree = ["tree", "--locked", "--target", "wasm32-wasip1", "--edges", "normal", "--prefix", "none"];
    let tree = String::from_utf8(cargo(&tree)).unwrap();
    let listed = listed();
    let mut count = 0;
    for line in tree.lines().skip(1) {
        let (name, rest) = line.split_once(" v").unwrap();
        let each = format!("{name}-{}", rest.split(' ').next().unwrap());
        assert!(listed.contains(&each), "{each} is not in the list");
        count += 1;
    }
    assert!(count > 50, "{tree}");
}

#[test]
fn what_only_tests_need_is_not_listed() {
    let metadata: Value =
        serde_json::from_slice(&cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]))
            .unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"] == "kinto-jwt-filter").unwrap();
    let names = |kind: Value| -> BTreeSet<&str> {
        let dependencies = ours["dependencies"].as_array().unwrap().iter();
        // What is optional is for the command kinto-jwt.
        let of_kind = dependencies.filter(|each| each["kind"] == kind && each["optional"] == false);
        of_kind.map(|each| each["name"].as_str().unwrap()).collect()
    };
    let (linked, for_tests) = (names(Value::Null), names(Value::from("dev")));
    let listed = listed();
    let is_listed = |name: &str| listed.iter().any(|each| each.rsplit_once('-').unwrap().0 == name);
    assert!(linked.contains("p256") && for_tests.contains("ring"), "{linked:?} {for_tests:?}");
    for name in for_tests.difference(&linked) {
        assert!(!is_listed(name), "{name} is in the list");
    }
    assert!(linked.iter().all(|name| is_listed(name)), "{linked:?}");
    assert!(!is_listed("clap"), "what only the command needs is listed");
}
