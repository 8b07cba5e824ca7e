//! The agent beside an Envoy of Istio, as far as it gives out extension configurations (ECDS). It speaks the variant of
//! the protocol with one JSON request for each poll: a file for each would take an inotify instance of the machine's few.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use kit::http::{content_length, split};

pub(crate) const CLUSTER: &str = "agent";

type Extensions = Arc<Mutex<HashMap<String, (u32, Value)>>>;

/// It ends with the test process.
pub(crate) struct Agent {
    pub(crate) port: u16,
    extensions: Extensions,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let extensions = Extensions::default();
        let shared = Arc::clone(&extensions);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || converse(stream, &shared));
            }
        });
        Self { port, extensions }
    }

    /// What Envoy gets when it asks next.
    pub(crate) fn give(&self, extension: Value) {
        let name = extension["name"].as_str().unwrap().to_owned();
        let mut extensions = self.extensions.lock().unwrap();
        let version = extensions.get(&name).map_or(0, |(version, _)| version + 1);
        extensions.insert(name, (version, extension));
    }

    /// What it gives now under this name.
    pub(crate) fn given(&self, name: &str) -> Value {
        self.extensions.lock().unwrap()[name].1.clone()
    }
}

/// Where Envoy asks: at once, and then after this time again.
pub(crate) fn source(refresh: &str) -> Value {
    json!({
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [CLUSTER],
            "refresh_delay": refresh,
            "request_timeout": "10s",
        },
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
    })
}

fn converse(mut stream: TcpStream, extensions: &Extensions) {
    let (mut received, mut chunk) = (Vec::new(), [0; 65_536]);
    loop {
        let length = loop {
            if let Some((head, body)) = split(&received) {
                let length = content_length(&head).unwrap();
                if body.len() >= length {
                    break head.len() + 4 + length;
                }
            }
            match stream.read(&mut chunk) {
                Ok(read @ 1..) => received.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        };
        let (_, body) = split(&received[..length]).unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        received.drain(..length);
        let name = request["resource_names"][0].as_str().unwrap_or_else(|| panic!("{request}"));
        let (version, extension) = extensions.lock().unwrap()[name].clone();
        let answer = json!({
            "version_info": version.to_string(),
            "type_url": extension["@type"],
            "resources": [extension],
        })
        .to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        if stream.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}
