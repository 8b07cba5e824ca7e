//! Loads a configuration as the filter does.

use std::cell::RefCell;

use crate::cli::environment::{Variable, variable};
use crate::cli::host::verify_signature;
use crate::cli::plugin::Plugin;
use crate::config::parse::parse_with;
use crate::config::settings::ConfigError;
use crate::gate::config::Config;

/// A configuration that the filter takes.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Names of variables of the environment that have the key, and are not here. Another key stands in for it.
    pub(crate) unknown_keys: Vec<String>,
}

/// Loads the configuration with the code of the filter. A key that is in the environment of Envoy and not here is replaced
/// by another one, so that all else is checked.
///
/// # Errors
/// The filter refuses the configuration.
pub(crate) fn load(plugin: &Plugin) -> Result<Loaded, ConfigError> {
    let unknown_keys = RefCell::new(Vec::new());
    let value = |name: &str| match variable(plugin, name) {
        Variable::Has(value) => Some(value),
        Variable::IsMissing => None,
        Variable::IsElsewhere(placeholder) => {
            unknown_keys.borrow_mut().push(name.to_owned());
            Some(placeholder)
        }
    };
    let config = parse_with(&plugin.bytes, Some(verify_signature), &value)?;
    Ok(Loaded { config, unknown_keys: unknown_keys.into_inner() })
}
