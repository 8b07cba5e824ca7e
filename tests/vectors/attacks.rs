//! A catalogue of published attacks on tokens, and where each is tried: in a row of the decision table (`tests/kit/src/table`),
//! which runs natively, through Envoy to Kinto, and through `kinto-jwt explain`; among the vectors; or as a configuration
//! that is refused.

use std::collections::BTreeSet;

use serde_json::json;

use super::{gate, hosts};
use kit::table::{Policy, policies};
use kit::tokens::{b64, public_forms};

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

struct Attack {
    name: &'static str,
    /// CVEs with the product that had the fault, or who has described the attack.
    sources: &'static [&'static str],
    /// Rows of the decision table: policy, and name or the beginning of names (`HS256 with *`).
    rows: &'static [(&'static str, &'static str)],
}

const RS256: &str = "attacks on RS256";
const ES256: &str = "attacks on ES256";
const HS256: &str = "attacks on HS256";
const SET: &str = "attacks on a key set";
const ISSUER: &str = "attacks on issuer and audience";

const CATALOGUE: [Attack; 27] = [
    Attack {
        name: "no signature, and alg says so in whatever spelling",
        sources: &[
            "RFC 8725 2.1",
            "CVE-2018-1000531 prime-jwt",
            "CVE-2021-22160 Apache Pulsar",
            "CVE-2022-23540 jsonwebtoken",
            "McLean 2015, Critical vulnerabilities in JSON Web Token libraries",
        ],
        rows: &[
            (RS256, "alg \"*"),
            (RS256, "alg null and no signature"),
            (RS256, "alg false and no signature"),
            (RS256, "alg 0 and no signature"),
            (RS256, "alg [\"none\"] and no signature"),
            (RS256, "alg {\"none\":1} and no signature"),
            (RS256, "no alg and no signature"),
            (RS256, "alg in capitals"),
            (RS256, "alg as an escape"),
            (RS256, "alg none and the signature of another"),
            (SET, "none as the secret"),
            ("defaults", "alg none"),
            ("defaults", "no alg"),
            ("ES256", "alg none"),
            ("EdDSA", "alg none"),
        ],
    },
    Attack {
        name: "signature stripped, and alg as before",
        sources: &["CVE-2020-28042 ServiceStack", "RFC 8725 2.1"],
        rows: &[
            (RS256, "signature stripped"),
            (RS256, "signature and dot stripped"),
            (RS256, "signature of another"),
            (ES256, "no signature"),
            (HS256, "0 bytes of the tag"),
            ("defaults", "no signature"),
        ],
    },
    Attack {
        name: "HMAC with the public key, in each form of the key",
        sources: &[
            "RFC 8725 2.1",
            "CVE-2015-9235 jsonwebtoken",
            "CVE-2016-5431 Gree PHP JOSE",
            "CVE-2016-10555 jwt-simple",
            "CVE-2017-11424 PyJWT, PKCS #1",
            "CVE-2022-23541 jsonwebtoken",
            "CVE-2022-29217 PyJWT, SSH keys",
            "CVE-2023-48223 fast-jwt, PKCS #1",
            "CVE-2023-48238 json-web-token",
            "CVE-2024-33663 python-jose, SSH and DER keys",
            "CVE-2024-54150 cjwt",
            "CVE-2026-22817 Hono, a JWK without alg",
            "CVE-2026-34950 fast-jwt, a space before the PEM",
            "CVE-2026-48526 PyJWT, a JWK",
        ],
        rows: &[
            (RS256, "HS256 with *"),
            (RS256, "HS384 with the PEM"),
            (RS256, "HS512 with the PEM"),
            (ES256, "HS256 with *"),
            (SET, "HS256 with *"),
            (HS256, "RS256 of a key of the attacker"),
            ("defaults", "alg HS256 of the public key"),
            ("defaults", "alg HS256 of the public key, trimmed"),
        ],
    },
    Attack {
        name: "another algorithm for the same key",
        sources: &["RFC 8725 3.1", "CVE-2022-23539 jsonwebtoken"],
        rows: &[
            (ES256, "ES384 of an ES256 signature"),
            (ES256, "ES512 of an ES256 signature"),
            (ES256, "ES256K of an ES256 signature"),
            (ES256, "EdDSA of an ES256 signature"),
            (ES256, "none of an ES256 signature"),
            (SET, "RS256 as the secret"),
            (SET, "RS256 as the EC key"),
            ("defaults", "alg PS256"),
            ("defaults", "alg RS384"),
        ],
    },
    Attack {
        name: "a key in the token, or the address of one",
        sources: &["CVE-2018-0114 node-jose", "CVE-2026-27962 Authlib", "PortSwigger, JWT header injection"],
        rows: &[
            (RS256, "key in jwk"),
            (RS256, "secret in jwk"),
            (RS256, "certificate in x5c"),
            (RS256, "address in jku"),
            (RS256, "address in x5u"),
            (RS256, "file in jku"),
            (RS256, "both, and a thumbprint"),
            (SET, "key in jwk"),
            (SET, "secret in jwk"),
            (SET, "certificate in x5c"),
            (SET, "address in jku"),
            (SET, "address in x5u"),
            (SET, "file in jku"),
            (SET, "both, and a thumbprint"),
            ("defaults", "own key in jwk"),
            ("jwks", "a key in the token"),
        ],
    },
    Attack {
        name: "kid as a path, a query, a command",
        sources: &["RFC 8725 2.8", "PortSwigger, JWT header path traversal"],
        rows: &[
            (RS256, "the path of an empty file in kid*"),
            (RS256, "a path with a zero byte in kid*"),
            (RS256, "a path of Windows in kid*"),
            (RS256, "SQL in kid*"),
            (RS256, "LDAP in kid*"),
            (RS256, "a command in kid*"),
            (RS256, "an address in kid*"),
            (RS256, "a template in kid*"),
            (SET, "kid *"),
            ("jwks", "kid 7"),
        ],
    },
    Attack {
        name: "psychic signature: r or s is 0, or the order",
        sources: &["CVE-2022-21449 Java", "Wycheproof SpecialCaseEs256"],
        rows: &[
            (ES256, "r and s are 0"),
            (ES256, "r is 0"),
            (ES256, "s is 0"),
            (ES256, "r and s are 1"),
            (ES256, "r is 1, s is 0"),
            (ES256, "r and s are the order"),
            (ES256, "r is the order"),
            (ES256, "s is the order"),
            ("ES256", "64 zeros"),
            ("ES384", "96 zeros"),
            ("ES512", "132 zeros"),
            ("defaults", "signature of zeros"),
        ],
    },
    Attack {
        name: "an ECDSA signature in another form",
        sources: &["RFC 7518 3.4", "Wycheproof"],
        rows: &[
            (ES256, "DER of zeros"),
            (ES256, "s and r"),
            (ES256, "r and s of 33 bytes"),
            (ES256, "r and s of 48 bytes"),
            (ES256, "r alone"),
            ("ES256", "DER signature"),
            ("ES256", "a byte more"),
        ],
    },
    Attack {
        name: "a part of the tag, or more than it",
        sources: &["RFC 7518 3.2", "Wycheproof"],
        rows: &[
            (HS256, "1 bytes of the tag"),
            (HS256, "8 bytes of the tag"),
            (HS256, "31 bytes of the tag"),
            (HS256, "a tag and zeros"),
            ("HS256", "half a tag"),
        ],
    },
    Attack {
        name: "a secret that is empty or well known",
        sources: &["CVE-2019-20933 InfluxDB", "RFC 8725 2.2"],
        rows: &[(HS256, "secret *"), ("HS256", "empty secret")],
    },
    Attack {
        name: "an extension that must be understood",
        sources: &["CVE-2025-59420 Authlib", "RFC 7515 4.1.11", "RFC 7797 6"],
        rows: &[
            ("defaults", "crit"),
            ("defaults", "crit empty"),
            ("defaults", "b64 false"),
            ("defaults", "b64 false, crit"),
        ],
    },
    Attack {
        name: "a name twice in the header",
        sources: &["RFC 8725 2.4", "RFC 7515 4"],
        rows: &[
            (RS256, "alg and alg as an escape"),
            (RS256, "alg none, then RS256"),
            ("defaults", "alg twice, ours last"),
            ("defaults", "alg twice, ours first"),
        ],
    },
    Attack {
        name: "a name twice in the claims",
        sources: &["RFC 8725 2.4", "RFC 7519 4"],
        rows: &[
            ("defaults", "sub twice"),
            ("defaults", "exp twice, past first"),
            ("defaults", "names twice, nested"),
            ("several", "iss twice"),
        ],
    },
    Attack {
        name: "JSON serialization in the place of a compact token",
        sources: &["CVE-2022-39227 python-jwt", "RFC 7515 7.2"],
        rows: &[
            (RS256, "flattened JSON"),
            (RS256, "general JSON"),
            (RS256, "JSON without a comma"),
            (RS256, "JSON around a compact token"),
            ("defaults", "JSON serialization"),
        ],
    },
    Attack {
        name: "an encrypted token in the place of a signed one",
        sources: &["CVE-2022-3102 jwcrypto", "CVE-2023-51774 json-jwt"],
        rows: &[
            (RS256, "JWE for the public key"),
            (RS256, "JWE with RS256"),
            (RS256, "three parts with alg dir"),
        ],
    },
    Attack {
        name: "key derivation in a billion rounds (p2c)",
        sources: &[
            "CVE-2022-36083 jose",
            "CVE-2023-50967 latchset jose",
            "CVE-2023-52428 Nimbus",
            "CVE-2023-6681 jwcrypto",
        ],
        rows: &[(RS256, "JWE with many rounds (p2c)"), (RS256, "three parts with many rounds (p2c)")],
    },
    Attack {
        name: "compressed content that becomes large",
        sources: &["CVE-2024-28176 jose", "CVE-2024-28180 go-jose", "CVE-2024-33664 python-jose"],
        rows: &[(RS256, "JWE of compressed data"), (RS256, "signed compressed data")],
    },
    Attack {
        name: "millions of dots, or parts without end",
        sources: &["CVE-2025-27144 go-jose", "CVE-2025-30204 golang-jwt"],
        rows: &[
            (RS256, "16,000 dots"),
            (RS256, "20,000 dots"),
            (RS256, "20,000 letters in the header"),
            (RS256, "deep header"),
            ("defaults", "over 16 KiB"),
            ("defaults", "depth 5000"),
            ("defaults", "5000 digits"),
        ],
    },
    Attack {
        name: "a token within a token",
        sources: &["RFC 7519 5.2", "RFC 8725 2.3"],
        rows: &[
            (RS256, "a token within an unsigned one"),
            (RS256, "a token within one of the attacker"),
            (RS256, "a token within one of the issuer"),
        ],
    },
    Attack {
        name: "more parts than three",
        sources: &["RFC 7515 7.1"],
        rows: &[
            (RS256, "payload inserted"),
            (RS256, "payload appended"),
            ("defaults", "four parts"),
            ("defaults", "five parts"),
            ("defaults", "leading dot"),
            ("defaults", "trailing dot"),
        ],
    },
    Attack {
        name: "several texts for one token",
        sources: &["RFC 4648 3.5", "RFC 7515 2", "Wycheproof base64"],
        rows: &[
            (RS256, "the alphabet of base64"),
            (RS256, "a space within"),
            (RS256, "a tab within"),
            ("defaults", "unused bits set"),
            ("defaults", "padding"),
            ("defaults", "padded signature"),
            ("defaults", "junk inside"),
        ],
    },
    Attack {
        name: "a part of the issuer's name, or a list of them",
        sources: &["CVE-2024-53861 PyJWT", "RFC 8725 3.8"],
        rows: &[(ISSUER, "iss *"), ("issuer", "iss *"), ("issuers", "both")],
    },
    Attack {
        name: "an audience that is a list, or a part of a name",
        sources: &["CVE-2020-26160 jwt-go", "RFC 8725 3.9"],
        rows: &[
            (ISSUER, "aud *"),
            ("readme of kinto_jwt", "aud [\"app\",1]"),
            ("readme of kinto_jwt", "aud {\"app\":1}"),
        ],
    },
    Attack {
        name: "a time that is text, not a number, or endless",
        sources: &["RFC 7519 2", "RFC 8725 2.4"],
        rows: &[
            ("defaults", "exp as text"),
            ("defaults", "exp NaN"),
            ("defaults", "exp Infinity"),
            ("defaults", "exp 1e400"),
            ("defaults", "exp negative"),
            ("defaults", "exp true"),
            ("defaults", "exp null"),
            ("defaults", "exp {}"),
            ("defaults", "exp 0"),
            ("defaults", "nbf in 300 s"),
            ("defaults", "iat in 300 s"),
        ],
    },
    Attack {
        name: "a token for another purpose",
        sources: &["RFC 8725 2.8", "RFC 8725 3.11"],
        rows: &[("typ", "no typ")],
    },
    Attack {
        name: "a token of another issuer, or for another policy",
        sources: &["RFC 8725 2.8", "RFC 8725 3.12"],
        rows: &[
            ("several", "the first's, signed by the second"),
            ("several", "the second's, signed by the first"),
            ("several", "for another audience"),
            ("several", "a machine's in the wrong place"),
        ],
    },
    Attack {
        name: "a user id that becomes another one, or a header of its own",
        sources: &["CWE-93", "CWE-176"],
        rows: &[("email", "email \"a\\nb\""), ("email", "email \"\""), ("email", "email \"日本\"")],
    },
];

