//! `kinto-jwt migrate`: from Kinto's ini file with `kinto_jwt` to the settings of the filter, and to the ini file for Kinto
//! behind it.
//!
//! | file | what is in it |
//! |---|---|
//! | `ini.rs`, `interpolation.rs` | one ini file, as Python's configparser reads it |
//! | `paste.rs`, `find.rs` | the settings that PasteDeploy takes out of files and sections |
//! | `settings.rs`, `policy.rs` | the settings as Kinto reads them, with the environment; its policies |
//! | `convert.rs`, `yaml.rs`, `envoy.rs` | the settings of the filter, their text, and a whole configuration of Envoy |
//! | `rewrite.rs`, `edit.rs`, `check.rs` | the changed ini file, line by line, and a second look at it |
//! | `warnings.rs` | what will be noticed |
//! | `output.rs`, `mask.rs` | what is written where, without secrets |

mod check;
mod convert;
mod edit;
mod envoy;
mod find;
mod ini;
mod interpolation;
mod mask;
mod output;
mod paste;
mod policy;
mod rewrite;
mod settings;
mod warnings;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::migrate::check::{check, sharing};
use crate::cli::migrate::convert::{Converted, Fault, convert};
use crate::cli::migrate::output::Target;
use crate::cli::migrate::paste::{App, Loader};
use crate::cli::migrate::policy::{Policies, setting_of};
use crate::cli::migrate::rewrite::{Before, Changes, address};
use crate::cli::migrate::settings::{Environment, KintoSettings, load};
use crate::cli::migrate::warnings::Warnings;

/// The variable that `kinto start` gives to the ini file, and its value there.
const PORT: (&str, &str) = ("http_port", "8888");

/// The arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Kinto's ini file, with kinto_jwt in it
    ini: PathBuf,
    /// Values for %(name)s in the ini file, as pserve takes them
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// The application in the ini file
    #[arg(long, value_name = "NAME", default_value = "main")]
    app: String,
    /// Write the settings of the filter to this new file
    #[arg(long, value_name = "FILE")]
    settings_out: Option<PathBuf>,
    /// Write a whole configuration of Envoy with these settings to this new file
    #[arg(long, value_name = "FILE")]
    envoy_out: Option<PathBuf>,
    /// Write the changed ini file to this new file, with its secrets
    #[arg(long, value_name = "FILE")]
    ini_out: Option<PathBuf>,
    /// Change the ini file itself; the old one stays beside it, as FILE.before-migrate
    #[arg(long, conflicts_with = "ini_out")]
    in_place: bool,
}

/// Migrates an ini file.
///
/// Standard output gets the settings of the filter and the changes of the ini file, unless they go into files; standard
/// error gets the warnings.
///
/// # Errors
/// The file cannot be read, has no policy of `kinto_jwt`, or the new files cannot be written.
pub(crate) fn run(arguments: Migrate) -> Result<ExitCode, Failure> {
    let mut globals = BTreeMap::from([(PORT.0.to_owned(), PORT.1.to_owned())]);
    for variable in &arguments.variables {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Failure::new("write a value for the ini file as name=value"))?;
        globals.insert(name.to_owned(), value.to_owned());
    }
    let environment = |name: &str| std::env::var(name).ok();
    let start =
        Start { path: &arguments.ini, name: &arguments.app, globals: &globals, environment: &environment };
    let mut loader = Loader::new(BTreeMap::new());
    let (app, settings) = start.load(&mut loader)?;
    let policies = Policies::find(&settings)?;
    let before = Before {
        loader: &loader,
        app: &app,
        settings: &settings,
        policies: &policies,
        environment: &environment,
    };
    let own = policies.settings(&settings);
    let batch_requests = settings.get("batch_max_requests").map(|setting| setting.value.clone());
    let converted = match convert(&own, &batch_requests.unwrap_or_default()) {
        Ok(converted) => converted,
        Err(faults) => {
            print_faults(&before, &faults);
            return Ok(ExitCode::FAILURE);
        }
    };
    let changes = before.change()?;
    check(&before, &changes, (start.path, start.name), &globals)?;
    let mut warnings = warnings(&before, &changes, &converted, start.server(&loader), &arguments);
    for app in sharing(&before, &changes, (start.path, start.name), &globals) {
        warnings.add(
            "shared-lines",
            format!("[app:{app}] reads the changed lines, too: whoever reaches this application without Envoy can be any user. Let nobody reach it, or give it lines of its own."),
        );
    }
    let place = place_of(&before, "public_key");
    let target = Target {
        settings: arguments.settings_out.as_deref(),
        envoy: arguments.envoy_out.as_deref(),
        ini: arguments.ini_out.as_deref(),
        in_place: arguments.in_place,
    };
    target.write(&loader, &changes, &converted, &yaml::write(&converted, &place))?;
    output::print_warnings(&warnings);
    Ok(ExitCode::SUCCESS)
}

