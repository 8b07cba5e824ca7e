//! The settings of a policy: where its tokens are, what proves them, what they must say.

use serde_json::Value;

use crate::config::header::own_header;
use crate::config::refused::refused;
use crate::config::remote_jwks::remote_jwks;
use crate::config::settings::{ConfigError, Settings, Topic, about, error, one_or_more};
use crate::gate::policy::{Policy, PolicyIndex, Verification};
use crate::json;
use crate::keys::algorithm::{ALGORITHMS, Algorithm, names};
use crate::keys::boringssl::HostVerify;
use crate::keys::jwks::{self, Origin};
use crate::keys::key::{Choice, Key, Keys};
use crate::keys::pem;
use crate::keys::ring::KeyRing;
use crate::request::credentials::{Credentials, Place};
use crate::request::identity_header::{IdentityHeader, is_field_name, same_key, wsgi_key};
use crate::token::bound::BoundTokens;
use crate::token::claim_name::ClaimName;
use crate::token::claims::{Issuers, Refused, RequiredMembers, Rules};
use crate::token::header_text::Charset;
use crate::token::jws::Padding;
use crate::token::user_id::Carrier;

/// The largest `leeway`, in seconds. More than a day is a mistake in the unit.
const MAX_LEEWAY: u64 = 86_400;

/// The largest `maxLifetimeSeconds` and `maxAgeSeconds`: a year.
const YEAR: u64 = 31_622_400;

/// Schemes whose credentials WebOb reads as parameters. `kinto_jwt` never found a token in them
/// (`webob/descriptors.py`, `known_auth_schemes`).
const PARAMETER_SCHEMES: [&str; 6] = ["Digest", "WSSE", "HMACDigest", "GoogleLogin", "Cookie", "OpenID"];

/// Reads policies, and gathers what they have in common.
pub(crate) struct Reader<'v> {
    host: Option<HostVerify>,
    /// The value of a variable of the environment.
    variable: &'v dyn Fn(&str) -> Option<String>,
    charset: Charset,
    carrier: Carrier,
    /// What is refused in all policies.
    refused: Refused,
    /// The headers of `claimsToHeaders` of all policies that were read.
    pub(crate) claim_headers: Vec<ClaimHeader>,
    /// What the operator should know, in words for the log.
    pub(crate) warnings: Vec<String>,
}

/// A header of `claimsToHeaders`.
pub(crate) struct ClaimHeader {
    pub(crate) header: IdentityHeader,
    /// The names and indices that lead to its policy, or to the top.
    pub(crate) path: Vec<String>,
}

impl<'v> Reader<'v> {
    pub(crate) fn new(
        host: Option<HostVerify>,
        variable: &'v dyn Fn(&str) -> Option<String>,
        charset: Charset,
        carrier: Carrier,
        refused: Refused,
    ) -> Self {
        Self { host, variable, charset, carrier, refused, claim_headers: Vec::new(), warnings: Vec::new() }
    }

