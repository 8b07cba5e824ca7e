//! The JSON Schema of the settings: it says what the parser and the page of settings say.

mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use kinto_jwt_filter::parse_config;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::variants::variants;
use crate::{keygen, printed};
use kit::faults;
use kit::pages::{examples_of_settings, read, settings_sections, yaml};
use kit::servers::project;
use kit::table::{policies, settings_with};
use kit::tokens::{now, public_key};

fn schema() -> Value {
    serde_json::from_str(&printed(&project(""), &["schema"])).unwrap()
}

fn validator() -> Validator {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{e}"));
    jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema).unwrap()
}

/// What the schema has against settings.
fn complaints(validator: &Validator, settings: &Value) -> Vec<String> {
    validator.iter_errors(settings).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The settings that the parser knows at a place, out of its message for an unknown one.
fn known(settings: &Value) -> BTreeSet<String> {
    let error = parse_config(settings.to_string().as_bytes(), None).unwrap_err().to_string();
    let names = error.rsplit_once("the settings are ").unwrap().1;
    names.split(", ").map(str::to_owned).collect()
}

/// The schema of a setting, with its name as the page of settings writes it: `remoteJwks.uri`, `policies[].name`.
fn described(schema: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for name in schema["properties"].as_object().unwrap().keys() {
        let setting = &schema["$defs"][name];
        for (member, schema) in setting["properties"].as_object().into_iter().flatten() {
            // `refusedClaims` names the claims that it knows, which are no settings.
            if schema.get("$ref").is_none() {
                all.insert(format!("{name}.{member}"), schema.clone());
            }
        }
        all.insert(name.clone(), setting.clone());
    }
    let name = &schema["$defs"]["policy"]["properties"]["name"];
    all.insert("policies[].name".to_owned(), name.clone());
    all
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn it_has_the_settings_of_the_parser_and_no_other() {
    let schema = schema();
    let settings = known(&json!({"x": 1}));
    assert_eq!(settings.len(), 38);
    assert_eq!(keys(&schema["properties"]), settings);
    let policy = &schema["$defs"]["policy"]["properties"];
    let mut of_policies = known(&settings_with(json!({"policies": [{"name": "a", "x": 1}]})));
    assert!(of_policies.insert("name".to_owned()));
    assert_eq!(keys(policy), of_policies);
    // Each is the same inside of a policy and outside.
    for (properties, names) in [(&schema["properties"], &settings), (policy, &of_policies)] {
        for name in names.iter().filter(|name| *name != "name") {
            assert_eq!(properties[name], json!({"$ref": format!("#/$defs/{name}")}));
        }
    }
    // What is an object has these members only.
    let objects = [&schema, &schema["$defs"]["policy"], &schema["$defs"]["place"]];
    let members = ["remoteJwks", "ticket", "tokenCache", "batch"].map(|name| &schema["$defs"][name]);
    for object in objects.into_iter().chain(members) {
        assert_eq!(object["additionalProperties"], json!(false), "{object}");
    }
}

/// The first sentence of a section of the page, without marks.
fn first_sentence(section: &str) -> String {
    let line = section.lines().find(|line| !line.is_empty()).unwrap();
    let sentence = line.split_once(". ").map_or(line.to_owned(), |(sentence, _)| format!("{sentence}."));
    // [text](link)
    let mut parts = sentence.split("](");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text += part.split_once(')').unwrap().1;
    }
    text.replace(['[', '`'], "")
}

#[test]
fn it_describes_each_setting_as_the_page_does() {
    let schema = schema();
    let mut described = described(&schema);
    for (name, section) in settings_sections(&["##", "###"]) {
        let setting = described.remove(&name).unwrap_or_else(|| panic!("{name} is not in the schema"));
        assert_eq!(setting["description"], first_sentence(&section), "{name}");
        let default =
            section.split_once("Default: `").map(|(_, rest)| yaml(rest.split_once("`.").unwrap().0));
        assert_eq!(setting.get("default"), default.as_ref(), "{name}");
    }
    assert!(described.is_empty(), "not on the page: {described:?}");
    let place = schema["$defs"]["place"]["properties"].as_object().unwrap();
    assert!(place.values().all(|member| member["description"].is_string()));
}

/// Ranges on the page, such as "from 1 to 60" and "from 1".
#[test]
fn it_has_the_ranges_of_the_page() {
    let described = described(&schema());
    let mut count = 0;
    for (name, section) in settings_sections(&["##", "###"]) {
        let kind = section.split_once("\nType: ").unwrap().1.split(". ").next().unwrap();
        let Some(range) = kind.strip_prefix("whole number").and_then(|kind| kind.split_once(", from "))
        else {
            continue;
        };
        let (from, to) = range.1.split_once(" to ").unwrap_or((range.1, "4294967295"));
        let setting = &described[&name];
        assert_eq!(setting["type"], json!(["integer", "null"]), "{name}");
        assert_eq!(setting["minimum"].to_string(), from, "{name}");
        assert_eq!(setting["maximum"].to_string(), to, "{name}");
        count += 1;
    }
    assert_eq!(count, 12);
}

/// The files below a folder that end so.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// Each plugin configuration in a file: beside the type of a Struct, in `pluginConfig` (Istio) or in `config` of a
/// WebAssembly extension (Envoy Gateway).
fn plugin_settings(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| plugin_settings(item, found)),
        Value::Object(members) => {
            let is_struct =
                members.get("@type") == Some(&json!("type.googleapis.com/google.protobuf.Struct"));
            let place = if is_struct {
                "value"
            } else if members.contains_key("failOpen") {
                "config"
            } else {
                "pluginConfig"
            };
            match members.get(place) {
                Some(settings) => found.push(settings.clone()),
                None => members.values().for_each(|member| plugin_settings(member, found)),
            }
        }
        _ => {}
    }
}

