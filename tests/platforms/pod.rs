//! Kinto with Envoy in one pod, as `envoy/kubernetes` has it: the files of its ConfigMaps and the commands of its
//! containers, run here.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use kit::carrier::SECRET_VARIABLE;
use kit::forgeries::{forgeries, without_safeguards};
use kit::http::{self, authorization, header};
use kit::servers::{Envoy, Process, free_port, made, manager, module, project, wait_for, wasm};
use kit::tokens::{jws, now};

use crate::environment::{self, RANDOM, environment, secrets, variables};
use crate::kustomization::{build, build_with, the, yaml};

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap()
}

/// A file of a ConfigMap.
fn data(manifests: &[Value], map: &str, file: &str) -> String {
    let found = manifests
        .iter()
        .find(|manifest| manifest["kind"] == "ConfigMap" && manifest["metadata"]["name"] == map);
    found.unwrap_or_else(|| panic!("no ConfigMap {map}"))["data"][file].as_str().unwrap().to_owned()
}

fn container<'m>(manifests: &'m [Value], name: &str) -> &'m Value {
    let containers = &the(manifests, "Deployment")["spec"]["template"]["spec"]["containers"];
    containers.as_array().unwrap().iter().find(|container| container["name"] == name).unwrap()
}

#[test]
fn the_copies_are_those_of_envoy_yaml_and_kinto_ini() {
    assert_eq!(read("envoy/kubernetes/kinto/kinto.ini"), read("envoy/kinto.ini"), "make kubernetes-files");
    // What the rule of the Makefile does.
    let first = "# Made of envoy/envoy.yaml by `make kubernetes-files`: for a pod in which Kinto is beside Envoy.\n#\n";
    let expected = read("envoy/envoy.yaml")
        .replace("address: 127.0.0.1 # compose: 0.0.0.0", "address: 0.0.0.0")
        .replace("address: 127.0.0.1 # compose: kinto", "address: 127.0.0.1")
        .replace(
            "filename: target/wasm32-wasip1/release/kinto_jwt_filter.wasm",
            "filename: /opt/kinto-jwt-filter/plugin.wasm",
        );
    assert_eq!(read("envoy/kubernetes/envoy.yaml"), first.to_owned() + &expected, "make kubernetes-files");
}

/// The variable of the secret of the tickets, as a container has it: without the Secret and its key, it does not start.
fn of_secret() -> Value {
    let key = json!({"name": "kinto", "key": SECRET_VARIABLE});
    json!({"name": SECRET_VARIABLE, "valueFrom": {"secretKeyRef": key}})
}

