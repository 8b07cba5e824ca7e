//! What an operator changes while Envoy runs: who is shut out, what is logged, which secret is used.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use kit::http::{self, authorization};
use kit::plugin_file::PluginFile;
use kit::servers::{Envoy, Kinto, as_string, as_struct, config_of, wait_for, wasm};
use kit::table::settings_with;
use kit::tokens::{now, rs256, token};
use serde_json::{Value, json};

fn user(envoy: &Envoy, token: &str) -> String {
    // On new connections, so that each worker is asked.
    let users: std::collections::BTreeSet<String> =
        (0..8).map(|_| http::get(envoy.port("kinto"), "/v1/", &[authorization(token)]).user()).collect();
    users.into_iter().collect::<Vec<_>>().join(" or ")
}

#[test]
fn who_is_shut_out_is_out_within_seconds_and_nobody_else() {
    let kinto = Kinto::behind_envoy();
    let issued = |name: &str, ago: u64| rs256(&json!({"sub": name, "iat": now() - ago, "exp": now() + 600}));
    let (alice, mallory, old) = (issued("alice", 0), issued("mallory", 0), issued("bob", 300));
    let users = |envoy: &Envoy| [user(envoy, &alice), user(envoy, &mallory), user(envoy, &old)];
    let (yes, no) = (|name: &str| format!("kinto_jwt:{name}"), || "kinto_jwt:public".to_owned());

    let mut file = PluginFile::new(&settings_with(json!({})));
    let envoy = file.envoy(kinto.port("kinto"), &["--concurrency", "2"]);
    assert_eq!(users(&envoy), [yes("alice"), yes("mallory"), yes("bob")]);
    wait_for("tokens in the cache", || {
        (envoy.stat("wasmcustom.kinto_jwt.cache_lookups.result.hit") > 0).then_some(())
    });

    // On a connection that stays open over the update, too.
    let open = TcpStream::connect(("127.0.0.1", envoy.port("kinto"))).unwrap();
    let on_open = || {
        let request = format!("GET /v1/ HTTP/1.1\r\nHost: kinto\r\nAuthorization: JWT {mallory}\r\n\r\n");
        http::exchange_on(open.try_clone().unwrap(), request.as_bytes()).expect("an open connection").user()
    };
    assert_eq!(on_open(), yes("mallory"));

    let mut update = |what: &str, settings: Value, expected: [String; 3]| {
        let start = Instant::now();
        file.write(&settings_with(settings));
        wait_for(what, || (users(&envoy) == expected).then_some(()));
        println!("{what}: {} ms", start.elapsed().as_millis());
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: {:?}", start.elapsed());
    };
    let shut_out = json!({"refusedClaims": {"sub": ["mallory"]}});
    update("refusedClaims", shut_out, [yes("alice"), no(), yes("bob")]);
    assert_eq!(on_open(), no());
    let ago = rfc3339(now() - 100);
    update("issuedAfter", json!({"issuedAfter": ago}), [yes("alice"), yes("mallory"), no()]);
    update(
        "both",
        json!({"issuedAfter": ago, "refusedClaims": {"sub": "mallory"}}),
        [yes("alice"), no(), no()],
    );

    // A mistake lets nobody in again: false is what YAML makes of the name `no`.
    file.write(&settings_with(json!({"refusedClaims": {"sub": [false]}})));
    wait_for("refusal", || envoy.log().contains("configuration refused: refusedClaims.sub").then_some(()));
    assert_eq!(users(&envoy), [yes("alice"), no(), no()]);
    file.write(&settings_with(json!({})));
    wait_for("end", || (users(&envoy) == [yes("alice"), yes("mallory"), yes("bob")]).then_some(()));
}

