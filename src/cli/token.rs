//! `kinto-jwt token`: a signed token, to try out settings with. It may be as bad as somebody wants it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::write;
use crate::cli::private_key::algorithm::algorithms;
use crate::cli::private_key::read::read;
use crate::keys::algorithm::Algorithm;

/// What the token says, and who signs it.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The file of the private key (PEM), or of the secret
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The signature algorithm [default: RS256, ES256, ES384, ES512, EdDSA or HS256, as the key is]
    #[arg(long, value_parser = algorithms())]
    algorithm: Option<Algorithm>,
    /// The name of the key, in the header of the token
    #[arg(long, allow_hyphen_values = true)]
    kid: Option<String>,
    /// The user id, unless the setting userIdTokenKey names another claim
    #[arg(long)]
    sub: Option<String>,
    /// The issuer
    #[arg(long)]
    iss: Option<String>,
    /// Whom the token is for; may be given several times
    #[arg(long)]
    aud: Vec<String>,
    /// How long the token is valid, in seconds; below 0 it has expired already
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, allow_negative_numbers = true)]
    expires_in: i64,
    /// Leave exp out
    #[arg(long, conflicts_with = "expires_in")]
    no_exp: bool,
    /// A claim, over all others: its value is JSON, or else text; may be given several times, and the last one counts
    #[arg(long, value_name = "NAME=VALUE", value_parser = member)]
    claim: Vec<(String, Value)>,
    /// A parameter of the header, in the same way
    #[arg(long, value_name = "NAME=VALUE", value_parser = member)]
    header: Vec<(String, Value)>,
    /// The time of iat, in seconds since 1970 or as 2026-11-24T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<i64>,
}

/// Prints a token, and nothing else.
///
/// # Errors
/// There is no such key, it does not fit the algorithm, or a time is out of range.
pub(crate) fn run(arguments: Token) -> Result<ExitCode, Failure> {
    let key = read(&arguments.key)?;
    let algorithm = arguments.algorithm.unwrap_or_else(|| key.usual_algorithm());
    let (header, claims) = (header(&arguments, algorithm), claims(&arguments)?);
    let part = |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(algorithm, signed.as_bytes()).map_err(|fault| {
        Failure::new(format!("{} {}; {}", arguments.key.display(), fault.what, fault.remedy))
    })?;
    write(format!("{signed}.{}\n", URL_SAFE_NO_PAD.encode(signature)).as_bytes())
}

/// The header: `typ`, `alg`, `kid`, and what is written over them.
fn header(arguments: &Token, algorithm: Algorithm) -> Map<String, Value> {
    let mut header = Map::new();
    header.insert("typ".to_owned(), json!("JWT"));
    header.insert("alg".to_owned(), json!(format!("{algorithm:?}")));
    header.extend(arguments.kid.iter().map(|kid| ("kid".to_owned(), json!(kid))));
    header.extend(arguments.header.iter().cloned());
    header
}

/// The claims: those that have an option of their own, and what is written over them.
fn claims(arguments: &Token) -> Result<Map<String, Value>, Failure> {
    let now = match arguments.now {
        Some(now) => now,
        None => seconds(SystemTime::now())
            .ok_or_else(|| Failure::new("the clock of this machine is wrong; give the time with --now"))?,
    };
    let mut claims = Map::new();
    claims.extend(arguments.iss.iter().map(|iss| ("iss".to_owned(), json!(iss))));
    claims.extend(arguments.sub.iter().map(|sub| ("sub".to_owned(), json!(sub))));
    match arguments.aud.as_slice() {
        [] => {}
        [aud] => drop(claims.insert("aud".to_owned(), json!(aud))),
        all => drop(claims.insert("aud".to_owned(), json!(all))),
    }
    claims.insert("iat".to_owned(), json!(now));
    if !arguments.no_exp {
        let exp = now.checked_add(arguments.expires_in).ok_or_else(|| {
            Failure::new("--now and --expires-in together are out of range; give smaller numbers")
        })?;
        claims.insert("exp".to_owned(), json!(exp));
    }
    claims.extend(arguments.claim.iter().cloned());
    Ok(claims)
}

/// A name, and a value that is JSON or else text.
fn member(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("there is no =, as in groups=[\"kinto\"]")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Ok((name.to_owned(), value))
}

/// A time, in seconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let written = text.parse().ok();
    let of_rfc3339 = || seconds(humantime::parse_rfc3339(text).ok()?);
    written
        .or_else(of_rfc3339)
        .ok_or_else(|| "it is neither seconds since 1970 nor a time such as 2026-11-24T10:00:00Z".to_owned())
}

fn seconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}
