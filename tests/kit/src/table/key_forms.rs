//! Keys in less usual forms: in a certificate, without `kid`, on P-521, with the other name of EdDSA; and padded tokens.

use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use super::{Case, Policy, add_policy};
use crate::http::header;
use crate::tokens::{b64, jwk, jws, key_file, public_key, sign, token, token_with_kid, x5c};

pub(super) fn certificates(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let rsa = |kid: &str, x5c: Value| json!({"kty": "RSA", "kid": kid, "use": "sig", "x5c": x5c});
    let url = x5c("rsa").replace('+', "-").replace('/', "_");
    let differing = {
        let mut key = jwk("differing", "rsa");
        key["x5c"] = json!([x5c("rsa-other")]);
        key
    };
    let beside_garbage = {
        let mut key = jwk("garbage", "rsa");
        key["x5c"] = json!(["*"]);
        key
    };
    let half = {
        let mut key = rsa("half", json!([x5c("rsa")]));
        key["e"] = json!("AQAB");
        key
    };
    let set = json!({"keys": [
        rsa("rsa", json!([x5c("rsa")])),
        rsa("expired", json!([x5c("rsa-expired")])),
        rsa("chain", json!([x5c("rsa"), x5c("rsa-other")])),
        rsa("chain of garbage", json!([x5c("rsa"), "garbage", 5])),
        {"kty": "EC", "kid": "p256", "crv": "P-256", "alg": "ES256", "x5c": [x5c("p256")]},
        {"kty": "EC", "kid": "p256 without crv", "x5c": [x5c("p256")]},
        {"kty": "OKP", "kid": "ed25519", "crv": "Ed25519", "x5c": [x5c("ed25519")]},
        differing,
        beside_garbage,
        rsa("url", json!([url])),
        rsa("empty", json!([])),
        rsa("text", json!(x5c("rsa"))),
        rsa("number", json!([5])),
        rsa("key", json!([spki("rsa")])),
        rsa("cut", json!([x5c("rsa")[..400]])),
        rsa("longer", json!([x5c("rsa").replace("=", "") + "AAAA"])),
        rsa("of p256", json!([x5c("p256")])),
        half,
        {"kty": "EC", "kid": "of rsa", "crv": "P-256", "x5c": [x5c("rsa")]},
        {"kty": "EC", "kid": "other crv", "crv": "P-384", "x5c": [x5c("p256")]},
        {"kid": "no kty", "x5c": [x5c("rsa")]},
        {"kty": "oct", "kid": "secret", "x5c": [x5c("rsa")]},
    ]});
    assert_ne!(url, x5c("rsa"), "the certificate has a + or a /");
    let settings = json!({"jwks": set, "algorithm": ["RS256", "PS256", "ES256", "ES384", "EdDSA"]});
    add_policy(policies, "x5c", settings, |list| {
        let mut signed_as = |alg: &str, key: &str, kid: &str, expected: Result<&str, Rejection>| {
            let name = format!("{alg} by {key} as {kid}");
            list.token(&name, &token_with_kid(alg, key, kid, &good), expected);
        };
        for kid in ["rsa", "expired", "chain", "chain of garbage"] {
            signed_as("RS256", "rsa", kid, Ok("alice"));
            signed_as("PS256", "rsa", kid, Ok("alice"));
            signed_as("RS256", "rsa-other", kid, Err(BadSignature));
            signed_as("ES256", "p256", kid, Err(AlgNotAllowed));
        }
        for kid in ["p256", "p256 without crv"] {
            signed_as("ES256", "p256", kid, Ok("alice"));
            signed_as("ES256", "p256-other", kid, Err(BadSignature));
            signed_as("ES384", "p384", kid, Err(AlgNotAllowed));
            signed_as("RS256", "rsa", kid, Err(AlgNotAllowed));
        }
        signed_as("EdDSA", "ed25519", "ed25519", Ok("alice"));
        signed_as("RS256", "rsa", "differing", Ok("alice"));
        signed_as("RS256", "rsa-other", "differing", Err(BadSignature));
        signed_as("RS256", "rsa", "garbage", Ok("alice"));
        for kid in ["url", "empty", "text", "number", "key", "cut", "longer", "half", "no kty", "secret"] {
            signed_as("RS256", "rsa", kid, Err(KidUnknown));
        }
        for (key, alg, kid) in [("p256", "ES256", "of p256"), ("rsa", "RS256", "of rsa")] {
            signed_as(alg, key, kid, Err(KidUnknown));
        }
        signed_as("ES256", "p256", "other crv", Err(KidUnknown));
        signed_as("ES384", "p384", "other crv", Err(KidUnknown));
    });
    for (name, certificate, alg, key) in [
        ("expired certificate", "rsa-expired", "RS256", "rsa"),
        ("certificate of P-256", "p256", "ES256", "p256"),
        ("certificate of P-521", "p521", "ES512", "p521"),
        ("certificate of Ed25519", "ed25519", "EdDSA", "ed25519"),
    ] {
        let pem = key_file(&format!("{certificate}.cert.pem"));
        add_policy(policies, name, json!({"public_key": pem, "algorithm": alg}), |list| {
            list.token("good", &token(alg, key, &good), Ok("alice"));
            list.token("alg none", &token("none", "", &good), Err(AlgNotAllowed));
            list.token("HS256 of the certificate", &token("HS256", &pem, &good), Err(AlgNotAllowed));
        });
    }
}

