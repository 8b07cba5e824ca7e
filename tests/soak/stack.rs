//! Envoy with two workers, Kinto, an issuer, and a configuration that changes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use kit::issuer::Issuer;
use kit::plugin_file::PluginFile;
use kit::servers::{Envoy, Kinto, as_struct, demo_config, manager, wait_for, wasm};
use serde_json::{Value, json};

use crate::client::Client;
use crate::keys::Keys;
use crate::mix::SHUT_OUT;

/// The listeners of Envoy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    /// A bad token is nobody's. Its plugin is in a file of its own, and changes.
    Lenient,
    /// A bad token is refused.
    Strict,
}

impl Listener {
    pub(crate) const ALL: [Self; 2] = [Self::Lenient, Self::Strict];

    fn name(self) -> &'static str {
        match self {
            Self::Lenient => "kinto",
            Self::Strict => "strict",
        }
    }

    /// What a request with a bad token is answered.
    pub(crate) fn invalid(self) -> &'static str {
        match self {
            Self::Lenient => "kinto_jwt:public",
            Self::Strict => "HTTP 401",
        }
    }
}

/// Settings of a filter that asks the issuer for `/jwks` as often as it can, with these over them.
pub(crate) fn settings(more: &Value) -> Value {
    let remote = json!({"uri": "http://issuer/jwks", "cluster": "issuer", "cooldownSeconds": 1, "refreshSeconds": 5, "timeoutSeconds": 2});
    let mut settings = json!({
        "algorithm": "ES256",
        "requireExp": true,
        "refusedClaims": {"sub": [SHUT_OUT]},
        "remoteJwks": remote,
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// The configurations that come one after the other; one of them is a mistake, and Envoy keeps the one before.
const CONFIGURATIONS: usize = 5;

fn configuration(number: usize) -> Value {
    settings(&match number % CONFIGURATIONS {
        0 => json!({}),
        1 => json!({"leeway": 5}),
        2 => json!({"tokenCache": {"maxEntries": 10}}),
        3 => json!({"claimsToHeaders": {"X-Subject": "sub"}}),
        _ => json!({"refusedClaims": {"sub": [false]}}),
    })
}

/// How many of the configurations from 1 to this number are a mistake.
pub(crate) fn mistakes(last: usize) -> usize {
    (last + 1) / CONFIGURATIONS
}

/// Writes each answer 5xx of a listener into Envoy's log, with its cause.
pub(crate) fn log_failures(listener: &mut Value) {
    let failures =
        json!({"comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "none"}}});
    let line = "FAILED %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQ(:METHOD)% %PATH(NQ)%\n";
    manager(listener)["access_log"] = json!([{
        "name": "envoy.access_loggers.stdout",
        "filter": {"status_code_filter": failures},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"text_format_source": {"inline_string": line}},
        },
    }]);
}

/// The causes of all answers 5xx so far.
pub(crate) fn failures(envoy: &Envoy) -> Vec<String> {
    envoy.log().lines().filter_map(|line| Some(line.split_once("FAILED ")?.1.to_owned())).collect()
}

/// Ends the clients, also when something panics: their scope would wait for ever.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(crate) struct Stack {
    pub(crate) envoy: Envoy,
    pub(crate) issuer: Issuer,
    file: Mutex<PluginFile>,
    /// How many configurations Envoy had read and refused at the start.
    before: (usize, usize),
    _kinto: Kinto,
}

impl Stack {
    pub(crate) fn start(keys: &Keys) -> Self {
        let (kinto, issuer) = (Kinto::behind_envoy(), Issuer::start());
        issuer.answer("/jwks", keys.published(0));
        let file = PluginFile::new(&configuration(0));
        let mut config = file.config(kinto.port("kinto"));
        let mut strict = demo_config(kinto.port("kinto"))["static_resources"]["listeners"][0].take();
        strict["name"] = json!(Listener::Strict.name());
        manager(&mut strict)["stat_prefix"] = json!(Listener::Strict.name());
        wasm(&mut strict)["vm_config"]["vm_id"] = json!(Listener::Strict.name());
        wasm(&mut strict)["configuration"] = as_struct(&settings(&json!({"onInvalid": "reject"})));
        let resources = &mut config["static_resources"];
        resources["listeners"].as_array_mut().unwrap().push(strict);
        resources["clusters"].as_array_mut().unwrap().push(issuer.cluster("issuer"));
        for listener in resources["listeners"].as_array_mut().unwrap() {
            log_failures(listener);
        }
        let envoy = Envoy::start_with(&config, &["--concurrency", "2"]);
        // Not a line for each request.
        kit::http::post(envoy.admin, "/logging?wasm=info", &[], b"");
        let mut stack = Self { envoy, issuer, file: Mutex::new(file), before: (0, 0), _kinto: kinto };
        stack.wait_for_keys(keys);
        stack.before = stack.configurations_since_start();
        stack
    }

    pub(crate) fn port(&self, listener: Listener) -> u16 {
        self.envoy.port(listener.name())
    }

    /// Writes the configuration of this number.
    pub(crate) fn configure(&self, number: usize) {
        self.file.lock().unwrap().write(&configuration(number));
    }

    /// How many configurations Envoy has read, and how many of these it has refused.
    pub(crate) fn configurations_since_start(&self) -> (usize, usize) {
        let count = |what: &str| {
            let name = format!("extension_config_discovery.http_filter.kinto-jwt-filter.{what}");
            usize::try_from(self.envoy.stat(&name)).unwrap()
        };
        (count("config_reload") - self.before.0, count("config_fail") - self.before.1)
    }

    fn wait_for_keys(&self, keys: &Keys) {
        let token = kit::http::authorization(&keys.known(0));
        let request = kit::http::bytes("GET", b"/v1/", &[token], b"");
        for listener in Listener::ALL {
            for _ in 0..16 {
                wait_for("keys in each worker", || {
                    let answer = Client::new(self.port(listener)).send(&request)?;
                    (answer.user() == "kinto_jwt:user0").then_some(())
                });
            }
        }
    }
}
