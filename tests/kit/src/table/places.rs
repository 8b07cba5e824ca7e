//! Where a token may be: in `Authorization`, and in the places of `from`.

use kinto_jwt_filter::Rejection::{self, *};
use serde_json::{Value, json};

use super::{List, Policy, add_policy, settings_with};
use crate::http::{Headers, authorization, header};
use crate::tokens::rs256;

pub(super) fn in_authorization(list: &mut List, good: &Value) {
    let good = rs256(good);
    let auth = |value: &str| vec![header("Authorization", value)];
    list.headers("no Authorization", vec![], Err(NoToken));
    list.headers("JWT", auth(&format!("JWT {good}")), Ok("alice"));
    for scheme in ["jwt", "Jwt"] {
        list.headers(scheme, auth(&format!("{scheme} {good}")), Ok("alice")).differs("scheme-case");
    }
    for scheme in ["Bearer", "Basic", "Digest", "Token", "JWT:", "XJWT"] {
        list.headers(scheme, auth(&format!("{scheme} {good}")), Err(ForeignScheme));
    }
    for (name, value, expected) in [
        ("a password", "Basic YWxpY2U6cHc=".to_owned(), Err(ForeignScheme)),
        ("bare token", good.clone(), Err(ForeignScheme)),
        ("two spaces", format!("JWT  {good}"), Err(NotBase64Url)),
        ("tab", format!("JWT\t{good}"), Err(ForeignScheme)),
        ("space and tab", format!("JWT \t{good}"), Err(NotBase64Url)),
        ("spaces around", format!("   JWT {good}  "), Ok("alice")),
        ("tab around", format!("\tJWT {good}\t"), Ok("alice")),
        ("scheme only", "JWT".to_owned(), Err(NoToken)),
        ("scheme and space", "JWT ".to_owned(), Err(NoToken)),
        ("empty", String::new(), Err(NoToken)),
        ("equals sign", format!("JWT={good}"), Err(ForeignScheme)),
        ("parameter", format!("JWT token=\"{good}\""), Err(NotBase64Url)),
        ("list in one field", format!("JWT {good}, Basic YTpi"), Err(MultipleTokens)),
        ("list in one field, ours last", format!("Basic YTpi, JWT {good}"), Err(MultipleTokens)),
    ] {
        list.headers(name, auth(&value), expected);
    }
    let field = |value: &str| header("Authorization", value);
    list.headers("two, the same", vec![authorization(&good), authorization(&good)], Err(MultipleTokens));
    list.headers("two, good first", vec![authorization(&good), authorization("x.y.z")], Err(MultipleTokens));
    list.headers("two, good last", vec![field("Basic YTpi"), authorization(&good)], Err(MultipleTokens));
    for name in ["Proxy-Authorization", "X-Authorization"] {
        list.headers(name, vec![header(name, format!("JWT {good}"))], Err(NoToken));
    }
    list.headers("name in lower case", vec![header("authorization", format!("JWT {good}"))], Ok("alice"));
    list.headers("name in upper case", vec![header("AUTHORIZATION", format!("JWT {good}"))], Ok("alice"));
    list.headers(
        "bytes that are not UTF-8",
        vec![header("Authorization", b"JWT \xff\xfe.\xe5.\xe5")],
        Err(NotBase64Url),
    );
    list.headers("scheme that is not ASCII", vec![header("Authorization", b"JWT\xe5 x")], Err(ForeignScheme));
    for name in ["userId", "USERID", "userid", "UserID"] {
        let spoof = header(name, "mallory");
        list.headers(&format!("{name}, no token"), vec![spoof.clone()], Err(NoToken));
        list.headers(
            &format!("{name}, bad token"),
            vec![spoof.clone(), authorization("a.b.c")],
            Err(NotBase64Url),
        );
        list.headers(&format!("{name}, good token"), vec![spoof.clone(), authorization(&good)], Ok("alice"));
        list.headers(&format!("{name}, twice"), vec![spoof.clone(), spoof], Err(NoToken));
    }
    list.headers("empty userId", vec![header("userId", "")], Err(NoToken));
}