    /// Reads the policy of this name and index.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub(crate) fn read(
        &mut self,
        index: PolicyIndex,
        name: &str,
        settings: &mut Settings,
    ) -> Result<Policy, ConfigError> {
        let is_verified = settings.bool("verifyToken", true)?;
        let credentials = credentials(settings)?;
        let issuers = texts_without_empty(settings, "issuer", "the tokens have in iss")?;
        let algorithms = algorithms(settings)?;
        let keys = self.keys(name, settings, &algorithms, issuers.as_deref())?;
        let padding = padding(settings)?;
        let typ = settings.optional_text("typ", "at+jwt")?;
        let rules = rules(settings, &self.refused)?;
        Ok(Policy {
            index,
            name: name.to_owned(),
            credentials,
            issuers: Issuers::new(issuers),
            padding,
            typ,
            required_parameters: required_members(settings, "requiredParameters", "{ signer: arn:aws:.. }")?,
            algorithms,
            verification: if is_verified { Verification::On { keys, rules } } else { Verification::Off },
            user_id_claim: ClaimName::new(settings.text("userIdTokenKey", "sub")?),
            carrier: self.carrier,
            charset: self.charset,
            header_claims: self.header_claims(settings)?,
        })
    }

    fn keys(
        &mut self,
        policy: &str,
        settings: &mut Settings,
        algorithms: &[Algorithm],
        issuers: Option<&[String]>,
    ) -> Result<KeyRing, ConfigError> {
        let given = about(|topic| topic == Topic::Key).into_iter().filter(|name| settings.has(name));
        if let [first, second, ..] = given.collect::<Vec<_>>().as_slice() {
            return Err(error(second, format!("and {first} are both there"), "give one of them"));
        }
        if let Some(set) = settings.take("jwks") {
            let set = inline_set(set)?;
            let set = jwks::parse(&set, algorithms, Origin::Inline, self.host)
                .map_err(|fault| error("jwks", fault.what, fault.remedy))?;
            if !set.skipped.is_empty() {
                self.warnings.push(format!("{policy}: jwks: left out: {}", set.skipped.join(", ")));
            }
            return Ok(KeyRing::fixed(Keys::new(set.keys, Choice::ByKid)));
        }
        if settings.has("remoteJwks") {
            let mut members = settings.map("remoteJwks", "{ uri: https://.., cluster: .. }")?;
            return remote_jwks(&mut members, issuers).map(KeyRing::remote);
        }
        let keys = self.public_keys(settings, algorithms)?;
        Ok(KeyRing::fixed(Keys::new(keys, Choice::Only)))
    }

    fn public_keys(
        &self,
        settings: &mut Settings,
        algorithms: &[Algorithm],
    ) -> Result<Vec<Key>, ConfigError> {
        let (setting, text) = match settings.take("publicKeyEnv") {
            Some(name) => ("publicKeyEnv", in_environment("publicKeyEnv", &name, self.variable)?),
            None => ("public_key", public_key(settings)?),
        };
        let keys = algorithms.iter().map(|algorithm| {
            let key =
                pem::parse(&text, *algorithm).and_then(|key| Key::new(None, *algorithm, &key, self.host));
            key.map_err(|fault| error(setting, fault.what, fault.remedy))
        });
        keys.collect()
    }

    /// For each header that a policy so far fills from claims, the claim of this policy.
    fn header_claims(&mut self, settings: &mut Settings) -> Result<Vec<Option<ClaimName>>, ConfigError> {
        let mut claims: Vec<Option<ClaimName>> = vec![None; self.claim_headers.len()];
        let path = settings.path_of("claimsToHeaders");
        let within = |error: ConfigError| error.within("claimsToHeaders");
        for (header, claim) in settings.map("claimsToHeaders", "{ X-User-Email: email }")?.into_map() {
            let wrong = |fault: &str, remedy: &str| within(error(&header, fault, remedy));
            let claim = claim.as_str().filter(|claim| !claim.is_empty()).ok_or_else(|| {
                wrong("is not the name of a claim", "write for example X-User-Email: email")
            })?;
            let claim = Some(ClaimName::new(claim.to_owned()));
            let key = wsgi_key(&header);
            match self.claim_headers.iter().position(|known| same_key(known.header.name(), &key)) {
                Some(known) => match claims.get_mut(known) {
                    Some(place @ None) => *place = claim,
                    _ => return Err(wrong("is there twice", "write each header once")),
                },
                None => {
                    let header = own_header(&header, header.clone(), "X-User-Email").map_err(within)?;
                    self.claim_headers.push(ClaimHeader { header, path: path.clone() });
                    claims.push(claim);
                }
            }
        }
        Ok(claims)
    }
}

fn credentials(settings: &mut Settings) -> Result<Credentials, ConfigError> {
    let schemes = settings.texts("auth_type")?.unwrap_or_else(|| vec!["JWT".to_owned()]);
    check_schemes("auth_type", &schemes)?;
    let Some(from) = settings.take("from") else {
        let header = settings.text("http_header", "Authorization")?;
        return Ok(Credentials::new(vec![header_place("http_header", &header, None, schemes)?]));
    };
    if settings.take("http_header").is_some() {
        return Err(error("http_header", "and from are both there", "give one of them"));
    }
    let example = "write a list of { header: .., schemes: [..] }, { cookie: .. } and { query: .. }";
    let is_list = from.is_array();
    let items = match from {
        Value::Array(items) if (1..=8).contains(&items.len()) => items,
        Value::Object(_) => vec![from],
        _ => return Err(error("from", "is not a list of one to eight places", example)),
    };
    let places = items.into_iter().enumerate().map(|(index, item)| {
        let index = index.to_string();
        let path: &[&str] = if is_list { &["from", &index] } else { &["from"] };
        let Value::Object(item) = item else {
            return Err(error("from", "has an item that is not a map", example).at(path));
        };
        let mut item = Settings::new(item, path);
        place(&mut item, &schemes).map_err(|error| item.locate(error))
    });
    Ok(Credentials::new(places.collect::<Result<_, _>>()?))
}