/// Seconds since 1970 as a time of RFC 3339.
fn rfc3339(seconds: u64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%FT%TZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_log_level_follows_envoys_without_a_reload_and_reasons_have_numbers() {
    let kinto = Kinto::behind_envoy();
    let settings = settings_with(
        json!({"leeway": 10, "maxLifetimeSeconds": 3600, "issuedAfter": "2026-01-01T00:00:00Z"}),
    );
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &[("kinto", as_struct(&settings))]));
    let set = |level: &str| {
        let path = format!("/logging?wasm={level}");
        assert_eq!(http::post(envoy.admin, &path, &[], b"").status, 200);
        // The filter asks for the level once a second.
        std::thread::sleep(Duration::from_millis(1_500));
    };
    let ask = |claims: Value| http::get(envoy.port("kinto"), "/v1/", &[authorization(&rs256(&claims))]);
    let expired = |ago: u64| json!({"sub": "secret-name", "iat": now() - 3000, "exp": now() - ago});
    set("info");
    ask(expired(77_000));
    set("debug");
    for (claims, line, about) in [
        (expired(312), "unauthorized_user: expired: ", " s after exp, leeway 10"),
        (
            json!({"sub": "a", "iat": now(), "exp": now() + 4000}),
            "lifetime_too_long: 4000",
            " s from start to exp, maxLifetimeSeconds 3600",
        ),
        (
            json!({"sub": "a", "iat": now() + 500, "exp": now() + 600}),
            "issued_in_future: ",
            " s before iat, leeway 10",
        ),
        (
            json!({"sub": "a", "nbf": now() + 500, "exp": now() + 600}),
            "not_yet_valid: ",
            " s before nbf, leeway 10",
        ),
        (
            json!({"sub": "a", "iat": 1_767_225_599, "exp": 1_767_225_600}),
            "expired: ",
            " s after exp, leeway 10",
        ),
        (json!({"sub": "a", "exp": now() + 600, "nbf": now()}), "issued_too_early", ""),
    ] {
        ask(claims);
        let log = envoy.log();
        let last = log.lines().rfind(|line| line.contains("wasm log")).unwrap();
        assert!(last.contains(line) && last.contains(about), "{last}");
    }
    let log = envoy.log();
    let number = |line: &str| {
        let rest = log.split_once(line).unwrap().1;
        rest.split_once(' ').unwrap().0.parse::<u64>().unwrap()
    };
    assert!((312..330).contains(&number("expired: ")), "{log}");
    assert!((480..501).contains(&number("issued_in_future: ")), "{log}");
    assert!(!log.contains("expired: 77"), "info: nothing of a single request\n{log}");
    assert!(!log.contains("secret-name"), "{log}");
    set("error");
    let before = envoy.log().len();
    ask(expired(312));
    assert!(!envoy.log()[before..].contains("expired"), "{}", envoy.log());
}

/// An environment for the module's VM: `environment_variables` of Envoy.
fn with_environment(kinto: u16, variables: &Value, plugins: &[(&str, Value)]) -> Value {
    let mut config = config_of(kinto, plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        wasm(listener)["vm_config"]["environment_variables"] = variables.clone();
    }
    config
}

#[test]
fn a_key_comes_from_the_environment() {
    let kinto = Kinto::behind_envoy();
    let secret = kit::tokens::SECRET;
    let hs = json!({"publicKeyEnv": "KINTO_JWT_SECRET", "algorithm": "HS256"});
    let rs = json!({"publicKeyEnv": "KINTO_JWT_KEY"});
    let both = json!({"auth_type": "JWT", "policies": [
        {"name": "hs", "issuer": "hs", "publicKeyEnv": "KINTO_JWT_SECRET", "algorithm": "HS256"},
        {"name": "rs", "publicKeyEnv": "KINTO_JWT_KEY"}]});
    let plugins = [
        ("hs", as_struct(&hs)),
        ("istio", as_string(&hs.to_string())),
        ("rs", as_struct(&rs)),
        ("both", as_struct(&both)),
    ];
    let variables =
        json!({"key_values": {"KINTO_JWT_SECRET": secret, "KINTO_JWT_KEY": kit::tokens::public_key("rsa")}});
    let envoy = Envoy::start(&with_environment(kinto.port("kinto"), &variables, &plugins));
    let claims = json!({"sub": "alice", "iss": "hs"});
    for (name, token, user) in [
        ("hs", token("HS256", secret, &claims), "alice"),
        ("istio", token("HS256", secret, &claims), "alice"),
        ("hs", rs256(&claims), "public"),
        ("rs", rs256(&claims), "alice"),
        ("rs", token("HS256", secret, &claims), "public"),
        ("both", token("HS256", secret, &claims), "alice"),
        ("both", rs256(&json!({"sub": "alice"})), "alice"),
        ("both", rs256(&claims), "public"),
    ] {
        let answer = http::get(envoy.port(name), "/v1/", &[authorization(&token)]).user();
        assert_eq!(answer, format!("kinto_jwt:{user}"), "{name}");
    }
    for page in ["/config_dump", "/stats", "/server_info"] {
        let shown = String::from_utf8(http::get(envoy.admin, page, &[]).body).unwrap();
        // Envoy shows what is in its own configuration: there the platform must use host_env_keys.
        assert!(page == "/config_dump" || !shown.contains(secret), "{page}");
    }
    assert!(!envoy.log().contains(secret), "{}", envoy.log());
}

