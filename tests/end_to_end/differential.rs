//! Made-up requests, by the thousand, and what becomes of them in the real Kinto, with and without the filter.
//!
//! `FUZZ_CASES=100000 cargo test --test end_to_end differential -- --nocapture` tries more of them than usual, and
//! `FUZZ_SEED=2` others; `FUZZ_REDIRECTS=false` switches Kinto's redirects off, `FUZZ_SERVER=uwsgi` (or `gunicorn`,
//! `granian`) puts another server behind the filter, and `FUZZ_SHOW=100` shows more than five findings of a kind. An
//! identity that a request claims without proof begins with `forged`.

mod answer;
mod connection;
mod honest;
mod hostile;
mod paths;
mod report;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kinto_jwt_filter::is_batch;
use serde_json::{Value, json};

use kit::carrier::{self, Carrier, tickets};
use kit::forgeries::{json_type, without_safeguards};
use kit::http::{self, Response, authorization, header};
use kit::random::Random;
use kit::servers::{self, Envoy, Kinto, as_struct, closing_after_each, config_of};
use kit::table::settings_with;
use kit::tokens::{now, rs256, token};

use crate::wsgi::Servers;
use answer::{batches, is_forged, location, normalised, seen};
use connection::{Connection, bytes};
use honest::Who;
use hostile::Hostile;
use report::Report;

/// Enough to keep two Kintos and an Envoy busy on two cores.
const THREADS: usize = 3;

/// What a run of all tests has time for.
const CASES: usize = 1500;

/// What Kinto lists gets longer with each batch, and so does the time that it takes: after so many it is a new one.
const ROUND: usize = 5000;

/// One in so many batches is an honest one.
const HONEST: usize = 4;

struct Tokens {
    alice: String,
    bob: String,
    expired: String,
    other_key: String,
    unsigned: String,
    /// A ticket that Kinto believes, as if somebody had read it on its way.
    ticket: String,
}

impl Tokens {
    fn new() -> Self {
        let claims = |user: &str| json!({"sub": user, "exp": now() + 86_400});
        Self {
            alice: rs256(&claims("alice")),
            bob: rs256(&claims("bob")),
            expired: rs256(&json!({"sub": "forged-expired", "exp": 1})),
            other_key: token("RS256", "rsa-other", &claims("forged-key")),
            unsigned: token("none", "", &claims("forged-none")),
            ticket: tickets(&[(carrier::SECRET, 86_400, "forged-ticket")]).remove(0),
        }
    }
}

fn variable(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

fn seed() -> u64 {
    u64::try_from(variable("FUZZ_SEED", 1)).unwrap()
}

/// Runs these cases on a few threads.
fn run<T>(cases: Range<usize>, new: impl Fn() -> T + Sync, each: impl Fn(&mut T, usize) + Sync) {
    let next = AtomicUsize::new(cases.start);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut own = new();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases.end {
                        return;
                    }
                    each(&mut own, case);
                }
            });
        }
    });
}

