//! From the plugin configuration, as the operator wrote it, to a [`Config`], or to words that say what is wrong.

use serde_json::{Map, Value};

use crate::config::header::{own_header, taken};
use crate::config::policy::{ClaimHeader, Reader};
use crate::config::refused::refused;
use crate::config::settings::{ConfigError, MAX_SIZE, Settings, Topic, about, error, read};
use crate::config::ticket::ticket;
use crate::gate::cache::CacheLimits;
use crate::gate::config::{BatchLimits, Config};
use crate::gate::on_failure::{Action, OnFailure, OpenPaths};
use crate::gate::policy::{Policy, PolicyIndex};
use crate::gate::ticket::Ticket;
use crate::keys::boringssl::HostVerify;
use crate::request::credentials::Place;
use crate::request::identity_header::IdentityHeader;
use crate::token::header_text::Charset;
use crate::token::user_id::{Carrier, UserId};

/// The default of `open`: paths at which Kinto answers everybody.
const OPEN_PATHS: [&str; 4] = ["/v1/", "/v1/__heartbeat__", "/v1/__lbheartbeat__", "/v1/__version__"];

/// The default of `userIdHeader`.
const USER_ID_HEADER: &str = "userId";

/// The largest value of `batch.maxBytes`. The module holds the body of a batch and the new body in its memory.
const MAX_BATCH_BYTES: u64 = 16 << 20;

/// The largest value of `batch.maxRequests`. Each sub-request may cost the verification of a signature.
const MAX_BATCH_REQUESTS: u64 = 1_000;

/// The largest number of policies. More are a mistake, and a request may have to try them all.
const MAX_POLICIES: usize = 32;

/// Reads the plugin configuration in each form in which Envoy hands it over: a `google.protobuf.Struct` (YAML in
/// Envoy's configuration arrives as binary protobuf), or JSON text (`StringValue`, `BytesValue`, Istio's
/// `pluginConfig`). `host` verifies signatures, if there is one that can.
///
/// # Errors
/// The first setting that is wrong.
pub fn parse(bytes: &[u8], host: Option<HostVerify>) -> Result<Config, ConfigError> {
    parse_with(bytes, host, &|name| std::env::var(name).ok())
}

/// Reads the plugin configuration as [`parse`] does. `variable` returns the value of a variable of the environment.
///
/// # Errors
/// The first setting that is wrong.
pub(crate) fn parse_with(
    bytes: &[u8],
    host: Option<HostVerify>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let mut settings = Settings::new(read(bytes)?, &[]);
    settings.refuse_unknown(&about(|_| true))?;
    let charset = charset(&mut settings)?;
    let ticket = ticket(&mut settings, variable)?;
    let carrier = if ticket.is_some() { Carrier::Ticket(charset) } else { Carrier::Header(charset) };
    let identity_header = identity_header(&mut settings)?;
    let usual_header =
        (!identity_header.is_spelled(USER_ID_HEADER)).then(|| IdentityHeader::new(USER_ID_HEADER.to_owned()));
    let refused = refused(&mut settings)?;
    let mut reader = Reader::new(host, variable, charset, carrier, refused);
    let policies = policies(&mut settings, &mut reader)?;
    let Reader { claim_headers, warnings, .. } = reader;
    check_cookie(ticket.as_ref(), &policies)?;
    check_headers(&identity_header, usual_header.as_ref(), &policies, &claim_headers)?;
    let config = Config {
        on_failure: on_failure(&mut settings, &policies, carrier)?,
        policies,
        usual_header,
        identity_header,
        ticket,
        claim_headers: claim_headers.into_iter().map(|header| header.header).collect(),
        forward_token: settings.bool("forwardToken", false)?,
        access_log_reason: settings.bool("accessLogReason", false)?,
        token_cache: token_cache(&mut settings)?,
        batch: batch(&mut settings)?,
        warnings,
    };
    settings.refuse_unread()?;
    Ok(config)
}

/// Checks that the cookie of tickets is not a place of tokens.
fn check_cookie(ticket: Option<&Ticket>, policies: &[Policy]) -> Result<(), ConfigError> {
    let Some(ticket) = ticket else { return Ok(()) };
    let mut places = policies.iter().flat_map(|policy| policy.credentials.places());
    if places.any(|place| *place == Place::Cookie(ticket.cookie_name.clone())) {
        return Err(error(
            "cookieName",
            "is a cookie that holds tokens",
            "write a name of its own, such as kjwt",
        )
        .within("ticket"));
    }
    Ok(())
}

