//! Tokens that differ from good ones in a few places: in their header, their claims, their JSON, their encoding, their
//! signature. Most are signed after they were changed, because otherwise the signature alone would decide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use kit::random::Random;
use kit::tokens::{SECRET, b64, jwk, public_key, sign};

use super::{NOW, POLICIES, Policy};

/// JSON values that any member may have. Among them are some that are no JSON, and some that Python's parser takes anyway.
const VALUES: [&str; 30] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "1.5",
    "\"\"",
    "\"x\"",
    "[]",
    "[\"x\"]",
    "{}",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "[{\"b\":1,\"\\u0062\":2}]",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"é\"",
    "\"\\u0000\"",
    "\"\u{7f}\"",
    "12345678901234567890123",
    "[[[[]]]]",
    "01",
    "'x'",
];

/// Values of the user id claim.
const USERS: [&str; 46] = [
    "\"alice\"",
    "\"bob\"",
    "\"public\"",
    "\"system.Everyone\"",
    "\"a b\"",
    "\"a, b\"",
    "\"a:b\"",
    "\"\\u0061\"",
    "\"\"",
    "\" a\"",
    "\"a \"",
    "\"a\\tb\"",
    "\"a\\nb\"",
    "\"a\\r\\nuserId: b\"",
    "\"a\\u0000\"",
    "\"a\\u007f\"",
    "\"\\u00a0a\"",
    "\"å\"",
    "\"\\u00e5\"",
    "\"日本\"",
    "\"a\\u0301\"",
    "\"\\u200ba\"",
    "\"\\ufeffa\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u2028\"",
    "\"true\"",
    "\"42\"",
    "42",
    "-42",
    "0",
    "-0",
    "1.0",
    "1.5",
    "1e2",
    "4.2E1",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "true",
    "false",
    "null",
    "[\"a\"]",
    "{\"a\":1}",
];

const AUDIENCES: [&str; 16] = [
    "\"app\"",
    "[\"app\"]",
    "[\"x\",\"app\"]",
    "\"App\"",
    "\"app \"",
    "\"ap\"",
    "[\"app\",1]",
    "[1]",
    "{\"app\":1}",
    "\"\"",
    "[]",
    "null",
    "0",
    "false",
    "{}",
    "0.0",
];

const ALGORITHMS: [&str; 20] = [
    "none", "None", "NONE", "nOnE", "", "HS256", "hs256", "HS256 ", "HS384", "HS512", "RS256", "RS384",
    "PS256", "ES256", "ES384", "ES256K", "ES512", "EdDSA", "Ed25519", "HS2560",
];

const HEADER_NAMES: [&str; 17] = [
    "alg", "typ", "kid", "crit", "b64", "cty", "zip", "enc", "jwk", "jku", "x5u", "x5c", "x5t", "exp", "sub",
    "p2c", "x",
];

const CLAIM_NAMES: [&str; 13] =
    ["sub", "exp", "nbf", "iat", "aud", "iss", "jti", "uid", "user", "Sub", "scope", "x", ""];

/// White space of JSON, and of others.
const BLANKS: [&str; 10] =
    [" ", "\n", "\t", "\r", " \r\n\t", "\u{a0}", "\u{b}", "\u{feff}", "\u{2028}", "\0"];

/// The members of a JSON object, as they are written: a name may be there twice.
type Members = Vec<(String, String)>;

/// A token, and whether its signature was made after all other changes, by the right key.
pub(super) struct Mutant {
    pub(super) policy: usize,
    pub(super) token: Vec<u8>,
    pub(super) is_signed: bool,
}

struct Draft<'r> {
    random: &'r mut Random,
    policy: &'static Policy,
    header: Members,
    claims: Members,
    /// What is done to the JSON and to the base64url of header and claims, and then to the signature and the whole.
    json: [Vec<Json>; 2],
    parts: [Vec<Part>; 2],
    signature: Signature,
    whole: Option<Whole>,
}

