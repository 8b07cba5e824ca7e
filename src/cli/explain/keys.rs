//! The keys of issuers, from files: nothing is fetched.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::host;
use crate::gate::config::Config;
use crate::gate::decide::Gate;
use crate::gate::policy::Policy;
use crate::json;
use crate::keys::remote::{Address, RemoteJwks, Source};

/// Gives the key sets in files to the policies with `remoteJwks`. Each is written as `FILE`, or as `POLICY=FILE` where
/// several policies have an issuer. Returns words on the keys that were left out.
///
/// # Errors
/// There is no such file or policy, or the filter would not take the key set.
pub(crate) fn take_sets(gate: &Gate, written: &[String]) -> Result<Vec<String>, Failure> {
    let remote = remote_policies(gate.config());
    let mut left_out = Vec::new();
    for written in written {
        let named = written.split_once('=');
        let named =
            named.and_then(|(name, file)| Some((remote.iter().find(|policy| policy.name == name)?, file)));
        let (policy, file) = match (named, remote.as_slice()) {
            (Some((policy, file)), _) => (*policy, file),
            (None, [policy]) => (*policy, written.as_str()),
            (None, []) => return Err(Failure::new("--jwks: no policy has remoteJwks; leave it out")),
            (None, policies) => {
                let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
                return Err(Failure::new(format!(
                    "--jwks: several policies have remoteJwks ({}); say whose keys these are: --jwks {}=FILE",
                    names.join(", "),
                    names.first().copied().unwrap_or_default(),
                )));
            }
        };
        left_out.extend(take_set(gate, policy, file)?);
    }
    Ok(left_out)
}

fn remote_policies(config: &Config) -> Vec<&Policy> {
    config.policies.iter().filter(|policy| policy.remote().is_some()).collect()
}

fn take_set(gate: &Gate, policy: &Policy, file: &str) -> Result<Vec<String>, Failure> {
    let Some(remote) = policy.remote() else { return Ok(Vec::new()) };
    let text = std::fs::read(Path::new(file)).map_err(|error| Failure::at(file, error))?;
    if text.len() > remote.max_bytes {
        return Err(Failure::at(
            file,
            format!(
                "is larger than remoteJwks.maxBytes ({}); the filter would not take it",
                remote.max_bytes
            ),
        ));
    }
    let set = json::parse_object(&text)
        .map_err(|_| Failure::at(file, "is not a JSON object with unique names; fetch the key set again"))?;
    if set.get("keys").is_none() && set.get("jwks_uri").is_some() {
        return Err(Failure::at(file, "is the metadata of the issuer; fetch the address in its jwks_uri"));
    }
    let left_out = gate
        .take_set(policy.index, &set, Some(host::verify_signature))
        .map_err(|fault| Failure::at(file, format!("{}; {}", fault.what, fault.remedy)))?;
    Ok(left_out.into_iter().map(|key| format!("{file}: left out: {key}")).collect())
}

/// How to get the key set of an issuer into a file.
pub(crate) fn how_to_fetch(config: &Config, policy: &Policy, remote: &RemoteJwks) -> String {
    let curl = |address: &Address| {
        let Address { scheme, authority, path } = address;
        // Inside of quotes, a shell reads nothing but the quote.
        format!("'{scheme}://{authority}{}'", path.replace('\'', "%27"))
    };
    let has_others = remote_policies(config).len() > 1;
    let name = if has_others { format!("{}=", policy.name) } else { String::new() };
    let then = format!("then add --jwks {name}jwks.json");
    match &remote.source {
        Source::Jwks(address) => format!("curl -o jwks.json {} and {then}", curl(address)),
        Source::Discovery { metadata, .. } => {
            format!(
                "curl {} shows the address jwks_uri; curl -o jwks.json that address, and {then}",
                curl(metadata)
            )
        }
    }
}
