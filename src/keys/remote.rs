//! The key set of an issuer: where it is, and which answers of the issuer are believed.

use http::Uri;
use serde_json::Value;

use crate::json;

/// Where the key set of an issuer is, and when it is fetched (`remoteJwks`).
#[derive(Clone, Debug)]
pub(crate) struct RemoteJwks {
    /// What is fetched first.
    pub source: Source,
    /// The Envoy cluster of the issuer.
    pub cluster: String,
    /// Milliseconds within which the issuer must answer.
    pub timeout: u64,
    /// Milliseconds until the key set is fetched again.
    pub refresh: u64,
    /// Milliseconds between two fetches that unknown `kid`s cause.
    pub cooldown: u64,
    /// Bytes of the largest answer.
    pub max_bytes: usize,
}

/// How the key set is found.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The address of the JWK Set.
    Jwks(Address),
    /// The address is in the issuer's metadata (OpenID Connect Discovery 1.0 section 4).
    Discovery {
        /// The address of the metadata.
        metadata: Address,
        /// The `issuer` that the metadata must name.
        issuer: String,
    },
}

/// An absolute `http` or `https` URI, in the parts that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, and port if there is one.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Address {
    /// Reads a URI (RFC 3986); `None` if it is not absolute, or has a user name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        Some(Self {
            scheme: scheme.to_owned(),
            authority: authority.as_str().to_ascii_lowercase(),
            path: uri.path_and_query()?.as_str().to_owned(),
        })
    }

    /// The address of an issuer's metadata (OpenID Connect Discovery 1.0 section 4.1).
    pub(crate) fn metadata_of(issuer: &str) -> Option<Self> {
        Self::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
    }
}

impl std::fmt::Display for RemoteJwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Source::Jwks(address) | Source::Discovery { metadata: address, .. }) = &self.source;
        let Address { scheme, authority, path } = address;
        write!(f, "{scheme}://{authority}{path} by cluster {}", self.cluster)
    }
}

/// An answer of the issuer.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// The HTTP status; `None` if there was no answer in time.
    pub status: Option<u16>,
    /// The value of `Cache-Control`.
    pub cache_control: Vec<u8>,
    /// The size of the body.
    pub size: usize,
    /// The body, up to `maxBytes`.
    pub body: Vec<u8>,
}

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchFault {
    /// No answer: the issuer is down, or slower than `timeoutSeconds`.
    NoAnswer,
    /// Envoy has no cluster of that name.
    NoCluster,
    /// A redirect, which is not followed.
    Redirect(u16),
    /// Another status than 200.
    Status(u16),
    /// Larger than `maxBytes`.
    TooLarge,
    /// Not a JSON object with unique names.
    NotJson,
    /// A JSON object that is no JWK Set, or one without a usable key.
    NoUsableKey,
    /// The metadata is of another issuer, or its `jwks_uri` is on another host.
    Discovery,
    /// Envoy did not store the key set, so that the other workers cannot read it.
    NotShared,
}

impl FetchFault {
    /// A stable name for metrics.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::NoCluster => "no_cluster",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::NoUsableKey => "no_usable_key",
            Self::Discovery => "discovery",
            Self::NotShared => "not_shared",
        }
    }
}

impl std::fmt::Display for FetchFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no answer within timeoutSeconds"),
            Self::NoCluster => f.write_str("Envoy has no cluster of the name in remoteJwks.cluster"),
            Self::Redirect(status) => {
                write!(f, "status {status}: redirects are not followed, give the last uri")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLarge => f.write_str("the answer is larger than maxBytes"),
            Self::NotJson => f.write_str("the answer is not a JSON object with unique names"),
            Self::NotShared => f.write_str("Envoy did not store the keys for its other workers"),
            Self::NoUsableKey => f.write_str("the answer has no key that fits"),
            Self::Discovery => {
                f.write_str("the metadata is not of this issuer, or has a jwks_uri on another host")
            }
        }
    }
}

impl Fetched {
    /// The JSON object in the answer.
    ///
    /// # Errors
    /// The answer is not a good one.
    pub(crate) fn json(&self, max_bytes: usize) -> Result<Value, FetchFault> {
        match self.status {
            None => Err(FetchFault::NoAnswer),
            Some(200) if self.size > max_bytes => Err(FetchFault::TooLarge),
            Some(200) => json::parse_object(&self.body).map_err(|_| FetchFault::NotJson),
            Some(status @ 300..=399) => Err(FetchFault::Redirect(status)),
            Some(status) => Err(FetchFault::Status(status)),
        }
    }