/// Starts the command of the container `kinto`, with this folder in the place of what is mounted, and with this Secret; its
/// port.
fn start_kinto(folder: &str, files: &Path, secret: &BTreeMap<String, String>) -> (Process, u16) {
    let manifests = build(folder);
    std::fs::write(files.join("kinto.ini"), data(&manifests, "kinto", "kinto.ini")).unwrap();
    let kinto = container(&manifests, "kinto");
    assert_eq!(kinto["env"], json!([{"name": "KINTO_INI", "value": "/etc/kinto/kinto.ini"}, of_secret()]));
    assert_eq!(kinto["envFrom"], json!([{"secretRef": {"name": "kinto"}}]));
    let port = free_port();
    let command: Vec<String> =
        kinto["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    assert!(command[2].contains("8888"), "{command:?}");
    let bin = made(".venv/bin/kinto").parent().unwrap().display().to_string();
    let mut process = Command::new(&command[0]);
    process.arg(&command[1]).arg(command[2].replace("8888", &port.to_string()));
    process.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    process.env("KINTO_INI", files.join("kinto.ini")).envs(secret).stderr(std::process::Stdio::null());
    let process = Process::spawn(&mut process);
    wait_for("Kinto", || TcpStream::connect(("127.0.0.1", port)).ok());
    (process, port)
}

/// The namespace and the name of the Secret.
fn of_kinto() -> (String, String) {
    ("kinto".to_owned(), "kinto".to_owned())
}

#[test]
fn kinto_listens_where_the_manifests_say() {
    for (folder, page, is_on_loopback) in [
        ("envoy/kubernetes", "envoy/kubernetes/README.md", true),
        ("envoy/istio/sidecar", "envoy/istio/README.md", true),
        ("envoy/gateway", "envoy/gateway/README.md", false),
    ] {
        let files = tempfile::TempDir::new().unwrap();
        let secret = &secrets(page, RANDOM)[&of_kinto()];
        let (_kinto, port) = start_kinto(folder, files.path(), secret);
        assert_eq!(http::get(port, "/v1/__lbheartbeat__", &[]).status, 200, "{folder}");
        // Another address of this machine: a server on 127.0.0.1 does not have it, one on all addresses has.
        let elsewhere = TcpStream::connect(("127.0.0.2", port));
        assert_eq!(elsewhere.is_err(), is_on_loopback, "{folder}");
        // Who reaches it without Envoy is nobody.
        for name in ["userId", "Remote-User"] {
            assert_eq!(http::get(port, "/v1/", &[header(name, "admin")]).user(), "anonymous", "{folder}");
        }
    }
}

/// envoy.yaml of the ConfigMap, made to run beside others.
fn envoy_config(manifests: &[Value], kinto: u16) -> Value {
    let mut config = yaml(&data(manifests, "envoy", "envoy.yaml")).unwrap();
    let set = |config: &mut Value, path: &str, old: Value, new: Value| {
        let place = config.pointer_mut(path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(*place, old, "{path}");
        *place = new;
    };
    set(&mut config, "/admin/address/socket_address/port_value", json!(9901), json!(0));
    let listener = "/static_resources/listeners/0/address/socket_address";
    let to = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    assert_eq!(config.pointer("/admin/address/socket_address/address"), Some(&json!("127.0.0.1")));
    set(&mut config, &format!("{listener}/address"), json!("0.0.0.0"), json!("127.0.0.1"));
    set(&mut config, &format!("{listener}/port_value"), json!(10000), json!(0));
    set(&mut config, &format!("{to}/port_value"), json!(8888), json!(kinto));
    assert_eq!(config.pointer(&format!("{to}/address")), Some(&json!("127.0.0.1")));
    let listener = &mut config["static_resources"]["listeners"][0];
    set(
        wasm(listener),
        "/vm_config/code/local/filename",
        json!("/opt/kinto-jwt-filter/plugin.wasm"),
        json!(module()),
    );
    config
}

#[test]
fn what_the_deployment_mounts_is_there() {
    let manifests = build("envoy/kubernetes");
    let pod = &the(&manifests, "Deployment")["spec"]["template"]["spec"];
    let envoy = container(&manifests, "envoy");
    let mounts = |container: &Value| container["volumeMounts"].as_array().unwrap().clone();
    let volume = |name: &Value| {
        let mut volumes = pod["volumes"].as_array().unwrap().iter();
        volumes.find(|volume| volume["name"] == *name).unwrap_or_else(|| panic!("no volume {name}")).clone()
    };
    for container in [envoy, container(&manifests, "kinto")] {
        for mount in mounts(container) {
            let volume = volume(&mount["name"]);
            match mount["mountPath"].as_str().unwrap() {
                "/etc/envoy" => assert!(
                    !data(&manifests, volume["configMap"]["name"].as_str().unwrap(), "envoy.yaml").is_empty()
                ),
                "/etc/kinto" => assert!(
                    !data(&manifests, volume["configMap"]["name"].as_str().unwrap(), "kinto.ini").is_empty()
                ),
                "/opt/kinto-jwt-filter" => {
                    assert!(volume["image"]["reference"].as_str().unwrap().contains("@sha256:"))
                }
                path => assert_eq!((path, &volume["emptyDir"]), ("/tmp", &json!({}))),
            }
        }
    }
    assert_eq!(envoy["args"][1], "/etc/envoy/envoy.yaml");
    assert_eq!(mounts(envoy).len(), 2);
    let port = &envoy["ports"][0];
    assert_eq!((&port["name"], &port["containerPort"]), (&json!("http"), &json!(10000)));
    // The versions that all tests run with.
    let compose = read("envoy/docker-compose.yaml");
    for folder in ["envoy/kubernetes", "envoy/istio/gateway", "envoy/gateway"] {
        let manifests = build(folder);
        let containers = the(&manifests, "Deployment").pointer("/spec/template/spec/containers").unwrap();
        for container in containers.as_array().unwrap() {
            let image = container["image"].as_str().unwrap();
            if container["name"] == "istio-proxy" {
                assert_eq!(image, "auto");
                continue;
            }
            assert!(compose.contains(&format!("image: {image}")), "{folder}: {image}");
        }
    }
}

#[test]
fn the_pod_holds_the_promise() {
    let manifests = build("envoy/kubernetes");
    let files = tempfile::TempDir::new().unwrap();
    let secrets = secrets("envoy/kubernetes/README.md", RANDOM);
    let (_kinto, port) = start_kinto("envoy/kubernetes", files.path(), &secrets[&of_kinto()]);
    // Of the Secret, Envoy has the secret of the tickets and nothing else.
    let pod = &the(&manifests, "Deployment")["spec"]["template"]["spec"];
    let mut proxy = environment::container(pod, "envoy").unwrap();
    let variables = environment(&variables(&mut proxy, "kinto").unwrap(), &secrets).unwrap();
    assert_eq!(variables.len(), 1);
    assert!(proxy.take("envFrom").is_none());
    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let alice = authorization(&jws("RS256", "demo", r#"{"alg":"RS256"}"#, claims));
    let expired = authorization(&jws("RS256", "demo", r#"{"alg":"RS256"}"#, r#"{"sub":"alice","exp":1}"#));
    let foreign = authorization(&jws("RS256", "rsa", r#"{"alg":"RS256"}"#, r#"{"sub":"alice"}"#));
    let admin = header("userId", "admin");
    let as_shipped = envoy_config(&manifests, port);
    let mut bare = as_shipped.clone();
    without_safeguards(&mut bare["static_resources"]["listeners"][0]);
    manager(&mut bare["static_resources"]["listeners"][0])["access_log"] = json!([]);
    for config in [as_shipped, bare] {
        let envoy = Envoy::start_in(&variables, &config);
        let user = |headers: &[_]| http::get(envoy.port("kinto"), "/v1/", headers).user();
        for (headers, expected) in [
            (vec![], "kinto_jwt:public"),
            (vec![alice.clone()], "kinto_jwt:alice"),
            (vec![expired.clone()], "kinto_jwt:public"),
            (vec![foreign.clone()], "kinto_jwt:public"),
            (vec![admin.clone()], "kinto_jwt:public"),
            (vec![admin.clone(), alice.clone()], "kinto_jwt:alice"),
        ] {
            assert_eq!(user(&headers), expected, "{headers:?}");
        }
        // The readiness probe.
        assert_eq!(http::get(envoy.port("kinto"), "/v1/__heartbeat__", &[]).status, 200);
        for request in [forgeries(&[]), forgeries(std::slice::from_ref(&alice))].concat() {
            let Some(answer) = http::exchange(envoy.port("kinto"), &request) else { continue };
            let body = String::from_utf8_lossy(&answer.body);
            assert!(!body.contains("kinto_jwt:admin"), "{}", request.escape_ascii());
        }
    }
}

/// The filter would use a ticket for longer than Kinto believes it, or Kinto would believe it for longer than it must.
#[test]
fn the_filter_knows_for_how_long_kinto_believes_a_ticket() {
    for (folder, kind, place) in [
        ("envoy/istio/gateway", "TrafficExtension", "/spec/wasm/pluginConfig"),
        ("envoy/istio/sidecar", "TrafficExtension", "/spec/wasm/pluginConfig"),
        ("envoy/istio/gateway", "WasmPlugin", "/spec/pluginConfig"),
        ("envoy/istio/sidecar", "WasmPlugin", "/spec/pluginConfig"),
        ("envoy/gateway", "EnvoyExtensionPolicy", "/spec/wasm/0/config"),
    ] {
        let edit = |text: String| match kind {
            "WasmPlugin" => text.replace("- traffic-extension.yaml", "- wasm-plugin.yaml"),
            _ => text,
        };
        let manifests = build_with(folder, edit).unwrap();
        let ticket = &the(&manifests, kind).pointer(place).unwrap()["ticket"];
        let expected = format!("kinto_jwt.timeout = {}\n", ticket["timeoutSeconds"]);
        assert!(data(&manifests, "kinto", "kinto.ini").contains(&expected), "{folder}, {kind}: {ticket}");
    }
}

/// A Secret that is missing, or has another key, or is in another namespace than the pod, keeps the proxy from starting.
#[test]
fn without_the_secret_the_proxies_do_not_start() {
    use crate::envoy_gateway::envoy_proxy;
    use crate::istio::listener::{Profile, gateway, sidecar};
    let of_gateway = gateway(&build("envoy/istio/gateway"), Profile::None).unwrap().variables;
    let of_sidecar = sidecar(&build("envoy/istio/sidecar")).unwrap().variables;
    let of_envoy_gateway = envoy_proxy(&build("envoy/gateway"), "kinto").unwrap().variables;
    let pages = ["envoy/istio/README.md", "envoy/istio/README.md", "envoy/gateway/README.md"];
    for (variables, page) in [of_gateway, of_sidecar, of_envoy_gateway].iter().zip(pages) {
        let made = secrets(page, RANDOM);
        let value = environment(variables, &made).unwrap().remove(0);
        // Kinto gets the same.
        assert_eq!(value, (SECRET_VARIABLE.to_owned(), made[&of_kinto()][SECRET_VARIABLE].clone()));
        assert_eq!(value.1.len(), 64);
        for id in made.keys().filter(|id| id.0 == variables[0].namespace) {
            let mut others = made.clone();
            others.remove(id);
            assert!(environment(variables, &others).is_err());
            let mut renamed = made.clone();
            let secret = renamed.get_mut(id).unwrap();
            let value = secret.remove(SECRET_VARIABLE).unwrap();
            secret.insert("SECRET".to_owned(), value);
            assert!(environment(variables, &renamed).is_err());
        }
    }
}

/// The commands on the pages that put the image and its digest into the manifests.
#[test]
fn the_commands_on_the_pages_put_the_image_into_the_manifests() {
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let image = "registry.example/team/kinto-jwt-filter";
    for (page, folder) in [
        ("envoy/kubernetes/README.md", "envoy/kubernetes"),
        ("envoy/istio/README.md", "envoy/istio/gateway"),
        ("envoy/istio/README.md", "envoy/istio/sidecar"),
        ("envoy/gateway/README.md", "envoy/gateway"),
    ] {
        let text = read(page);
        let start = text.find("| sed ").unwrap_or_else(|| panic!("{page}: no sed"));
        let sed = text[start + 2..].split(" |").next().unwrap();
        let manifests = json!(build(folder)).to_string();
        let zeros = manifests.matches(&"0".repeat(64)).count();
        assert!(zeros > 0, "{folder}");
        let files = tempfile::TempDir::new().unwrap();
        let file = files.path().join("manifests");
        std::fs::write(&file, &manifests).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{sed} {}", file.display())]).env("IMAGE", image).env("DIGEST", digest);
        let output = String::from_utf8(shell.output().unwrap().stdout).unwrap();
        assert_eq!(
            output,
            manifests.replace("ghcr.io/OWNER/kinto-jwt-filter", image).replace(&"0".repeat(64), digest)
        );
        assert_eq!((output.matches(image).count(), output.matches(digest).count()), (1, zeros), "{folder}");
    }
}
