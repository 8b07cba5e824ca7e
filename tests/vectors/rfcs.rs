//! The examples of the RFCs, each by its section. Most of their payloads are no claims, or name no user: then the code
//! says how far the token came, and `ClaimsNotJson` or later means that the signature is good.

use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use super::{decide, gate, hosts};

/// Before `exp` of the examples, 2011-03-22T18:43:00Z.
const IN_TIME: u64 = 1_300_819_379;

/// The payload of RFC 7515, appendix A: `iss`, `exp` and a claim of its own, but no `sub`.
const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// The payload of RFC 7520 section 4, a sentence.
const SENTENCE: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb25\
                        0byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd\
                        2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

/// The key of RFC 7515 A.1 and RFC 7797 section 4.
fn secret_of_7515() -> Value {
    json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})
}

fn rsa_of_7515() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
        "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
        "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
        "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")})
}

fn p256_of_7515() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

fn p521_of_7515() -> Value {
    json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"})
}

/// RFC 7520 section 3.3, and the same `kid` as 3.1.
fn rsa_of_7520() -> Value {
    json!({"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n": concat!(
        "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRB",
        "SFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD",
        "1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_",
        "qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw")})
}

/// RFC 7520 section 3.1.
fn p521_of_7520() -> Value {
    json!({"kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"})
}

/// RFC 7520 section 3.5.
fn secret_of_7520() -> Value {
    json!({"kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig", "alg": "HS256",
        "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"})
}

/// RFC 8037 appendix A.2.
fn ed25519_of_8037() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

const RS256_OF_7515: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2\
                             Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt\
                             QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6\
                             IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

const ES256_OF_7515: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const RS256_OF_7520: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xu\
                             glII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5\
                             aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podG\
                             U0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";

const PS384_OF_7520: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8\
                             TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJR\
                             mBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAe\
                             QTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";

const ES512_OF_7520: &str = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQ\
                             y3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";

