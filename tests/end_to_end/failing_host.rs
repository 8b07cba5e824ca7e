//! A request natively, in a proxy whose calls fail, one after the other: nothing is forwarded that was not decided.

mod proxy;

use std::cell::{Cell, RefCell};

use kinto_jwt_filter::{Flow, Gate, HttpRequest, Wait, parse_config};
use serde_json::{Value, json};

use kit::carrier::Carrier;
use kit::forgeries::FORGERY;
use kit::table::settings_with;
use kit::tokens::{b64, now, rs256, token_with_kid};

use proxy::Proxy;

/// What is sent, and how far.
struct Sent {
    name: &'static str,
    settings: Value,
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    trailers: bool,
    /// What Kinto answers, with this Content-Encoding, if the test is about the answer.
    answer: Option<(&'static str, &'static str)>,
    /// Whether the proxy answers 413 instead, because the body does not fit into its buffer.
    overflows: bool,
}

/// How a request ended.
struct Outcome {
    proxy: Proxy,
    /// What went on to Kinto: headers, and the body.
    headers: bool,
    body: bool,
}

impl Sent {
    fn gate(&self) -> Gate {
        let mut settings = self.settings.clone();
        settings["accessLogReason"] = json!(true);
        Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap())
    }

    /// A proxy with this request, whose call of this number fails.
    fn proxy(&self, fails_at: usize, wait: Option<Wait>) -> Proxy {
        let line = [(":method", self.method.to_owned()), (":path", self.path.to_owned())];
        let fields = line.into_iter().chain(self.headers.clone());
        let request = fields.map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
        Proxy {
            request: RefCell::new(request),
            trailers: RefCell::new(vec![
                ("userid".into(), b"admin".to_vec()),
                ("cookie".into(), b"kjwt=admin".to_vec()),
            ]),
            request_body: RefCell::new(self.body.clone().unwrap_or_default().into_bytes()),
            wait: Cell::new(wait),
            fails_at,
            ..Proxy::default()
        }
    }

    /// Runs the callbacks as Envoy would, in a proxy whose call of this number fails.
    fn run(&self, fails_at: usize, wait: Option<Wait>) -> Outcome {
        let (gate, proxy) = (self.gate(), self.proxy(fails_at, wait));
        let size = proxy.request_body.borrow().len();
        let mut state = HttpRequest::new();
        let ends_at_once = self.body.is_none();
        let mut headers = state.on_headers(&gate, &proxy, ends_at_once) == Flow::Continue;
        let mut body = ends_at_once && headers;
        if !ends_at_once && proxy.sent.borrow().is_none() {
            // As with `allow_on_headers_stop_iteration`: the body comes although the headers wait.
            let ended = state.on_body(&gate, &proxy, size, !self.trailers) == Flow::Continue;
            let ended = if self.trailers && proxy.sent.borrow().is_none() {
                state.on_trailers(&gate, &proxy) == Flow::Continue
            } else {
                ended
            };
            body = ended;
            headers |= ended;
        }
        if proxy.wait.get() == Some(Wait::Granted) {
            state.resume(&gate, &proxy);
            (headers, body) = (headers || proxy.resumed.get(), body || proxy.resumed.get());
        }
        if let Some((answer, encoding)) = self.answer.filter(|_| body) {
            proxy.overflowed.set(self.overflows);
            let status = if self.overflows { "413" } else { "200" };
            let fields = [
                (":status", status),
                ("content-type", "application/json"),
                ("content-encoding", encoding),
                ("set-cookie", "b=2"),
                ("set-cookie", "kjwt=; Max-Age=0"),
            ];
            *proxy.response.borrow_mut() =
                fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
            *proxy.response_body.borrow_mut() = answer.as_bytes().to_vec();
            if state.on_response_headers(&gate, &proxy, false) == Flow::Continue {
                state.on_response_body(&gate, &proxy, answer.len(), true);
            }
        }
        Outcome { proxy, headers, body }
    }
}

fn alice() -> String {
    format!("JWT {}", rs256(&json!({"sub": "alice", "exp": now() + 600})))
}

