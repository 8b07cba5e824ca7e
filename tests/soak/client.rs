//! Clients that keep their connection, that are slow, and that hang up.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use kit::http::{self, Response};

/// A client that keeps its connection for as long as the server does.
pub(crate) struct Client {
    port: u16,
    stream: Option<TcpStream>,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Sends a request of [`http::bytes`]; `None` if the server closes without an answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Option<Response> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.port)?,
        };
        let answer = http::exchange_on(stream.try_clone().unwrap(), &kept_open(request))?;
        if !answer.head.to_ascii_lowercase().contains("\r\nconnection: close") {
            self.stream = Some(stream);
        }
        Some(answer)
    }
}

/// A connection, if the server takes one.
pub(crate) fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

/// The request without its wish that the connection ends after it.
fn kept_open(request: &[u8]) -> Vec<u8> {
    let wish = b"Connection: close\r\n";
    let at = request.windows(wish.len()).position(|part| part == wish).expect("a request of http::bytes");
    [&request[..at], &request[at + wish.len()..]].concat()
}

/// Where the body of a request begins.
fn body_of(request: &[u8]) -> usize {
    request.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4
}

/// Sends the head, and then the body, in so many parts each, with a pause after each part.
pub(crate) fn drip(port: u16, request: &[u8], parts: usize, pause: Duration) -> Option<Response> {
    let mut stream = connect(port)?;
    let (head, body) = request.split_at(body_of(request));
    for half in [head, body] {
        for part in half.chunks(half.len().div_ceil(parts).max(1)) {
            // The server may answer and close before it has read all.
            let _ = stream.write_all(part);
            std::thread::sleep(pause);
        }
    }
    http::exchange_on(stream, b"")
}

/// When a client hangs up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Connected,
    InHead,
    AfterHead,
    InBody,
    BeforeAnswer,
    WhileItWaits,
    InAnswer,
}

pub(crate) const STAGES: [Stage; 7] = [
    Stage::Connected,
    Stage::InHead,
    Stage::AfterHead,
    Stage::InBody,
    Stage::BeforeAnswer,
    Stage::WhileItWaits,
    Stage::InAnswer,
];

/// Sends a request as far as the stage says, and hangs up. Returns what it has seen of the answer.
pub(crate) fn hang_up(port: u16, request: &[u8], stage: Stage) -> Vec<u8> {
    let Some(mut stream) = connect(port) else { return Vec::new() };
    let body = body_of(request);
    let sent = match stage {
        Stage::Connected => 0,
        Stage::InHead => body / 2,
        Stage::AfterHead => body,
        Stage::InBody => body + (request.len() - body) / 2,
        Stage::BeforeAnswer | Stage::WhileItWaits | Stage::InAnswer => request.len(),
    };
    let _ = stream.write_all(&request[..sent]);
    let mut seen = Vec::new();
    match stage {
        Stage::InHead | Stage::AfterHead | Stage::InBody | Stage::WhileItWaits => {
            std::thread::sleep(Duration::from_millis(30));
        }
        Stage::InAnswer => {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut some = [0; 40];
            let read = stream.read(&mut some).unwrap_or_default();
            seen.extend_from_slice(&some[..read]);
        }
        Stage::Connected | Stage::BeforeAnswer => {}
    }
    let _ = stream.shutdown(Shutdown::Both);
    seen
}
