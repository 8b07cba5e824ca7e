//! What is written where: files with all that belongs into them, and standard output without secrets.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::cli::failure::Failure;
use crate::cli::migrate::convert::Converted;
use crate::cli::migrate::envoy::with_settings;
use crate::cli::migrate::mask::Mask;
use crate::cli::migrate::paste::{File, Loader};
use crate::cli::migrate::rewrite::Changes;
use crate::cli::migrate::warnings::{EVERYWHERE, Warnings};
use crate::cli::migrate::yaml::fits_variable;
use crate::cli::output::write;

/// What the old ini file is called beside the new one.
const BEFORE: &str = "before-migrate";

/// Lines above and below a change that are shown: none, because any setting may hold a secret.
const CONTEXT: usize = 0;

/// The files to write.
pub(crate) struct Target<'t> {
    /// For the settings of the filter.
    pub(crate) settings: Option<&'t Path>,
    /// For a configuration of Envoy with them.
    pub(crate) envoy: Option<&'t Path>,
    /// For the changed ini file.
    pub(crate) ini: Option<&'t Path>,
    /// Whether the ini files themselves are changed.
    pub(crate) in_place: bool,
}

impl Target<'_> {
    /// Writes everything.
    ///
    /// # Errors
    /// A file is there already, or cannot be written.
    pub(crate) fn write(
        &self,
        loader: &Loader,
        changes: &Changes,
        converted: &Converted,
        yaml: &str,
    ) -> Result<(), Failure> {
        let holds_secret = converted.secret.as_deref().is_some_and(|secret| !fits_variable(secret));
        let changed =
            || changes.files.iter().filter_map(|(number, text)| Some((loader.files.get(*number)?, text)));
        let copies = changed().filter(|_| self.in_place).map(|(file, _)| beside(&file.path));
        let new =
            copies.chain([self.settings, self.envoy, self.ini].into_iter().flatten().map(Path::to_owned));
        // Before anything is written.
        if let Some(file) = new.into_iter().find(|file| file.exists()) {
            return Err(is_there(&file));
        }
        let mut shown = String::new();
        match self.settings {
            Some(file) => write_new(file, yaml, None)?,
            None if self.envoy.is_some() => {}
            None if holds_secret => {
                return Err(Failure::new(
                    "the settings must hold the secret, because it begins or ends with white space; write them to a file \
                     with --settings-out, and not to standard output",
                ));
            }
            None => shown.push_str(yaml),
        }
        if let Some(file) = self.envoy {
            write_new(file, &with_settings(yaml), None)?;
        }
        if self.in_place {
            // All copies first: a file is changed when the old text of each is safe.
            for (file, _) in changed() {
                write_new(&beside(&file.path), &file.text, Some(&file.path))?;
            }
            for (file, text) in changed() {
                fs::write(&file.path, text).map_err(|error| at(&file.path, error))?;
            }
        } else {
            let mut rest = changed();
            if let Some(out) = self.ini
                && let Some((file, text)) = rest.next()
            {
                write_new(out, text, Some(&file.path))?;
            }
            // What other files must lose is shown.
            for (file, text) in rest {
                if !shown.is_empty() {
                    shown.push('\n');
                }
                shown.push_str(&diff(file, text));
            }
        }
        write(shown.as_bytes()).map(|_| ())
    }
}

fn at(file: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::at(&file.display().to_string(), error)
}

fn is_there(file: &Path) -> Failure {
    at(file, "is there already; give another name, or move it away")
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(BEFORE);
    name.into()
}

/// Writes a file that must not be there yet, for its owner alone, or with the permissions of another file.
fn write_new(path: &Path, text: &str, like: Option<&Path>) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(path),
        _ => at(path, error),
    })?;
    if let Some(other) = like {
        let permissions = fs::metadata(other).map_err(|error| at(other, error))?.permissions();
        file.set_permissions(permissions).map_err(|error| at(path, error))?;
    }
    file.write_all(text.as_bytes()).map_err(|error| at(path, error))
}

/// The changes of a file as a unified diff without secrets.
fn diff(file: &File, changed: &str) -> String {
    let mask = Mask::new(&file.ini);
    let name = file.path.display().to_string();
    let diff = TextDiff::from_lines(file.text.as_str(), changed);
    let diff = diff.unified_diff().context_radius(CONTEXT).header(&name, &name).to_string();
    diff.split_inclusive('\n')
        .map(|line| match line.split_at_checked(1) {
            Some((sign @ (" " | "+" | "-"), rest))
                if !line.starts_with("---") && !line.starts_with("+++") =>
            {
                format!("{sign}{}", mask.apply(rest))
            }
            _ => line.to_owned(),
        })
        .collect()
}

/// Writes the warnings to standard error.
pub(crate) fn print_warnings(warnings: &Warnings) {
    for warning in &warnings.0 {
        eprintln!("warning[{}]: {}", warning.code, warning.words);
    }
    eprintln!(
        "note[{}]: The filter differs from kinto_jwt in these points with every configuration. docs/kinto_jwt.md explains \
         them, and the other codes that are in its table.",
        EVERYWHERE.join(", ")
    );
}