#[test]
fn it_accepts_every_example() {
    let validator = validator();
    let accept = |what: &str, settings: &Value| {
        assert_eq!(complaints(&validator, settings), [""; 0], "{what}: {settings}");
    };
    let mut in_files = 0;
    for file in files(&project("envoy")) {
        let mut found = Vec::new();
        for document in serde_yaml_ng::Deserializer::from_str(&fs::read_to_string(&file).unwrap()) {
            plugin_settings(&Value::deserialize(document).unwrap(), &mut found);
        }
        for settings in &found {
            accept(&file.display().to_string(), settings);
        }
        in_files += found.len();
    }
    assert_eq!(in_files, 8, "Envoy twice and in a file of its own, Istio four times, Envoy Gateway once");
    // An editor finds the schema by their first line, from the folder of the file.
    for name in ["rotating-keys", "several-issuers", "web-page"] {
        let text = read(&format!("envoy/settings/{name}.yaml"));
        let path = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&read(&format!("envoy/settings/{path}"))).unwrap(),
            schema()
        );
        accept(name, &yaml(&text));
    }
    let examples = examples_of_settings();
    assert!(examples.len() > 30);
    for (page, settings) in &examples {
        accept(page, settings);
    }
    let table = policies(now());
    assert!(table.len() > 50, "{}", table.len());
    for policy in &table {
        accept(policy.name, &policy.settings);
    }
    // What is not written, and numbers as protobuf has them.
    let nulls: Value =
        schema()["properties"].as_object().unwrap().keys().map(|n| (n.clone(), Value::Null)).collect();
    let mut nulls = nulls;
    nulls["public_key"] = json!(public_key("rsa"));
    accept("nulls", &nulls);
    parse_config(nulls.to_string().as_bytes(), None).unwrap();
    accept("doubles", &json!({"public_key": "x", "leeway": 30.0, "batch": {"maxBytes": 1e3}}));
    let folder = tempfile::TempDir::new().unwrap();
    for algorithm in keygen::SIGNATURES.iter().chain(&["HS256"]) {
        let text = printed(folder.path(), &["keygen", "--algorithm", algorithm, "--out", algorithm]);
        accept(algorithm, &yaml(&text));
    }
}

