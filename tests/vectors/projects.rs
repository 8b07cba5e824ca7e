//! The vectors of other projects, in `data/`; its README says where they are from. Every case runs. Where the filter
//! decides otherwise than the vector wants, the case is in [`DIFFERENCES`], with the reason.

use kinto_jwt_filter::HostVerify;
use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use super::{decide, gate, hosts};
use kit::tokens::{SECRET, b64, public_key, sign};

/// The files, the time at which their tokens are shown to the filter, and how many tokens and configurations are judged:
/// each case once with a host and once without. jwt_verify_lib's tests of the parser have tokens that expired in 2017,
/// and no clock.
const FILES: [(&str, u64, (usize, usize)); 4] = [
    ("wycheproof", 1_800_000_000, (2 * 865, 0)),
    ("jwt_verify_lib", 1_501_281_000, (2 * 93, 2 * 60)),
    ("golang_jwt", 1_800_000_000, (2 * 35, 0)),
    ("node_jsonwebtoken", 1_800_000_000, (2 * 11, 2 * 7)),
];

/// File, group, the cases whose names begin so, what the filter says instead, and why.
const DIFFERENCES: [(&str, &str, &str, &str, &str); 51] = [
    ("wycheproof", "jws-10-rfc7520", "jws346", "alg_not_allowed", OTHER_ALG),
    ("wycheproof", "jws-14-rfc7520WithKeyOps", "jws350", "alg_not_allowed", OTHER_ALG),
    ("wycheproof", "jws-11-rfc7520", "jws347", "configuration", ES521),
    ("wycheproof", "jws-15-rfc7520WithKeyOps", "jws351", "configuration", ES521),
    ("wycheproof", "jws-21-base64", "jws367", "accept", CANONICAL),
    ("wycheproof", "jws-21-base64", "jws370", "accept", CANONICAL),
    ("wycheproof", "jws-21-base64", "jws372", "not_base64url", STRAY),
    ("wycheproof", "jws-21-base64", "jws373", "not_base64url", STRAY),
    ("wycheproof", "jwk-0-jws_mixedSymmetryKeyset", "jwk1", "accept", MIXED),
    ("wycheproof", "jwc-4-jws_mixedSymmetryKeyset", "jwc47", "accept", MIXED),
    ("wycheproof", "jwk-2-jws_duplicate_kid", "jwk4", "accept", SAME_KID),
    ("wycheproof", "jwk-5-jws_rsa_roca_key", "jwk7", "accept", ROCA),
    ("wycheproof", "jwc-3-jws_rsa_roca_key", "jwc46", "accept", ROCA),
    ("jwt_verify_lib", "jwk-ec", "KidES512OK", "kid_unknown", SHORT_COORDINATE),
    ("jwt_verify_lib", "jwk-ec", "NoKidOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-ec-nokid", "PubkeyNoKidOK", "kid_unknown", NO_KID),
    ("jwt_verify_lib", "jwk-hmac", "NoKidOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-hmac", "NoKidLongExpOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-hmac-noalg", "OkSymmetricKeyNotAlg", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-hmac-nokid", "OkSymmetricKeyNotKid", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-okp", "NoKidOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-okp-nokid", "PubkeyNoKidOK", "kid_unknown", NO_KID),
    ("jwt_verify_lib", "jwk-rsa", "NoKidOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-rsa", "NoKidLongExpOK", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-rsa-noalg", "OkPublicKeyNotAlg", "kid_missing", NO_KID),
    ("jwt_verify_lib", "jwk-rsa-nokid", "OkPublicKeyNotKid", "kid_missing", NO_KID),
    ("jwt_verify_lib", "pem-es512", "OK", "configuration", NO_P521),
    ("jwt_verify_lib", "x509-map", "NoKidToken", "configuration", MAP),
    ("jwt_verify_lib", "x509-map-real", "RealToken", "configuration", MAP),
    ("jwt_verify_lib", "aud-none", "Success with an empty list", "audience_unexpected", AUDIENCE),
    ("jwt_verify_lib", "parse-hs", "TestParsePayloadExpTooBig", "accept", LARGE_EXP),
    ("jwt_verify_lib", "jwks-parse-GoodOKP", LOAD, "refuse", NO_POINT),
    ("jwt_verify_lib", "jwks-parse-JwksIgnoreUnsupportedKey", LOAD, "refuse", NO_POINT),
    ("jwt_verify_lib", "jwks-parse-JwkECMissingAlg", LOAD, "refuse", NO_P521),
    ("jwt_verify_lib", "jwks-parse-JwksECMatchAlgES512CrvP521", LOAD, "refuse", SHORT_COORDINATE),
    ("jwt_verify_lib", "jwks-parse-JwkECMissingCrv", LOAD, "refuse", NO_CURVE),
    ("jwt_verify_lib", "jwks-parse-JwksECMissingBothAlgCrvES256", LOAD, "refuse", NO_CURVE),
    ("jwt_verify_lib", "jwks-parse-JwksECUnspecifiedCrv", LOAD, "refuse", NO_CURVE),
    ("golang_jwt", "PS256-0", "rsa_pss_test.go Basic PS256", "bad_signature", LONG_SALT),
    ("golang_jwt", "PS384-1", "rsa_pss_test.go Basic PS384", "bad_signature", LONG_SALT),
    ("golang_jwt", "PS512-2", "rsa_pss_test.go Basic PS512", "bad_signature", LONG_SALT),
    ("golang_jwt", "ES512-5", "ecdsa_test.go Basic ES512", "configuration", NO_P521),
    ("golang_jwt", "EdDSA-6", "ed25519_test.go Basic Ed25519", "alg_not_allowed", ED25519),
    ("golang_jwt", "parser-rs256", "padding: Validated padded token", "not_base64url", PADDING),
    (
        "golang_jwt",
        "parser-rs256",
        "padding: Validated non-padded token with padding disabled, non-strict decode, tweaked",
        "not_base64url",
        UNUSED_BITS,
    ),
    ("golang_jwt", "parser-padded-es256", "padding: Validated example", "not_base64url", PADDING),
    (
        "golang_jwt",
        "parser-padded-es256",
        "padding: Validated padded token with padding enabled, non-strict decode, non-tweaked",
        "not_base64url",
        PADDING,
    ),
    (
        "golang_jwt",
        "parser-padded-es256",
        "padding: Validated padded token with padding enabled, non-strict decode, tweaked",
        "not_base64url",
        UNUSED_BITS,
    ),
    (
        "golang_jwt",
        "parser-padded-es256",
        "padding: Validated padded token with padding enabled, strict",
        "not_base64url",
        PADDING,
    ),
    ("node_jsonwebtoken", "load ecdsa-public.pem", LOAD, "refuse", EXPLICIT_CURVE),
    ("node_jsonwebtoken", "load ecdsa-public-x509.pem", LOAD, "refuse", EXPLICIT_CURVE),
];

const OTHER_ALG: &str = "The key is for PS256 alone (RFC 7517 section 4.4), and the token is of PS384.";
const ES521: &str = "The `alg` of the key is ES521, an algorithm that does not exist; ES512 is meant.";
const CANONICAL: &str = "The token in the data has no fault: it is canonical, and its signature is good.";
const STRAY: &str = "There is a question mark within a part; RFC 7515 section 2 has no such character.";
const MIXED: &str = "The set has a secret and an EC key, and the operator allows algorithms of both. Each verifies its own only.";
const SAME_KID: &str =
    "Two keys of the set have one `kid`. The operator trusts both, and one of them has signed.";
const ROCA: &str =
    "The modulus may be factored (CVE-2017-15361). The filter does not look for weak key generators.";
const SHORT_COORDINATE: &str = "A coordinate has 65 bytes, and RFC 7518 section 6.2.1.2 asks for 66.";
const NO_KID: &str =
    "Several keys fit a token that names none of them. The filter does not try each (src/keys/key.rs).";
const NO_P521: &str = "Without a host that verifies ES512 the key is refused; with one the vector holds.";
const MAP: &str = "A map from `kid` to certificates is Google's own form, and no JWK Set.";
const AUDIENCE: &str = "A token for an audience is refused where no `audience` is set (RFC 7519 section 4.1.3), as by kinto_jwt.";
const LARGE_EXP: &str = "A time that no 64 bits hold is as late as any; kinto_jwt accepts it too.";
const NO_POINT: &str =
    "`x` is no point of Ed25519 (it is that of an EC key), which the library does not look at.";
const NO_CURVE: &str = "`crv` is missing, and RFC 7518 section 6.2.1.1 asks for it.";
const LONG_SALT: &str =
    "The salt is longer than the hash, and RFC 7518 section 3.5 asks for the same length.";
const ED25519: &str = "`alg` is ED25519 in capitals, which is no name of RFC 8037 or RFC 9864.";
const PADDING: &str = "Padding is refused unless `padding` is `accept` (RFC 7515 section 2).";
const UNUSED_BITS: &str = "The unused bits of the last character are set (RFC 4648 section 3.5).";
const EXPLICIT_CURVE: &str =
    "The curve is written out as numbers, which RFC 5480 section 2.1.1 forbids (CVE-2020-0601).";

/// What becomes of a vector: `accept`, `refuse`, or with more detail a code of the filter.
struct Verdict {
    accepts: bool,
    says: String,
}

#[test]
fn the_vectors_of_other_projects_are_decided_as_they_want() {
    let mut used = vec![0; DIFFERENCES.len()];
    let mut wrong = Vec::new();
    for (file, now, counts) in FILES {
        let text = std::fs::read_to_string(kit::servers::project(&format!("tests/vectors/data/{file}.json")))
            .unwrap();
        let data: Value = serde_json::from_str(&text).unwrap();
        let (mut tokens, mut configurations) = (0, 0);
        for group in data["groups"].as_array().unwrap() {
            for host in hosts() {
                for (id, wanted, verdict) in verdicts(group, host, now) {
                    let counter = if id == LOAD { &mut configurations } else { &mut tokens };
                    *counter += 1;
                    if wanted == verdict.accepts {
                        continue;
                    }
                    let name = group["name"].as_str().unwrap();
                    let entry = DIFFERENCES.iter().position(|(of, in_group, begin, says, _)| {
                        *of == file && *in_group == name && id.starts_with(begin) && *says == verdict.says
                    });
                    match entry {
                        Some(entry) => used[entry] += 1,
                        None => wrong.push(format!(
                            "{file}: {name}: {id}: {}, host {}",
                            verdict.says,
                            host.is_some()
                        )),
                    }
                }
            }
        }
        println!("{file}: {tokens} tokens and {configurations} configurations, with a host and without");
        assert_eq!((tokens, configurations), counts, "{file}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unused = DIFFERENCES.iter().zip(used).filter(|(_, uses)| *uses == 0);
    assert_eq!(unused.map(|(entry, _)| entry).collect::<Vec<_>>(), Vec::<&(_, _, _, _, _)>::new());
}

/// The name of the verdict on a configuration, beside those of tokens.
const LOAD: &str = "load";

/// The verdicts on a group: what it is about, whether it must be accepted, what the filter says.
fn verdicts(group: &Value, host: Option<HostVerify>, now: u64) -> Vec<(String, bool, Verdict)> {
    let mut settings = group["config"].clone();
    // "All algorithms" in the data are those of a filter that did not verify ES512.
    if let Some(algorithms) = settings["algorithm"].as_array_mut().filter(|list| list.len() > 1) {
        algorithms.push(json!("ES512"));
    }
    // Where the project's own key cannot be used, its tokens are signed anew with one that can: `resign` marks them.
    let signer = match settings["public_key"].as_str() {
        Some("@rsa2048") => Some(("RS256", "rsa", public_key("rsa"))),
        Some("@hs256") => Some(("HS256", SECRET, SECRET.to_owned())),
        _ => None,
    };
    if let Some((_, _, public)) = &signer {
        settings["public_key"] = json!(public);
    }
    let gate = gate(&settings, host);
    let mut verdicts = Vec::new();
    if let Some(load) = group["load"].as_str() {
        let verdict = Verdict {
            accepts: gate.is_ok(),
            says: gate.as_ref().err().map_or("accept", |_| "refuse").to_owned(),
        };
        verdicts.push((LOAD.to_owned(), load == "accept", verdict));
    }
    for case in group["cases"].as_array().into_iter().flatten() {
        let text = |name: &str| case[name].as_str();
        let mut token = text("token").unwrap().to_owned();
        if case["resign"] == json!(true) {
            let (alg, key, _) = signer.as_ref().unwrap();
            let input = token.rsplit_once('.').unwrap().0;
            token = format!("{input}.{}", b64(sign(alg, key, input.as_bytes())));
        }
        // A configuration that is refused accepts no token.
        let result = gate.as_ref().map_err(|_| "configuration".to_owned()).and_then(|gate| {
            let result = decide(gate, &token, now);
            let level = text("level").or(group["level"].as_str()).unwrap();
            accepts(level, &result, text("user")).map_err(|rejection| rejection.code().to_owned())
        });
        let says = result.as_ref().err().map_or("accept", String::as_str).to_owned();
        verdicts.push((
            text("id").unwrap().to_owned(),
            text("want") == Some("accept"),
            Verdict { accepts: result.is_ok(), says },
        ));
    }
    verdicts
}

/// Whether a result is one that a vector of this level accepts: `signature` asks for a good signature only, `claims` for
/// claims that break no rule, `token` for the user too.
fn accepts(level: &str, result: &Result<String, Rejection>, user: Option<&str>) -> Result<(), Rejection> {
    match (level, result) {
        ("signature", Err(rejection)) if is_of_claims(*rejection) => Ok(()),
        ("claims", Err(NoUserIdClaim)) => Ok(()),
        ("signature" | "claims" | "token", Err(rejection)) => Err(*rejection),
        ("signature" | "claims", Ok(_)) => Ok(()),
        ("token", Ok(proved)) => {
            assert!(user.is_none_or(|user| user == proved), "{proved}");
            Ok(())
        }
        _ => panic!("no level {level}"),
    }
}

/// Whether the filter gives this reason only after it has verified the signature.
fn is_of_claims(rejection: Rejection) -> bool {
    match rejection {
        NoToken | ForeignScheme | MultipleTokens | TokenTooLong | NotThreeParts | NotBase64Url
        | HeaderNotJson | AlgNotAllowed | TypMismatch | KidNotString | CriticalExtension
        | UnencodedPayload | KidMissing | KidUnknown | KeysUnavailable | NoRoomToWait | BadSignature => false,
        ParameterMismatch | ClaimsNotJson | NotNumericDate | Expired | NotYetValid | IssuedInFuture
        | ExpMissing | StartMissing | LifetimeTooLong | IatMissing | TooOld | IssuerUnknown
        | AudienceMissing | AudienceMismatch | AudienceUnexpected | ClaimMismatch | ScopeMissing
        | ClaimRefused | TokenBound | TokenBoundElsewhere | IssuedTooEarly | SubjectNotString
        | JwtIdNotString | NoUserIdClaim | UserIdType | UserIdEmpty | UserIdNotAscii | UserIdNotLatin1
        | UserIdControl | UserIdOuterSpace => true,
    }
}