/// A token of alice's that is bound to the certificate with [`DIGITS`].
fn bound() -> String {
    let cnf = json!({"x5t#S256": b64([0xa5; 32])});
    format!("JWT {}", rs256(&json!({"sub": "alice", "exp": now() + 600, "cnf": cnf})))
}

/// SHA-256 of a certificate, as Envoy writes it.
const DIGITS: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

fn verify() -> Value {
    settings_with(json!({"boundTokens": "verify"}))
}

fn requests() -> Vec<Sent> {
    let spoof = || vec![("userid", "admin".to_owned()), ("authorization", alice())];
    let sent = |name, settings, method, path, headers, body: Option<&str>| Sent {
        name,
        settings,
        method,
        path,
        headers,
        body: body.map(str::to_owned),
        trailers: false,
        answer: None,
        overflows: false,
    };
    let reject = json!({"onMissing": "reject", "onInvalid": "reject"});
    let waiting =
        json!({"remoteJwks": {"uri": "http://i/", "cluster": "i"}, "onKeysUnavailable": "unauthorizedUser"});
    let unknown = format!("JWT {}", token_with_kid("RS256", "rsa", "k", &json!({"sub": "alice"})));
    let wait = || vec![("userid", "admin".to_owned()), ("authorization", unknown.clone())];
    let own =
        json!({"requests": [{"path": "/v1/", "headers": {"userId": "admin", "Authorization": unknown}}]});
    let partly =
        json!({"requests": [{"path": "/v1/", "headers": {"Authorization": alice()}}, {"path": "/v1/x"}]});
    let mut one_user = waiting.clone();
    one_user["batch"] = json!({"ownTokens": "refuse"});
    one_user["onKeysUnavailable"] = json!("anonymous");
    let of_bound = || vec![("userid", "admin".to_owned()), ("authorization", bound())];
    let mut list = vec![
        sent("GET", settings_with(json!({})), "GET", "/v1/", spoof(), None),
        sent(
            "GET of two spellings",
            settings_with(json!({"userIdHeader": "user-id"})),
            "GET",
            "/v1/",
            vec![("user_id", "admin".into()), ("user-id", "admin".into())],
            None,
        ),
        sent(
            "PUT",
            settings_with(json!({"claimsToHeaders": {"X-Sub": "sub"}})),
            "PUT",
            "/v1/buckets/b",
            spoof(),
            Some("{}"),
        ),
        sent(
            "cookie and query",
            settings_with(json!({"from": [{"cookie": "t"}, {"query": "t"}]})),
            "GET",
            "/v1/?t=a.b.c&x",
            vec![("cookie", "t=a.b.c; u=v".into()), ("userid", "admin".into())],
            None,
        ),
        sent(
            "rejected",
            settings_with(reject.clone()),
            "GET",
            "/v1/x",
            vec![("userid", "admin".into())],
            None,
        ),
        sent("batch", settings_with(json!({})), "POST", "/v1/batch", spoof(), Some(FORGERY)),
        sent("unclear", settings_with(json!({})), "POST", "/v1/batch%", spoof(), Some(FORGERY)),
        sent("refused batch", settings_with(json!({})), "POST", "/v1/batch", spoof(), Some("[]")),
        sent("waits", waiting.clone(), "PUT", "/v1/buckets/b", wait(), Some("{}")),
        sent("waits at its end", waiting.clone(), "GET", "/v1/", wait(), None),
        sent("batch waits at its headers", waiting.clone(), "POST", "/v1/batch", wait(), Some(FORGERY)),
        sent(
            "batch waits at its body",
            waiting,
            "POST",
            "/v1/batch",
            vec![("userid", "admin".into())],
            Some(&own.to_string()),
        ),
        sent(
            "batch of two users, one of whom is not known yet",
            one_user,
            "POST",
            "/v1/batch",
            vec![("userid", "admin".into())],
            Some(&own.to_string()),
        ),
        sent("bound token", verify(), "GET", "/v1/", of_bound(), None),
        sent("batch of bound tokens", verify(), "POST", "/v1/batch", of_bound(), Some(FORGERY)),
        sent(
            "a part is rejected",
            settings_with(reject),
            "POST",
            "/v1/batch",
            vec![("content-length", "9999".into())],
            Some(&partly.to_string()),
        ),
    ];
    list.push(Sent {
        trailers: true,
        ..sent("batch with trailers", settings_with(json!({})), "POST", "/v1/batch", spoof(), Some(FORGERY))
    });
    let answer = r#"{"responses":[{"status":200}]}"#;
    list.last_mut().unwrap().answer = Some((answer, ""));
    let last = list.iter().position(|sent| sent.name == "a part is rejected").unwrap();
    list[last].answer = Some((answer, "identity"));
    let with_ticket = |more: Value| Carrier::Ticket.settings(settings_with(more));
    let cookie = || ("cookie", "a=1; kjwt=admin".to_owned());
    let forged = json!({"requests": [{"path": "/v1/", "headers": {"Cookie": "kjwt=admin"}}]}).to_string();
    list.push(Sent {
        answer: Some(("{}", "")),
        ..sent(
            "GET with a ticket",
            with_ticket(json!({"userIdHeader": "userId"})),
            "GET",
            "/v1/",
            [spoof(), vec![cookie()]].concat(),
            None,
        )
    });
    list.push(Sent {
        answer: Some((answer, "")),
        trailers: true,
        ..sent(
            "batch with tickets",
            with_ticket(json!({})),
            "POST",
            "/v1/batch",
            vec![cookie()],
            Some(&forged),
        )
    });
    list.push(sent(
        "a stranger waits with a ticket",
        Carrier::Ticket.settings(
            json!({"remoteJwks": {"uri": "http://i/", "cluster": "i"}, "onKeysUnavailable": "anonymous"}),
        ),
        "PUT",
        "/v1/buckets/b",
        [wait(), vec![cookie()]].concat(),
        Some("{}"),
    ));
    list.push(Sent {
        answer: Some(("Payload Too Large", "")),
        overflows: true,
        ..sent("batch overflows", settings_with(json!({})), "POST", "/v1/batch", spoof(), Some(FORGERY))
    });
    list
}

