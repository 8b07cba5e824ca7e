//! `kinto-jwt check`: whether the filter takes the settings, what it will do with them, and what an operator should know.
//!
//! | file | what is in it |
//! |---|---|
//! | `finding.rs` | the rules: their names, and how bad it is when one is broken |
//! | `settings.rs` | rules about the settings |
//! | `envoy.rs`, `kubernetes.rs`, `issuer.rs` | rules about what is around them: Envoy, the resources of Kubernetes, the issuers |
//! | `capabilities.rs` | a rule about what Envoy lets the module do |
//! | `words.rs` | what the settings do, in words |
//! | `mask.rs` | the text of a file without secrets |
//! | `hostile.rs` | tests with files that are broken in thousands of ways |
//! | `text.rs`, `json.rs` | the report for people; for programs |

mod capabilities;
mod envoy;
mod finding;
mod guard;
#[cfg(test)]
mod hostile;
mod issuer;
mod json;
mod kubernetes;
mod mask;
mod settings;
mod text;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::check::finding::{Finding, Rule, Severity};
use crate::cli::check::words::{Lines, describe};
use crate::cli::failure::Failure;
use crate::cli::file::{File, no_configuration};
use crate::cli::plugin::{Loaded, Plugin};
use crate::cli::resource::Document;
use crate::config::settings::{ConfigError, SETTINGS};

/// The arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files of Envoy or Kubernetes with the settings of the filter, or folders of such files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// End with 1 for a warning, too
    #[arg(long)]
    strict: bool,
    /// Say nothing but what is wrong: neither what the settings do, nor what could not be checked
    #[arg(long, short)]
    quiet: bool,
    /// How to write the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// What was found in a file.
pub(crate) struct Report {
    file: File,
    findings: Vec<Finding>,
    /// The configurations that the filter takes: where each begins, in bytes, and what it does.
    taken: Vec<(usize, Lines)>,
}

/// Checks files, and writes a report to standard output.
///
/// # Errors
/// A file cannot be read, or none has a configuration of the filter.
pub(crate) fn run(arguments: &Check) -> Result<ExitCode, Failure> {
    let mut files = Vec::new();
    for path in &arguments.files {
        for path in files_below(path)? {
            files.push(File::read(&path)?);
        }
    }
    let is_empty = files.iter().all(|file| file.plugins.is_empty() && file.malformed.is_none());
    if is_empty {
        let names: Vec<String> = arguments.files.iter().map(|path| path.display().to_string()).collect();
        return Err(no_configuration(&names.join(", ")));
    }
    let reports = check(files);
    let done = match arguments.format {
        Format::Text => text::print(&reports, arguments.quiet)?,
        Format::Json => json::print(&json::report(&reports))?,
        Format::Sarif => json::print(&json::sarif(&reports))?,
    };
    let worst =
        reports.iter().flat_map(|report| &report.findings).map(|finding| finding.rule.severity()).min();
    Ok(match worst {
        Some(Severity::Error) => ExitCode::from(1),
        Some(Severity::Warning) if arguments.strict => ExitCode::from(1),
        _ => done,
    })
}

/// The file itself, or the files of YAML and JSON below a folder, in the order of their names.
fn files_below(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    add_files_below(path, &mut found).map_err(|error| Failure::at(&path.display().to_string(), error))?;
    found.sort();
    Ok(found)
}

/// A link to a folder is not followed, because it may lead into a circle; nor is what is hidden looked at.
fn add_files_below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_ours =
            path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|ours| end == *ours));
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        } else if entry.file_type()?.is_dir() {
            add_files_below(&path, found)?;
        } else if is_ours && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn check(files: Vec<File>) -> Vec<Report> {
    let loaded: Vec<Vec<_>> =
        files.iter().map(|file| file.plugins.iter().map(Plugin::load).collect()).collect();
    let documents: Vec<&Document> = files.iter().flat_map(|file| &file.documents).collect();
    let taken = loaded.iter().flatten().filter_map(|loaded| loaded.as_ref().ok());
    let hosts: Vec<String> = taken.flat_map(issuer::hosts).collect();
    let mut reports = Vec::new();
    for (file, loaded) in files.iter().zip(&loaded) {
        let mut findings = not_yaml(file);
        let mut taken = Vec::new();
        for (plugin, loaded) in file.plugins.iter().zip(loaded) {
            findings.extend(in_any_case(plugin));
            match loaded {
                Ok(loaded) => {
                    findings.extend(about(plugin, loaded, &documents));
                    taken.push((plugin.settings.span.start, describe(&loaded.config)));
                }
                Err(error) => findings.push(refused(plugin, error)),
            }
        }
        for document in &file.documents {
            findings.extend(kubernetes::of_other(&document.root, &hosts));
            findings.extend(issuer::of_rule(&document.root, &hosts));
        }
        findings.sort_by_key(|finding| (finding.rule.severity(), finding.span.start));
        reports.push((findings, taken));
    }
    files.into_iter().zip(reports).map(|(file, (findings, taken))| Report { file, findings, taken }).collect()
}

/// The fault in the words of the filter, and the setting that may be meant.
fn refused(plugin: &Plugin, error: &ConfigError) -> Finding {
    let (pointer, fault) = (error.pointer(), error.fault());
    let unknown = pointer.rsplit('/').next().filter(|_| fault.ends_with("is not a setting of this filter"));
    let meant = unknown.and_then(meant).map(|setting| format!("did you mean {setting}? "));
    Finding {
        rule: Rule::Refused,
        message: fault,
        help: meant.unwrap_or_default() + error.remedy(),
        span: plugin.settings.span_of(&pointer),
    }
}

/// The setting whose name is most like this one.
fn meant(name: &str) -> Option<&'static str> {
    /// The smallest likeness, of 1, of a name that is written wrong.
    const LIKE: f64 = 0.85;
    let likeness = |setting: &str| strsim::jaro_winkler(&name.to_lowercase(), &setting.to_lowercase());
    let names = SETTINGS.iter().map(|(setting, _)| (*setting, likeness(setting)));
    let (best, like) = names.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    (like >= LIKE).then_some(best)
}

fn not_yaml(file: &File) -> Vec<Finding> {
    let malformed = file.malformed.iter().map(|malformed| {
        let is_template = file.text.contains("{{");
        let help = if is_template {
            "a file with {{ .. }} is a template; check what it becomes: helm template CHART | kinto-jwt check -"
        } else {
            "correct the line; an indentation or a quote may be wrong in the lines before it"
        };
        Finding {
            rule: Rule::NotYaml,
            message: format!("the file is not YAML: {}", malformed.fault),
            help: help.to_owned(),
            span: malformed.position..malformed.position,
        }
    });
    malformed.collect()
}

/// What is to be said whether the filter takes the settings or not.
fn in_any_case(plugin: &Plugin) -> Vec<Finding> {
    let mut found = settings::ambiguous_scalars(plugin);
    found.extend(envoy::in_any_case(plugin));
    found.extend(kubernetes::in_any_case(plugin));
    found
}

/// What is to be said about settings that the filter takes.
fn about(plugin: &Plugin, loaded: &Loaded, documents: &[&Document]) -> Vec<Finding> {
    let mut found = settings::findings(plugin, loaded);
    found.extend(envoy::findings(plugin, loaded));
    found.extend(guard::missing(plugin, loaded));
    found.extend(kubernetes::gateway_buffer(plugin, loaded, documents));
    found.extend(issuer::findings(plugin, loaded, documents));
    found
}
