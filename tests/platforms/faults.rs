//! What a client gets while the module or its configuration is not right, on the two platforms. `docs/kubernetes.md`
//! says the same.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use kit::http::{self, header};
use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, Kinto, free_port, module, wait_for};

use crate::ecds::Agent;
use crate::envoy_gateway;
use crate::istio::listener::{Profile, gateway};
use crate::kustomization::build;
use crate::shape::{config, manager};

const NAME: &str = "kinto";
const PATH: &str = "/module.wasm";

fn user(port: u16) -> String {
    http::get(port, "/v1/", &[header("userId", "admin")]).user()
}

fn bytes() -> Vec<u8> {
    std::fs::read(module()).unwrap()
}

/// The Envoy of Envoy Gateway, which fetches the module from this server in the place of the controller.
struct Fetching<'t> {
    server: &'t Issuer,
    kinto: &'t Kinto,
}

impl Fetching<'_> {
    /// Its configuration, if the filter has one setting more than in the manifest.
    fn config(&self, more: Option<&str>) -> Value {
        let mut manifests = build("envoy/gateway");
        let policy =
            manifests.iter_mut().find(|manifest| manifest["kind"] == "EnvoyExtensionPolicy").unwrap();
        if let Some(name) = more {
            policy["spec"]["wasm"][0]["config"][name] = json!(1);
        }
        let mut shape = envoy_gateway::gateway(&manifests).unwrap();
        shape.clusters.truncate(1);
        let mut config = config(vec![(NAME, shape)], self.kinto.port("kinto"), &Agent::start(), "3600s");
        let hash: String =
            digest(&SHA256, &bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = &mut config["static_resources"]["listeners"][0];
        let plugin = &mut manager(listener)["http_filters"][0]["typed_config"]["config"];
        let uri = format!("http://envoy-gateway:18002{PATH}");
        plugin["vm_config"]["code"] = json!({"remote": {
            "http_uri": {"uri": uri, "cluster": "wasm_cluster", "timeout": "10s"},
            "sha256": hash,
            // Envoy Gateway asks for ten, which takes half a minute.
            "retry_policy": {"num_retries": 1},
        }});
        config["static_resources"]["clusters"]
            .as_array_mut()
            .unwrap()
            .push(self.server.cluster("wasm_cluster"));
        config
    }
}

#[test]
fn the_envoy_of_envoy_gateway_is_not_ready_without_the_module() {
    let (kinto, server) = (Kinto::of_the_example(), Issuer::start());
    let config = Fetching { server: &server, kinto: &kinto }.config(None);
    server.answer(PATH, Answer::new(200, bytes()).held());
    let released = AtomicBool::new(false);
    let envoy = std::thread::scope(|scope| {
        scope.spawn(|| {
            server.wait_for(PATH, 1);
            std::thread::sleep(Duration::from_millis(500));
            released.store(true, Ordering::SeqCst);
            server.release();
        });
        Envoy::start(&config)
    });
    assert!(released.load(Ordering::SeqCst), "ready before it had the module");
    wait_for("the filter", || (user(envoy.port(NAME)) == "kinto_jwt:public").then_some(()));
}

#[test]
fn envoy_gateway_answers_503_without_the_module_and_with_a_first_configuration_that_is_wrong() {
    let (kinto, server) = (Kinto::of_the_example(), Issuer::start());
    let fetching = Fetching { server: &server, kinto: &kinto };
    let envoy = Envoy::start(&fetching.config(None));
    assert_eq!(user(envoy.port(NAME)), "HTTP 503");
    assert_eq!(server.count(PATH), 2);
    // It does not ask again.
    server.answer(PATH, Answer::new(200, bytes()));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!((user(envoy.port(NAME)).as_str(), server.count(PATH)), ("HTTP 503", 2));

    let envoy = Envoy::start(&fetching.config(Some("nonsense")));
    assert_eq!(user(envoy.port(NAME)), "HTTP 503");
    assert!(envoy.log().contains("configuration refused: \"nonsense\""));
}