/// Reads one place. The path of an error begins at the place.
fn place(item: &mut Settings, auth_type: &[String]) -> Result<Place, ConfigError> {
    let wrong = |member: &str, fault: String, remedy: &str| error("from", fault, remedy).at(&[member]);
    let mut text = |name: &str| match item.take(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_field_name(&text) => Ok(Some(text)),
        Some(_) => {
            Err(wrong(name, format!("has a {name} that is not a name"), "write for example access_token"))
        }
    };
    let (header, cookie, query) = (text("header")?, text("cookie")?, text("query")?);
    let schemes = item.texts("schemes").map_err(|error| error.named("from.schemes"))?;
    item.refuse_rest("from", "header with schemes, cookie or query")?;
    match (header, cookie, query, &schemes) {
        (Some(header), None, None, _) => {
            check_schemes("from.schemes", schemes.as_deref().unwrap_or_default())
                .map_err(|error| error.at(&["schemes"]))?;
            header_place("from", &header, schemes, auth_type.to_vec()).map_err(|error| error.at(&["header"]))
        }
        (None, Some(cookie), None, None) => Ok(Place::Cookie(cookie)),
        (None, None, Some(query), None) => Ok(Place::Query(query)),
        _ => Err(error(
            "from",
            "has a place that is not one of header (with schemes), cookie, query",
            "write each place as an item of its own",
        )
        .at(&[])),
    }
}

fn header_place(
    setting: &str,
    header: &str,
    schemes: Option<Vec<String>>,
    auth_type: Vec<String>,
) -> Result<Place, ConfigError> {
    let name = header.to_ascii_lowercase();
    if !is_field_name(header) || ["host", "content-length", "transfer-encoding"].contains(&name.as_str()) {
        return Err(error(
            setting,
            "is not the name of a header that can hold a token",
            "write for example Authorization",
        ));
    }
    let usual = if name == "authorization" { auth_type } else { Vec::new() };
    Ok(Place::Header { name, schemes: schemes.unwrap_or(usual) })
}

fn check_schemes(setting: &str, schemes: &[String]) -> Result<(), ConfigError> {
    if !schemes.iter().all(|scheme| is_field_name(scheme)) {
        return Err(error(
            setting,
            "has a scheme with characters other than letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 11.1)",
            "write for example JWT or Bearer",
        ));
    }
    let of_parameters =
        |scheme: &&String| PARAMETER_SCHEMES.iter().any(|parameters| parameters.eq_ignore_ascii_case(scheme));
    match schemes.iter().find(of_parameters) {
        Some(scheme) => Err(error(
            setting,
            format!(
                "has {scheme}, a scheme of parameters and not of one token (kinto_jwt never found one in it)"
            ),
            "write for example JWT or Bearer",
        )),
        None => Ok(()),
    }
}

fn algorithms(settings: &mut Settings) -> Result<Vec<Algorithm>, ConfigError> {
    let mut found = Vec::new();
    for name in settings.texts("algorithm")?.unwrap_or_else(|| vec!["RS256".to_owned()]) {
        let Ok(algorithm) = name.parse() else {
            return Err(error(
                "algorithm",
                "is not a name that this filter accepts",
                format!("write one of {}, in this spelling, or a list of them", names(&ALGORITHMS, ", ")),
            ));
        };
        if found.contains(&algorithm) {
            return Err(error("algorithm", format!("has {algorithm:?} twice"), "write each algorithm once"));
        }
        found.push(algorithm);
    }
    Ok(found)
}

fn padding(settings: &mut Settings) -> Result<Padding, ConfigError> {
    settings.word(
        "padding",
        Padding::Refuse,
        &[("refuse", Padding::Refuse), ("accept", Padding::Accept)],
        "is neither accept nor refuse",
        "write accept only for an issuer whose tokens have = at the end of their parts",
    )
}