/// Reads the settings of an ini file as Kinto does: by their names without `kinto.`, with the values of the environment.
/// For the tests, which compare them with what Kinto itself reads.
///
/// # Errors
/// The file cannot be read: why.
pub fn read_settings(
    path: &Path,
    app: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Map<String, Value>, String> {
    let globals = BTreeMap::from([(PORT.0.to_owned(), PORT.1.to_owned())]);
    let start = Start { path, name: app, globals: &globals, environment };
    let (_, settings) =
        start.load(&mut Loader::new(BTreeMap::new())).map_err(|failure| failure.to_string())?;
    Ok(settings.into_iter().map(|(name, setting)| (name, setting.value)).collect())
}

/// What Kinto starts with.
struct Start<'s> {
    path: &'s Path,
    name: &'s str,
    globals: &'s BTreeMap<String, String>,
    environment: Environment<'s>,
}

impl Start<'_> {
    fn load(&self, loader: &mut Loader) -> Result<(App, KintoSettings), Failure> {
        let app = loader.app(self.path, self.name, self.globals)?;
        let settings = load(&app.settings, self.environment)?;
        Ok((app, settings))
    }

    /// The section of the server that `kinto start` runs, if it can be read.
    fn server(&self, loader: &Loader) -> Option<BTreeMap<String, String>> {
        loader.values(0, "server:main")
    }
}

/// Where a setting of our policy comes from: a line, or a variable.
fn place_of(before: &Before<'_>, setting: &str) -> String {
    let Some(found) = before.settings.get(&setting_of(&before.policies.ours, setting)) else {
        return String::new();
    };
    let place = found.written.as_ref().and_then(|(_, setting)| setting.places.first());
    match (found.variables.last(), place) {
        (Some(variable), _) => format!("the variable {variable}"),
        (None, Some(place)) => address(before.loader, place),
        (None, None) => String::new(),
    }
}

fn print_faults(before: &Before<'_>, faults: &[Fault]) {
    for fault in faults {
        let place = place_of(before, &fault.setting);
        let place = if place.is_empty() { "the ini file".to_owned() } else { place };
        eprintln!("error[load]: {place}: {}", fault.words);
    }
    eprintln!(
        "Nothing was written: no configuration of the filter does what this one does. kinto_jwt may start with it; \
         docs/kinto_jwt.md says what it does then."
    );
}

fn warnings(
    before: &Before<'_>,
    changes: &Changes,
    converted: &Converted,
    server: Option<BTreeMap<String, String>>,
    arguments: &Migrate,
) -> Warnings {
    let mut warnings = Warnings::default();
    let own = before.policies.settings(before.settings);
    warnings.of_policies(before.settings, before.policies, converted);
    warnings.of_secret(converted, &place_of(before, "public_key"));
    warnings.of_server(server.as_ref());
    let read: Vec<String> = own
        .iter()
        .filter_map(|(name, _)| before.settings.get(&setting_of(&before.policies.ours, name)))
        .flat_map(|setting| setting.variables.clone())
        .collect();
    if !read.is_empty() {
        warnings.add(
            "environment",
            format!("These variables of Kinto's environment gave settings of kinto_jwt, which are now the filter's: {}. Kinto no longer reads them.", read.join(", ")),
        );
    }
    if !changes.variables.is_empty() {
        warnings.add(
            "override",
            format!("Remove these variables from Kinto's environment, because they would override the new ini file, which says all that is needed: {}.", changes.variables.join(", ")),
        );
    }
    if !changes.elsewhere.is_empty() {
        let who = if arguments.in_place { "This removes" } else { "You must remove, as the changes show," };
        warnings.add(
            "inherited",
            format!(
                "{who} lines of other files, which other applications may use: {}.",
                changes.elsewhere.join("; ")
            ),
        );
    }
    if changes.had_redirects {
        warnings.add(
            "redirects",
            "Kinto's redirects are off, because a client can lead one inside a batch to where it likes. A path with / at \
             its end, or without /v1, is now 404; envoy/envoy.yaml redirects / and /v1.",
        );
    }
    warnings.of_tokens(&own, converted);
    warnings
}
