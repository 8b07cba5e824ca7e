//! Batches as hostile clients write them: whatever their bytes can say.

use serde_json::{Value, json};

use super::{Tokens, paths};
use kit::http::{Headers, header};
use kit::random::Random;

/// A request, and whether a token of bob's is in its body.
pub(super) struct Hostile {
    pub(super) method: &'static str,
    pub(super) path: Vec<u8>,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    /// Whether the body is sent in chunks, and the trailers then.
    pub(super) chunked: Option<&'static str>,
    pub(super) is_alices: bool,
    pub(super) has_bobs: bool,
}

/// JSON that may have one name twice, and texts that are written as they are.
#[derive(Clone)]
enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn text(value: &str) -> Json {
    Json::Text(Value::from(value).to_string())
}

struct Writer<'t> {
    random: Random,
    tokens: &'t Tokens,
    /// One in so many places is odd; none if 0.
    oddness: usize,
    /// Whether names may be written in UTF-7.
    is_utf_7: bool,
    /// Identities claimed so far.
    claimed: usize,
    has_bobs: bool,
}

pub(super) fn request(random: Random, tokens: &Tokens) -> Hostile {
    let mut writer = Writer { random, tokens, oddness: 0, is_utf_7: false, claimed: 0, has_bobs: false };
    writer.oddness = [0, 0, 60, 20, 8][writer.random.below(5)];
    writer.is_utf_7 = writer.random.one_in(15);
    let depth = [1, 2, 2, 3][writer.random.below(4)];
    let batch = writer.batch(depth);
    let body = writer.write(&batch);
    writer.outer(&body)
}

