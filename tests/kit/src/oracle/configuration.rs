//! The plugin configuration: what is read from JSON and from protobuf is one, an error shows no secret, and no
//! configuration lets a request in that no token proves.

use arbitrary::{Result, Unstructured};
use kinto_jwt_filter::{Config, ConfigError, Gate, Outcome, parse_config};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value, json};

use crate::oracle::host::through;
use crate::oracle::reader::Fields;
use crate::oracle::{NOW, is_itself};
use crate::tokens::{b64, jwk, public_key};

pub const REACHED: &[&str] =
    &["raw refused", "raw configuration", "refused", "configuration", "not verified"];

/// Is in each secret, and must not be in a message.
const SECRET: &str = "not-to-be-shown-";

/// Reads any bytes, or settings that are made of them, as a configuration, and sends it forged requests.
pub fn check(bytes: &[u8]) -> &'static str {
    let settings = (!is_itself(bytes)).then(|| composed(&mut Unstructured::new(bytes)).ok()).flatten();
    let Some(settings) = settings else {
        let Ok(config) = parse_config(bytes, None) else { return "raw refused" };
        let is_off = bytes.windows(11).any(|part| part == b"verifyToken") || bytes.contains(&b'\\');
        lets_nobody_in(config, is_off);
        return "raw configuration";
    };
    let text = settings.to_string();
    let from_json = parse_config(text.as_bytes(), None);
    let from_struct = parse_config(&to_struct(settings.as_object().unwrap()).encode_to_vec(), None);
    assert_eq!(shown(&from_json), shown(&from_struct), "JSON and protobuf differ: {text}");
    match from_json {
        Err(error) => {
            assert!(!error.to_string().contains(SECRET), "{error}");
            assert!(!error.fault().is_empty() && !error.remedy().is_empty());
            "refused"
        }
        Ok(config) => {
            let is_off = text.contains(r#""verifyToken":false"#);
            lets_nobody_in(config, is_off);
            if is_off { "not verified" } else { "configuration" }
        }
    }
}

fn shown(config: &std::result::Result<Config, ConfigError>) -> String {
    format!("{config:?}")
}

/// A configuration takes no forged token for a user, unless it verifies none (`is_off`), and lets no identity pass that the
/// client has written.
fn lets_nobody_in(config: Config, is_off: bool) {
    let gate = Gate::new(config);
    for alg in ["none", "RS256", "ES256", "HS256", "EdDSA"] {
        let (header, claims) = (json!({"alg": alg, "kid": "a"}), json!({"sub": "forged", "exp": NOW + 600}));
        let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let token = format!("{input}.{}", b64([7; 64]));
        for value in [token.clone(), format!("JWT {token}"), format!("Bearer {token}")] {
            let request = Fields::new("GET", format!("/v1/x?t={token}"))
                .with("authorization", value.clone())
                .with("cookie", format!("t={token}"))
                .with("x-token", value);
            let decision = gate.decide(&request, NOW);
            assert!(is_off || !matches!(decision.outcome, Outcome::User(..)), "a forged token passes");
        }
    }
    let mut request = Fields::new("GET", "/v1/x");
    for name in ["userid", "user-id", "user_id", "x-user", "x_user", "x-sub", "x_sub"] {
        request = request.with(name, "forged");
    }
    let config = format!("{:?}", gate.config());
    if let Ok(got) = through(&gate, request) {
        assert_eq!(got.all("userid").find(|user| *user == b"forged"), None, "{config}");
        for (header, spellings) in [("X-User", ["x-user", "x_user"]), ("X-Sub", ["x-sub", "x_sub"])] {
            let is_ours = config.contains(&format!("name: \"{header}\""));
            let mut left = spellings.iter().flat_map(|name| got.all(name));
            assert!(!is_ours || !left.any(|user| user == b"forged"), "{header}: {config}");
        }
    }
}

/// The settings as Envoy hands over YAML.
fn to_struct(members: &Map<String, Value>) -> Struct {
    Struct { fields: members.iter().map(|(name, value)| (name.clone(), to_value(value))).collect() }
}

