//! The pages of the README and of `docs/`: their parts, their examples, and the sections of the settings.

use std::fs;

use serde_json::{Value, json};

use crate::servers::project;
use crate::tokens::public_key;

pub fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The pages of the book.
pub fn book() -> Vec<String> {
    let files = fs::read_dir(project("docs")).unwrap().map(|file| file.unwrap().file_name());
    let pages =
        files.map(|name| format!("docs/{}", name.to_str().unwrap())).filter(|name| name.ends_with(".md"));
    pages.collect()
}

/// All pages.
pub fn pages() -> Vec<String> {
    let others = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "benches/README.md"];
    others.map(str::to_owned).into_iter().chain(book()).collect()
}

/// The text outside of fenced blocks, and the blocks, each with its language.
pub fn split_fences(text: &str) -> (String, Vec<(String, String)>) {
    let (mut outside, mut blocks) = (String::new(), Vec::new());
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 0 {
            outside += part;
        } else {
            let (language, block) = part.split_once('\n').unwrap();
            blocks.push((language.to_owned(), block.to_owned()));
        }
    }
    (outside, blocks)
}

pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let blocks = split_fences(&read(page)).1.into_iter();
    blocks.filter(|(other, _)| other == language).map(|(_, block)| block).collect()
}

/// The part of a page below this heading, to the next heading of the same level.
pub fn section(page: &str, heading: &str) -> String {
    let text = read(page);
    let after =
        text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{page}: {heading}")).1;
    after.split("\n## ").next().unwrap().to_owned()
}

pub fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

/// Settings of an example, completed with a key if it has none.
fn completed(mut settings: Value) -> Value {
    let own = settings.as_object_mut().unwrap();
    // The test has no such variable: `day_two` tries them in Envoy.
    if let Some(name) = own.remove("publicKeyEnv") {
        assert!(name.is_string());
        own.insert("public_key".into(), json!(crate::tokens::SECRET));
    }
    if let Some(ticket) = own.get_mut("ticket").and_then(Value::as_object_mut)
        && ticket.remove("secretEnv").is_some()
    {
        ticket.insert("secret".into(), json!(crate::carrier::SECRET));
    }
    if !["public_key", "jwks", "remoteJwks"].iter().any(|name| own.contains_key(*name)) {
        own.insert("public_key".into(), json!(public_key("rsa")));
    }
    settings
}

/// The text without the white space that its lines begin with.
pub fn dedented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

/// Each example on a page of the book that is settings by itself, with its page: those on the page of settings, and those
/// that are not a part of a file in `envoy`. Each has a key.
pub fn examples_of_settings() -> Vec<(String, Value)> {
    let files = fs::read_dir(project("envoy/settings")).unwrap().map(|file| file.unwrap().path());
    let texts = files.map(|file| fs::read_to_string(file).unwrap()).chain([read("envoy/envoy.yaml")]);
    let texts: Vec<String> = texts.map(|text| dedented(&text)).collect();
    let is_part = |block: &str| texts.iter().any(|text| text.contains(&dedented(block)));
    let examples = book().into_iter().flat_map(|page| {
        let blocks = blocks(&page, "yaml").into_iter();
        blocks.map(move |block| (page.clone(), block))
    });
    let own = examples.filter(|(page, block)| page == "docs/settings.md" || !is_part(block));
    own.map(|(page, block)| (page, completed(yaml(&block)))).collect()
}

/// Each part of the page of settings that begins with the name of one, of this level or deeper, with its name.
pub fn settings_sections(levels: &[&str]) -> Vec<(String, String)> {
    let text = read("docs/settings.md");
    let mut found: Vec<(String, String)> = Vec::new();
    let mut fenced = false;
    let mut inside = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let heading = (!fenced).then(|| line.split_once(' ')).flatten();
        let heading = heading.filter(|(marks, _)| !marks.is_empty() && marks.chars().all(|c| c == '#'));
        match heading {
            Some((level, name)) if levels.contains(&level) => {
                inside = name.starts_with('`');
                if inside {
                    found.push((name.trim_matches('`').to_owned(), String::new()));
                }
            }
            Some((level, _)) if level.len() < 3 => inside = false,
            _ if inside => found.last_mut().unwrap().1 += &format!("{line}\n"),
            _ => {}
        }
    }
    found
}