/// A change of one JSON text.
#[derive(Clone, Copy)]
enum Json {
    Blank,
    Byte,
    Cut,
    Utf16,
    Utf32,
    Mark,
    Surrogate,
    List,
    Junk,
}

/// A change of the base64url of one part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Padding,
    TooMuchPadding,
    Standard,
    Blank,
    UnusedBits,
    Empty,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signature {
    Good,
    /// By another key or another algorithm of the same family.
    Other,
    /// HS256 with the public key as the secret.
    Confused,
    None,
    Bit,
    Short,
    Long,
    Zeros,
    Der,
    /// Over the token as it was before.
    Stale,
    Encoded(Part),
}

/// A change of the whole token after it was signed.
#[derive(Clone, Copy)]
enum Whole {
    Dot,
    Piece,
    Cut,
    Byte,
    Quotes,
    Percent,
    Case,
    Around,
    Twice,
}

/// The mutant of this number: the same each time.
pub(super) fn mutant(seed: u64, case: usize) -> Mutant {
    let mut random = Random::of_case(seed, case);
    // A signature costs a hundred times what a MAC costs.
    let costly = POLICIES.len() - CHEAP;
    let policy = if random.one_in(4) { CHEAP + random.below(costly) } else { random.below(CHEAP) };
    let mut draft = Draft::new(&mut random, &POLICIES[policy]);
    for _ in 0..[0, 1, 1, 1, 2, 2, 3][draft.random.below(7)] {
        draft.change();
    }
    let (token, is_signed) = draft.token();
    // HTTP takes white space at the end of a field away (RFC 9110 section 5.5).
    Mutant { policy, token: token.trim_ascii_end().to_vec(), is_signed }
}

/// So many policies at the start of [`POLICIES`] are of HS256.
const CHEAP: usize = 4;

fn member(name: &str, value: impl Into<String>) -> (String, String) {
    (format!("\"{name}\""), value.into())
}

