//! The real Envoy and the real Kinto as child processes on free ports, stopped when dropped.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::carrier::{Carrier, SECRET, SECRET_VARIABLE};
use crate::http;

/// The path of a file of the project, from the top of the repository.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join(path)
}

/// A file that `make test` has made, or the advice to run it.
pub fn made(path: &str) -> PathBuf {
    let path = project(path);
    assert!(path.exists(), "{} is missing: run `make test`, which makes it", path.display());
    path
}

/// A free port, for servers that cannot be told to take one. It is below those that connections take for themselves:
/// none of them has it when the server starts, or starts again. One that waits for the server would otherwise get this
/// very port in the end, and be connected with itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 500).unwrap() * 20;
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports =
        std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    ports.by_ref().take(12_000).find(free).expect("a free port from 20000 to 31999")
}

/// A child process that ends with the test.
pub struct Process(Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    /// Its standard input and output, which must be pipes. They are there once.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.0.stdin.take().unwrap(), self.0.stdout.take().unwrap())
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let start = Instant::now();
        while asked.as_ref().is_ok_and(|asked| asked.success())
            && self.exited().is_none()
            && start.elapsed() < Duration::from_secs(10)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn exited(&mut self) -> Option<i32> {
        self.0.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} after 60 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn wait_for_port(port: u16) {
    wait_for("server", || TcpStream::connect(("127.0.0.1", port)).ok());
}

/// Several Kinto applications in one process, each with its own policy settings and port.
pub struct Kinto {
    ports: HashMap<String, u16>,
    _process: Process,
}

impl Kinto {
    /// Starts one application for each name, with these Kinto settings over the defaults.
    pub fn start(applications: &Value, python_path: Option<&str>) -> Self {
        let mut command = Command::new(made(".venv/bin/python"));
        command.arg(project("tests/kit/serve_kinto.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Lists that are sets in Python have the same order in every Kinto.
        command.stderr(Stdio::null()).env("PYTHONHASHSEED", "0");
        if let Some(path) = python_path {
            command.env("PYTHONPATH", made(path));
        }
        let mut process = Process::spawn(&mut command);
        process.0.stdin.take().unwrap().write_all(applications.to_string().as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("Kinto did not start ({e}): {line}"));
        Self { ports, _process: process }
    }

    /// One Kinto as `envoy/kinto.ini` configures it, but that it believes the header `userId`.
    pub fn behind_envoy() -> Self {
        Self::start(&json!({"kinto": Carrier::Header.application()}), None)
    }

    /// One Kinto as `envoy/kinto.ini` configures it, which believes tickets that `envoy/envoy.yaml` signs.
    pub fn of_the_example() -> Self {
        Self::start(&json!({"kinto": Carrier::Ticket.application()}), None)
    }

    /// [`behind_envoy`](Self::behind_envoy) with Kinto's redirects on, which says what happened inside ([`observed`]).
    pub fn observed() -> Self {
        Self::start(&json!({"kinto": Carrier::Header.observed()}), None)
    }

    pub fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }
}

/// An application for `serve_kinto.py` as `envoy/kinto.ini` configures it, but with Kinto's redirects on, unless
/// `FUZZ_REDIRECTS` says otherwise, and with `X-Seen-Users` and `X-Seen-Views` in its answers.
pub fn observed() -> Value {
    let on = std::env::var("FUZZ_REDIRECTS").unwrap_or_else(|_| "true".to_owned());
    let redirects =
        json!({"kinto.trailing_slash_redirect_enabled": on, "kinto.version_prefix_redirect_enabled": on});
    json!({"ini": project("envoy/kinto.ini"), "settings": redirects, "observe": true})
}

pub fn module() -> PathBuf {
    made("target/wasm32-wasip1/release/kinto_jwt_filter.wasm")
}

/// `envoy/envoy.yaml`, made to run beside others: free ports, the module by its full path.
pub fn demo_config(kinto: u16) -> Value {
    let text = std::fs::read_to_string(project("envoy/envoy.yaml")).unwrap();
    let mut config: Value = serde_yaml_ng::from_str(&text).unwrap();
    *config.pointer_mut("/admin/address/socket_address/port_value").unwrap() = json!(0);
    let listener = config.pointer_mut("/static_resources/listeners/0").unwrap();
    *listener.pointer_mut("/address/socket_address/port_value").unwrap() = json!(0);
    *wasm(listener).pointer_mut("/vm_config/code/local/filename").unwrap() = json!(module());
    let cluster = config.pointer_mut("/static_resources/clusters/0/load_assignment").unwrap();
    *cluster.pointer_mut("/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value").unwrap() =
        json!(kinto);
    config
}

/// The connection manager of a listener.
pub fn manager(listener: &mut Value) -> &mut Value {
    listener.pointer_mut("/filter_chains/0/filters/0/typed_config").unwrap()
}

/// The plugin of a listener.
pub fn wasm(listener: &mut Value) -> &mut Value {
    manager(listener).pointer_mut("/http_filters/0/typed_config/config").unwrap()
}

/// The example with a listener for each of these plugin configurations.
pub fn config_of(kinto: u16, plugins: &[(&str, Value)]) -> Value {
    let mut config = demo_config(kinto);
    let example = config["static_resources"]["listeners"][0].clone();
    let listeners = plugins.iter().map(|(name, configuration)| {
        let mut listener = example.clone();
        listener["name"] = json!(name);
        manager(&mut listener)["stat_prefix"] = json!(name);
        manager(&mut listener)["access_log"] = json!([]);
        wasm(&mut listener)["configuration"] = configuration.clone();
        listener
    });
    config["static_resources"]["listeners"] = listeners.collect();
    config
}

/// One request for each connection to Kinto: uWSGI closes it after an answer without saying so.
pub fn closing_after_each(config: &mut Value) {
    config["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": {"max_requests_per_connection": 1}
        }
    });
}

