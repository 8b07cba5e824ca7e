//! The identity as a signed cookie: what Kinto believes, what a client can do with cookies, how the secret is changed.

pub(crate) mod cookies;

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::promise::undecided::over_h2;
use kit::carrier::{self, Carrier, SECRET_VARIABLE, tickets};
use kit::forgeries::{json_type, without_safeguards};
use kit::http::{self, Headers, authorization, header};
use kit::issuer::{Answer, Issuer};
use kit::pages::blocks;
use kit::servers::{
    Envoy, Kinto, Process, as_struct, config_of, free_port, made, project, wait_for, wait_for_port,
};
use kit::table::settings_with;
use kit::tokens::{now, rs256};

fn token(user: &str) -> String {
    rs256(&json!({"sub": user, "exp": now() + 600}))
}

fn alice() -> (String, Vec<u8>) {
    authorization(&token("alice"))
}

/// Kinto and Envoy with these settings beside the key and the ticket.
fn start(plugins: &[(&str, Value)]) -> (Kinto, Envoy) {
    let kinto = Kinto::start(&json!({"kinto": Carrier::Ticket.observed()}), None);
    let settings = |more: &Value| as_struct(&Carrier::Ticket.settings(settings_with(more.clone())));
    let plugins: Vec<(&str, Value)> = plugins.iter().map(|(name, more)| (*name, settings(more))).collect();
    let mut config = config_of(kinto.port("kinto"), &plugins);
    config["static_resources"]["listeners"].as_array_mut().unwrap().iter_mut().for_each(without_safeguards);
    (kinto, Envoy::start(&config))
}

#[test]
fn who_reaches_kinto_without_envoy_is_nobody() {
    let kinto = Kinto::start(&json!({"kinto": Carrier::Ticket.application()}), None);
    let user = |headers: &[(String, Vec<u8>)]| http::get(kinto.port("kinto"), "/v1/", headers).user();
    let cookie = |ticket: &str| user(&[header("Cookie", format!("kjwt={ticket}"))]);
    for name in ["userId", "Remote-User", "X-Remote-User", "X-Forwarded-User", "REMOTE_USER"] {
        assert_eq!(user(&[header(name, "admin")]), "anonymous", "{name}");
    }
    assert_eq!(user(&[alice()]), "anonymous");
    let other_secret = "0123456789abcdef0123456789abcdef";
    let [good, other, empty, old, young, future] = tickets(&[
        (carrier::SECRET, 0, "admin"),
        (other_secret, 0, "admin"),
        ("", 0, "admin"),
        (carrier::SECRET, -32, "admin"),
        (carrier::SECRET, -20, "admin"),
        (carrier::SECRET, 1_000_000, "admin"),
    ])
    .try_into()
    .unwrap();
    for (what, ticket) in [("other secret", other), ("empty secret", empty), ("old", old)] {
        assert_eq!(cookie(&ticket), "anonymous", "{what}");
    }
    assert_eq!(cookie(&good), "kinto_jwt:admin");
    assert_eq!(cookie(&young), "kinto_jwt:admin");
    // Pyramid does not ask: with a clock that is ahead, Envoy would sign tickets that are good for longer.
    assert_eq!(cookie(&future), "kinto_jwt:admin");
    // Each byte of a ticket counts, but for the case of a hexadecimal digit of the time and what base64 leaves open.
    let mut refused = 0;
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let answer = cookie(&String::from_utf8(bytes).unwrap());
        assert!(answer != "kinto_jwt:admin" && !answer.contains("kinto_jwt"), "{at}: {answer}");
        refused += 1;
    }
    assert_eq!(refused, good.len());
}

