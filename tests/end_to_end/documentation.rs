//! What the README and the pages of `docs/` say is true of the parser, of the code and of the files that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kinto_jwt_filter::parse_config;
use serde_json::{Value, json};

use kit::carrier;
use kit::pages::{
    blocks, book, dedented, examples_of_settings, pages, read, section, settings_sections, split_fences, yaml,
};
use kit::servers::{demo_config, envoy, manager, project, wasm};
use kit::tokens::public_key;

/// The names in backticks that the rows of a table begin with.
fn rows(section: &str) -> BTreeSet<String> {
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

/// What the parser makes of settings.
fn parsed(settings: &Value) -> Result<String, String> {
    let config = parse_config(settings.to_string().as_bytes(), None);
    config.map(|config| format!("{config:?}")).map_err(|error| error.to_string())
}

#[test]
fn each_setting_has_a_section_in_the_order_of_the_parser() {
    let error = parse_config(br#"{"x":1}"#, None).unwrap_err().to_string();
    let known = error.rsplit_once("the settings are ").unwrap().1;
    let sections = settings_sections(&["##"]);
    let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, known.split(", ").collect::<Vec<_>>());
    for (name, text) in settings_sections(&["##", "###"]) {
        assert!(text.contains("\nType: ") && text.contains(" Since 0."), "{name}: type, since when");
    }
    for (name, text) in sections {
        assert!(text.contains(" Default: ") && text.contains("```yaml\n"), "{name}: default, example");
    }
}

#[test]
fn each_documented_default_is_the_parsers() {
    let remote = json!({"uri": "https://issuer.example/keys", "cluster": "issuer"});
    let discovery = json!({"discovery": true, "cluster": "issuer"});
    let minimal = [
        json!({"public_key": public_key("rsa")}),
        json!({"remoteJwks": remote}),
        json!({"remoteJwks": discovery, "issuer": "https://issuer.example"}),
        json!({"public_key": public_key("rsa"), "ticket": {"secret": carrier::SECRET}}),
    ];
    let mut count = 0;
    for (name, text) in settings_sections(&["##", "###"]) {
        let Some(default) = text.split_once("Default: ").map(|(_, rest)| rest) else { continue };
        let value = match default.strip_prefix('`') {
            Some(rest) => yaml(rest.split_once("`.").unwrap().0),
            None => Some(Value::Null).filter(|_| default.starts_with("none.")).expect(&name),
        };
        let mut fits = false;
        for settings in minimal.iter().filter(|settings| name != "ticket" || settings.get("ticket").is_none())
        {
            let mut written_out = settings.clone();
            match name.split_once('.') {
                Some((parent, member)) => written_out[parent][member] = value.clone(),
                None => written_out[&name] = value.clone(),
            }
            if let Ok(config) = parsed(&written_out) {
                assert_eq!(config, parsed(settings).unwrap(), "{name}: the default is not {value}");
                fits = true;
            }
        }
        assert!(fits, "{name}: {value} cannot be written");
        count += 1;
    }
    assert!(count > 35, "{count} defaults");
}

#[test]
fn each_yaml_example_is_accepted_or_part_of_a_file_that_is() {
    let examples = examples_of_settings();
    for (page, settings) in &examples {
        parsed(settings).unwrap_or_else(|error| panic!("{page}: {error}:\n{settings}"));
    }
    assert!(examples.len() > 30, "{} examples", examples.len());
}

#[test]
fn each_line_for_kinto_is_in_a_file_that_is_loaded() {
    // `ticket` loads those of its page, and each test without a ticket those for the header.
    let pages_own = blocks("docs/ticket.md", "ini").concat();
    let ini = dedented(&(read("envoy/kinto.ini") + &read("tests/compose/before.ini") + &pages_own));
    for page in pages() {
        for line in blocks(&page, "ini").iter().flat_map(|block| block.lines()) {
            let known = ini.lines().any(|other| other == line.trim_start());
            assert!(known || line.trim() == "...", "{page}: in no .ini: {line}");
        }
    }
}

#[test]
fn the_readme_is_short_and_envoy_accepts_its_configuration() {
    assert!(read("README.md").lines().count() < 120, "a page for its first reader");
    let mut config = demo_config(1);
    let listener = &mut config["static_resources"]["listeners"][0];
    let demo = wasm(listener).clone();
    let examples = blocks("README.md", "yaml");
    let [example] = examples.as_slice() else { panic!("one configuration, not {}", examples.len()) };
    manager(listener)["http_filters"][0] = yaml(example)[0].take();
    let plugin = wasm(listener);
    let code = "/vm_config/code";
    let (path, demo_code) = (plugin.pointer(code).unwrap().to_string(), demo.pointer(code).unwrap().clone());
    assert!(path.contains("target/wasm32-wasip1/release/kinto_jwt_filter.wasm"), "{path}");
    *plugin.pointer_mut(code).unwrap() = demo_code;
    let key = plugin.pointer_mut("/configuration/value/public_key").unwrap();
    assert!(key.as_str().unwrap().contains("\n... the key of your issuer\n"), "a key of nobody's: {key}");
    *key = json!(public_key("rsa"));
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("envoy.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let mut envoy = envoy();
    envoy.args(["--mode", "validate", "--use-dynamic-base-id", "--config-path"]).arg(&file);
    let output = envoy.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a forge and mdBook make of the headings of a page, and the anchors in its tables.
fn anchors(page: &Path) -> BTreeSet<String> {
    let outside = split_fences(&fs::read_to_string(page).unwrap()).0;
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let ids = outside.split("<a id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    headings.map(slug).chain(ids).collect()
}

#[test]
fn each_link_leads_somewhere() {
    for page in pages() {
        let (text, _) = split_fences(&read(&page));
        let folder = project(&page).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, id)| (path, Some(id)));
            let target = if path.is_empty() { project(&page) } else { folder.join(path) };
            assert!(target.exists(), "{page}: {link}");
            // The book has nothing but its pages: they name other files without a link.
            let in_book = path.is_empty() || (path.ends_with(".md") && !path.contains('/'));
            assert!(!page.starts_with("docs/") || in_book, "{page}: {link} leads out of the book");
            if let Some(anchor) = anchor {
                assert!(anchors(&target).contains(anchor), "{page}: {link}: {:?}", anchors(&target));
            }
        }
    }
}

#[test]
fn each_page_is_in_the_summary() {
    let summary = read("docs/SUMMARY.md");
    for page in
        book().iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "SUMMARY.md")
    {
        assert!(summary.contains(&format!("]({page})")), "{page}");
    }
}

