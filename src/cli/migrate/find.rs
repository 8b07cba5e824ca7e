//! How PasteDeploy finds the file and the section that a name means.
//!
//! Source: `ConfigLoader.find_config_section` and `_loadconfig` in `paste/deploy/loadwsgi.py` of PasteDeploy 3.1.

use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::cli::failure::Failure;
use crate::cli::migrate::ini::{Ini, Section, strip};

/// The beginnings of the names of sections that are applications (`_App.config_prefixes`). Those in one row are the
/// same.
const PREFIXES: [&[&str]; 4] =
    [&["app", "application"], &["composite", "composit"], &["pipeline"], &["filter-app"]];

/// The scheme and the rest of a name such as `egg:kinto`; `None` for the name of a section.
pub(crate) fn scheme(name: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = name.split_once(':')?;
    (!scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some((scheme, rest))
}

/// The path and the name of the application in `config:path#name`. A relative path is relative to the file `from`.
pub(crate) fn config_uri(uri: &str, from: &Path) -> Result<(PathBuf, String), Failure> {
    let (_, rest) = scheme(uri).unwrap_or_default();
    let (path, name) = rest.split_once('#').unwrap_or((rest, "main"));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| {
        Failure::at(&from.display().to_string(), format!("use = {uri} has a path that is not UTF-8"))
    })?;
    let path = from.parent().unwrap_or(Path::new("")).join(path.trim());
    Ok((path, name.to_owned()))
}

/// `ConfigLoader.find_config_section`.
pub(crate) fn find_section<'f>(ini: &'f Ini, file: &str, name: &str) -> Result<&'f Section, Failure> {
    let mut found: Vec<&Section> = Vec::new();
    for prefixes in PREFIXES {
        let of = |prefix: &&str| -> Vec<&'f Section> {
            let is_named = |section: &&Section| {
                let after = section.name.strip_prefix(*prefix).and_then(|rest| rest.strip_prefix(':'));
                after.is_some_and(|rest| strip(rest) == name)
            };
            ini.sections.iter().filter(is_named).collect()
        };
        found.extend(prefixes.iter().map(of).find(|sections| !sections.is_empty()).unwrap_or_default());
    }
    match found.as_slice() {
        [section] => Ok(section),
        [] => Err(Failure::at(file, format!("has no section [app:{name}]; name the application with --app"))),
        _ => Err(Failure::at(file, format!("has several sections for the application {name}; keep one"))),
    }
}

/// The one application of those that the paths of a composite lead to.
pub(crate) fn only_app(file: &str, section: &str, mut apps: Vec<&str>) -> Result<String, Failure> {
    apps.sort_unstable();
    apps.dedup();
    match apps.as_slice() {
        [app] => Ok((*app).to_owned()),
        _ => Err(Failure::at(
            file,
            format!("[{section}] leads to {}; name Kinto's application with --app", apps.join(", ")),
        )),
    }
}

/// Python's `os.path.abspath`: without `.` and `..`, links are not followed.
pub(crate) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        if component == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    Ok(plain)
}