/// A ticket that somebody has read, in a log or on the way from Envoy to Kinto, proves nothing through Envoy.
#[test]
fn a_good_ticket_of_somebody_else_does_not_pass() {
    let (kinto, envoy) = start(&[("kinto", json!({})), ("nobody", json!({"unauthorizedUserId": null}))]);
    let ticket = tickets(&[(carrier::SECRET, 600, "admin")]).remove(0);
    let spellings: Vec<String> =
        cookies::SPELLINGS.iter().map(|spelling| spelling.replace("TICKET", &ticket)).collect();
    let believed = spellings.iter().filter(|cookie| {
        let answer = http::get(kinto.port("kinto"), "/v1/", &[header("Cookie", cookie)]);
        answer.user() == "kinto_jwt:admin"
    });
    let believed = believed.count();
    assert!(believed >= 10, "Kinto believes only {believed} of the spellings");
    let check = |what: &str, answer: &http::Response, expected: &str| {
        assert_eq!(answer.user(), expected, "{what}");
        assert!(!answer.head.contains("admin"), "{what}: {}", answer.head);
    };
    for cookie in &spellings {
        for (listener, nobody) in [("kinto", "kinto_jwt:public"), ("nobody", "anonymous")] {
            let port = envoy.port(listener);
            let headers: Headers = vec![header("Cookie", cookie)];
            check(cookie, &http::get(port, "/v1/", &headers), nobody);
            check(
                cookie,
                &http::get(port, "/v1/", &[headers.clone(), vec![alice()]].concat()),
                "kinto_jwt:alice",
            );
            // Several fields, in each order.
            let others = vec![header("Cookie", "a=1"), header("Cookie", "kjwt"), header("Cookie", "=\"")];
            check(cookie, &http::get(port, "/v1/", &[headers.clone(), others.clone()].concat()), nobody);
            check(cookie, &http::get(port, "/v1/", &[others, headers].concat()), nobody);
        }
        // In the body of a batch: its own, by defaults, and both.
        let headers = json!({"Cookie": cookie});
        for (batch, users) in [
            (json!({"requests": [{"path": "/", "headers": headers}]}), vec!["alice"]),
            (
                json!({"requests": [{"path": "/", "headers": {"cookie": cookie}}, {"path": "/"}]}),
                vec!["alice", "alice"],
            ),
            (json!({"defaults": {"headers": headers}, "requests": [{"path": "/"}]}), vec!["alice"]),
            (
                json!({"defaults": {"headers": headers}, "requests": [
                    {"path": "/", "headers": headers},
                    {"path": "/", "headers": {"Authorization": format!("JWT {}", token("bob"))}},
                    {"path": "/", "headers": {"Authorization": "JWT a.b.c", "Cookie": cookie}},
                ]}),
                vec!["alice", "bob", "public"],
            ),
        ] {
            for who in [Some(alice()), None] {
                let outer = if who.is_some() { "alice" } else { "public" };
                let headers: Headers = who.into_iter().chain([json_type()]).collect();
                let answer =
                    http::post(envoy.port("kinto"), "/v1/batch", &headers, batch.to_string().as_bytes());
                if cookie.chars().any(|c| c.is_control() && c != '\t') {
                    assert_eq!(answer.status, 400, "{batch}");
                    continue;
                }
                let body = answer.json();
                let seen = body["responses"].as_array().unwrap_or_else(|| panic!("{batch}: {body}"));
                let seen: Vec<String> = seen.iter().map(|sub| http::user(&sub["body"])).collect();
                let of = |user: &&str| format!("kinto_jwt:{}", if *user == "alice" { outer } else { *user });
                assert_eq!(seen, users.iter().map(of).collect::<Vec<_>>(), "{batch}");
            }
        }
    }
    // HTTP/2, where Envoy joins the fields.
    let crumbs: Headers = vec![header("cookie", "a=1"), header("cookie", format!("kjwt={ticket}"))];
    let none = Headers::new();
    let (status, body) =
        over_h2(envoy.port("kinto"), ("GET", "/v1/"), &crumbs, "", &none, std::time::Duration::ZERO);
    assert_eq!(
        (status, http::user(&serde_json::from_str(&body).unwrap()).as_str()),
        (200, "kinto_jwt:public")
    );
    let log = envoy.log();
    for secret in [carrier::SECRET, &ticket[..100], "userid_type"] {
        assert!(!log.contains(secret), "{secret} is in Envoy's log");
    }
}