/// What a catalogue of attacks has and what the filter accepts, with the reason.
const ACCEPTED: [(&str, &str, &str); 1] = [(
    ES256,
    "s is the order minus s",
    "ECDSA has a second signature for each, which anybody can compute (malleability). It is over the same header and claims, \
     and proves the same user. The filter takes no token for another one, or for a new one, by its text.",
)];

/// Whether a row is meant: by its name, or by the beginning of it before `*`.
fn is_meant(name: &str, by: &str) -> bool {
    by.strip_suffix('*').map_or(name == by, |begin| name.starts_with(begin))
}

#[test]
fn each_published_attack_is_tried_and_refused() {
    let table = policies(NOW);
    let policy = |name: &str| {
        table.iter().find(|policy| policy.name == name).unwrap_or_else(|| panic!("no policy {name}"))
    };
    let mut tried = BTreeSet::new();
    for attack in &CATALOGUE {
        assert!(!attack.sources.is_empty());
        for (of, by) in attack.rows {
            let cases: Vec<_> = policy(of).cases.iter().filter(|case| is_meant(&case.name, by)).collect();
            assert!(!cases.is_empty(), "{}: no row {by} of {of}", attack.name);
            for case in cases {
                assert!(case.expected.is_err(), "{}: {of}: {}", attack.name, case.name);
                tried.insert((*of, case.name.clone()));
            }
        }
    }
    for (of, name, reason) in ACCEPTED {
        let case = policy(of).cases.iter().find(|case| case.name == name).unwrap();
        assert!(case.expected.is_ok() && !reason.is_empty());
        tried.insert((of, name.to_owned()));
    }
    let is_of_attacks = |policy: &&Policy| policy.name.starts_with("attacks on");
    for policy in table.iter().filter(is_of_attacks) {
        for case in &policy.cases {
            assert!(
                tried.contains(&(policy.name, case.name.clone())),
                "{}: {}: in no attack",
                policy.name,
                case.name
            );
        }
    }
    let sources: BTreeSet<&str> =
        CATALOGUE.iter().flat_map(|attack| attack.sources.iter().copied()).collect();
    let cves = sources.iter().filter(|source| source.starts_with("CVE-")).count();
    println!(
        "{} attacks of {} sources, of them {cves} CVEs, in {} rows of the table",
        CATALOGUE.len(),
        sources.len(),
        tried.len()
    );
    assert!(tried.len() > 200, "{}", tried.len());
}

/// A form in which no key can be told from a secret.
const NUMBER: &str = "the number of the JWK";

/// A public key is refused as a secret, whatever its form: everybody could sign (CVE-2022-29217, CVE-2024-33663,
/// CVE-2026-34950, CVE-2026-48526).
#[test]
fn a_public_key_is_no_secret() {
    let mut count = 0;
    for key in ["rsa", "p256"] {
        for (form, bytes) in public_forms(key) {
            let set = json!({"jwks": {"keys": [{"kty": "oct", "k": b64(&bytes)}]}, "algorithm": "HS256"});
            let text =
                String::from_utf8(bytes).ok().map(|text| json!({"public_key": text, "algorithm": "HS256"}));
            for settings in text.into_iter().chain([set]) {
                for host in hosts() {
                    match gate(&settings, host) {
                        Ok(_) => assert!(form.starts_with(NUMBER), "{key}: {form}"),
                        Err(error) => {
                            assert!(error.contains("takes a shared secret"), "{key}: {form}: {error}")
                        }
                    }
                    count += 1;
                }
            }
        }
    }
    println!("{count} configurations with a public key as the secret");
    assert!(count > 80, "{count}");
}