/// Checks that no header has two meanings.
fn check_headers(
    identity_header: &IdentityHeader,
    usual_header: Option<&IdentityHeader>,
    policies: &[Policy],
    claim_headers: &[ClaimHeader],
) -> Result<(), ConfigError> {
    let holds_token = |policy: &Policy, header: &IdentityHeader| {
        let mut places = policy.credentials.places().iter().filter(|place| !matches!(place, Place::Query(_)));
        places.any(|place| header.is_spelled(place.field()))
    };
    let token_header = |header: &IdentityHeader| policies.iter().any(|policy| holds_token(policy, header));
    if token_header(identity_header) {
        return Err(taken("userIdHeader"));
    }
    if usual_header.is_some_and(token_header) {
        // The policy that has it may be any of them.
        return Err(taken("http_header or from: userId").at(&[]));
    }
    for ClaimHeader { header, path } in claim_headers {
        let taken = |setting: &str| Err(taken(setting).at(&["claimsToHeaders", header.name()]).below(path));
        if usual_header.is_some_and(|usual| usual.is_spelled(header.name())) {
            return taken("claimsToHeaders.userId");
        }
        if identity_header.is_spelled(header.name()) {
            // The name may be a secret.
            return taken("claimsToHeaders: the header of userIdHeader");
        }
        if token_header(header) {
            return taken(&format!("claimsToHeaders.{}", header.name()));
        }
    }
    Ok(())
}

/// Reads `policies`, or the one policy that the other settings make.
fn policies(settings: &mut Settings, reader: &mut Reader) -> Result<Vec<Policy>, ConfigError> {
    let Some(list) = settings.take("policies") else {
        return Ok(vec![reader.read(PolicyIndex(0), "default", settings)?]);
    };
    let defaults = settings.take_defaults();
    let named = policy_list(list, &defaults)?.into_iter().enumerate();
    let read = named.map(|(index, (name, mut settings))| {
        let policy = reader.read(PolicyIndex(index), &name, &mut settings);
        let read = policy.and_then(|policy| settings.refuse_unread().map(|()| policy));
        read.map_err(|error| settings.locate(error).of_policy(&name))
    });
    read.collect()
}

/// The name and the settings of each policy: its own, and the defaults where it has none.
fn policy_list(list: Value, defaults: &Map<String, Value>) -> Result<Vec<(String, Settings)>, ConfigError> {
    let example = "write a list: policies: [ { name: auth0, issuer: .., remoteJwks: .. } ]";
    let Value::Array(list) = list else { return Err(error("policies", "is not a list", example)) };
    if list.is_empty() || list.len() > MAX_POLICIES {
        return Err(error(
            "policies",
            format!("has {} policies, not 1 to {MAX_POLICIES}", list.len()),
            example,
        ));
    }
    let mut policies: Vec<(String, Settings)> = Vec::new();
    for (index, policy) in list.into_iter().enumerate() {
        let path = ["policies", &index.to_string()];
        let name_is =
            |fault: String, remedy| error("policies", fault, remedy).at(&[path[0], path[1], "name"]);
        let Value::Object(mut own) = policy else {
            return Err(error("policies", "has an item that is not a map", example).at(&path));
        };
        let name = own.remove("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            return Err(name_is(
                "has a policy without a name of 1 to 32 letters, digits, - and _".to_owned(),
                "give each a name of its own; metrics and the log use it",
            ));
        }
        if policies.iter().any(|(other, _)| *other == name) {
            return Err(name_is(format!("has {name} twice"), "give each policy a name of its own"));
        }
        let settings = Settings::new(own, &path);
        let known = settings.refuse_unknown(&about(|topic| topic != Topic::Global));
        known.map_err(|error| settings.locate(error).of_policy(&name))?;
        policies.push((name, settings.over(defaults)));
    }
    Ok(policies)
}

fn on_failure(
    settings: &mut Settings,
    policies: &[Policy],
    carrier: Carrier,
) -> Result<OnFailure, ConfigError> {
    let schemes = |policy: &Policy| {
        policy.credentials.places().iter().find_map(|place| match place {
            Place::Header { schemes, .. } => schemes.first().cloned(),
            _ => None,
        })
    };
    let open = settings.texts("open")?;
    let open = open.unwrap_or_else(|| OPEN_PATHS.iter().map(|path| (*path).to_owned()).collect());
    if !open.iter().all(|path| path.starts_with('/')) {
        return Err(error("open", "has a path that does not start with /", "write for example /v1/"));
    }
    Ok(OnFailure {
        missing: action(settings, "onMissing", Action::UnauthorizedUser)?,
        invalid: action(settings, "onInvalid", Action::UnauthorizedUser)?,
        keys_unavailable: action(settings, "onKeysUnavailable", Action::Reject)?,
        open: OpenPaths::new(&open),
        unauthorized: unauthorized(settings, carrier)?,
        challenge: policies.iter().find_map(schemes).unwrap_or_else(|| "Bearer".to_owned()),
    })
}

