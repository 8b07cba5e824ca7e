//! Which issuer is believed: by its discovery document, by its certificate, and each for its own tokens only.

use serde_json::json;

use kit::issuer::{Answer, Issuer, TLS_NAME};
use kit::servers::{Envoy, wait_for};
use kit::tokens::jws;

use super::support::{
    A, ALICE, B, PUBLIC, TWO_WORKERS, assert_unavailable, config, get, kinto, named, remote, signed,
    tls_cluster, user, wait_for_key, wait_for_log, wait_for_metric,
};

#[test]
fn discovery_believes_the_configured_issuer_only() {
    const METADATA: &str = ".well-known/openid-configuration";
    let (kinto, issuer) = (kinto(), Issuer::start());
    let host = format!("http://{TLS_NAME}");
    let documents = [
        ("good", json!({"issuer": format!("{host}/good"), "jwks_uri": format!("{host}/good/keys")}), true),
        ("other-issuer", json!({"issuer": host, "jwks_uri": format!("{host}/good/keys")}), false),
        (
            "other-host",
            json!({"issuer": format!("{host}/other-host"), "jwks_uri": "http://elsewhere.test/good/keys"}),
            false,
        ),
        ("without-keys", json!({"issuer": format!("{host}/without-keys")}), false),
    ];
    issuer.answer("/good/keys", Answer::keys(&[A]));
    let plugins = documents.each_ref().map(|(name, document, _)| {
        issuer.answer(&format!("/{name}/{METADATA}"), Answer::new(200, document.to_string()));
        let remote = json!({"cluster": "issuer", "discovery": true, "cooldownSeconds": 1});
        let settings =
            json!({"algorithm": "ES256", "issuer": format!("{host}/{name}"), "remoteJwks": remote});
        (*name, named(name, settings))
    });
    let envoy = Envoy::start(&config(&kinto, &[issuer.cluster("issuer")], &plugins));
    let token = |name: &str, (kid, key): (&str, &str)| {
        let claims = json!({"sub": "alice", "iss": format!("{host}/{name}")});
        jws("ES256", key, json!({"alg": "ES256", "kid": kid}).to_string(), claims.to_string())
    };
    for (name, _, is_good) in &documents {
        if *is_good {
            wait_for("the keys", || (user(&envoy, name, &token(name, A)) == ALICE).then_some(()));
        } else {
            wait_for_log(&envoy, &[&format!(" {name}: "), "metadata"]);
            wait_for_metric(&envoy, "jwks_fetches", &[("policy", name), ("result", "discovery")]);
            assert_unavailable(&get(&envoy, name, &token(name, A)));
        }
    }
    assert_eq!(user(&envoy, "good", &token("other-issuer", A)), PUBLIC);
    assert_eq!(user(&envoy, "good", &signed(A)), PUBLIC, "no iss");

    // The issuer moves its keys, and changes them.
    let moved = json!({"issuer": format!("{host}/good"), "jwks_uri": format!("{host}/moved")});
    issuer.answer("/moved", Answer::keys(&[B]));
    issuer.answer(&format!("/good/{METADATA}"), Answer::new(200, moved.to_string()));
    wait_for("the moved keys", || (user(&envoy, "good", &token("good", B)) == ALICE).then_some(()));
    assert_eq!(user(&envoy, "good", &token("good", A)), PUBLIC);
}

#[test]
fn an_issuer_behind_tls_is_believed_by_its_certificate() {
    let (kinto, issuer) = (kinto(), Issuer::start_with_tls());
    issuer.answer("/jwks", Answer::keys(&[A]));
    let clusters = [
        tls_cluster("right", &issuer, "issuer.cert.pem", TLS_NAME),
        tls_cluster("other-authority", &issuer, "rsa.cert.pem", TLS_NAME),
        tls_cluster("other-name", &issuer, "issuer.cert.pem", "other.test"),
        issuer.cluster("plain"),
    ];
    let uri = format!("https://{TLS_NAME}/jwks");
    let plugins = clusters.each_ref().map(|cluster| {
        let name = cluster["name"].as_str().unwrap();
        (name, remote("/jwks", &json!({"uri": uri, "cluster": name})))
    });
    let envoy = Envoy::start(&config(&kinto, &clusters, &plugins));
    wait_for_key(&envoy, "right", A);
    for name in ["other-authority", "other-name", "plain"] {
        let failed = format!("cluster.{name}.upstream_cx_total");
        wait_for("an attempt", || (envoy.stat(&failed) > 0).then_some(()));
        assert_unavailable(&get(&envoy, name, &signed(A)));
    }
    assert!(envoy.stat("cluster.right.ssl.handshake") > 0);
    issuer.answer("/jwks", Answer::keys(&[B]));
    wait_for_key(&envoy, "right", B);
    for name in ["other-authority", "other-name", "plain"] {
        assert_unavailable(&get(&envoy, name, &signed(B)));
    }
}

#[test]
fn keys_of_two_issuers_are_kept_apart() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    let keys = [("one", "p256"), ("two", "p256-other")];
    let plugins = keys.map(|(name, key)| {
        issuer.answer(&format!("/{name}"), Answer::keys(&[("same", key)]));
        (name, remote(&format!("/{name}"), &json!({})))
    });
    let envoy = Envoy::start_with(&config(&kinto, &[issuer.cluster("issuer")], &plugins), &TWO_WORKERS);
    for (name, key) in keys {
        wait_for_key(&envoy, name, ("same", key));
    }
    for (name, own) in keys {
        for (_, key) in keys {
            let expected = if key == own { ALICE } else { PUBLIC };
            assert_eq!(user(&envoy, name, &signed(("same", key))), expected, "{name} {key}");
        }
    }
}
