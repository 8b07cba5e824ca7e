//! The body of a batch natively: what Kinto gets, what is refused, and how much work it is.

use std::borrow::Cow;

use kinto_jwt_filter::{
    BatchRequest, Gate, Refusal, Request, Rewritten, UnknownKeys, batch_growth, parse_config, rewrite_batch,
};
use serde_json::{Value, json};

use kit::table::with;
use kit::tokens::{SECRET, now, rs256, token};

/// A request with no header but `Authorization`.
struct Authorization<'a>(&'a str);

impl Request for Authorization<'_> {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let value = (name == "authorization" && !self.0.is_empty()).then(|| self.0.as_bytes().into());
        value.into_iter()
    }
}

fn gate(settings: &Value) -> Gate {
    Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap())
}

fn jwt(user: &str) -> String {
    format!("JWT {}", rs256(&json!({"sub": user, "exp": now() + 600})))
}

fn rewrite(gate: &Gate, outer: &str, body: &str) -> Result<Rewritten, Refusal> {
    let outer = BatchRequest::new(gate.decide(&Authorization(outer), now()), "/v1".to_owned());
    rewrite_batch(gate, body.as_bytes(), &outer, now(), UnknownKeys::AreInvalid)
}

/// What Kinto gets of a batch that alice sends.
fn of_alice(gate: &Gate, body: &Value) -> Value {
    let rewritten = rewrite(gate, &jwt("alice"), &body.to_string())
        .unwrap_or_else(|refusal| panic!("{refusal:?}: {body}"));
    serde_json::from_slice(&rewritten.body).unwrap()
}

#[test]
fn kinto_gets_the_identities_that_tokens_prove_and_no_other() {
    let gate = gate(&with(json!({"claimsToHeaders": {"X-Name": "name"}})));
    let (bob, carol) = (jwt("bob"), jwt("carol"));
    let requests = |requests: Value| json!({"requests": requests});
    for (body, expected) in [
        // Inherited, and nothing is written.
        (requests(json!([{"path": "/"}])), requests(json!([{"path": "/"}]))),
        // Claimed, and removed.
        (
            requests(json!([{"path": "/", "headers": {"userId": "a", "x_name": "b", "X-Y": "c"}}])),
            requests(json!([{"path": "/", "headers": {"X-Y": "c"}}])),
        ),
        // Its own token.
        (
            requests(json!([{"path": "/", "headers": {"authorization": bob, "userId": "a"}}])),
            requests(json!([{"path": "/", "headers": {"userId": "bob"}}])),
        ),
        // Its own bad token, or another scheme.
        (
            requests(json!([{"path": "/", "headers": {"Authorization": "JWT a.b.c"}}])),
            requests(json!([{"path": "/", "headers": {"userId": "public"}}])),
        ),
        (
            requests(json!([{"path": "/", "headers": {"Authorization": "Basic YTpi"}}])),
            requests(json!([{"path": "/", "headers": {"userId": "public", "Authorization": "Basic YTpi"}}])),
        ),
        // From defaults, and over them. What defaults give is written once.
        (
            json!({"defaults": {"headers": {"Authorization": bob, "userId": "a"}}, "requests": [
                {"path": "/"}, {"path": "/", "headers": {"Authorization": carol}}, {"path": "/", "headers": {"userId": "a"}}]}),
            json!({"defaults": {"headers": {"userId": "bob", "X-Name": ""}}, "requests": [
                {"path": "/"}, {"path": "/", "headers": {"userId": "carol", "X-Name": ""}}, {"path": "/", "headers": {}}]}),
        ),
        // Paths that Kinto would redirect.
        (
            json!({"defaults": {"path": "/v1?/v1batch"}, "requests": [{}, {"path": "/b/?/v1/b/%61tch"}]}),
            json!({"defaults": {"path": "/v1/?/v1batch"}, "requests": [{}, {"path": "/b?/v1/b/%61tch"}]}),
        ),
        // Headers that say how a body is to be read.
        (
            requests(
                json!([{"path": "/", "headers": {"content-type": "Application/JSON; charset=UTF-8", "content-length": "5"}}]),
            ),
            requests(json!([{"path": "/", "headers": {"content-type": "application/json"}}])),
        ),
        (
            requests(
                json!([{"path": "/", "method": "PATCH", "headers": {"Content-Type": "application/merge-patch+json"}, "body": {"data": {}}}]),
            ),
            requests(
                json!([{"path": "/", "method": "PATCH", "headers": {"Content-Type": "application/merge-patch+json"}, "body": {"data": {}}}]),
            ),
        ),
    ] {
        let mut written = of_alice(&gate, &body);
        // A claim header that would be empty anyway is not looked at here.
        let mut expected = expected;
        for value in [&mut written, &mut expected] {
            without_names(value);
        }
        assert_eq!(written, expected, "{body}");
    }
}

