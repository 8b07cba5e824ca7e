//! The clusters for `remoteJwks` that the manifests make: keys come through them, and only from an issuer whose
//! certificate is the right one.

use serde_json::{Value, json};

use kit::http::{self, authorization};
use kit::issuer::{Answer, Issuer, TLS_NAME};
use kit::servers::{Envoy, Kinto, as_string, config_of, project, wait_for};
use kit::tokens::{jws, now};

use crate::envoy_gateway::envoy_proxy;
use crate::istio::issuer::cluster;
use crate::kustomization::{build, the, yaml};

const KEY: (&str, &str) = ("a", "p256");

/// The manifests of a folder for another issuer than `issuer.example`.
fn manifests_for(folder: &str, host: &str) -> Vec<Value> {
    let text = json!(build(folder)).to_string();
    assert!(text.contains("issuer.example"), "{folder}");
    serde_json::from_str(&text.replace("issuer.example", host)).unwrap()
}

/// The cluster of the issuer for the Istio manifests, and for those of Envoy Gateway.
fn clusters(host: &str) -> [Value; 2] {
    let istio = manifests_for("envoy/istio/issuer", host);
    let istio = cluster(the(&istio, "ServiceEntry"), the(&istio, "DestinationRule")).unwrap();
    assert_eq!(istio.host, host);
    let gateway = envoy_proxy(&manifests_for("envoy/gateway", host), "kinto").unwrap().clusters;
    let [gateway] = gateway.try_into().expect("one cluster");
    [istio.cluster, gateway]
}

/// The issuer of the tests in the place of the real one, and this file in the place of the authorities of the system.
fn led_to(mut cluster: Value, name: &str, issuer: &Issuer, authority: &str) -> Value {
    let context = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca";
    let trusted = cluster.pointer_mut(context).expect("authorities");
    assert_eq!(*trusted, json!({"filename": "/etc/ssl/certs/ca-certificates.crt"}));
    *trusted = json!({"filename": project(&format!("tests/keys/{authority}"))});
    let place = issuer.cluster(name);
    cluster["name"] = json!(name);
    cluster["type"] = json!("STATIC");
    cluster["load_assignment"] = place["load_assignment"].clone();
    cluster
}

#[test]
fn the_names_are_those_that_the_pages_say() {
    let [istio, gateway] = clusters("issuer.example");
    assert_eq!(istio["name"], "outbound|443||issuer.example");
    // The cluster of the other examples, word by word.
    let example = std::fs::read_to_string(project("envoy/settings/issuer-cluster.yaml")).unwrap();
    assert_eq!(gateway, yaml(&example).unwrap());
}

/// The settings that the pages tell an operator to write.
#[test]
fn the_examples_on_the_pages_name_the_clusters() {
    for (page, cluster) in
        [("envoy/istio/README.md", "outbound|443||issuer.example"), ("envoy/gateway/README.md", "issuer")]
    {
        let text = std::fs::read_to_string(project(page)).unwrap();
        let (_, rest) = text.split_once("```yaml\n").unwrap_or_else(|| panic!("{page}: no settings"));
        let settings = yaml(rest.split("```").next().unwrap()).unwrap();
        assert_eq!(settings["remoteJwks"]["cluster"], cluster, "{page}");
        kinto_jwt_filter::parse_config(settings.to_string().as_bytes(), None).unwrap();
    }
    let page = std::fs::read_to_string(project("docs/kubernetes.md")).unwrap();
    assert!(page.contains(r"`outbound\|443\|\|issuer.example`"));
}

#[test]
fn only_the_right_certificate_gives_keys() {
    let (kinto, issuer) = (Kinto::behind_envoy(), Issuer::start_with_tls());
    issuer.answer("/jwks", Answer::keys(&[KEY]));
    let mut all = Vec::new();
    let mut plugins = Vec::new();
    for (platform, number) in [("istio", 0), ("gateway", 1)] {
        for (case, host, authority) in [
            ("right", TLS_NAME, "issuer.cert.pem"),
            ("other-authority", TLS_NAME, "rsa.cert.pem"),
            // The same certificate, of a known authority, at an issuer of another name.
            ("other-name", "issuer.example", "issuer.cert.pem"),
        ] {
            let name = format!("{platform}-{case}");
            all.push(led_to(clusters(host)[number].clone(), &name, &issuer, authority));
            let remote =
                json!({"uri": format!("https://{host}/jwks"), "cluster": name, "cooldownSeconds": 1});
            let settings = json!({"algorithm": "ES256", "remoteJwks": remote});
            plugins.push((name, as_string(&settings.to_string())));
        }
    }
    let plugins: Vec<(&str, Value)> =
        plugins.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let mut config = config_of(kinto.port("kinto"), &plugins);
    config["static_resources"]["clusters"].as_array_mut().unwrap().extend(all);
    let envoy = Envoy::start(&config);

    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let token = jws("ES256", KEY.1, json!({"alg": "ES256", "kid": KEY.0}).to_string(), claims);
    let user = |name: &str| http::get(envoy.port(name), "/v1/", &[authorization(&token)]).user();
    for platform in ["istio", "gateway"] {
        wait_for("the keys", || (user(&format!("{platform}-right")) == "kinto_jwt:alice").then_some(()));
        for case in ["other-authority", "other-name"] {
            let name = format!("{platform}-{case}");
            let refused = ["error", "san"].map(|why| format!("cluster.{name}.ssl.fail_verify_{why}"));
            wait_for("a certificate that is refused", || {
                refused.iter().any(|stat| envoy.stat(stat) > 0).then_some(())
            });
            assert_eq!(user(&name), "HTTP 503", "{name}");
        }
    }
}
