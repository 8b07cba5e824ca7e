//! `kinto-jwt explain` says what the filter decides, and shows nothing else of a token.

mod batches;
mod input;
mod order;
mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use kit::http::Headers;

/// What the command printed, and its exit code.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }
}

/// A request to explain.
#[derive(Clone, Default)]
struct Asked {
    arguments: Vec<OsString>,
}

impl Asked {
    fn new(config: &Path, now: u64) -> Self {
        Self::default().and("--config").and(config).and("--now").and(now.to_string())
    }

    fn and(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn headers(self, headers: &Headers) -> Self {
        let written = |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b": ", value].concat();
        headers.iter().fold(self, |asked, header| asked.and("--header").and(bytes(written(header))))
    }

    fn explain(&self) -> Done {
        self.with_input(None)
    }

    /// Runs the command with this file as its standard input.
    fn with_input(&self, input: Option<&Path>) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinto-jwt"));
        command.arg("explain").args(&self.arguments);
        command.stdin(input.map_or_else(Stdio::null, |path| fs::File::open(path).unwrap().into()));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The report as JSON.
    fn report(&self) -> (i32, Value) {
        let done = self.clone().and("--format").and("json").explain();
        (done.code, done.json())
    }
}

/// These bytes as an argument.
fn bytes(bytes: Vec<u8>) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes)
}

/// A folder with files of settings.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn settings(&self, name: &str, settings: &Value) -> PathBuf {
        self.write(&format!("{name}.json"), settings.to_string())
    }
}

/// What is wrong with each of these, each checked in one of four threads.
fn faults<T: Sync>(items: &[T], fault: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let share = items.len().div_ceil(4).max(1);
    thread::scope(|scope| {
        let fault = &fault;
        let threads: Vec<_> = items
            .chunks(share)
            .map(|items| scope.spawn(move || items.iter().filter_map(fault).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// The parts of tokens in a text that must not be shown: each piece that is long, but for the header of a token, which is
/// the same in many.
fn secrets(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let pieces = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+/".contains(c));
    pieces.filter(|piece| piece.len() > 30).map(str::to_owned).collect()
}