    /// Milliseconds for which the answer may be kept, if it says so (RFC 9111 section 5.2.2.1).
    pub(crate) fn max_age(&self) -> Option<u64> {
        let text = std::str::from_utf8(&self.cache_control).ok()?;
        let seconds = text.split(',').find_map(|directive| {
            let (name, value) = directive.trim().split_once('=')?;
            name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse::<u64>().ok())?
        })?;
        Some(seconds.saturating_mul(1000))
    }
}

/// The address of the key set in the metadata of an issuer.
///
/// # Errors
/// The metadata is of another issuer, or the address is on another host: only the configured issuer is believed.
pub(crate) fn jwks_address(metadata: &Value, issuer: &str, from: &Address) -> Result<Address, FetchFault> {
    let text = |name| metadata.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err(FetchFault::Discovery);
    }
    let address = text("jwks_uri").and_then(Address::parse).ok_or(FetchFault::Discovery)?;
    if address.authority == from.authority && address.scheme == from.scheme {
        Ok(address)
    } else {
        Err(FetchFault::Discovery)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fetched(status: Option<u16>, body: &str) -> Fetched {
        Fetched { status, cache_control: Vec::new(), size: body.len(), body: body.into() }
    }

    #[test]
    fn an_address_is_an_absolute_http_uri() {
        let address = Address::parse("https://Issuer.example:8443/a/b?c=d").unwrap();
        assert_eq!(address.scheme, "https");
        assert_eq!(address.authority, "issuer.example:8443");
        assert_eq!(address.path, "/a/b?c=d");
        assert_eq!(Address::parse("http://i").unwrap().path, "/");
        for text in
            ["", "/a", "issuer.example", "ftp://a/b", "https://", "https://u@a/b", "https://a b/", "urn:x"]
        {
            assert_eq!(Address::parse(text), None, "{text}");
        }
        let metadata = Address::metadata_of("https://i/realms/kinto/").unwrap();
        assert_eq!(metadata.path, "/realms/kinto/.well-known/openid-configuration");
    }

    #[test]
    fn only_a_json_object_under_status_200_is_read() {
        assert_eq!(fetched(Some(200), "{}").json(10), Ok(json!({})));
        for (answer, fault) in [
            (fetched(None, ""), FetchFault::NoAnswer),
            (fetched(Some(302), "{}"), FetchFault::Redirect(302)),
            (fetched(Some(404), "{}"), FetchFault::Status(404)),
            (fetched(Some(204), "{}"), FetchFault::Status(204)),
            (fetched(Some(200), "{\"a\": \"0123456789\"}"), FetchFault::TooLarge),
            (fetched(Some(200), "<html>"), FetchFault::NotJson),
            (fetched(Some(200), "[]"), FetchFault::NotJson),
        ] {
            assert_eq!(answer.json(10), Err(fault));
        }
    }

    #[test]
    fn max_age_is_found_among_directives() {
        for (text, seconds) in [
            ("max-age=60", Some(60)),
            ("public, MAX-AGE=\"60\", must-revalidate", Some(60)),
            ("s-maxage=9, max-age=60", Some(60)),
            ("no-store", None),
            ("max-age", None),
            ("max-age=x", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            let answer = Fetched { cache_control: text.into(), ..fetched(Some(200), "{}") };
            assert_eq!(answer.max_age(), seconds.map(|s: u64| s * 1000), "{text}");
        }
    }

    #[test]
    fn metadata_is_the_issuers_own_and_stays_on_its_host() {
        let from = Address::metadata_of("https://i.example").unwrap();
        let read = |issuer: &str, uri: &str| {
            jwks_address(&json!({"issuer": issuer, "jwks_uri": uri}), "https://i.example", &from)
        };
        assert_eq!(read("https://i.example", "https://i.example/keys").unwrap().path, "/keys");
        for (issuer, uri) in [
            ("https://i.example/", "https://i.example/keys"),
            ("https://other.example", "https://i.example/keys"),
            ("https://i.example", "https://other.example/keys"),
            ("https://i.example", "http://i.example/keys"),
            ("https://i.example", "https://i.example:444/keys"),
            ("https://i.example", "/keys"),
        ] {
            assert_eq!(read(issuer, uri), Err(FetchFault::Discovery), "{issuer} {uri}");
        }
        assert!(jwks_address(&json!({}), "https://i.example", &from).is_err());
    }
}
