//! The README's examples are parts of files that other tests load, its links lead somewhere.

use std::fs;

use kinto_jwt_filter::parse_config;

use crate::servers::project;

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The fenced blocks of this language in the README.
fn blocks(language: &str) -> Vec<String> {
    let (readme, fence) = (read("README.md"), format!("```{language}\n"));
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn dedented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn every_example_is_part_of_a_file() {
    let settings = fs::read_dir(project("envoy/settings")).unwrap().map(|file| file.unwrap().path());
    let settings = settings.map(|file| fs::read_to_string(file).unwrap());
    let yaml: Vec<String> = settings.chain([read("envoy/envoy.yaml")]).map(|text| dedented(&text)).collect();
    for block in blocks("yaml") {
        assert!(yaml.iter().any(|text| text.contains(&dedented(&block))), "in no file:\n{block}");
    }
    let ini = dedented(&(read("envoy/kinto.ini") + &read("tests/compose/before.ini")));
    for line in blocks("ini").iter().flat_map(|block| block.lines()) {
        let known = ini.lines().any(|other| other == line.trim_start());
        assert!(known || line.trim() == "...", "in no .ini: {line}");
    }
}

#[test]
fn every_link_within_the_page_leads_to_a_heading() {
    let readme = read("README.md");
    let anchor = |heading: &str| heading.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
    let headings: Vec<String> = readme.lines().filter(|line| line.starts_with("##")).map(anchor).collect();
    for link in readme.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(headings.iter().any(|heading| heading == link), "{link}");
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    for page in ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        for link in read(page).split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let local = !link.starts_with("http") && !link.starts_with('#');
            assert!(!local || project(link.split('#').next().unwrap()).exists(), "{page}: {link}");
        }
    }
}

#[test]
fn the_table_of_settings_is_the_list_of_settings() {
    let error = parse_config(br#"{"x":1}"#, None).unwrap_err().to_string();
    let known = error.rsplit_once("the settings are ").unwrap().1;
    let readme = read("README.md");
    let table = readme.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '.']).next());
    // A setting that holds several has a row for each.
    let mut documented: Vec<&str> = rows.collect();
    documented.dedup();
    assert_eq!(documented, known.split(", ").collect::<Vec<_>>());
}
