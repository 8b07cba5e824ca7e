//! The report of `check` for programs: JSON of its own, and SARIF 2.1.0, which code scanning reads.

use std::process::ExitCode;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::check::Report;
use crate::cli::check::finding::{Finding, Rule};
use crate::cli::check::text::first_line;
use crate::cli::failure::Failure;
use crate::cli::output::write;

/// Writes a report to standard output.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(report: &Value) -> Result<ExitCode, Failure> {
    write(format!("{report:#}\n").as_bytes())
}

/// Lines and columns, counted from 1, columns in characters; the end is behind the last character.
struct Region {
    start: (usize, usize),
    end: (usize, usize),
}

fn region(report: &Report, finding: &Finding) -> Region {
    let line = first_line(&report.file.text, &finding.span);
    Region { start: report.file.line_and_column(line.start), end: report.file.line_and_column(line.end) }
}

/// All findings, each with the report on its file.
fn all(reports: &[Report]) -> impl Iterator<Item = (&Report, &Finding)> {
    reports.iter().flat_map(|report| report.findings.iter().map(move |finding| (report, finding)))
}

/// What was found, and what each configuration does.
pub(crate) fn report(reports: &[Report]) -> Value {
    let findings: Vec<Value> = all(reports)
        .map(|(report, finding)| {
            let Region { start, end } = region(report, finding);
            json!({
                "rule": finding.rule.code(),
                "severity": finding.rule.severity().name(),
                "message": finding.message,
                "help": finding.help,
                "file": report.file.name,
                "line": start.0,
                "column": start.1,
                "endColumn": end.1,
            })
        })
        .collect();
    let taken = reports.iter().flat_map(|report| report.taken.iter().map(move |taken| (report, taken)));
    let taken: Vec<Value> = taken
        .map(|(report, (place, lines))| {
            let words: Vec<Value> =
                lines.iter().map(|(subject, words)| json!({"subject": subject, "words": words})).collect();
            json!({"file": report.file.name, "line": report.file.line_and_column(*place).0, "does": words})
        })
        .collect();
    json!({"findings": findings, "taken": taken})
}

/// A path as a relative reference (RFC 3986), with the characters escaped that may not be in one.
fn uri(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// What may not be in a path of a URI, and a colon, which would end a scheme.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// The findings as SARIF (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).
pub(crate) fn sarif(reports: &[Report]) -> Value {
    let rules: Vec<Value> = Rule::ALL
        .iter()
        .map(|rule| json!({"id": rule.code(), "shortDescription": {"text": rule.about()}}))
        .collect();
    let results: Vec<Value> = all(reports)
        .map(|(report, finding)| {
            let Region { start, end } = region(report, finding);
            json!({
                "ruleId": finding.rule.code(),
                "level": finding.rule.severity().name(),
                "message": {"text": format!("{}; {}", finding.message, finding.help)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": uri(&report.file.name)},
                    "region": {
                        "startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1,
                    },
                }}],
            })
        })
        .collect();
    let driver = json!({"name": "kinto-jwt", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    })
}
