//! The real Kinto, as `envoy/kinto.ini` configures it, and the real Envoy, a listener for each policy.

use serde_json::{Value, json};

use kit::servers::{Envoy, Kinto, as_struct, config_of, manager};
use kit::tokens::{now, public_key, rs256, token};

pub(crate) struct Proxy {
    envoy: Envoy,
    kinto: Kinto,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let kinto = Kinto::behind_envoy();
        let rsa = public_key("rsa");
        let reject = json!({"public_key": rsa, "onMissing": "reject", "onInvalid": "reject"});
        let issuer = json!({"uri": "http://issuer.test/keys", "cluster": "nowhere"});
        let policies = [
            ("defaults", json!({"public_key": rsa})),
            // What it cannot prove is for Kinto to refuse.
            ("anonymous", json!({"public_key": rsa, "unauthorizedUserId": null})),
            ("reject", reject.clone()),
            ("reject, without CORS", reject),
            ("without keys", json!({"remoteJwks": issuer})),
        ];
        let plugins = policies.map(|(name, mut settings)| {
            settings["auth_type"] = json!(["Bearer", "JWT"]);
            (name, as_struct(&settings))
        });
        let mut config = config_of(kinto.port("kinto"), &plugins);
        let filters = &mut manager(&mut config["static_resources"]["listeners"][3])["http_filters"];
        filters.as_array_mut().unwrap().insert(0, without("access-control-allow-origin"));
        let clusters = &mut config["static_resources"]["clusters"];
        clusters.as_array_mut().unwrap().push(json!({"name": "nowhere", "type": "STATIC"}));
        Self { envoy: Envoy::start(&config), kinto }
    }

    /// Kinto behind the filter of this policy, or without any in front.
    pub(crate) fn port(&self, policy: &str) -> u16 {
        if policy == "kinto" { self.kinto.port(policy) } else { self.envoy.port(policy) }
    }

    pub(crate) fn url(&self, policy: &str) -> String {
        format!("http://127.0.0.1:{}/v1", self.port(policy))
    }
}

/// A filter of Envoy's that takes this header from every answer.
fn without(header: &str) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    let mutations = json!({"response_mutations": [{"remove": header}]});
    json!({"name": "header_mutation", "typed_config": {"@type": kind, "mutations": mutations}})
}

/// A token of alice's that is good, bad (of another key), expired, or none.
pub(crate) fn token_that_is(what: &str) -> Option<String> {
    let claims = |exp: u64| json!({"sub": "alice", "exp": exp});
    match what {
        "good" => Some(rs256(&claims(now() + 600))),
        "bad" => Some(token("RS256", "rsa-other", &claims(now() + 600))),
        "expired" => Some(rs256(&claims(now() - 600))),
        "none" => None,
        _ => panic!("{what}"),
    }
}
