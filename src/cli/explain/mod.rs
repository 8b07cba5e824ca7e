//! `kinto-jwt explain`: why a token proves nothing, and as whom Kinto will see a request.
//!
//! The decision is that of the filter's own [`Gate`]. What is shown beside it is read from the token and from the
//! configuration.
//!
//! | file | what is in it |
//! |---|---|
//! | `request.rs` | the request, with the token as an operator pastes it |
//! | `keys.rs` | the keys of issuers, from files |
//! | `step.rs`, `seen.rs`, `rules.rs` | the steps of a decision, in order; what each of them looks at |
//! | `words.rs`, `refusals.rs` | what each rejection and each refusal of a batch means, and what to do |
//! | `result.rs`, `batch.rs` | what becomes of the request, and of each sub-request of a batch |
//! | `report.rs`, `shown.rs` | all of it as text and as JSON; values as a terminal may show them |

mod batch;
mod keys;
mod refusals;
mod report;
mod request;
mod result;
mod rules;
mod seen;
mod shown;
mod step;
mod words;

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::cli::explain::batch::Batch;
use crate::cli::explain::keys::{how_to_fetch, take_sets};
use crate::cli::explain::report::{Refused, Report, Row};
use crate::cli::explain::request::{Fields, Pasted};
use crate::cli::explain::result::Fate;
use crate::cli::explain::seen::{Mark, Seen};
use crate::cli::explain::shown::printable;
use crate::cli::explain::step::{STEPS, Step};
use crate::cli::explain::words::{REJECTIONS, Words, words};
use crate::cli::failure::Failure;
use crate::cli::file::File;
use crate::cli::in_words::time;
use crate::cli::output::write;
use crate::gate::choose::Chosen;
use crate::gate::config::Config;
use crate::gate::decide::Gate;
use crate::gate::decision::Decision;
use crate::rejection::{Reason, Rejection};
use crate::token::claims::NumericDate;

/// What is explained.
///
/// It ends with 0 if a token proves the user (of each sub-request, if it is a batch), with 1 if it proves nothing, and
/// with 2 if the work could not be done.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The file with the filter's settings: Envoy's configuration, a resource of Kubernetes, or the settings alone
    #[arg(long, value_name = "FILE", required_unless_present = "code")]
    config: Option<PathBuf>,
    /// Which configuration, if the file has several, counted from 1
    #[arg(long, value_name = "NUMBER")]
    configuration: Option<usize>,
    /// The time of the request, in seconds since 1970 or as 2026-11-24T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<NumericDate>,
    /// The key set of the issuer, for remoteJwks: nothing is fetched. With several such policies, POLICY=FILE
    #[arg(long, value_name = "FILE")]
    jwks: Vec<String>,
    /// A header of the request, as 'Name: value'; may be given several times
    #[arg(long, value_name = "HEADER")]
    header: Vec<OsString>,
    /// The method of the request [default: GET, or POST with --batch]
    #[arg(long)]
    method: Option<String>,
    /// The path of the request [default: /v1/buckets, or /v1/batch with --batch]
    #[arg(long)]
    path: Option<String>,
    /// The certificate with which the client opens TLS at Envoy, as PEM, for boundTokens: verify [default: none]
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// The body of a batch, to explain each of its sub-requests; - is standard input
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only say what this code of the log or the metrics means
    #[arg(long, value_name = "CODE", value_parser = parse_code, exclusive = true)]
    code: Option<Rejection>,
    /// The token, also as 'Bearer eyJ..' or 'Authorization: Bearer eyJ..'; @FILE reads it from a file, and - from
    /// standard input. A token that is written here is seen by other users of this machine (ps), and stays in the
    /// history of the shell
    #[arg(value_name = "TOKEN")]
    token: Vec<OsString>,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each step of the decision, and its result
    Text,
    /// The result alone
    Brief,
    /// All of it, for scripts
    Json,
}

