//! Hides the secrets in the lines of an ini file that are shown.

use std::collections::BTreeMap;

use crate::cli::migrate::ini::{Ini, IniOption, value_start};

/// What a secret is shown as.
const MASK: &str = "***";

/// What the name of a setting that holds a secret contains.
const SECRET_NAMES: [&str; 8] =
    ["secret", "password", "passwd", "credential", "dsn", "api_key", "apikey", "private_key"];

/// The lines of a file that hold a secret, each with what is shown in its place.
pub(crate) struct Mask {
    lines: BTreeMap<String, String>,
    /// Whether `public_key` is a secret in comments too.
    is_key_secret: bool,
}

impl Mask {
    /// The mask for a file, and for the secret of an HS algorithm.
    pub(crate) fn new(ini: &Ini, secret: Option<&str>) -> Self {
        let is_part = |option: &IniOption| {
            let value = option.value.replace("%%", "%");
            let value = value.trim();
            secret.is_some_and(|secret| value.len() > 3 && (secret.contains(value) || value.contains(secret)))
        };
        let mut lines = BTreeMap::new();
        let is_key_secret = secret.is_some();
        let options = ini.sections.iter().flat_map(|section| &section.options).chain(&ini.defaults);
        for option in options.filter(|option| is_secret(&option.name, is_key_secret) || is_part(option)) {
            let own = option.lines.iter().filter_map(|line| ini.lines.get(*line));
            for (number, line) in own.enumerate() {
                let start = if number == 0 { value_start(line) } else { 0 };
                lines.insert(without_end(line).to_owned(), hide(line, start));
            }
        }
        Self { lines, is_key_secret }
    }

    /// A line as it is shown.
    pub(crate) fn apply(&self, line: &str) -> String {
        let end = line.get(without_end(line).len()..).unwrap_or_default();
        if let Some(masked) = self.lines.get(without_end(line)) {
            return format!("{masked}{end}");
        }
        // Also where the setting is in a comment, as one that was tried out before.
        let name =
            line.trim_start_matches(['#', ';', ' ', '\t']).split(['=', ':']).next().unwrap_or_default();
        let start = value_start(line);
        if start < without_end(line).len() && is_secret(name.trim_end(), self.is_key_secret) {
            return format!("{}{end}", hide(line, start));
        }
        without_password(line)
    }
}

/// Whether a setting of this name holds a secret.
fn is_secret(name: &str, is_key_secret: bool) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret)) || (is_key_secret && name.ends_with("public_key"))
}

fn without_end(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

/// The line with a mask from `start` on. White space there stays.
fn hide(line: &str, start: usize) -> String {
    let line = without_end(line);
    let value = line.get(start..).unwrap_or_default();
    if value.trim().is_empty() {
        return line.to_owned();
    }
    let shown = line.len().saturating_sub(value.trim_start().len());
    format!("{}{MASK}", line.get(..shown).unwrap_or_default())
}

/// The line without what stands in a URL before its `@`, in which a password may have any character.
fn without_password(line: &str) -> String {
    let Some((before, rest)) = line.split_once("://") else { return line.to_owned() };
    let url = rest.split_whitespace().next().filter(|_| !rest.starts_with(char::is_whitespace));
    match url.and_then(|url| url.rsplit_once('@')) {
        Some((user, _)) => {
            format!("{before}://{MASK}{}", without_password(rest.get(user.len()..).unwrap_or_default()))
        }
        None => format!("{before}://{}", without_password(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_not() {
        let text = "[app:main]\nkinto.userid_hmac_secret = abc\nk.public_key =\n  line one\n  line two\n\
                    storage_url = postgresql://u:p@ss@db/x\nother = shown\n";
        let secret = "\nline one\nline two";
        let mask = Mask::new(&Ini::parse(text, "x").ok().unwrap(), Some(secret));
        for (line, shown) in [
            ("kinto.userid_hmac_secret = abc\n", "kinto.userid_hmac_secret = ***\n"),
            ("#kinto.userid_hmac_secret: abc\r\n", "#kinto.userid_hmac_secret: ***\r\n"),
            ("k.public_key =\n", "k.public_key =\n"),
            ("  line two\n", "  ***\n"),
            ("# old.public_key = a\n", "# old.public_key = ***\n"),
            ("storage_url = postgresql://u:p@/ss@db/x\n", "storage_url = postgresql://***@db/x\n"),
            ("a://u:p@h b://u@h\n", "a://***@h b://***@h\n"),
            ("other = shown\n", "other = shown\n"),
            ("# the secret is kept elsewhere\n", "# the secret is kept elsewhere\n"),
        ] {
            assert_eq!(mask.apply(line), shown);
        }
    }
}
