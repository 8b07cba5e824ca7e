//! What `migrate` writes: no secret where it is shown, nothing over a file that is there.

use std::fs;

use tempfile::TempDir;

use crate::files::{copy, ini_files, text};

#[test]
fn no_secret_is_shown() {
    for file in ini_files() {
        let output = file.migrate(&file.path, &[]);
        let shown = text(&output.stdout) + &text(&output.stderr);
        for secret in [
            file.key(),
            "the-hmac-secret",
            "pässword",
            "an-older-one",
            "too-short",
            "correct-horse",
            "BEGIN PRIVATE",
        ] {
            let is_name = secret.len() < 9 && !secret.contains("word");
            assert!(is_name || !shown.contains(secret), "{}: {secret}:\n{shown}", file.name);
        }
    }
}

#[test]
fn files_are_written_whole_and_over_none() {
    let files = ini_files();
    for name in ["algorithm-hs256", "line-ends", "comments", "use-config"] {
        let file = files.iter().find(|file| file.name == name).unwrap();
        let dir = TempDir::new().unwrap();
        let path = copy(file, dir.path());
        let old = fs::read(&path).unwrap();
        let new = path.with_extension("new");
        let output = file.migrate(&path, &["--ini-out", new.to_str().unwrap()]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert_eq!(fs::read(&path).unwrap(), old, "{name}: the file itself stays");
        let written = fs::read_to_string(&new).unwrap();
        assert!(written.contains("RemoteUserAuthenticationPolicy"), "{name}");
        assert!(name == "use-config" || written.contains("the-hmac-secret"), "{name}: its secrets are there");
        assert_eq!(written.matches('\n').count(), written.lines().count(), "{name}");
        assert_eq!(written.contains("\r\n"), name == "line-ends", "{name}");
        assert!(name != "line-ends" || !written.replace("\r\n", "").contains('\n'), "{name}");

        let again = file.migrate(&path, &["--ini-out", new.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(2), "{name}");
        assert!(text(&again.stderr).contains("is there already"), "{name}: {}", text(&again.stderr));

        let output = file.migrate(&path, &["--in-place"]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert_eq!(fs::read_to_string(&path).unwrap(), written, "{name}: the same in place");
        let kept = path.with_file_name(format!("{name}.ini.before-migrate"));
        assert_eq!(fs::read(kept).unwrap(), old, "{name}: the old one is beside it");
        // There is nothing to migrate any more.
        assert_eq!(file.migrate(&path, &["--in-place"]).status.code(), Some(2), "{name}");
    }
}
