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
    let within = |error: ConfigError| error.within("remoteJwks");
    let discovery = settings.bool("discovery", false).map_err(within)?;
    let uri =
        settings.optional_text("uri", "https://issuer.example/.well-known/jwks.json").map_err(within)?;
    let remote = members(settings, source(uri, discovery, issuers)?).map_err(within)?;
    let known = "uri, discovery, cluster, timeoutSeconds, refreshSeconds, cooldownSeconds and maxBytes";
    settings.refuse_rest("remoteJwks", known).map_err(|error| error.below(&["remoteJwks".to_owned()]))?;
    Ok(remote)
}

/// Where the key set is: at `uri`, or where the metadata of the one issuer says.
fn source(uri: Option<String>, discovery: bool, issuers: Option<&[String]>) -> Result<Source, ConfigError> {
    let wrong = |member: &str, fault: &str, remedy: &str| error(member, fault, remedy).within("remoteJwks");
    let not_an_address = |setting: &str| {
        error(
            setting,
            "is not an absolute http or https URI",
            "write for example https://issuer.example/jwks.json",
        )
    };
    match (uri, discovery, issuers) {
        (Some(uri), false, _) => {
            let address = Address::parse(&uri).ok_or_else(|| not_an_address("uri").within("remoteJwks"))?;
            Ok(Source::Jwks(address))
        }
        (Some(_), true, _) => Err(wrong("uri", "and discovery are both there", "give one of them")),
        (None, false, _) => {
            Err(wrong("uri", "is missing", "give the address of the JWK Set, or discovery: true"))
        }
        (None, true, Some([issuer])) => Ok(Source::Discovery {
            metadata: Address::metadata_of(issuer).ok_or_else(|| not_an_address("issuer"))?,
            issuer: issuer.clone(),
        }),
        (None, true, _) => {
            Err(wrong("discovery", "needs one issuer", "set issuer to the one whose metadata to read"))
        }
    }
}

fn members(settings: &mut Settings, source: Source) -> Result<RemoteJwks, ConfigError> {
    let cluster = settings.text("cluster", "")?;
    if cluster.is_empty() {
        return Err(error("cluster", "is missing", "name the Envoy cluster that leads to the issuer"));
    }
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
