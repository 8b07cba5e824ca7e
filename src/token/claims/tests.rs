//! Each rule for claims, to the second and to the letter.

use serde_json::json;

use super::*;

const NOW: NumericDate = 1_800_000_000;

fn admit(rules: &Rules, claims: &Value) -> Result<(), Rejection> {
    admit_of(&Issuers::default(), rules, claims)
}

fn admit_of(issuers: &Issuers, rules: &Rules, claims: &Value) -> Result<(), Rejection> {
    let claims = Claims::parse(claims.to_string().as_bytes())?;
    rules.admit(claims, issuers, NOW).map(|_| ()).map_err(|reason| reason.rejection)
}

fn rules() -> Rules {
    Rules::default()
}

#[test]
fn times_are_checked_to_the_second() {
    for (claims, result) in [
        (json!({}), Ok(())),
        (json!({"exp": NOW + 1}), Ok(())),
        (json!({"exp": NOW}), Err(Rejection::Expired)),
        (json!({"exp": 1_800_000_000.9}), Err(Rejection::Expired)),
        (json!({"exp": 1_800_000_001.0}), Ok(())),
        (json!({"exp": 1e30}), Ok(())),
        (json!({"exp": 0}), Err(Rejection::Expired)),
        (json!({"nbf": NOW}), Ok(())),
        (json!({"nbf": 1_800_000_000.9}), Ok(())),
        (json!({"nbf": NOW + 1}), Err(Rejection::NotYetValid)),
        (json!({"iat": NOW}), Ok(())),
        (json!({"iat": NOW + 1}), Err(Rejection::IssuedInFuture)),
    ] {
        assert_eq!(admit(&rules(), &claims), result, "{claims}");
    }
}

#[test]
fn leeway_covers_all_three_times() {
    let rules = Rules { leeway: 30, ..rules() };
    for (claims, result) in [
        (json!({"exp": NOW - 29}), Ok(())),
        (json!({"exp": NOW - 30}), Err(Rejection::Expired)),
        (json!({"nbf": NOW + 30}), Ok(())),
        (json!({"nbf": NOW + 31}), Err(Rejection::NotYetValid)),
        (json!({"iat": NOW + 30}), Ok(())),
        (json!({"iat": NOW + 31}), Err(Rejection::IssuedInFuture)),
    ] {
        assert_eq!(admit(&rules, &claims), result, "{claims}");
    }
}

#[test]
fn a_time_is_a_non_negative_number_or_the_token_is_invalid() {
    for name in ["exp", "nbf", "iat"] {
        for value in
            [json!("9999999999"), json!(true), json!(null), json!([1]), json!({}), json!(-1), json!(-0.5)]
        {
            let result = admit(&rules(), &json!({name: value}));
            assert_eq!(result, Err(Rejection::NotNumericDate), "{name}: {value}");
        }
    }
}

#[test]
fn no_audience_configured_admits_only_tokens_for_nobody() {
    for aud in [json!(""), json!([]), json!(null), json!(0), json!(false), json!({})] {
        assert_eq!(admit(&rules(), &json!({"aud": aud})), Ok(()), "{aud}");
    }
    for aud in [json!("x"), json!(["x"]), json!([""]), json!(7), json!(true)] {
        assert_eq!(admit(&rules(), &json!({"aud": aud})), Err(Rejection::AudienceUnexpected), "{aud}");
    }
}

#[test]
fn a_configured_audience_must_be_named() {
    let rules = Rules { audience: Some(vec!["a".into(), "b".into()]), ..rules() };
    for (aud, result) in [
        (json!("a"), Ok(())),
        (json!(["x", "b"]), Ok(())),
        (json!("c"), Err(Rejection::AudienceMismatch)),
        (json!("A"), Err(Rejection::AudienceMismatch)),
        (json!("a "), Err(Rejection::AudienceMismatch)),
        (json!(["a", 1]), Err(Rejection::AudienceMismatch)),
        (json!({"a": 1}), Err(Rejection::AudienceMismatch)),
        (json!(1), Err(Rejection::AudienceMismatch)),
        (json!(""), Err(Rejection::AudienceMissing)),
        (json!([]), Err(Rejection::AudienceMissing)),
    ] {
        assert_eq!(admit(&rules, &json!({"aud": aud})), result, "{aud}");
    }
    assert_eq!(admit(&rules, &json!({})), Err(Rejection::AudienceMissing));
}

#[test]
fn sub_and_jti_are_strings_when_present() {
    assert_eq!(admit(&rules(), &json!({"sub": 42})), Err(Rejection::SubjectNotString));
    assert_eq!(admit(&rules(), &json!({"sub": null})), Err(Rejection::SubjectNotString));
    assert_eq!(admit(&rules(), &json!({"jti": 1})), Err(Rejection::JwtIdNotString));
    assert_eq!(admit(&rules(), &json!({"sub": "a", "jti": "1", "iss": 5})), Ok(()));
}

