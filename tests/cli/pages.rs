//! The pages about the command say what there is.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::printed;
use kit::pages::read;
use kit::servers::project;

#[test]
fn the_page_lists_each_rule_of_check() {
    let example = project("envoy/envoy.yaml").display().to_string();
    let sarif = printed(Path::new("."), &["check", "--format", "sarif", &example]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows: Vec<String> = rules
        .iter()
        .map(|rule| format!("| `{}` | {} |", text(&rule["id"]), text(&rule["shortDescription"]["text"])))
        .collect();
    let page = read("docs/check.md");
    let (_, table) = page.split_once("| Rule | What it is about |\n|---|---|\n").unwrap();
    assert_eq!(table.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>(), rows);
}

#[test]
fn the_page_lists_each_subcommand() {
    let help = printed(Path::new("."), &["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands: BTreeSet<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    let page = read("docs/command.md");
    let (_, table) = page.split_once("| Subcommand | What it does |\n|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| !line.is_empty());
    let cells = rows.map(|row| row.split('|').nth(1).unwrap());
    let listed: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(listed, commands.into_iter().filter(|command| *command != "help").collect());
}