/// Explains a request.
///
/// # Errors
/// There is no usable configuration, key set or token. The message does not hold the token.
pub(crate) fn run(arguments: &Explain) -> Result<ExitCode, Failure> {
    if let Some(rejection) = arguments.code {
        let Words { meaning, remedy } = words(rejection);
        return write(format!("{meaning}\nWhat to do: {remedy}\n").as_bytes());
    }
    let inputs = [arguments.config.as_deref(), arguments.batch.as_deref()];
    let inputs = inputs
        .into_iter()
        .flatten()
        .map(Path::as_os_str)
        .chain(arguments.token.iter().map(OsString::as_os_str));
    if inputs.filter(|input| *input == OsStr::new("-")).count() > 1 {
        return Err(Failure::new("only one of --config, --batch and the token can be standard input (-)"));
    }
    let report = report(arguments)?;
    match arguments.format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::at("JSON", error))?;
            write(format!("{json}\n").as_bytes())?
        }
        format => write(report.text(format == Format::Brief).as_bytes())?,
    };
    Ok(if report.is_proven() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn report(arguments: &Explain) -> Result<Report, Failure> {
    let config = arguments.config.as_deref().unwrap_or(Path::new("-"));
    let (gate, place) = gate(config, arguments.configuration)?;
    let mut notes: Vec<String> = gate.config().warnings.clone();
    notes.extend(take_sets(&gate, &arguments.jwks)?);
    let now = match arguments.now {
        Some(now) => now,
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| Failure::new("the clock of this machine is before 1970; give the time with --now"))?
            .as_secs(),
    };
    let (usual_method, usual_path) =
        if arguments.batch.is_some() { ("POST", "/v1/batch") } else { ("GET", "/v1/buckets") };
    let method = arguments.method.as_deref().unwrap_or(usual_method);
    let path = arguments.path.as_deref().unwrap_or(usual_path);
    let mut fields = Fields::new(method, path);
    for (number, header) in (1_usize..).zip(&arguments.header) {
        fields.add_written(header.as_encoded_bytes(), number)?;
    }
    if let Some(file) = &arguments.client_certificate {
        let text = std::fs::read(file).map_err(|error| Failure::at(&file.display().to_string(), error))?;
        fields.come_with(&text)?;
    }
    let request = match token(&arguments.token)? {
        Some(pasted) => sent(&gate, pasted.requests(gate.config(), &fields), now).unwrap_or(fields),
        None => fields,
    };
    if request.headers().iter().any(|(name, _)| gate.config().is_ours(name)) {
        notes.push("a header of the client that only the filter may write is removed".to_owned());
    }
    let chosen = gate.choose(&request);
    let decision = gate.decide(&request, now);
    let without_query = path.split('?').next().unwrap_or_default();
    let mut report = explained(&gate, &chosen, &decision, now, notes);
    report.about =
        format!("{} {} at {}, with {place}", printable(method), printable(without_query), time(now));
    if let Some(batch) = arguments.batch.as_deref().filter(|_| !decision.lacks_keys()) {
        let body = read(batch).map_err(|error| Failure::at(&batch.display().to_string(), error))?;
        // The batch itself is never rejected: each of its sub-requests may be.
        report.fate = None;
        report.batch = Some(Batch::new(&gate, &request, decision, &body, now)?);
    }
    Ok(report)
}

/// The gate of a configuration in a file, and words on where it is.
fn gate(path: &Path, number: Option<usize>) -> Result<(Gate, String), Failure> {
    let (file, plugin) = File::read_one(path, number)?;
    let loaded = plugin.load().map_err(|error| {
        Failure::at(
            &file.name,
            format!("the filter refuses this configuration: {error} (kinto-jwt check shows the place)"),
        )
    })?;
    if let [name, ..] = loaded.unknown_keys.as_slice() {
        return Err(Failure::at(
            &file.name,
            format!(
                "the key is in the variable {name}, which is not set here; set {name} to the key that Envoy has"
            ),
        ));
    }
    let (line, _) = file.line_and_column(plugin.settings.span.start);
    Ok((Gate::new(loaded.config), format!("the settings in {}, line {line}", file.name)))
}

