//! A composed stack of a test's own, gone with its volume when dropped.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{OnceLock, PoisonError, RwLock};

use serde_json::{Value, json};
use tempfile::TempDir;

use kit::carrier::SECRET_VARIABLE;
use kit::http::{self, Response, authorization};
use kit::servers::{free_port, project, wait_for};
use kit::tokens::{now, token};

/// Starting a stack takes all of a small machine. Whoever times a recovery keeps the starts of others out.
pub(crate) static STARTS: RwLock<()> = RwLock::new(());

/// A token of the example's issuer.
pub(crate) fn demo_token(user: &str) -> String {
    token("RS256", "demo", &json!({"sub": user, "exp": now() + 600}))
}

/// Runs a command; its standard output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    output(Command::new("docker").args(arguments))
}

/// Compose v2 is `docker compose`, Debian's 1.29 is `docker-compose`.
fn compose() -> Command {
    static IS_V2: OnceLock<bool> = OnceLock::new();
    let is_v2 =
        || Command::new("docker").args(["compose", "version"]).output().is_ok_and(|o| o.status.success());
    if *IS_V2.get_or_init(is_v2) {
        let mut command = Command::new("docker");
        command.arg("compose");
        command
    } else {
        Command::new("docker-compose")
    }
}

pub(crate) struct Stack {
    name: String,
    pub(crate) port: u16,
    /// The secret of the tickets, made as `make compose-up` does it.
    pub(crate) secret: String,
    files: Vec<PathBuf>,
    dir: TempDir,
}

impl Stack {
    /// The stack as it is in `envoy/`, but for Envoy's port on the host. Nothing is started.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("kinto-jwt-filter-test-{}-{name}", std::process::id());
        let random: [u8; 32] = ring::rand::generate(&ring::rand::SystemRandom::new()).unwrap().expose();
        let secret = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name, port: free_port(), secret, files: Vec::new(), dir: TempDir::new().unwrap() }
    }

    /// With this text for `envoy.yaml`, and Envoy's service changed so.
    pub(crate) fn with_envoy(mut self, config: &str, mut service: Value) -> Self {
        let (mounted, over) = (self.dir.path().join("envoy.yaml"), self.dir.path().join("override.yaml"));
        std::fs::write(&mounted, config).unwrap();
        service["volumes"] = json!([format!("{}:/etc/envoy/envoy.yaml:ro", mounted.display())]);
        std::fs::write(&over, json!({"services": {"envoy": service}}).to_string()).unwrap();
        self.files.push(over);
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = compose();
        command.env(SECRET_VARIABLE, &self.secret);
        command.env("KINTO_PORT", self.port.to_string()).args(["--project-name", &self.name, "--file"]);
        command.arg(project("envoy/docker-compose.yaml"));
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        command.args(arguments);
        command
    }

    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments))
    }

    pub(crate) fn up(self) -> Self {
        self.start();
        self
    }

    /// Starts everything, and waits until everything says that it is well.
    fn start(&self) {
        let _start = STARTS.read().unwrap_or_else(PoisonError::into_inner);
        self.compose(&["up", "-d"]);
        for container in self.compose(&["ps", "-a", "-q"]).lines() {
            wait_for("healthy container", || {
                let health = docker(&["inspect", "--format", "{{.State.Health.Status}}", container]);
                assert_ne!(health, "unhealthy", "{}", docker(&["inspect", container]));
                (health == "healthy").then_some(())
            });
        }
    }

    /// Stops everything, the data kept, and starts it again with these files over `envoy/docker-compose.yaml`.
    pub(crate) fn change_to(&mut self, files: &[&str]) {
        self.compose(&["down"]);
        self.files = files.iter().map(|file| project(file)).collect();
        self.start();
    }

    /// The id of a service's container, running or not.
    pub(crate) fn container(&self, service: &str) -> String {
        self.compose(&["ps", "-a", "-q", service])
    }

    /// The full name of one of the stack's networks.
    pub(crate) fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.name)
    }

    /// A request with JSON, as this user of the example's issuer or as nobody.
    pub(crate) fn call(&self, method: &str, path: &str, user: Option<&str>, body: &Value) -> Response {
        let mut headers = vec![kit::forgeries::json_type()];
        headers.extend(user.map(|user| authorization(&demo_token(user))));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::bytes(method, path.as_bytes(), &headers, body.as_bytes());
        http::exchange(self.port, &request).expect("an answer")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.command(&["logs", "--no-color", "--tail", "15"]).output();
            eprintln!(
                "{}",
                logs.map(|logs| String::from_utf8_lossy(&logs.stdout).into_owned()).unwrap_or_default()
            );
        }
        let down = self.command(&["down", "--volumes", "--remove-orphans", "--timeout", "1"]).output();
        if !down.as_ref().is_ok_and(|down| down.status.success()) {
            eprintln!("{} is still there: {down:?}", self.name);
        }
    }
}