fn text(members: &Members) -> Vec<u8> {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

impl<'r> Draft<'r> {
    fn new(random: &'r mut Random, policy: &'static Policy) -> Self {
        let mut claims = vec![member("sub", "\"alice\""), member("exp", (NOW + 600).to_string())];
        if policy.audience.is_some() {
            claims.push(member("aud", "\"app\""));
        }
        if policy.claim.starts_with('/') && random.one_in(2) {
            claims.push(member("user", "{\"id\":\"dave\"}"));
        } else if policy.claim != "sub" {
            claims.push(member(policy.claim, "\"carol\""));
        }
        if random.one_in(2) {
            claims.push(member("iat", (NOW - 5).to_string()));
        }
        Self {
            header: vec![member("alg", format!("\"{}\"", policy.algorithm)), member("typ", "\"JWT\"")],
            claims,
            json: [Vec::new(), Vec::new()],
            parts: [Vec::new(), Vec::new()],
            signature: Signature::Good,
            whole: None,
            random,
            policy,
        }
    }

    fn change(&mut self) {
        let side = self.random.below(2);
        match self.random.below(20) {
            0..=2 => self.date(),
            3..=5 => {
                let value = self.random.pick(&USERS).to_owned();
                self.set(1, self.policy.claim, value);
            }
            6 => {
                let value = self.random.pick(&AUDIENCES).to_owned();
                self.set(1, "aud", value);
            }
            7 | 8 => {
                let name = self.random.pick([&HEADER_NAMES[..], &CLAIM_NAMES[..]][side]);
                let value = self.random.pick(&VALUES).to_owned();
                self.set(side, name, value);
            }
            9 => self.alg(),
            10 => self.crit(),
            11 => self.remove(side),
            12 | 13 => self.double(side),
            14 => self.escape(side),
            15 => self.grow(side),
            16 | 17 => {
                use Json::*;
                let all = [Blank, Blank, Byte, Byte, Cut, Utf16, Utf32, Mark, Surrogate, List, Junk];
                let change = all[self.random.below(all.len())];
                self.json[side].push(change);
            }
            18 => {
                let change = self.part();
                if self.random.one_in(3) {
                    self.signature = Signature::Encoded(change);
                } else {
                    self.parts[side].push(change);
                }
            }
            _ => {
                use Signature::*;
                let all = [Other, Confused, None, Bit, Short, Long, Zeros, Der, Stale];
                self.signature = all[self.random.below(all.len())];
                if self.random.one_in(3) {
                    use Whole::*;
                    self.signature = Good;
                    let all = [Dot, Piece, Cut, Byte, Quotes, Percent, Case, Around, Twice];
                    self.whole = Some(all[self.random.below(all.len())]);
                }
            }
        }
    }

    fn members(&mut self, side: usize) -> &mut Members {
        if side == 0 { &mut self.header } else { &mut self.claims }
    }

    fn set(&mut self, side: usize, name: &str, value: impl Into<String>) {
        let (name, value) = member(name, value);
        let members = self.members(side);
        match members.iter_mut().find(|(other, _)| *other == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }

    /// A time near a border, or far away, or in a form that is no number.
    fn date(&mut self) {
        let claim = self.random.pick(&["exp", "nbf", "iat"]);
        let near = [-601, -31, -30, -29, -1, 0, 1, 29, 30, 31, 601];
        let time = i64::try_from(NOW).unwrap() + near[self.random.below(near.len())];
        let forms: [String; 34] = [
            time.to_string(),
            time.to_string(),
            time.to_string(),
            format!("{time}.0"),
            format!("{time}.5"),
            format!("{time}.999999"),
            format!("{time}e0"),
            "1.8e9".into(),
            "18E+8".into(),
            format!("\"{time}\""),
            format!("\" {time} \""),
            format!("\"+{time}\""),
            format!("\"{time}.0\""),
            "\"1_800_000_600\"".into(),
            "\"١٨٠٠٠٠٠٦٠٠\"".into(),
            "\"soon\"".into(),
            "\"\"".into(),
            "true".into(),
            "false".into(),
            "null".into(),
            "0".into(),
            "-0".into(),
            "-0.0".into(),
            "-0.5".into(),
            "-5".into(),
            "-1e30".into(),
            "1e30".into(),
            "1e308".into(),
            "1e309".into(),
            "18446744073709551615".into(),
            "18446744073709551616".into(),
            "NaN".into(),
            "[]".into(),
            "{\"$date\":1}".into(),
        ];
        let value = forms[self.random.below(forms.len())].clone();
        self.set(1, claim, value);
    }

    fn alg(&mut self) {
        let alg = if self.policy.algorithm == "EdDSA" && self.random.one_in(2) {
            "Ed25519"
        } else {
            self.random.pick(&ALGORITHMS)
        };
        self.set(0, "alg", format!("\"{alg}\""));
        if alg == "none" {
            self.signature = Signature::None;
        } else if alg.starts_with("HS") && self.policy.algorithm != "HS256" {
            self.signature = Signature::Confused;
        }
    }

    fn crit(&mut self) {
        let lists =
            ["[\"b64\"]", "[\"exp\"]", "[\"x\"]", "[]", "[1]", "\"b64\"", "null", "[\"b64\",\"b64\"]"];
        let list = self.random.pick(&lists);
        self.set(0, "crit", list);
        let b64 = self.random.pick(&["true", "true", "false", "0", "null"]);
        if !self.random.one_in(4) {
            self.set(0, "b64", b64);
        }
    }

    fn remove(&mut self, side: usize) {
        let length = self.members(side).len();
        if length > 0 {
            let at = self.random.below(length);
            self.members(side).remove(at);
        }
    }

    /// A member that is there already, with the same value or with another one, before it or behind.
    fn double(&mut self, side: usize) {
        let length = self.members(side).len();
        if length == 0 {
            return;
        }
        let at = self.random.below(length);
        let (name, mut value) = self.members(side)[at].clone();
        if self.random.one_in(2) {
            value = self.random.pick(&VALUES).to_string();
        }
        let to = self.random.below(length + 1);
        self.members(side).insert(to, (name, value));
    }

    /// A letter of a name or of a text, written as an escape.
    fn escape(&mut self, side: usize) {
        let length = self.members(side).len();
        if length == 0 {
            return;
        }
        let (at, in_name) = (self.random.below(length), self.random.one_in(2));
        let (name, value) = &mut self.members(side)[at];
        let written = if in_name { name } else { value };
        if let Some(first) =
            written.strip_prefix('"').and_then(|text| text.chars().next()).filter(char::is_ascii_alphabetic)
        {
            *written = format!("\"\\u{:04x}{}", u32::from(first), &written[2..]);
        }
    }

    /// A member that is deep or long.
    fn grow(&mut self, side: usize) {
        let depth = [10, 120, 124, 125, 126, 127, 128, 129, 200, 900][self.random.below(10)];
        let long = [100, 2000, 9000, 12_200, 12_600][self.random.below(5)];
        let value = if self.random.one_in(2) {
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        } else if self.random.one_in(2) {
            format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
        } else {
            format!("\"{}\"", "y".repeat(long))
        };
        self.set(side, "x", value);
    }

    fn part(&mut self) -> Part {
        use Part::*;
        let all = [Padding, Padding, TooMuchPadding, Standard, Blank, UnusedBits, Empty];
        all[self.random.below(all.len())]
    }

    /// The whole token, and whether its signature is a good one over what it is.
    fn token(mut self) -> (Vec<u8>, bool) {
        let mut signed = Vec::new();
        for side in 0..2 {
            let json = text(self.members(side));
            let json =
                self.json[side].clone().iter().fold(json, |json, change| self.changed_json(json, *change));
            let part = b64(json).into_bytes();
            let part =
                self.parts[side].clone().iter().fold(part, |part, change| self.changed_part(part, *change));
            signed.extend_from_slice(&part);
            signed.push(b'.');
        }
        signed.pop();
        let signature = self.signature_of(&signed);
        let mut token = [&signed[..], b".", &signature].concat();
        let is_signed = self.signature == Signature::Good && self.whole.is_none();
        if let Some(change) = self.whole {
            token = self.changed_whole(token, change);
        }
        (token, is_signed)
    }

    fn changed_json(&mut self, mut json: Vec<u8>, change: Json) -> Vec<u8> {
        let at = self.random.below(json.len() + 1);
        let wide =
            |unit: fn(char) -> Vec<u8>| String::from_utf8_lossy(&json).chars().flat_map(unit).collect();
        match change {
            Json::Blank => {
                // Between two tokens of the JSON text more often than within one.
                let seams: Vec<usize> =
                    json.iter().enumerate().filter(|(_, c)| b"{},:".contains(c)).map(|(at, _)| at).collect();
                let at = if seams.is_empty() || self.random.one_in(4) {
                    at
                } else {
                    seams[self.random.below(seams.len())]
                };
                let blank = self.random.pick(&BLANKS).as_bytes();
                json.splice(at..at, blank.iter().copied());
            }
            Json::Byte if at < json.len() => {
                json[at] = u8::try_from(self.random.below(256)).unwrap();
            }
            Json::Byte => json.push(b'}'),
            Json::Cut => json.truncate(at),
            Json::Utf16 => {
                return wide(|c| {
                    c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_le_bytes()).collect()
                });
            }
            Json::Utf32 => return wide(|c| u32::from(c).to_be_bytes().to_vec()),
            Json::Mark => {
                json.splice(0..0, "\u{feff}".bytes());
            }
            // Half a pair, as UTF-8 does not allow it.
            Json::Surrogate => {
                let quote = json.iter().rposition(|c| *c == b'"').unwrap_or(json.len());
                json.splice(quote..quote, [0xed, 0xa0, 0x80]);
            }
            Json::List => json = [b"[", &json[..], b"]"].concat(),
            Json::Junk => {
                json.extend_from_slice(self.random.pick(&["x", "{}", ",", "\0", "null", "//"]).as_bytes())
            }
        }
        json
    }

    fn changed_part(&mut self, mut part: Vec<u8>, change: Part) -> Vec<u8> {
        match change {
            Part::Padding => part.resize(part.len().next_multiple_of(4), b'='),
            Part::TooMuchPadding => {
                part.extend_from_slice(self.random.pick(&["=", "==", "===", "===="]).as_bytes())
            }
            Part::Standard => {
                for byte in &mut part {
                    *byte = match *byte {
                        b'-' => b'+',
                        b'_' => b'/',
                        other => other,
                    };
                }
            }
            Part::Blank => {
                let at = self.random.below(part.len() + 1);
                part.splice(at..at, self.random.pick(&[" ", "\n", "\r\n", "\t", "\0", "\u{a0}"]).bytes());
            }
            Part::UnusedBits => {
                if let Some(last) = part.last_mut() {
                    *last = if *last == b'g' { b'h' } else { last.wrapping_add(1) };
                }
            }
            Part::Empty => part.clear(),
        }
        part
    }

    fn signature_of(&mut self, message: &[u8]) -> Vec<u8> {
        let Policy { algorithm, key, .. } = *self.policy;
        let good = || sign(algorithm, key, message);
        let bytes = match self.signature {
            Signature::Good => good(),
            Signature::Other => match algorithm {
                "HS256" if self.random.one_in(2) => sign("HS512", key, message),
                "HS256" => sign(algorithm, &key[1..], message),
                "RS256" if self.random.one_in(2) => sign("PS256", key, message),
                "RS256" => sign(algorithm, "rsa-other", message),
                "ES256" => sign(algorithm, "p256-other", message),
                _ => sign("ES256", "p256", message),
            },
            Signature::Confused if algorithm == "HS256" => sign("HS256", "", message),
            Signature::Confused => {
                let pem = public_key(key);
                let der = STANDARD.encode(pem.as_bytes());
                let jwk = jwk("k", key).to_string();
                let secret = self.random.pick(&[pem.as_str(), pem.trim(), &der, &jwk, SECRET]);
                sign("HS256", secret, message)
            }
            Signature::None => Vec::new(),
            Signature::Bit => {
                let mut signature = good();
                let at = self.random.below(signature.len());
                signature[at] ^= 1 << self.random.below(8);
                signature
            }
            Signature::Short => {
                let mut signature = good();
                signature.truncate(self.random.below(signature.len()));
                signature
            }
            Signature::Long => [good(), vec![0; 1 + self.random.below(3)]].concat(),
            Signature::Zeros => vec![0; [1, 32, 64, 256][self.random.below(4)]],
            Signature::Der if algorithm == "ES256" => sign("ES256-DER", key, message),
            Signature::Der => [vec![0x30, 0x20], good()].concat(),
            Signature::Stale => sign(algorithm, key, b"eyJhbGciOiJIUzI1NiJ9.e30"),
            Signature::Encoded(change) => {
                let part = b64(good()).into_bytes();
                return self.changed_part(part, change);
            }
        };
        b64(bytes).into_bytes()
    }

    fn changed_whole(&mut self, mut token: Vec<u8>, change: Whole) -> Vec<u8> {
        let at = self.random.below(token.len());
        match change {
            Whole::Dot => token.insert(at, b'.'),
            Whole::Piece => token.extend_from_slice(b".e30"),
            Whole::Cut => token.truncate(at),
            Whole::Byte => token[at] = u8::try_from(self.random.below(256)).unwrap(),
            Whole::Quotes => token = [b"\"", &token[..], b"\""].concat(),
            Whole::Percent => token = String::from_utf8_lossy(&token).replace('.', "%2E").into_bytes(),
            Whole::Case => {
                token[at] = if token[at].is_ascii_lowercase() {
                    token[at].to_ascii_uppercase()
                } else {
                    token[at].to_ascii_lowercase()
                }
            }
            Whole::Around => {
                token = [&token[..], self.random.pick(&["\u{a0}", "#", "\0", ";", "é"]).as_bytes()].concat()
            }
            Whole::Twice => token = [&token[..], b" ", &token].concat(),
        }
        token
    }
}
