//! One Kinto in each of the WSGI servers that its documentation names, on free ports, stopped when dropped.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use kit::servers::{Kinto, Process, free_port, made, project, wait_for_port};

pub(crate) struct Servers {
    waitress: Kinto,
    others: Vec<(&'static str, u16, Process)>,
    _dir: TempDir,
}

impl Servers {
    /// Starts an application, as `serve_kinto.py` takes it, in waitress, gunicorn, uWSGI and Granian.
    pub(crate) fn start(application: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("kinto_app.py");
        let quoted = Value::from(application.to_string()).to_string();
        let app = format!(
            "import json, serve_kinto\napplication = serve_kinto.application_of(json.loads({quoted}))\n"
        );
        std::fs::write(&file, app).unwrap();
        let python_path = format!("{}:{}", dir.path().display(), project("tests/kit").display());
        let run = |name: &'static str, port: u16, arguments: &[&str]| {
            let mut command = Command::new(made(&format!(".venv/bin/{name}")));
            command.args(arguments).current_dir(project("")).env("PYTHONPATH", &python_path);
            command.env("PYTHONHASHSEED", "0").env("PYTHONWARNINGS", "ignore");
            (name, port, Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::null())))
        };
        let [gunicorn, uwsgi, granian] = [(); 3].map(|()| free_port());
        let address = |port: u16| format!("127.0.0.1:{port}");
        let (file, venv) = (file.display().to_string(), project(".venv").display().to_string());
        let others = vec![
            run(
                "gunicorn",
                gunicorn,
                &["--worker-class", "gthread", "--threads", "3", "--bind", &address(gunicorn), "kinto_app"],
            ),
            run(
                "uwsgi",
                uwsgi,
                &[
                    "--http-socket",
                    &address(uwsgi),
                    "--wsgi-file",
                    &file,
                    "--virtualenv",
                    &venv,
                    "--die-on-term",
                ],
            ),
            run(
                "granian",
                granian,
                &[
                    "--interface",
                    "wsgi",
                    "--port",
                    &granian.to_string(),
                    "--workers-kill-timeout",
                    "1",
                    "kinto_app:application",
                ],
            ),
        ];
        for (_, port, _) in &others {
            wait_for_port(*port);
        }
        let waitress = Kinto::start(&serde_json::json!({"kinto": application}), None);
        Self { waitress, others, _dir: dir }
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        let ports = self.ports();
        ports.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("no server {name}")).1
    }

    pub(crate) fn ports(&self) -> Vec<(&'static str, u16)> {
        let others = self.others.iter().map(|(name, port, _)| (*name, *port));
        std::iter::once(("waitress", self.waitress.port("kinto"))).chain(others).collect()
    }
}

impl Drop for Servers {
    /// Granian's workers outlive a Granian that is killed.
    fn drop(&mut self) {
        for (_, _, process) in &mut self.others {
            process.terminate();
        }
    }
}
