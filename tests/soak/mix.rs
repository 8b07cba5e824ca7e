//! The kinds of requests, and what each of them must be answered.

use kit::forgeries::{forgeries, json_type};
use kit::http::{self, Headers, Response, authorization, header};
use serde_json::{Value, json};

use crate::keys::{Keys, USERS, name};
use crate::stack::Listener;
use kit::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A token that the user has had for a while.
    Good,
    /// A good token that nobody has seen.
    Fresh,
    /// A good token of a key that was published this moment.
    NewKey,
    /// A good token as long as a token may be.
    LongToken,
    TooLongToken,
    Missing,
    Expired,
    Bad,
    /// A token of a key that the issuer has taken back.
    Retired,
    /// A good token of somebody who is shut out.
    ShutOut,
    /// Own tokens of several users, good and bad.
    Batch,
    HugeBatch,
    TooHugeBatch,
    /// One of all forgeries that there are, without a token.
    Forgery,
    /// A record in the user's own bucket, with a large body.
    Write,
    HugeHeaders,
    TooHugeHeaders,
}

use Kind::{
    Bad, Batch, Expired, Forgery, Fresh, Good, HugeBatch, HugeHeaders, LongToken, Missing, NewKey, Retired,
    ShutOut, TooHugeBatch, TooHugeHeaders, TooLongToken, Write,
};

/// How often each comes.
pub(crate) const MIX: [(Kind, usize); 17] = [
    (Good, 30),
    (Fresh, 10),
    (NewKey, 3),
    (LongToken, 3),
    (TooLongToken, 2),
    (Missing, 8),
    (Expired, 6),
    (Bad, 10),
    (Retired, 3),
    (ShutOut, 3),
    (Batch, 12),
    (HugeBatch, 1),
    (TooHugeBatch, 1),
    (Forgery, 8),
    (Write, 3),
    (HugeHeaders, 3),
    (TooHugeHeaders, 1),
];

/// What slow clients send, and those that hang up.
pub(crate) const SLOW: [(Kind, usize); 8] =
    [(Good, 2), (NewKey, 1), (Missing, 1), (Bad, 1), (Retired, 1), (Batch, 3), (HugeBatch, 1), (Write, 2)];

/// Who is shut out in every configuration.
pub(crate) const SHUT_OUT: &str = "mallory";

/// What an answer must say.
#[derive(Debug)]
pub(crate) enum Expected {
    /// Kinto's root names one of these users: `HTTP 401` and the like where there is no 200.
    User(Vec<String>),
    /// The same for each sub-request of a batch.
    Users(Vec<Vec<String>>),
    /// A record that this user alone may write.
    Writer(String),
    /// Whatever it is, it is not the user of whom the forgery dreams.
    NoAdmin,
}

pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    Right,
    /// The connection ended before the answer did, or an answer 5xx: its cause is in Envoy's log.
    Failed,
    /// Another user than the token's, or a request that was answered as no request of its kind is.
    Wrong(String),
}

pub(crate) struct Mix<'k> {
    keys: &'k Keys,
    forgeries: Vec<Vec<u8>>,
}

fn id(name: &str) -> String {
    format!("kinto_jwt:{name}")
}

/// A GET of Kinto's root, which names the user, from somebody who would like to be `admin`.
fn get(headers: Headers) -> Vec<u8> {
    let headers: Headers = headers.into_iter().chain([header("userId", "admin")]).collect();
    http::bytes("GET", b"/v1/", &headers, b"")
}

fn post_batch(headers: Headers, batch: &Value) -> Vec<u8> {
    let headers: Headers = headers.into_iter().chain([header("userId", "admin"), json_type()]).collect();
    http::bytes("POST", b"/v1/batch", &headers, batch.to_string().as_bytes())
}

fn put(path: &str, filling: usize) -> Value {
    json!({"method": "PUT", "path": path, "body": {"data": {"filling": "x".repeat(filling)}}})
}

impl<'k> Mix<'k> {
    pub(crate) fn new(keys: &'k Keys) -> Self {
        Self { keys, forgeries: forgeries(&[]) }
    }