/// The settings that hostile batches meet, in turn; honest ones meet the first.
fn plugins(carrier: Carrier) -> [(&'static str, Value); 3] {
    let places = json!([{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}]);
    [
        ("defaults", json!({})),
        ("reject", json!({"onMissing": "reject", "onInvalid": "reject"})),
        ("places", json!({"from": places, "claimsToHeaders": {"X-Sub": "sub"}, "forwardToken": true})),
    ]
    .map(|(name, more)| (name, as_struct(&carrier.settings(settings_with(more)))))
}

#[test]
fn made_up_batches_are_what_their_tokens_prove() {
    made_up_batches(Carrier::Header);
}

#[test]
fn made_up_batches_are_what_their_tokens_prove_with_tickets() {
    made_up_batches(Carrier::Ticket);
}

fn made_up_batches(carrier: Carrier) {
    let (tokens, report) = (Tokens::new(), Mutex::new(Report::default()));
    let (cases, started) = (variable("FUZZ_CASES", CASES), Instant::now());
    for first in (0..cases).step_by(ROUND) {
        make_up_batches(carrier, first..cases.min(first + ROUND), &tokens, &report, started);
    }

    let report = report.into_inner().unwrap();
    println!(
        "{} cases, {} of them dangerous to bare Kinto, {} honest; of the others the filter passed {}; a batch \
         within a batch {} times, {} without the filter; {:.1} s",
        report.cases,
        report.dangerous,
        report.honest,
        report.passed,
        report.nested,
        report.nested_without,
        started.elapsed().as_secs_f32(),
    );
    let (dangerous, honest, cases) = (report.dangerous, report.honest, report.cases);
    report.judge();
    assert!(dangerous * 10 > cases, "only {dangerous} of {cases} cases are dangerous to bare Kinto");
    assert!(honest * 10 > cases, "only {honest} of {cases} cases are honest");
}

/// Sends made-up batches to a new Kinto behind the filter and to a new one without.
fn make_up_batches(
    carrier: Carrier,
    cases: Range<usize>,
    tokens: &Tokens,
    report: &Mutex<Report>,
    started: Instant,
) {
    let server = std::env::var("FUZZ_SERVER").ok();
    let servers = server.as_ref().map(|_| Servers::start(&carrier.observed()));
    let behind = Kinto::start(&json!({"kinto": carrier.observed()}), None);
    let alone = Kinto::observed();
    let behind =
        servers.as_ref().map_or(behind.port("kinto"), |servers| servers.port(server.as_ref().unwrap()));
    let plugins = plugins(carrier);
    let mut config = config_of(behind, &plugins);
    if server.is_some() {
        closing_after_each(&mut config);
    }
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        without_safeguards(listener);
    }
    let envoy = Envoy::start(&config);
    // Default buckets are made at their first use, which is to be no case's own.
    for (user, token) in [("alice", Some(&tokens.alice)), ("bob", Some(&tokens.bob)), ("public", None)] {
        let token: Vec<_> = token.map(|token| authorization(token)).into_iter().collect();
        http::get(envoy.port("defaults"), "/v1/buckets/default", &token);
        http::get(alone.port("kinto"), "/v1/buckets/default", &[header("userId", user)]);
    }

    let connections = || {
        let filtered = plugins.each_ref().map(|(name, _)| Connection::to(envoy.port(name)));
        (filtered, Connection::to(alone.port("kinto")))
    };
    run(cases, connections, |(filtered, bare), case| {
        let mut random = Random::of_case(seed(), case);
        if random.one_in(HONEST) {
            let found = compare_honest(random, tokens, case, &mut filtered[0], bare);
            let mut report = report.lock().unwrap();
            report.cases += 1;
            report.honest += 1;
            if let Some(text) = found {
                report.finding("difference", case, started, text);
            }
            return;
        }
        let request = hostile::request(random, tokens);
        let sent = bytes(request.method, &request.path, &request.headers, &request.body, request.chunked);
        let filtered = &mut filtered[case % plugins.len()];
        let (answer, without) = (filtered.send(&sent), bare.send(&sent));
        let mut report = report.lock().unwrap();
        report.cases += 1;
        report.dangerous += usize::from(without.as_ref().is_some_and(is_forged));
        report.nested_without += usize::from(without.as_ref().is_some_and(|answer| batches(answer) > 1));
        if let Some(answer) = answer {
            report.passed += usize::from(batches(&answer) > 0 && answer.status == 200);
            report.nested += usize::from(batches(&answer) > 1);
            if let Some(user) = forbidden(&request, &answer) {
                let shown = sent.escape_ascii().to_string().replace("\\\"", "\"");
                report.finding("forgery", case, started, format!("seen {user}: {shown}"));
            }
        }
    });
}

/// The first user that Kinto saw and that nothing in the request proves.
fn forbidden(request: &Hostile, answer: &Response) -> Option<String> {
    let is_allowed = |user: &Value| match user.as_str() {
        Some("alice") => request.is_alices,
        Some("bob") => request.has_bobs,
        Some("public" | "system.Everyone") => true,
        Some(_) => false,
        None => true,
    };
    let users = seen(answer, "x-seen-users");
    let user = users.iter().find(|user| !is_allowed(user)).map(Value::to_string);
    user.or_else(|| is_forged(answer).then(|| "forged in the answer".to_owned()))
}

