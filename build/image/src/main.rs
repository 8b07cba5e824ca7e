//! `module-image MODULE FOLDER`: writes the module as an image, and its SHA-256 into a file beside it. Prints both
//! digests. The labels of the image come from the `Cargo.toml` in the working directory.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use module_image::{Labels, sha256, write};
use serde_json::Value;

/// Each label, and the field of `Cargo.toml` that it says. A field that is missing is no label. The commit is no label:
/// each one, of a page of the documentation too, would be another digest. The provenance of a release names it.
const LABELS: [(&str, &str); 5] = [
    ("title", "name"),
    ("description", "description"),
    ("version", "version"),
    ("licenses", "license"),
    ("source", "repository"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, folder] = arguments.as_slice() else {
        return Err("usage: module-image MODULE FOLDER".into());
    };
    let package = package()?;
    let version = package.get("version").and_then(Value::as_str).ok_or("Cargo.toml has no version")?;
    let bytes = read(module)?;
    let image = write(folder, &bytes, &labels(&package), version)
        .map_err(|e| format!("{}: {e}; the folder must not exist", folder.display()))?;
    let hash = sha256(&bytes);
    let name = module.file_name().ok_or("the module has no name")?.to_string_lossy();
    fs::write(module.with_extension("wasm.sha256"), format!("{hash}  {name}\n"))?;
    println!("module  sha256:{hash}  {}", module.display());
    println!("image   {image}  {}", folder.display());
    Ok(())
}

fn read(module: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(module).map_err(|e| format!("{}: {e}; run make build", module.display()))?;
    if bytes.starts_with(b"\0asm") {
        Ok(bytes)
    } else {
        Err(format!("{}: not a WebAssembly module", module.display()))
    }
}

/// What Cargo reads in `Cargo.toml`.
fn package() -> Result<Value, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("cargo metadata: {e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let is_ours = |package: &&Value| package.get("name").is_some_and(|name| name == "kinto-jwt-filter");
    let package = packages.and_then(|packages| packages.iter().find(is_ours));
    Ok(package.ok_or("no package kinto-jwt-filter in this folder")?.clone())
}

fn labels(package: &Value) -> Labels {
    let label = |(name, field): (&str, &str)| {
        let value = package.get(field)?.as_str()?;
        Some((format!("org.opencontainers.image.{name}"), value.to_owned()))
    };
    LABELS.into_iter().filter_map(label).collect()
}