    /// A request of this kind to this listener.
    pub(crate) fn request(&self, kind: Kind, listener: Listener, random: &mut Random) -> Request {
        let keys = self.keys;
        let user = random.below(USERS);
        let own = name(user);
        let invalid = listener.invalid().to_owned();
        let ask = |token: &str, users: Vec<String>| (get(vec![authorization(token)]), Expected::User(users));
        let known = || authorization(&keys.known(user));
        let (bytes, expected) = match kind {
            Good => ask(&keys.known(user), vec![id(&own)]),
            Fresh => ask(&keys.fresh(&own), vec![id(&own)]),
            NewKey => ask(&keys.surprising(&own), vec![id(&own), invalid]),
            LongToken => ask(&keys.long(&own, 16_384), vec![id(&own)]),
            TooLongToken => ask(&keys.long(&own, 16_400), vec![invalid]),
            Missing => (get(vec![]), Expected::User(vec![id("public")])),
            Expired => ask(&keys.expired(&own), vec![invalid]),
            Bad => {
                let bad = keys.bad(user);
                ask(&bad[random.below(bad.len())], vec![invalid])
            }
            Retired => ask(&keys.retired(&own), vec![invalid]),
            ShutOut => ask(&keys.fresh(SHUT_OUT), vec![invalid]),
            Batch => self.batch(user, &invalid, random),
            HugeBatch => {
                let put = put("/buckets/default/collections/c/records/huge", 900_000);
                let batch = json!({"requests": [{"path": "/"}, put, {"path": "/v1/"}]});
                let users =
                    vec![vec![id(&own)], vec!["HTTP 200".to_owned(), "HTTP 201".to_owned()], vec![id(&own)]];
                (post_batch(vec![known()], &batch), Expected::Users(users))
            }
            TooHugeBatch => {
                let batch =
                    json!({"requests": [put("/buckets/default/collections/c/records/huge", 1_100_000)]});
                (post_batch(vec![known()], &batch), Expected::User(vec!["HTTP 413".to_owned()]))
            }
            Forgery => {
                let forgery = self.forgeries[random.below(self.forgeries.len())].clone();
                (forgery, Expected::NoAdmin)
            }
            Write => {
                let path = format!("/v1/buckets/default/collections/c/records/r{}", random.below(8));
                let body = json!({"data": {"filling": "x".repeat(random.below(300_000))}}).to_string();
                let headers = [known(), header("userId", "admin"), json_type()];
                (http::bytes("PUT", path.as_bytes(), &headers, body.as_bytes()), Expected::Writer(id(&own)))
            }
            HugeHeaders => {
                let long = header("X-Long", "x".repeat(50_000));
                (get(vec![known(), long]), Expected::User(vec![id(&own)]))
            }
            TooHugeHeaders => {
                let long = header("X-Long", "x".repeat(62_000));
                (get(vec![known(), long]), Expected::User(vec!["HTTP 431".to_owned()]))
            }
        };
        Request { kind, bytes, expected }
    }

    /// A batch whose sub-requests are of other users, of nobody, and of the sender.
    fn batch(&self, user: usize, invalid: &str, random: &mut Random) -> (Vec<u8>, Expected) {
        let keys = self.keys;
        let own = id(&name(user));
        let with =
            |token: &str| json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {token}")}});
        let mut parts = vec![
            (json!({"path": "/"}), vec![own.clone()]),
            (json!({"path": "/v1/", "headers": {"userId": "admin"}}), vec![own.clone()]),
        ];
        for _ in 0..3 {
            let other = random.below(USERS);
            let bad = keys.bad(other);
            let part = match random.below(12) {
                0..=4 => (with(&keys.known(other)), vec![id(&name(other))]),
                5 | 6 => (with(&keys.fresh(&name(other))), vec![id(&name(other))]),
                7 => (with(&keys.expired(&name(other))), vec![invalid.to_owned()]),
                8 => (with(&keys.fresh(SHUT_OUT)), vec![invalid.to_owned()]),
                9 if random.one_in(3) => (with(&keys.retired(&name(other))), vec![invalid.to_owned()]),
                10 if random.one_in(3) => {
                    (with(&keys.surprising(&name(other))), vec![id(&name(other)), invalid.to_owned()])
                }
                _ => (with(&bad[random.below(bad.len())]), vec![invalid.to_owned()]),
            };
            parts.push(part);
        }
        random.shuffle(&mut parts);
        let (requests, users): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let batch = json!({"defaults": {"headers": {"userId": "admin"}}, "requests": requests});
        (post_batch(vec![authorization(&keys.known(user))], &batch), Expected::Users(users))
    }
}

impl Request {
    /// Compares the answer with what the tokens of the request prove.
    pub(crate) fn judge(&self, answer: Option<&Response>) -> Verdict {
        let Some(answer) = answer else { return Verdict::Failed };
        let text = String::from_utf8_lossy(&answer.body);
        // Whatever was sent: nobody has a token of admin's.
        if text.contains("kinto_jwt:admin") {
            return self.wrong(answer.status, &text);
        }
        // A VM that dies between the head and the body of an answer cuts it off.
        let is_cut = http::content_length(&answer.head).is_some_and(|length| answer.body.len() < length);
        if answer.status >= 500 || is_cut {
            return Verdict::Failed;
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let right = match &self.expected {
            Expected::NoAdmin => true,
            Expected::User(users) => {
                let user =
                    if answer.status == 200 { http::user(&body) } else { format!("HTTP {}", answer.status) };
                users.contains(&user)
            }
            Expected::Writer(user) => {
                matches!(answer.status, 200 | 201) && body["permissions"]["write"] == json!([user])
            }
            Expected::Users(expected) => {
                let answers = body["responses"].as_array().cloned().unwrap_or_default();
                answer.status == 200
                    && answers.len() == expected.len()
                    && answers.iter().zip(expected).all(|(answer, users)| {
                        let user = answer["body"].get("user").map(|_| http::user(&answer["body"]));
                        users.contains(&user.unwrap_or_else(|| format!("HTTP {}", answer["status"])))
                    })
            }
        };
        if right { Verdict::Right } else { self.wrong(answer.status, &text) }
    }

    fn wrong(&self, status: u16, body: &str) -> Verdict {
        let body: String = body.chars().take(2000).collect();
        Verdict::Wrong(format!("{:?}: expected {:?}, and got {status} {body}", self.kind, self.expected))
    }
}
