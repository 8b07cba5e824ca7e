//! A load of every kind of request for several users, each answer checked against the token that was sent.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stack::demo_token;
use kit::forgeries::json_type;
use kit::http::{self, Response, authorization, header};
use kit::tokens::{rs256, token};

const THREADS: usize = 12;
/// Of each thread: up to 300 requests a second.
const INTERVAL: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Good,
    Bad,
    Missing,
    Batch,
    Write,
    /// A write into another user's bucket.
    Trespass,
}

use Kind::{Bad, Batch, Good, Missing, Trespass, Write};

pub(crate) const KINDS: [Kind; 6] = [Good, Bad, Missing, Batch, Write, Trespass];
/// How often each comes: a write costs Kinto four times what reading who one is does.
const MIX: [Kind; 13] =
    [Good, Batch, Bad, Missing, Good, Batch, Bad, Write, Good, Missing, Batch, Bad, Trespass];
/// The sub-requests of a batch: four, twice.
pub(crate) const SUBS: usize = 8;

pub(crate) struct User {
    pub(crate) name: String,
    token: String,
}

impl Seen {
    pub(crate) fn of(&self, kind: Kind) -> usize {
        self.right.get(&kind).copied().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> usize {
        self.right.values().sum()
    }
}

impl User {
    fn id(&self) -> String {
        format!("kinto_jwt:{}", self.name)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Right answers of each kind.
    pub(crate) right: BTreeMap<Kind, usize>,
    pub(crate) unavailable: usize,
    pub(crate) last_unavailable: Option<Instant>,
    pub(crate) wrong: Vec<String>,
    /// The writes that were acknowledged: bucket and record.
    pub(crate) written: Vec<(String, String)>,
}

enum Answer {
    Right,
    /// 503, 504, a connection that failed, or Kinto's own words for an error inside: some batches that
    /// were under way when PostgreSQL went end so, as HTTP 500, with the filter or without.
    Unavailable,
    Wrong,
}

struct Shared {
    port: u16,
    users: Vec<User>,
    bad: Vec<String>,
    next: AtomicUsize,
    stop: AtomicBool,
    seen: Mutex<Seen>,
}

pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the load for these users, each of whom owns a bucket by their name with a collection `c`.
    pub(crate) fn start(port: u16, users: &[&str]) -> Self {
        let users: Vec<User> =
            users.iter().map(|name| User { name: (*name).to_owned(), token: demo_token(name) }).collect();
        let mallory = json!({"sub": users[0].name});
        let bad = vec![
            rs256(&mallory), // by another key
            token("RS256", "demo", &json!({"sub": users[0].name, "exp": 1})),
            token("none", "", &mallory),
            "a.b.c".to_owned(),
            users[0].token.replace('.', ".."),
        ];
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { port, users, bad, next, stop, seen: Mutex::default() });
        let run = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run())
        };
        Self { threads: (0..THREADS).map(run).collect(), shared }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen().clone()
    }

    pub(crate) fn stop(&mut self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.seen()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let due = Instant::now() + INTERVAL;
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let kind = MIX[n % MIX.len()];
            let [user, other] = [n, n + 1].map(|n| &self.users[n % self.users.len()]);
            let request = self.request(kind, user, other, n);
            let stream = TcpStream::connect(("127.0.0.1", self.port)).ok();
            let answer = stream.and_then(|stream| http::exchange_on(stream, &request));
            let judgement = judge(kind, user, other, answer.as_ref());
            let mut seen = self.seen();
            match judgement {
                Answer::Right => {
                    *seen.right.entry(kind).or_default() += 1;
                    if kind == Write {
                        seen.written.push((user.name.clone(), format!("r{n}")));
                    }
                }
                Answer::Unavailable => {
                    seen.unavailable += 1;
                    seen.last_unavailable = Some(Instant::now());
                }
                Answer::Wrong => {
                    let body = answer.map(|a| (a.status, String::from_utf8_lossy(&a.body).into_owned()));
                    seen.wrong.push(format!("{kind:?} of {}: {body:?}", user.name));
                }
            }
            drop(seen);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    fn request(&self, kind: Kind, user: &User, other: &User, n: usize) -> Vec<u8> {
        let own = authorization(&user.token);
        let bad = &self.bad[n % self.bad.len()];
        let spoof = header("userId", &other.name);
        let get = |headers: &[(String, Vec<u8>)]| http::bytes("GET", b"/v1/", headers, b"");
        let put = |bucket: &str| {
            let path = format!("/v1/buckets/{bucket}/collections/c/records/r{n}");
            let body = json!({"data": {"by": user.name}}).to_string();
            http::bytes("PUT", path.as_bytes(), &[own.clone(), json_type()], body.as_bytes())
        };
        match kind {
            Good => get(&[own, spoof]),
            Bad => get(&[authorization(bad), spoof]),
            Missing => get(&[spoof]),
            Batch => {
                let with =
                    |token: &str| json!({"path": "/", "headers": {"Authorization": format!("JWT {token}")}});
                let forged = json!({"path": "/v1/", "headers": {"userId": other.name}});
                let four = vec![json!({"path": "/"}), with(&other.token), with(bad), forged];
                let eight = [&four[..], &four].concat();
                let batch = json!({"requests": eight});
                http::bytes("POST", b"/v1/batch", &[own, json_type()], batch.to_string().as_bytes())
            }
            Write => put(&user.name),
            Trespass => put(&other.name),
        }
    }
}

fn judge(kind: Kind, user: &User, other: &User, answer: Option<&Response>) -> Answer {
    let Some(answer) = answer.filter(|answer| !matches!(answer.status, 503 | 504)) else {
        return Answer::Unavailable;
    };
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        // A connection that fails may do so in the middle.
        return if answer.status < 500 { Answer::Unavailable } else { Answer::Wrong };
    };
    if answer.status == 500 && body["errno"] == json!(999) {
        return Answer::Unavailable;
    }
    let public = "kinto_jwt:public".to_owned();
    let right = match kind {
        Good => answer.status == 200 && http::user(&body) == user.id(),
        Bad | Missing => answer.status == 200 && http::user(&body) == public,
        // Whoever creates a record may write it.
        Write => answer.status == 201 && body["permissions"]["write"] == json!([user.id()]),
        Trespass => answer.status == 403,
        Batch => {
            let answers = body["responses"].as_array().cloned().unwrap_or_default();
            let is_down = |sub: &Value| matches!(sub["status"].as_u64(), Some(503 | 504));
            let expected = [user.id(), other.id(), public, user.id()];
            let expected = [&expected[..], &expected].concat();
            let right = |(sub, user): (&Value, &String)| is_down(sub) || http::user(&sub["body"]) == *user;
            let all = answer.status == 200
                && answers.len() == expected.len()
                && answers.iter().zip(&expected).all(right);
            if all && answers.iter().any(is_down) {
                return Answer::Unavailable;
            }
            all
        }
    };
    if right { Answer::Right } else { Answer::Wrong }
}
