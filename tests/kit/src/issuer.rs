//! A token issuer: a real HTTP/1.1 server, with or without TLS, whose answers a test changes while it runs.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::servers::wait_for;
use crate::tokens::{jwk, key_file};

/// The name in the certificate of an issuer over TLS, `tests/keys/issuer.cert.pem`, which signed itself.
pub const TLS_NAME: &str = "issuer.test";

/// Longer than any test runs: the answer to a request that is held.
const HELD: Duration = Duration::from_secs(3600);

/// What a path answers.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    delay: Duration,
    is_cut: bool,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into(), delay: Duration::ZERO, is_cut: false }
    }

    /// 200 and a JWK Set of these keys: the `kid` of each, and its name in `tests/keys`.
    pub fn keys(keys: &[(&str, &str)]) -> Self {
        let keys: Vec<Value> = keys.iter().map(|(kid, name)| jwk(kid, name)).collect();
        Self::new(200, json!({"keys": keys}).to_string()).header("Content-Type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Given only when the test says [`Issuer::release`].
    pub fn held(self) -> Self {
        self.after(HELD)
    }

    /// The connection ends before the last byte of the body.
    pub fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let (status, headers) = (self.status, &self.headers);
        let length = self.body.len() + usize::from(self.is_cut);
        let head = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\n\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// A request that the issuer has seen.
#[derive(Clone)]
pub struct Seen {
    pub path: String,
    pub head: String,
    pub at: Instant,
}

#[derive(Default)]
struct State {
    up: bool,
    answers: HashMap<String, Answer>,
    seen: Vec<Seen>,
    releases: usize,
    connections: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

pub struct Issuer {
    pub port: u16,
    tls: Option<Arc<rustls::ServerConfig>>,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Issuer {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    pub fn start_with_tls() -> Self {
        let der = |file| pem::parse(key_file(file)).unwrap().into_contents();
        let key = PrivateKeyDer::try_from(der("p256.key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let certificate = CertificateDer::from(der("issuer.cert.pem"));
        let tls = tls.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::start_with(Some(Arc::new(tls)))
    }

    fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = Self { port, tls, shared: Arc::default(), listening: Mutex::default() };
        issuer.listen(listener);
        issuer
    }

    /// Envoy's cluster of this name that leads here.
    pub fn cluster(&self, name: &str) -> Value {
        let endpoint = json!({"socket_address": {"address": "127.0.0.1", "port_value": self.port}});
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}],
            },
        })
    }

    /// What this path answers from now on; any other is a 404.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.lock().answers.insert(path.to_owned(), answer);
    }

    /// Gives the answers that are waiting for their time.
    pub fn release(&self) {
        self.shared.lock().releases += 1;
        self.shared.changed.notify_all();
    }

    /// Closes every connection and refuses new ones.
    pub fn down(&self) {
        let mut state = self.shared.lock();
        if !state.up {
            return;
        }
        state.up = false;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // The listener looks up only when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.listening.lock().unwrap().take().unwrap().join().unwrap();
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.listen(wait_for("the issuer's port", || TcpListener::bind(("127.0.0.1", self.port)).ok()));
    }

    /// The requests that a path has seen.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.shared.lock().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// Waits until a path has seen this many requests.
    pub fn wait_for(&self, path: &str, count: usize) {
        wait_for(&format!("request {count} of {path}"), || (self.count(path) >= count).then_some(()));
    }

    fn listen(&self, listener: TcpListener) {
        self.shared.lock().up = true;
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut state = shared.lock();
                if !state.up {
                    return;
                }
                let connection = stream.try_clone().unwrap();
                state.connections.push(stream.try_clone().unwrap());
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || {
                    // Whatever goes wrong is the end of the connection.
                    let _ = match tls {
                        None => converse(&shared, stream),
                        Some(tls) => {
                            let session = rustls::ServerConnection::new(tls).unwrap();
                            converse(&shared, rustls::StreamOwned::new(session, stream))
                        }
                    };
                    connection.shutdown(Shutdown::Both)
                });
            }
        });
        *self.listening.lock().unwrap() = Some(thread);
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.down();
    }
}

/// Requests without a body and their answers, one after the other, until the connection ends.
fn converse(shared: &Shared, mut stream: impl Read + Write) -> io::Result<()> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let end = loop {
            if let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                read => received.extend_from_slice(&chunk[..read]),
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();

        let mut state = shared.lock();
        let answer = state.answers.get(&path).cloned().unwrap_or_else(|| Answer::new(404, "no such path"));
        state.seen.push(Seen { path, head, at: Instant::now() });
        let releases = state.releases;
        let waits = |state: &mut State| state.up && state.releases == releases;
        drop(shared.changed.wait_timeout_while(state, answer.delay, waits).unwrap());
        stream.write_all(&answer.bytes())?;
        stream.flush()?;
        if answer.is_cut {
            return Ok(());
        }
    }
}
