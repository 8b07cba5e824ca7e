//! The codes of warnings: each is printed for some files, and is explained on a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use kit::servers::project;

use crate::files::{ini_files, text};

/// The codes in what `migrate` writes to standard error.
pub(crate) fn printed(errors: &str) -> BTreeSet<String> {
    let heads = errors.lines().filter_map(|line| line.split_once("]: ").map(|(head, _)| head));
    let lists = heads
        .filter_map(|head| ["warning[", "note[", "error["].iter().find_map(|kind| head.strip_prefix(kind)));
    lists.flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

/// The names in the first column of the tables of a page: `| name |`, or an anchor of that name.
fn rows(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(project(page)).unwrap();
    let of_row = |line: &str| {
        let code = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        let entry = line.strip_prefix("| <a id=\"").and_then(|rest| rest.split_once('"'));
        code.or(entry).map(|(name, _)| name.to_owned())
    };
    text.lines().filter_map(of_row).collect()
}

#[test]
fn each_code_is_printed_for_some_files_and_not_for_all() {
    let files = ini_files();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut noted = BTreeSet::new();
    for file in &files {
        let output = file.migrate(&file.path, &[]);
        assert_eq!(output.status.code(), Some(file.exit()), "{}: {}", file.name, text(&output.stderr));
        let errors = text(&output.stderr);
        noted.extend(errors.lines().filter(|line| line.starts_with("note[")).flat_map(printed));
        for code in printed(&errors) {
            *counts.entry(code).or_default() += 1;
        }
    }
    // The note is about what every configuration meets; a warning is about this one.
    let migrated = files.iter().filter(|file| file.exit() == 0).count();
    for (code, count) in counts.iter().filter(|(code, _)| !noted.contains(*code)) {
        assert!(*count < migrated, "{code} is printed for every file");
    }
    // The page of this command and the list of differences explain them, and no others.
    let codes: BTreeSet<String> = counts.into_keys().collect();
    let differences = rows("docs/kinto_jwt.md");
    let own = rows("docs/migrate.md");
    assert!(own.is_disjoint(&differences), "explained twice");
    assert_eq!(codes, &own | &differences);
}
