//! Our image, and images that are almost like it.

use std::path::{Path, PathBuf};

use kit::http::{self, authorization};
use kit::servers::{Envoy, Kinto, demo_config, made, module, project, wasm};
use kit::tokens::{now, token};
use module_image::{FILE_NAME, Labels, Layout, gzip, media_type, sha256, tar, write};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fetcher::fetch;
use crate::registry::{DOCKER_MANIFEST, Registry};

const NAME: &str = "kinto-jwt-filter";
/// skopeo compresses layers, unless it is told not to.
const AS_IT_IS: [&str; 1] = ["--preserve-digests"];

fn built_module() -> Vec<u8> {
    std::fs::read(module()).unwrap()
}

/// What `make image` wrote.
fn image() -> PathBuf {
    made("target/image")
}

fn index(image: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(image.join("index.json")).unwrap()).unwrap()
}

fn blob(image: &Path, digest: &Value) -> Vec<u8> {
    let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    std::fs::read(image.join("blobs/sha256").join(digest)).unwrap()
}

/// The digest of the manifest in a layout, and the manifest.
fn manifest(image: &Path) -> (String, Value) {
    let digest = index(image)["manifests"][0]["digest"].clone();
    let manifest = serde_json::from_slice(&blob(image, &digest)).unwrap();
    (digest.as_str().unwrap().to_owned(), manifest)
}

#[test]
fn the_image_is_one_manifest_with_one_layer() {
    let (image, index) = (image(), index(&image()));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["mediaType"], media_type::MANIFEST);
    let (_, manifest) = manifest(&image);
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");

    let config: Value = serde_json::from_slice(&blob(&image, &manifest["config"]["digest"])).unwrap();
    assert_eq!(config["config"]["Labels"], manifest["annotations"]);
    let label = |name: &str| manifest["annotations"][format!("org.opencontainers.image.{name}")].clone();
    assert_eq!(label("title"), "kinto-jwt-filter");
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), "Apache-2.0");
}

#[test]
fn the_same_module_is_the_same_digest() {
    let (digest, manifest) = manifest(&image());
    let labels: Labels = serde_json::from_value(manifest["annotations"].clone()).unwrap();
    for name in ["one", "a longer name"] {
        let dir = TempDir::new().unwrap();
        let again =
            write(&dir.path().join(name), &built_module(), &labels, env!("CARGO_PKG_VERSION")).unwrap();
        assert_eq!(again, digest, "{name}: run `make image` again?");
    }
    let dir = TempDir::new().unwrap();
    let other = write(&dir.path().join("x"), b"\0asm another", &labels, "0").unwrap();
    assert_ne!(other, digest);
}

#[test]
fn a_layout_is_not_written_over_another() {
    let dir = TempDir::new().unwrap();
    assert!(write(dir.path(), &built_module(), &Labels::new(), "0").is_err());
}

#[test]
fn the_hash_beside_the_module_is_the_modules() {
    let hash = std::fs::read_to_string(made("target/wasm32-wasip1/release/kinto_jwt_filter.wasm.sha256"));
    assert_eq!(hash.unwrap(), format!("{}  kinto_jwt_filter.wasm\n", sha256(&built_module())));
}

/// Another Rust makes another module.
#[test]
fn all_that_build_a_release_name_one_rust() {
    let read = |path: &str| std::fs::read_to_string(project(path)).unwrap();
    let dockerfile = read("envoy/Dockerfile");
    let version = dockerfile.split_once("FROM rust:").unwrap().1.split('-').next().unwrap();
    for path in [".github/workflows/ci.yaml", ".github/workflows/release.yaml"] {
        assert!(read(path).contains(&format!("RUSTUP_TOOLCHAIN: {version} ")), "{path}: {version}");
    }
    assert!(
        read("docs/images.md").contains(&format!("`RUSTUP_TOOLCHAIN={version} make image`")),
        "{version}"
    );
}

#[test]
fn the_image_pulled_by_its_digest_is_the_module_and_runs() {
    let registry = Registry::start();
    registry.push(&image(), &format!("{NAME}:1.0"), &AS_IT_IS);
    let (digest, _) = manifest(&image());
    let pulled = fetch(&registry, NAME, &digest, None).unwrap();
    assert!(pulled == built_module(), "the module that was pulled is another");
    // As a resource with `sha256` and a tag names it.
    let hex = digest.strip_prefix("sha256:");
    assert!(fetch(&registry, NAME, "1.0", hex).unwrap() == pulled);
    // The hash of the module is another number.
    let error = fetch(&registry, NAME, "1.0", Some(&sha256(&pulled))).unwrap_err();
    assert!(error.contains("does not match"), "{error}");

    let dir = TempDir::new().unwrap();
    let file = dir.path().join(FILE_NAME);
    std::fs::write(&file, pulled).unwrap();
    let kinto = Kinto::of_the_example();
    let mut config = demo_config(kinto.port("kinto"));
    let listener = &mut config["static_resources"]["listeners"][0];
    *wasm(listener).pointer_mut("/vm_config/code/local/filename").unwrap() = json!(file);
    let name = listener["name"].as_str().unwrap().to_owned();
    let envoy = Envoy::start(&config);
    let token = token("RS256", "demo", &json!({"sub": "alice", "exp": now() + 600}));
    let answer = http::get(envoy.port(&name), "/v1/", &[authorization(&token)]);
    assert_eq!(answer.user(), "kinto_jwt:alice");
}

