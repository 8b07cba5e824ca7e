//! The real Prometheus as a child process, with the rules of the project, and what it says when it is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use kit::http;
use kit::servers::{Process, free_port, project, wait_for_port};

const INSTALL: &str = "apt-get install --no-install-recommends prometheus";

/// What one series is now: its labels, without name and job, and its value.
pub(crate) type Sample = (BTreeMap<String, String>, f64);

pub(crate) struct Prometheus {
    port: u16,
    /// The Envoy that it scrapes, by the name that it gives it.
    pub(crate) instance: String,
    _process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts it as `envoy/prometheus/prometheus.yaml` says, but for the address and a faster clock.
    pub(crate) fn start(admin: u16) -> Self {
        let (dir, port, instance) = (TempDir::new().unwrap(), free_port(), format!("127.0.0.1:{admin}"));
        let mut config = yaml("envoy/prometheus/prometheus.yaml");
        config["global"] = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
        config["rule_files"] = json!([project("envoy/prometheus/kinto-jwt.rules.yaml")]);
        let target = config.pointer_mut("/scrape_configs/0/static_configs/0/targets/0").unwrap();
        *target = json!(instance);
        let file = dir.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).unwrap();

        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg("--log.level=error").stdout(Stdio::null());
        assert!(is_installed("prometheus"), "prometheus is missing: {INSTALL}");
        let process = Process::spawn(&mut command);
        wait_for_port(port);
        Self { port, instance, _process: process, _dir: dir }
    }

    /// `data` of an answer of its API; its words when it refuses.
    pub(crate) fn api(&self, path: &str) -> Result<Value, String> {
        let answer = http::get(self.port, &format!("/api/v1/{path}"), &[]);
        // Before it is ready it answers in plain text.
        let json: Value =
            serde_json::from_slice(&answer.body).map_err(|_| format!("HTTP {}", answer.status))?;
        if json["status"] == "success" { Ok(json["data"].clone()) } else { Err(json["error"].to_string()) }
    }

    /// What a query gives now.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Sample>, String> {
        let encoded = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let data = self.api(&format!("query?query={encoded}")).map_err(|e| format!("{query}: {e}"))?;
        let samples = data["result"].as_array().ok_or_else(|| format!("{query}: {data}"))?.iter();
        Ok(samples.map(|sample| (labels(&sample["metric"]), value(&sample["value"]))).collect())
    }
}

fn labels(metric: &Value) -> BTreeMap<String, String> {
    let labels = metric.as_object().unwrap().iter();
    let labels = labels.filter(|(name, _)| !["__name__", "job"].contains(&name.as_str()));
    labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn value(sample: &Value) -> f64 {
    sample[1].as_str().unwrap().parse().unwrap()
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs promtool, which must succeed.
pub(crate) fn promtool(arguments: &[&str], file: &Path) {
    assert!(is_installed("promtool"), "promtool is missing: {INSTALL}");
    let output = Command::new("promtool").args(arguments).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// A YAML or JSON file of the project.
pub(crate) fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(project(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_yaml_ng::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Asks until the answer is right: counters arrive a second later, and are scraped a second after that.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(e) => assert!(start.elapsed() < Duration::from_secs(60), "still, after 60 s: {e}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
