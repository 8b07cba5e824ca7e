//! The decision table and the forgeries, through the composed stack.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::stack::{Stack, docker};
use kit::carrier::{Carrier, SECRET_VARIABLE, tickets};
use kit::forgeries::{FORGERY, forgeries, json_type, without_safeguards};
use kit::http::{self, authorization};
use kit::servers::{as_struct, config_of, free_port, wasm};
use kit::table::policies;
use kit::tokens::{now, public_key, rs256};

const FORGERIES: &str = "forgeries";

/// A stack with a listener for each of these plugin configurations, and their ports on the host.
fn listeners(plugins: &[(&str, Value)]) -> (Stack, HashMap<String, u16>) {
    let mut config = config_of(8888, plugins);
    // What differs in a container, for every listener. Each has the same port inside as outside.
    config["admin"]["address"]["socket_address"]["port_value"] = json!(9901);
    let mut ports = HashMap::new();
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        let (name, port) = (listener["name"].as_str().unwrap().to_owned(), free_port());
        listener["address"]["socket_address"] = json!({"address": "0.0.0.0", "port_value": port});
        let module = "target/wasm32-wasip1/release/kinto_jwt_filter.wasm";
        wasm(listener)["vm_config"]["code"]["local"]["filename"] = json!(module);
        if name == FORGERIES {
            without_safeguards(listener);
        }
        ports.insert(name, port);
    }
    let endpoint = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint";
    config.pointer_mut(endpoint).unwrap()["address"]["socket_address"]["address"] = json!("kinto");
    let published: Vec<String> = ports.values().map(|port| format!("127.0.0.1:{port}:{port}")).collect();
    let stack = Stack::new("decisions").with_envoy(&config.to_string(), json!({"ports": published}));
    (stack.up(), ports)
}

/// These settings, with the ticket of the example.
fn with_ticket(settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["ticket"] = json!({"secretEnv": SECRET_VARIABLE});
    as_struct(&settings)
}

#[test]
fn the_table_and_the_forgeries_hold_through_the_composed_stack() {
    let mut plugins: Vec<(&str, Value)> =
        policies(now()).iter().map(|policy| (policy.name, with_ticket(&policy.settings))).collect();
    plugins.push((FORGERIES, with_ticket(&json!({"public_key": public_key("rsa")}))));
    let (stack, ports) = listeners(&plugins);

    let (mut count, mut wrong) = (0, Vec::new());
    // Tokens of this moment, not of the one before the stack was there.
    for policy in &policies(now()) {
        for case in &policy.cases {
            let request = http::bytes(case.method, case.path.as_bytes(), &case.headers, b"");
            let user = http::exchange(ports[policy.name], &request).expect("an answer").user();
            let mut expected = Carrier::Ticket.answer(policy, case);
            if expected.contains('\0') {
                // PostgreSQL holds no U+0000: Kinto fails at it, with kinto_jwt too.
                expected = "HTTP 500".to_owned();
            }
            if user != expected {
                wrong.push(format!("{}: {}: {user}, not {expected}", policy.name, case.name));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 400, "{count}");

    // A good ticket in a batch, to Kinto itself, is admin's: what follows has something to refuse. Without one, nobody is.
    let ticket = tickets(&[(&stack.secret, 600, "admin")]).remove(0);
    let headers = json!({"Cookie": format!("kjwt={ticket}"), "userId": "admin"});
    let stolen = json!({"requests": [{"path": "/v1/", "headers": headers}]}).to_string();
    let direct = "import sys, urllib.request as u; headers = {'Content-Type': 'application/json'}; \
                  r = u.Request('http://127.0.0.1:8888/v1/batch', sys.argv[1].encode(), headers); \
                  print(u.urlopen(r).read().decode())";
    let ask = |batch: &str| docker(&["exec", &stack.container("kinto"), "python", "-c", direct, batch]);
    assert!(ask(&stolen).contains("kinto_jwt:admin"));
    assert!(!ask(FORGERY).contains("kinto_jwt"));

    let alice = rs256(&json!({"sub": "alice", "exp": now() + 600}));
    let (mut answers, mut served) = (0, 0);
    for (user, who) in [("kinto_jwt:public", vec![]), ("kinto_jwt:alice", vec![authorization(&alice)])] {
        let headers = [&who[..], &[json_type()]].concat();
        let stolen = http::bytes("POST", b"/v1/batch", &headers, stolen.as_bytes());
        for request in forgeries(&who).into_iter().chain([stolen]) {
            let Some(answer) = http::exchange(ports[FORGERIES], &request) else { continue };
            let body = String::from_utf8_lossy(&answer.body);
            assert!(!body.contains("kinto_jwt:admin"), "{}", request.escape_ascii());
            answers += 1;
            served += usize::from(body.contains(user));
        }
    }
    assert!(answers >= 300 && served >= 100, "{answers} answers, {served} of which name the sender");
    println!("{count} cases, {answers} forgeries, {served} of which were served as their sender's");
}