#[test]
fn an_issuer_is_one_of_those_configured_to_the_letter() {
    let issuers = Issuers::new(Some(vec!["https://a".into(), "https://b/".into()]));
    for (iss, result) in [
        (json!("https://a"), Ok(())),
        (json!("https://b/"), Ok(())),
        (json!("https://a/"), Err(Rejection::IssuerUnknown)),
        (json!("https://A"), Err(Rejection::IssuerUnknown)),
        (json!(["https://a"]), Err(Rejection::IssuerUnknown)),
        (json!(null), Err(Rejection::IssuerUnknown)),
        (json!(""), Err(Rejection::IssuerUnknown)),
    ] {
        assert_eq!(admit_of(&issuers, &rules(), &json!({"iss": iss})), result, "{iss}");
    }
    assert_eq!(admit_of(&issuers, &rules(), &json!({})), Err(Rejection::IssuerUnknown));
}

#[test]
fn a_lifetime_is_from_iat_or_else_nbf_to_exp() {
    let rules = Rules { max_lifetime: Some(600), ..rules() };
    for (claims, result) in [
        (json!({"iat": NOW, "exp": NOW + 600}), Ok(())),
        (json!({"iat": NOW, "exp": NOW + 601}), Err(Rejection::LifetimeTooLong)),
        (json!({"nbf": NOW, "exp": NOW + 600}), Ok(())),
        (json!({"nbf": NOW, "exp": NOW + 601}), Err(Rejection::LifetimeTooLong)),
        (json!({"iat": NOW - 500, "nbf": NOW, "exp": NOW + 101}), Err(Rejection::LifetimeTooLong)),
        (json!({"exp": NOW + 1}), Err(Rejection::StartMissing)),
        (json!({"iat": NOW}), Err(Rejection::ExpMissing)),
        (json!({"iat": 0, "exp": 1e30}), Err(Rejection::LifetimeTooLong)),
    ] {
        assert_eq!(admit(&rules, &claims), result, "{claims}");
    }
    let rules = Rules { require_exp: true, ..Rules::default() };
    assert_eq!(admit(&rules, &json!({})), Err(Rejection::ExpMissing));
    assert_eq!(admit(&rules, &json!({"exp": NOW + 1})), Ok(()));
}

#[test]
fn an_age_is_from_iat_to_now() {
    let rules = Rules { max_age: Some(600), leeway: 30, ..rules() };
    for (claims, result) in [
        (json!({"iat": NOW}), Ok(())),
        (json!({"iat": NOW - 630}), Ok(())),
        (json!({"iat": NOW - 631}), Err(Rejection::TooOld)),
        (json!({"iat": 0}), Err(Rejection::TooOld)),
        (json!({"iat": 1e30}), Err(Rejection::IssuedInFuture)),
        (json!({"nbf": NOW}), Err(Rejection::IatMissing)),
        (json!({"exp": NOW + 1}), Err(Rejection::IatMissing)),
        (json!({"iat": NOW - 631, "exp": NOW - 30}), Err(Rejection::Expired)),
    ] {
        assert_eq!(admit(&rules, &claims), result, "{claims}");
    }
}

#[test]
fn a_required_claim_has_one_of_its_values() {
    let required = vec![
        (ClaimName::new("/realm/roles".into()), vec![json!("kinto"), json!("admin")]),
        (ClaimName::new("verified".into()), vec![json!(true)]),
    ];
    let rules = Rules { required_claims: RequiredMembers(required), ..rules() };
    for (claims, result) in [
        (json!({"realm": {"roles": ["x", "admin"]}, "verified": true}), Ok(())),
        (json!({"realm": {"roles": "kinto"}, "verified": true}), Ok(())),
        (json!({"realm": {"roles": ["x"]}, "verified": true}), Err(Rejection::ClaimMismatch)),
        (json!({"realm": {"roles": []}, "verified": true}), Err(Rejection::ClaimMismatch)),
        (json!({"realm": {"roles": "kinto admin"}, "verified": true}), Err(Rejection::ClaimMismatch)),
        (json!({"realm": {"roles": ["admin"]}, "verified": "true"}), Err(Rejection::ClaimMismatch)),
        (json!({"realm": {"roles": ["admin"]}}), Err(Rejection::ClaimMismatch)),
        (json!({"verified": true}), Err(Rejection::ClaimMismatch)),
    ] {
        assert_eq!(admit(&rules, &claims), result, "{claims}");
    }
}

#[test]
fn required_scopes_are_all_there() {
    let rules = Rules { required_scopes: vec!["read".into(), "write".into()], ..rules() };
    for (claims, result) in [
        (json!({"scope": "write read"}), Ok(())),
        (json!({"scp": ["read", "write"]}), Ok(())),
        (json!({"scp": "read", "scope": "write"}), Ok(())),
        (json!({"scope": "read"}), Err(Rejection::ScopeMissing)),
        (json!({"scope": "read,write"}), Err(Rejection::ScopeMissing)),
        (json!({"scope": "READ WRITE"}), Err(Rejection::ScopeMissing)),
        (json!({"scope": {"read": 1, "write": 1}}), Err(Rejection::ScopeMissing)),
        (json!({}), Err(Rejection::ScopeMissing)),
    ] {
        assert_eq!(admit(&rules, &claims), result, "{claims}");
    }
}

#[test]
fn without_verification_every_claim_set_is_admitted() {
    for claims in [r#"{"exp": 1, "aud": "x", "sub": 42}"#, "{}"] {
        assert!(Admitted::without_verification(claims.as_bytes()).is_ok(), "{claims}");
    }
    assert_eq!(Admitted::without_verification(b"[]").unwrap_err(), Rejection::ClaimsNotJson);
}