/// The proxy has the secret only by its Deployment: where the manifest was changed and that was forgotten, the filter says
/// so, and no request passes.
#[test]
fn without_the_variable_of_the_secret_the_configuration_is_refused() {
    let (kinto, server) = (Kinto::of_the_example(), Issuer::start());
    server.answer(PATH, Answer::new(200, bytes()));
    let of_gateway = Fetching { server: &server, kinto: &kinto }.config(None);
    let agent = Agent::start();
    let shape = gateway(&build("envoy/istio/gateway"), Profile::None).unwrap();
    let of_istio = config(vec![(NAME, shape)], kinto.port("kinto"), &agent, "0.1s");
    for (config, answer) in [(of_gateway, "HTTP 503"), (of_istio, "HTTP 500")] {
        let envoy = Envoy::start_in(&[], &config);
        wait_for("a refusal", || envoy.log().contains("configuration refused:").then_some(()));
        assert_eq!(user(envoy.port(NAME)), answer);
        let log = envoy.log();
        let line = log.lines().find(|line| line.contains("configuration refused:")).unwrap();
        assert!(line.contains("ticket.secretEnv"), "{line}");
    }
}

/// Moves a file to where Envoy looks for it: it heeds nothing else.
fn replace(file: &Path, content: &Value) {
    let new = file.with_extension("new");
    std::fs::write(&new, content.to_string()).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// Takes the listener out of the configuration: Envoy gets it, and updates of it, from a file, as from the controller.
fn with_listener_in(file: &Path, mut config: Value) -> Value {
    let mut listeners = config["static_resources"].as_object_mut().unwrap().remove("listeners").unwrap();
    listeners[0]["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let source = json!({"path_config_source": {"path": file}, "resource_api_version": "V3"});
    config["dynamic_resources"] = json!({"lds_config": source});
    replace(file, &json!({"resources": listeners}));
    config
}

#[test]
fn envoy_gateway_keeps_the_configuration_before_a_wrong_one() {
    let (kinto, server) = (Kinto::of_the_example(), Issuer::start());
    let folder = tempfile::TempDir::new().unwrap();
    let fetching = Fetching { server: &server, kinto: &kinto };
    server.answer(PATH, Answer::new(200, bytes()));
    let (port, file) = (free_port(), folder.path().join("listeners.json"));
    let with_port = |mut config: Value| {
        config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = json!(port);
        config
    };
    let envoy = Envoy::start(&with_listener_in(&file, with_port(fetching.config(None))));
    wait_for("the filter", || (user(port) == "kinto_jwt:public").then_some(()));
    with_listener_in(&file, with_port(fetching.config(Some("nonsense"))));
    wait_for("a refusal", || (envoy.stat("listener_manager.lds.update_rejected") > 0).then_some(()));
    assert!(envoy.log().contains("configuration refused: \"nonsense\""));
    assert_eq!(user(port), "kinto_jwt:public");
}

#[test]
fn istio_answers_500_until_the_first_configuration_is_right_and_then_keeps_it() {
    let (kinto, agent) = (Kinto::of_the_example(), Agent::start());
    let shape = gateway(&build("envoy/istio/gateway"), Profile::None).unwrap();
    let config = config(vec![(NAME, shape)], kinto.port("kinto"), &agent, "0.1s");
    let good = agent.given("extensions.istio.io/trafficextension/kinto.kinto-jwt-filter");
    let mut bad = good.clone();
    let settings = bad.pointer_mut("/typed_config/config/configuration/value").unwrap();
    *settings = json!(settings.as_str().unwrap().replacen('{', r#"{"nonsense":1,"#, 1));
    agent.give(bad.clone());

    let envoy = Envoy::start(&config);
    assert_eq!(user(envoy.port(NAME)), "HTTP 500");
    assert!(envoy.log().contains("configuration refused: \"nonsense\""));
    agent.give(good);
    wait_for("the right one", || (user(envoy.port(NAME)) == "kinto_jwt:public").then_some(()));
    let refused = "extension_config_discovery.http_filter.*.config_fail";
    let before = envoy.stat(refused);
    assert!(before > 0);
    agent.give(bad);
    wait_for("a refusal", || (envoy.stat(refused) > before).then_some(()));
    assert_eq!(user(envoy.port(NAME)), "kinto_jwt:public");
}