impl Writer<'_> {
    fn is_odd(&mut self) -> bool {
        self.oddness > 0 && self.random.one_in(self.oddness)
    }

    fn outer(mut self, body: &str) -> Hostile {
        let path = match self.random.below(8) {
            0 => paths::outer_batch(&mut self.random),
            _ => "/v1/batch".to_owned(),
        };
        let path = path.replace([' ', '\r', '\n', '\0'], "").into_bytes();
        let charset = match self.random.below(12) {
            0 => self.random.pick(&["utf-16", "utf-16le", "utf-32", "latin-1", "utf-7", "utf-8-sig"]),
            _ => "utf-8",
        };
        let named = if self.is_odd() { "utf-7" } else { charset };
        let kind = match self.random.below(6) {
            0 => "application/json".to_owned(),
            1 => format!("application/json;CHARSET=\"{named}\""),
            2 => format!("application/json; charset=utf-8; charset={named}"),
            _ => format!("application/json; charset={named}"),
        };
        let mut headers = vec![header("Content-Type", kind)];
        if self.is_odd() {
            headers.clear();
        }
        if self.is_odd() {
            let kind =
                self.random.pick(&["application/json; charset=utf-7", "application/json", "text/plain"]);
            headers.push(header("Content-Type", kind));
        }
        let is_alices = self.random.one_in(2);
        if is_alices {
            headers.push(header("Authorization", format!("JWT {}", self.tokens.alice)));
        }
        if self.random.one_in(10) {
            let name = self.random.pick(&["userId", "USERID", "userid", "user_id", "User-Id"]);
            headers.push(header(name, "forged-outside"));
        }
        if self.is_odd() {
            let name =
                self.random.pick(&["If-None-Match", "Cookie", "X-Forwarded-Host", "X-Script-Name", "Host2"]);
            headers.push(header(name, self.random.pick(&["*", "userId=forged", "/v1/b/", "kinto"])));
        }
        for _ in 0..[0, 0, 0, 1, 2][self.random.below(5)] {
            headers.push(header("Cookie", self.cookies()));
        }
        let method = if self.is_odd() { self.random.pick(&["PUT", "GET", "PATCH"]) } else { "POST" };
        let chunked = match self.random.below(25) {
            0..=3 => Some(""),
            4 => Some("userId: forged-trailer\r\n"),
            _ => None,
        };
        let body = encoded(body, charset);
        Hostile { method, path, headers, body, chunked, is_alices, has_bobs: self.has_bobs }
    }

    fn batch(&mut self, depth: usize) -> Json {
        let count = [1, 1, 2, 3][self.random.below(4)];
        let mut requests: Vec<Json> = (0..count).map(|_| self.request(depth)).collect();
        let mut members = Vec::new();
        if self.random.one_in(3) {
            let mut defaults = self.request(depth);
            if let Json::Object(members) = &mut defaults {
                members.retain(|(name, _)| name != "path" || self.random.one_in(4));
            }
            members.push(("defaults".to_owned(), defaults));
        } else if self.random.one_in(3) {
            // One request, some of which stands in the defaults.
            let (own, defaults) = self.split(requests.swap_remove(0));
            requests = vec![own];
            members.push(("defaults".to_owned(), defaults));
        }
        members.push(("requests".to_owned(), Json::List(requests)));
        if self.random.one_in(2) {
            members.reverse();
        }
        if self.is_odd() {
            members.push(("more".to_owned(), text("x")));
        }
        Json::Object(members)
    }

    /// Two values that Kinto's merge makes into this one.
    fn split(&mut self, value: Json) -> (Json, Json) {
        let Json::Object(members) = value else { return (value, Json::Object(Vec::new())) };
        let (mut own, mut defaults) = (Vec::new(), Vec::new());
        for (name, member) in members {
            match (self.random.below(3), &member) {
                (0, Json::Object(_)) => {
                    let (a, b) = self.split(member);
                    own.push((name.clone(), a));
                    defaults.push((name, b));
                }
                (1, _) => defaults.push((name, member)),
                _ => own.push((name, member)),
            }
        }
        (Json::Object(own), Json::Object(defaults))
    }

    fn request(&mut self, depth: usize) -> Json {
        let mut members = Vec::new();
        let is_nested = depth > 1 && self.random.below(3) > 0;
        let path =
            if is_nested { paths::inner_batch(&mut self.random) } else { paths::inner(&mut self.random) };
        members.push(("path".to_owned(), text(&path)));
        let method = if is_nested && !self.is_odd() {
            Some("POST")
        } else if self.random.one_in(2) {
            None
        } else {
            Some(
                self.random
                    .pick(&["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "TRACE", "post", "OPTIONS"]),
            )
        };
        if let Some(method) = method {
            members.push(("method".to_owned(), text(method)));
        }
        if is_nested {
            members.push(("body".to_owned(), self.batch(depth - 1)));
        } else if self.random.one_in(4) {
            members
                .push(("body".to_owned(), Json::Object(vec![("data".to_owned(), Json::Object(Vec::new()))])));
        }
        if !is_nested || self.random.one_in(2) {
            members.push(("headers".to_owned(), self.headers()));
        }
        if self.is_odd() {
            let name =
                self.random.pick(&["userId", "requests", "defaults", "Headers", "environ", "headers "]);
            members.push((name.to_owned(), self.headers()));
        }
        self.random.shuffle(&mut members);
        Json::Object(members)
    }

    fn headers(&mut self) -> Json {
        let mut headers = Vec::new();
        if self.random.below(3) > 0 {
            self.claimed += 1;
            let name = self.identity();
            headers.push((name, text(&format!("forged{}", self.claimed))));
        }
        while self.random.one_in(3) {
            headers.push(self.header());
        }
        self.random.shuffle(&mut headers);
        Json::Object(headers)
    }

    fn identity(&mut self) -> String {
        let mut name = String::new();
        for letter in "userid".chars() {
            name.push(match (letter, self.random.below(6)) {
                ('i', 0) => '\u{131}',
                ('s', 0) => '\u{17f}',
                (letter, 1 | 2) => letter.to_ascii_uppercase(),
                (letter, _) => letter,
            });
        }
        if self.is_odd() {
            name.push_str(self.random.pick(&[" ", "\t", ":", "\u{0}", "-", "_", "\r\nuserId"]));
        }
        if self.is_odd() {
            let front = self.random.pick(&["HTTP_", "http_", " ", "-", "X-", "\u{feff}", "Cookie\r\n"]);
            name.insert_str(0, front);
        }
        name
    }

    fn header(&mut self) -> (String, Json) {
        match self.random.below(4) {
            0 => self.token(),
            1 => {
                let (name, values): (&str, &[&str]) = match self.random.below(6) {
                    0 => ("Content-Length", &["0", "5", "20", "100000", "-1", "x", ""]),
                    1 => ("Content-Encoding", &["gzip", "identity", "deflate"]),
                    2 => ("Transfer-Encoding", &["chunked", "identity"]),
                    _ => (
                        "Content-Type",
                        &[
                            "application/json; charset=utf-7",
                            "application/json; charset=utf-7",
                            "application/json; charset=utf-16",
                            "application/json; charset=raw_unicode_escape",
                            "application/x-www-form-urlencoded",
                            "text/plain",
                            "application/merge-patch+json",
                        ],
                    ),
                };
                let value = self.random.pick(values);
                (self.case_of(name), text(value))
            }
            2 => {
                let cookies = self.cookies();
                (self.case_of("Cookie"), text(&cookies))
            }
            _ => {
                let (name, value) = self.random.pick(&[
                    &("Host", "x/v1/b/"),
                    &("Host", "kinto?/v1/b/"),
                    &("If-None-Match", "*"),
                    &("If-Match", "\"1\""),
                    &("Cookie", "userId=forged; t=forged"),
                    &("X-HTTP-Method-Override", "POST"),
                    &("X-Script-Name", "/v1/batch"),
                    &("Script-Name", "/v1"),
                    &("X-Forwarded-Host", "x/v1/b/"),
                    &("wsgi.input", "x"),
                    &("REMOTE_USER", "forged-remote"),
                    &("Remote-User", "forged-remote"),
                    &("X-Y", "é"),
                    &("", "forged-nameless"),
                ]);
                (self.case_of(name), text(value))
            }
        }
    }

    /// Cookies, and a good ticket somewhere among them.
    fn cookies(&mut self) -> String {
        let before = self.random.pick(&[
            "",
            "",
            "a=1; ",
            "a=1;",
            "a=1, ",
            "a=\"",
            "a=\"\"",
            "a=\\",
            "a=",
            "=",
            "x ",
            "[",
            "(",
            "kjwt=; ",
            "a=Wed, 01-Jan-2020 00:00:00 GMT",
            "t=forged; ",
            "$Version=1; ",
            "a=\"x; ",
            "kjwt",
            "a@",
            "\t",
        ]);
        let equal = self.random.pick(&["=", "=", " =", "= ", "\t=\t", "==", "=\"", "=\\"]);
        let after =
            self.random.pick(&["", "", "\"", ";", "; b=2", "; kjwt=", "\\", ", kjwt", "; kjwt=\"", " x"]);
        format!("{before}kjwt{equal}{}{after}", self.tokens.ticket)
    }

    fn token(&mut self) -> (String, Json) {
        let names =
            ["Authorization", "authorization", "AUTHORIZATION", "Author\u{131}zation", "Authorization "];
        let name = self.random.pick(&names).to_owned();
        let tokens = self.tokens;
        let value = match self.random.below(9) {
            0 => format!("JWT {}", tokens.expired),
            1 => format!("JWT {}", tokens.other_key),
            2 => format!("JWT {}", tokens.unsigned),
            3 => "Basic Zm9yZ2VkOnB3".to_owned(),
            4 => "JWT a.b.c".to_owned(),
            5 => String::new(),
            6 => format!("JWT {}, JWT {}", tokens.bob, tokens.unsigned),
            _ => format!("JWT {}", tokens.bob),
        };
        self.has_bobs |= value.contains(&tokens.bob);
        (name, text(&value))
    }

    fn case_of(&mut self, name: &str) -> String {
        match self.random.below(5) {
            0 => name.to_lowercase(),
            1 => name.to_uppercase(),
            2 => name.replace('-', "_"),
            _ => name.to_owned(),
        }
    }

    fn write(&mut self, value: &Json) -> String {
        match value {
            Json::Text(text) => text.clone(),
            Json::List(list) => {
                let list: Vec<String> = list.iter().map(|value| self.write(value)).collect();
                format!("[{}]", list.join(","))
            }
            Json::Object(members) => {
                let mut written = Vec::new();
                for (name, member) in members {
                    let name = self.name(name);
                    let value = if self.is_odd() { self.other_type() } else { self.write(member) };
                    written.push(format!("{name}:{value}"));
                    if self.is_odd() {
                        let twin = self.other_type();
                        written.push(format!("{name}:{twin}"));
                        if self.random.one_in(2) {
                            let last = written.len() - 1;
                            written.swap(last, last - 1);
                        }
                    }
                }
                format!("{{{}}}", written.join(","))
            }
        }
    }

    fn other_type(&mut self) -> String {
        self.claimed += 1;
        let forged = format!("forged{}", self.claimed);
        match self.random.below(12) {
            0 => "null".to_owned(),
            1 => "1".to_owned(),
            2 => "true".to_owned(),
            3 => "[]".to_owned(),
            4 => "{}".to_owned(),
            5 => "\"\"".to_owned(),
            6 => "NaN".to_owned(),
            7 => json!([forged]).to_string(),
            8 => json!([["userId", forged]]).to_string(),
            9 => json!({"requests": [{"path": "/v1/", "headers": {"userId": forged}}]}).to_string(),
            10 => json!({"headers": {"userId": forged}}).to_string(),
            _ => json!({"userId": forged}).to_string(),
        }
    }

    /// A member's name, some of it escaped.
    fn name(&mut self, name: &str) -> String {
        if self.is_utf_7 && self.random.one_in(2) {
            return Value::from(in_utf_7(name)).to_string();
        }
        let escape = self.random.one_in(10);
        let mut written = String::from("\"");
        for character in name.chars() {
            if escape && self.random.one_in(2) {
                written.push_str(&format!("\\u{:04x}", u32::from(character)));
            } else {
                let quoted = Value::from(character.to_string()).to_string();
                written.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
        written + "\""
    }
}

/// The text in UTF-7 (RFC 2152), its first letter encoded though it need not be.
fn in_utf_7(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    if first.is_empty() {
        return text.to_owned();
    }
    use base64::Engine;
    let bytes: Vec<u8> = first.encode_utf16().flat_map(u16::to_be_bytes).collect();
    format!("+{}-{rest}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes))
}

fn encoded(text: &str, charset: &str) -> Vec<u8> {
    let utf_16 = || text.encode_utf16().flat_map(u16::to_le_bytes);
    match charset {
        "utf-16" => [0xff, 0xfe].into_iter().chain(utf_16()).collect(),
        "utf-16le" => utf_16().collect(),
        "utf-32" => "\u{feff}".chars().chain(text.chars()).flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        "utf-8-sig" => format!("\u{feff}{text}").into_bytes(),
        "utf-7" => text.replace('u', "+AHU-").into_bytes(),
        "latin-1" => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        _ => text.as_bytes().to_vec(),
    }
}