/// The token in these arguments, which the shell has taken apart where it was not quoted.
fn token(arguments: &[OsString]) -> Result<Option<Pasted>, Failure> {
    let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_encoded_bytes()).collect();
    let text = match words.as_slice() {
        [] => return Ok(None),
        [b"-"] => read(Path::new("-")).map_err(|error| Failure::at("standard input", error))?,
        [[b'@', ..]] => {
            let name = arguments.first().and_then(|name| name.to_str()).unwrap_or_default();
            let file = name.strip_prefix('@').unwrap_or_default();
            read(Path::new(file)).map_err(|error| Failure::at(file, error))?
        }
        words => words.join(&b' '),
    };
    Pasted::read(&text).map(Some)
}

/// The bytes of a file; `-` is standard input.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
}

/// The first of these requests whose token is for a policy, or else the first.
fn sent(gate: &Gate, requests: Vec<Fields>, now: NumericDate) -> Option<Fields> {
    let is_for_nobody = |request: &Fields| {
        let rejection = gate.decide(request, now).rejection();
        matches!(rejection, Some(Rejection::NoToken | Rejection::IssuerUnknown))
    };
    let found = requests.iter().position(|request| !is_for_nobody(request)).unwrap_or_default();
    requests.into_iter().nth(found)
}

/// The report on a decision, without the request.
fn explained(
    gate: &Gate,
    chosen: &Chosen<'_, '_>,
    decision: &Decision<'_>,
    now: NumericDate,
    mut notes: Vec<String>,
) -> Report {
    let config = gate.config();
    let seen = Seen::new(config, chosen, now);
    let refused = decision.reason.map(|reason| (reason, Step::of(reason.rejection, seen.circumstances)));
    let steps = STEPS.into_iter().map(|(step, _)| {
        let mark = match refused {
            _ if seen.is_unverified() && step.is_verification() => Mark::LeftOut,
            Some((_, at)) if step > at => Mark::NotReached,
            Some((_, at)) if step == at => Mark::Refused,
            _ => Mark::Passed,
        };
        Row::new(step, mark, seen.words(step, mark))
    });
    let steps = steps.collect();
    let is_proven = refused.is_none_or(|(_, at)| at > Step::Signature) && !seen.is_unverified();
    if seen.has_claims() && !is_proven {
        notes.push("the claims are what the token says; no signature has proved them".to_owned());
    }
    if seen.is_unverified() {
        notes.push("verifyToken is false: anybody can make a token for any user".to_owned());
    }
    if decision.outcome.user_id().is_some() {
        notes.push("kinto_jwt: is the usual name of Kinto's policy; multiauth.policies in kinto.ini may have another".to_owned());
    }
    Report {
        about: String::new(),
        policy: chosen.policy.map(|policy| policy.name.clone()),
        steps,
        refused: refused.map(|(reason, step)| Refused::new(reason, step, remedy(config, chosen, reason))),
        fate: Some(Fate::new(config, &decision.outcome, decision.rejection())),
        batch: None,
        notes,
    }
}

/// What to do about missing keys, which are missing here because nothing is fetched.
fn remedy(config: &Config, chosen: &Chosen<'_, '_>, reason: Reason) -> Option<String> {
    let policy = chosen.policy.filter(|_| reason.rejection == Rejection::KeysUnavailable)?;
    let how = how_to_fetch(config, policy, policy.remote()?);
    Some(format!("explain fetches nothing, so Envoy may have the keys. To go on here: {how}."))
}

fn parse_time(text: &str) -> Result<NumericDate, String> {
    let of_rfc3339 = || Some(humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs());
    let time = text.parse().ok().or_else(of_rfc3339);
    time.ok_or_else(|| "it is neither seconds since 1970 nor a time such as 2026-11-24T10:00:00Z".to_owned())
}

fn parse_code(text: &str) -> Result<Rejection, String> {
    let found = REJECTIONS.iter().find(|rejection| rejection.code() == text);
    found.copied().ok_or_else(|| {
        let all: Vec<&str> = REJECTIONS.iter().map(|rejection| rejection.code()).collect();
        format!("the codes are {}", all.join(", "))
    })
}