/// Settings as an operator writes them: native YAML.
pub fn as_struct(settings: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": settings})
}

/// Settings as JSON text, which is also what Istio sends.
pub fn as_string(settings: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": settings})
}

/// The command of Envoy, which has the secret of tickets in its environment.
pub fn envoy() -> Command {
    let mut command = Command::new(made(".venv/bin/envoy"));
    command.env(SECRET_VARIABLE, SECRET);
    command
}

pub struct Envoy {
    pub admin: u16,
    ports: HashMap<String, u16>,
    log: PathBuf,
    process: Process,
    _dir: TempDir,
}

impl Envoy {
    /// Starts Envoy; its log when it does not come up.
    pub fn try_start(config: &Value, options: &[&str]) -> Result<Self, String> {
        Self::try_start_as(envoy(), config, options)
    }

    fn try_start_as(mut command: Command, config: &Value, options: &[&str]) -> Result<Self, String> {
        let dir = TempDir::new().unwrap();
        let (file, log) = (dir.path().join("envoy.yaml"), dir.path().join("envoy.log"));
        let address = dir.path().join("admin");
        std::fs::write(&file, config.to_string()).unwrap();
        command
            .arg("--config-path")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&address)
            .args(options)
            .args(["--use-dynamic-base-id", "--log-level", "info", "--component-log-level", "wasm:debug"]);
        let output = std::fs::File::create(&log).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = Process::spawn(&mut command);
        let admin = wait_for("Envoy", || {
            if process.exited().is_some() {
                return Some(None);
            }
            let text = std::fs::read_to_string(&address).ok()?;
            let admin: u16 = text.rsplit(':').next()?.parse().ok()?;
            // An Envoy that refuses its configuration may have gone meanwhile.
            let stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
            let ready = http::exchange_on(stream, &http::bytes("GET", b"/ready", &[], b""));
            (ready?.status == 200).then_some(Some(admin))
        });
        let Some(admin) = admin else { return Err(std::fs::read_to_string(&log).unwrap()) };
        let mut envoy = Self { admin, ports: HashMap::new(), log, process, _dir: dir };
        envoy.ports = envoy.listeners();
        Ok(envoy)
    }

    pub fn start(config: &Value) -> Self {
        Self::start_with(config, &["--concurrency", "1"])
    }

    /// With the secret of the tickets only if these variables have it.
    pub fn start_in(environment: &[(String, String)], config: &Value) -> Self {
        let mut command = envoy();
        command.env_remove(SECRET_VARIABLE).envs(environment.iter().map(|(name, value)| (name, value)));
        Self::try_start_as(command, config, &["--concurrency", "1"])
            .unwrap_or_else(|log| panic!("Envoy did not start:\n{log}"))
    }

    /// With more or fewer workers, and what else its command line can say.
    pub fn start_with(config: &Value, options: &[&str]) -> Self {
        Self::try_start(config, options).unwrap_or_else(|log| panic!("Envoy did not start:\n{log}"))
    }

    /// With this much address space at the most, in bytes, and one worker; its log when it does not come up.
    pub fn try_start_within(address_space: u64, config: &Value) -> Result<Self, String> {
        let envoy = envoy();
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={address_space}")).arg(envoy.get_program());
        command.envs(envoy.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::try_start_as(command, config, &["--concurrency", "1"])
    }

    fn listeners(&self) -> HashMap<String, u16> {
        let listeners = http::get(self.admin, "/listeners?format=json", &[]).json();
        let listeners = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
        let port = |listener: &Value| {
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
            (listener["name"].as_str().unwrap().to_owned(), u16::try_from(port).unwrap())
        };
        listeners.iter().map(port).collect()
    }

    pub fn port(&self, listener: &str) -> u16 {
        self.ports[listener]
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The value of a counter or gauge.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = http::get(self.admin, &format!("/stats?filter=^{name}$&format=json"), &[]).json();
        stats["stats"][0]["value"].as_u64().unwrap_or(0)
    }
}
