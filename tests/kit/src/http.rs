//! A client that sends whatever bytes it is told to: HTTP libraries refuse to send hostile ones.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub type Headers = Vec<(String, Vec<u8>)>;

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// `user.id` of Kinto's root answer, or what there is instead.
    pub fn user(&self) -> String {
        if self.status != 200 {
            return format!("HTTP {}", self.status);
        }
        user(&self.json())
    }
}

pub fn user(root: &Value) -> String {
    root["user"]["id"].as_str().unwrap_or("anonymous").to_owned()
}

/// Sends these bytes and reads one answer; `None` when it closes without an answer.
pub fn exchange(port: u16, request: &[u8]) -> Option<Response> {
    exchange_on(TcpStream::connect(("127.0.0.1", port)).unwrap(), request)
}

pub fn exchange_on(mut stream: TcpStream, request: &[u8]) -> Option<Response> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The server may answer and close before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut chunk = [0; 65_536];
    while !is_complete(&answer) {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => answer.extend_from_slice(&chunk[..read]),
            // Of a socket with a timeout, a read that a signal interrupts does not begin again by itself (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let (head, mut body) = split(&answer)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = dechunk(&body);
    }
    Some(Response { status, head, body })
}

pub fn split(answer: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec()))
}

/// Whether all of the announced length is there: Envoy closes a second after an answer of its own.
fn is_complete(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else { return false };
    content_length(&head).is_some_and(|length| body.len() >= length)
}

pub fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let start = end + 2;
        body.extend_from_slice(&rest[start..start + size]);
        rest = &rest[start + size + 2..];
        if size == 0 {
            break;
        }
    }
    body
}

/// One request as bytes, `Connection: close`.
pub fn bytes(method: &str, path: &[u8], headers: &[(String, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut request =
        [method.as_bytes(), b" ", path, b" HTTP/1.1\r\nHost: kinto\r\nConnection: close\r\n"].concat();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !body.is_empty() {
        request.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    request.extend(b"\r\n");
    request.extend(body);
    request
}

pub fn get(port: u16, path: &str, headers: &[(String, Vec<u8>)]) -> Response {
    exchange(port, &bytes("GET", path.as_bytes(), headers, b"")).expect("an answer")
}

pub fn header(name: &str, value: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_ref().to_vec())
}

pub fn authorization(token: &str) -> (String, Vec<u8>) {
    header("Authorization", format!("JWT {token}"))
}

/// A POST in chunks (RFC 9112 section 7.1).
pub fn chunked(path: &[u8], headers: &[(String, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    chunked_as("POST", path, headers, body)
}

pub fn chunked_as(method: &str, path: &[u8], headers: &[(String, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut headers = headers.to_vec();
    headers.push(header("Transfer-Encoding", "chunked"));
    let mut request = bytes(method, path, &headers, b"");
    for chunk in body.chunks(1000) {
        request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        request.extend([chunk, b"\r\n"].concat());
    }
    request.extend(b"0\r\n\r\n");
    request
}

pub fn post(port: u16, path: &str, headers: &[(String, Vec<u8>)], body: &[u8]) -> Response {
    exchange(port, &bytes("POST", path.as_bytes(), headers, body)).expect("an answer")
}

/// A server that answers with the request as it got it, on this port; it ends with the test process.
pub fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let (mut request, mut chunk) = (Vec::new(), [0; 65_536]);
                while !is_whole(&request) {
                    let read = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..read]);
                }
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
                stream.write_all(format!("{head}{}\r\n\r\n", request.len()).as_bytes()).unwrap();
                stream.write_all(&request).unwrap();
            });
        }
    });
    port
}

/// Whether the bytes of a request have come to its end.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let (head, body) = (String::from_utf8_lossy(&request[..head + 2]).to_lowercase(), &request[head + 2..]);
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        let last_chunk = body.windows(5).any(|bytes| bytes == b"\r\n0\r\n");
        return last_chunk && body.ends_with(b"\r\n\r\n");
    }
    body.len() >= 2 + content_length(&head).unwrap_or(0)
}

pub fn content_length(head: &str) -> Option<usize> {
    let head = head.to_ascii_lowercase();
    head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok())
}
