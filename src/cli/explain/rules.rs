//! What each rule for claims looks at, in numbers and words.

use serde_json::Value;

use crate::cli::explain::shown::{date, list, printable, seconds, value};
use crate::cli::explain::step::Step;
use crate::cli::in_words::time;
use crate::token::bound::BoundTokens;
use crate::token::claims::{NumericDate, RequiredMembers, Rules, scopes};

/// What the step looks at in these claims. Empty if the step is not about a rule for claims. `refused` says that this step
/// refuses.
pub(crate) fn rule(rules: &Rules, claims: &Value, now: NumericDate, step: Step, refused: bool) -> String {
    let claim = |name| value(claims.get(name));
    let date = |name| date(claims.get(name), now);
    let leeway = || format!("leeway is {}", seconds(rules.leeway));
    let limit = |limit: Option<u64>| limit.map_or("not set".to_owned(), seconds);
    let kind = |name| match claims.get(name) {
        None => "absent".to_owned(),
        Some(Value::String(_)) => "text".to_owned(),
        Some(_) => "not text".to_owned(),
    };
    match step {
        Step::Dates if !refused => "each that is there is a number".to_owned(),
        Step::Dates => format!("exp {}; nbf {}; iat {}", claim("exp"), claim("nbf"), claim("iat")),
        Step::IssuedAt => format!("{}; {}", date("iat"), leeway()),
        Step::NotBefore => format!("{}; {}", date("nbf"), leeway()),
        Step::Expiry => format!("{}; {}", date("exp"), leeway()),
        Step::Age => limit(rules.max_age),
        Step::Lifetime => {
            let required = if rules.require_exp { "; requireExp is true" } else { "" };
            format!("{}{required}", limit(rules.max_lifetime))
        }
        Step::Audience => {
            let expected = rules.audience.as_ref().map_or("not set".to_owned(), |all| list(all, " or "));
            format!("{}; audience is {expected}", claim("aud"))
        }
        Step::Subject => kind("sub"),
        Step::JwtId => kind("jti"),
        Step::RequiredClaims => members(&rules.required_claims, Some(claims), refused, true),
        Step::RequiredScopes if rules.required_scopes.is_empty() => "not set".to_owned(),
        Step::RequiredScopes => {
            format!("has {}; needs {}", list(scopes(claims), ", "), list(&rules.required_scopes, ", "))
        }
        Step::IssuedAfter => rules.refused.before.map_or("not set".to_owned(), time),
        Step::RefusedClaims if rules.refused.claims.is_empty() => "not set".to_owned(),
        Step::RefusedClaims => {
            let shown = rules.refused.claims.iter().map(|(name, _)| {
                let found: Vec<String> = name.find_all(claims).map(|found| value(Some(found))).collect();
                let found = if found.is_empty() { "absent".to_owned() } else { found.join(" and ") };
                format!("{} is {found}", printable(&name.to_string()))
            });
            shown.collect::<Vec<_>>().join("; ")
        }
        Step::Confirmation => {
            let bound = match claims.get("cnf") {
                None => "absent".to_owned(),
                Some(Value::Object(members)) if !members.is_empty() => list(members.keys(), ", "),
                Some(_) => "names no key".to_owned(),
            };
            let setting = match rules.bound_tokens {
                BoundTokens::Refuse => "refuse",
                BoundTokens::Verify => "verify",
                BoundTokens::Ignore => "ignore",
            };
            format!("{bound}; boundTokens is {setting}")
        }
        _ => String::new(),
    }
}

/// What is asked for, and, with `shows`, what is there. With `refused`, only what is missing or has another value.
pub(crate) fn members(
    required: &RequiredMembers,
    object: Option<&Value>,
    refused: bool,
    shows: bool,
) -> String {
    let Some(object) = object else { return String::new() };
    if required.0.is_empty() {
        return "not set".to_owned();
    }
    let is_said = |item: &&(_, _)| !refused || !RequiredMembers(vec![(*item).clone()]).hold(object);
    let words = required.0.iter().filter(is_said).map(|(name, values)| {
        let found = match name.find(object) {
            Some(_) if !shows => "there".to_owned(),
            found => value(found),
        };
        let wanted: Vec<String> = values.iter().map(|wanted| value(Some(wanted))).collect();
        format!("{} is {found}; needs {}", printable(&name.to_string()), wanted.join(" or "))
    });
    words.collect::<Vec<_>>().join("; ")
}
