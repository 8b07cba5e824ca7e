//! `kinto-jwt check`: each rule has files that break it, and a file that does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::check::report;
use crate::kinto_jwt;
use kit::servers::project;
use kit::tokens::{SECRET, jwk, public_key};

/// A rule, the files, and what is changed in the first of them so that the rule is broken: a text, and another one in its
/// place.
struct Row {
    rule: &'static str,
    files: Vec<(&'static str, String)>,
    from: String,
    to: String,
}

pub(crate) fn example(path: &str) -> String {
    fs::read_to_string(project(&format!("envoy/{path}"))).unwrap()
}

/// Settings that break no rule, with these.
pub(crate) fn settings(more: &str) -> String {
    let key: String = public_key("rsa").lines().map(|line| format!("  {line}\n")).collect();
    format!("public_key: |\n{key}requireExp: true\nunauthorizedUserId: public\n{more}")
}

/// Envoy's example with these lines more in its settings.
fn envoy_with(more: &str) -> String {
    let text = example("envoy.yaml");
    let line = "                            requireExp: true\n";
    assert!(text.contains(line));
    let more: String = more.lines().map(|more| format!("                            {more}\n")).collect();
    text.replace(line, &format!("{line}{more}"))
}

/// A configuration without Envoy's buffer filter, which sets a limit of its own.
fn unbuffered(text: String) -> String {
    let (before, rest) = text.split_once("                  # Kinto gets a request").unwrap();
    let (_, after) = rest.split_once("max_request_bytes: 2097152\n").unwrap();
    format!("{before}{after}")
}

/// Envoy's example without the list of what the module may do.
fn without_capabilities() -> String {
    let text = example("envoy.yaml");
    let names = ["capability_restriction_config:", "allowed_capabilities:"];
    let is_of_list = |line: &&str| line.ends_with(": {}") || names.contains(&line.trim_start());
    text.lines().filter(|line| !is_of_list(line)).collect::<Vec<_>>().join("\n")
}

/// Envoy's example with an issuer, and its cluster.
pub(crate) fn envoy_with_issuer() -> String {
    let cluster: String = example("settings/issuer-cluster.yaml")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .enumerate()
        .map(|(number, line)| format!("    {} {line}\n", if number == 0 { "-" } else { " " }))
        .collect();
    let text = envoy_with("remoteJwks: { uri: \"https://issuer.example/jwks.json\", cluster: issuer }");
    // The public key of the example goes.
    let (before, rest) = text.split_once("                            public_key: |\n").unwrap();
    let (_, after) = rest.split_once("-----END PUBLIC KEY-----\n").unwrap();
    format!("{before}{after}{cluster}")
}

/// The listener of Envoy's example in a file of its own, as for `lds_config`.
fn listener_alone() -> String {
    let text = example("envoy.yaml");
    let (_, rest) = text.split_once("  listeners:\n    - name: kinto\n").unwrap();
    let (listener, _) = rest.split_once("\n  clusters:\n").unwrap();
    let kind = "\"@type\": type.googleapis.com/envoy.config.listener.v3.Listener";
    format!("resources:\n    - {kind}\n      name: kinto\n{listener}")
}

/// The manifest with an issuer in the place of its public key.
pub(crate) fn with_issuer(path: &str, cluster: &str) -> String {
    let text = example(path);
    let (before, rest) = text.split_once("public_key: |\n").unwrap();
    let (_, after) = rest.split_once("-----END PUBLIC KEY-----\n").unwrap();
    format!(
        "{before}remoteJwks: {{ uri: \"https://issuer.example/jwks.json\", cluster: \"{cluster}\" }}\n{after}"
    )
}

fn row(rule: &'static str, text: String, from: &str, to: &str) -> Row {
    Row { rule, files: vec![("file.yaml", text)], from: from.to_owned(), to: to.to_owned() }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    let plugin = || example("istio/sidecar/wasm-plugin.yaml");
    let extension = || example("istio/sidecar/traffic-extension.yaml");
    let at_gateway = || example("istio/gateway/traffic-extension.yaml");
    let policy = || example("gateway/envoy-extension-policy.yaml");
    let outbound = "outbound|443||issuer.example";
    let two = |first: String, name: &'static str, second: String| vec![("file.yaml", first), (name, second)];
    let jwks =
        format!("jwks: {{ keys: [{}] }}\nrequireExp: true\nunauthorizedUserId: null\n", jwk("a", "rsa"));
    let secret =
        "publicKeyEnv: KINTO_JWT_SECRET\nalgorithm: HS256\nrequireExp: true\nunauthorizedUserId: null\n"
            .to_owned();
    let mut rows = vec![
        row("not-yaml", settings(""), "requireExp: true", "requireExp: [true"),
        row("not-yaml", settings("leeway: 1\n"), "leeway: 1", "requireExp: true"),
        row("refused", settings("leeway: 1\n"), "leeway: 1", "leeway: -1"),
        row("secret-in-file", secret.clone(), "publicKeyEnv: KINTO_JWT_SECRET", &format!("public_key: {SECRET}")),
        row(
            "secret-in-file",
            secret.clone(),
            "publicKeyEnv: KINTO_JWT_SECRET",
            &format!("jwks: {{ keys: [{{ kty: oct, k: {} }}] }}", kit::tokens::b64(SECRET)),
        ),
        row(
            "secret-in-file",
            "algorithm: HS256\nrequireExp: true\nunauthorizedUserId: null\npolicies:\n  - { name: a, publicKeyEnv: A }\n".to_owned(),
            "publicKeyEnv: A",
            &format!("public_key: {SECRET}"),
        ),
        row("token-not-verified", settings("verifyToken: true\n"), "verifyToken: true", "verifyToken: false"),
        row("exp-not-required", settings(""), "requireExp: true\n", ""),
        row("exp-not-required", settings("maxLifetimeSeconds: 60\n").replace("requireExp: true\n", ""), "maxLifetimeSeconds: 60\n", ""),
        row("exp-not-required", settings("maxAgeSeconds: 60\n").replace("requireExp: true\n", ""), "maxAgeSeconds: 60\n", ""),
        row("exp-not-required", settings("").replace("requireExp: true", "requireExp: false"), "requireExp: false\n", ""),
        row("binding-ignored", settings("boundTokens: verify\n"), "boundTokens: verify", "boundTokens: ignore"),
        row("public-is-user", settings(""), "unauthorizedUserId: public\n", ""),
        row(
            "public-is-user",
            settings("onMissing: reject\nonInvalid: reject\n").replace("unauthorizedUserId: public\n", ""),
            "onMissing: reject\n",
            "onMissing: report\n",
        ),
        row("latin-1", settings("userIdCharset: ascii\n"), "userIdCharset: ascii", "userIdCharset: latin-1"),
        row("ambiguous-scalar", settings("issuer: \"010\"\n"), "\"010\"", "0x10_"),
        row("ambiguous-scalar", settings("issuer: [a, \"on1\"]\n"), "\"on1\"", "1.5"),
        row("ambiguous-scalar", plugin(), "requireExp: true", "requireExp: yes"),
        row("ambiguous-scalar", settings("leeway: 8\n"), "leeway: 8", "leeway: 010"),
        row("key-left-out", jwks.clone(), "keys: [", "keys: [{ kty: RSA, use: enc }, "),
        row("key-elsewhere", secret.replace("publicKeyEnv: KINTO_JWT_SECRET\nalgorithm: HS256", &format!("jwks: {{ keys: [{}] }}", jwk("a", "rsa"))), &format!("jwks: {{ keys: [{}] }}", jwk("a", "rsa")), "publicKeyEnv: KINTO_JWT_ELSEWHERE"),
        row("fail-open", example("envoy.yaml"), "failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN"),
        row("fail-open", example("envoy.yaml"), "failure_policy: FAIL_RELOAD", "fail_open: true"),
        row("fail-open", plugin(), "failStrategy: FAIL_RELOAD", "failStrategy: FAIL_OPEN"),
        row("fail-open", extension(), "failStrategy: FAIL_RELOAD", "failStrategy: FAIL_OPEN"),
        row("fail-open", policy(), "failOpen: false", "failOpen: true"),
        row("no-reload", example("envoy.yaml"), "failure_policy: FAIL_RELOAD", "root_id: a"),
        row("no-reload", plugin(), "failStrategy: FAIL_RELOAD", "failStrategy: FAIL_CLOSE"),
        row("no-reload", extension(), "    failStrategy: FAIL_RELOAD", "    pluginName: a"),
        row("lacks-capability", example("envoy.yaml"), "proxy_on_request_headers: {}", "proxy_on_log: {}"),
        row("lacks-capability", example("envoy.yaml"), "proxy_http_call: {}", "\"proxy_done\": {}"),
        row("lacks-capability", without_capabilities(), "runtime: envoy.wasm.runtime.v8", "runtime: envoy.wasm.runtime.v8\n                          capabilityRestrictionConfig: { allowedCapabilities: { proxy_log: {} } }"),
        row("lacks-capability", without_capabilities(), "failure_policy: FAIL_RELOAD", "failure_policy: FAIL_RELOAD\n                        capability_restriction_config: { allowed_capabilities: { proxy_log: {} } }"),
        row("small-buffer", unbuffered(example("envoy.yaml")), "request_body_buffer_limit: 2097152", "include_request_attempt_count: true"),
        row("small-buffer", unbuffered(envoy_with("batch: { maxBytes: 2000000 }")), "maxBytes: 2000000", "maxBytes: 3000000"),
        row("small-buffer", unbuffered(example("envoy.yaml")), "request_body_buffer_limit: 2097152", "request_body_buffer_limit: 65536"),
        row(
            "guessable-header",
            guarded("userIdHeader: userId-0123456789abcdef0123456789abcdef")
                .replace("address: 127.0.0.1 # compose: kinto", "address: kinto"),
            "userIdHeader: userId-0123456789abcdef0123456789abcdef",
            "userIdHeader: userId",
        ),
        row("guessable-header", guarded("userIdHeader: userId"), "address: 127.0.0.1 # compose: kinto", "address: 10.0.0.1"),
        row("guessable-header", guarded(TICKET).replace("address: 127.0.0.1 # compose: kinto", "address: kinto"), TICKET, "userIdHeader: userId"),
        row("no-guard", example("envoy.yaml"), TICKET, "userIdHeader: userId"),
        row("no-guard", example("envoy.yaml"), TICKET, "leeway: 5"),
        row("no-guard", with_header("userIdHeader: userId-0123456789abcdef0123456789abcdef"), "userId-0123456789abcdef0123456789abcdef", "x-user"),
        row("no-guard", guarded("leeway: 5"), "OVERWRITE_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT"),
        row("no-guard", guarded("leeway: 5"), "        - append:\n", "        - remove: userid\n                        - append:\n"),
        row("no-guard", guarded("leeway: 5"), "header: { key: userid", "header: { key: user"),
        row("no-guard", guarded("leeway: 5"), "value: not-checked", "value: unchecked"),
        row("no-guard", guarded("leeway: 5"), "action: DENY", "action: ALLOW"),
        row("no-guard", guarded("leeway: 5"), "- name: kinto-jwt-guard\n", "- name: kinto-jwt-guard\n                    disabled: true\n"),
        row("no-guard", guarded("leeway: 5"), "routes:\n", "typed_per_filter_config: { kinto-jwt-guard: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute } }\n                      routes:\n"),
        row("no-guard", guarded("leeway: 5"), "action: DENY", "action: DENY\n                        audit_logging_options: {}"),
        row("no-guard", guarded("leeway: 5"), "                      rules:\n", "                      matcher: {}\n                      rules:\n"),
        row("no-guard", guarded("leeway: 5"), "string_match: { exact: not-checked }", "invert_match: true, string_match: { exact: not-checked }"),
        row("no-guard", guarded("leeway: 5"), "{ any: true }]", "{ any: true }]\n                            condition: {}"),
        row("no-guard", guarded("leeway: 5"), "rbac.v3.RBAC", "rbac.v3.RBACPerRoute"),
        row("no-guard", guarded("leeway: 5"), "value: not-checked", "value: \"not-%checked\""),
        row("no-guard", guarded("leeway: 5"), "key: userid, value: not-checked", "key: x, value: userid"),
        row("no-guard", guarded("leeway: 5"), "        - append:\n", "        - remove_on_match: { key_matcher: { prefix: user } }\n                        - append:\n"),
        row("no-guard", guarded("userIdHeader: X-User"), "                  - name: kinto-jwt-guard\n", "                  - { name: a, typed_config: { request: userId } }\n                  - name: kinto-jwt-guard\n"),
        row("no-guard", example("envoy.yaml"), TICKET, &format!("{TICKET}\n                            claimsToHeaders: {{ X-User-Email: email }}")),
        row("no-guard", with_header("userIdHeader: userId-0123456789abcdef"), "userId-0123456789abcdef", "X-Oauth2AuthenticatedUser"),
        row("no-guard", guarded("leeway: 5"), "any: true", "remote_ip: { address_prefix: 10.0.0.0, prefix_len: 8 }"),
        row("unknown-cluster", envoy_with_issuer(), "cluster: issuer }", "cluster: issuers }"),
        row("unknown-cluster", with_issuer("istio/sidecar/wasm-plugin.yaml", outbound), outbound, "issuer"),
        row("unknown-cluster", with_issuer("gateway/envoy-extension-policy.yaml", "issuer_example_443"), "issuer_example_443", "issuer"),
        row("issuer-not-checked", envoy_with_issuer(), "auto_sni_san_validation: true", "allow_renegotiation: false"),
        row("issuer-not-checked", envoy_with_issuer(), "trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt }", "only_verify_leaf_cert_crl: true"),
        row("issuer-not-checked", envoy_with_issuer(), "uri: \"https:", "uri: \"http:"),
        row("issuer-not-checked", envoy_with_issuer(), "transport_socket:", "typed_extension_protocol_options:"),
        row("runs-on-outbound", plugin(), "  match:\n    - mode: SERVER\n", ""),
        row("runs-on-outbound", plugin(), "mode: SERVER", "mode: CLIENT_AND_SERVER"),
        row("runs-on-outbound", extension(), "  match:\n    - mode: SERVER\n", ""),
        row("never-runs", at_gateway(), "  phase: AUTHN", "  match:\n    - mode: SERVER\n  phase: AUTHN"),
        row("never-runs", example("envoy.yaml").replace("- name: kinto-jwt-filter\n", "- name: kinto-jwt-filter\n                    disabled: false\n"), "disabled: false", "disabled: on"),
        row("fail-open", example("envoy.yaml"), "failure_policy: FAIL_RELOAD", "failOpen: yes"),
        row("small-buffer", unbuffered(example("envoy.yaml").replace("                            timeout: 30s\n", "                            timeout: 30s\n                          request_body_buffer_limit: 2097152\n")), "                          request_body_buffer_limit: 2097152\n", "                          request_body_buffer_limit: 65536\n"),
        row("small-buffer", unbuffered(listener_alone()), "request_body_buffer_limit: 2097152", "include_request_attempt_count: true"),
        row("guessable-header", guarded("leeway: 5"), "socket_address:\n                      address: 127.0.0.1 # compose: kinto", "socketAddress:\n                      address: 10.0.0.1"),
        row("issuer-not-checked", envoy_with_issuer(), "auto_sni_san_validation: true", "trust_chain_verification: ACCEPT_UNTRUSTED"),
        row("no-target", extension(), "  selector:\n    matchLabels:\n      app: kinto\n", ""),
        row("wrong-phase", extension(), "phase: AUTHN", "phase: STATS"),
        row("wrong-phase", plugin(), "  phase: AUTHN", "  priority: 10"),
        row("not-pinned", plugin(), "@sha256:0000000000000000000000000000000000000000000000000000000000000000", ""),
        row("not-pinned", extension(), "    sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"", "    pluginName: a"),
        row("not-pinned", policy(), "          sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"", "          pullSecretRef: { name: a }"),
        row("replaced-on-routes", policy(), "kind: Gateway", "kind: HTTPRoute"),
        row("replaced-on-routes", policy(), "      name: kinto\n  wasm", "      name: kinto\n      sectionName: http\n  wasm"),
    ];
    let of_gateway = with_issuer("gateway/envoy-extension-policy.yaml", "issuer");
    let of_istio = with_issuer("istio/sidecar/wasm-plugin.yaml", outbound);
    let others = [
        (
            "small-buffer",
            two(example("gateway/client-traffic-policy.yaml"), "policy.yaml", policy()),
            "bufferLimit: 2Mi",
            "bufferLimit: 32Ki",
        ),
        (
            "small-buffer",
            two(
                example("gateway/client-traffic-policy.yaml"),
                "policy.yaml",
                format!("{}---\n{}", policy(), example("gateway/gateway.yaml")),
            ),
            "kind: ClientTrafficPolicy",
            "kind: BackendTrafficPolicy",
        ),
        (
            "unknown-cluster",
            two(example("gateway/envoy-proxy.yaml"), "policy.yaml", of_gateway.clone()),
            "name: issuer\n          type",
            "name: issuers\n          type",
        ),
        (
            "issuer-not-checked",
            two(example("gateway/envoy-proxy.yaml"), "policy.yaml", of_gateway.clone()),
            "auto_sni_san_validation: true",
            "allow_renegotiation: false",
        ),
        (
            "issuer-not-checked",
            two(example("istio/issuer/destination-rule.yaml"), "plugin.yaml", of_istio.clone()),
            "      subjectAltNames:\n        - issuer.example\n",
            "",
        ),
        (
            "issuer-not-checked",
            two(example("istio/issuer/destination-rule.yaml"), "plugin.yaml", of_istio.clone()),
            "sni: issuer.example",
            "insecureSkipVerify: true",
        ),
        (
            "no-egress",
            two(example("istio/kinto/sidecar.yaml"), "plugin.yaml", of_istio),
            "  ingress:",
            "  egress: [{ hosts: [\"./*\"] }]\n  ingress:",
        ),
        (
            "replaces-bootstrap",
            two(example("gateway/envoy-proxy.yaml"), "policy.yaml", of_gateway),
            "    type: JSONPatch\n",
            "",
        ),
    ];
    let others =
        others.map(|(rule, files, from, to)| Row { rule, files, from: from.to_owned(), to: to.to_owned() });
    rows.extend(others);
    rows
}

/// How the example has a ticket.
pub(crate) const TICKET: &str =
    "ticket: { secretEnv: MULTIAUTH_POLICY_KINTO_JWT_SECRET, timeoutSeconds: 120 }";

/// The example without a ticket, and with this setting.
fn with_header(setting: &str) -> String {
    let example = example("envoy.yaml");
    assert!(example.contains(TICKET));
    example.replace(TICKET, setting)
}

/// The example without a ticket, with this setting, and with the guard of the header.
fn guarded(setting: &str) -> String {
    guarded_before("                  # Kinto gets a request", setting)
}

/// With the filter of the guard before this line.
fn guarded_before(next: &str, setting: &str) -> String {
    const FIRST: &str = "                http_filters:\n";
    let guard = example("settings/header-guard.yaml");
    let (early, filter) = guard.split_once("http_filters:\n").unwrap();
    let lines = |text: &str, indent: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| format!("{indent}{line}\n")).collect()
    };
    let (early, filter) = (lines(early, &" ".repeat(16)), lines(filter, &" ".repeat(16)));
    let text = with_header(setting);
    assert!(text.contains(FIRST) && text.contains(next));
    text.replace(FIRST, &format!("{early}{FIRST}")).replace(next, &format!("{filter}{next}"))
}

/// The rules that are broken in these files.
pub(crate) fn broken(files: &[(&str, String)]) -> Vec<String> {
    let folder = tempfile::TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let report = report(folder.path(), &["."]);
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["rule"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_rule_is_broken_by_a_change_and_by_nothing_else() {
    let mut seen = BTreeSet::new();
    for Row { rule, files, from, to } in rows() {
        let before = broken(&files);
        let expected: &[&str] = if files[0].1.contains("publicKeyEnv") { &["key-elsewhere"] } else { &[] };
        assert_eq!(before, expected, "{rule}: before the change {from:?} to {to:?}");
        let mut changed = files.clone();
        assert!(files[0].1.contains(&from), "{rule}: {from:?} is not in the file");
        changed[0].1 = files[0].1.replace(&from, &to);
        assert_eq!(broken(&changed), [rule], "after the change {from:?} to {to:?} of\n{}", changed[0].1);
        seen.insert(rule.to_owned());
    }
    let sarif = kinto_jwt(
        Path::new("."),
        &["check", "--format", "sarif", &project("envoy/envoy.yaml").display().to_string()],
    );
    let sarif: Value = serde_json::from_str(&sarif.out).unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let rules: BTreeSet<String> = rules.iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, rules);
}

/// A second connection manager with the same filters, by an alias, and without the first part of the guard.
#[test]
fn each_connection_manager_needs_the_guard() {
    let text = guarded("leeway: 5").replace("http_filters:\n", "http_filters: &filters\n");
    let http = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let second = format!(
        "    - name: second\n      filter_chains: [{{ filters: [{{ name: http, typed_config: {{ \"@type\": {http}, stat_prefix: b, http_filters: *filters }} }}] }}]\n"
    );
    let both = text.replace("\n  clusters:\n", &format!("\n{second}  clusters:\n"));
    assert_ne!(both, text);
    assert_eq!(broken(&[("file.yaml", text)]), [""; 0]);
    let found = broken(&[("file.yaml", both)]);
    assert!(!found.is_empty() && found.iter().all(|rule| rule == "no-guard"), "{found:?}");
}

#[test]
fn a_guard_before_the_filter_is_none() {
    let before = guarded_before("                  - name: kinto-jwt-filter\n", "leeway: 5");
    assert_eq!(broken(&[("file.yaml", before)]), ["no-guard"]);
}

#[test]
fn the_examples_break_no_rule() {
    let folder = project("envoy");
    let report = report(&folder, &["."]);
    let found: Vec<&Value> = report["findings"].as_array().unwrap().iter().collect();
    // The secret of several-issuers.yaml is in a variable that is not here.
    let [note] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(note["rule"], "key-elsewhere");
    assert_eq!(note["file"], "./settings/several-issuers.yaml");
    assert_eq!(report["taken"].as_array().unwrap().len(), 11, "{report:#}");
    let done = kinto_jwt(&folder, &["check", "--strict", "--quiet", "."]);
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "", ""));
}

