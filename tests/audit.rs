//! That each check of `make audit` can fail: what it forbids is put before it, and it says no.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::Command;

use kit::servers::{made, project};
use tempfile::TempDir;

/// Whether the command ended well, and all that it said.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.current_dir(project("")).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// cargo-deny, as the Makefile has installed it.
fn cargo_deny() -> String {
    let path = std::env::var("CARGO_DENY").expect("run `make audit`, which sets CARGO_DENY");
    made(&path).display().to_string()
}

/// What cargo-deny says with this in the place of that in `deny.toml`.
fn check(which: &str, from: &str, to: &str) -> (bool, String) {
    let dir = TempDir::new().unwrap();
    let text = fs::read_to_string(project("deny.toml")).unwrap();
    assert!(text.contains(from), "deny.toml has no {from}");
    let config = dir.path().join("deny.toml");
    fs::write(&config, text.replace(from, to)).unwrap();
    run(Command::new(cargo_deny()).args(["--locked", "--workspace", "--config"]).arg(config).args([
        "check",
        "--hide-inclusion-graph",
        which,
    ]))
}

/// `make audit` has just shown that `deny.toml` as it is has nothing to say.
#[test]
fn what_is_not_allowed_is_refused() {
    for (which, from, to, words) in [
        ("licenses", r#"{ crate = "foldhash", allow = ["Zlib"] },"#, "", "foldhash"),
        (
            "licenses",
            r#"allow = ["Apache-2.0", "MIT"]"#,
            r#"allow = ["Apache-2.0", "MIT", "AGPL-3.0"]"#,
            "AGPL-3.0",
        ),
        ("bans", r#"{ crate = "syn@2","#, r#"{ crate = "syn@1","#, "duplicate entries for crate 'syn'"),
        ("bans", "allow-wildcard-paths = true", "allow-wildcard-paths = false", "wildcard"),
        (
            "sources",
            "https://github.com/rust-lang/crates.io-index",
            "https://registry.example",
            "crates.io-index",
        ),
    ] {
        let (is_good, said) = check(which, from, to);
        assert!(!is_good && said.contains(words), "{which} without {from}: {said}");
    }
}

/// A database of advisories in a folder, as RustSec's is, with these: id, crate, the first version that is mended. The
/// last change is of this day.
fn database(advisories: &[(&str, &str, &str)], day: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (id, name, patched) in advisories {
        let folder = dir.path().join("crates").join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{name}\"\ndate = \"2020-01-01\"\n\n\
             [versions]\npatched = [\">= {patched}\"]\n```\n\n# Made up\n\nFor a test.\n"
        );
        fs::write(folder.join(format!("{id}.md")), text).unwrap();
    }
    let git = |arguments: &[&str]| {
        let (is_good, said) = run(Command::new("git")
            .arg("-C")
            .arg(dir.path())
            .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
            .args(arguments)
            .envs([("GIT_AUTHOR_DATE", day), ("GIT_COMMITTER_DATE", day)]));
        assert!(is_good, "git {arguments:?}: {said}");
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=advisories"]);
    dir
}

fn advisories(database: Option<&Path>) -> (bool, String) {
    let mut command = Command::new("sh");
    command.arg(project("build/advisories.sh")).arg(cargo_deny()).env_remove("ADVISORY_DB");
    run(command.envs(database.map(|folder| ("ADVISORY_DB", folder))))
}

#[test]
fn an_advisory_is_found_and_what_was_not_checked_is_never_called_good() {
    let (is_good, said) = advisories(None);
    assert_eq!((is_good, said.as_str()), (true, "advisories: not checked: no database\n"));

    let today = &now_for_git();
    // The one that deny.toml accepts, and one of a version that is older than ours.
    let accepted = [("RUSTSEC-2023-0071", "rsa", "99.0.0"), ("RUSTSEC-2020-0002", "quick_cache", "0.1.0")];
    let (is_good, said) = advisories(Some(database(&accepted, today).path()));
    assert!(is_good && said.contains("advisories ok"), "{said}");
    assert!(said.contains(&format!("checked with the database of {}", &today[..10])), "{said}");

    let found = [accepted[0], ("RUSTSEC-2020-0001", "quick_cache", "99.0.0")];
    let (is_good, said) = advisories(Some(database(&found, today).path()));
    assert!(!is_good && said.contains("RUSTSEC-2020-0001") && !said.contains("checked with"), "{said}");

    // Old, empty, and not there.
    let (is_good, said) = advisories(Some(database(&accepted, "2020-01-01T00:00:00Z").path()));
    assert!(!is_good && said.contains("not checked: the database ends at 2020-01-01"), "{said}");
    let empty = TempDir::new().unwrap();
    for folder in [empty.path(), &empty.path().join("none")] {
        let (is_good, said) = advisories(Some(folder));
        assert!(!is_good && !said.contains("checked with"), "{said}");
    }
}

/// The time now, as Git reads it.
fn now_for_git() -> String {
    let (_, now) = run(Command::new("date").args(["-u", "+%FT%TZ"]));
    now.trim().to_owned()
}