/// A section, its key, its algorithm, its token, the time at which the token is shown, and what comes of it.
type Example = (&'static str, Value, &'static str, String, u64, Result<&'static str, Rejection>);

fn examples() -> Vec<Example> {
    let (hs_header, es_header) = ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9");
    let hs = format!("{hs_header}.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let es = format!("{es_header}.{CLAIMS}.{ES256_OF_7515}");
    let rs = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{RS256_OF_7515}");
    let bilbo = |alg: &str, signature: &str| {
        format!(
            "{}.{SENTENCE}.{signature}",
            kit::tokens::b64(format!(r#"{{"alg":"{alg}","kid":"bilbo.baggins@hobbiton.example"}}"#))
        )
    };
    let hs_7520 = kit::tokens::b64(r#"{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}"#);
    vec![
        // No claim of them is the user id; that comes after the signature and the times.
        ("7515 A.1", secret_of_7515(), "HS256", hs.clone(), IN_TIME, Err(NoUserIdClaim)),
        ("7515 A.1, late", secret_of_7515(), "HS256", hs, IN_TIME + 1, Err(Expired)),
        ("7515 A.2", rsa_of_7515(), "RS256", rs.clone(), IN_TIME, Err(NoUserIdClaim)),
        ("7515 A.2, late", rsa_of_7515(), "RS256", rs, IN_TIME + 1, Err(Expired)),
        ("7515 A.3", p256_of_7515(), "ES256", es.clone(), IN_TIME, Err(NoUserIdClaim)),
        ("7515 A.3, late", p256_of_7515(), "ES256", es, IN_TIME + 1, Err(Expired)),
        // The payload is the text `Payload`.
        (
            "7515 A.4",
            p521_of_7515(),
            "ES512",
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KG\
             DKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
                .to_owned(),
            IN_TIME,
            Err(ClaimsNotJson),
        ),
        ("7515 A.5, 7519 6.1", secret_of_7515(), "HS256", format!("eyJhbGciOiJub25lIn0.{CLAIMS}."), IN_TIME, Err(AlgNotAllowed)),
        // JSON serializations are full of commas, and a comma is between two credentials (RFC 9110 section 11.6.1).
        (
            "7515 A.6",
            p256_of_7515(),
            "ES256",
            json!({"payload": CLAIMS, "signatures": [
                {"protected": "eyJhbGciOiJSUzI1NiJ9", "header": {"kid": "2010-12-29"}, "signature": RS256_OF_7515},
                {"protected": es_header, "header": {"kid": "e9bc097a-ce51-4036-9562-d2ade882db0d"}, "signature": ES256_OF_7515},
            ]})
            .to_string(),
            IN_TIME,
            Err(MultipleTokens),
        ),
        (
            "7515 A.7",
            p256_of_7515(),
            "ES256",
            json!({"payload": CLAIMS, "protected": es_header, "signature": ES256_OF_7515}).to_string(),
            IN_TIME,
            Err(MultipleTokens),
        ),
        (
            "7515 appendix E",
            secret_of_7515(),
            "HS256",
            "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS\
             9VTkRFRklORUQiOnRydWUNCn0.RkFJTA."
                .to_owned(),
            IN_TIME,
            Err(CriticalExtension),
        ),
        ("7520 4.1", rsa_of_7520(), "RS256", bilbo("RS256", RS256_OF_7520), IN_TIME, Err(ClaimsNotJson)),
        ("7520 4.2", rsa_of_7520(), "PS384", bilbo("PS384", PS384_OF_7520), IN_TIME, Err(ClaimsNotJson)),
        ("7520 4.3", p521_of_7520(), "ES512", bilbo("ES512", ES512_OF_7520), IN_TIME, Err(ClaimsNotJson)),
        ("7520 4.4", secret_of_7520(), "HS256", format!("{hs_7520}.{SENTENCE}.{HS256_OF_7520}"), IN_TIME, Err(ClaimsNotJson)),
        // The content is elsewhere, so that the signature is over something else.
        ("7520 4.5", secret_of_7520(), "HS256", format!("{hs_7520}..{HS256_OF_7520}"), IN_TIME, Err(BadSignature)),
        (
            "7520 4.6",
            secret_of_7520(),
            "HS256",
            json!({"payload": SENTENCE, "protected": "eyJhbGciOiJIUzI1NiJ9", "header": {"kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037"},
                "signature": "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20"}).to_string(),
            IN_TIME,
            Err(MultipleTokens),
        ),
        (
            "7520 4.7",
            secret_of_7520(),
            "HS256",
            json!({"payload": SENTENCE, "header": {"alg": "HS256", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037"},
                "signature": "xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk"}).to_string(),
            IN_TIME,
            Err(MultipleTokens),
        ),
        // The same signature over a header that is empty, as a compact token.
        ("7520 4.7, compact", secret_of_7520(), "HS256", format!(".{SENTENCE}.xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk"), IN_TIME, Err(HeaderNotJson)),
        (
            "7520 4.8",
            secret_of_7520(),
            "HS256",
            json!({"payload": SENTENCE, "signatures": [
                {"protected": "eyJhbGciOiJSUzI1NiJ9", "header": {"kid": "bilbo.baggins@hobbiton.example"}, "signature": RS256_OF_7520},
                {"header": {"alg": "ES512", "kid": "bilbo.baggins@hobbiton.example"}, "signature": ES512_OF_7520},
                {"protected": hs_7520, "signature": HS256_OF_7520},
            ]})
            .to_string(),
            IN_TIME,
            Err(MultipleTokens),
        ),
        ("7797 4.1", secret_of_7515(), "HS256", "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ".to_owned(), IN_TIME, Err(ClaimsNotJson)),
        // `crit` is refused before `b64` is looked at.
        (
            "7797 4.2",
            secret_of_7515(),
            "HS256",
            "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY".to_owned(),
            IN_TIME,
            Err(CriticalExtension),
        ),
        // The payload as it is, with a dot in it and without.
        (
            "7797 4.2, with its payload",
            secret_of_7515(),
            "HS256",
            "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.$.02.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY".to_owned(),
            IN_TIME,
            Err(NotThreeParts),
        ),
        ("8037 A.4, A.5", ed25519_of_8037(), "EdDSA", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".to_owned(), IN_TIME, Err(ClaimsNotJson)),
    ]
}

const HS256_OF_7520: &str = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";

#[test]
fn the_examples_of_the_rfcs_are_decided_as_they_say() {
    let mut count = 0;
    for (section, key, algorithm, token, now, expected) in examples() {
        for host in hosts() {
            // In the module alone there is no code for P-521: src/keys/verify.rs says why.
            if host.is_none() && algorithm == "ES512" {
                let refusal =
                    gate(&json!({"jwks": {"keys": [key]}, "algorithm": algorithm}), host).err().unwrap();
                assert!(
                    refusal.contains("which only Envoy's verify_signature verifies"),
                    "RFC {section}: {refusal}"
                );
                continue;
            }
            let gate = gate(&json!({"jwks": {"keys": [key]}, "algorithm": algorithm}), host).unwrap();
            assert_eq!(decide(&gate, &token, now), expected.map(str::to_owned), "RFC {section}");
            // With one bit changed, no signature is good any more.
            if let Some((input, signature)) = token.rsplit_once('.').filter(|_| is_signed(expected)) {
                let last = usize::from(signature.as_bytes()[7]);
                let other = if last == usize::from(b'A') { "B" } else { "A" };
                let changed = format!("{input}.{}{other}{}", &signature[..7], &signature[8..]);
                assert_eq!(decide(&gate, &changed, now), Err(BadSignature), "RFC {section}, changed");
                count += 1;
            }
            count += 1;
        }
    }
    println!("{count} decisions on the examples of RFC 7515, 7520, 7797 and 8037");
    assert!(count > 60, "{count}");
}

fn is_signed(expected: Result<&str, Rejection>) -> bool {
    matches!(expected, Ok(_) | Err(ClaimsNotJson | NoUserIdClaim | Expired))
}
