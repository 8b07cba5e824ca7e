//! The report of `check` for people: each finding beside the line of the file, as rustc writes it.

use std::fmt::Write;
use std::ops::Range;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::cli::check::Report;
use crate::cli::check::finding::{Finding, Rule, Severity};
use crate::cli::check::mask::masked;
use crate::cli::failure::Failure;
use crate::cli::output::write;

/// Writes the report to standard output, with colours if that is a terminal.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(reports: &[Report], is_quiet: bool) -> Result<ExitCode, Failure> {
    write(render(reports, is_quiet).as_bytes())
}

/// The report, with colours.
pub(crate) fn render(reports: &[Report], is_quiet: bool) -> String {
    let mut text = String::new();
    for report in reports {
        let shown = masked(&report.file);
        let is_shown = |finding: &&Finding| !is_quiet || finding.rule.severity() != Severity::Note;
        for finding in report.findings.iter().filter(is_shown) {
            text.push_str(&Renderer::styled().render(&groups(report, finding, &shown)));
            text.push_str("\n\n");
        }
        for (place, lines) in report.taken.iter().filter(|_| !is_quiet) {
            let (line, _) = report.file.line_and_column(*place);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{}:{line}: the filter takes these settings", report.file.name);
            for (subject, words) in lines {
                let _ = writeln!(text, "  {subject:<14} {words}");
            }
            text.push('\n');
        }
    }
    let text = text.trim_end_matches('\n');
    let end = if text.is_empty() { "" } else { "\n" };
    format!("{text}{end}")
}

fn groups<'r>(report: &'r Report, finding: &'r Finding, shown: &'r str) -> Vec<Group<'r>> {
    let level = match finding.rule.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(finding.message.as_str()).id(finding.rule.code());
    let group = if finding.rule == Rule::NotYaml {
        // What is secret in a text that is not understood is not known: no line of it is shown.
        let (line, column) = report.file.line_and_column(finding.span.start);
        title.element(Origin::path(report.file.name.as_str()).line(line).char_column(column))
    } else {
        let Range { start, end } = first_line(shown, &finding.span);
        // The line alone: to look for it in the whole text, for each finding, would take long.
        let begin = shown
            .get(..start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |place| place.saturating_add(1));
        let line = shown.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let (number, _) = report.file.line_and_column(start);
        let span = start.saturating_sub(begin)..end.saturating_sub(begin);
        title.element(
            Snippet::source(line)
                .line_start(number)
                .path(report.file.name.as_str())
                .annotation(AnnotationKind::Primary.span(span)),
        )
    };
    vec![group.element(Level::HELP.message(finding.help.as_str()))]
}

/// The part of a place that is in its first line.
pub(crate) fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let place = text.get(span.clone()).unwrap_or_default();
    let line = place.lines().next().unwrap_or_default().trim_end();
    span.start..span.start.saturating_add(line.len())
}