/// The `Cookie` that Kinto gets: the client's other cookies as they were sent, and the ticket behind them.
#[test]
fn other_cookies_pass_as_they_were_sent() {
    let settings = |more: Value| as_struct(&Carrier::Ticket.settings(settings_with(more)));
    let plugins = [
        ("plain", settings(json!({}))),
        ("header", settings(json!({"userIdHeader": "X-Kinto-User"}))),
        ("places", settings(json!({"from": [{"cookie": "t"}], "unauthorizedUserId": null}))),
    ];
    let envoy = Envoy::start(&config_of(http::echo(), &plugins));
    let received = |listener: &str, headers: &[(String, Vec<u8>)], name: &str| -> Vec<String> {
        let head =
            String::from_utf8_lossy(&http::get(envoy.port(listener), "/v1/", headers).body).into_owned();
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let values = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.map(|(_, value)| value.to_owned()).collect()
    };
    let is_ticket = |value: &str| value.starts_with("kjwt=") && value.ends_with("!userid_type:b64unicode");
    for sent in [
        "a=1",
        "a=1; b=\"2\"",
        "a=1;b=2 ;  c = 3",
        "A={\"x\":[1,2]}",
        "xkjwt=1; kjwtx=2",
        "a=kjwt; kjwt",
        "$Version=1",
    ] {
        let [value] = received("plain", &[header("Cookie", sent)], "cookie").try_into().unwrap();
        let (others, ticket) = value.rsplit_once("; ").unwrap();
        assert_eq!(others, sent);
        assert!(is_ticket(ticket), "{ticket}");
    }
    let two = received("plain", &[header("Cookie", "a=1"), header("Cookie", "b=2; kjwt=x")], "cookie");
    assert!(two.len() == 1 && two[0].starts_with("a=1; b=2; kjwt="), "{two:?}");
    let [alone] = received("plain", &[], "cookie").try_into().unwrap();
    assert!(is_ticket(&alone), "{alone}");
    assert_eq!(received("plain", &[], "userid"), [""; 0]);
    assert_eq!(received("plain", &[header("userId", "admin")], "userid"), [""; 0]);

    // A header that the operator has named is written too, for other filters: the ticket is what Kinto believes.
    assert_eq!(received("header", &[alice()], "x-kinto-user"), ["alice"]);
    assert_eq!(received("header", &[authorization(&token("日本"))], "x-kinto-user"), [""; 0]);
    assert_eq!(received("header", &[header("X-Kinto-User", "admin")], "x-kinto-user"), ["public"]);
    assert!(is_ticket(&received("header", &[alice()], "cookie")[0]));

    // A token in a cookie goes, and the others stay.
    let cookie = header("Cookie", format!("a=1; t={}; b=2; kjwt=x", token("alice")));
    let [value] = received("places", &[cookie], "cookie").try_into().unwrap();
    assert!(value.starts_with("a=1; b=2; kjwt=") && is_ticket(value.rsplit_once("; ").unwrap().1), "{value}");
    assert_eq!(received("places", &[header("Cookie", "a=1; kjwt=x")], "cookie"), ["a=1"]);
    assert_eq!(received("places", &[header("Cookie", "kjwt=x")], "cookie"), [""; 0]);
}

