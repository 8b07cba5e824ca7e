//! What `migrate` reads in an ini file is what PasteDeploy and Kinto read in it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use kit::servers::{made, project};

use crate::files::{IniFile, ini_files};

/// What Kinto reads in each file.
fn oracle(files: &[IniFile]) -> Map<String, Value> {
    let cases: Map<String, Value> =
        files.iter().map(|file| (file.name.clone(), file.application(&file.path, &[]))).collect();
    let mut python = Command::new(made(".venv/bin/python"))
        .arg(project("tests/migrate/oracle.py"))
        .env("PYTHONPATH", project("tests/kit"))
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(Value::from(cases).to_string().as_bytes()).unwrap();
    serde_json::from_slice(&python.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_settings_are_those_that_kinto_reads() {
    let files = ini_files();
    let answers = oracle(&files);
    let (mut count, mut broken, mut wrong) = (0, 0, Vec::new());
    for file in &files {
        let name = &file.name;
        match (file.settings(), &answers[name]) {
            (Ok(ours), Value::Object(theirs)) => {
                for (setting, value) in &ours {
                    count += 1;
                    if theirs.get(setting) != Some(value) {
                        wrong.push(format!("{name}: {setting}: {value}, Kinto {:?}", theirs.get(setting)));
                    }
                }
                let unread = theirs.keys().filter(|key| key.starts_with("multiauth.policy"));
                let unread = unread.filter(|key| !ours.contains_key(*key));
                wrong.extend(unread.map(|key| format!("{name}: {key} was not read")));
            }
            (Err(_), Value::String(_)) => broken += 1,
            (Ok(_), theirs) => wrong.push(format!("{name}: Kinto says {theirs}")),
            (Err(ours), _) => wrong.push(format!("{name}: {ours}, and Kinto reads it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} files, {count} settings, {broken} that cannot be read", files.len());
    assert!(files.len() >= 40 && count > 500 && broken >= 8);
}
