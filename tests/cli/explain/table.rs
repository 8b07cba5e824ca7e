//! Each row of the decision table: the code, the user and the answer are the filter's.

use kinto_jwt_filter::{Gate, HostVerify, parse_config};

use super::{Asked, Files, faults, secrets};
use kit::ring_host::ring_host;
use kit::table::{Case, Policy, policies};
use kit::tokens::SECRET;

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

#[test]
fn each_row_of_the_table_is_explained_as_it_is_decided() {
    let files = Files::new();
    let policies = policies(NOW);
    let paths: Vec<_> = policies.iter().map(|policy| files.settings(policy.name, &policy.settings)).collect();
    let rows: Vec<_> = policies
        .iter()
        .zip(&paths)
        .flat_map(|(policy, path)| policy.cases.iter().map(move |case| (policy, path, case)))
        .collect();
    assert!(rows.len() > 500, "{}", rows.len());
    let wrong = faults(&rows, |(policy, path, case)| {
        let asked = Asked::new(path, NOW).and("--method").and(case.method).and("--path").and(&case.path);
        fault(policy, case, &asked.headers(&case.headers))
            .map(|fault| format!("{}: {}: {fault}", policy.name, case.name))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fault(policy: &Policy, case: &Case, asked: &Asked) -> Option<String> {
    let (code, report) = asked.report();
    let said = match report["refused"]["code"].as_str() {
        Some(code) => Err(code),
        None => Ok(report["user"].as_str().unwrap()),
    };
    let expected = case.expected.as_ref().map(String::as_str).map_err(|rejection| rejection.code());
    if said != expected {
        return Some(format!("{said:?}, not {expected:?}"));
    }
    let answer = match (report["answer"]["status"].as_u64(), report["user"].as_str()) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(user)) => format!("kinto_jwt:{user}"),
        (None, None) => "anonymous".to_owned(),
    };
    if answer != policy.answer(case) || code != i32::from(said.is_err()) {
        return Some(format!("{answer}, not {}, exit code {code}", policy.answer(case)));
    }
    let host: HostVerify = ring_host;
    let gate = Gate::new(parse_config(policy.settings.to_string().as_bytes(), Some(host)).unwrap());
    let decision = gate.decide(case, NOW);
    if report["outcome"] != decision.outcome.code() {
        return Some(format!("{}, not {}", report["outcome"], decision.outcome.code()));
    }
    // Nothing of the token is in the text, and it has the same result.
    let text = asked.explain();
    let result = case.expected.as_ref().err().map_or("proves a user.", |rejection| rejection.code());
    let shown = format!("{}{}{report}", text.out, text.err);
    let sent = case.headers.iter().map(|(_, value)| value.as_slice()).chain([case.path.as_bytes()]);
    let leaked = sent.flat_map(secrets).chain([SECRET.to_owned()]).find(|secret| shown.contains(secret));
    if text.code != code || !text.out.contains(result) || leaked.is_some() {
        return Some(format!("{leaked:?} in {}: {}", text.code, text.out));
    }
    None
}
