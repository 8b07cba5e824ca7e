//! `kinto-jwt check`: which files it reads, and how it ends.

use std::fs;

use serde_json::Value;

use crate::check::report;
use crate::warnings::settings;
use crate::{complained, kinto_jwt};

/// Links that lead into a circle, hidden folders, and what cannot be read.
#[test]
fn folders_are_read_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path();
    fs::create_dir_all(path.join("..data/below")).unwrap();
    fs::write(path.join("..data/a.yaml"), settings("leeway: a\n")).unwrap();
    for (target, link) in
        [("..data/a.yaml", "a.yaml"), (".", "one"), ("..", "..data/two"), ("nothing", "b.yaml")]
    {
        std::os::unix::fs::symlink(target, path.join(link)).unwrap();
    }
    let report = report(path, &["."]);
    let files: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().map(|found| &found["file"]).collect();
    assert_eq!(files, ["./a.yaml"]);
    fs::write(path.join("c.yaml"), b"\xff\xfe").unwrap();
    complained(path, &["check", "."], &["c.yaml: the file is not UTF-8"]);
    fs::remove_file(path.join("c.yaml")).unwrap();
    fs::write(path.join("c d.yaml"), "a: {{ .Values.a }}\n").unwrap();
    let sarif: Value =
        serde_json::from_str(&kinto_jwt(path, &["check", "--format", "sarif", "c d.yaml"]).out).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "c%20d.yaml");
    assert!(result["message"]["text"].as_str().unwrap().contains("helm template"), "{result}");
}

#[test]
fn the_exit_code_says_what_was_found() {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |text: &str| fs::write(folder.path().join("a.yaml"), text).unwrap();
    let code = |arguments: &[&str]| kinto_jwt(folder.path(), &[&["check"], arguments].concat()).code;
    write(&settings(""));
    assert_eq!([code(&["a.yaml"]), code(&["--strict", "a.yaml"])], [0, 0]);
    write(&settings("userIdCharset: latin-1\n"));
    assert_eq!([code(&["a.yaml"]), code(&["--strict", "a.yaml"])], [0, 1]);
    write(&settings("leeway: a\n"));
    assert_eq!(
        [code(&["a.yaml"]), code(&["--format", "json", "a.yaml"]), code(&["--format", "sarif", "a.yaml"])],
        [1, 1, 1]
    );
    write("{}");
    complained(folder.path(), &["check", "a.yaml"], &["no configuration of kinto-jwt-filter", "WasmPlugin"]);
    complained(folder.path(), &["check", "b.yaml"], &["b.yaml", "No such file"]);
}
