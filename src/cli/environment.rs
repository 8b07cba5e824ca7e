//! The variables of the environment that Envoy gives to the module, for `publicKeyEnv` and `ticket.secretEnv`.

use crate::cli::document::Node;
use crate::cli::holder::Holder;
use crate::cli::placeholder;

/// The value of a variable for the module.
pub(crate) enum Variable {
    /// The file has it, or the environment of this command.
    Has(String),
    /// The module will not have it.
    IsMissing,
    /// The module gets it where Envoy runs. This key, of the same algorithm, stands in for it.
    IsElsewhere(String),
}

/// The value that a variable has for the module of a configuration with these settings. `wasm` says how the module runs.
pub(crate) fn variable(holder: Holder, wasm: &Node, settings: &Node, name: &str) -> Variable {
    let elsewhere = || match std::env::var(name) {
        Ok(value) => Variable::Has(value),
        // Of a secret for tickets, nothing here depends on what it is.
        Err(_) if settings.text_at(&["ticket", "secretEnv"]) == Some(name) => {
            Variable::Has(placeholder::SECRET.to_owned())
        }
        Err(_) => Variable::IsElsewhere(placeholder::key(&algorithm(settings, name)).to_owned()),
    };
    match given(holder, wasm, name) {
        Given::Value(value) => Variable::Has(value),
        Given::OfHost => elsewhere(),
        Given::Not => Variable::IsMissing,
    }
}

/// How a configuration gives a variable to the module.
enum Given {
    Value(String),
    OfHost,
    Not,
}

fn given(holder: Holder, wasm: &Node, name: &str) -> Given {
    let lists = |list: Option<&Node>| {
        list.map(Node::items).unwrap_or_default().iter().any(|item| item.text() == Some(name))
    };
    let is_of_host = match holder {
        Holder::Nothing => true,
        Holder::Envoy => {
            let variables = wasm.field_at(&["vm_config", "environment_variables"]);
            if let Some(value) =
                variables.and_then(|variables| variables.field("key_values")?.text_at(&[name]))
            {
                return Given::Value(value.to_owned());
            }
            lists(variables.and_then(|variables| variables.field("host_env_keys")))
        }
        Holder::Istio => {
            let variables = wasm.at(&["vmConfig", "env"]).map(Node::items).unwrap_or_default();
            let of_name = variables.iter().find(|variable| variable.text_at(&["name"]) == Some(name));
            if let Some(value) = of_name.and_then(|variable| variable.text_at(&["value"])) {
                return Given::Value(value.to_owned());
            }
            of_name.and_then(|variable| variable.text_at(&["valueFrom"])) == Some("HOST")
        }
        Holder::EnvoyGateway => lists(wasm.at(&["env", "hostKeys"])),
    };
    if is_of_host { Given::OfHost } else { Given::Not }
}

/// The algorithm of the first policy that takes its key from this variable.
fn algorithm(settings: &Node, name: &str) -> String {
    let policies = settings.get("policies").map(Node::items).unwrap_or_default();
    let takes = |policy: &&Node| policy.text_at(&["publicKeyEnv"]) == Some(name);
    let own = policies.iter().find(takes).and_then(|policy| policy.get("algorithm"));
    let written = own.or_else(|| settings.get("algorithm"));
    let first = written.and_then(|written| written.items().first().or(Some(written)));
    first.and_then(Node::text).unwrap_or("RS256").to_owned()
}
