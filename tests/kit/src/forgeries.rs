//! The forgeries of the batch endpoint, one list for all who try them.

use serde_json::{Value, json};

use crate::http::{self, header};
use crate::servers::manager;

pub fn json_type() -> (String, Vec<u8>) {
    header("Content-Type", "application/json")
}

/// Switches off what else in the example could help: the filter must do it alone.
pub fn without_safeguards(listener: &mut Value) {
    let manager = manager(listener);
    manager["normalize_path"] = json!(false);
    manager["merge_slashes"] = json!(false);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    manager["common_http_protocol_options"]["headers_with_underscores_action"] = json!("ALLOW");
}

/// Spellings of the identity header inside JSON, as they stand between the quotes.
const SPELLINGS: [&str; 10] = [
    "userId",
    "userid",
    "USERID",
    "uSeRiD",
    r"\u0075serId",
    r"\u0055\u0053\u0045\u0052\u0049\u0044",
    r"user\u0131d",
    r"u\u017ferid",
    "user\u{131}d",
    "u\u{17f}er\u{131}d",
];

/// Ways to put a header into a batch body, NAME for its name.
const SHAPES: [&str; 14] = [
    r#"{"requests":[{"path":"/v1/","headers":{"NAME":"admin"}}]}"#,
    r#"{"requests":[{"path":"/","headers":{"NAME":"admin"}},{"path":"/v1/","headers":{"NAME":"admin"}}]}"#,
    r#"{"defaults":{"headers":{"NAME":"admin"}},"requests":[{"path":"/v1/"}]}"#,
    r#"{"requests":[{"path":"/v1/"}],"defaults":{"headers":{"NAME":"admin"}}}"#,
    r#"{"defaults":{"headers":{"NAME":"admin"}},"requests":[{"path":"/v1/","headers":{"NAME":"admin"}}]}"#,
    r#"{"defaults":{"path":"/v1/","headers":{"NAME":"admin"}},"requests":[{},{}]}"#,
    r#"{"requests":[{"path":"/v1/","headers":{},"headers":{"NAME":"admin"}}]}"#,
    r#"{"requests":[{"path":"/v1/","headers":{"NAME":"admin"},"h\u0065aders":{"NAME":"admin"}}]}"#,
    r#"{"requests":[{"path":"/"}],"requests":[{"path":"/v1/","headers":{"NAME":"admin"}}]}"#,
    r#"{"requests":[{"path":"/v1/"}],"defaults":{},"defaults":{"headers":{"NAME":"admin"}}}"#,
    r#"{"requests":[{"path":"/v1/","headers":{"NAME":"alice","NAME":"admin"}}]}"#,
    r#"{"requests":[{"path":"/v1/","h\u0065aders":{"NAME":"admin"}}]}"#,
    r#"{"r\u0065quests":[{"path":"/v1/","headers":{"NAME":"admin","Authorization":"JWT a.b.c"}}]}"#,
    r#"{"requests":[{"path":"/v1/","headers":{"NAME":"admin","NAME ":"x"}}]}"#,
];

pub const FORGERY: &str = r#"{"requests":[{"path":"/v1/","headers":{"userId":"admin"}}]}"#;

/// Paths that reach the endpoint in Kinto, or might.
const PATHS: [&[u8]; 31] = [
    b"/v1/batch",
    b"/v1/batch?x",
    b"/v1/batch?x=/y#z",
    b"/v1/batch#x",
    b"/v1/%62atch",
    b"/v1/b%61tc%68",
    b"//v1/batch",
    b"///v1//batch",
    b"/v1//batch",
    b"/v1%2fbatch",
    b"/v1%2Fbatch",
    b"/%76%31/batch",
    b"/v1/batch%0a",
    b"/v1/batch%0A",
    b"/v1/batch%0d",
    b"/v1/batch%20",
    b"/v1/batch%00",
    b"/v1/ba\ttch",
    b"/v1/batch;x",
    b"/v1/./batch",
    b"/v1/x/../batch",
    b"/v1/%2e/batch",
    b"/v1/batch/",
    b"/v1/b%61tch/",
    b"/batch",
    b"/v1/%2562atch",
    b"http://kinto/v1/batch",
    b"/kinto/../v1/batch",
    // uWSGI cuts an escape off that is not whole.
    b"/v1/batch%",
    b"/v1/batch%6",
    b"/v1/bat%63h%2?x",
];

