//! Mutated tokens, decided by the filter and by the real `kinto_jwt` with PyJWT: both must come to the same verdict and the
//! same user, but for the classes of [`CLASSES`], each of which is a row of the differences in docs/kinto_jwt.md.
//!
//! `FUZZ_CASES=1000000 cargo test --test vectors pyjwt -- --nocapture` tries more tokens than usual, `FUZZ_SEED=2` others,
//! and `FUZZ_SHOW=100` shows more than five of a kind.

mod mutate;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kinto_jwt_filter::Rejection::{self, *};
use kinto_jwt_filter::{Gate, Outcome};
use serde_json::{Value, json};

use kit::http::header;
use kit::servers::{Process, made, project};
use kit::table::Case;
use kit::tokens::{SECRET, public_key};

use super::{gate, hosts};
use mutate::{Mutant, mutant};

/// 2027-01-15T08:00:00Z. The clock of PyJWT stands there too.
const NOW: u64 = 1_800_000_000;

/// What a run of all tests has time for.
const CASES: usize = 100_000;

/// So many tokens are sent at once.
const CHUNK: usize = 500;

/// Each thread has a Python of its own.
const THREADS: usize = 2;

/// Settings that `kinto_jwt` has too.
struct Policy {
    algorithm: &'static str,
    /// The secret, or the name of the key.
    key: &'static str,
    audience: Option<&'static [&'static str]>,
    leeway: u64,
    claim: &'static str,
}

const POLICIES: [Policy; 7] = [
    Policy { algorithm: "HS256", key: SECRET, audience: None, leeway: 0, claim: "sub" },
    Policy { algorithm: "HS256", key: SECRET, audience: Some(&["app"]), leeway: 30, claim: "sub" },
    Policy { algorithm: "HS256", key: SECRET, audience: Some(&["web", "app"]), leeway: 0, claim: "uid" },
    Policy { algorithm: "HS256", key: SECRET, audience: None, leeway: 600, claim: "/user/id" },
    Policy { algorithm: "RS256", key: "rsa", audience: None, leeway: 0, claim: "sub" },
    Policy { algorithm: "ES256", key: "p256", audience: None, leeway: 0, claim: "uid" },
    Policy { algorithm: "EdDSA", key: "ed25519", audience: None, leeway: 0, claim: "sub" },
];

impl Policy {
    fn settings(&self) -> Value {
        let key = if self.algorithm == "HS256" { self.key.to_owned() } else { public_key(self.key) };
        json!({"public_key": key, "algorithm": self.algorithm, "audience": self.audience, "leeway": self.leeway,
            "userIdTokenKey": self.claim})
    }
}

/// What becomes of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    User(String),
    /// Nobody: not even the unauthorized user.
    Nobody,
    Refused,
    /// The token is good, and has no claim of the user id.
    Nameless,
    /// Kinto answers 500.
    Crash,
}

/// A kind of disagreement: what is peculiar about the token, which the oracle reads for itself, and what both sides say.
struct Class {
    /// The row of docs/kinto_jwt.md.
    row: &'static str,
    /// By its name in `oracle.py`.
    peculiar: &'static str,
    ours: Ours,
    theirs: fn(&Verdict) -> bool,
}

/// What the filter says.
enum Ours {
    /// It refuses the token for one of these reasons.
    Refuses(&'static [Rejection]),
    /// It refuses the token for whatever reason.
    RefusesAnyhow,
    /// It refuses the JSON text that is so.
    RefusesJson,
    /// It accepts the token, and the oracle comes to the same user, or to none, where it grants the row.
    Accepts,
}

fn is_good(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::User(_) | Verdict::Nobody | Verdict::Nameless)
}

fn is_unnamed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused | Verdict::Nameless)
}

const ODD_USER: &[Rejection] = &[UserIdEmpty, UserIdControl, UserIdOuterSpace, UserIdNotAscii];

const CLASSES: [Class; 16] = [
    Class { row: "strict-json", peculiar: "twice", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "strict-json", peculiar: "constant", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "strict-json", peculiar: "overflow", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "strict-json", peculiar: "surrogate", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "strict-json", peculiar: "encoding", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "size", peculiar: "deep", ours: Ours::RefusesJson, theirs: is_good },
    Class { row: "size", peculiar: "long", ours: Ours::Refuses(&[TokenTooLong]), theirs: is_good },
    Class { row: "padding", peculiar: "padding", ours: Ours::Refuses(&[NotBase64Url]), theirs: is_good },
    Class { row: "crit", peculiar: "crit", ours: Ours::Refuses(&[CriticalExtension]), theirs: is_good },
    Class {
        row: "text-dates",
        peculiar: "date that is no number",
        ours: Ours::Refuses(&[NotNumericDate]),
        theirs: is_good,
    },
    Class {
        row: "negative-dates",
        peculiar: "negative date",
        ours: Ours::Refuses(&[NotNumericDate]),
        theirs: is_good,
    },
    Class { row: "user-id", peculiar: "user of odd text", ours: Ours::Refuses(ODD_USER), theirs: is_good },
    Class {
        row: "user-id-type",
        peculiar: "user of an odd type",
        ours: Ours::Refuses(&[UserIdType]),
        theirs: is_good,
    },
    Class {
        row: "crash",
        peculiar: "user that crashes",
        ours: Ours::RefusesAnyhow,
        theirs: |theirs| *theirs == Verdict::Crash,
    },
    Class { row: "ed25519", peculiar: "Ed25519", ours: Ours::Accepts, theirs: is_unnamed },
    Class { row: "pointer", peculiar: "pointer", ours: Ours::Accepts, theirs: is_unnamed },
];

