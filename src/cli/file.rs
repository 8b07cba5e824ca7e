//! A file of the operator: its text, and the configurations of the filter in it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::plugin::{Plugin, find};
use crate::cli::resource::{Document, documents};
use crate::cli::yaml::Malformed;

/// A file of the operator.
pub(crate) struct File {
    /// Its name in messages.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) documents: Vec<Document>,
    pub(crate) plugins: Vec<Plugin>,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// Why it is not YAML; then it has no documents.
    pub(crate) malformed: Option<Malformed>,
}

impl File {
    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be read, or it is not UTF-8.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let text = if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Failure::at(&name, "the file is not UTF-8; save it as UTF-8"),
            _ => Failure::at(&name, error),
        })?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        // Standard input has no name that would tell.
        let is_json = is_json || path == Path::new("-") && text.trim_start().starts_with('{');
        Ok(Self::of(name, text, is_json))
    }

    /// A file with this text.
    pub(crate) fn of(name: String, text: String, is_json: bool) -> Self {
        let found = documents(&text, is_json).and_then(|documents| {
            let plugins =
                documents.iter().map(|document| find(document, &text)).collect::<Result<Vec<_>, _>>()?;
            Ok((documents, plugins.into_iter().flatten().collect()))
        });
        let ((documents, plugins), malformed) = match found {
            Ok(found) => (found, None),
            Err(malformed) => ((Vec::new(), Vec::new()), Some(malformed)),
        };
        let after = text.match_indices('\n').map(|(end, _)| end.saturating_add(1));
        let lines = std::iter::once(0).chain(after).collect();
        Self { name, text, documents, plugins, lines, malformed }
    }

    /// Reads a file for one configuration: the only one in it, or the one of this number, counted from 1.
    ///
    /// # Errors
    /// The file cannot be read, or has no such configuration, or several and no number says which.
    pub(crate) fn read_one(path: &Path, number: Option<usize>) -> Result<(Self, Plugin), Failure> {
        let file = Self::read(path)?;
        if let Some(malformed) = &file.malformed {
            let (line, column) = file.line_and_column(malformed.position);
            return Err(Failure::new(format!("{}:{line}:{column}: {}", file.name, malformed.fault)));
        }
        let index = number.unwrap_or(1).checked_sub(1);
        let plugin = match (file.plugins.as_slice(), index.and_then(|index| file.plugins.get(index))) {
            ([], _) => return Err(no_configuration(&file.name)),
            ([_, _, ..], _) if number.is_none() => {
                let lines =
                    file.plugins.iter().map(|plugin| file.line_and_column(plugin.settings.span.start).0);
                let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
                return Err(Failure::at(
                    &file.name,
                    format!(
                        "has several configurations, in lines {}: say which, by --configuration 1",
                        lines.join(", ")
                    ),
                ));
            }
            (_, Some(plugin)) => plugin.clone(),
            (plugins, None) => {
                return Err(Failure::at(
                    &file.name,
                    format!("has {} configurations, no more", plugins.len()),
                ));
            }
        };
        Ok((file, plugin))
    }

    /// The line and the column of a place in the text, each counted from 1, the column in characters.
    pub(crate) fn line_and_column(&self, position: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begin| *begin <= position);
        let begin = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default();
        let before = self.text.get(begin..position).or_else(|| self.text.get(begin..)).unwrap_or_default();
        let column = before.chars().count().saturating_add(1);
        (line, column)
    }
}

/// There is nothing to do in files of these names.
pub(crate) fn no_configuration(names: &str) -> Failure {
    Failure::at(
        names,
        "no configuration of kinto-jwt-filter was found; give Envoy's configuration, a WasmPlugin, a TrafficExtension, \
         an EnvoyExtensionPolicy, a ConfigMap with one of them, or the settings alone",
    )
}
