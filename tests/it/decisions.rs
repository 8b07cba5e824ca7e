//! The decision table, three times.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use kinto_jwt_filter::config::Config;
use kinto_jwt_filter::gate::Gate;
use serde_json::{Map, Value, json};

use crate::http;
use crate::servers::{Envoy, Kinto, as_struct, config_of, manager, project};
use crate::table::{Policy, policies};

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn the_table_holds_natively() {
    let (mut count, mut wrong) = (0, Vec::new());
    for policy in policies(NOW) {
        let config = Config::parse(policy.settings.to_string().as_bytes()).unwrap();
        let gate = Gate::new(config);
        let name = gate.config().credentials.header().to_owned();
        for case in &policy.cases {
            // As Envoy does: outer white space trimmed, Authorization joined by commas.
            let fields = case.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(&name));
            let mut values: Vec<Vec<u8>> = fields.map(|(_, value)| value.trim_ascii().to_vec()).collect();
            if name == "authorization" && values.len() > 1 {
                values = vec![values.join(&b","[..])];
            }
            let decision = gate.decide(values.iter().map(Vec::as_slice), NOW);
            let answer = match decision.rejection {
                None => Ok(decision.user_id.unwrap().as_str().to_owned()),
                Some(rejection) => {
                    assert_eq!(decision.user_id, gate.config().unauthorized);
                    Err(rejection)
                }
            };
            if answer != case.expected {
                wrong.push(format!("{}: {}: {answer:?}, not {:?}", policy.name, case.name, case.expected));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 400, "{count}");
}

#[test]
fn the_table_holds_through_envoy_and_kinto() {
    let kinto = Kinto::behind_envoy();
    let policies = policies(now());
    let plugins: Vec<(&str, Value)> =
        policies.iter().map(|policy| (policy.name, as_struct(&policy.settings))).collect();
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    let mut wrong = Vec::new();
    for policy in &policies {
        for case in &policy.cases {
            let user = http::get(envoy.port(policy.name), "/v1/", &case.headers).user();
            if user != policy.user(&case.expected) {
                wrong.push(format!("{}: {}: {user}, not {:?}", policy.name, case.name, case.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `kinto_jwt`'s own configuration of this policy, as an ini file would give it to Kinto.
fn kinto_jwt(policy: &Policy) -> Value {
    let mut settings = Map::new();
    settings.insert("multiauth.policies".into(), json!("kinto_jwt"));
    settings.insert("multiauth.policy.kinto_jwt.use".into(), json!("kinto_jwt.JWTAuthenticationPolicy"));
    for (name, value) in policy.settings.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        settings.insert(format!("multiauth.policy.kinto_jwt.{name}"), json!(text));
    }
    json!({"settings": settings})
}

/// Differences by which the filter admits a user that `kinto_jwt` did not, each asked for and said so.
const WIDER: [&str; 3] = ["scheme-case", "authorization-case", "pointer"];

#[test]
fn kinto_jwt_answers_the_same_but_for_the_listed_differences() {
    let policies = policies(now());
    let applications = |unverified: bool| -> Value {
        let verified = |policy: &&Policy| (policy.settings["verifyToken"] == json!(false)) == unverified;
        policies
            .iter()
            .filter(verified)
            .map(|policy| (policy.name.to_owned(), kinto_jwt(policy)))
            .collect::<Map<_, _>>()
            .into()
    };
    // PyJWT 2 ignores verifyToken = false; PyJWT 1, which kinto_jwt was written for, does not.
    let current = Kinto::start(&applications(false), None);
    let pyjwt_1 = Kinto::start(&applications(true), Some(".venv/pyjwt-1"));
    let behind = Kinto::behind_envoy();
    let plugins: Vec<(&str, Value)> =
        policies.iter().map(|policy| (policy.name, as_struct(&policy.settings))).collect();
    let mut config = config_of(behind.port("kinto"), &plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        manager(listener)["access_log"] = json!([]);
    }
    let envoy = Envoy::start(&config);

    let (mut count, mut wrong, mut shown) = (0, Vec::new(), BTreeSet::new());
    for policy in &policies {
        let unverified = policy.settings["verifyToken"] == json!(false);
        let kinto_jwt = if unverified { pyjwt_1.port(policy.name) } else { current.port(policy.name) };
        let unauthorized = policy.user(&Err(kinto_jwt_filter::rejection::Rejection::NoToken));
        for case in &policy.cases {
            let theirs = http::get(kinto_jwt, "/v1/", &case.headers).user();
            let ours = http::get(envoy.port(policy.name), "/v1/", &case.headers).user();
            count += 1;
            shown.extend(case.differs);
            let wider = case.differs.is_some_and(|entry| WIDER.contains(&entry));
            if (ours == theirs) == case.differs.is_some()
                || (ours != theirs && ours != unauthorized && !wider)
            {
                let entry = case.differs.unwrap_or("no difference listed");
                wrong.push(format!("{}: {}: {ours}, kinto_jwt {theirs} ({entry})", policy.name, case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{count} cases");

    // The README's list is this list.
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let listed: BTreeSet<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| <a id=\"")?.split('"').next()).collect();
    let from_load_or_envoy = BTreeSet::from(["load", "verify", "second-empty", "batch"]);
    assert_eq!(&listed - &from_load_or_envoy, shown);
}