/// An honest batch gets the same answer through the filter as its identities get without it.
fn compare_honest(
    random: Random,
    tokens: &Tokens,
    case: usize,
    filtered: &mut Connection,
    bare: &mut Connection,
) -> Option<String> {
    let mut random = random;
    // uWSGI does not read a body in chunks, whoever sends it.
    let reads_chunks = std::env::var("FUZZ_SERVER").as_deref() != Ok("uwsgi");
    let chunked = (random.one_in(5) && reads_chunks).then_some("");
    let kind = random.pick(&[
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ]);
    let batch = honest::batch(random, tokens, case);
    let kind = header("Content-Type", kind);
    let mut with_token = vec![kind.clone()];
    if batch.outer == Who::Alice {
        with_token.push(authorization(&tokens.alice));
    }
    let with_identity = vec![kind, header("userId", batch.outer.id())];
    let body = batch.with_tokens.as_bytes();
    let ours = filtered.send(&bytes("POST", b"/v1/batch", &with_token, body, chunked)).expect("an answer");
    let body = batch.with_identities.as_bytes();
    let theirs = bare.send(&bytes("POST", b"/v1/batch", &with_identity, body, chunked)).expect("an answer");
    // Kinto has faults of its own (HTTP 500), which the filter neither hides nor makes.
    if !matches!(theirs.status, 200 | 500) {
        return Some(format!("not honest, HTTP {}: {}", theirs.status, batch.with_identities));
    }
    let (ours_seen, theirs_seen) = (seen(&ours, "x-seen-users"), seen(&theirs, "x-seen-users"));
    // With a ticket, nobody is nobody: the header has a name for it.
    let nobody = |user: &Value| user.is_null() && theirs_seen.contains(&json!("system.Everyone"));
    if ours_seen
        .iter()
        .any(|user| !nobody(user) && !theirs_seen.contains(user) || (user == "bob" && !batch.has_bobs))
    {
        return Some(format!("as {ours_seen:?}, not {theirs_seen:?}: {}", batch.with_identities));
    }
    let (ours, theirs) = (normalised(ours.json()), normalised(theirs.json()));
    (ours != theirs).then(|| difference(&ours, &theirs, &batch.with_identities))
}

/// The first sub-request with two answers, and these.
fn difference(ours: &Value, theirs: &Value, batch: &str) -> String {
    let list =
        |answer: &Value| answer["responses"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
    let (ours, theirs) = (list(ours), list(theirs));
    let mut pairs = ours.iter().zip(&theirs).enumerate();
    let (number, (ours, theirs)) =
        pairs.find(|(_, (ours, theirs))| ours != theirs).unwrap_or((0, (&Value::Null, &Value::Null)));
    format!("answer {number}: {ours}\ninstead of {theirs}\nto {batch}")
}

#[test]
fn made_up_paths_that_reach_the_batch_endpoint_are_known() {
    let servers = Servers::start(&servers::observed());
    let ports = servers.ports();
    let report = Mutex::new(Report::default());
    let reached = Mutex::new(vec![0; ports.len()]);
    let (cases, started) = (variable("FUZZ_CASES", CASES), Instant::now());
    let connections = || ports.iter().map(|(_, port)| Connection::to(*port)).collect::<Vec<_>>();
    run(0..cases, connections, |connections, case| {
        let mut random = Random::of_case(seed(), case);
        let path = paths::outer_batch(&mut random);
        let path = paths::bytes(&mut random, &path);
        let body = json!({"requests": [{"path": "/v1/", "headers": {"userId": "forged1"}}]}).to_string();
        for (number, (server, _)) in ports.iter().enumerate() {
            let mut at = path.clone();
            // A client follows Kinto's redirects, through the filter each time.
            for _ in 0..3 {
                let request = bytes("POST", &at, &vec![json_type()], body.as_bytes(), None);
                let Some(answer) = connections[number].send(&request) else { break };
                let entered = batches(&answer) > 0 || is_forged(&answer);
                reached.lock().unwrap()[number] += usize::from(entered);
                if entered && !is_batch(b"POST", &at) {
                    let text = format!("{server}: {}", at.escape_ascii());
                    report.lock().unwrap().finding("unknown path", case, started, text);
                }
                let Some(next) = location(&answer) else { break };
                at = next;
            }
        }
        report.lock().unwrap().cases += 1;
    });
    let report = report.into_inner().unwrap();
    let reached = reached.into_inner().unwrap();
    let names: Vec<&str> = ports.iter().map(|(name, _)| *name).collect();
    println!(
        "{} paths, of which {reached:?} reach the batch endpoint of {names:?}; {:.1} s",
        report.cases,
        started.elapsed().as_secs_f32()
    );
    report.judge();
    for (name, count) in names.iter().zip(reached) {
        assert!(count * 50 > cases, "{name}: only {count} of {cases} paths reach the batch endpoint");
    }
}
