//! The transcripts on the pages: each command is run, and what it prints is what the page shows.
//!
//! `SNAPSHOTS=overwrite cargo test --features cli --test cli transcripts` writes the pages anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use snapbox::{Assert, Data};
use tempfile::TempDir;

use kit::servers::project;

/// A block is run if its first command is one of these.
const COMMANDS: [&str; 8] = ["kinto-jwt", "cat", "cp", "diff", "echo", "grep", "ls", "printf"];

/// The pages that may have transcripts.
fn pages() -> Vec<std::path::PathBuf> {
    let book = fs::read_dir(project("docs")).unwrap().map(|file| file.unwrap().path());
    let mut pages: Vec<_> = book.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push(project("README.md"));
    pages.sort();
    pages
}

#[test]
fn each_transcript_is_what_the_commands_print() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let folder = TempDir::new().unwrap();
        copy(&project("docs/examples"), folder.path());
        let (rebuilt, run) = rebuilt(&text, folder.path());
        count += run;
        // With [..] on the page, any text will do there.
        Assert::new()
            .action_env("SNAPSHOTS")
            .normalize_paths(false)
            .eq(rebuilt, Data::read_from(&page, None));
    }
    assert!(count > 40, "{count} transcripts");
}

/// The page with what its commands print now, and how many blocks were run.
fn rebuilt(page: &str, folder: &Path) -> (String, usize) {
    let (mut text, mut count) = (String::new(), 0);
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        text += line;
        if line.trim_end() != "```console" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end() != "```").collect();
        if block.first().is_some_and(|first| is_run(first)) {
            count += 1;
            text += &transcript(&block, folder);
        } else {
            text += &block.concat();
        }
        text += "```\n";
    }
    (text, count)
}

/// Whether a line is one of the commands, maybe with variables of the environment before it.
fn is_run(line: &str) -> bool {
    let mut words = line.strip_prefix("$ ").unwrap_or_default().split_whitespace();
    words.find(|word| !word.contains('=')).is_some_and(|word| COMMANDS.contains(&word))
}

/// The commands of a block, each with what it prints and its exit code, if that is not 0. A line that begins with `>`
/// goes on with the command before.
fn transcript(block: &[&str], folder: &Path) -> String {
    let mut text = String::new();
    let mut lines = block.iter().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let mut command = command.to_owned();
        text += line;
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            command += more.strip_prefix("> ").unwrap();
            text += more;
        }
        text += &printed(&command, folder);
    }
    text
}

fn printed(command: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_kinto-jwt")).parent().unwrap();
    let mut shell = Command::new("sh");
    // Both streams are one, so that their lines are in order.
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(folder).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", binary.display())).env("LC_ALL", "C");
    let output = shell.output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    if !text.is_empty() && !text.ends_with('\n') {
        text += "\n";
    }
    match output.status.code().unwrap() {
        0 => text,
        code => format!("{text}[exit {code}]\n"),
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copied = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &copied);
        } else {
            fs::copy(file.path(), copied).unwrap();
        }
    }
}
