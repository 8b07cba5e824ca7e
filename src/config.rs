//! The plugin configuration: what the operator wrote, to a [`Config`]; or words for what is wrong with it.

use serde_json::Value;

use crate::batch::BatchLimits;
use crate::cache::CacheLimits;
use crate::claims::Rules;
use crate::credentials::Credentials;
use crate::host_crypto::HostVerify;
use crate::identity_header::{IdentityHeader, is_token, wsgi_key};
use crate::keys::{ALGORITHMS, Keys};
use crate::public_key;
pub use crate::settings::ConfigError;
use crate::settings::{Settings, error, read};
use crate::user_id::{UserId, UserIdClaim};

/// Seconds: more than a day of leeway is a mistake in the unit.
const MAX_LEEWAY: u64 = 86_400;

/// Schemes whose credentials WebOb reads as parameters, so that no token was ever found in them
/// (`webob/descriptors.py`, `known_auth_schemes`).
const PARAMETER_SCHEMES: [&str; 6] = ["Digest", "WSSE", "HMACDigest", "GoogleLogin", "Cookie", "OpenID"];

/// Every setting, in one place for the error on an unknown one.
const SETTINGS: [&str; 13] = [
    "public_key",
    "algorithm",
    "leeway",
    "http_header",
    "auth_type",
    "audience",
    "verifyToken",
    "unauthorizedUserId",
    "userIdTokenKey",
    "userIdHeader",
    "forwardToken",
    "tokenCache",
    "batch",
];

/// The policy: who is let in as whom.
#[derive(Debug)]
pub struct Config {
    /// `http_header` and `auth_type`: where the token is.
    pub credentials: Credentials,
    /// `public_key` and `algorithm`: what proves it.
    pub keys: Keys,
    /// `leeway`, `audience` and `verifyToken`: what its claims must say.
    pub rules: Rules,
    /// `userIdTokenKey`: the claim that names the user.
    pub user_id_claim: UserIdClaim,
    /// `unauthorizedUserId`: the user of a request without a valid token; `None` is anonymous.
    pub unauthorized: Option<UserId>,
    /// `userIdHeader`: the header that Kinto trusts.
    pub identity_header: IdentityHeader,
    /// `forwardToken`: whether Kinto gets the token too.
    pub forward_token: bool,
    /// `tokenCache`: how many verified tokens are remembered.
    pub token_cache: CacheLimits,
    /// `batch`: limits of the batch endpoint.
    pub batch: BatchLimits,
}

impl Config {
    /// Reads the bytes that Envoy hands the plugin, in each form that an operator can write:
    /// a `google.protobuf.Struct` (native YAML; it arrives as binary protobuf), or JSON text
    /// (`StringValue`, `BytesValue`, Istio's `pluginConfig`).
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::parse_with_host(bytes, None)
    }

    /// Reads the configuration for a host that may lend its cryptography.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn parse_with_host(bytes: &[u8], host: Option<HostVerify>) -> Result<Self, ConfigError> {
        let mut settings = Settings(read(bytes)?);
        settings.refuse_unknown(&SETTINGS)?;
        let enforced = settings.bool("verifyToken", true)?;
        let credentials = credentials(&mut settings)?;
        Ok(Self {
            keys: keys(&mut settings, enforced, host)?,
            rules: Rules { enforced, leeway: leeway(&mut settings)?, audience: audience(&mut settings)? },
            user_id_claim: UserIdClaim::new(settings.text("userIdTokenKey", "sub")?),
            unauthorized: unauthorized(&mut settings)?,
            identity_header: identity_header(&mut settings, &credentials)?,
            credentials,
            forward_token: settings.bool("forwardToken", false)?,
            token_cache: token_cache(&mut settings)?,
            batch: batch(&mut settings)?,
        })
    }
}

fn credentials(settings: &mut Settings) -> Result<Credentials, ConfigError> {
    let header = settings.text("http_header", "Authorization")?;
    if !is_token(&header)
        || ["host", "content-length", "transfer-encoding"].contains(&header.to_ascii_lowercase().as_str())
    {
        return Err(error(
            "http_header",
            "is not the name of a header that can hold a token",
            "write for example Authorization",
        ));
    }
    let schemes = settings.texts("auth_type")?.unwrap_or_else(|| vec!["JWT".to_owned()]);
    if !schemes.iter().all(|scheme| is_token(scheme)) {
        return Err(error(
            "auth_type",
            "has a scheme with characters other than letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 11.1)",
            "write for example JWT or Bearer",
        ));
    }
    if let Some(scheme) =
        schemes.iter().find(|scheme| PARAMETER_SCHEMES.iter().any(|p| p.eq_ignore_ascii_case(scheme)))
    {
        return Err(error(
            "auth_type",
            format!(
                "has {scheme}, a scheme of parameters and not of one token (kinto_jwt never found one in it)"
            ),
            "write for example JWT or Bearer",
        ));
    }
    let is_authorization = header.eq_ignore_ascii_case("Authorization");
    Ok(if is_authorization { Credentials::authorization(schemes) } else { Credentials::bare(&header) })
}

