//! The environment of a container: the variables that manifests take from Secrets, and the Secrets that the commands on
//! the pages make.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use kit::servers::project;

use crate::fields::{Fields, Result};

/// The text on the pages that makes the secret of the tickets.
pub(crate) const RANDOM: &str = "$(openssl rand -hex 32)";

/// A variable that a container gets from a key of a Secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// The namespace of the pod, in which the Secret must be.
    pub(crate) namespace: String,
    pub(crate) secret: String,
    pub(crate) key: String,
}

/// The variables of a container whose pod is in this namespace. Only such of Secrets that must be there are understood: an
/// `optional` one is refused.
pub(crate) fn variables(container: &mut Fields, namespace: &str) -> Result<Vec<Variable>> {
    let of_secret = |mut variable: Fields| {
        let mut source = variable.map("valueFrom")?;
        let mut key = source.map("secretKeyRef")?;
        let found = Variable {
            name: variable.text("name")?,
            namespace: namespace.to_owned(),
            secret: key.text("name")?,
            key: key.text("key")?,
        };
        key.end()?;
        source.end()?;
        variable.end()?;
        Ok(found)
    };
    container.maps("env")?.into_iter().map(of_secret).collect()
}

/// The container of a pod that has this name.
pub(crate) fn container(pod: &Value, name: &str) -> Result<Fields> {
    let containers = pod["containers"].as_array().ok_or("no containers")?;
    let found = containers.iter().find(|container| container["name"] == name);
    let mut container = Fields::of(name, found.ok_or_else(|| format!("no container {name}"))?.clone())?;
    container.take("name");
    Ok(container)
}

/// The keys and values of Secrets, by namespace and name.
pub(crate) type Secrets = BTreeMap<(String, String), BTreeMap<String, String>>;

/// The Secrets that the commands on a page make, with this in the place of the random secret.
pub(crate) fn secrets(page: &str, random: &str) -> Secrets {
    let text = std::fs::read_to_string(project(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.into_iter().find(|block| block.contains("create secret generic kinto"));
    let block = block.unwrap_or_else(|| panic!("{page}: no Secret"));
    assert_eq!(block.matches(RANDOM).count(), 1, "{page}");
    // Each command as a line, its words apart.
    let kubectl = r#"kubectl() { printf '%s\037' "$@"; echo; }"#;
    let script = format!("set -eu\n{kubectl}\n{}", block.replace(RANDOM, random));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
    let mut secrets = Secrets::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let words: Vec<&str> = line.trim_end_matches('\u{1f}').split('\u{1f}').collect();
        if let ["-n", namespace, "create", "secret", "generic", name, literals @ ..] = words.as_slice() {
            let pair = |literal: &&str| {
                let (key, value) = literal.strip_prefix("--from-literal=").unwrap().split_once('=').unwrap();
                (key.to_owned(), value.to_owned())
            };
            let id = ((*namespace).to_owned(), (*name).to_owned());
            assert!(secrets.insert(id, literals.iter().map(pair).collect()).is_none(), "{page}: twice");
        }
    }
    secrets
}

/// What the container finds in its environment; an error, if it would not start.
pub(crate) fn environment(variables: &[Variable], secrets: &Secrets) -> Result<Vec<(String, String)>> {
    let value = |variable: &Variable| {
        let secret = secrets.get(&(variable.namespace.clone(), variable.secret.clone()));
        let value = secret.and_then(|secret| secret.get(&variable.key));
        let value = value.ok_or_else(|| format!("CreateContainerConfigError: {variable:?}"))?;
        Ok((variable.name.clone(), value.clone()))
    };
    variables.iter().map(value).collect()
}
