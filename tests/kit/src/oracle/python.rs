//! A Python program that answers one line with one line, as long as this process runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::servers::{made, project};

/// It ends at the end of its input: when this value is dropped, or the process ends.
pub(super) struct Python {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// Starts a program of `tests/kit`.
    pub(super) fn start(program: &str) -> Self {
        let mut command = Command::new(made(".venv/bin/python"));
        command.args(["-B", "-I"]).arg(project("tests/kit").join(program));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { asks: child.stdin.take(), answers, child }
    }

    /// The answer to a line.
    pub(super) fn ask(&mut self, line: &str) -> String {
        writeln!(self.asks.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "Python has stopped");
        answer
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.child.wait();
    }
}