fn to_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(to_value).collect() }),
        Value::Object(members) => Kind::StructValue(to_struct(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Settings of which most are possible.
fn composed(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut settings = Map::new();
    key(u, &mut settings)?;
    some(u, &mut settings)?;
    if u.ratio(1, 4)? {
        let mut policies = Vec::new();
        for number in 0..u.int_in_range(1..=3)? {
            let mut policy = Map::from_iter([("name".to_owned(), json!(format!("p{number}")))]);
            if u.arbitrary()? {
                key(u, &mut policy)?;
            }
            some(u, &mut policy)?;
            policies.push(policy);
        }
        settings.insert("policies".to_owned(), json!(policies));
    }
    Ok(Value::Object(settings))
}

/// Keys in the forms of the settings, which are read from files once.
struct Keys {
    rsa: Value,
    ed25519: Value,
    p256: Value,
}

thread_local! {
    static KEYS: Keys =
        Keys { rsa: json!(public_key("rsa")), ed25519: json!(public_key("ed25519")), p256: jwk("a", "p256") };
}

/// One of the settings of keys.
fn key(u: &mut Unstructured<'_>, settings: &mut Map<String, Value>) -> Result<()> {
    let secret = format!("{SECRET}{SECRET}{SECRET}{SECRET}");
    let oct = json!({"kty": "oct", "kid": "a", "k": b64(&secret)});
    let (name, value, algorithm) = match u.int_in_range(0..=6)? {
        0 => ("public_key", KEYS.with(|keys| keys.rsa.clone()), json!(["RS256", "PS256"])),
        1 => ("public_key", json!(secret), json!(["HS256", "HS512"])),
        2 => ("public_key", KEYS.with(|keys| keys.ed25519.clone()), json!("EdDSA")),
        3 => ("jwks", json!({"keys": [KEYS.with(|keys| keys.p256.clone()), oct]}), json!(["ES256", "HS256"])),
        4 => ("remoteJwks", json!({"uri": "https://issuer.example/keys", "cluster": "c"}), json!("RS256")),
        5 => (
            "public_key",
            json!(format!("-----BEGIN PUBLIC KEY-----\n{SECRET}\n-----END PUBLIC KEY-----")),
            json!("RS256"),
        ),
        _ => ("jwks", json!({"keys": [{"kty": "oct", "k": SECRET}]}), json!("HS256")),
    };
    settings.insert(name.to_owned(), value);
    settings.insert("algorithm".to_owned(), algorithm);
    Ok(())
}

/// Some other settings, with values of their own or of any kind.
fn some(u: &mut Unstructured<'_>, settings: &mut Map<String, Value>) -> Result<()> {
    let usual: [(&str, &[Value]); 30] = [
        ("leeway", &[json!(0), json!(86_400), json!(86_401), json!(1.5)]),
        ("http_header", &[json!("X-Token"), json!("userId"), json!("Host"), json!("authorization")]),
        ("auth_type", &[json!("Bearer"), json!(["JWT", "Bearer"]), json!("Digest"), json!("a b")]),
        (
            "from",
            &[
                json!([{"cookie": "t"}, {"query": "t"}, {"header": "X-Token"}]),
                json!({"query": "a b"}),
                json!([]),
            ],
        ),
        ("padding", &[json!("accept"), json!("refuse"), json!("Accept")]),
        ("issuer", &[json!("https://i"), json!(["https://i", "https://j"]), json!("")]),
        ("audience", &[json!("kinto"), json!(["a", "b"]), json!([])]),
        ("typ", &[json!("JWT"), json!(""), json!(1)]),
        ("requiredParameters", &[json!({"signer": "x"}), json!({"signer": []}), json!({})]),
        ("requireExp", &[json!(true), json!("true")]),
        ("maxLifetimeSeconds", &[json!(60), json!(0), json!(1e300)]),
        ("maxAgeSeconds", &[json!(60), json!(-1)]),
        ("requiredClaims", &[json!({"a": true, "/b/c": ["d", 1]}), json!({"x": []})]),
        ("requiredScopes", &[json!("a b"), json!(["a"]), json!(["a b"])]),
        ("refusedClaims", &[json!({"sub": ["mallory", 1]}), json!({"sub": {}})]),
        ("issuedAfter", &[json!("2023-01-01T00:00:00Z"), json!(1_600_000_000), json!("yesterday")]),
        ("verifyToken", &[json!(false), json!(true), json!(0)]),
        ("userIdTokenKey", &[json!("uid"), json!("/a/b"), json!("")]),
        (
            "claimsToHeaders",
            &[json!({"X-Sub": "sub"}), json!({"x_sub": "sub", "X-Sub": "a"}), json!({"userId": "sub"})],
        ),
        (
            "unauthorizedUserId",
            &[json!("public"), Value::Null, json!(""), json!(5), json!(false), json!(" a")],
        ),
        ("onMissing", &[json!("reject"), json!("anonymous"), json!("report"), json!("Reject")]),
        ("onInvalid", &[json!("reject"), json!("anonymous"), json!("report")]),
        ("onKeysUnavailable", &[json!("unauthorizedUser"), json!("anonymous")]),
        ("open", &[json!(["/v1/"]), json!([]), json!("v1")]),
        ("userIdHeader", &[json!("X-User"), json!("Authorization"), json!(format!("{SECRET} "))]),
        ("userIdCharset", &[json!("latin-1"), json!("utf-8")]),
        ("forwardToken", &[json!(true), json!("no")]),
        ("tokenCache", &[json!({"maxEntries": 0}), json!({"maxBytes": 0, "maxEntries": 1}), json!({"x": 1})]),
        ("batch", &[json!({"maxRequests": 1}), json!({"maxBytes": 1 << 30}), json!([])]),
        ("publicKeyEnv", &[json!("KINTO_JWT_FILTER_FUZZING_HAS_NONE"), json!("")]),
    ];
    for _ in 0..u.int_in_range(0..=5)? {
        let (name, values) = u.choose(&usual)?;
        let value = if u.ratio(1, 8)? { any(u, 3)? } else { u.choose(values)?.clone() };
        settings.insert((*name).to_owned(), value);
    }
    if u.ratio(1, 10)? {
        let name = if u.arbitrary()? { format!("public_key:{SECRET}") } else { u.arbitrary::<String>()? };
        // Protobuf text with an empty name may be other text by chance: the filter refuses it.
        if !name.is_empty() {
            settings.insert(name, any(u, 2)?);
        }
    }
    Ok(())
}

/// Any JSON of this depth.
fn any(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    Ok(match u.int_in_range(0..=if depth == 0 { 3 } else { 5 })? {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary()?),
        2 => {
            // Where protobuf has 5, JSON may have 5 or 5.0, and the parser of JSON does not round 17 digits as exactly.
            let number = u.arbitrary::<i32>()?;
            if number % 4 == 0 { json!(number) } else { json!(f64::from(number) / 4.0) }
        }
        3 => Value::String(u.arbitrary()?),
        4 => {
            let mut items = Vec::new();
            for _ in 0..u.int_in_range(0..=3)? {
                items.push(any(u, depth - 1)?);
            }
            Value::Array(items)
        }
        _ => {
            let mut members = Map::new();
            for _ in 0..u.int_in_range(0..=3)? {
                let name: String = u.arbitrary()?;
                members.insert(if name.is_empty() { "x".to_owned() } else { name }, any(u, depth - 1)?);
            }
            Value::Object(members)
        }
    })
}
