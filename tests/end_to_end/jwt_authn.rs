//! Envoy's own `jwt_authn` with `claim_to_headers` in the place of the filter, as carefully as it can be set up, and the
//! same attacks on both: the table in SECURITY.md.

use serde_json::{Value, json};

use kit::carrier::{CARRIERS, Carrier};
use kit::forgeries::{forgeries, redirected};
use kit::http::{self, authorization, header};
use kit::servers::{Envoy, Kinto, as_struct, config_of, manager};
use kit::table::settings_with;
use kit::tokens::{jwk, now, rs256};

/// The filters `header_mutation`, which removes a client's identity header, and `jwt_authn`.
fn jwt_authn() -> [Value; 2] {
    let provider = json!({
        "local_jwks": {"inline_string": json!({"keys": [jwk("k", "rsa")]}).to_string()},
        "from_headers": [{"name": "Authorization", "value_prefix": "JWT "}],
        "claim_to_headers": [{"header_name": "userid", "claim_name": "sub"}],
    });
    let requires =
        json!({"requires_any": {"requirements": [{"provider_name": "issuer"}, {"allow_missing": {}}]}});
    let filters = "type.googleapis.com/envoy.extensions.filters.http";
    [
        json!({
            "name": "header_mutation",
            "typed_config": {
                "@type": format!("{filters}.header_mutation.v3.HeaderMutation"),
                "mutations": {"request_mutations": [{"remove": "userid"}]},
            },
        }),
        json!({
            "name": "jwt_authn",
            "typed_config": {
                "@type": format!("{filters}.jwt_authn.v3.JwtAuthentication"),
                "providers": {"issuer": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": requires}],
            },
        }),
    ]
}

/// How many of these requests make somebody `admin`.
fn successes(port: u16, requests: &[Vec<u8>]) -> usize {
    let is_forged = |request: &&Vec<u8>| {
        let answer = http::exchange(port, request);
        answer.is_some_and(|answer| String::from_utf8_lossy(&answer.body).contains("kinto_jwt:admin"))
    };
    requests.iter().filter(is_forged).count()
}

#[test]
fn jwt_authn_lets_identities_in_batches_through_and_the_filter_does_not() {
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));
    let admin = header("userId", "admin");
    let get = |headers: &[(String, Vec<u8>)]| http::bytes("GET", b"/v1/", headers, b"");
    let batch_within: Vec<Vec<u8>> = redirected()
        .iter()
        .map(|body| http::bytes("POST", b"/v1/batch", &[kit::forgeries::json_type()], body.as_bytes()))
        .collect();
    let attacks = [
        ("an identity header", vec![get(std::slice::from_ref(&admin)), get(&[admin, alice.clone()])]),
        ("an identity in a batch", [forgeries(&[]), forgeries(std::slice::from_ref(&alice))].concat()),
        ("a batch in a batch", batch_within),
    ];

    let applications = json!({"Header": Carrier::Header.observed(), "Ticket": Carrier::Ticket.observed()});
    let kinto = Kinto::start(&applications, None);
    let of = |carrier: Carrier| kinto.port(&format!("{carrier:?}"));
    let filter = |carrier: Carrier| {
        let settings = as_struct(&carrier.settings(settings_with(json!({}))));
        Envoy::start(&config_of(of(carrier), &[("kinto", settings)]))
    };
    let mut peer = config_of(of(Carrier::Header), &[("kinto", json!({}))]);
    let filters = &mut manager(&mut peer["static_resources"]["listeners"][0])["http_filters"];
    *filters = [&jwt_authn()[..], &filters.as_array().unwrap()[1..]].concat().into();
    let peer = Envoy::start(&peer);
    assert_eq!(http::get(peer.port("kinto"), "/v1/", &[alice]).user(), "kinto_jwt:alice");

    let counts = |port: u16| attacks.each_ref().map(|(_, requests)| successes(port, requests));
    let [header, batch, within] = counts(peer.port("kinto"));
    assert_eq!(header, 0);
    assert!(batch > 100 && within > 20, "{batch} and {within}: what is in a body is not looked at");
    for carrier in CARRIERS {
        assert_eq!(counts(filter(carrier).port("kinto")), [0; 3], "{carrier:?}");
    }
    // Past Envoy.
    let [header_past, ..] = counts(of(Carrier::Header));
    assert_eq!((header_past, counts(of(Carrier::Ticket))), (2, [0; 3]));
    let sizes = attacks.each_ref().map(|(_, requests)| requests.len());
    println!(
        "{:?}: {sizes:?} requests, of which jwt_authn passes {:?}",
        attacks.each_ref().map(|a| a.0),
        [header, batch, within]
    );
}
