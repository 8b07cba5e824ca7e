//! The module as an image in an OCI layout: a folder that skopeo, oras and crane can push to a registry.
//!
//! The image is what Istio and Envoy Gateway read: one manifest, for no platform, and one layer, a `tar+gzip` archive
//! with the file `plugin.wasm`. It holds no time, no user and no path, so that the same module is the same digest.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The media types of the OCI image specification, version 1.
pub mod media_type {
    /// An image.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A list of images. A layout has one as its table of contents.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// What an image is for, and its labels.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The only type of a layer that Istio takes from an image of this format.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
}

/// The name by which Istio and Envoy Gateway look for the module in the layer.
pub const FILE_NAME: &str = "plugin.wasm";

/// `title`, `version` and others, each by its full name.
pub type Labels = BTreeMap<String, String>;

/// The SHA-256 of these bytes in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder of blobs, each named by its digest.
pub struct Layout(PathBuf);

impl Layout {
    /// An empty layout. The folder must not exist, or the layout would hold what was there before.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        Ok(Self(folder.to_owned()))
    }

    /// Adds a blob, and answers with what describes it.
    pub fn add(&self, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let digest = sha256(bytes);
        fs::write(self.0.join("blobs/sha256").join(&digest), bytes)?;
        Ok(json!({"digest": format!("sha256:{digest}"), "mediaType": media_type, "size": bytes.len()}))
    }

    /// Adds an image of one layer.
    pub fn add_image(&self, layer: &Value, tar: &[u8], labels: &Labels) -> io::Result<Value> {
        // The platform is what `docker build` writes on most machines. Istio and Envoy Gateway do not read it, but
        // Kubernetes does, when it mounts an image as a volume, and refuses others than the node's.
        let config = json!({
            "architecture": "amd64",
            "config": {"Labels": labels},
            "os": "linux",
            "rootfs": {"diff_ids": [format!("sha256:{}", sha256(tar))], "type": "layers"},
        });
        let config = self.add(media_type::CONFIG, config.to_string().as_bytes())?;
        let manifest = json!({
            "annotations": labels,
            "config": config,
            "layers": [layer],
            "mediaType": media_type::MANIFEST,
            "schemaVersion": 2,
        });
        self.add(media_type::MANIFEST, manifest.to_string().as_bytes())
    }

    /// The table of contents of the layout, with one manifest. (It does not go to a registry.)
    pub fn finish(self, manifest: &Value, name: &str) -> io::Result<()> {
        let manifest = json!({
            "annotations": {"org.opencontainers.image.ref.name": name},
            "digest": manifest.get("digest"),
            "mediaType": manifest.get("mediaType"),
            "size": manifest.get("size"),
        });
        let index = json!({"manifests": [manifest], "mediaType": media_type::INDEX, "schemaVersion": 2});
        fs::write(self.0.join("index.json"), index.to_string())
    }
}

/// An archive with one file.
pub fn tar(name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    for number in [tar::Header::set_uid, tar::Header::set_gid, tar::Header::set_mtime] {
        number(&mut header, 0);
    }
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, bytes)?;
    archive.into_inner()
}

/// The archive, compressed, with neither a time nor a file name in its header.
pub fn gzip(tar: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(tar)?;
    gzip.finish()
}

/// Writes the module as an image into a new folder, and answers with the digest of its manifest. The name in the layout
/// is the version.
pub fn write(folder: &Path, module: &[u8], labels: &Labels, version: &str) -> io::Result<String> {
    let layout = Layout::create(folder)?;
    let tar = tar(FILE_NAME, module)?;
    let layer = layout.add(media_type::LAYER, &gzip(&tar)?)?;
    let manifest = layout.add_image(&layer, &tar, labels)?;
    layout.finish(&manifest, version)?;
    let digest = manifest.get("digest").and_then(Value::as_str);
    Ok(digest.ok_or(io::ErrorKind::InvalidData)?.to_owned())
}
