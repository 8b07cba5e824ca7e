//! Tokens in a cookie, in the query and in `Authorization`: who the request is, and what is left of these fields.

use std::cell::OnceCell;

use arbitrary::{Result, Unstructured};
use kinto_jwt_filter::{Gate, parse_config};
use serde_json::{Value, json};

use crate::oracle::NOW;
use crate::oracle::host::through;
use crate::oracle::reader::{Fields, Found, PLACES, cookies, find, parameters};
use crate::oracle::token::change;
use crate::tokens::{SECRET, token};

pub const REACHED: &[&str] = &["nothing", "invalid", "refused", "user"];

/// The users of the tokens, and what has no user.
const USERS: [Option<&str>; 3] = [Some("alice"), Some("bob"), None];

/// Tokens of [`USERS`].
pub(super) fn tokens() -> [String; 3] {
    let signed = |user: &str, exp: u64| token("HS256", SECRET, &json!({"sub": user, "exp": exp}));
    [signed("alice", NOW + 600), signed("bob", NOW + 600), signed("mallory", NOW - 600)]
}

/// The user of a text that may be one of these tokens.
pub(super) fn user_of(text: &[u8], tokens: &[String; 3]) -> Option<&'static str> {
    let known = tokens.iter().zip(USERS).find(|(token, _)| token.as_bytes() == text);
    known.and_then(|(_, user)| user)
}

struct World {
    gate: Gate,
    tokens: [String; 3],
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

impl World {
    fn new() -> Self {
        let places: Value = serde_json::from_str(PLACES).unwrap();
        let settings = json!({"public_key": SECRET, "algorithm": "HS256", "from": places});
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
        Self { gate, tokens: tokens() }
    }
}

/// A request is the user of the one token in its places, and of no other. No token reaches Kinto, and every other
/// cookie, parameter and header does.
pub fn check(bytes: &[u8]) -> &'static str {
    WORLD.with(|world| {
        let World { gate, tokens } = world.get_or_init(World::new);
        let sent = request(&mut Unstructured::new(bytes), tokens).unwrap_or(Fields::new("GET", "/v1/"));
        let found = find(&sent);
        let got = through(gate, sent.clone()).expect("what is refused is forwarded as public");

        let users: Vec<&[u8]> = got.all("userid").collect();
        let proved = match &found {
            Found::Token(token) => user_of(token, tokens),
            Found::Nothing | Found::Invalid => None,
        };
        assert_eq!(users, [proved.unwrap_or("public").as_bytes()], "{sent:?}");

        assert_eq!(find(&got), Found::Nothing, "a token is left of {sent:?}: {got:?}");
        let without = |pairs: Vec<(Vec<u8>, Vec<u8>)>| {
            pairs.into_iter().filter(|(name, _)| name != b"t").collect::<Vec<_>>()
        };
        let path_of = |request: &Fields| request.all(":path").next().unwrap_or_default().to_vec();
        let (sent_path, got_path) = (path_of(&sent), path_of(&got));
        assert_eq!(without(cookies(&got)), without(cookies(&sent)), "cookies of {sent:?}");
        assert_eq!(without(parameters(&got_path)), without(parameters(&sent_path)), "the query of {sent:?}");
        let plain = |path: &[u8]| path.split(|byte| *byte == b'?').next().unwrap().to_vec();
        assert_eq!(plain(&got_path), plain(&sent_path));
        assert_eq!(got.all("x").collect::<Vec<_>>(), sent.all("x").collect::<Vec<_>>());
        match (found, proved) {
            (Found::Nothing, _) => "nothing",
            (Found::Invalid, _) => "invalid",
            (Found::Token(_), None) => "refused",
            (Found::Token(_), Some(_)) => "user",
        }
    })
}

fn request(u: &mut Unstructured<'_>, tokens: &[String; 3]) -> Result<Fields> {
    let mut path = b"/v1/buckets".to_vec();
    if u.arbitrary()? {
        path.push(b'?');
        pieces(
            u,
            tokens,
            &[b"&", b"=", b"t=", b"&t=", b"%74=", b"%", b"+", b"?", b"#", b"x=1", b"%2E"],
            &mut path,
        )?;
    }
    let mut request = Fields::new("GET", path).with("x", "1");
    for _ in 0..u.int_in_range(0..=2)? {
        let mut cookie = Vec::new();
        pieces(
            u,
            tokens,
            &[b"; ", b";", b"=", b"t=", b"; t=", b"t =", b"\"", b" ", b"\t", b"\\", b"x=1"],
            &mut cookie,
        )?;
        request = request.with("cookie", cookie.trim_ascii());
    }
    if u.arbitrary()? {
        let mut value = Vec::new();
        pieces(
            u,
            tokens,
            &[b"JWT ", b"jwt ", b"JWT", b" ", b",", b"Basic x", b", JWT ", b"Bearer "],
            &mut value,
        )?;
        // Envoy trims the value.
        request = request.with("authorization", value.trim_ascii());
    }
    Ok(request)
}

fn pieces(u: &mut Unstructured<'_>, tokens: &[String; 3], usual: &[&[u8]], text: &mut Vec<u8>) -> Result<()> {
    for _ in 0..u.int_in_range(0..=10)? {
        match u.int_in_range(0..=7)? {
            0 => text.push(u.arbitrary()?),
            1 | 2 => text.extend(u.choose(tokens)?.bytes()),
            3 => change(u, text)?,
            _ => text.extend_from_slice(u.choose(usual)?),
        }
    }
    Ok(())
}