fn action(settings: &mut Settings, name: &str, default: Action) -> Result<Action, ConfigError> {
    settings.word(
        name,
        default,
        &[
            ("unauthorizedUser", Action::UnauthorizedUser),
            ("anonymous", Action::Anonymous),
            ("reject", Action::Reject),
            ("report", Action::Report),
        ],
        "is none of the actions",
        "write unauthorizedUser, anonymous, reject or report, in this spelling",
    )
}

fn unauthorized(settings: &mut Settings, carrier: Carrier) -> Result<Option<UserId>, ConfigError> {
    let value = match settings.take_nullable("unauthorizedUserId") {
        None => Value::String("public".to_owned()),
        Some(Value::Null) => return Ok(None),
        // YAML reads no, off and n without quotes as false: the operator may mean a name, or a switch.
        Some(Value::Bool(_)) => {
            return Err(error(
                "unauthorizedUserId",
                "is true or false, which YAML makes of yes, no, on and off too",
                "put a name in quotes, or write null for anonymous requests",
            ));
        }
        Some(value) => value,
    };
    UserId::from_value(&value, carrier).map(Some).map_err(|rejection| {
        error(
            "unauthorizedUserId",
            format!("cannot be a user id ({})", rejection.code()),
            "write a name such as public, or null for anonymous requests (an empty one would log in as kinto_jwt:)",
        )
    })
}

fn charset(settings: &mut Settings) -> Result<Charset, ConfigError> {
    settings.word(
        "userIdCharset",
        Charset::Ascii,
        &[("ascii", Charset::Ascii), ("latin-1", Charset::Latin1)],
        "is neither ascii nor latin-1",
        "write latin-1 only if Kinto runs on waitress, gunicorn or uWSGI; Granian loses such user ids",
    )
}

fn identity_header(settings: &mut Settings) -> Result<IdentityHeader, ConfigError> {
    let name = settings.text("userIdHeader", USER_ID_HEADER)?;
    own_header("userIdHeader", name, "userId or X-User-Id, and its upper-case form in Kinto's environ_key")
}

fn token_cache(settings: &mut Settings) -> Result<CacheLimits, ConfigError> {
    let CacheLimits { max_entries, max_bytes } = CacheLimits::default();
    let mut cache = settings.map("tokenCache", "{ maxEntries: 10000, maxBytes: 8388608 }")?;
    let mut size = |name, default, unit| {
        cache.size(name, default, 0..=MAX_SIZE, unit).map_err(|error| error.within("tokenCache"))
    };
    let limits = CacheLimits {
        max_entries: size("maxEntries", max_entries, "tokens")?,
        max_bytes: size("maxBytes", max_bytes, "bytes")?,
    };
    cache
        .refuse_rest("tokenCache", "maxEntries and maxBytes")
        .map_err(|error| error.below(&["tokenCache".to_owned()]))?;
    Ok(limits)
}

fn batch(settings: &mut Settings) -> Result<BatchLimits, ConfigError> {
    let BatchLimits { max_bytes, max_requests, one_user } = BatchLimits::default();
    let mut batch = settings.map("batch", "{ maxBytes: 1048576, maxRequests: 25, ownTokens: allow }")?;
    let mut size =
        |name, default, most, unit| batch.size(name, default, 1..=most, unit).map_err(|e| e.within("batch"));
    let limits = BatchLimits {
        max_bytes: size("maxBytes", max_bytes, MAX_BATCH_BYTES, "bytes")?,
        max_requests: size("maxRequests", max_requests, MAX_BATCH_REQUESTS, "sub-requests")?,
        one_user: batch
            .word(
                "ownTokens",
                one_user,
                &[("allow", false), ("refuse", true)],
                "is neither allow nor refuse",
                "write refuse if all sub-requests of a batch must be from one user",
            )
            .map_err(|error| error.within("batch"))?,
    };
    batch
        .refuse_rest("batch", "maxBytes, maxRequests and ownTokens")
        .map_err(|error| error.below(&["batch".to_owned()]))?;
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_counts_as_not_written() {
        let issuer = |remote: Value| json!({"issuer": "https://i", "remoteJwks": remote});
        for settings in [
            issuer(json!({"cluster": "c", "discovery": true, "uri": null, "timeoutSeconds": null})),
            json!({"jwks": null, "public_key": "0123456789abcdef0123456789abcdef", "algorithm": "HS256", "typ": null}),
        ] {
            assert!(parse(settings.to_string().as_bytes(), None).is_ok(), "{settings}");
        }
        let unknown = issuer(json!({"cluster": "c", "discovery": true, "url": null}));
        let error = parse(unknown.to_string().as_bytes(), None).unwrap_err().to_string();
        assert!(error.starts_with("remoteJwks.url is not a setting"), "{error}");
    }
}