#[test]
fn a_host_that_fails_forwards_nothing() {
    let mut failures = 0;
    for sent in requests() {
        for wait in [None, Some(Wait::Granted), Some(Wait::NoRoom)] {
            let whole = sent.run(usize::MAX, wait);
            let calls = whole.proxy.calls.borrow().clone();
            assert!(
                !whole.headers || whole.proxy.header("userid").iter().all(|user| user != "admin"),
                "{}",
                sent.name
            );
            for (number, call) in calls.iter().enumerate() {
                let what = format!("{} ({wait:?}), call {number}: {call}", sent.name);
                let Outcome { proxy, headers, body } = sent.run(number, wait);
                failures += 1;
                let answered = proxy.sent.borrow().clone();
                let was_sent = proxy.response.borrow().is_empty();
                // Where the answer itself failed, it is the second one.
                let answered = answered.unwrap_or_else(|| panic!("{what}: no answer"));
                assert_eq!(answered.status, 500, "{what}");
                let error: Value = serde_json::from_str(&answered.body).unwrap();
                assert_eq!((&error["code"], &error["errno"]), (&json!(500), &json!(999)), "{what}");
                // The headers of a batch go before its body; without the body they are nothing. What fails in the answer
                // fails after the request.
                assert!(!body || !was_sent, "{what}: the body was forwarded");
                assert!(!headers || sent.body.is_some() || !was_sent, "{what}: the request was forwarded");
                if headers {
                    assert!(!proxy.header("cookie").concat().contains("admin"), "{what}");
                    assert!(proxy.header("userid").iter().all(|user| user != "admin"), "{what}");
                    assert!(proxy.header("user_id").is_empty(), "{what}");
                }
            }
        }
    }
    println!("{failures} calls failed");
    assert!(failures > 200, "{failures}");
}