/// The words for this enum's variants, from the source.
fn codes(name: &str) -> BTreeSet<String> {
    fn sources(folder: PathBuf) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(
                |path| if path.is_dir() { sources(path) } else { vec![fs::read_to_string(path).unwrap()] },
            )
            .collect()
    }
    let sources = sources(project("src"));
    let source = sources.iter().find(|text| text.contains(&format!("enum {name} {{"))).unwrap();
    let implementation = source.split_once(&format!("impl {name} {{")).unwrap().1;
    let code = implementation.split_once("fn code(self)").unwrap().1.split_once("\n    }\n").unwrap().0;
    code.lines()
        .filter_map(|line| Some(line.split_once("=> \"")?.1.strip_suffix("\",")?.to_owned()))
        .collect()
}

#[test]
fn each_reason_is_explained() {
    assert_eq!(rows(&section("docs/operating.md", "Rejections")), codes("Rejection"));
    assert_eq!(rows(&section("docs/batches.md", "What is refused")), codes("Refusal"));
    let mut results = rows(&section("docs/operating.md", "Results of fetches"));
    assert!(results.remove("ok"));
    assert_eq!(results, codes("FetchFault"));
    assert!(results.len() > 5);
}

#[test]
fn each_metric_and_each_alert_is_listed() {
    let rules: Value = yaml(&read("envoy/prometheus/kinto-jwt.rules.yaml"));
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    let dashboard: Value = serde_json::from_str(&read("envoy/grafana/kinto-jwt.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = targets.chain(&rules).map(|target| target["expr"].as_str().unwrap());
    let metrics = queries
        .flat_map(|query| query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with("kinto_jwt_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned());
    assert_eq!(rows(&section("docs/operating.md", "Metrics")), metrics.collect());
    let alerts = rules.iter().map(|rule| rule["alert"].as_str().unwrap().to_owned());
    assert_eq!(rows(&section("docs/operating.md", "Alerts")), alerts.collect());
}
