//! The body of a batch natively: what Kinto gets, what is refused, and how much work it is.

mod form;
mod identities;
mod places;
mod refusals;

use kinto_jwt_filter::{
    BatchRequest, Gate, Refusal, Rejection, Rewritten, UnknownKeys, batch_growth, parse_config, rewrite_batch,
};
use serde_json::{Value, json};

use kit::http;
use kit::table::{Case, settings_with};
use kit::tokens::{SECRET, now, rs256, token};

/// The settings of the filter beside its key, and the rows for them.
type Table = (&'static str, &'static [Row]);

/// A row of the table: its name, who asks (a header of the outer request), the body that a client sends, what is expected.
///
/// In a text, `<bob>` stands for a token of bob's, and `<x*9>` for nine times the letter x.
type Row = (&'static str, &'static str, &'static str, Expected);

const ALICE: &str = "Authorization: JWT <alice>";
const BAD_TOKEN: &str = "Authorization: JWT a.b.c";
const NO_TOKEN: &str = "";

const TABLES: [Table; 12] = [
    identities::IDENTITIES,
    identities::OTHER_HEADER,
    identities::ANONYMOUS,
    identities::CLAIM_HEADERS,
    places::FORWARDED_TOKENS,
    places::COOKIES_AND_QUERIES,
    form::FORM,
    refusals::REJECTED,
    refusals::REFUSALS,
    refusals::TWO_AT_MOST,
    refusals::ONE_USER,
    refusals::ONE_USER_OR_REJECTED,
];

/// What becomes of a batch.
enum Expected {
    /// Kinto gets this body.
    Rewritten(&'static str),
    /// Kinto gets what was sent.
    Same,
    /// Kinto gets this body, and the client these answers beside Kinto's: place, status, path.
    Rejected(&'static str, &'static [(usize, u64, &'static str)]),
    /// Kinto gets nothing, for this reason.
    Refused(&'static str),
}

/// The text of a row with its tokens and repetitions in it.
fn filled(text: &str) -> String {
    let exp = now() + 600;
    let tokens = [
        ("<alice>", json!({"sub": "alice", "name": "Alice", "exp": exp})),
        ("<bob>", json!({"sub": "bob", "name": "Bob \"B\" Jones", "exp": exp})),
        ("<carol>", json!({"sub": "carol", "exp": exp})),
        ("<expired>", json!({"sub": "bob", "exp": 1})),
    ];
    let mut text = text.to_owned();
    for (name, claims) in tokens {
        if text.contains(name) {
            text = text.replace(name, &rs256(&claims));
        }
    }
    while let Some((before, rest)) = text.split_once("<x*") {
        let (count, after) = rest.split_once('>').unwrap();
        text = format!("{before}{}{after}", "x".repeat(count.parse().unwrap()));
    }
    text
}

/// What is wrong with a row, if anything is.
fn fault(gate: &Gate, (_, asks, sent, expected): &Row) -> Option<String> {
    let sent = filled(sent);
    let rewritten = rewrite(gate, &filled(asks), &sent);
    let (expected_body, expected_rejected): (_, &[_]) = match expected {
        Expected::Refused(code) => {
            let refusal = rewritten.map_err(Refusal::code);
            return (refusal.as_ref().err() != Some(code)).then(|| format!("{refusal:?}, not {code}"));
        }
        Expected::Same => (sent, &[]),
        Expected::Rewritten(body) => (filled(body), &[]),
        Expected::Rejected(body, rejected) => (filled(body), rejected),
    };
    let Ok(Rewritten { body, forwarded, rejected, .. }) = rewritten else {
        return Some(format!("{:?}", rewritten.unwrap_err()));
    };
    let body = String::from_utf8(body).unwrap();
    if body != expected_body {
        return Some(format!("\n     {body}\nnot  {expected_body}"));
    }
    let answers: Vec<_> = rejected
        .iter()
        .map(|(place, answer)| (*place, answer["status"].as_u64().unwrap(), answer["path"].as_str().unwrap()))
        .collect();
    if answers != expected_rejected {
        return Some(format!("answers {answers:?}, not {expected_rejected:?}"));
    }
    let written: Value = serde_json::from_str(&body).unwrap();
    let count = written["requests"].as_array().unwrap().len();
    (forwarded != count).then(|| format!("{forwarded} forwarded, and {count} in the body"))
}

#[test]
fn each_row_of_the_table_of_batches_holds() {
    let mut wrong = Vec::new();
    for (settings, rows) in TABLES {
        let gate = gate(&settings_with(serde_json::from_str(settings).unwrap()));
        for row in rows {
            wrong.extend(fault(&gate, row).map(|fault| format!("{settings}, {}: {fault}", row.0)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn gate(settings: &Value) -> Gate {
    Gate::new(parse_config(settings.to_string().as_bytes(), None).unwrap())
}

/// A request with this header, or with none.
fn request(header: &str) -> Case {
    let header = header.split_once(": ").map(|(name, value)| http::header(name, value));
    Case::new("", header.into_iter().collect(), Ok(""))
}

/// The outer request of a batch, with this header, or with none.
fn outer_request(gate: &Gate, header: &str) -> BatchRequest {
    BatchRequest::new(gate.decide(&request(header), now()), "/v1".to_owned(), Vec::new())
}

/// What becomes of a batch whose outer request has this header, or none.
fn rewrite(gate: &Gate, header: &str, body: &str) -> Result<Rewritten, Refusal> {
    let outer = outer_request(gate, header);
    let rewritten = rewrite_batch(gate, body.as_bytes(), &outer, now(), UnknownKeys::AreInvalid)?;
    match rewritten.refusal {
        Some(refusal) => Err(refusal),
        None => Ok(rewritten),
    }
}

fn jwt(user: &str) -> String {
    format!("JWT {}", rs256(&json!({"sub": user, "exp": now() + 600})))
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
        let gate = gate(&settings_with(settings.clone()));
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
                    ["".to_owned(), jwt("alice"), jwt(&"\"long\\".repeat(50)), "JWT a.b.c".to_owned()]
                {
                    let header = format!("Authorization: {outer}");
                    let written = rewrite(&gate, &header, &body).unwrap().body.len();
                    let outer = outer_request(&gate, &header);
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

/// Bytes for one identity more than there are sub-requests, because defaults may have one too.
#[test]
fn a_batch_is_announced_with_room_for_an_identity_in_each_sub_request() {
    for (settings, who, bytes) in [
        // `"userId":"..."` of 128 bytes, a comma, and `"headers":{}` with a slash: 156 bytes for each of 25 + 1.
        (json!({}), "", 4056),
        (json!({}), "alice", 4056),
        (json!({}), &"a".repeat(200), 26 * (6 + 202 + 5 + 17)),
        (json!({"batch": {"maxRequests": 2}}), "", 3 * 156),
        (json!({"userIdHeader": "X-Kinto-User"}), "", 26 * (156 + 6)),
        (json!({"unauthorizedUserId": "n".repeat(200)}), "", 26 * (6 + 202 + 5 + 17)),
        (json!({"claimsToHeaders": {"X-Name": "name", "X-Y": "y"}}), "", 26 * (156 + 139 + 136)),
        // And the tokens that stay.
        (json!({"forwardToken": true}), "", 4056 + 1000),
    ] {
        let gate = gate(&settings_with(settings.clone()));
        let header = if who.is_empty() { String::new() } else { format!("Authorization: {}", jwt(who)) };
        assert_eq!(batch_growth(&gate, 1000, &outer_request(&gate, &header)), bytes, "{settings}, {who}");
    }
}

#[test]
fn a_rejected_sub_request_is_answered_as_kinto_would() {
    let gate = gate(&settings_with(json!({"onMissing": "reject"})));
    let body = r#"{"requests":[{"path":"/v1/a?x"},{"path":"/b","method":"HEAD"}]}"#;
    let rejected = rewrite(&gate, NO_TOKEN, body).unwrap().rejected;
    let message = rejected[0].1["body"]["message"].as_str().unwrap();
    let answer = json!({"code": 401, "errno": 104, "error": "Unauthorized", "message": message});
    let headers = rejected[0].1["headers"].clone();
    assert_eq!(headers["WWW-Authenticate"], r#"JWT realm="kinto""#);
    assert_eq!(headers["Content-Type"], "application/json");
    assert_eq!(headers["Content-Length"], answer.to_string().len().to_string());
    for (number, path, body) in [(0, "/v1/a", answer), (1, "/v1/b", json!(""))] {
        let entry = json!({"status": 401, "path": path, "headers": headers, "body": body});
        assert_eq!(rejected[number], (number, entry));
    }
}

/// What became of each sub-request that brought a token or is rejected, for the log and the metrics.
#[test]
fn a_batch_tells_what_was_decided_in_it() {
    let gate = gate(&settings_with(json!({"onMissing": "reject"})));
    let body = r#"{"requests":[{"path":"/a"},{"path":"/a","headers":{"Authorization":"JWT <bob>"}},
        {"path":"/a","headers":{"Authorization":"JWT a.b.c"}},{"path":"/"}]}"#;
    let rewritten = rewrite(&gate, NO_TOKEN, &filled(body)).unwrap();
    let expected = [
        (0, "rejected", Some(Rejection::NoToken.into())),
        (1, "user", None),
        (2, "unauthorized_user", Some(Rejection::NotBase64Url.into())),
    ];
    assert_eq!((rewritten.decided.as_slice(), rewritten.awaits), (expected.as_slice(), None));
}
