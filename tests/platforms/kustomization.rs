//! Builds the kustomizations in `envoy/`, as `kubectl kustomize` does, as far as these use it. There is no `kustomize` in
//! the package registries that the tests may use, so the reader knows few fields and refuses all others.
//!
//! One thing is left out: kustomize adds a hash to the names of the ConfigMaps that it makes, and to the places that
//! name them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use kit::servers::project;

use crate::fields::{Fields, Result};

/// The folders with a kustomization that an operator applies.
pub(crate) const APPLIED: [&str; 5] =
    ["envoy/kubernetes", "envoy/istio/gateway", "envoy/istio/sidecar", "envoy/istio/issuer", "envoy/gateway"];

pub(crate) const FILE: &str = "kustomization.yaml";

pub(crate) fn yaml(text: &str) -> Result<Value> {
    serde_yaml_ng::from_str(text).map_err(|error| format!("{error}:\n{text}"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The resources that a folder of the project makes.
pub(crate) fn build(folder: &str) -> Vec<Value> {
    build_with(folder, |text| text).unwrap_or_else(|error| panic!("{error}"))
}

/// The same after a change to the text of each `kustomization.yaml`.
pub(crate) fn build_with(folder: &str, edit: impl Fn(String) -> String) -> Result<Vec<Value>> {
    build_at(&project(folder), &edit)
}

pub(crate) fn build_at(folder: &Path, edit: &dyn Fn(String) -> String) -> Result<Vec<Value>> {
    let path = folder.join(FILE);
    let mut fields = Fields::of(&path.display().to_string(), yaml(&edit(read(&path)?))?)?;
    fields.only_value("apiVersion", &json!("kustomize.config.k8s.io/v1beta1"))?;
    fields.only_value("kind", &json!("Kustomization"))?;
    let mut manifests = Vec::new();
    for resource in fields.texts("resources")? {
        let path = folder.join(&resource);
        if path.is_dir() {
            manifests.extend(build_at(&path, edit)?);
        } else {
            manifests.push(yaml(&read(&inside(folder, &resource)?)?)?);
        }
    }
    for generator in fields.maps("configMapGenerator")? {
        manifests.push(config_map(folder, generator)?);
    }
    fields.end()?;
    unique(&manifests)?;
    Ok(manifests)
}

/// kustomize reads no file above the folder of the kustomization.
fn inside(folder: &Path, file: &str) -> Result<PathBuf> {
    let is_below = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    if is_below { Ok(folder.join(file)) } else { Err(format!("{file} is not below {}", folder.display())) }
}

fn config_map(folder: &Path, mut generator: Fields) -> Result<Value> {
    let (name, namespace) = (generator.text("name")?, generator.text("namespace")?);
    let mut data = Map::new();
    for file in generator.texts("files")? {
        data.insert(file.clone(), read(&inside(folder, &file)?)?.into());
    }
    generator.end()?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }))
}

/// kustomize refuses the same resource twice.
fn unique(manifests: &[Value]) -> Result<()> {
    for (number, manifest) in manifests.iter().enumerate() {
        let id = |manifest: &Value| {
            let names = ["/kind", "/metadata/namespace", "/metadata/name"];
            names.map(|name| manifest.pointer(name).cloned())
        };
        if manifests[..number].iter().any(|other| id(other) == id(manifest)) {
            return Err(format!("twice: {:?}", id(manifest)));
        }
    }
    Ok(())
}

/// The one resource of this kind.
pub(crate) fn the<'m>(manifests: &'m [Value], kind: &str) -> &'m Value {
    let mut found = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

#[test]
fn what_kustomize_would_refuse_or_we_do_not_know_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let manifest = "apiVersion: v1\nkind: Service\nmetadata: { name: a, namespace: b }\n";
    fs::write(dir.path().join("a.yaml"), manifest).unwrap();
    for (text, words) in [
        ("resources: [a.yaml]", None),
        ("resources: [missing.yaml]", Some("missing.yaml")),
        ("resources: [../a.yaml]", Some("not below")),
        ("resources: [a.yaml, a.yaml]", Some("twice")),
        ("resources: [a.yaml]\nnamespace: x", Some("namespace is not understood")),
        ("kind: Component", Some("not \"Kustomization\"")),
        ("configMapGenerator: [{name: a, namespace: b, files: [../a.yaml]}]", Some("not below")),
        ("configMapGenerator: [{name: a, files: [a.yaml]}]", Some("namespace is missing")),
        (
            "configMapGenerator: [{name: a, namespace: b, files: [a.yaml], behavior: merge}]",
            Some("behavior is not understood"),
        ),
    ] {
        fs::write(dir.path().join(FILE), text).unwrap();
        let result = build_at(dir.path(), &|text| text);
        match words {
            None => assert_eq!(result.unwrap().len(), 1, "{text}"),
            Some(words) => {
                let error = result.unwrap_err();
                assert!(error.contains(words), "{text}: {error}");
            }
        }
    }
}

#[test]
fn each_file_belongs_to_a_kustomization() {
    let mut listed = 0;
    for folder in ["envoy/istio", "envoy/gateway", "envoy/kubernetes"] {
        for file in files(&project(folder)) {
            let (folder, name) = (file.parent().unwrap(), file.file_name().unwrap().to_str().unwrap());
            if name == FILE || name == "README.md" {
                continue;
            }
            let text = read(&folder.join(FILE)).unwrap();
            // wasm-plugin.yaml stands in a comment, in the place of which it goes.
            assert!(text.contains(name), "{} is in no {FILE}", file.display());
            listed += 1;
        }
    }
    assert!(listed > 30, "{listed}");
    for folder in APPLIED {
        assert!(!build(folder).is_empty(), "{folder}");
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}