/// A request claims nothing when its first callback is over, and to its end, whatever becomes of it.
#[test]
fn the_identity_is_stripped_before_anything_else() {
    for sent in requests() {
        for wait in [None, Some(Wait::Granted), Some(Wait::NoRoom)] {
            let at_first = sent.proxy(usize::MAX, wait);
            HttpRequest::new().on_headers(&sent.gate(), &at_first, sent.body.is_none());
            let at_last = sent.run(usize::MAX, wait).proxy;
            for proxy in [&at_first, &at_last] {
                for user in proxy.header("userid").iter().chain(&proxy.header("user-id")) {
                    assert!(user != "admin", "{}: {user}", sent.name);
                }
                assert!(proxy.header("user_id").is_empty(), "{}", sent.name);
                assert!(!proxy.header("cookie").concat().contains("admin"), "{}", sent.name);
            }
            let trailers = at_last.trailers.borrow();
            assert!(!sent.trailers || trailers.iter().all(|(name, _)| name == "cookie"), "{}", sent.name);
            let has_ticket = sent.settings["ticket"].is_object();
            assert!(!sent.trailers || trailers.is_empty() == has_ticket, "{}", sent.name);
            let answer = at_last.response.borrow();
            let set_cookies = answer.iter().filter(|(name, _)| name == "set-cookie").count();
            assert!(answer.is_empty() || set_cookies == 2 - usize::from(has_ticket), "{}", sent.name);
            let body = at_last.request_body.borrow().clone();
            let forwarded = at_last.sent.borrow().is_none();
            assert!(!forwarded || !String::from_utf8(body).unwrap().contains("admin"), "{}", sent.name);
        }
    }
}

#[test]
fn without_room_to_wait_the_key_is_unavailable_and_the_token_not_invalid() {
    let unknown = format!("JWT {}", token_with_kid("RS256", "rsa", "k", &json!({"sub": "alice"})));
    let batch =
        json!({"requests": [{"path": "/v1/", "headers": {"Authorization": unknown}}, {"path": "/v1/"}]});
    for (on_keys, status) in [("reject", Some(503)), ("unauthorizedUser", None)] {
        let settings = json!({"remoteJwks": {"uri": "http://i/", "cluster": "i"}, "onInvalid": "reject", "onKeysUnavailable": on_keys});
        let sent = Sent {
            name: "no room",
            settings,
            method: "GET",
            path: "/v1/",
            headers: vec![("authorization", unknown.clone())],
            body: None,
            trailers: false,
            answer: None,
            overflows: false,
        };
        let proxy = sent.run(usize::MAX, Some(Wait::NoRoom)).proxy;
        assert_eq!(proxy.sent.borrow().as_ref().map(|answer| answer.status), status);
        assert_eq!(proxy.reason.borrow().as_deref(), Some("no_room_to_wait"));
        let users = proxy.header("userid");
        assert_eq!(users, if status.is_some() { vec![] } else { vec!["public"] });

        let sent = Sent {
            method: "POST",
            path: "/v1/batch",
            headers: vec![],
            body: Some(batch.to_string()),
            ..sent
        };
        let proxy = sent.run(usize::MAX, Some(Wait::NoRoom)).proxy;
        let body: Value = serde_json::from_slice(proxy.request_body.borrow().trim_ascii()).unwrap();
        let requests = body["requests"].as_array().unwrap().len();
        assert_eq!(requests, if status.is_some() { 1 } else { 2 }, "{body}");
        assert_eq!(proxy.reason.borrow().as_deref(), Some("no_room_to_wait"));
    }
}

/// Claims that fill many headers may be longer than the token that they come from.
#[test]
fn a_batch_that_outgrows_the_length_that_was_announced_is_refused() {
    let headers: serde_json::Map<_, _> = (0..40).map(|n| (format!("X-{n}"), json!("long"))).collect();
    let own = rs256(&json!({"sub": "alice", "long": "x".repeat(2000)}));
    let own = json!({"path": "/v1/", "headers": {"Authorization": format!("JWT {own}")}});
    for (count, refused) in [(25, true), (0, false)] {
        let body = json!({"requests": vec![&own; count]}).to_string();
        let sent = Sent {
            name: "long claims",
            settings: settings_with(json!({"claimsToHeaders": headers})),
            method: "POST",
            path: "/v1/batch",
            headers: vec![("content-length", body.len().to_string())],
            body: Some(body),
            trailers: false,
            answer: None,
            overflows: false,
        };
        let Outcome { proxy, body, .. } = sent.run(usize::MAX, None);
        assert_eq!(body, !refused);
        assert_eq!(proxy.sent.borrow().as_ref().map(|answer| answer.status), refused.then_some(400));
        assert_eq!(
            proxy.reason.borrow().as_deref(),
            Some(if refused { "batch_too_long" } else { "no_token" })
        );
    }
}

