//! The issuer's keys, which change all the time, and the tokens that are signed with them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use kit::issuer::Answer;
use kit::tokens::{jws, now};
use serde_json::{Value, json};

/// How many users there are.
pub(crate) const USERS: usize = 20;

/// The first turn: there are keys from before it.
const FIRST: usize = 10;

/// The keys at this time. At turn `n` the issuer publishes the keys `n - 1`, `n` (which signs), `n + 1` (which will), and
/// one that nobody could know before.
pub(crate) struct Keys {
    now: RwLock<Turn>,
    made: AtomicUsize,
}

struct Turn {
    number: usize,
    /// A token of each user.
    tokens: Vec<String>,
}

/// The file of the key with this number.
fn file(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "p256" } else { "p256-other" }
}

fn kid(number: usize) -> String {
    format!("k{number}")
}

/// The `kid` of the key that nobody could know before.
fn surprise(number: usize) -> String {
    format!("s{number}")
}

/// The name of a user.
pub(crate) fn name(user: usize) -> String {
    format!("user{user}")
}

/// Claims of a user, different each time.
fn claims(number: usize, name: &str, exp: u64) -> Value {
    json!({"sub": name, "exp": exp, "jti": number.to_string()})
}

pub(crate) fn signed(kid: &str, file: &str, claims: &Value) -> String {
    jws("ES256", file, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
}

impl Keys {
    pub(crate) fn new() -> Self {
        let keys =
            Self { now: RwLock::new(Turn { number: FIRST, tokens: Vec::new() }), made: AtomicUsize::new(0) };
        keys.set(FIRST);
        keys
    }

    fn number(&self) -> usize {
        self.now.read().unwrap_or_else(PoisonError::into_inner).number
    }

    fn set(&self, number: usize) {
        let tokens =
            (0..USERS).map(|user| self.sign(&kid(number), file(number), &name(user), 3600)).collect();
        *self.now.write().unwrap() = Turn { number, tokens };
    }

    /// What the issuer publishes, `ahead` turns from now.
    pub(crate) fn published(&self, ahead: usize) -> Answer {
        let number = self.number() + ahead;
        let kids = [kid(number - 1), kid(number), kid(number + 1), surprise(number)];
        let files = [file(number - 1), file(number), file(number + 1), file(number)];
        let keys: Vec<_> = kids.iter().map(String::as_str).zip(files).collect();
        Answer::keys(&keys)
    }

    /// The next turn, once the issuer has published it.
    pub(crate) fn turn(&self) {
        self.set(self.number() + 1);
    }

    fn sign(&self, kid: &str, file: &str, name: &str, seconds: u64) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        signed(kid, file, &claims(number, name, now() + seconds))
    }

    /// The token that this user has had since the last turn.
    pub(crate) fn known(&self, user: usize) -> String {
        self.now.read().unwrap_or_else(PoisonError::into_inner).tokens[user].clone()
    }

    /// A token that nobody has seen.
    pub(crate) fn fresh(&self, name: &str) -> String {
        let number = self.number();
        self.sign(&kid(number), file(number), name, 3600)
    }

    /// A token of the key that nobody could know before this turn.
    pub(crate) fn surprising(&self, name: &str) -> String {
        let number = self.number();
        self.sign(&surprise(number), file(number), name, 3600)
    }

    /// A token of a key that the issuer has published no more for at least one whole turn.
    pub(crate) fn retired(&self, name: &str) -> String {
        let number = self.number() - 3;
        self.sign(&kid(number), file(number), name, 3600)
    }

    pub(crate) fn expired(&self, name: &str) -> String {
        let number = self.number();
        signed(&kid(number), file(number), &claims(number, name, now() - 100))
    }

    /// A good token as long as this.
    pub(crate) fn long(&self, name: &str, length: usize) -> String {
        let number = self.number();
        let with = |filling: usize| {
            let mut claims = claims(number, name, now() + 3600);
            claims["filling"] = json!("x".repeat(filling));
            signed(&kid(number), file(number), &claims)
        };
        let filling = (length - with(0).len()) / 4 * 3;
        with(filling)
    }

    /// Tokens that prove nothing, made of good ones.
    pub(crate) fn bad(&self, user: usize) -> Vec<String> {
        let number = self.number();
        let (own, other) = (self.known(user), self.known((user + 1) % USERS));
        let [header, payload, signature] = parts(&own);
        let [_, others, _] = parts(&other);
        let claims = claims(number, &name(user), now() + 3600);
        let text = claims.to_string();
        let current = kid(number);
        let head = |alg: &str| json!({"alg": alg, "kid": current}).to_string();
        vec![
            format!("{header}.{others}.{signature}"),
            format!("{header}.{payload}.{}", "A".repeat(86)),
            format!("{header}.{payload}."),
            signed(&current, file(number + 1), &claims),
            jws("none", "", head("none"), &text),
            jws("HS256", &kit::tokens::public_key(file(number)), head("HS256"), &text),
            "a.b.c".to_owned(),
        ]
    }
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}