/// Faults that no schema can see, each by a part of the filter's message or of the settings.
const UNSEEN: [&str; 28] = [
    // What is in a key, and whether it fits the algorithm.
    "public_key is not a PEM public key",
    "is a damaged certificate",
    "more than one PEM block",
    "not of a public key",
    "an EC key on",
    "an Ed25519 key, which",
    "an RSA key, which",
    "an RSA key of 1024 bits",
    "marked for PSS only",
    "a key of an unknown kind",
    r#""algorithm":"HS256","public_key":"-----BEGIN"#,
    r#""algorithm":"HS256","public_key":"MII"#,
    "a secret of 31 bytes",
    "a secret of 47 bytes",
    "a secret of 63 bytes",
    "key 1 is a JWK",
    "key 1 is a PEM",
    "key 1 is a DER key",
    "is for none of algorithm",
    "jwks is text that is not a JSON object",
    // Names that clash.
    r#""userIdHeader":"x-t""#,
    "the header of userIdHeader",
    "ticket.cookieName is a cookie that holds tokens",
    "claimsToHeaders.userId",
    "http_header or from: userId",
    "claimsToHeaders.x-a is there twice",
    "policies has a twice",
    // A day that no month has.
    "2026-02-30",
];

#[test]
fn it_refuses_every_fault_that_a_schema_can_see() {
    let validator = validator();
    let (mut seen, mut met) = (0, BTreeSet::<&&str>::new());
    let mut wrong = Vec::new();
    for (settings, _) in faults::of_kinto_jwt_settings().into_iter().chain(faults::of_own_settings()) {
        let message = parse_config(settings.to_string().as_bytes(), None).unwrap_err().to_string();
        let fault = format!("{message}: {settings}");
        let unseen: Vec<_> = UNSEEN.iter().filter(|words| fault.contains(**words)).collect();
        met.extend(&unseen);
        match (unseen.is_empty(), complaints(&validator, &settings).is_empty()) {
            (true, false) => seen += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("accepted: {fault}")),
            (false, false) => wrong.push(format!("the list says that it is not seen: {fault}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<_> = UNSEEN.iter().filter(|words| !met.contains(words)).collect();
    assert!(stale.is_empty(), "no fault of the table has these words: {stale:?}");
    assert!(seen > 100, "{seen}");
}

/// Why the filter refuses what the schema accepts, by words of its message.
const BEYOND_A_SCHEMA: [&str; 5] = [
    "public_key is ",
    "publicKeyEnv names a variable that the module does not have",
    "jwks has no key that verifies RS256",
    // A whole number with a point, in JSON text. In YAML there is none: protobuf has no other numbers.
    "1000.0",
    // The issuer of a policy may be that of all policies.
    "p.remoteJwks.discovery needs one issuer",
];

/// An editor must not complain about settings that work, and should complain about all others.
#[test]
fn it_accepts_what_the_filter_accepts() {
    let validator = validator();
    let (mut accepted, mut met) = (0, BTreeSet::<&&str>::new());
    for settings in variants() {
        let error = parse_config(settings.to_string().as_bytes(), None).err();
        match (error, complaints(&validator, &settings).as_slice()) {
            (None, []) => accepted += 1,
            (None, complaints) => panic!("{complaints:?}: {settings}"),
            (Some(error), []) => {
                let fault = format!("{error}: {settings}");
                let words = BEYOND_A_SCHEMA.iter().find(|words| fault.contains(**words));
                met.insert(words.unwrap_or_else(|| panic!("accepted: {fault}")));
            }
            (Some(_), _) => {}
        }
    }
    assert_eq!(met.len(), BEYOND_A_SCHEMA.len(), "all that the list names: {met:?}");
    assert!(accepted > 5000, "{accepted}");
}