/// A clock that fails must not make a token valid that has expired.
#[test]
fn without_a_clock_nothing_is_decided() {
    let sent = requests().remove(0);
    let calls = sent.run(usize::MAX, None).proxy.calls.borrow().clone();
    let clock = calls.iter().position(|call| *call == "clock").unwrap();
    let Outcome { proxy, headers, .. } = sent.run(clock, None);
    assert_eq!((proxy.sent.borrow().as_ref().unwrap().status, headers), (500, false));
}

/// "Not decided yet" is a state of its own, in which every callback pauses.
#[test]
fn a_request_that_waits_is_paused_in_every_callback() {
    let waits = |sent: &Sent| sent.name.contains("waits") && sent.body.is_some();
    for sent in requests().into_iter().filter(waits) {
        let (gate, proxy) = (sent.gate(), sent.proxy(usize::MAX, Some(Wait::Granted)));
        let size = proxy.request_body.borrow().len();
        let mut state = HttpRequest::new();
        let at_body = sent.name.contains("body");
        let first = state.on_headers(&gate, &proxy, false);
        assert_eq!(first, if at_body { Flow::Continue } else { Flow::Pause }, "{}", sent.name);
        for end_of_stream in [false, true, true] {
            assert_eq!(state.on_body(&gate, &proxy, size, end_of_stream), Flow::Pause, "{}", sent.name);
        }
        assert_eq!(state.on_trailers(&gate, &proxy), Flow::Pause, "{}", sent.name);
        assert!(!proxy.resumed.get() && proxy.sent.borrow().is_none(), "{}", sent.name);
        // What waits may only get longer, by spaces: there is room for the identities.
        let held = proxy.request_body.borrow().clone();
        let sent_body = sent.body.as_deref().unwrap().as_bytes();
        assert_eq!(held.trim_ascii_end(), sent_body, "{}", sent.name);
        assert_eq!(held.len() > sent_body.len(), at_body, "{}", sent.name);

        // Keys have not come: the decision is made without them, on the whole body.
        proxy.wait.set(None);
        state.resume(&gate, &proxy);
        assert!(proxy.resumed.get(), "{}", sent.name);
        assert!(!String::from_utf8_lossy(&proxy.request_body.borrow()).contains("admin"), "{}", sent.name);
        assert_eq!(state.on_trailers(&gate, &proxy), Flow::Continue, "{}", sent.name);
    }
}

/// A request of this method, path and token, in a proxy whose client has this certificate.
fn over(settings: Value, path: &str, token: &str, certificate: &str) -> Proxy {
    let is_batch = path.ends_with("batch");
    let sent = Sent {
        name: "over a connection",
        settings,
        method: if is_batch { "POST" } else { "GET" },
        path: "",
        headers: vec![("authorization", token.to_owned())],
        body: None,
        trailers: false,
        answer: None,
        overflows: false,
    };
    let body = json!({"requests": [{"path": "/"}, {"path": "/", "headers": {"Authorization": bound()}}]});
    let body = if is_batch { body.to_string() } else { String::new() };
    let proxy = Proxy { certificate: certificate.to_owned(), ..sent.proxy(usize::MAX, None) };
    proxy.request.borrow_mut()[1].1 = path.as_bytes().to_vec();
    *proxy.request_body.borrow_mut() = body.clone().into_bytes();
    let (gate, mut state) = (sent.gate(), HttpRequest::new());
    assert_eq!(state.on_headers(&gate, &proxy, !is_batch), Flow::Continue);
    if is_batch {
        assert_eq!(state.on_body(&gate, &proxy, body.len(), true), Flow::Continue);
    }
    proxy
}