/// Each name of the example is needed, and an error without it; three of them are named as what keeps requests out.
#[test]
fn each_capability_of_the_example_is_missed() {
    let text = example("envoy.yaml");
    let names: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_suffix(": {}")).collect();
    assert_eq!(names.len(), 36);
    let folder = tempfile::TempDir::new().unwrap();
    let mut open = Vec::new();
    for name in &names {
        let without: Vec<&str> =
            text.lines().filter(|line| line.trim_start() != format!("{name}: {{}}")).collect();
        fs::write(folder.path().join("a.yaml"), without.join("\n")).unwrap();
        let report = report(folder.path(), &["."]);
        let [found] = report["findings"].as_array().unwrap().as_slice() else { panic!("{name}: {report:#}") };
        assert_eq!((&found["rule"], &found["severity"]), (&"lacks-capability".into(), &"error".into()));
        let message = found["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("without {name}, ")), "{message}");
        if message.contains("Kinto believes the client") {
            open.push(*name);
        }
    }
    assert_eq!(open, ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_request_trailers"]);
    // An empty list restricts nothing.
    let vm = "runtime: envoy.wasm.runtime.v8";
    let empty =
        format!("{vm}\n{}capability_restriction_config: {{ allowed_capabilities: {{}} }}", " ".repeat(26));
    assert_eq!(broken(&[("a.yaml", without_capabilities().replace(vm, &empty))]), [""; 0]);
}

#[test]
fn what_is_around_a_fault_is_shown_beside_it() {
    let refused = |line: &str| broken(&[("a.yaml", settings(line))]);
    assert_eq!(refused("audience: 010\n"), ["refused", "ambiguous-scalar"]);
    assert_eq!(refused("userIdCharset: no\n"), ["refused", "ambiguous-scalar"]);
    let open = example("envoy.yaml").replace("FAIL_RELOAD", "FAIL_OPEN").replace("RS256", "RS999");
    assert_eq!(broken(&[("a.yaml", open)]), ["refused", "fail-open"]);
}

#[test]
fn a_name_that_is_written_wrong_is_told_what_it_may_mean() {
    let folder = tempfile::TempDir::new().unwrap();
    for (written, meant) in [
        ("audiense", Some("audience")),
        ("publicKey", Some("public_key")),
        ("requireexp", Some("requireExp")),
        ("userIDHeader", Some("userIdHeader")),
        ("on_missing", Some("onMissing")),
        ("timeout", None),
        ("secret", None),
    ] {
        fs::write(folder.path().join("a.yaml"), settings(&format!("{written}: a\n"))).unwrap();
        let report = report(folder.path(), &["."]);
        let help = report["findings"][0]["help"].as_str().unwrap();
        let expected = meant
            .map_or("the settings are".to_owned(), |name| format!("did you mean {name}? the settings are"));
        assert!(help.starts_with(&expected), "{written}: {help}");
    }
}