fn keys(settings: &mut Settings, enforced: bool, host: Option<HostVerify>) -> Result<Keys, ConfigError> {
    let name = settings.text("algorithm", "RS256")?;
    let algorithm = *ALGORITHMS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        error(
            "algorithm",
            "is not a name that this filter accepts",
            format!("write one of {}, in this spelling", names.join(", ")),
        )
    })?;
    let text = match settings.take("public_key") {
        Some(Value::String(text)) => text,
        None => {
            return Err(error(
                "public_key",
                "is missing",
                "give the issuer's public key as PEM, or the shared secret for HS256, HS384 and HS512",
            ));
        }
        Some(_) => {
            return Err(error(
                "public_key",
                "is not text",
                "put it in quotes, or in a YAML block (public_key: |)",
            ));
        }
    };
    let key = public_key::parse(&text, algorithm.1)
        .map_err(|(fault, remedy)| error("public_key", fault, remedy))?;
    Keys::new(algorithm, &key, enforced, host).map_err(|_| {
        error(
            "public_key",
            format!("is damaged, or not a key for {name}"),
            "copy the whole PEM from the issuer again",
        )
    })
}

fn leeway(settings: &mut Settings) -> Result<u64, ConfigError> {
    settings.integer("leeway", 0, 0..=MAX_LEEWAY, "seconds")
}

fn audience(settings: &mut Settings) -> Result<Option<Vec<String>>, ConfigError> {
    let audience = settings.texts("audience")?;
    if audience.iter().flatten().any(String::is_empty) {
        return Err(error(
            "audience",
            "has an empty name",
            "write the name that the tokens have in aud, or leave it out",
        ));
    }
    Ok(audience)
}

fn unauthorized(settings: &mut Settings) -> Result<Option<UserId>, ConfigError> {
    let value = match settings.0.remove("unauthorizedUserId") {
        None => Value::String("public".to_owned()),
        Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    UserId::from_value(&value).map(Some).map_err(|rejection| {
        error(
            "unauthorizedUserId",
            format!("cannot be a user id ({})", rejection.code()),
            "write a name such as public, or null for anonymous requests (an empty one would log in as kinto_jwt:)",
        )
    })
}

fn identity_header(
    settings: &mut Settings,
    credentials: &Credentials,
) -> Result<IdentityHeader, ConfigError> {
    let name = settings.text("userIdHeader", "userId")?;
    let key = wsgi_key(&name);
    if !is_token(&name) || name.contains('_') {
        return Err(error(
            "userIdHeader",
            "is not a header name that reaches Kinto (letters, digits and -; servers drop names with _)",
            "write for example userId or X-User-Id, and its upper-case form in Kinto's environ_key",
        ));
    }
    let taken = [
        "HOST",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "TRANSFER_ENCODING",
        "CONNECTION",
        "COOKIE",
        "AUTHORIZATION",
    ];
    if taken.contains(&key.as_str()) || key == wsgi_key(credentials.header()) {
        return Err(error(
            "userIdHeader",
            "is a header with another meaning",
            "write a name of its own, such as userId",
        ));
    }
    Ok(IdentityHeader::new(name))
}

fn token_cache(settings: &mut Settings) -> Result<CacheLimits, ConfigError> {
    let CacheLimits { max_entries, max_bytes } = CacheLimits::default();
    let mut cache = settings.map("tokenCache", "{ maxEntries: 10000, maxBytes: 8388608 }")?;
    let limits = CacheLimits {
        max_entries: cache.size("maxEntries", max_entries, 0, "tokens")?,
        max_bytes: cache.size("maxBytes", max_bytes, 0, "bytes")?,
    };
    cache.refuse_rest("tokenCache", "maxEntries and maxBytes")?;
    Ok(limits)
}

fn batch(settings: &mut Settings) -> Result<BatchLimits, ConfigError> {
    let mut batch = settings.map("batch", "{ maxBytes: 1048576 }")?;
    let limits =
        BatchLimits { max_bytes: batch.size("maxBytes", BatchLimits::default().max_bytes, 1, "bytes")? };
    batch.refuse_rest("batch", "maxBytes")?;
    Ok(limits)
}
