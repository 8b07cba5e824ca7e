//! Tickets: who Kinto takes a request for by its cookies, whatever cookies the client has sent.
//!
//! The cookies are read with WebOb's own pattern, and a ticket is verified by ring as Pyramid does it.

use std::cell::OnceCell;

use arbitrary::{Result, Unstructured};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kinto_jwt_filter::{Gate, parse_config};
use regex::bytes::Regex;
use ring::digest::{SHA512, digest};
use serde_json::json;

use crate::carrier;
use crate::oracle::NOW;
use crate::oracle::host::through;
use crate::oracle::places::tokens;
use crate::oracle::reader::Fields;
use crate::oracle::token::change;
use crate::tokens::SECRET;

pub const REACHED: &[&str] =
    &["nobody", "nobody, and a ticket was sent", "user", "user, and a ticket was sent"];

/// `_rx_cookie` in `webob/cookies.py`: the name and the value.
const COOKIE: &str = r#"(?-u)([\w\d~!@#$%^&*()_+=\-`.?|:/(){}<>']+?)\s*=\s*("(?:\\"|.)*?"|\w{3},\s[\w\d-]{9,11}\s[\d:]{8}\sGMT|(?:[\w\d~!@#$%^&*()_+=\-`.?|:/(){}<>']|\\(?:[0-3][0-7][0-7]|.))*)"#;

const USER_DATA: &str = "userid_type:b64unicode";

struct World {
    gate: Gate,
    alice: String,
    /// A good ticket of somebody else.
    stolen: String,
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
    static PATTERN: Regex = Regex::new(COOKIE).unwrap();
}

impl World {
    fn new() -> Self {
        let settings = json!({"public_key": SECRET, "algorithm": "HS256", "unauthorizedUserId": null,
            "ticket": {"secret": carrier::SECRET}});
        let gate = Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap());
        let [alice, ..] = tokens();
        Self { gate, alice, stolen: stolen() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `calculate_digest` and `AuthTicket.cookie_value` in `pyramid/authentication.py`.
fn signed(user: &str, time: u64) -> String {
    let user = STANDARD.encode(user);
    let time = u32::try_from(time).unwrap();
    let secret = carrier::SECRET.as_bytes();
    let text =
        [&[0; 4], &time.to_be_bytes()[..], secret, user.as_bytes(), &[0; 2], USER_DATA.as_bytes()].concat();
    let inner = hex(digest(&SHA512, &text).as_ref());
    let outer = hex(digest(&SHA512, &[inner.as_bytes(), secret].concat()).as_ref());
    format!("{outer}{time:08x}{user}!{USER_DATA}")
}

/// A good ticket of somebody else.
pub(super) fn stolen() -> String {
    signed("mallory", NOW)
}

/// The user whom Kinto finds in the value of a `Cookie` field: of two tickets, the last one counts.
pub(super) fn user(value: &[u8]) -> Option<String> {
    let last = PATTERN.with(|pattern| {
        let cookies = pattern.captures_iter(value).map(|cookie| cookie.extract::<2>().1);
        cookies.filter(|[name, _]| *name == b"kjwt").last().map(|[_, value]| value.to_vec())
    })?;
    let ticket = std::str::from_utf8(&last).ok()?.trim_matches('"');
    let encoded = ticket.get(136..)?.split('!').next()?;
    let user = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let time = u64::from_str_radix(ticket.get(128..136)?, 16).ok()?;
    (signed(&user, time) == ticket && time + 30 >= NOW).then_some(user)
}

/// A request is the user of its token, and not of a ticket that it has sent. Cookies without the name of the ticket are
/// as they were sent.
pub fn check(bytes: &[u8]) -> &'static str {
    WORLD.with(|world| {
        let World { gate, alice, stolen } = world.get_or_init(World::new);
        let nobody = Fields::new("GET", "/v1/");
        let sent = request(&mut Unstructured::new(bytes), alice, stolen).unwrap_or(nobody);
        let is_alice = sent.all("authorization").next().is_some();
        let got = through(gate, sent.clone()).expect("nothing is rejected");

        let written: Vec<&[u8]> = got.all("cookie").collect();
        assert!(written.len() <= 1, "{got:?}");
        let written = written.concat();
        assert_eq!(user(&written).as_deref(), is_alice.then_some("alice"), "{sent:?} became {got:?}");

        let has_ticket = |value: &[u8]| value.windows(4).any(|part| part == b"kjwt");
        let values: Vec<&[u8]> = sent.all("cookie").filter(|value| !value.is_empty()).collect();
        let is_plain = |value: &&[u8]| value.is_ascii() && !value.contains(&b'\\') && !has_ticket(value);
        if values.iter().all(is_plain) {
            let others = values.join(&b"; "[..]);
            let rest = written.strip_prefix(&others[..]).unwrap_or_else(|| panic!("{sent:?} became {got:?}"));
            assert!(rest.is_empty() != is_alice, "{sent:?} became {got:?}");
        }
        let sent_ticket = values.iter().any(|value| user(value).is_some());
        match (is_alice, sent_ticket) {
            (false, false) => "nobody",
            (false, true) => "nobody, and a ticket was sent",
            (true, false) => "user",
            (true, true) => "user, and a ticket was sent",
        }
    })
}

const PIECES: [&str; 28] = [
    "kjwt",
    "kjwt=",
    "; kjwt=",
    "=",
    "==",
    "; ",
    ";",
    ",",
    " ",
    "\t",
    "\"",
    "\\",
    "\\351",
    "\\\"",
    "a=1",
    "x",
    "kj",
    "wt",
    "KJWT=",
    "(",
    "@",
    "[",
    "a=Wed, 01-Jan-2020 00:00:00 GMT",
    "GMT",
    "$Version=1",
    "'",
    "a=\"",
    "é",
];

fn request(u: &mut Unstructured<'_>, alice: &str, stolen: &str) -> Result<Fields> {
    let mut request = Fields::new("GET", "/v1/");
    if u.arbitrary()? {
        request = request.with("authorization", format!("JWT {alice}"));
    }
    for _ in 0..u.int_in_range(0..=3)? {
        let mut cookie = Vec::new();
        for _ in 0..u.int_in_range(0..=10)? {
            match u.int_in_range(0..=7)? {
                0 => cookie.push(u.arbitrary()?),
                1 => cookie.extend(stolen.bytes()),
                2 => cookie.extend(format!("kjwt={stolen}").bytes()),
                3 => change(u, &mut cookie)?,
                _ => cookie.extend(u.choose(&PIECES)?.bytes()),
            }
        }
        // Envoy trims the value, and refuses these bytes.
        cookie.retain(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
        request = request.with("cookie", cookie.trim_ascii());
    }
    Ok(request)
}
