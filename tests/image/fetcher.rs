//! How Istio's agent reads an image, after `pkg/wasm/imagefetcher.go` (at commit 01348d90) and `pkg/wasm/cache.go` (at
//! 015c8e54) of istio/istio. The rules are the same in 86c9f01f (1.32-dev, 2026-08-22), and Envoy Gateway has a copy.
//! Older versions ask for exactly one layer, which ours has.

use std::io::Read;

use flate2::read::GzDecoder;
use module_image::sha256;
use serde_json::Value;
use tar::Archive;

use crate::registry::{DOCKER_MANIFEST, Registry};

// Named here again, because the image is read by others' names.
const FILE_NAME: &str = "plugin.wasm";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// The module in an image. `sha256` is what the resource says, or what follows `@sha256:` in its URL.
pub(crate) fn fetch(
    registry: &Registry,
    name: &str,
    reference: &str,
    checksum: Option<&str>,
) -> Result<Vec<u8>, String> {
    let manifest = image_manifest(registry, name, reference)?;
    let digest = sha256(&manifest);
    let checksum = checksum.or(reference.strip_prefix("sha256:"));
    if checksum.is_some_and(|checksum| checksum != digest) {
        return Err(format!("has checksum {digest}, which does not match"));
    }
    let manifest: Value = serde_json::from_slice(&manifest).map_err(|e| e.to_string())?;
    let image = Image { registry, name, layers: manifest["layers"].as_array().cloned().unwrap_or_default() };
    let module = if manifest["mediaType"] == DOCKER_MANIFEST {
        image.module_in_last_layer(DOCKER_LAYER)?
    } else {
        image.module_in_last_layer(OCI_LAYER).or_else(|compat| {
            image.module_as_layer().map_err(|oci| format!("compat variant: {compat}; oci variant: {oci}"))
        })?
    };
    if module.len() >= 8 && module.starts_with(b"\0asm") {
        Ok(module)
    } else {
        Err("fetched Wasm binary is invalid".to_owned())
    }
}

/// The manifest of an image. Of an index, go-containerregistry takes the first image for linux/amd64, which is also
/// what an image without a platform is for.
fn image_manifest(registry: &Registry, name: &str, reference: &str) -> Result<Vec<u8>, String> {
    let bytes = registry.manifest(name, reference).body;
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let Some(images) = manifest["manifests"].as_array() else { return Ok(bytes) };
    let is_ours = |image: &&Value| match &image["platform"] {
        Value::Null => true,
        platform => platform["os"] == "linux" && platform["architecture"] == "amd64",
    };
    let image = images.iter().find(is_ours).ok_or("no child with platform linux/amd64 in index")?;
    Ok(registry.manifest(name, image["digest"].as_str().unwrap_or_default()).body)
}

struct Image<'a> {
    registry: &'a Registry,
    name: &'a str,
    layers: Vec<Value>,
}

impl Image<'_> {
    /// Rules 1 and 2: the last layer is of exactly this type, and has the file.
    fn module_in_last_layer(&self, expected: &str) -> Result<Vec<u8>, String> {
        let layer = self.layers.last().ok_or("number of layers must be greater than zero")?;
        if layer["mediaType"] != expected {
            return Err(format!("invalid media type {} (expect {expected})", layer["mediaType"]));
        }
        let layer = self.blob(layer)?;
        let mut archive = Archive::new(GzDecoder::new(layer.as_slice()));
        for entry in archive.entries().map_err(|e| e.to_string())? {
            let mut entry = entry.map_err(|e| e.to_string())?;
            if entry.path().is_ok_and(|path| path.file_name().is_some_and(|name| name == FILE_NAME)) {
                let mut module = Vec::new();
                entry.read_to_end(&mut module).map_err(|e| e.to_string())?;
                return Ok(module);
            }
        }
        Err(format!("{FILE_NAME} not found in the archive"))
    }

    /// Rule 3: two layers, one of which is the module itself.
    fn module_as_layer(&self) -> Result<Vec<u8>, String> {
        if self.layers.len() != 2 {
            return Err(format!("number of layers must be 2 but got {}", self.layers.len()));
        }
        let layer = self.layers.iter().find(|layer| layer["mediaType"] == WASM_LAYER);
        self.blob(layer.ok_or(format!("could not find the layer of type {WASM_LAYER}"))?)
    }

    /// A blob, whose digest go-containerregistry checks as it reads.
    fn blob(&self, layer: &Value) -> Result<Vec<u8>, String> {
        let digest = layer["digest"].as_str().ok_or("a layer without a digest")?;
        let blob = self.registry.blob(self.name, digest).body;
        if digest == format!("sha256:{}", sha256(&blob)) { Ok(blob) } else { Err("wrong digest".to_owned()) }
    }
}
