//! Requests as bytes, and connections that are kept for many of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kit::http::{self, Headers, Response};

/// A connection that is kept for the next request, unless the server closes it.
pub(super) struct Connection {
    port: u16,
    stream: Option<TcpStream>,
}

impl Connection {
    pub(super) fn to(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// The answer; `None` when the server closes without one.
    pub(super) fn send(&mut self, request: &[u8]) -> Option<Response> {
        if let Some(stream) = self.stream.take()
            && let Some(answer) = self.send_on(stream, request)
        {
            return Some(answer);
        }
        // A kept connection may have been closed since.
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        self.send_on(stream, request)
    }

    fn send_on(&mut self, mut stream: TcpStream, request: &[u8]) -> Option<Response> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = stream.write_all(request);
        let (mut answer, mut chunk) = (Vec::new(), [0; 65_536]);
        let mut is_complete = false;
        while !is_complete && let Ok(read @ 1..) = stream.read(&mut chunk) {
            answer.extend_from_slice(&chunk[..read]);
            is_complete = http::split(&answer).is_some_and(|(head, body)| has_all(&head, &body));
        }
        let (head, mut body) = http::split(&answer)?;
        let lower = head.to_ascii_lowercase();
        if lower.contains("transfer-encoding: chunked") {
            body = http::dechunk(&body);
        }
        if is_complete && !lower.contains("connection: close") {
            self.stream = Some(stream);
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Response { status, head, body })
    }
}

fn has_all(head: &str, body: &[u8]) -> bool {
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let is_empty = head.split(' ').nth(1).is_some_and(|status| matches!(status, "204" | "304"));
    is_empty || http::content_length(head).is_some_and(|length| body.len() >= length)
}

/// A request on a connection that is kept, in chunks if there is a text for its trailers.
pub(super) fn bytes(
    method: &str,
    path: &[u8],
    headers: &Headers,
    body: &[u8],
    chunked: Option<&str>,
) -> Vec<u8> {
    let mut request = [method.as_bytes(), b" ", path, b" HTTP/1.1\r\nHost: kinto\r\n"].concat();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    let Some(trailers) = chunked else {
        request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
        request.extend(body);
        return request;
    };
    request.extend(b"Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(1000) {
        request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        request.extend([chunk, b"\r\n"].concat());
    }
    request.extend(format!("0\r\n{trailers}\r\n").into_bytes());
    request
}
