//! `kinto-jwt check`: what is right in other words breaks no rule.

use crate::warnings::{TICKET, broken, envoy_with_issuer, example, settings, with_issuer};

/// The text with a change that must find its place.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the file");
    text.replace(from, to)
}

/// Envoy's example with the names of fields that JSON of protobuf has.
fn in_camel_case() -> String {
    let text = example("envoy.yaml");
    let camel = |name: &str| -> String {
        let words = name.split('_').enumerate();
        words
            .map(|(at, word)| if at == 0 { word.to_owned() } else { word[..1].to_uppercase() + &word[1..] })
            .collect()
    };
    let name_of = |line: &str| Some(line.trim_start().trim_start_matches("- ").split_once(':')?.0.to_owned());
    let is_field = |name: &str| name.contains('_') && !["public_key", "auth_type"].contains(&name);
    // The names in the list of capabilities are no fields.
    let field_of = |line: &str| name_of(line).filter(|name| is_field(name) && !line.ends_with(": {}"));
    let lines = text.lines().map(|line| match field_of(line) {
        Some(name) => line.replacen(&name, &camel(&name), 1) + "\n",
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// Files of operators who write the same in other words.
#[test]
fn honest_files_break_no_rule() {
    let envoy = |from: &str, to: &str| vec![("a.yaml", changed(&example("envoy.yaml"), from, to))];
    let issuer = |from: &str, to: &str| vec![("a.yaml", changed(&envoy_with_issuer(), from, to))];
    let plugin = example("istio/sidecar/wasm-plugin.yaml");
    let plugin = changed(&plugin, "  match:\n    - mode: SERVER\n", "");
    let pods = "  selector:\n    matchLabels:\n      app: kinto\n";
    let of_istio =
        || ("b.yaml", with_issuer("istio/sidecar/wasm-plugin.yaml", "outbound|443||issuer.example"));
    let beside =
        |path: &str, from: &str, to: &str| vec![("a.yaml", changed(&example(path), from, to)), of_istio()];
    let policy = example("gateway/envoy-extension-policy.yaml");
    let traffic = example("gateway/client-traffic-policy.yaml");
    let trusted = "trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt }";
    let address = "address: 127.0.0.1 # compose: kinto";
    let buffer = "request_body_buffer_limit: 2097152";
    let foreign = "issuer: a\njwks_uri: b\nclient_id: c\n".to_owned();
    let module = envoy("kinto-jwt-filter", "other")[0].1.replace("kinto_jwt_filter", "other");
    let (before, rest) = module.split_once("                            # DEMO ONLY").unwrap();
    let (_, after) = rest.split_once(&format!("{TICKET}\n")).unwrap();
    let foreign_module =
        format!("{before}                            {{ issuer: a, jwks_uri: b, client_id: c }}\n{after}");
    let rows = [
        // A ticket, or a UUID, which is random.
        envoy(address, "address: kinto"),
        vec![(
            "a.yaml",
            changed(
                &envoy(address, "address: kinto")[0].1,
                TICKET,
                "userIdHeader: user-550e8400-e29b-41d4-a716-446655440000",
            ),
        )],
        envoy(address, "address: \"::1\""),
        envoy(
            "socket_address:\n                      address: 127.0.0.1 # compose: kinto\n                      port_value: 8888",
            "pipe: { path: /run/kinto.sock }",
        ),
        vec![("a.yaml", in_camel_case())],
        // The hosts are not in the file, or a filter sets the limit.
        envoy(
            "route_config:\n                  virtual_hosts:",
            "rds: { route_config_name: a }\n                old:\n                  hosts:",
        ),
        envoy(buffer, "typed_per_filter_config: { a: { buffer: { max_request_bytes: 2097152 } } }"),
        // The issuer is checked in another way.
        issuer(trusted, "system_root_certs: {}"),
        issuer(trusted, "verify_certificate_spki: [a]"),
        issuer(trusted, "custom_validator_config: {}"),
        issuer("transport_socket:", "transport_socket_matches:"),
        issuer("auto_sni_san_validation", "autoSniSanValidation"),
        issuer("https://issuer.example/jwks.json", "http://[::1]:8080/jwks.json"),
        // Istio: a gateway with another label, a waypoint, a Sidecar that lists the issuer, a rule for another host.
        vec![("a.yaml", changed(&plugin, "app: kinto\n", "app: istio-ingressgateway\n"))],
        vec![(
            "a.yaml",
            changed(&plugin, pods, "  targetRefs: [{ kind: Service, group: \"\", name: kinto }]\n"),
        )],
        beside(
            "istio/kinto/sidecar.yaml",
            "  ingress:",
            "  egress: [{ hosts: [\"istio-system/*\", \"*/issuer.example\"] }]\n  ingress:",
        ),
        beside("istio/issuer/destination-rule.yaml", "sni: issuer.example", "insecureSkipVerify: false"),
        // Envoy Gateway: one policy of several is enough.
        vec![("a.yaml", changed(&traffic, "2Mi", "32Ki")), ("b.yaml", format!("{policy}---\n{traffic}"))],
        vec![("a.yaml", changed(&policy, "targetRefs:", "targetSelectors:"))],
        // Other software has settings of the same names.
        vec![("a.yaml", settings("")), ("b.yaml", foreign)],
        vec![("a.yaml", settings("")), ("b.yaml", foreign_module)],
    ];
    for files in rows {
        assert_eq!(broken(&files), [""; 0], "{files:?}");
    }
    let other_host = changed(
        &example("istio/issuer/destination-rule.yaml"),
        "host: issuer.example",
        "host: other.example",
    );
    let other_host = changed(&other_host, "sni: issuer.example", "insecureSkipVerify: true");
    assert_eq!(broken(&[("a.yaml", other_host), of_istio()]), [""; 0]);
}