/// A key in the form of `x5c`, without the rest of a certificate.
fn spki(name: &str) -> String {
    crate::tokens::base64(pem::parse(public_key(name)).unwrap().contents())
}

pub(super) fn without_kid(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let bare = |key: &str| {
        let mut key = jwk("", key);
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    let one = json!({"jwks": {"keys": [bare("rsa"), bare("p256")]}, "algorithm": ["RS256", "ES256"]});
    add_policy(policies, "keys without kid", one, |list| {
        for (alg, key, other) in [("RS256", "rsa", "rsa-other"), ("ES256", "p256", "p256-other")] {
            list.token("no kid", &token(alg, key, &good), Ok("alice"));
            list.token("no kid, another key", &token(alg, other, &good), Err(BadSignature));
            for kid in ["any", ""] {
                list.token("kid", &token_with_kid(alg, key, kid, &good), Ok("alice"));
                list.token("kid, another key", &token_with_kid(alg, other, kid, &good), Err(KidUnknown));
            }
        }
        list.token("HS256", &token_with_kid("HS256", &public_key("rsa"), "k", &good), Err(AlgNotAllowed));
    });
    let two = json!({"jwks": {"keys": [bare("rsa"), bare("rsa-other")]}});
    add_policy(policies, "two keys without kid", two, |list| {
        list.token("no kid", &token("RS256", "rsa", &good), Err(KidMissing));
        list.token("kid", &token_with_kid("RS256", "rsa", "k", &good), Err(KidUnknown));
    });
    let mixed = json!({"jwks": {"keys": [bare("rsa"), jwk("b", "rsa-other")]}});
    add_policy(policies, "a key with kid and one without", mixed, |list| {
        list.token("no kid", &token("RS256", "rsa", &good), Err(KidMissing));
        list.token("its kid", &token_with_kid("RS256", "rsa-other", "b", &good), Ok("alice"));
        list.token("the other key", &token_with_kid("RS256", "rsa", "b", &good), Err(BadSignature));
        list.token("another kid", &token_with_kid("RS256", "rsa", "k", &good), Err(KidUnknown));
    });
}

pub(super) fn curves(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let under = |alg: &str, kid: &str, signs: &str, key: &str| {
        jws(signs, key, json!({"alg": alg, "kid": kid}).to_string(), good.to_string())
    };
    let damaged = {
        let mut key = jwk("damaged", "p521");
        key["y"] = key["x"].clone();
        key
    };
    let short = {
        let mut key = jwk("short", "p521");
        key["x"] = json!(key["x"].as_str().unwrap()[4..]);
        key
    };
    let set =
        json!({"keys": [jwk("p256", "p256"), jwk("p384", "p384"), jwk("p521", "p521"), damaged, short]});
    let settings = json!({"jwks": set, "algorithm": ["ES256", "ES384", "ES512"]});
    add_policy(policies, "ES512 in a set", settings, |list| {
        let kinds = [("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521")];
        for (alg, key) in kinds {
            for (signs, signer) in kinds {
                for (_, kid) in kinds {
                    let expected = match (kid == key, signs == alg) {
                        (true, true) => Ok("alice"),
                        (true, false) => Err(BadSignature),
                        (false, _) => Err(AlgNotAllowed),
                    };
                    let name = format!("{alg} as {kid}, signed by {signer}");
                    list.token(&name, &under(alg, kid, signs, signer), expected);
                }
            }
        }
        for kid in ["damaged", "short"] {
            list.token(kid, &under("ES512", kid, "ES512", "p521"), Err(KidUnknown));
        }
    });
    // RFC 9864 section 2.2: one algorithm with two names.
    for (name, algorithm, alg) in [
        ("EdDSA in a key", "EdDSA", "EdDSA"),
        ("EdDSA in a key, Ed25519 in the setting", "Ed25519", "EdDSA"),
        ("Ed25519 in a key", "EdDSA", "Ed25519"),
        ("Ed25519 in a key and in the setting", "Ed25519", "Ed25519"),
    ] {
        let mut key = jwk("k", "ed25519");
        key["alg"] = json!(alg);
        let settings = json!({"jwks": {"keys": [key]}, "algorithm": algorithm});
        add_policy(policies, name, settings, |list| {
            for alg in ["EdDSA", "Ed25519"] {
                list.token(alg, &under(alg, "k", "EdDSA", "ed25519"), Ok("alice"));
            }
            for alg in ["Ed448", "ed25519", "ES256"] {
                list.token(alg, &under(alg, "k", "EdDSA", "ed25519"), Err(AlgNotAllowed));
            }
        });
    }
}

/// A token with padding after each part, as an AWS load balancer makes it: the signature is over the padded text.
fn padded(header: &Value, claims: &Value) -> String {
    let pad = |text: String| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let input = format!("{}.{}", pad(b64(header.to_string())), pad(b64(claims.to_string())));
    let signed = sign("ES256", "p256", input.as_bytes());
    format!("{input}.{}", pad(b64(signed)))
}

/// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html: the header
/// `x-amzn-oidc-data`, its token, and the members of the token's header and payload.
pub(super) fn padding(policies: &mut Vec<Policy>, now: u64) {
    let issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Example";
    let signer =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/kinto/0123456789abcdef";
    let header_of = |exp: u64, more: &str| {
        json!({"typ": "JWT", "kid": "12345678-1234-1234-1234-123456789012", "alg": "ES256", "iss": issuer,
            "client": "client-id", "signer": signer, "exp": exp, "pad": more})
    };
    let claims_of = |exp: u64, more: &str| json!({"sub": "alice", "exp": exp, "iss": issuer, "pad": more});
    // Filled up so that each part has padding.
    let unaligned = |make: &dyn Fn(u64, &str) -> Value| {
        let filled = ["", "x"].map(|more| make(now + 120, more));
        filled.into_iter().find(|json| json.to_string().len() % 3 != 0).unwrap()
    };
    let (header_now, claims) = (unaligned(&header_of), unaligned(&claims_of));
    let good = padded(&header_now, &claims);
    let [first, second, third] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    assert!(first.ends_with('=') && second.ends_with('=') && third.ends_with("=="), "{good}");
    let bare = |part: &str| part.trim_end_matches('=').to_owned();
    let in_header = |token: &str| vec![header("X-Amzn-Oidc-Data", token)];
    let settings = |padding: &str| {
        json!({"public_key": public_key("p256"), "algorithm": "ES256", "issuer": issuer, "requireExp": true,
            "http_header": "X-Amzn-Oidc-Data", "padding": padding, "requiredParameters": {"signer": signer}})
    };
    let without = jws("ES256", "p256", header_now.to_string(), claims.to_string());
    add_policy(policies, "padding accept", settings("accept"), |list| {
        list.headers("good", in_header(&good), Ok("alice"));
        // One, two or no = after the header, by its length.
        for more in ["x", "xx", "xxx"] {
            let token = padded(&header_of(now + 120, more), &claims);
            list.headers(&format!("a longer header: {more}"), in_header(&token), Ok("alice"));
        }
        list.headers("a token without padding", in_header(&without), Ok("alice"));
        list.headers("padding after the signature alone", in_header(&format!("{without}==")), Ok("alice"));
        list.headers("no padding after the signature", in_header(&bare(&good)), Ok("alice"));
        let expired = padded(&header_of(now - 1, ""), &claims_of(now - 1, ""));
        list.headers("expired", in_header(&expired), Err(Expired));
        let other =
            padded(&header_now, &json!({"sub": "alice", "exp": now + 120, "iss": "https://other.example"}));
        list.headers("another issuer", in_header(&other), Err(IssuerUnknown));
        // The load balancer of another customer, whose tokens the same key has signed.
        for (name, signer) in [
            ("another signer", json!(signer.replace("123456789012", "210987654321"))),
            ("a longer signer", json!(format!("{signer}0"))),
            ("a signer in upper case", json!(signer.to_uppercase())),
            ("signers without ours", json!(["a", "b"])),
            ("no signer", Value::Null),
        ] {
            let mut header = header_now.clone();
            header["signer"] = signer;
            list.headers(name, in_header(&padded(&header, &claims)), Err(ParameterMismatch));
        }
        let mut in_claims = claims.clone();
        in_claims["signer"] = json!(signer);
        let mut without_signer = header_now.clone();
        without_signer.as_object_mut().unwrap().remove("signer");
        let token = padded(&without_signer, &in_claims);
        list.headers("a signer in the claims", in_header(&token), Err(ParameterMismatch));
        // The signature is over the text as it was sent.
        for (name, token) in [
            ("padding taken away", format!("{}.{}.{third}", bare(first), bare(second))),
            ("padding added", format!("{first}.{second}.{}", without.rsplit_once('.').unwrap().1)),
        ] {
            list.headers(name, in_header(&token), Err(BadSignature));
        }
        for (name, token) in [
            ("a = too few", good.strip_suffix('=').unwrap().to_owned()),
            ("a = too many", format!("{good}=")),
            ("four = too many", format!("{good}====")),
            ("a = in front", format!("={good}")),
            ("a = inside", good.replacen('.', "=.=", 1)),
            ("only =", format!("{first}.{second}.====")),
            ("spaces instead", good.replace("==", "  ").trim_end().to_owned() + "!"),
            ("percent-encoded", good.replace('=', "%3D")),
        ] {
            list.headers(name, in_header(&token), Err(NotBase64Url));
        }
    });
    add_policy(policies, "padding refuse", settings("refuse"), |list| {
        list.headers("a token without padding", in_header(&without), Ok("alice"));
        list.headers("good but for its padding", in_header(&good), Err(NotBase64Url));
        list.headers(
            "padding after the signature alone",
            in_header(&format!("{without}==")),
            Err(NotBase64Url),
        );
    });
    // In a cookie and in a query, where = means something else.
    let mut anywhere = settings("accept");
    anywhere.as_object_mut().unwrap().remove("http_header");
    anywhere["from"] = json!([{"cookie": "t"}, {"query": "t"}]);
    add_policy(policies, "padding in a cookie and a query", anywhere, |list| {
        list.headers("cookie", vec![header("Cookie", format!("a=b; t={good}; c=d"))], Ok("alice"));
        list.headers("quoted cookie", vec![header("Cookie", format!("t=\"{good}\""))], Ok("alice"));
        list.0.push(Case::new("query", vec![], Ok("alice")));
        list.0.last_mut().unwrap().to("GET", &format!("/v1/?t={good}&_x=1"));
        list.0.push(Case::new("encoded query", vec![], Ok("alice")));
        list.0.last_mut().unwrap().to("GET", &format!("/v1/?t={}", good.replace('=', "%3D")));
    });
}
