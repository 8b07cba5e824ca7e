//! The changed ini files, read again: Kinto must read in them what was meant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::migrate::paste::{Globals, Loader};
use crate::cli::migrate::policy::{class_of, setting_of};
use crate::cli::migrate::rewrite::{Before, CLASS, Changes, ENVIRON_KEY, INCLUDES, PACKAGE, REDIRECTS};
use crate::cli::migrate::settings::{Effective, KintoSettings, is_on, load, words};

/// Reads the changed files again, and checks that Kinto will read what was meant.
///
/// # Errors
/// It will not: a fault of this command.
pub(crate) fn check(
    before: &Before<'_>,
    changes: &Changes,
    first: (&Path, &str),
    globals: &Globals,
) -> Result<(), Failure> {
    let settings = read_again(before, changes, first, globals)?;
    let policies = before.policies;
    let environ_key = json!(ENVIRON_KEY);
    let own = policies.settings(&settings);
    let names = settings.get("multiauth.policies").map(|list| words(&list.value)).unwrap_or_default();
    let holds_package = |name: &str| {
        settings.get(name).is_some_and(|list| words(&list.value).iter().any(|word| word == PACKAGE))
    };
    let is_as_meant = class_of(&settings, &policies.ours) == Some(CLASS)
        && own == [("environ_key", &environ_key)]
        && names == policies.ours_first()
        && REDIRECTS
            .iter()
            .all(|name| settings.get(*name).is_some_and(|flag: &Effective| !is_on(&flag.value)))
        && !INCLUDES.iter().any(|name| holds_package(name))
        && others_stay(before.settings, &settings, &setting_of(&policies.ours, ""));
    if is_as_meant {
        return Ok(());
    }
    Err(Failure::at(
        &first.0.display().to_string(),
        "the changed file would not say what it must; nothing was written. Change it by hand, as docs/kinto_jwt.md \
         shows, and report this file, without its secrets",
    ))
}

/// The settings of an application in the changed files, without the variables that the operator is told to remove.
fn read_again(
    before: &Before<'_>,
    changes: &Changes,
    (path, app): (&Path, &str),
    globals: &Globals,
) -> Result<KintoSettings, Failure> {
    let path_of = |file: &usize| before.loader.files.get(*file).map(|file| file.path.clone());
    let changed: BTreeMap<PathBuf, String> =
        changes.files.iter().filter_map(|(file, text)| Some((path_of(file)?, text.clone()))).collect();
    let app = Loader::new(changed).app(path, app, globals)?;
    let left = |name: &str| {
        (before.environment)(name).filter(|_| !changes.variables.iter().any(|gone| gone == name))
    };
    load(&app.settings, &left)
}

/// The other applications of the first file that read the changed lines: they trust the identity header, too.
pub(crate) fn sharing(
    before: &Before<'_>,
    changes: &Changes,
    first: (&Path, &str),
    globals: &Globals,
) -> Vec<String> {
    let sections = before.loader.files.first().map(|file| file.ini.sections.as_slice()).unwrap_or_default();
    let names = sections.iter().filter_map(|section| section.name.strip_prefix("app:"));
    let trusts = |name: &&str| {
        let settings = read_again(before, changes, (first.0, name), globals);
        settings.is_ok_and(|settings| class_of(&settings, &before.policies.ours) == Some(CLASS))
    };
    names.filter(|name| *name != first.1).filter(trusts).map(str::to_owned).collect()
}

/// Whether the settings that the migration does not touch are what they were.
fn others_stay(before: &KintoSettings, after: &KintoSettings, policy: &str) -> bool {
    let is_other = |name: &&String| {
        !name.starts_with(policy)
            && *name != "multiauth.policies"
            && !REDIRECTS.contains(&name.as_str())
            && !INCLUDES.contains(&name.as_str())
    };
    let values = |settings: &KintoSettings| -> BTreeMap<String, Value> {
        let others = settings.iter().filter(|(name, _)| is_other(name));
        others.map(|(name, setting)| (name.clone(), setting.value.clone())).collect()
    };
    values(before) == values(after)
}
