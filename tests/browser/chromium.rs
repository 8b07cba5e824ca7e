//! The real browser, on a page of an origin of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Has `page.html` fetch these requests, in order, and returns what its script could read of each answer.
pub(crate) fn read_by_a_page(requests: &[Value]) -> Vec<Value> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}/", listener.local_addr().unwrap());
    let page = include_str!("page.html").replace("REQUESTS", &json!(requests).to_string());
    // Connections side by side: a browser opens some on which it sends nothing.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = page.clone();
            std::thread::spawn(move || serve(stream, &page));
        }
    });
    let document = document(&origin);
    let body = document.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>"));
    let answers = body.map(|(answers, _)| percent_decode_str(answers).decode_utf8().unwrap());
    answers
        .and_then(|answers| serde_json::from_str(&answers).ok())
        .unwrap_or_else(|| panic!("no answers in {document}"))
}

/// The page, for whatever is asked.
fn serve(stream: TcpStream, page: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        (reader.read_line(&mut line).ok()? > 0).then_some(())?;
    }
    let length = page.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
    write!(reader.get_mut(), "{head}\r\nContent-Length: {length}\r\n\r\n{page}").ok()
}

/// What becomes of this page once it has nothing left to do, in a browser that has never seen another.
fn document(url: &str) -> String {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new("timeout");
    command.args(["60", "chromium", "--headless", "--dump-dom", "--virtual-time-budget=60000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        // Its sandbox does not work for root.
        command.arg("--no-sandbox");
    }
    let output = command.arg(url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() != Some(127),
        "{}: apt-get install --no-install-recommends chromium",
        said.trim()
    );
    assert!(output.status.success(), "{} {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