/// Kinto tells a client to forget the ticket when it answers 401; it is none of the client's business.
#[test]
fn kintos_set_cookie_does_not_reach_the_client() {
    let (kinto, envoy) = start(&[("kinto", json!({"unauthorizedUserId": null}))]);
    let set_cookies = |answer: &http::Response| -> Vec<String> {
        let fields = answer.head.lines().filter_map(|line| line.split_once(": "));
        let values = fields.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        values.map(|(_, value)| value.to_owned()).collect()
    };
    let direct = http::get(kinto.port("kinto"), "/v1/buckets", &[]);
    assert!(direct.status == 401 && set_cookies(&direct)[0].starts_with("kjwt=; "), "{}", direct.head);
    let through = http::get(envoy.port("kinto"), "/v1/buckets", &[]);
    assert_eq!((through.status, set_cookies(&through).len()), (401, 0), "{}", through.head);

    // Other cookies do.
    let upstream = Issuer::start();
    let answer =
        Answer::new(200, "{}").header("Set-Cookie", "a=1; Path=/").header("set-cookie", "kjwt=; Max-Age=0");
    upstream.answer("/v1/", answer.header("Set-Cookie", "kjwt =x").header("Set-Cookie", "b=kjwt=2"));
    upstream.answer("/v1/none", Answer::new(200, "{}"));
    let settings = Carrier::Ticket.settings(settings_with(json!({})));
    let envoy = Envoy::start(&config_of(upstream.port, &[("kinto", as_struct(&settings))]));
    let answer = http::get(envoy.port("kinto"), "/v1/", &[]);
    assert_eq!(set_cookies(&answer), ["a=1; Path=/", "b=kjwt=2"]);
    assert_eq!(set_cookies(&http::get(envoy.port("kinto"), "/v1/none", &[])), [""; 0]);
}

/// `kinto start` with the file of docs/ticket.md that has both secrets, and with this variable.
fn with_both_secrets([old, new]: [&str; 2], variable: Option<&str>) -> (TempDir, Process, u16) {
    let files = TempDir::new().unwrap();
    let ini = std::fs::read_to_string(project("envoy/kinto.ini")).unwrap();
    assert!(ini.contains("kinto_jwt.secret = null"));
    let ini = ini.replace("kinto_jwt.secret = null", &format!("kinto_jwt.secret = {old}"));
    std::fs::write(files.path().join("kinto.ini"), ini).unwrap();
    let page = blocks("docs/ticket.md", "ini");
    let [_, change, _] = page.as_slice() else { panic!("{} blocks", page.len()) };
    assert_eq!(change.matches("= ...").count(), 1);
    let file = files.path().join("change.ini");
    std::fs::write(&file, change.replace("= ...", &format!("= {new}"))).unwrap();
    let port = free_port();
    let mut command = Command::new(made(".venv/bin/kinto"));
    command.args(["start", "--port", &port.to_string(), "--ini"]).arg(&file).env_remove(SECRET_VARIABLE);
    // Lists that are sets in Python have the same order as in the other Kinto.
    command.env("PYTHONHASHSEED", "0");
    command.envs(variable.map(|secret| (SECRET_VARIABLE, secret))).stderr(Stdio::null());
    let process = Process::spawn(&mut command);
    wait_for_port(port);
    (files, process, port)
}

/// A new secret, without a request that fails: docs/ticket.md has the steps.
#[test]
fn the_secret_is_changed_without_an_outage() {
    let [old, new] = [carrier::SECRET, "00112233445566778899aabbccddeeff"];
    let of_secret = |secret: &str| {
        let mut application = Carrier::Ticket.application();
        application["settings"]["multiauth.policy.kinto_jwt.secret"] = json!(secret);
        application
    };
    let kinto = Kinto::start(&json!({"before": of_secret(old), "after": of_secret(new)}), None);
    let (_files, _process, during) = with_both_secrets([old, new], None);
    // The variable would be the secret of both.
    let (_other_files, _other_process, with_variable) = with_both_secrets([old, new], Some(old));
    let [before, after] = ["before", "after"].map(|name| kinto.port(name));
    let of = |secret: &str| as_struct(&settings_with(json!({"ticket": {"secret": secret}})));
    let user = |kinto: u16, secret: &str| {
        let envoy = Envoy::start(&config_of(kinto, &[("kinto", of(secret))]));
        let read = http::get(envoy.port("kinto"), "/v1/", &[alice()]).json();
        (http::user(&read), read["user"]["principals"].clone())
    };
    let (alice, principals) = user(before, old);
    assert_eq!(alice, "kinto_jwt:alice");
    assert_eq!(user(before, new).0, "anonymous");
    for secret in [old, new] {
        assert_eq!(user(during, secret), (alice.clone(), principals.clone()));
    }
    assert_eq!(user(with_variable, new).0, "anonymous");
    assert_eq!(user(after, new), (alice, principals));
    assert_eq!(user(after, old).0, "anonymous");
}