fn rules(settings: &mut Settings, refused_in_all: &Refused) -> Result<Rules, ConfigError> {
    Ok(Rules {
        leeway: settings.integer("leeway", 0, 0..=MAX_LEEWAY, "seconds")?,
        audience: texts_without_empty(settings, "audience", "the tokens have in aud")?,
        require_exp: settings.bool("requireExp", false)?,
        max_lifetime: seconds(settings, "maxLifetimeSeconds")?,
        max_age: seconds(settings, "maxAgeSeconds")?,
        required_claims: required_members(
            settings,
            "requiredClaims",
            "{ email_verified: true, /realm/roles: [kinto] }",
        )?,
        required_scopes: required_scopes(settings)?,
        refused: refused(settings)?.and(refused_in_all),
        bound_tokens: settings.word(
            "boundTokens",
            BoundTokens::Refuse,
            &[
                ("refuse", BoundTokens::Refuse),
                ("verify", BoundTokens::Verify),
                ("ignore", BoundTokens::Ignore),
            ],
            "is none of refuse, verify and ignore",
            "write verify only if clients open TLS with their certificates at this Envoy",
        )?,
    })
}

fn public_key(settings: &mut Settings) -> Result<String, ConfigError> {
    match settings.take("public_key") {
        Some(Value::String(text)) => Ok(text),
        None => Err(error(
            "public_key",
            "is missing",
            "give the issuer's public key as PEM, or the shared secret for HS256, HS384 and HS512; or its key set, as jwks or remoteJwks",
        )),
        Some(_) => {
            Err(error("public_key", "is not text", "put it in quotes, or in a YAML block (public_key: |)"))
        }
    }
}

/// The key in a variable of the environment that the host gives to the module.
pub(crate) fn in_environment(
    setting: &str,
    name: &Value,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let fault = |fault: &str, remedy: &str| Err(error(setting, fault, remedy));
    let is_name = |name: &&str| !name.is_empty() && !name.contains(['=', '\0']);
    let Some(name) = name.as_str().filter(is_name) else {
        return fault("is not the name of a variable", "write for example KINTO_JWT_SECRET");
    };
    let Some(key) = variable(name) else {
        return fault(
            "names a variable that the module does not have, or that is not UTF-8",
            "give it to the module: environment_variables in Envoy's vm_config, vmConfig.env in Istio, env.hostKeys in \
             Envoy Gateway",
        );
    };
    // A secret that was written by echo ends with a line feed: no token would be valid.
    match key.trim() {
        "" => fault("names a variable that is empty", "write the key into the variable"),
        trimmed if trimmed.len() != key.len() && !trimmed.contains("-----BEGIN") => fault(
            "names a variable that begins or ends with white space",
            "write the secret without it, for example with printf %s in the place of echo",
        ),
        _ => Ok(key),
    }
}

/// Reads a JWK Set that is YAML or JSON text.
fn inline_set(set: Value) -> Result<Value, ConfigError> {
    match set {
        Value::String(text) => json::parse_object(text.as_bytes()).map_err(|_| {
            error("jwks", "is text that is not a JSON object", "paste the whole JWK Set, or write it as YAML")
        }),
        set => Ok(set),
    }
}

/// Takes one text or several, none of them empty.
fn texts_without_empty(
    settings: &mut Settings,
    name: &str,
    what: &str,
) -> Result<Option<Vec<String>>, ConfigError> {
    let names = settings.texts(name)?;
    if names.iter().flatten().any(String::is_empty) {
        return Err(error(name, "has an empty name", format!("write the name that {what}, or leave it out")));
    }
    Ok(names)
}

/// Takes a limit in seconds, of which 0 is none.
fn seconds(settings: &mut Settings, name: &str) -> Result<Option<u64>, ConfigError> {
    match settings.integer(name, 0, 0..=YEAR, "seconds")? {
        0 => Ok(None),
        seconds => Ok(Some(seconds)),
    }
}

fn required_members(
    settings: &mut Settings,
    setting: &str,
    example: &str,
) -> Result<RequiredMembers, ConfigError> {
    let required = settings.map(setting, example)?;
    let read = |(name, values): (String, Value)| {
        let values = one_or_more(values);
        let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        if values.is_empty() || !values.iter().all(plain) {
            return Err(error(
                &name,
                "is neither a text, number or boolean nor a list of them",
                "write the value that it must have, or a list of which any will do",
            )
            .within(setting));
        }
        Ok((ClaimName::new(name), values))
    };
    required.into_map().into_iter().map(read).collect::<Result<_, _>>().map(RequiredMembers)
}

fn required_scopes(settings: &mut Settings) -> Result<Vec<String>, ConfigError> {
    let scopes =
        texts_without_empty(settings, "requiredScopes", "the tokens have in scope")?.unwrap_or_default();
    if scopes.iter().any(|scope| scope.contains(' ')) {
        return Err(error("requiredScopes", "has a scope with a space", "write a list: [read, write]"));
    }
    Ok(scopes)
}
