//! Files that are broken in thousands of ways: `check` neither panics nor hangs, and shows no secret.

use std::path::Path;

use crate::cli::check::{Report, check, json, text};
use crate::cli::document::Node;
use crate::cli::file::File;
use crate::cli::yaml::read;

/// The reports in each form, of which each finding is in the file.
fn reports(text: &str) -> [String; 3] {
    reports_of("a.yaml", text)
}

fn reports_of(name: &str, text: &str) -> [String; 3] {
    let reports: Vec<Report> =
        check(vec![File::of(name.to_owned(), text.to_owned(), name.ends_with(".json"))]);
    for finding in reports.iter().flat_map(|report| &report.findings) {
        assert!(text.get(finding.span.clone()).is_some(), "{finding:?} is not in:\n{text}");
    }
    [text::render(&reports, false), json::report(&reports).to_string(), json::sarif(&reports).to_string()]
}

/// The rules that are broken.
fn rules(text: &str) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(&reports(text)[1]).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

/// All files of YAML in this folder, and those that are written below.
fn samples() -> Vec<String> {
    let mut found = vec![
        "public_key: x\nalgorithm: [HS256]\npolicies:\n  - &a { name: é, jwks: { keys: [{ kty: oct, k: \"a\\x41\" }] } }\n  - *a\n".to_owned(),
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  data:\n    a.yaml: >2-\n        leeway: '\u{1f600}'\n    b.json: \"{\\\"leeway\\\": 1e3}\"\n".to_owned(),
        "{\"@type\": \"envoy.extensions.filters.http.wasm.v3.Wasm\", \"config\": {\"configuration\": {\"@type\": \"google.protobuf.StringValue\", \"value\": |\n {\"leeway\": \"\u{e9}\", \"issuer\": 010}\n".to_owned(),
        "!ignore a: &a !!str 1\n<<: { leeway: *a }\n? issuer\n: |+\n  a\n\n\nuserIdHeader: !!int \"010\"\n".to_owned(),
    ];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// Numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0.checked_rem(u64::try_from(end).unwrap()).unwrap_or_default()).unwrap()
    }
}

/// What replaces a piece of a file.
const PIECES: [&str; 24] = [
    "",
    "\t",
    "\r",
    "\n",
    "\r\n",
    " ",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "\u{1f600}",
    "e\u{301}",
    "{",
    "}",
    "[",
    "]",
    "- ",
    ": ",
    "&a ",
    "*a",
    "!!str ",
    "\"",
    "'",
    "|2-\n",
];

fn broken(text: &str, numbers: &mut Numbers) -> String {
    let characters: Vec<char> = text.chars().collect();
    let start = numbers.below(characters.len().saturating_add(1));
    let end = start.saturating_add(numbers.below(4)).min(characters.len());
    let piece = PIECES[numbers.below(PIECES.len())];
    characters[..start]
        .iter()
        .copied()
        .chain(piece.chars())
        .chain(characters[end..].iter().copied())
        .collect()
}

fn with_lines_moved(text: &str, numbers: &mut Numbers) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (from, to) = (numbers.below(lines.len()), numbers.below(lines.len()));
    let line = if numbers.below(2) == 0 { lines.remove(from) } else { lines[from] };
    lines.insert(to.min(lines.len()), line);
    lines.concat()
}

#[test]
fn broken_files_are_reported() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let rounds: usize = std::env::var("FUZZ_CASES").map_or(6, |rounds| rounds.parse().unwrap());
    for sample in samples() {
        let places: Vec<usize> = sample.char_indices().map(|(place, _)| place).collect();
        for _ in 0..rounds {
            let cut = places[numbers.below(places.len())];
            reports(&sample[..cut]);
            reports(&sample[cut..]);
            let once = broken(&sample, &mut numbers);
            reports(&once);
            reports(&broken(&once, &mut numbers));
            reports(&with_lines_moved(&sample, &mut numbers));
            reports_of("a.json", &once);
        }
    }
}

#[test]
fn broken_files_show_no_secret() {
    let mark = "s3cret0mark";
    let files = [
        format!(
            "algorithm: HS256\npublic_key: {mark} # {mark}\nuserIdHeader: x-{mark}\nhttp_header: X-{mark}\n\
             jwks: {{ keys: [{{ kty: oct, k: {mark} }}] }}\npolicies:\n  - {{ name: a, public_key: \"{mark}\" }}\nleeway: a\n"
        ),
        format!(
            "{{\"leeway\": \"a\", \"public_key\": \"{mark}\", \"jwks\": {{\"keys\": [{{\"kty\": \"RSA\", \"d\": \"{mark}\"}}]}}}}"
        ),
    ];
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let rounds: usize = std::env::var("FUZZ_CASES").map_or(500, |rounds| rounds.parse().unwrap());
    for file in files {
        let places: Vec<usize> = file.char_indices().map(|(place, _)| place).collect();
        for _ in 0..rounds {
            let text = match numbers.below(3) {
                0 => file[..places[numbers.below(places.len())]].to_owned(),
                1 => with_lines_moved(&file, &mut numbers),
                _ => broken(&file, &mut numbers),
            };
            // The filter says names that it does not know, and so does `check`.
            let names = |node: &Node| node.members().iter().any(|member| member.name.contains(mark));
            if read(&text, false).is_ok_and(|roots| roots.iter().flat_map(Node::all).any(names)) {
                continue;
            }
            for shown in reports(&text).into_iter().chain(reports_of("a.json", &text)) {
                assert!(!shown.to_ascii_lowercase().contains(mark), "{shown}\nfor\n{text}");
            }
        }
    }
}

#[test]
fn small_files_are_cut_at_each_character() {
    for sample in samples().iter().filter(|sample| sample.len() < 500) {
        for (place, _) in sample.char_indices() {
            reports(&sample[..place]);
        }
    }
}

#[test]
fn a_file_that_would_not_fit_is_refused() {
    let levels: String = (1..30)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")))
        .collect();
    let chain: String = (1..100_000).map(|level| format!("- &a{level} [*a{}]\n", level - 1)).collect();
    let (open, dashes) = ("[".repeat(100_000), "- ".repeat(100_000));
    let files = [
        format!("leeway: &a0 1\n{levels}"),
        format!("- &a0 1\n{chain}"),
        format!("leeway: {open}"),
        format!("issuer: {}", "{a: ".repeat(100_000)),
        format!("leeway:\n  {dashes}1"),
        format!("leeway: {}", "a: ".repeat(1000)),
    ];
    for file in files {
        assert_eq!(rules(&file), ["not-yaml"], "{}", &file[..40.min(file.len())]);
    }
}

#[test]
fn a_large_file_is_read() {
    let names: String = (0..60_000).map(|number| format!("    claim{number}: [a]\n")).collect();
    let text = format!("verifyToken: false\nrequiredClaims:\n{names}");
    assert!(text.len() > 1_000_000);
    reports(&text);
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    reports(&format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a.yaml: |\n{lines}"));
    // A finding for each line.
    let warned = text.replace("verifyToken: false", "publicKeyEnv: A").replace("[a]", "[1.5]");
    assert!(rules(&warned).len() > 60_000);
    let keys = "{ kty: oct, k: c2VjcmV0c2VjcmV0 },".repeat(20_000);
    reports(&format!("jwks: {{ keys: [{keys}] }}\n"));
}
