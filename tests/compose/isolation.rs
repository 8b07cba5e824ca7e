//! Nobody reaches Kinto without Envoy; and who did would be nobody there.

use std::process::Command;

use serde_json::{Value, json};

use crate::stack::{Stack, demo_token, docker};
use kit::carrier::{self, tickets};
use kit::forgeries::json_type;
use kit::http::{self, authorization, header};
use kit::servers::made;

/// What asks who answers, with this ticket.
fn probe(ticket: &str) -> String {
    include_str!("probe.py").replace("TICKET", ticket)
}

/// The addresses of a container in its networks, with this port.
fn addresses(container: &str, port: u16) -> Vec<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses = docker(&["inspect", "--format", format, container]);
    addresses.split_whitespace().map(|address| format!("{address}:{port}")).collect()
}

#[test]
fn kinto_and_postgresql_answer_nobody_but_their_own_network() {
    let stack = Stack::new("isolation").up();
    let probe = probe(&tickets(&[(&stack.secret, 0, "admin")])[0]);
    let [envoy, kinto, postgres] = ["envoy", "kinto", "postgres"].map(|service| stack.container(service));

    for (container, published) in [
        (&envoy, json!([{"HostIp": "127.0.0.1", "HostPort": stack.port.to_string()}])),
        (&kinto, json!(null)),
        (&postgres, json!(null)),
    ] {
        let ports = docker(&["inspect", "--format", "{{json .NetworkSettings.Ports}}", container]);
        let ports: Value = serde_json::from_str(&ports).unwrap();
        let other =
            ports.as_object().unwrap().iter().find(|(port, to)| *port != "10000/tcp" && !to.is_null());
        assert_eq!((&ports["10000/tcp"], other), (&published, None), "{ports}");
    }

    let addresses = [addresses(&kinto, 8888), addresses(&postgres, 5432)].concat();
    // Kinto is in two networks, PostgreSQL in one.
    let who = ["kinto", "kinto", "postgres"];
    assert_eq!(addresses.len(), who.len(), "{addresses:?}");
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let named = [&addresses[..], &["kinto:8888", "postgres:5432"]].concat();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", &kinto]);
    let other_container = |network: &str| {
        let run = ["run", "--rm", "--network", network, "--entrypoint", "python", &image, "-c", &probe];
        docker(&[&run[..], &named].concat())
    };

    let inside = docker(&[&["exec", &kinto, "python", "-c", &probe][..], &named].concat());
    assert_eq!(inside, "kinto kinto postgres kinto postgres", "from Kinto: the probe finds what is there");
    let forged = self::probe(&tickets(&[(carrier::SECRET, 0, "admin")])[0]);
    let forged = docker(&[&["exec", &kinto, "python", "-c", &forged][..], &named].concat());
    assert_eq!(forged, "nobody nobody postgres nobody postgres", "who does not know the secret is nobody");
    let envoys = other_container(&format!("container:{envoy}"));
    let words: Vec<&str> = envoys.split(' ').collect();
    assert_eq!(words.iter().filter(|word| **word == "kinto").count(), 2, "from Envoy: {envoys}");
    assert!(words[3] == "kinto" && !words.contains(&"postgres"), "from Envoy: {envoys}");
    for network in ["bridge", &stack.network("public")] {
        assert_eq!(other_container(network), "nobody nobody nobody nobody nobody", "from {network}");
    }
    let host = Command::new(made(".venv/bin/python")).args(["-c", &probe]).args(&addresses).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&host.stdout).trim(),
        "nobody nobody nobody",
        "from the host: {host:?}"
    );

    a_clients_user_id_changes_nothing(&stack);
}

/// Kinto asks for no header, and Envoy passes none on.
fn a_clients_user_id_changes_nothing(stack: &Stack) {
    let alice = authorization(&demo_token("alice"));
    let bearer = header("authorization", format!("Bearer {}", demo_token("alice")));
    for name in ["userId", "userid", "USERID", "UserID"] {
        for (who, user) in
            [(vec![], "public"), (vec![alice.clone()], "alice"), (vec![bearer.clone()], "alice")]
        {
            let user = format!("kinto_jwt:{user}");
            for claims in [vec![header(name, "admin")], vec![header(name, "admin"), header(name, "")]] {
                let headers = [&claims[..], &who].concat();
                assert_eq!(http::get(stack.port, "/v1/", &headers).user(), user, "{name}");
                let batch = json!({"requests": [{"path": "/", "headers": {name: "admin"}}]}).to_string();
                let headers = [&headers[..], &[json_type()]].concat();
                let answer = http::post(stack.port, "/v1/batch", &headers, batch.as_bytes()).json();
                assert_eq!(http::user(&answer["responses"][0]["body"]), user, "{name}, batch");
            }
        }
    }
}
