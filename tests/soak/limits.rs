//! Clients and an issuer that use as much as they can, each with the bounds of memory, CPU and latency that hold.
//!
//! Envoy answers itself here, and says as whom Kinto would have seen the request: Kinto would be too slow.

mod key_sets;
mod tokens;
mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::http::{self, Response, authorization};
use kit::issuer::Issuer;
use kit::servers::{Envoy, as_struct, config_of, manager};
use serde_json::{Value, json};

use crate::client::Client;
use crate::figures::Figures;
use crate::process;

/// The latency below which 99 of 100 requests with a good token stay, whatever others do. Undisturbed it is below 10 ms
/// for most; the bound leaves time for a machine that is busy with other things.
const P99: Duration = Duration::from_millis(500);

/// An Envoy with these settings of the filter and two workers, which answers itself.
fn answering(settings: &Value, issuer: Option<&Issuer>) -> Envoy {
    let mut config = config_of(http::echo(), &[("kinto", as_struct(settings))]);
    let manager = manager(&mut config["static_resources"]["listeners"][0]);
    let own = json!({
        "match": {"path": "/v1/"},
        "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
        "response_headers_to_add": [{"header": {"key": "x-user", "value": "%REQ(userId)%"}}],
    });
    // It would answer a batch before the body has come.
    let batches = json!({"match": {"path": "/v1/batch"}, "route": {"cluster": "kinto"}});
    manager["route_config"]["virtual_hosts"][0]["routes"] = json!([own, batches]);
    let clusters = config["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.extend(issuer.map(|issuer| issuer.cluster("issuer")));
    let envoy = Envoy::start_with(&config, &["--concurrency", "2"]);
    http::post(envoy.admin, "/logging?wasm=info", &[], b"");
    envoy
}

fn ask(client: &mut Client, token: &str) -> Response {
    client.send(&http::bytes("GET", b"/v1/", &[authorization(token)], b"")).expect("an answer")
}

/// As whom Kinto would have seen the request, or the status.
fn user(answer: &Response) -> String {
    let user = answer.head.lines().find_map(|line| line.strip_prefix("x-user: "));
    user.map_or_else(|| format!("HTTP {}", answer.status), str::to_owned)
}

/// Asks with good tokens of alice's, fifty times a second, until the stop.
fn good_requests(envoy: &Envoy, token: impl Fn() -> String, stop: &AtomicBool) -> Figures {
    let mut figures = Figures::default();
    let mut client = Client::new(envoy.port("kinto"));
    while !stop.load(Ordering::SeqCst) {
        let token = token();
        let start = Instant::now();
        let answer = ask(&mut client, &token);
        figures.took(start.elapsed());
        assert_eq!(user(&answer), "alice");
        sleep(Duration::from_millis(20));
    }
    figures
}

/// What Envoy has used: memory at the start, and CPU until then.
struct Usage<'e> {
    envoy: &'e Envoy,
    memory: u64,
    cpu: Duration,
}

impl<'e> Usage<'e> {
    fn of(envoy: &'e Envoy) -> Self {
        Self { envoy, memory: process::memory(envoy.pid()), cpu: process::cpu(envoy.pid()) }
    }

    /// Kibibytes by which the memory has grown.
    fn grown(&self) -> u64 {
        process::memory(self.envoy.pid()).saturating_sub(self.memory)
    }

    fn cpu(&self) -> Duration {
        process::cpu(self.envoy.pid()).saturating_sub(self.cpu)
    }
}

fn assert_no_crash(envoy: &Envoy) {
    let log = envoy.log();
    for trace in ["panicked", "Uncaught", "unreachable"] {
        assert!(!log.contains(trace), "{trace} is in Envoy's log");
    }
}