/// Batches that Kinto's own redirects, or a directory's, take to the batch endpoint once more: each makes somebody
/// `admin` in a Kinto with its default settings.
pub fn redirected() -> Vec<String> {
    let inner: Value = serde_json::from_str(FORGERY).unwrap();
    let post = |path: &str, body: &Value| json!({"method": "POST", "path": path, "body": body});
    let mut batches = Vec::new();
    let mut add = |batch: Value| batches.push(batch.to_string());
    let mut paths: Vec<String> = [
        "/b/?/v1/b/%61tch",
        "/v1/b/?/v1/b/%61tch",
        "/v1?/v1batch",
        "/v1?x=/v1batch",
        "/v1?/v1b%61tch",
        "/ba//?x=/v1/ba//tch",
        "/batc%2F?/v1/batc/h",
        "/v1/b%2F?/v1/b/atch",
        "/ba/?/v1/ba/tch?x",
        "/ba/?/v1/ba/tch%0a",
    ]
    .map(str::to_owned)
    .into();
    for cut in 1.."batch".len() {
        let (start, end) = "batch".split_at(cut);
        for slashes in ["/", "//", "///"] {
            paths.push(format!("/{start}{slashes}?/v1/{start}{slashes}{end}"));
        }
    }
    for path in &paths {
        add(json!({"requests": [post(path, &inner)]}));
    }
    let path = "/ba/?/v1/ba/tch";
    let inner_defaults = json!({"defaults": {"headers": {"userId": "admin"}}});
    let inner_list = json!({"requests": [{"path": "/v1/"}]});
    let escaped = FORGERY.replace("requests", r"r\u0065quests").replace("userId", r"user\u0131d");
    batches.push(format!(r#"{{"requests":[{{"method":"POST","path":"{path}","body":{escaped}}}]}}"#));
    let mut add = |batch: Value| batches.push(batch.to_string());
    add(json!({"defaults": {"path": path}, "requests": [{"method": "POST", "body": inner}]}));
    add(json!({"defaults": {"method": "POST"}, "requests": [{"path": path, "body": inner}]}));
    add(json!({"defaults": {"body": inner}, "requests": [{"method": "POST", "path": path}]}));
    add(json!({"defaults": post(path, &inner), "requests": [{}]}));
    // Kinto merges the two bodies.
    add(json!({"defaults": {"body": inner_list}, "requests": [post(path, &inner_defaults)]}));
    add(json!({"defaults": {"body": inner_defaults}, "requests": [post(path, &inner_list)]}));
    add(json!({"defaults": {"body": inner}, "requests": [post(path, &json!({}))]}));
    add(
        json!({"requests": [post(path, &json!({"defaults": {"headers": {"USERID": "admin"}, "path": "/v1/"}, "requests": [{}]}))]}),
    );
    // Three deep.
    add(json!({"requests": [post(path, &json!({"requests": [post(path, &inner)]}))]}));
    // Names that are hidden by the charset of the sub-request's own Content-Type.
    let utf_7 = json!({"+AHIAZQBxAHUAZQBzAHQAcw-": [{"path": "/", "headers": {"+AHU-serId": "admin"}}]});
    for name in ["content-type", "CONTENT-TYPE"] {
        let headers = json!({name: "application/json; charset=utf-7"});
        add(json!({"requests": [{"method": "POST", "path": path, "headers": headers, "body": utf_7}]}));
        add(json!({"defaults": {"headers": headers}, "requests": [post(path, &utf_7)]}));
    }
    batches
}

fn utf_16(text: &str, bom: bool) -> Vec<u8> {
    let bom = bom.then_some(0xfeff_u16);
    bom.into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn utf_32(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
}

/// Every forgery, as the bytes of a request; `who` is the sender's own credential.
pub fn forgeries(who: &[(String, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    let with = |more: &[(String, Vec<u8>)]| [who, more].concat();
    for spelling in SPELLINGS {
        for shape in SHAPES {
            let body = shape.replace("NAME", spelling);
            requests.push(http::bytes("POST", b"/v1/batch", &with(&[json_type()]), body.as_bytes()));
        }
    }
    for path in PATHS {
        requests.push(http::bytes("POST", path, &with(&[json_type()]), FORGERY.as_bytes()));
        requests.push(http::chunked(path, &with(&[]), FORGERY.as_bytes()));
        // The same path as a sub-request, a batch within a batch.
        let inner: Value = serde_json::from_str(FORGERY).unwrap();
        let path = String::from_utf8_lossy(path).into_owned();
        let outer = json!({"requests": [{"method": "POST", "path": path, "body": inner}]}).to_string();
        requests.push(http::bytes("POST", b"/v1/batch", &with(&[json_type()]), outer.as_bytes()));
        let outer = json!({"defaults": {"method": "POST", "path": path, "body": inner}, "requests": [{}]});
        requests.push(http::bytes("POST", b"/v1/batch", &with(&[json_type()]), outer.to_string().as_bytes()));
    }
    for batch in redirected() {
        requests.push(http::bytes("POST", b"/v1/batch", &with(&[json_type()]), batch.as_bytes()));
    }
    for (charset, body) in [
        ("utf-16", utf_16(FORGERY, true)),
        ("utf-16le", utf_16(FORGERY, false)),
        ("UTF-16-LE", utf_16(FORGERY, false)),
        ("utf-32", [&[0xff, 0xfe, 0, 0][..], &utf_32(FORGERY)].concat()),
        ("utf-32le", utf_32(FORGERY)),
        ("utf-7", FORGERY.replace('u', "+AHU-").into_bytes()),
        ("utf-7", FORGERY.as_bytes().to_vec()),
        ("utf-8-sig", FORGERY.as_bytes().to_vec()),
        ("utf-8-sig", format!("\u{feff}{FORGERY}").into_bytes()),
        ("latin-1", FORGERY.as_bytes().to_vec()),
        ("unicode_escape", FORGERY.replace('u', r"\x75").into_bytes()),
        ("raw_unicode_escape", FORGERY.replace("user", r"\u0075ser").into_bytes()),
    ] {
        for style in [
            format!("application/json; charset={charset}"),
            format!("application/json;CHARSET=\"{charset}\""),
            format!("application/json; charset=utf-8; charset={charset}"),
            format!("application/json; x=;charset={charset}"),
        ] {
            requests.push(http::bytes("POST", b"/v1/batch", &with(&[header("Content-Type", style)]), &body));
        }
    }
    for kind in
        ["text/plain", "application/merge-patch+json", "application/json; charset=utf-8", "*/*", ";", "x"]
    {
        requests.push(http::bytes(
            "POST",
            b"/v1/batch",
            &with(&[header("Content-Type", kind)]),
            FORGERY.as_bytes(),
        ));
    }
    requests.push(http::bytes("POST", b"/v1/batch", &with(&[]), FORGERY.as_bytes()));
    for method in ["post", "PUT", "PATCH", "GET", "OPTIONS"] {
        requests.push(http::bytes(method, b"/v1/batch", &with(&[json_type()]), FORGERY.as_bytes()));
    }
    let long = format!("{FORGERY}{}", " ".repeat(300_000));
    requests.push(http::bytes("POST", b"/v1/batch", &with(&[json_type()]), long.as_bytes()));
    requests.push(http::chunked(b"/v1/batch", &with(&[json_type()]), long.as_bytes()));
    requests
}