#[test]
fn a_claim_header_has_the_characters_that_user_ids_have() {
    let claims = json!({"sub": "alice", "name": "Müller", "city": "Köln", "level": "5"});
    let header = format!("JWT {}", rs256(&claims));
    for (charset, name) in [("ascii", None), ("latin-1", Some("Müller"))] {
        let headers = json!({"X-Level": "level", "X-Name": "name"});
        let gate = gate(&with(json!({"claimsToHeaders": headers, "userIdCharset": charset})));
        let outcome = gate.decide(&Authorization(&header), now()).outcome;
        let claim = |number: usize| outcome.claim(number).map(|text| text.as_str());
        assert_eq!((claim(0), claim(1)), (Some("5"), name), "{charset}");
    }
}

fn without_names(batch: &mut Value) {
    let mut parts: Vec<&mut Value> = batch.as_object_mut().unwrap().values_mut().collect();
    while let Some(part) = parts.pop() {
        match part {
            Value::Array(items) => parts.extend(items),
            Value::Object(_) => {
                if let Some(headers) = part.get_mut("headers").and_then(Value::as_object_mut) {
                    headers.retain(|name, value| name != "X-Name" || value != "");
                }
            }
            _ => {}
        }
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    let gate =
        gate(&with(json!({"from": [{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}]})));
    let one = |request: Value| json!({"requests": [request]});
    let headers = |headers: Value| one(json!({"path": "/", "headers": headers}));
    for (body, refusal) in [
        (one(json!({})), Refusal::Shape),
        (one(json!({"method": "GET"})), Refusal::Shape),
        (one(json!({"path": "/batch"})), Refusal::Nested),
        (one(json!({"path": "/x//y"})), Refusal::Path),
        (one(json!({"path": format!("/?{}", "x".repeat(16_384))})), Refusal::PathTooLong),
        (
            json!({"defaults": {"path": format!("/?{}", "x".repeat(16_384))}, "requests": []}),
            Refusal::PathTooLong,
        ),
        (json!({"defaults": {"path": "/v1/%2562atch"}, "requests": []}), Refusal::Path),
        (headers(json!({"": "x"})), Refusal::HeaderName),
        (headers(json!({"a b": "x"})), Refusal::HeaderName),
        (headers(json!({"é": "x"})), Refusal::HeaderName),
        (headers(json!({"a:": "x"})), Refusal::HeaderName),
        (headers(json!({"a": "x\r\ny: z"})), Refusal::HeaderValue),
        (headers(json!({"a": "\u{0}"})), Refusal::HeaderValue),
        (headers(json!({"a": "x".repeat(65_536)})), Refusal::HeaderTooLong),
        (headers(json!({"If-Match": "x", "if-match": "y"})), Refusal::HeaderTwice),
        (headers(json!({"X-A": "x", "X_A": "y"})), Refusal::HeaderTwice),
        (headers(json!({"Authorization": "x", "AUTHORIZATION": "y"})), Refusal::HeaderTwice),
        (
            json!({"defaults": {"headers": {"authorization": jwt("bob")}}, "requests": [{"path": "/", "headers": {"Authorization": "x"}}]}),
            Refusal::HeaderTwice,
        ),
        (
            json!({"defaults": {"headers": {"If-Match": "x"}}, "requests": [{"path": "/", "headers": {"if-match": "y"}}]}),
            Refusal::HeaderTwice,
        ),
        (headers(json!({"Host": "x"})), Refusal::HeaderReserved),
        (headers(json!({"transfer_encoding": "chunked"})), Refusal::HeaderReserved),
        (headers(json!({"Content-Encoding": "identity"})), Refusal::HeaderReserved),
        (headers(json!({"content-language": "en"})), Refusal::HeaderReserved),
        (headers(json!({"Content-Type": "text/plain"})), Refusal::HeaderReserved),
        (headers(json!({"content-type": "application/json; charset=utf-7"})), Refusal::HeaderReserved),
        (headers(json!({"content-type": "application/json;\u{a0}charset=utf-7"})), Refusal::HeaderReserved),
        (
            headers(json!({"content-type": "application/json; charset=utf-8; charset=utf-7"})),
            Refusal::HeaderReserved,
        ),
        (headers(json!({"content-type": ""})), Refusal::HeaderReserved),
        (
            json!({"defaults": {"headers": {"content-type": "application/json; x"}}, "requests": []}),
            Refusal::HeaderReserved,
        ),
        (json!({"defaults": {"headers": {"Host": "x"}}, "requests": []}), Refusal::HeaderReserved),
    ] {
        assert_eq!(rewrite(&gate, "", &body.to_string()).err(), Some(refusal), "{body}");
    }
}

/// F5. What sub-requests share is decided once, and nothing is decided on a batch that is too long.
#[test]
fn a_token_is_verified_once_in_a_batch() {
    let verifications = |gate: &Gate| {
        let counts = gate.take_counts();
        counts.get("verifications.by.module").copied().unwrap_or_default()
    };
    let bad = format!("JWT {}", token("HS256", &SECRET[1..], &json!({"sub": "x"})));
    let other = format!("JWT {}", token("HS256", &SECRET[2..], &json!({"sub": "y"})));
    let own = |token: &str| json!({"path": "/", "headers": {"Authorization": token}});
    for cache in [json!({}), json!({"maxEntries": 0})] {
        let gate = gate(&json!({"public_key": SECRET, "algorithm": "HS256", "tokenCache": cache}));
        for (body, count) in [
            (json!({"requests": vec![own(&bad); 25]}), 1),
            (json!({"requests": [own(&bad), own(&other), own(&bad), own(&other)]}), 2),
            (json!({"defaults": own(&bad), "requests": vec![json!({}); 25]}), 1),
            (json!({"defaults": own(&bad), "requests": vec![own(&bad); 25]}), 1),
            (
                json!({"defaults": {"headers": {"Authorization": bad}}, "requests": vec![json!({"path": "/?x"}); 25]}),
                1,
            ),
        ] {
            let rewritten = rewrite(&gate, "", &body.to_string()).unwrap();
            assert_eq!((verifications(&gate), rewritten.forwarded > 0), (count, true), "{body}");
        }
        for body in [
            json!({"requests": vec![own(&bad); 26]}),
            json!({"defaults": own(&bad), "requests": vec![json!({}); 60_000]}),
        ] {
            assert_eq!(rewrite(&gate, "", &body.to_string()).err(), Some(Refusal::TooManyRequests(25)));
            assert_eq!(verifications(&gate), 0);
        }
    }
    let gate = gate(&json!({"public_key": SECRET, "algorithm": "HS256", "batch": {"maxRequests": 2}}));
    assert!(rewrite(&gate, "", &json!({"requests": [own(&bad), own(&bad)]}).to_string()).is_ok());
    assert!(rewrite(&gate, "", &json!({"requests": [own(&bad), own(&bad), 1]}).to_string()).is_err());
}

/// The length that is announced before the body is known is never too short, but for claims that fill several headers.
#[test]
fn a_batch_grows_no_more_than_was_announced() {
    for settings in [
        json!({}),
        json!({"unauthorizedUserId": "n".repeat(300)}),
        json!({"unauthorizedUserId": null}),
        json!({"forwardToken": true}),
        json!({"claimsToHeaders": {"X-A": "a", "X-B": "b"}, "userIdHeader": format!("userId-{}", "0".repeat(32))}),
        json!({"batch": {"maxRequests": 100}}),
        json!({"from": [{"header": "Authorization", "schemes": ["JWT"]}, {"cookie": "t"}, {"query": "t"}], "claimsToHeaders": {"X-Sub": "sub"}}),
    ] {
        let gate = gate(&with(settings.clone()));
        let count = usize::try_from(settings["batch"]["maxRequests"].as_u64().unwrap_or(25)).unwrap();
        for request in [
            json!({"path": "/v1"}),
            json!({"path": "/v1", "headers": {"authorization": ""}}),
            json!({"path": "/v1", "headers": {"authorization": "x"}}),
            json!({"path": "/v1", "headers": {"authorization": "JWT a"}}),
            json!({"path": "/v1", "headers": {"authorization": jwt("bob")}}),
            json!({"path": "/v1", "headers": {"Cookie": "x=1"}}),
            json!({}),
        ] {
            let bobs = rs256(&json!({"sub": "bob"}));
            for defaults in [
                json!({}),
                json!({"path": "/v1"}),
                json!({"headers": {"authorization": "x"}}),
                json!({"headers": {"Cookie": format!("t={bobs}")}}),
                json!({"path": format!("/v1/?t={}", rs256(&json!({"sub": "auth0|507f1f77bcf86cd799439011@clients-of-a-tenant"})))}),
            ] {
                // A sub-request has a path, from wherever.
                if request.get("path").is_none() && defaults.get("path").is_none() {
                    continue;
                }
                let body = json!({"defaults": defaults, "requests": vec![&request; count]}).to_string();
                for outer in
                    [String::new(), jwt("alice"), jwt(&"\"long\\".repeat(50)), "JWT a.b.c".to_owned()]
                {
                    let written = rewrite(&gate, &outer, &body).unwrap().body.len();
                    let outer =
                        BatchRequest::new(gate.decide(&Authorization(&outer), now()), "/v1".to_owned());
                    let announced = body.len() + batch_growth(&gate, body.len(), &outer);
                    assert!(
                        written <= announced,
                        "{settings}: {written} of {announced}: {request}, {defaults}"
                    );
                }
            }
        }
    }
}