#[test]
fn only_the_digits_of_the_right_certificate_make_a_bound_token_count() {
    let upper = DIGITS.to_uppercase();
    let longer = format!("{DIGITS}a5");
    for (certificate, user) in [
        (DIGITS, "alice"),
        ("", "public"),
        (&DIGITS[2..], "public"),
        (longer.as_str(), "public"),
        (upper.as_str(), "public"),
        ("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", "public"),
    ] {
        let proxy = over(verify(), "/v1/", &bound(), certificate);
        assert_eq!(proxy.header("userid"), [user], "{certificate}");
        let proxy = over(verify(), "/v1/batch", &alice(), certificate);
        let body: Value = serde_json::from_slice(proxy.request_body.borrow().trim_ascii()).unwrap();
        assert_eq!(body["requests"][1]["headers"]["userId"], user, "{certificate}");
    }
}

/// Each question to Envoy takes time.
#[test]
fn the_certificate_is_asked_for_only_where_it_may_decide() {
    for (settings, path, token, expected) in [
        (settings_with(json!({})), "/v1/", bound(), 0),
        (settings_with(json!({})), "/v1/batch", bound(), 0),
        (settings_with(json!({"boundTokens": "ignore"})), "/v1/batch", bound(), 0),
        (verify(), "/v1/", alice(), 0),
        (verify(), "/v1/", bound(), 1),
        (verify(), "/v1/batch", alice(), 1),
        // For the request that carries the batch, and for all sub-requests.
        (verify(), "/v1/batch", bound(), 2),
    ] {
        let proxy = over(settings.clone(), path, &token, DIGITS);
        let asked = proxy.calls.borrow().iter().filter(|call| **call == "certificate").count();
        assert_eq!(asked, expected, "{path} with {}", settings["boundTokens"]);
    }
}

/// Nothing of a batch of two users goes on, whether the key of one of them comes, does not come, or cannot be waited for.
#[test]
fn a_batch_of_two_users_is_refused_however_its_wait_ends() {
    let all = requests();
    let sent = all.iter().find(|sent| sent.name.starts_with("batch of two users")).unwrap();
    for wait in [None, Some(Wait::Granted), Some(Wait::NoRoom)] {
        let Outcome { proxy, body, .. } = sent.run(usize::MAX, wait);
        assert!(!body, "{wait:?}");
        assert_eq!(proxy.sent.borrow().as_ref().map(|answer| answer.status), Some(400), "{wait:?}");
        assert_eq!(proxy.reason.borrow().as_deref(), Some("batch_other_user"), "{wait:?}");
    }
}

/// A batch waits at its headers, while its body comes, and again at its body. It must not get longer then: the client is
/// asked to try again, and the operator sees why.
#[test]
fn a_batch_that_waits_twice_and_would_grow_may_come_again() {
    let is_it = |sent: &Sent| sent.name == "batch waits at its headers";
    let mut sent = requests().into_iter().find(is_it).unwrap();
    let token = &sent.headers.iter().find(|(name, _)| *name == "authorization").unwrap().1;
    let body = json!({"requests": [{"path": "/", "headers": {"Authorization": token}}]}).to_string();
    sent.settings["onKeysUnavailable"] = json!("unauthorizedUser");
    sent.settings["forwardToken"] = json!(true);
    sent.body = Some(body.clone());
    let (gate, proxy) = (sent.gate(), sent.proxy(usize::MAX, Some(Wait::Granted)));
    let mut state = HttpRequest::new();
    assert_eq!(state.on_headers(&gate, &proxy, false), Flow::Pause);
    assert_eq!(state.on_body(&gate, &proxy, body.len(), true), Flow::Pause);
    state.resume(&gate, &proxy);
    assert!(proxy.sent.borrow().is_none() && !proxy.resumed.get(), "it waits at its body");
    state.resume(&gate, &proxy);
    assert_eq!(proxy.sent.borrow().as_ref().map(|answer| answer.status), Some(503));
    assert_eq!(proxy.reason.borrow().as_deref(), Some("keys_unavailable"));
    assert!(!proxy.resumed.get() && *proxy.request_body.borrow() == body.as_bytes());
}
