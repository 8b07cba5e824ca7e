//! The ini files, and what their first lines say of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use kit::servers::project;

/// An ini file. Its comments name what `migrate` and Kinto are started with:
///
/// | comment | meaning | without it |
/// |---|---|---|
/// | `# app: x` | the application | `main` |
/// | `# started: x` | the application that Kinto is started as | the same |
/// | `# env: X=y` | a variable of the environment | none |
/// | `# exit: 1` | how `migrate` ends | 0 |
/// | `# key: x` | the key of `tests/keys`, or the secret, that signs tokens | `rsa` |
pub(crate) struct IniFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    comments: Vec<(String, String)>,
}

impl IniFile {
    fn comment(&self, name: &str) -> Option<&str> {
        self.comments.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn app(&self) -> &str {
        self.comment("app").unwrap_or("main")
    }

    pub(crate) fn exit(&self) -> i32 {
        self.comment("exit").map_or(0, |code| code.parse().unwrap())
    }

    pub(crate) fn key(&self) -> &str {
        self.comment("key").unwrap_or("rsa")
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let variables = self.comments.iter().filter(|(name, _)| name == "env");
        variables.map(|(_, text)| text.split_once('=').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
    }

    /// The application as `serve_kinto.py` and `oracle.py` take it, from this path, without these variables.
    pub(crate) fn application(&self, path: &Path, without: &[String]) -> Value {
        let mut environment = self.environment();
        environment.retain(|name, _| !without.contains(name));
        let app = self.comment("started").unwrap_or(self.app());
        json!({"paste": path, "app": app, "environment": environment})
    }

    /// Runs `migrate` on a file at this path, with these options.
    pub(crate) fn migrate(&self, path: &Path, options: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinto-jwt"));
        command.arg("migrate").arg(path).args(["--app", self.app()]).args(options);
        command.env_clear().envs(self.environment()).output().unwrap()
    }

    /// The settings as `migrate` reads them.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, Value>, String> {
        let environment = self.environment();
        let read = kinto_jwt_filter::cli::read_settings(&self.path, self.app(), &|name| {
            environment.get(name).cloned()
        });
        read.map(|settings| settings.into_iter().collect())
    }
}

/// All of them, by name.
pub(crate) fn ini_files() -> Vec<IniFile> {
    let paths = fs::read_dir(project("tests/migrate/ini")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<IniFile> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "ini"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let comments = text.lines().map_while(|line| line.strip_prefix("# "));
            let comments = comments.filter_map(|line| line.split_once(": "));
            IniFile {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                comments: comments.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                path,
            }
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// A copy of the file, and of those that it uses, in a folder of its own below `dir`.
pub(crate) fn copy(file: &IniFile, dir: &Path) -> PathBuf {
    let folder = dir.join(&file.name);
    fs::create_dir_all(folder.join("parts")).unwrap();
    fs::copy(project("tests/migrate/ini/parts/base.ini"), folder.join("parts/base.ini")).unwrap();
    let copy = folder.join(file.path.file_name().unwrap());
    fs::copy(&file.path, &copy).unwrap();
    copy
}

/// What a process wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
