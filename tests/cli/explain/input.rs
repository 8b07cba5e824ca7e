//! What the command is given: tokens as people paste them, key sets in files, and what it cannot work with.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::{Asked, Files, secrets};
use kit::servers::project;
use kit::table::settings_with;
use kit::tokens::{SECRET, jwk, public_key, rs256, token, token_with_kid};

/// 2026-11-24T10:00:00Z.
const NOW: u64 = 1_795_514_400;

fn good() -> String {
    rs256(&json!({"sub": "alice", "exp": NOW + 600}))
}

/// What the report says: the user, or the code and the step.
fn said(asked: &Asked) -> Result<String, (String, String)> {
    let report = asked.report().1;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match &report["refused"] {
        Value::Null => Ok(text(&report["user"])),
        refused => Err((text(&refused["code"]), text(&refused["step"]))),
    }
}

fn refused(code: &str, step: &str) -> Result<String, (String, String)> {
    Err((code.to_owned(), step.to_owned()))
}

#[test]
fn a_token_is_taken_as_people_paste_it() {
    let files = Files::new();
    let config = |name, more| files.settings(name, &settings_with(more));
    let both = config("both", json!({"auth_type": ["JWT", "Bearer"]}));
    let jwt = config("jwt", json!({}));
    let cookie = config("cookie", json!({"from": [{"cookie": "t"}, {"query": "t"}]}));
    let query = config(
        "query",
        json!({"from": [{"query": "a token"}]}).to_string().replace("a token", "t").parse().unwrap(),
    );
    let bare = config("bare", json!({"http_header": "X-Token"}));
    let good = good();
    let alice = || Ok("alice".to_owned());
    let foreign = || refused("foreign_scheme", "place");
    let no_token = || refused("no_token", "place");
    for (config, pasted, expected) in [
        (&both, good.clone(), alice()),
        (&both, format!("  {good}\r\n"), alice()),
        (&both, format!("Bearer {good}\n"), alice()),
        (&both, format!("Authorization: Bearer {good}"), alice()),
        (&both, format!("authorization:bearer {good} "), alice()),
        (&both, format!("Basic {good}"), foreign()),
        (&jwt, good.clone(), alice()),
        // The client sends another scheme than the filter looks for: that is the reason.
        (&jwt, format!("Bearer {good}"), foreign()),
        (&jwt, format!("Authorization: Bearer {good}"), foreign()),
        (&cookie, good.clone(), alice()),
        (&cookie, format!("Bearer {good}"), alice()),
        (&cookie, format!("Authorization: Bearer {good}"), no_token()),
        (&query, good.clone(), alice()),
        (&bare, good.clone(), alice()),
        (&bare, format!("Bearer {good}"), alice()),
        (&both, String::new(), no_token()),
    ] {
        let file = files.write("token", &pasted);
        let mut at = OsString::from("@");
        at.push(&file);
        let asked = Asked::new(config, NOW);
        assert_eq!(said(&asked.clone().and(at)), expected, "{}: {pasted}", config.display());
        let piped = asked.clone().and("--format").and("json").and("-").with_input(Some(&file));
        assert_eq!(piped.json()["user"], asked.clone().and(&pasted).report().1["user"], "{pasted}");
        // Without quotes the shell makes words of it.
        let words = pasted.split_whitespace().fold(asked, |asked, word| asked.and(word));
        assert_eq!(said(&words), expected, "{}: {pasted}, in words", config.display());
    }
    let with_query = Asked::new(&query, NOW).and("--path").and("/v1/x?y=1").and(&good);
    assert_eq!(said(&with_query), alice());
    let two = Asked::new(&cookie, NOW).and("--path").and("/v1/x?t=other").and(&good);
    assert_eq!(said(&two), refused("multiple_tokens", "place"));
}