#[test]
fn other_forms_that_are_read() {
    let registry = Registry::start();
    // Rule 1: the classic `docker build` and `docker push` make this form.
    registry.push(&image(), "docker:1", &["--format", "v2s2"]);
    let answer: Value = registry.manifest("docker", "1").json();
    assert_eq!(answer["mediaType"], DOCKER_MANIFEST);
    assert!(fetch(&registry, "docker", "1", None).unwrap() == built_module());
    // Rule 3.
    let wasm = "application/vnd.module.wasm.content.layer.v1+wasm";
    let config = "application/vnd.module.wasm.config.v1+json";
    let layers = [(wasm, built_module()), (config, b"{}".to_vec())];
    push_variant(&registry, "artifact", &layers);
    assert!(fetch(&registry, "artifact", "1", None).unwrap() == built_module());
    // An index by its tag: that is why a digest is asked for, and why ours has none.
    put_index(&registry, "index");
    assert!(fetch(&registry, "index", "list", None).unwrap() == built_module());
}

/// Each is close to what `make image` writes, and is refused for one reason.
#[test]
fn forms_that_are_refused() {
    let registry = Registry::start();
    let refused = |name: &str, reference: &str, reason: &str| {
        let error = fetch(&registry, name, reference, None).map(|_| "read").expect_err(name);
        assert!(error.contains(reason), "{name}: {error}");
    };
    let layer = |name: &str| gzip(&tar(name, &built_module()).unwrap()).unwrap();

    // The first that is pushed: skopeo would use a layer that the registry has, in whatever form.
    registry.push(&image(), "zstd:1", &["--dest-compress-format", "zstd"]);
    refused("zstd", "1", "invalid media type \"application/vnd.oci.image.layer.v1.tar+zstd\"");

    let digest = put_index(&registry, "index");
    refused("index", &digest, "does not match");

    let plain = [("application/vnd.oci.image.layer.v1.tar", tar(FILE_NAME, &built_module()).unwrap())];
    push_variant(&registry, "plain", &plain);
    refused("plain", "1", "invalid media type \"application/vnd.oci.image.layer.v1.tar\"");

    push_variant(&registry, "name", &[(media_type::LAYER, layer("kinto_jwt_filter.wasm"))]);
    refused("name", "1", "plugin.wasm not found in the archive");

    let last = [(media_type::LAYER, layer(FILE_NAME)), (media_type::LAYER, layer("README"))];
    push_variant(&registry, "last", &last);
    refused("last", "1", "plugin.wasm not found in the archive");

    let empty = gzip(&tar(FILE_NAME, b"").unwrap()).unwrap();
    push_variant(&registry, "empty", &[(media_type::LAYER, empty)]);
    refused("empty", "1", "fetched Wasm binary is invalid");
}

/// Pushes an image of these layers as `name:1`.
fn push_variant(registry: &Registry, name: &str, layers: &[(&str, Vec<u8>)]) {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("image");
    let layout = Layout::create(&folder).unwrap();
    let config = layout.add(media_type::CONFIG, b"{}").unwrap();
    let layers: Vec<Value> = layers.iter().map(|(kind, bytes)| layout.add(kind, bytes).unwrap()).collect();
    let manifest = json!({
        "config": config, "layers": layers, "mediaType": media_type::MANIFEST, "schemaVersion": 2,
    });
    let manifest = layout.add(media_type::MANIFEST, manifest.to_string().as_bytes()).unwrap();
    layout.finish(&manifest, "1").unwrap();
    registry.push(&folder, &format!("{name}:1"), &AS_IT_IS);
}

/// Our image, and an index with it for linux/amd64, as `docker buildx` writes. Answers with the digest of the index.
fn put_index(registry: &Registry, name: &str) -> String {
    registry.push(&image(), &format!("{name}:1"), &AS_IT_IS);
    let mut image = index(&image())["manifests"][0].clone();
    image["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [image]}).to_string();
    registry.put_manifest(name, "list", media_type::INDEX, index.as_bytes());
    format!("sha256:{}", sha256(index.as_bytes()))
}
