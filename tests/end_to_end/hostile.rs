//! Requests that no library would send, each followed by one that must still be served.

use serde_json::json;

use kit::http::{self, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, demo_config, wait_for, wasm};
use kit::tokens::{SECRET, b64, now, public_key, rs256, token};

#[test]
fn no_bytes_take_the_filter_down() {
    let kinto = Kinto::behind_envoy();
    let from = json!([{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}]);
    let remote =
        json!({"uri": "http://issuer/", "cluster": "kinto", "cooldownSeconds": 1, "timeoutSeconds": 1});
    let everything = json!({
        "public_key": public_key("rsa"), "from": from, "claimsToHeaders": {"X-A": "a"},
        "onMissing": "reject", "onInvalid": "reject",
        "policies": [{"name": "remote", "issuer": "r", "remoteJwks": remote}, {"name": "key"}],
    });
    let plugins = [("defaults", json!({"public_key": public_key("rsa")})), ("everything", everything)];
    let plugins = plugins.map(|(name, settings)| (name, as_struct(&settings)));
    let mut config = config_of(kinto.port("kinto"), &plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        // Envoy would reload a VM that has died; here it must not die.
        kit::servers::wasm(listener)["failure_policy"] = json!("FAIL_CLOSED");
        kit::servers::manager(listener)["common_http_protocol_options"]["headers_with_underscores_action"] =
            json!("ALLOW");
        kit::servers::manager(listener)["max_request_headers_kb"] = json!(96);
    }
    let envoy = Envoy::start(&config);
    let good = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));

    let mut requests: Vec<Vec<u8>> = Vec::new();
    let mut get = |headers: &[(String, Vec<u8>)]| requests.push(http::bytes("GET", b"/v1/", headers, b""));
    for byte in 1..=255_u8 {
        if byte != b'\n' && byte != b'\r' {
            get(&[header("Authorization", [b'J', b'W', b'T', b' ', byte])]);
            get(&[header("Authorization", [byte])]);
            get(&[header("userId", [byte]), good.clone()]);
            get(&[header("Cookie", [b't', b'=', byte, b';', byte])]);
        }
    }
    for cookie in [&b"t"[..], b"=", b";;;", b"t=;t=;=t", b"t=a; t=b", b"\xff=\xff; t=\xff"] {
        get(&[header("Cookie", cookie)]);
        get(&vec![header("Cookie", cookie); 20]);
    }
    for value in [
        &b"JWT \xff"[..],
        b"\xff\xfe",
        b"JWT \xc3\x28.\xa0\xa1.\xe2\x28\xa1",
        b"JWT ....",
        b"JWT a.b.c.d",
        b"JWT ..",
    ] {
        get(&[header("Authorization", value)]);
    }
    for length in [16_384, 16_385, 60_000, 64_000] {
        get(&[header("Authorization", [&b"JWT "[..], &vec![b'a'; length]].concat())]);
        get(&[header("Authorization", [&b"JWT "[..], &vec![b'.'; length]].concat())]);
        get(&[header("X-Long", vec![b'a'; length]), good.clone()]);
        get(&[header("userId", vec![b'a'; length])]);
    }
    get(&vec![good.clone(); 90]);
    get(&vec![header("Authorization", "Basic YTpi"); 90]);
    get(&vec![header("userId", "admin"); 90]);
    let deep = |open: &str| {
        authorization(&format!(
            "{}.{}.c2ln",
            b64(open.repeat(8000 / open.len())),
            b64(open.repeat(3000 / open.len()))
        ))
    };
    for open in ["[", "{\"a\":", "[[{\"a\":[", "\"", "\\u0000", "-", "9"] {
        get(&[deep(open)]);
    }
    for name in
        ["userId", "USERID", "user_id", "user-id", "User-Id", "USER_ID", "userid\u{e9}", "user\u{131}d"]
    {
        for value in ["admin", "", "a, b", "\u{e9}"] {
            get(&[header(name, value), good.clone()]);
            get(&[header(name, value), header(name, value)]);
        }
    }
    for request in [
        b"GET /v1/ HTTP/1.1\r\nHost: k\r\nuserId : admin\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /v1/ HTTP/1.1\r\nHost: k\r\nuserId:admin\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /v1/ HTTP/1.1\r\nHost: k\r\nX: a\r\n userId: admin\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /v1/ HTTP/1.1\r\nHost: k\r\nX: a\nuserId: admin\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /v1/ HTTP/1.1\r\nHost: k\r\nX: a\ruserId: admin\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET /v1/ HTTP/1.0\r\nuserId: admin\r\n\r\n".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\nuserId: admin\r\n\r\n".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nContent-Length: 99999999999999999999\r\nConnection: close\r\n\r\n{}".to_vec(),
        b"POST /v1/batch HTTP/1.1\r\nHost: k\r\nContent-Type: \xff;charset=\xff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_vec(),
    ] {
        requests.push(request);
    }
    for byte in 0..=255_u8 {
        requests.push(http::bytes("GET", format!("/v1/?t=%{byte:02x}&t%{byte:02x}=a").as_bytes(), &[], b""));
    }
    for path in
        [&b"/v1/?t"[..], b"/v1/?t=&t=&&=", b"/v1/?t=%", b"/v1/?t=%f", b"?t=a", b"/v1/?%74=a+b&t=a%20b", b"*"]
    {
        requests.push(http::bytes("GET", path, &[], b""));
        requests.push(http::bytes("OPTIONS", path, &[header("Origin", [0xff])], b""));
    }
    let remote = b64(r#"{"iss":"r"}"#);
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":"x"}"#, r#"{"alg":"none"}"#] {
        let token = format!("{}.{remote}.c2ln", b64(header));
        requests.push(http::bytes("GET", b"/v1/", &[authorization(&token)], b""));
        let batch =
            json!({"requests": [{"path": "/", "headers": {"Authorization": format!("JWT {token}")}}]});
        requests.push(http::bytes("POST", b"/v1/batch", &[], batch.to_string().as_bytes()));
    }
    for body in [
        &b"\xff\xfe"[..],
        b"\0\0\0\0",
        b"null",
        b"[",
        b"{\"requests\":[{\"path\":\"\\ud800\"}]}",
        b"{\"requests\":[{\"path\":\"/\",\"headers\":{\"Authorization\":\"\\ud800\"}}]}",
        b"{\"requests\":[[[[[[[",
        b"{\"requests\":[{\"path\":\"?t=\\u0000\",\"headers\":{\"Cookie\":\"t=\\u00e9;;=\"}}]}",
    ] {
        requests.push(http::bytes("POST", b"/v1/batch", &[], body));
        requests.push(http::bytes("POST", b"/v1/batch", std::slice::from_ref(&good), body));
    }
    requests.push(http::bytes("POST", b"/v1/batch", std::slice::from_ref(&good), &b"[".repeat(500_000)));
    requests.push(http::bytes(
        "POST",
        b"/v1/batch",
        std::slice::from_ref(&good),
        &b"{\"requests\":".repeat(50_000),
    ));
    requests.push(http::bytes(
        "POST",
        format!("/v1/%{}", "25".repeat(20_000)).as_bytes(),
        std::slice::from_ref(&good),
        b"{}",
    ));

    for (name, _) in &plugins {
        let port = envoy.port(name);
        for request in &requests {
            if let Some(answer) = http::exchange(port, request) {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(!text.contains("kinto_jwt:admin"), "{name}: {}", request.escape_ascii());
            }
            let served = http::get(port, "/v1/", std::slice::from_ref(&good)).user();
            assert_eq!(served, "kinto_jwt:alice", "{name}: after {}", request.escape_ascii());
        }
    }
    let log = envoy.log();
    for trace in ["panicked", "Uncaught", "unreachable", "wasm_trap"] {
        assert!(!log.contains(trace), "{trace} is in Envoy's log");
    }
}