/// From the header to the ticket: an application that believes both.
fn kinto_of_both() -> Value {
    let mut application = Carrier::Header.application();
    let ticket = Carrier::Ticket.application();
    for (name, value) in ticket["settings"].as_object().unwrap().iter().filter(|(_, value)| !value.is_null())
    {
        application["settings"][name.replace("kinto_jwt", "KINTO_JWT")] = value.clone();
    }
    application["settings"]["multiauth.policies"] = json!("kinto_jwt KINTO_JWT");
    application
}

#[test]
fn a_kinto_may_believe_both_while_envoys_change() {
    let kinto = Kinto::start(&json!({"kinto": kinto_of_both()}), None);
    let of = |carrier: Carrier| as_struct(&carrier.settings(settings_with(json!({}))));
    let plugins = [("header", of(Carrier::Header)), ("ticket", of(Carrier::Ticket))];
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    for (listener, _) in &plugins {
        let port = envoy.port(listener);
        assert_eq!(http::get(port, "/v1/", &[alice()]).user(), "kinto_jwt:alice", "{listener}");
        assert_eq!(
            http::get(port, "/v1/", &[header("userId", "admin")]).user(),
            "kinto_jwt:public",
            "{listener}"
        );
    }
}

/// The same where the operator has named the header: Kinto gives a sub-request the header of the batch.
#[test]
fn a_kinto_that_believes_both_believes_each_sub_request() {
    let mut application = kinto_of_both();
    application["settings"]["multiauth.policy.kinto_jwt.environ_key"] = json!("HTTP_X_KINTO_USER");
    let kinto = Kinto::start(&json!({"kinto": application}), None);
    let nobody = json!({"userIdHeader": "X-Kinto-User", "unauthorizedUserId": null});
    let of = |more: Value| as_struct(&Carrier::Ticket.settings(settings_with(more)));
    let plugins = [("public", of(json!({"userIdHeader": "X-Kinto-User"}))), ("nobody", of(nobody))];
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    let own = |token: &str| json!({"path": "/", "headers": {"Authorization": format!("JWT {token}")}});
    let requests = vec![json!({"path": "/"}), own(&token("bob")), own(&token("日本")), own("a.b.c")];
    for (listener, nobody) in [("public", "kinto_jwt:public"), ("nobody", "anonymous")] {
        for (who, outer) in [(vec![alice()], "kinto_jwt:alice"), (vec![], nobody)] {
            let headers: Headers = who.into_iter().chain([json_type()]).collect();
            for defaults in [json!({}), own(&token("carol"))] {
                let inherited = if defaults == json!({}) { outer } else { "kinto_jwt:carol" };
                let batch = json!({"defaults": defaults, "requests": requests}).to_string();
                let answer = http::post(envoy.port(listener), "/v1/batch", &headers, batch.as_bytes()).json();
                let users: Vec<String> = answer["responses"]
                    .as_array()
                    .unwrap_or_else(|| panic!("{answer}"))
                    .iter()
                    .map(|sub| http::user(&sub["body"]))
                    .collect();
                assert_eq!(
                    users,
                    [inherited, "kinto_jwt:bob", "kinto_jwt:日本", nobody],
                    "{listener}: {batch}"
                );
            }
        }
    }
}

