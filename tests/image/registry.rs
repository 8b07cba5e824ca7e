//! Debian's `docker-registry` on loopback, and skopeo, which pushes to it.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use kit::http::{self, Response, header};
use kit::servers::{Process, free_port, wait_for};
use module_image::media_type;
use serde_json::json;
use tempfile::TempDir;

/// The media types of the other format that registries have.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

pub(crate) struct Registry {
    port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let (port, dir) = (free_port(), TempDir::new().unwrap());
        let config = json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": dir.path().join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
            "log": {"level": "error", "accesslog": {"disabled": true}},
        });
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        let log = dir.path().join("log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(file).stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = Process::spawn(&mut command);
        wait_for("registry", || {
            assert!(process.exited().is_none(), "{}", std::fs::read_to_string(&log).unwrap());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, _process: process, _dir: dir }
    }

    /// Copies an image to this name with `skopeo copy`.
    pub(crate) fn push(&self, image: &Path, name: &str, options: &[&str]) {
        let mut command = Command::new("skopeo");
        command.args(["copy", "--quiet", "--dest-tls-verify=false"]).args(options);
        command
            .arg(format!("oci:{}", image.display()))
            .arg(format!("docker://127.0.0.1:{}/{name}", self.port));
        let output = command.output().unwrap_or_else(|e| panic!("skopeo: {e}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Puts a manifest as it is; what it names is there.
    pub(crate) fn put_manifest(&self, name: &str, tag: &str, media_type: &str, manifest: &[u8]) {
        let (path, headers) = (format!("/v2/{name}/manifests/{tag}"), [header("Content-Type", media_type)]);
        let request = http::bytes("PUT", path.as_bytes(), &headers, manifest);
        let answer = http::exchange(self.port, &request).unwrap();
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// A manifest, by its tag or digest.
    pub(crate) fn manifest(&self, name: &str, reference: &str) -> Response {
        let accepted = [media_type::MANIFEST, media_type::INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        http::get(self.port, &format!("/v2/{name}/manifests/{reference}"), &[header("Accept", accepted)])
    }

    pub(crate) fn blob(&self, name: &str, digest: &str) -> Response {
        http::get(self.port, &format!("/v2/{name}/blobs/{digest}"), &[])
    }
}