#[test]
fn with_several_policies_the_one_decides_that_the_token_is_for() {
    let files = Files::new();
    let settings = json!({"policies": [
        {"name": "people", "issuer": "https://people.example", "public_key": public_key("rsa"), "auth_type": "Bearer"},
        {"name": "partners", "issuer": "https://partners.example", "public_key": public_key("rsa-other"),
            "http_header": "X-Partner"},
        {"name": "machines", "issuer": "machines", "public_key": SECRET, "algorithm": "HS256", "from": {"cookie": "m"}},
    ]});
    let asked = Asked::new(&files.settings("several", &settings), NOW);
    let of = |alg, key, iss: &str| token(alg, key, &json!({"sub": "alice", "iss": iss}));
    for (token, policy, expected) in [
        (of("RS256", "rsa", "https://people.example"), json!("people"), Ok("alice".to_owned())),
        (of("RS256", "rsa-other", "https://partners.example"), json!("partners"), Ok("alice".to_owned())),
        (of("HS256", SECRET, "machines"), json!("machines"), Ok("alice".to_owned())),
        (of("RS256", "rsa", "machines"), json!("machines"), refused("alg_not_allowed", "alg")),
        (
            of("RS256", "rsa", "https://partners.example"),
            json!("partners"),
            refused("bad_signature", "signature"),
        ),
        (of("RS256", "rsa", "https://nobody.example"), json!(null), refused("issuer_unknown", "policy")),
        ("a.b.c".to_owned(), json!(null), refused("issuer_unknown", "policy")),
    ] {
        let asked = asked.clone().and(&token);
        assert_eq!((&asked.report().1["policy"], said(&asked)), (&policy, expected), "{token}");
    }
}

