//! Kinto's policies: the one of `kinto_jwt`, and the others.
//!
//! Source: `includeme` and `get_policy_definitions` in `pyramid_multiauth/__init__.py`, and `setup_authentication` in
//! `kinto/core/initialization.py`.

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::migrate::settings::{KintoSettings, words};

/// The ways to name the class of `kinto_jwt` in `use`.
const CLASSES: [&str; 4] = [
    "kinto_jwt.JWTAuthenticationPolicy",
    "kinto_jwt:JWTAuthenticationPolicy",
    "kinto_jwt.policy.JWTAuthenticationPolicy",
    "kinto_jwt.policy:JWTAuthenticationPolicy",
];

/// What the settings of a policy begin with.
const PREFIX: &str = "multiauth.policy.";

/// Kinto's policies.
#[derive(Debug)]
pub(crate) struct Policies {
    /// All in `multiauth.policies`, in this order.
    pub(crate) names: Vec<String>,
    /// The one of `kinto_jwt`.
    pub(crate) ours: String,
}

/// The name of a setting of a policy.
pub(crate) fn setting_of(policy: &str, setting: &str) -> String {
    format!("{PREFIX}{policy}.{setting}")
}

impl Policies {
    /// Finds the policies in Kinto's settings.
    ///
    /// # Errors
    /// None is of `kinto_jwt`, or more than one is.
    pub(crate) fn find(settings: &KintoSettings) -> Result<Self, Failure> {
        let list = settings.get("multiauth.policies").map(|setting| &setting.value);
        let Some(Value::String(list)) = list else {
            return Err(Failure::new(
                "multiauth.policies is not text, and Kinto does not start; write the names with spaces between them",
            ));
        };
        let names: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
        let ours: Vec<&String> = names.iter().filter(|name| is_ours(settings, name)).collect();
        match ours.as_slice() {
            [ours] => Ok(Self { ours: (*ours).clone(), names: names.clone() }),
            [] => Err(Failure::new(none(settings))),
            [first, second, ..] => Err(Failure::new(format!(
                "{first} and {second} are both policies of kinto_jwt, and the filter gives Kinto the users of one; keep \
                 the one whose name is in your stored permissions, and read docs/issuers.md for several issuers"
            ))),
        }
    }

    /// The other policies, in their order.
    pub(crate) fn others(&self) -> Vec<&str> {
        self.names.iter().filter(|name| **name != self.ours).map(String::as_str).collect()
    }

    /// The names with ours first.
    pub(crate) fn ours_first(&self) -> Vec<&str> {
        std::iter::once(self.ours.as_str()).chain(self.others()).collect()
    }

    /// What Kinto puts before the user ids of our policy.
    pub(crate) fn prefix(&self) -> String {
        self.ours.to_lowercase()
    }

    /// The settings of our policy without `use`, each with the name that `kinto_jwt` gives it.
    pub(crate) fn settings<'s>(&self, settings: &'s KintoSettings) -> Vec<(&'s str, &'s Value)> {
        let prefix = setting_of(&self.ours, "");
        let own = settings.iter().filter_map(|(name, setting)| {
            let name = name.strip_prefix(&prefix).filter(|name| *name != "use")?;
            Some((name, &setting.value))
        });
        own.collect()
    }
}

/// What `use` of a policy says.
pub(crate) fn class_of<'s>(settings: &'s KintoSettings, policy: &str) -> Option<&'s str> {
    settings.get(&setting_of(policy, "use"))?.value.as_str()
}

fn is_ours(settings: &KintoSettings, policy: &str) -> bool {
    class_of(settings, policy).is_some_and(|class| CLASSES.contains(&class))
}

/// Why there is no policy of `kinto_jwt`.
fn none(settings: &KintoSettings) -> String {
    let defined = settings.keys().find_map(|name| {
        let policy = name.strip_prefix(PREFIX)?.strip_suffix(".use")?;
        is_ours(settings, policy).then_some(policy)
    });
    let listed = settings.get("multiauth.policies").map(|setting| words(&setting.value)).unwrap_or_default();
    match defined {
        Some(policy) => format!(
            "{policy} is a policy of kinto_jwt, and multiauth.policies does not name it; there is nothing to migrate"
        ),
        None if listed.iter().any(|name| name == "kinto_jwt") => {
            "kinto_jwt is in multiauth.policies, and multiauth.policy.kinto_jwt.use is not \
             kinto_jwt.JWTAuthenticationPolicy; there is nothing to migrate"
                .to_owned()
        }
        None => "no policy of multiauth.policies is of kinto_jwt; there is nothing to migrate".to_owned(),
    }
}