/// What Kinto receives: the identity once or not at all, and no token unless it is asked for.
#[test]
fn kinto_gets_the_token_only_when_it_shall() {
    let settings = |more: serde_json::Value| {
        let mut settings = json!({"public_key": SECRET, "algorithm": "HS256"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        as_struct(&settings)
    };
    let plugins = [
        ("default", settings(json!({}))),
        ("forward", settings(json!({"forwardToken": true}))),
        ("header", settings(json!({"http_header": "X-Token", "userIdHeader": "X-Kinto-User"}))),
        ("anonymous", settings(json!({"unauthorizedUserId": null}))),
    ];
    let mut config = config_of(http::echo(), &plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        kit::servers::manager(listener)["common_http_protocol_options"]["headers_with_underscores_action"] =
            json!("ALLOW");
    }
    let envoy = Envoy::start(&config);
    let received = |listener: &str, headers: &[(String, Vec<u8>)], name: &str| -> Vec<String> {
        let head = String::from_utf8(http::get(envoy.port(listener), "/v1/", headers).body).unwrap();
        let prefix = format!("{name}: ");
        head.lines()
            .filter_map(|line| Some(line.to_ascii_lowercase().strip_prefix(&prefix)?.to_owned()))
            .collect()
    };
    let good = token("HS256", SECRET, &json!({"sub": "alice"}));
    let spoofs = [
        header("userId", "a"),
        header("USERID", "b"),
        header("X-Kinto-User", "c"),
        header("x_kinto-user", "d"),
    ];
    for (listener, name, credential) in [
        ("default", "userid", authorization(&good)),
        ("forward", "userid", authorization(&good)),
        ("header", "x-kinto-user", header("X-Token", &good)),
        ("anonymous", "userid", authorization(&good)),
    ] {
        let headers = [&spoofs[..], std::slice::from_ref(&credential)].concat();
        assert_eq!(received(listener, &headers, name), ["alice"], "{listener}");
        let expected = usize::from(listener == "forward");
        assert_eq!(
            received(listener, &headers, &credential.0.to_ascii_lowercase()).len(),
            expected,
            "{listener}"
        );
    }
    assert_eq!(received("header", &spoofs, "x_kinto-user"), [""; 0]);
    assert_eq!(received("default", &spoofs, "userid"), ["public"]);
    assert_eq!(received("anonymous", &spoofs, "userid"), [""; 0]);
    let basic = header("Authorization", "Basic YTpi");
    assert_eq!(received("default", std::slice::from_ref(&basic), "authorization"), ["basic ytpi"]);
    let both = [basic, authorization(&good)];
    assert_eq!(received("default", &both, "authorization"), [""; 0]);
    assert_eq!(received("default", &both, "userid"), ["public"]);

    // Nothing secret in the log, at any level.
    let log = envoy.log();
    for secret in [good.as_str(), good.split('.').nth(1).unwrap(), SECRET, "alice"] {
        assert!(!log.contains(secret), "{secret} is in Envoy's log");
    }
}

#[test]
fn the_access_log_has_the_reason_and_nothing_of_the_token() {
    let kinto = Kinto::behind_envoy();
    let mut config = demo_config(kinto.port("kinto"));
    let settings = json!({
        "public_key": SECRET, "algorithm": "HS256", "from": {"query": "access_token"}, "accessLogReason": true,
    });
    wasm(&mut config["static_resources"]["listeners"][0])["configuration"] = as_struct(&settings);
    let envoy = Envoy::start(&config);
    let expired = token("HS256", SECRET, &json!({"sub": "alice", "exp": 1}));
    let good = token("HS256", SECRET, &json!({"sub": "alice"}));
    for token in [&expired, &good] {
        http::get(envoy.port("kinto"), &format!("/v1/?access_token={token}"), &[]);
    }
    let batch = json!({"requests": [{"path": format!("/?access_token={expired}")}]}).to_string();
    http::post(envoy.port("kinto"), "/v1/batch", &[], batch.as_bytes());
    let log = wait_for("access log", || {
        let log = envoy.log();
        (log.matches(" HTTP/1.1\" ").count() == 3).then_some(log)
    });
    let reasons: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" HTTP/1.1\" "))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(reasons, ["expired", "-", "expired"]);
    for part in expired.split('.').chain(good.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
}
