//! The core's steps, natively: `cargo bench --bench core`. Inside Envoy they run in V8, and RS* and ES* through
//! Envoy's own BoringSSL; `benches/load` measures that.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may stop"
)]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use kinto_jwt_filter::{
    BatchRequest, Gate, Request, Token, UnknownKeys, is_batch, parse_config, rewrite_batch,
};
use kit::tokens;
use serde_json::json;

const NOW: u64 = 1_700_000_000;
const ALGORITHMS: [(&str, &str); 6] = [
    ("RS256", "rsa"),
    ("PS256", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("EdDSA", "ed25519"),
    ("HS256", tokens::SECRET),
];

fn settings(alg: &str, key: &str, max_entries: u32) -> Vec<u8> {
    let public_key = if alg.starts_with("HS") { key.to_owned() } else { tokens::public_key(key) };
    let cache = json!({"maxEntries": max_entries});
    json!({"public_key": public_key, "algorithm": alg, "tokenCache": cache}).to_string().into_bytes()
}

fn gate(alg: &str, key: &str, max_entries: u32) -> Gate {
    Gate::new(parse_config(&settings(alg, key, max_entries), None).unwrap())
}

fn token(alg: &str, key: &str) -> String {
    let claims = json!({"iss": "https://issuer.example", "sub": "alice", "iat": NOW, "exp": NOW + 600});
    tokens::token(alg, key, &claims)
}

fn configuration(c: &mut Criterion) {
    let settings = settings("RS256", "rsa", 10_000);
    c.bench_function("Config::parse", |b| b.iter(|| parse_config(black_box(&settings), None).unwrap()));
}

fn parsing(c: &mut Criterion) {
    let token = token("RS256", "rsa");
    c.bench_function("Token::parse", |b| b.iter(|| Token::parse(black_box(token.as_bytes())).unwrap()));
}

/// A request with one header field.
struct OneField<'t>(&'t str, &'t [u8]);

impl Request for OneField<'_> {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        (name == self.0).then_some(Cow::Borrowed(self.1)).into_iter()
    }
}

/// A valid token: from the cache, and verified each time in the module's own code.
fn decisions(c: &mut Criterion) {
    for (name, max_entries) in [("decide, cached", 10_000), ("decide, verified", 0)] {
        let mut group = c.benchmark_group(name);
        for (alg, key) in ALGORITHMS {
            let gate = gate(alg, key, max_entries);
            let header = format!("JWT {}", token(alg, key)).into_bytes();
            let decide = || gate.decide(&OneField("authorization", black_box(&header)), NOW);
            assert_eq!(decide().rejection(), None, "{alg}");
            group.bench_function(alg, |b| b.iter(decide));
        }
    }
}

fn batches(c: &mut Criterion) {
    let gate = gate("RS256", "rsa", 10_000);
    let header = format!("JWT {}", token("RS256", "rsa"));
    let outer = BatchRequest::new(
        gate.decide(&OneField("authorization", header.as_bytes()), NOW),
        "/v1".to_owned(),
        Vec::new(),
    );
    let plain = json!({"method": "GET", "path": "/v1/"});
    let own_token = json!({"method": "GET", "path": "/v1/", "headers": {"Authorization": header}});
    for (name, request) in [("rewrite_batch", plain), ("rewrite_batch, own tokens", own_token)] {
        let mut group = c.benchmark_group(name);
        for count in [1, 10, 25] {
            let body = json!({"requests": vec![&request; count]}).to_string().into_bytes();
            group.bench_with_input(BenchmarkId::from_parameter(count), &body, |b, body| {
                b.iter(|| {
                    rewrite_batch(&gate, black_box(body), &outer, NOW, UnknownKeys::AreInvalid).unwrap()
                });
            });
        }
    }
}

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("is_batch");
    for path in ["/v1/batch", "/v1/%62atch?x=y", "/v1/buckets/b/collections/c/records/r"] {
        group.bench_with_input(BenchmarkId::from_parameter(path), path, |b, path| {
            b.iter(|| is_batch(black_box(b"POST"), black_box(path.as_bytes())));
        });
    }
}

criterion_group! {
    name = core;
    config = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = configuration, parsing, decisions, batches, paths
}
criterion_main!(core);