#[test]
fn keys_of_issuers_come_from_files() {
    let files = Files::new();
    let remote = |host: &str| json!({"uri": format!("https://{host}/keys?a=1&b='"), "cluster": "issuer", "maxBytes": 2000});
    let one = files.settings("one", &json!({"remoteJwks": remote("i.example"), "auth_type": "Bearer"}));
    let discovery = json!({"discovery": true, "cluster": "issuer"});
    let two = json!({"auth_type": "Bearer", "policies": [
        {"name": "a", "issuer": "https://a.example", "remoteJwks": discovery},
        {"name": "b", "issuer": "https://b.example", "remoteJwks": remote("b.example")},
    ]});
    let two = files.settings("two", &two);
    let set = |name: &str, keys: Value| files.write(name, json!({"keys": keys}).to_string());
    let keys = set("keys.json", json!([jwk("k", "rsa"), {"kty": "x", "kid": "strange"}]));
    let by = |key: &str, kid: &str, iss: &str| {
        token_with_kid("RS256", key, kid, &json!({"sub": "alice", "iss": iss}))
    };

    let asked = Asked::new(&one, NOW).and(by("rsa", "k", "x"));
    assert_eq!(said(&asked), refused("keys_unavailable", "keys"));
    let text = in_one_line(&asked);
    assert!(
        text.contains("curl -o jwks.json 'https://i.example/keys?a=1&b=%27' and then add --jwks jwks.json"),
        "{text}"
    );
    let asked = asked.and("--jwks").and(&keys);
    assert_eq!(said(&asked), Ok("alice".to_owned()));
    assert!(asked.explain().out.contains("left out: key 2 (kid \"strange\") is of an unknown kty"));
    let other = Asked::new(&one, NOW).and(by("rsa", "other", "x")).and("--jwks").and(&keys);
    assert_eq!(said(&other), refused("kid_unknown", "key"));

    let named = |name: &str, path: &std::path::Path| format!("{name}={}", path.display());
    let asked = Asked::new(&two, NOW).and(by("rsa", "k", "https://a.example"));
    let text = in_one_line(&asked);
    assert!(text.contains("curl 'https://a.example/.well-known/openid-configuration' shows the"), "{text}");
    assert!(text.contains("--jwks a=jwks.json"), "{text}");
    assert_eq!(said(&asked.clone().and("--jwks").and(named("a", &keys))), Ok("alice".to_owned()));
    assert_eq!(
        said(&asked.clone().and("--jwks").and(named("b", &keys))),
        refused("keys_unavailable", "keys")
    );

    for (written, words) in [
        (keys.display().to_string(), "say whose keys these are: --jwks a=FILE"),
        (named("a", &set("private.json", json!([{"kty": "RSA", "d": "x"}]))), "is a private key"),
        (
            named("a", &set("long.json", json!([jwk("k", "rsa"), "x".repeat(200_000)]))),
            "is larger than remoteJwks.maxBytes",
        ),
        (named("a", &files.write("html.json", "<html>")), "is not a JSON object"),
        (named("a", &files.write("metadata.json", r#"{"jwks_uri":"x"}"#)), "is the metadata of the issuer"),
        (named("a", &files.0.path().join("none.json")), "No such file"),
    ] {
        cannot(&asked.clone().and("--jwks").and(written), words);
    }
    let fixed = files.settings("fixed", &settings_with(json!({})));
    cannot(&Asked::new(&fixed, NOW).and("--jwks").and(&keys), "no policy has remoteJwks");
}

/// The text, whatever the width of its lines is.
fn in_one_line(asked: &Asked) -> String {
    asked.explain().out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The command ends with 2 and these words, and shows nothing of a token.
fn cannot(asked: &Asked, words: &str) {
    let done = asked.explain();
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{}", done.err);
    assert!(done.err.contains(words), "{words:?} is not in {}", done.err);
    for secret in secrets(good().as_bytes()) {
        assert!(!done.err.contains(&secret), "{}", done.err);
    }
}

#[test]
fn what_it_cannot_work_with_it_says_and_what_to_do() {
    let files = Files::new();
    let config = files.settings("settings", &settings_with(json!({})));
    let asked = Asked::new(&config, NOW);
    let (line_end, header) = (format!("{}\n{}", good(), good()), format!("Authorization JWT {}", good()));
    for (asked, words) in [
        (asked.clone().and(line_end), "paste it as one line"),
        (
            asked.clone().and("--header").and(header),
            "--header number 1 has no colon; write it as 'Name: value'",
        ),
        (asked.clone().and("--header").and(format!("a b: {}", good())), "has a name that no header can have"),
        (
            asked.clone().and("--header").and(format!("a: {}\n", good())),
            "has a value with a control character",
        ),
        (Asked::default().and("--now").and(good()), "it is neither seconds since 1970 nor a time"),
        (asked.clone().and("--format").and(good()), "possible values: text, brief, json"),
        (asked.clone().and(format!("--{}", good())), "unexpected argument"),
        (asked.clone().and("@none.jwt"), "none.jwt: No such file"),
        (asked.clone().and("--batch").and("-").and("-"), "only one of --config, --batch and the token"),
        (asked.clone().and("--batch").and("none.json"), "none.json: No such file"),
        (asked.clone().and("--batch").and(&config).and("--path").and("/v1/"), "leave --batch out"),
    ] {
        cannot(&asked, words);
    }
    let bad = files.settings("bad", &settings_with(json!({"leeway": -1})));
    cannot(&Asked::new(&bad, NOW).and(good()), "the filter refuses this configuration: leeway is not");
    let env = files.settings(
        "env",
        &json!({"publicKeyEnv": "KINTO_JWT_TEST_KEY_THAT_IS_NOT_SET", "algorithm": "HS256"}),
    );
    cannot(&Asked::new(&env, NOW).and(good()), "set KINTO_JWT_TEST_KEY_THAT_IS_NOT_SET to the key");
    cannot(
        &Asked::new(&files.write("empty.yaml", "a: 1"), NOW),
        "no configuration of kinto-jwt-filter was found",
    );
}

#[test]
fn without_verification_the_steps_of_it_are_left_out() {
    let files = Files::new();
    let config = files.settings("off", &settings_with(json!({"verifyToken": false, "audience": "x"})));
    let asked = Asked::new(&config, NOW).and(token("RS256", "rsa-other", &json!({"sub": "alice", "exp": 1})));
    let (code, report) = asked.report();
    assert_eq!((code, &report["user"]), (0, &json!("alice")));
    let left_out = |row: &&Value| row["mark"] == "left out";
    assert_eq!(report["steps"].as_array().unwrap().iter().filter(left_out).count(), 20);
    assert!(asked.explain().out.contains("anybody can make a token for any user"));
}

#[test]
fn the_demo_of_envoy_is_explained() {
    let token = token("RS256", "demo", &json!({"sub": "alice", "exp": NOW + 9}));
    let done = Asked::new(&project("envoy/envoy.yaml"), NOW).and(token).explain();
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.contains("Kinto sees the user kinto_jwt:alice."), "{}", done.out);
}

#[test]
fn each_code_has_words_and_an_example_on_the_page() {
    let rows = std::fs::read_to_string(project("docs/operating.md")).unwrap();
    let rows = rows.split_once("\n## Rejections\n").unwrap().1.split("\n## ").next().unwrap();
    let codes: Vec<&str> =
        rows.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let page = std::fs::read_to_string(project("docs/explain.md")).unwrap();
    for code in &codes {
        let done = Asked::default().and("--code").and(code).explain();
        assert!(done.code == 0 && done.out.contains("\nWhat to do: "), "{code}: {}", done.err);
        let section =
            page.split_once(&format!("\n### `{code}`\n")).unwrap_or_else(|| panic!("no section {code}")).1;
        let section = section.split("\n### ").next().unwrap();
        let is_shown = section.contains(&format!("The token proves nothing: {code}"));
        // Whether there is room to wait is known where Envoy runs.
        assert!(
            is_shown || *code == "no_room_to_wait" && section.contains("--code no_room_to_wait"),
            "{section}"
        );
    }
    assert_eq!(codes.len(), 47);
    cannot(&Asked::default().and("--code").and("none"), "the codes are no_token, ");
}
