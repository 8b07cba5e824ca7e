//! A JWK Set, inline and fetched: a token is accepted only if the set has the key that signed it, for this use.

use std::cell::OnceCell;

use arbitrary::{Result, Unstructured};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kinto_jwt_filter::{Gate, Outcome, parse_config, parse_json};
use serde_json::{Map, Value, json};

use crate::oracle::reader::Fields;
use crate::oracle::token::change;
use crate::oracle::{NOW, is_itself};
use crate::tokens::{SECRET, b64, jwk, jws, public_key, x5c};

pub const REACHED: &[&str] = &["no set", "no key", "keys", "user", "user of a secret"];

/// What signs tokens, each by its `alg` and its name in `tests/keys`.
const SIGNERS: [(&str, &str); 6] = [
    ("RS256", "rsa"),
    ("RS256", "rsa-other"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("EdDSA", "ed25519"),
    ("HS256", SECRET),
];

/// The `kid` of each signer's tokens.
const KIDS: [Option<&str>; 3] = [None, Some("a"), Some("b")];

struct Signed {
    alg: &'static str,
    key: &'static str,
    kid: Option<&'static str>,
    token: String,
}

struct World {
    tokens: Vec<Signed>,
    certificates: [String; 2],
    keys: Vec<Value>,
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

impl World {
    fn new() -> Self {
        let mut tokens = Vec::new();
        for (alg, key) in SIGNERS {
            for kid in KIDS {
                let mut header = json!({"alg": alg});
                header.as_object_mut().unwrap().extend(kid.map(|kid| ("kid".to_owned(), json!(kid))));
                let token = jws(alg, key, header.to_string(), json!({"sub": "alice"}).to_string());
                tokens.push(Signed { alg, key, kid, token });
            }
        }
        Self {
            tokens,
            certificates: ["rsa", "p256"].map(x5c),
            keys: SIGNERS.iter().map(|(_, key)| public(key)).collect(),
        }
    }
}

/// The JWK of a signer's key.
fn public(key: &str) -> Value {
    if key == SECRET { json!({"kty": "oct", "k": b64(SECRET)}) } else { jwk("a", key) }
}

/// What a set says of a token: a signer's token passes only if an entry of the set is the signer's key and is for it.
pub fn check(bytes: &[u8]) -> &'static str {
    WORLD.with(|world| {
        let world = world.get_or_init(World::new);
        let composed =
            (!is_itself(bytes)).then(|| composed(&mut Unstructured::new(bytes), world).ok()).flatten();
        let set = composed.as_ref().map_or(bytes, String::as_bytes);
        let Ok(set) = parse_json(set) else { return "no set" };
        // One `kid` for each input, by its length: verification takes all of the time.
        let kid = KIDS[bytes.len() % KIDS.len()];

        let algorithms = json!(["RS256", "ES256", "ES384", "EdDSA", "HS256"]);
        let settings = json!({"algorithm": algorithms, "jwks": set, "tokenCache": {"maxEntries": 0}});
        let inline = parse_config(settings.to_string().as_bytes(), None).map(Gate::new);
        let remote = remote(&algorithms, &set);
        assert!(
            inline.is_ok() || remote.is_err(),
            "a fetched set may have less than one in the configuration"
        );
        let mut reached = if inline.is_ok() { "keys" } else { "no key" };
        for (gate, is_remote) in
            inline.iter().map(|gate| (gate, false)).chain(remote.iter().map(|gate| (gate, true)))
        {
            for signed in world.tokens.iter().filter(|signed| signed.kid == kid) {
                let is_user = is_user(gate, &signed.token);
                let entry = entries(&set).iter().find(|entry| is_key(entry, signed));
                assert!(!is_user || entry.is_some(), "{} {:?} passes: {set}", signed.alg, signed.kid);
                assert!(!is_user || !is_remote || signed.alg != "HS256", "a secret that all can read: {set}");
                if is_user {
                    reached = if signed.alg == "HS256" { "user of a secret" } else { "user" };
                }
            }
        }
        reached
    })
}

fn is_user(gate: &Gate, token: &str) -> bool {
    let request = Fields::new("GET", "/v1/").with("authorization", format!("JWT {token}"));
    matches!(gate.decide(&request, NOW).outcome, Outcome::User(..))
}

/// A gate that has taken the set from an issuer. It has no keys before.
fn remote(algorithms: &Value, set: &Value) -> std::result::Result<Gate, String> {
    let settings = json!({
        "algorithm": algorithms,
        "remoteJwks": {"cluster": "issuer", "uri": "https://issuer.example/keys"},
        "tokenCache": {"maxEntries": 0},
    });
    let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
    let request = Fields::new("GET", "/v1/").with("authorization", "JWT eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
    let policy = gate.decide(&request, NOW).awaits.expect("it awaits keys");
    match gate.take_set(policy, set, None) {
        Ok(_) => Ok(gate),
        Err(fault) => Err(format!("{fault:?}")),
    }
}

fn entries(set: &Value) -> &[Value] {
    set["keys"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether an entry of a set is the key that has signed a token, and may verify it (RFC 7517 section 4).
fn is_key(entry: &Value, signed: &Signed) -> bool {
    let Some(members) = entry.as_object() else { return false };
    let is_for_signatures = members.get("use").is_none_or(|usage| usage == "sig");
    let operations = members.get("key_ops");
    let may_verify =
        operations.is_none_or(|list| list.as_array().is_some_and(|list| list.contains(&json!("verify"))));
    // RFC 9864 has another name for EdDSA.
    let is_of_alg =
        members.get("alg").is_none_or(|alg| alg == signed.alg || (alg == "Ed25519" && signed.alg == "EdDSA"));
    // Where no key has a `kid`, that of a token says nothing.
    let is_named = signed.kid.is_none_or(|kid| members.get("kid").is_none_or(|named| named == kid));
    let is_public = !members.contains_key("d");
    is_for_signatures && may_verify && is_of_alg && is_named && is_public && is_same_key(members, signed.key)
}

fn is_same_key(entry: &Map<String, Value>, key: &str) -> bool {
    let expected = public(key);
    let octets = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str)?.trim_end_matches('=');
        URL_SAFE_NO_PAD.decode(text).ok()
    };
    let ours = |name: &str| octets(entry.get(name));
    let theirs = |name: &str| octets(expected.get(name));
    // Numbers of RSA may have zeros before them.
    let number = |octets: Option<Vec<u8>>| {
        octets.map(|octets| octets.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>())
    };
    let has_members = ["n", "e", "x", "y", "k"].iter().any(|name| entry.contains_key(*name));
    if !has_members {
        // The key of the first certificate, whoever vouches for it.
        let first = entry.get("x5c").and_then(|list| list.get(0)).and_then(Value::as_str);
        let first = first.and_then(|first| STANDARD.decode(first).ok()).unwrap_or_default();
        let spki = (key != SECRET).then(|| pem::parse(public_key(key)).unwrap().into_contents());
        let holds = |spki: Vec<u8>| first.windows(spki.len()).any(|part| part == spki);
        return entry.get("kty") == expected.get("kty") && spki.is_some_and(holds);
    }
    // RSA keys and secrets have no curve: `crv` says nothing about them.
    let is_on_curve = expected.get("crv").is_none() || entry.get("crv") == expected.get("crv");
    let is_of_kind = entry.get("kty") == expected.get("kty") && is_on_curve;
    is_of_kind
        && match expected["kty"].as_str().unwrap() {
            "RSA" => number(ours("n")) == number(theirs("n")) && number(ours("e")) == number(theirs("e")),
            // The point is the two together (SEC 1 section 2.3.3).
            "EC" => {
                ours("x").zip(ours("y")).map(|(x, y)| [x, y].concat())
                    == theirs("x").zip(theirs("y")).map(|(x, y)| [x, y].concat())
            }
            "OKP" => ours("x") == theirs("x"),
            _ => ours("k") == theirs("k"),
        }
}

/// A set of keys of the signers, with other members.
fn composed(u: &mut Unstructured<'_>, world: &World) -> Result<String> {
    let mut keys = Vec::new();
    for _ in 0..=u.int_in_range(0..=3)? {
        let mut key = u.choose(&world.keys)?.clone();
        for _ in 0..u.int_in_range(0..=3)? {
            member(u, world, key.as_object_mut().unwrap())?;
        }
        keys.push(key);
    }
    let mut text = json!({"keys": keys}).to_string();
    if u.ratio(1, 6)? {
        let mut bytes = text.into_bytes();
        change(u, &mut bytes)?;
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    Ok(text)
}

fn member(u: &mut Unstructured<'_>, world: &World, key: &mut Map<String, Value>) -> Result<()> {
    let names = ["kid", "alg", "use", "key_ops", "d", "x5c", "kty", "crv", "n", "e", "x", "y", "k"];
    let name = *u.choose(&names)?;
    let other = u.choose(&world.keys)?.get(name).cloned();
    let values = match name {
        "kid" => vec![json!("a"), json!("b"), json!(""), json!(1)],
        "alg" => vec![
            json!("RS256"),
            json!("ES256"),
            json!("ES384"),
            json!("EdDSA"),
            json!("HS256"),
            json!("none"),
            json!(1),
        ],
        "use" => vec![json!("sig"), json!("enc"), json!(["sig"])],
        "key_ops" => vec![json!(["verify"]), json!(["sign"]), json!("verify"), json!([])],
        "x5c" => {
            let [rsa, p256] = &world.certificates;
            vec![json!([rsa]), json!([p256, rsa]), json!(["AAAA"]), json!([])]
        }
        "crv" => vec![json!("P-256"), json!("P-384"), json!("secp256k1")],
        "e" => vec![json!("AQAB"), json!("AAEAAQ"), json!("Aw"), json!("AQ")],
        _ => vec![json!("AAAA"), json!("")],
    };
    match u.int_in_range(0..=4)? {
        0 => drop(key.remove(name)),
        1 => drop(other.and_then(|other| key.insert(name.to_owned(), other))),
        2 if key.get(name).is_some_and(Value::is_string) => {
            let mut text = key[name].as_str().unwrap().as_bytes().to_vec();
            change(u, &mut text)?;
            key.insert(name.to_owned(), json!(String::from_utf8_lossy(&text)));
        }
        3 => ["n", "e", "x", "y", "k"].iter().for_each(|name| drop(key.remove(*name))),
        _ => drop(key.insert(name.to_owned(), u.choose(&values)?.clone())),
    }
    Ok(())
}