#[test]
fn a_new_secret_in_the_environment_is_used_at_once() {
    let kinto = Kinto::behind_envoy();
    let settings = json!({"publicKeyEnv": "KINTO_JWT_SECRET", "algorithm": "HS256"});
    let (old, new) = ("0123456789abcdef-old-0123456789abcdef", "0123456789abcdef-new-0123456789abcdef");
    let mut file = PluginFile::new(&settings);
    let write = |file: &mut PluginFile, secret: &str| {
        let vm = file.content.pointer_mut("/resources/0/typed_config/config/vm_config").unwrap();
        vm["environment_variables"] = json!({"key_values": {"KINTO_JWT_SECRET": secret}});
        file.write(&settings);
    };
    write(&mut file, old);
    let envoy = file.envoy(kinto.port("kinto"), &["--concurrency", "2"]);
    let users = || [old, new].map(|secret| user(&envoy, &token("HS256", secret, &json!({"sub": "alice"}))));
    assert_eq!(users(), ["kinto_jwt:alice", "kinto_jwt:public"]);
    write(&mut file, new);
    wait_for("new secret", || (users() == ["kinto_jwt:public", "kinto_jwt:alice"]).then_some(()));
}

#[test]
fn a_key_that_is_not_in_the_environment_is_refused_at_load() {
    for (value, name, words) in [
        (json!({}), json!("KINTO_JWT_SECRET"), "publicKeyEnv names a variable that the module does not have"),
        (
            json!({"KINTO_JWT_SECRET": ""}),
            json!("KINTO_JWT_SECRET"),
            "publicKeyEnv names a variable that is empty",
        ),
        (
            json!({"KINTO_JWT_SECRET": " \n"}),
            json!("KINTO_JWT_SECRET"),
            "publicKeyEnv names a variable that is empty",
        ),
        (
            json!({"KINTO_JWT_SECRET": "0123456789abcdef0123456789abcdef\n"}),
            json!("KINTO_JWT_SECRET"),
            "begins or ends with white space; write the secret without it",
        ),
        (
            json!({"KINTO_JWT_SECRET": "short"}),
            json!("KINTO_JWT_SECRET"),
            "publicKeyEnv is a secret of 5 bytes",
        ),
        (
            json!({"KINTO_JWT_SECRET": kit::tokens::public_key("rsa")}),
            json!("KINTO_JWT_SECRET"),
            "publicKeyEnv is a PEM",
        ),
        (json!({}), json!("A=B"), "publicKeyEnv is not the name of a variable"),
        (json!({}), json!(7), "publicKeyEnv is not the name of a variable"),
    ] {
        let settings = json!({"publicKeyEnv": name, "algorithm": "HS256"});
        let config = with_environment(1, &json!({"key_values": value}), &[("kinto", as_struct(&settings))]);
        let log = Envoy::try_start(&config, &["--concurrency", "1"]).err().expect(words);
        let line = log.lines().find(|line| line.contains("configuration refused: ")).expect(&log);
        assert!(line.contains(words), "{words}: {line}");
        assert!(!log.contains("0123456789abcdef"), "{log}");
    }
}
