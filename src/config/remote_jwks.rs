//! The setting `remoteJwks`: where the key set of an issuer is.

use crate::config::settings::{ConfigError, MAX_SIZE, Settings, error};
use crate::keys::remote::{Address, RemoteJwks, Source};

/// Reads the members of the setting; `issuers` is the setting `issuer`, for discovery.
///
/// # Errors
/// The first member that is wrong.
pub(crate) fn remote_jwks(
    settings: &mut Settings,
    issuers: Option<&[String]>,
) -> Result<RemoteJwks, ConfigError> {
    let remote = members(settings, issuers).map_err(|e| e.within("remoteJwks"))?;
    settings.refuse_rest(
        "remoteJwks",
        "uri, discovery, cluster, timeoutSeconds, refreshSeconds, cooldownSeconds and maxBytes",
    )?;
    Ok(remote)
}

fn members(settings: &mut Settings, issuers: Option<&[String]>) -> Result<RemoteJwks, ConfigError> {
    let cluster = settings.text("cluster", "")?;
    if cluster.is_empty() {
        return Err(error("cluster", "is missing", "name the Envoy cluster that leads to the issuer"));
    }
    let discovery = settings.bool("discovery", false)?;
    let uri = settings.optional_text("uri", "https://issuer.example/.well-known/jwks.json")?;
    let not_an_address = |setting: &str| {
        error(
            setting,
            "is not an absolute http or https URI",
            "write for example https://issuer.example/jwks.json",
        )
    };
    let source = match (uri, discovery, issuers) {
        (Some(uri), false, _) => Source::Jwks(Address::parse(&uri).ok_or_else(|| not_an_address("uri"))?),
        (Some(_), true, _) => return Err(error("uri", "and discovery are both there", "give one of them")),
        (None, false, _) => {
            return Err(error("uri", "is missing", "give the address of the JWK Set, or discovery: true"));
        }
        (None, true, Some([issuer])) => Source::Discovery {
            metadata: Address::metadata_of(issuer).ok_or_else(|| not_an_address("issuer"))?,
            issuer: issuer.clone(),
        },
        (None, true, _) => {
            return Err(error(
                "discovery",
                "needs one issuer",
                "set issuer to the one whose metadata to read",
            ));
        }
    };
    Ok(RemoteJwks {
        source,
        cluster,
        timeout: milliseconds(settings.integer("timeoutSeconds", 5, 1..=60, "seconds")?),
        refresh: milliseconds(settings.integer("refreshSeconds", 600, 5..=86_400, "seconds")?),
        cooldown: milliseconds(settings.integer("cooldownSeconds", 30, 1..=3_600, "seconds")?),
        max_bytes: settings.size("maxBytes", 131_072, 1..=MAX_SIZE, "bytes")?,
    })
}

fn milliseconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}
