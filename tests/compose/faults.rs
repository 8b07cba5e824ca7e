//! What breaks while people use it: nobody becomes somebody else, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{KINDS, Kind, Load, SUBS};
use crate::stack::{STARTS, Stack, docker};

const USERS: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
/// The time in which all must be well after a repair.
const RECOVERY: Duration = Duration::from_secs(10);
/// The time without a failure that is called well.
const QUIET: Duration = Duration::from_secs(1);

/// Waits until every kind of request has been served for a while without a failure; how long after `since` the
/// last failure was.
fn wait_until_well(load: &Load, what: &str, since: Instant) -> Duration {
    let mut from = (load.seen(), Instant::now());
    loop {
        let seen = load.seen();
        assert!(
            seen.wrong.is_empty(),
            "{what}: {} wrong answers: {:.1000}",
            seen.wrong.len(),
            seen.wrong.join("\n")
        );
        let last = seen.last_unavailable.map_or(Duration::ZERO, |last| last.saturating_duration_since(since));
        assert!(last < RECOVERY, "{what}: not well after {last:?}");
        if seen.unavailable > from.0.unavailable {
            from = (seen.clone(), Instant::now());
        } else if from.1.elapsed() > QUIET && KINDS.iter().all(|kind| seen.of(*kind) > from.0.of(*kind) + 5) {
            return last;
        }
        assert!(
            since.elapsed() < RECOVERY + Duration::from_secs(5),
            "{what}: {:?} {:?}",
            seen.right,
            from.0.right
        );
        sleep(Duration::from_millis(100));
    }
}

/// Breaks something for a while and repairs it; says what that did.
fn fault(load: &Load, what: &str, down: Duration, break_it: &dyn Fn(), repair: &dyn Fn()) {
    let before = load.seen();
    let start = Instant::now();
    break_it();
    sleep(down);
    repair();
    let broken = start.elapsed();
    let recovery = wait_until_well(load, what, Instant::now());
    let after = load.seen();
    let (failed, right) = (after.unavailable - before.unavailable, after.all() - before.all());
    println!(
        "{what}: broken for {broken:.1?}, {failed} failures, {right} right answers, well after {recovery:.1?}"
    );
}

#[test]
fn faults_under_load_give_nobody_anothers_identity_and_lose_no_record() {
    let stack = Stack::new("faults").up();
    for user in USERS {
        for path in [format!("/v1/buckets/{user}"), format!("/v1/buckets/{user}/collections/c")] {
            assert_eq!(stack.call("PUT", &path, Some(user), &json!({})).status, 201);
        }
    }
    let [envoy, kinto, postgres] = ["envoy", "kinto", "postgres"].map(|service| stack.container(service));
    let alone = STARTS.write().unwrap_or_else(PoisonError::into_inner);
    let begin = Instant::now();
    let mut load = Load::start(stack.port, &USERS);
    sleep(Duration::from_secs(3));
    wait_until_well(&load, "before any fault", begin);
    let seen = load.seen();
    // A batch is as many decisions as it has sub-requests.
    let decisions = seen.all() + (SUBS - 1) * seen.of(Kind::Batch);
    let rate = u128::try_from(decisions).unwrap() * 1000 / begin.elapsed().as_millis();
    assert_eq!(seen.unavailable, 0);
    assert!(rate > 50, "{rate} decisions a second");

    let failures = |load: &Load| load.seen().unavailable;
    for (what, container) in [("Kinto killed", &kinto), ("PostgreSQL killed", &postgres)] {
        let before = failures(&load);
        let kill = || drop(docker(&["kill", container]));
        fault(&load, what, Duration::from_secs(2), &kill, &|| drop(docker(&["start", container])));
        assert!(failures(&load) > before, "{what}, and nobody noticed");
    }
    drop(alone);
    let before = failures(&load);
    let restart = || drop(docker(&["restart", &envoy]));
    fault(&load, "Envoy restarted", Duration::ZERO, &restart, &|| ());
    assert!(failures(&load) > before, "Envoy restarted, and nobody noticed");
    let pause = || {
        docker(&["pause", &kinto]);
        sleep(Duration::from_secs(1));
        let then = load.seen().all();
        sleep(Duration::from_secs(4));
        assert_eq!(load.seen().all(), then, "Kinto paused, and it answers");
    };
    fault(&load, "Kinto paused", Duration::ZERO, &pause, &|| drop(docker(&["unpause", &kinto])));

    let seen = load.stop();
    assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
    for kind in KINDS {
        assert!(seen.of(kind) > 20, "only {} answers to {kind:?}", seen.of(kind));
    }
    for user in USERS {
        let answer =
            stack.call("GET", &format!("/v1/buckets/{user}/collections/c/records"), Some(user), &json!(null));
        let records = answer.json()["data"].as_array().unwrap().clone();
        assert!(records.iter().all(|record| record["by"] == user));
        let stored: BTreeSet<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
        let written = seen.written.iter().filter(|(bucket, _)| bucket == user);
        let lost: Vec<&String> =
            written.map(|(_, id)| id).filter(|id| !stored.contains(id.as_str())).collect();
        assert!(lost.is_empty(), "{user} has lost {lost:?}");
    }
    println!(
        "{rate} decisions a second; right answers {:?}; {} records written and there; {:.0?} in all",
        seen.right,
        seen.written.len(),
        begin.elapsed()
    );
}