impl Class {
    /// Whether a disagreement is of this class.
    fn has(&self, peculiar: &[String], ours: &Verdict, reason: Option<Rejection>, theirs: &Verdict) -> bool {
        let is_so = |name: &str| peculiar.iter().any(|other| other == name);
        (self.theirs)(theirs)
            && match (&self.ours, reason) {
                (Ours::Refuses(reasons), Some(reason)) => is_so(self.peculiar) && reasons.contains(&reason),
                (Ours::RefusesAnyhow, Some(_)) => is_so(self.peculiar),
                (Ours::RefusesJson, Some(HeaderNotJson)) => {
                    is_so(&format!("{} in the header", self.peculiar))
                }
                (Ours::RefusesJson, Some(ClaimsNotJson)) => {
                    is_so(&format!("{} in the claims", self.peculiar))
                }
                (Ours::Accepts, None | Some(NoUserIdClaim)) => {
                    let user = if let Verdict::User(user) = ours { user } else { "None" };
                    is_so(self.peculiar) && is_so(&format!("proves {user}"))
                }
                _ => false,
            }
    }
}

/// `kinto_jwt` in a process of its own.
struct Oracle {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Process,
}

impl Oracle {
    fn start() -> Self {
        let mut command = Command::new(made(".venv/bin/python"));
        command.arg(project("tests/vectors/pyjwt/oracle.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        let (input, output) = process.pipes();
        let mut oracle = Self { input, output: BufReader::new(output), _process: process };
        let policies: Vec<Value> = POLICIES.iter().map(Policy::settings).collect();
        writeln!(oracle.input, "{}", json!({"now": NOW, "policies": policies})).unwrap();
        oracle
    }

    /// Asks what becomes of tokens, or with `? ` before them what is peculiar about them.
    fn ask(&mut self, prefix: &str, mutants: &[&Mutant]) {
        let mut lines = String::new();
        for mutant in mutants {
            lines += &format!("{prefix}{} {}\n", mutant.policy, STANDARD.encode(&mutant.token));
        }
        lines += "\n";
        self.input.write_all(lines.as_bytes()).unwrap();
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the oracle says {line:?}: {error}"))
    }

    fn verdict(&mut self) -> Verdict {
        let answer = self.answer();
        match answer.get("user") {
            Some(Value::String(user)) => Verdict::User(user.clone()),
            Some(_) => Verdict::Nobody,
            None if answer.get("refused").is_some() => Verdict::Refused,
            None if answer.get("nameless").is_some() => Verdict::Nameless,
            None => Verdict::Crash,
        }
    }
}

/// What the filter says; why, if it refuses the token.
fn decide(gate: &Gate, token: &[u8]) -> (Verdict, Option<Rejection>) {
    let case = Case::new("", vec![header("Authorization", [b"JWT ", token].concat())], Ok(""));
    let decision = gate.decide(&case, NOW);
    match (decision.rejection(), &decision.outcome) {
        (Some(NoUserIdClaim), _) => (Verdict::Nameless, Some(NoUserIdClaim)),
        (Some(rejection), _) => (Verdict::Refused, Some(rejection)),
        (None, Outcome::Rejected(_)) => unreachable!("the settings reject nothing"),
        (None, outcome) => (Verdict::User(outcome.user_id().unwrap().as_str().to_owned()), None),
    }
}

#[derive(Default)]
struct Report {
    cases: usize,
    signed: usize,
    accepted: usize,
    refused: usize,
    /// Disagreements that are of one class alone.
    classes: BTreeMap<usize, usize>,
    of_several_classes: usize,
    findings: Vec<String>,
}

fn variable(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn mutated_tokens_are_what_pyjwt_says_but_for_the_listed_differences() {
    let (cases, seed) = (variable("FUZZ_CASES", CASES), u64::try_from(variable("FUZZ_SEED", 1)).unwrap());
    let (report, started) = (Mutex::new(Report::default()), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let report = &report;
            scope.spawn(move || {
                let mut oracle = Oracle::start();
                let gates = hosts()
                    .map(|host| POLICIES.each_ref().map(|policy| gate(&policy.settings(), host).unwrap()));
                for first in (thread * CHUNK..cases).step_by(THREADS * CHUNK) {
                    compare(first..cases.min(first + CHUNK), seed, &gates, &mut oracle, report);
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    println!(
        "seed {seed}: {} tokens, {} of them with a good signature over what they are; {} accepted by both, {} refused \
         by both; {:.1} s",
        report.cases,
        report.signed,
        report.accepted,
        report.refused,
        started.elapsed().as_secs_f32()
    );
    for (number, class) in CLASSES.iter().enumerate() {
        let count = report.classes.get(&number).copied().unwrap_or_default();
        println!("  {}, {}: {count}", class.row, class.peculiar);
    }
    println!("  of several classes: {}", report.of_several_classes);
    for finding in report.findings.iter().take(variable("FUZZ_SHOW", 5)) {
        println!("{finding}\n");
    }
    assert!(report.findings.is_empty(), "seed {seed}: {} disagreements of no class", report.findings.len());
    assert_eq!(report.cases, cases);
    // Otherwise the mutations are too strong, or too weak.
    assert!(report.accepted * 5 > cases && report.refused * 5 > cases);
    for (number, class) in CLASSES.iter().enumerate() {
        assert!(
            report.classes.contains_key(&number),
            "seed {seed}: no token of {}, {}",
            class.row,
            class.peculiar
        );
    }
}

fn compare(
    cases: std::ops::Range<usize>,
    seed: u64,
    gates: &[[Gate; POLICIES.len()]; 2],
    oracle: &mut Oracle,
    report: &Mutex<Report>,
) {
    let mutants: Vec<(usize, Mutant)> = cases.map(|case| (case, mutant(seed, case))).collect();
    oracle.ask("", &mutants.iter().map(|(_, mutant)| mutant).collect::<Vec<_>>());
    let ours: Vec<_> =
        mutants.iter().map(|(case, mutant)| decide(&gates[case % 2][mutant.policy], &mutant.token)).collect();
    let mut apart = Vec::new();
    let mut counts = Report::default();
    for ((case, mutant), (verdict, rejection)) in mutants.iter().zip(ours) {
        let theirs = oracle.verdict();
        counts.cases += 1;
        counts.signed += usize::from(mutant.is_signed);
        if verdict != theirs {
            apart.push((case, mutant, verdict, rejection, theirs));
        } else if is_unnamed(&verdict) {
            counts.refused += 1;
        } else {
            counts.accepted += 1;
        }
    }
    oracle.ask("? ", &apart.iter().map(|(_, mutant, ..)| *mutant).collect::<Vec<_>>());
    for (case, mutant, verdict, rejection, theirs) in apart {
        let peculiar: Vec<String> = serde_json::from_value(oracle.answer()).unwrap();
        let is_of = |class: &&usize| CLASSES[**class].has(&peculiar, &verdict, rejection, &theirs);
        let classes: Vec<usize> = (0..CLASSES.len()).collect();
        match classes.iter().filter(is_of).collect::<Vec<_>>()[..] {
            [class] => *counts.classes.entry(*class).or_default() += 1,
            [_, _, ..] => counts.of_several_classes += 1,
            [] => counts.findings.push(format!(
                "seed {seed}, case {case}, {}: {verdict:?} {rejection:?}, kinto_jwt {theirs:?}, {peculiar:?}: {}",
                POLICIES[mutant.policy].algorithm,
                shown(&mutant.token)
            )),
        }
    }
    let mut report = report.lock().unwrap();
    report.cases += counts.cases;
    report.signed += counts.signed;
    report.accepted += counts.accepted;
    report.refused += counts.refused;
    report.of_several_classes += counts.of_several_classes;
    report.findings.extend(counts.findings);
    for (class, count) in counts.classes {
        *report.classes.entry(class).or_default() += count;
    }
}

/// A token, and its parts decoded where they can be.
fn shown(token: &[u8]) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let parts = token.split(|byte| *byte == b'.').take(2).map(|part| {
        let part: Vec<u8> = part.iter().copied().filter(|byte| *byte != b'=').collect();
        URL_SAFE_NO_PAD
            .decode(part)
            .map_or("?".to_owned(), |json| json[..json.len().min(200)].escape_ascii().to_string())
    });
    format!("{} in {}", parts.collect::<Vec<_>>().join(" . "), token[..token.len().min(600)].escape_ascii())
}

/// Each class is a row of the page that operators read.
#[test]
fn each_class_of_disagreement_is_documented() {
    let page = std::fs::read_to_string(project("docs/kinto_jwt.md")).unwrap();
    for class in CLASSES {
        assert!(page.contains(&format!("| <a id=\"{0}\"></a>{0} |", class.row)), "{}", class.row);
    }
}