/// What the alerts read.
#[test]
fn refused_tickets_and_a_clock_that_is_ahead_are_seen() {
    let kinto = Kinto::start(&json!({"kinto": Carrier::Ticket.application()}), None);
    let other = settings_with(json!({"ticket": {"secret": "0123456789abcdef0123456789abcdef"}}));
    let plugins = [
        ("other", as_struct(&other)),
        ("same", as_struct(&Carrier::Ticket.settings(settings_with(json!({"unauthorizedUserId": null}))))),
    ];
    let envoy = Envoy::start(&config_of(kinto.port("kinto"), &plugins));
    let status = |listener: &str, who: &[(String, Vec<u8>)]| {
        http::get(envoy.port(listener), "/v1/buckets", who).status
    };
    // Who has proved nothing is answered 401 too, but does not count.
    assert_eq!((status("other", &[alice()]), status("other", &[])), (401, 401));
    assert_eq!((status("same", &[alice()]), status("same", &[])), (200, 401));
    let stat = |name: &str| envoy.stat(&format!("wasmcustom.kinto_jwt.{name}"));
    wait_for("refused tickets", || (stat("tickets_refused") == 1).then_some(()));

    let upstream = Issuer::start();
    let settings = Carrier::Ticket.settings(settings_with(json!({})));
    let envoy = Envoy::start(&config_of(upstream.port, &[("kinto", as_struct(&settings))]));
    let ahead = |seconds: u64| {
        upstream.answer("/v1/", Answer::new(200, "{}").header("Date", &date(now() - seconds)));
        wait_for("clock", || {
            http::get(envoy.port("kinto"), "/v1/", &[alice()]);
            let ahead = envoy.stat("wasmcustom.kinto_jwt.clock_ahead_seconds");
            (ahead >= seconds && ahead < seconds + 5).then_some(())
        });
    };
    ahead(1000);
    ahead(100);
}

/// A time as `Date` has it (RFC 9110 section 5.6.7), on some day.
fn date(time: u64) -> String {
    let seconds = time % 86_400;
    format!("Thu, 01 Jan 1970 {:02}:{:02}:{:02} GMT", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Kinto's file has no secret of its own: until somebody gives it one, it believes nobody.
#[test]
fn a_kinto_without_a_secret_believes_nobody() {
    let mut application = Carrier::Ticket.application();
    application["settings"]["multiauth.policy.kinto_jwt.secret"] = json!("null");
    let kinto = Kinto::start(&json!({"kinto": application}), None);
    for secret in ["", "null", "None"] {
        let ticket = tickets(&[(secret, 0, "admin")]).remove(0);
        let answer = http::get(kinto.port("kinto"), "/v1/", &[header("Cookie", format!("kjwt={ticket}"))]);
        assert_eq!(answer.status, 500, "{secret}");
    }
    assert_eq!(http::get(kinto.port("kinto"), "/v1/", &[]).user(), "anonymous");
}

/// A batch of 25 in which each sub-request gets a ticket has its announced length.
#[test]
fn a_full_batch_has_room_for_its_tickets() {
    let (_kinto, envoy) = start(&[("kinto", json!({"onMissing": "anonymous"}))]);
    let user = "日".repeat(100);
    let own = json!({"path": "/", "headers": {"Cookie": "a"}});
    for (requests, who, expected) in [
        (vec![own.clone(); 25], Some(token(&user)), format!("kinto_jwt:{user}")),
        (vec![own; 25], None, "anonymous".to_owned()),
    ] {
        let headers: Headers = who.iter().map(|token| authorization(token)).chain([json_type()]).collect();
        let body = json!({"requests": requests}).to_string();
        let answer = http::post(envoy.port("kinto"), "/v1/batch", &headers, body.as_bytes()).json();
        let users: Vec<String> =
            answer["responses"].as_array().unwrap().iter().map(|sub| http::user(&sub["body"])).collect();
        assert_eq!(users, vec![expected; 25]);
    }
}