pub(super) fn of_from(policies: &mut Vec<Policy>, now: u64) {
    let alice = rs256(&json!({"sub": "alice", "exp": now + 600}));
    let bob = rs256(&json!({"sub": "bob", "exp": now + 600}));
    let bad = rs256(&json!({"sub": "bob", "exp": now - 1}));
    let from = json!([{"header": "Authorization", "schemes": ["Bearer"]}, {"cookie": "kinto_token"}, {"query": "access_token"}]);
    add_policy(policies, "from", settings_with(json!({"from": from})), |list| {
        let bearer = |token: &str| header("Authorization", format!("Bearer {token}"));
        let cookie = |token: &str| header("Cookie", format!("a=b; kinto_token={token}; c=d"));
        let mut case =
            |name: &str, headers: Headers, query: Option<&str>, expected: Result<&str, Rejection>| {
                let path = query
                    .map_or_else(|| "/v1/".to_owned(), |token| format!("/v1/?_x=1&access_token={token}"));
                list.headers(name, headers, expected).to("GET", &path);
            };
        case("header", vec![bearer(&alice)], None, Ok("alice"));
        case("cookie", vec![cookie(&alice)], None, Ok("alice"));
        case("query", vec![], Some(&alice), Ok("alice"));
        case("scheme of auth_type", vec![authorization(&alice)], None, Err(ForeignScheme));
        case("the same everywhere", vec![bearer(&alice), cookie(&alice)], Some(&alice), Ok("alice"));
        case("two", vec![bearer(&alice), cookie(&bob)], None, Err(MultipleTokens));
        case("two more", vec![cookie(&bob)], Some(&alice), Err(MultipleTokens));
        case("good and bad", vec![bearer(&alice)], Some(&bad), Err(MultipleTokens));
        case("bad in a cookie", vec![cookie(&bad)], None, Err(Expired));
        case(
            "Basic and a cookie",
            vec![header("Authorization", "Basic YTpi"), cookie(&alice)],
            None,
            Ok("alice"),
        );
        case("Basic alone", vec![header("Authorization", "Basic YTpi")], None, Err(ForeignScheme));
        let quoted = |token: &str| header("Cookie", format!("a=\"b\"; kinto_token=\"{token}\"; c=d"));
        case("quoted cookie", vec![quoted(&alice)], None, Ok("alice"));
        case("quoted cookie, bad", vec![quoted(&bad)], None, Err(Expired));
        case("quoted and bare", vec![quoted(&alice), cookie(&alice)], None, Ok("alice"));
        case("quoted and bare, two", vec![quoted(&alice), cookie(&bob)], None, Err(MultipleTokens));
        case("quotes and nothing", vec![quoted("")], None, Err(NoToken));
        for (name, value) in [
            ("half a quote", format!("\"{alice}")),
            ("the other half", format!("{alice}\"")),
            ("quoted twice", format!("\"\"{alice}\"\"")),
            ("quote inside", alice.replacen('.', "\".", 1)),
            ("spaces in the quotes", format!("\" {alice} \"")),
            ("escaped", format!("\"{}\"", alice.replacen('.', "\\056", 1))),
            ("single quotes", format!("'{alice}'")),
            ("text after the quotes", format!("\"{alice}\"x")),
        ] {
            let expected = if name == "escaped" { NotThreeParts } else { NotBase64Url };
            case(name, vec![cookie(&value)], None, Err(expected));
        }
        case("quotes in a header", vec![bearer(&format!("\"{alice}\""))], None, Err(NotBase64Url));
        case("quotes in a query", vec![], Some(&format!("%22{alice}%22")), Err(NotBase64Url));
        case("an empty cookie", vec![cookie("")], None, Err(NoToken));
        case("an empty parameter", vec![], Some(""), Err(NoToken));
        case("two cookie fields", vec![cookie(&alice), cookie(&bob)], None, Err(MultipleTokens));
        case("nothing", vec![], None, Err(NoToken));
        list.headers("encoded", vec![], Ok("alice"))
            .to("GET", &format!("/v1/?access%5Ftoken={}", alice.replace('.', "%2E")));
        list.headers("not a query", vec![], Err(NoToken)).to("GET", "/v1/?x=access_token=a").answer = None;
    });
    let from = json!([{"header": "X-Token"}, {"header": "X-Other", "schemes": ["Token"]}]);
    add_policy(policies, "from headers", settings_with(json!({"from": from})), |list| {
        list.headers("bare", vec![header("X-Token", &alice)], Ok("alice"));
        list.headers("scheme", vec![header("X-Other", format!("Token {alice}"))], Ok("alice"));
        list.headers("no scheme", vec![header("X-Other", &alice)], Err(ForeignScheme));
        list.headers(
            "both",
            vec![header("X-Token", &alice), header("X-Other", format!("Token {bob}"))],
            Err(MultipleTokens),
        );
        list.token("neither", &alice, Err(NoToken));
    });
}
