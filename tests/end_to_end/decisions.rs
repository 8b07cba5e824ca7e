//! The decision table, three times.

use std::collections::BTreeSet;

use kinto_jwt_filter::{Gate, HostVerify, Outcome, Rejection, parse_config};
use serde_json::{Map, Value, json};

use kit::carrier::{CARRIERS, Carrier};
use kit::http;
use kit::ring_host::ring_host;
use kit::servers::{Envoy, Kinto, as_struct, config_of, project};
use kit::table::{Case, Policy, policies, settings_with};
use kit::tokens::{now, public_key, rs256};

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

#[test]
fn the_table_holds_natively() {
    // With the module's cryptography and with a host's; at first sight and from the cache.
    let host: HostVerify = ring_host;
    for host in [None, Some(host)] {
        let (mut count, mut wrong) = (0, Vec::new());
        for policy in policies(NOW) {
            let config = parse_config(policy.settings.to_string().as_bytes(), host);
            if host.is_none() && policy.settings["algorithm"].to_string().contains("ES512") {
                // In a set, a key that nothing verifies is left out; alone, it is refused.
                let refusal = config.err().map(|error| error.to_string());
                let is_named = refusal.as_ref().is_some_and(|text| text.contains("which only Envoy's"));
                assert_eq!(is_named, policy.settings["algorithm"] == "ES512", "{}: {refusal:?}", policy.name);
                continue;
            }
            let config = config.unwrap();
            let gate = Gate::new(config);
            for case in policy.cases.iter().chain(&policy.cases) {
                let (outcome, result) = decide(&gate, case, NOW);
                let answer = policy.answer_of(&outcome);
                if result != case.expected || answer != policy.answer(case) {
                    wrong.push(format!(
                        "{}: {}: {result:?} {answer}, not {:?} {}",
                        policy.name,
                        case.name,
                        case.expected,
                        policy.answer(case)
                    ));
                }
                count += 1;
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 1000, "{count}");
        println!("{count} decisions");
    }
}

/// What the gate decides, in the table's terms.
fn decide(gate: &Gate, case: &Case, now: u64) -> (Outcome, Result<String, Rejection>) {
    let decision = gate.decide(case, now);
    let user = |outcome: &Outcome| outcome.user_id().unwrap().as_str().to_owned();
    let result = decision.rejection().map_or_else(|| Ok(user(&decision.outcome)), Err);
    (decision.outcome, result)
}

#[test]
fn a_remembered_token_is_still_checked_for_its_times() {
    let claims = json!({"sub": "alice", "iat": NOW, "nbf": NOW, "exp": NOW + 100});
    let header = format!("JWT {}", rs256(&claims));
    for cache in [json!({}), json!({"maxEntries": 0}), json!({"maxEntries": 1, "maxBytes": 1_000_000})] {
        let settings = json!({"public_key": public_key("rsa"), "leeway": 10, "tokenCache": cache});
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
        for (now, expected) in [
            (NOW, None),
            (NOW + 109, None),
            (NOW + 110, Some(Rejection::Expired)),
            (NOW + 110, Some(Rejection::Expired)),
            (NOW + 50, None),
            (NOW - 11, Some(Rejection::IssuedInFuture)),
            (NOW - 10, None),
        ] {
            let case = Case::new("times", vec![http::header("Authorization", &header)], Ok(""));
            let decision = gate.decide(&case, now);
            assert_eq!(decision.rejection(), expected, "{cache}, {now}");
        }
    }
}

#[test]
fn a_remembered_token_grows_too_old() {
    let header = format!("JWT {}", rs256(&json!({"sub": "alice", "iat": NOW, "exp": NOW + 1000})));
    for cache in [json!({}), json!({"maxEntries": 0})] {
        let settings = settings_with(json!({"maxAgeSeconds": 100, "leeway": 10, "tokenCache": cache}));
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
        for (now, expected) in [
            (NOW, None),
            (NOW + 110, None),
            (NOW + 111, Some(Rejection::TooOld)),
            (NOW + 111, Some(Rejection::TooOld)),
            (NOW + 110, None),
            (NOW + 1010, Some(Rejection::Expired)),
        ] {
            let case = Case::new("age", vec![http::header("Authorization", &header)], Ok(""));
            assert_eq!(gate.decide(&case, now).rejection(), expected, "{cache}, {now}");
        }
    }
}

#[test]
fn a_claim_header_has_the_characters_that_user_ids_have() {
    let claims = json!({"sub": "alice", "name": "Müller", "city": "Köln", "level": "5"});
    let request = Case::new("claims", vec![http::authorization(&rs256(&claims))], Ok("alice"));
    for (charset, name) in [("ascii", None), ("latin-1", Some("Müller"))] {
        let headers = json!({"X-Level": "level", "X-Name": "name"});
        let settings = settings_with(json!({"claimsToHeaders": headers, "userIdCharset": charset}));
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
        let outcome = gate.decide(&request, now()).outcome;
        let claim = |number: usize| outcome.claim(number).map(|text| text.as_str());
        assert_eq!((claim(0), claim(1)), (Some("5"), name), "{charset}");
    }
}

#[test]
fn the_table_holds_through_envoy_and_kinto() {
    let ask = |envoy: &Envoy, policy: &Policy, case: &Case| {
        let request = http::bytes(case.method, case.path.as_bytes(), &case.headers, b"");
        http::exchange(envoy.port(policy.name), &request).expect("an answer").user()
    };
    let mut wrong = Vec::new();
    for carrier in CARRIERS {
        let kinto = Kinto::start(&json!({"kinto": carrier.application()}), None);
        let policies = policies(now());
        let settings = |policy: &Policy| carrier.settings(policy.settings.clone());
        let plugins: Vec<(&str, Value)> =
            policies.iter().map(|policy| (policy.name, as_struct(&settings(policy)))).collect();
        let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
        let mut exact = 0;
        for policy in &policies {
            for case in &policy.cases {
                let (answer, expected) = (ask(&envoy, policy, case), carrier.answer(policy, case));
                exact += usize::from(expected != policy.answer(case));
                if answer != expected {
                    wrong.push(format!(
                        "{carrier:?}: {}: {}: {answer}, not {expected}",
                        policy.name, case.name
                    ));
                }
            }
        }
        assert_eq!(exact > 5, carrier == Carrier::Ticket, "{exact}");
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
const WIDER: [&str; 6] =
    ["scheme-case", "authorization-case", "pointer", "algorithm-list", "certificate", "ed25519"];

#[test]
fn kinto_jwt_answers_the_same_but_for_the_listed_differences() {
    let mut policies = policies(now());
    policies.retain(|policy| policy.is_of_kinto_jwt);
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
    let envoy = Envoy::start(&config_of(behind.port("kinto"), &plugins));

    let (mut count, mut wrong, mut shown) = (0, Vec::new(), BTreeSet::new());
    for policy in &policies {
        let unverified = policy.settings["verifyToken"] == json!(false);
        let kinto_jwt = if unverified { pyjwt_1.port(policy.name) } else { current.port(policy.name) };
        let unauthorized = policy.unauthorized();
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

    // The list in docs/kinto_jwt.md is this list.
    let page = std::fs::read_to_string(project("docs/kinto_jwt.md")).unwrap();
    let listed: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| <a id=\"")?.split('"').next()).collect();
    let from_load_or_envoy = BTreeSet::from(["load", "verify", "second-empty", "batch"]);
    assert_eq!(&listed - &from_load_or_envoy, shown);
}
