//! Hides what may be a secret in the lines of an ini file that are shown: all that is not known to be none.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::migrate::ini::{Ini, IniOption, value_start};
use crate::cli::migrate::rewrite::{INCLUDES, REDIRECTS};
use crate::cli::secret::is_public_pem;

/// What a secret is shown as.
const MASK: &str = "***";

/// Settings of a policy that hold no secret.
const OF_POLICIES: [&str; 10] = [
    "use",
    "environ_key",
    "algorithm",
    "leeway",
    "http_header",
    "auth_type",
    "audience",
    "userIdTokenKey",
    "unauthorizedUserId",
    "verifyToken",
];

/// The lines of a file that may hold a secret, each with what is shown in its place.
pub(crate) struct Mask(BTreeMap<String, String>);

impl Mask {
    /// The mask for a file.
    pub(crate) fn new(ini: &Ini) -> Self {
        let options = || ini.sections.iter().flat_map(|section| &section.options).chain(&ini.defaults);
        let owned: BTreeSet<usize> = options().flat_map(|option| option.lines.iter().copied()).collect();
        let line = |number: &usize| ini.lines.get(*number).map(|line| without_end(line));
        let mut lines = BTreeMap::new();
        for option in options().filter(|option| !is_public(option)) {
            for (number, line) in option.lines.iter().filter_map(line).enumerate() {
                let start = if number == 0 { value_start(line) } else { 0 };
                lines.insert(line.to_owned(), hide(line, start));
            }
        }
        // Comments: a setting that was tried out before may be in one.
        for line in
            (0..ini.lines.len()).filter(|number| !owned.contains(number)).filter_map(|number| line(&number))
        {
            let text = line.trim_start_matches(['#', ';', ' ', '\t']);
            if !line.starts_with('[') {
                lines.insert(line.to_owned(), hide(line, line.len().saturating_sub(text.len())));
            }
        }
        Self(lines)
    }

    /// A line as it is shown. One that is not in the file is new.
    pub(crate) fn apply(&self, line: &str) -> String {
        let text = without_end(line);
        let end = line.get(text.len()..).unwrap_or_default();
        format!("{}{end}", self.0.get(text).map_or(text, String::as_str))
    }
}

/// Whether a setting is known to hold no secret.
fn is_public(option: &IniOption) -> bool {
    let name = option.name.as_str();
    let is_of_kinto = |setting: &str| name == setting || name.strip_prefix("kinto.") == Some(setting);
    let of_policy = name.split_once("multiauth.policy.").and_then(|(_, rest)| rest.rsplit('.').next());
    match of_policy {
        Some("public_key") => is_public_pem(&option.value),
        Some(setting) => OF_POLICIES.contains(&setting),
        None => {
            name.ends_with("multiauth.policies") || INCLUDES.into_iter().chain(REDIRECTS).any(is_of_kinto)
        }
    }
}

fn without_end(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

/// The line with a mask from `start` on. White space there stays.
fn hide(line: &str, start: usize) -> String {
    let value = line.get(start..).unwrap_or_default();
    if value.trim().is_empty() {
        return line.to_owned();
    }
    let shown = line.len().saturating_sub(value.trim_start().len());
    format!("{}{MASK}", line.get(..shown).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_be_no_secret_is_shown_and_nothing_else() {
        let text = "[app:main]\nkinto.userid_hmac_secret = abc\nmultiauth.policy.k.public_key =\n  line one\n\
                    # old line\n  line two\nmultiauth.policy.k.algorithm = HS256\n\
                    multiauth.policies = k\nstorage_url = postgresql://u:p@ss@db/x\nother = hidden\n\
                    multiauth.policy.p.public_key =\n  -----BEGIN PUBLIC KEY-----\n  MFkw\n\
                    ; multiauth.policy.k.public_key: xyz\n";
        let mask = Mask::new(&Ini::parse(text, "x").ok().unwrap());
        for (line, shown) in [
            ("[app:main]\n", "[app:main]\n"),
            ("kinto.userid_hmac_secret = abc\n", "kinto.userid_hmac_secret = ***\n"),
            ("multiauth.policy.k.public_key =\r\n", "multiauth.policy.k.public_key =\r\n"),
            ("  line two\n", "  ***\n"),
            ("# old line\n", "# ***\n"),
            ("multiauth.policy.k.algorithm = HS256\n", "multiauth.policy.k.algorithm = HS256\n"),
            ("multiauth.policies = k\n", "multiauth.policies = k\n"),
            ("storage_url = postgresql://u:p@ss@db/x\n", "storage_url = ***\n"),
            ("other = hidden\n", "other = ***\n"),
            ("  MFkw\n", "  MFkw\n"),
            ("; multiauth.policy.k.public_key: xyz\n", "; ***\n"),
            (
                "multiauth.policy.k.environ_key = HTTP_USERID\n",
                "multiauth.policy.k.environ_key = HTTP_USERID\n",
            ),
        ] {
            assert_eq!(mask.apply(line), shown);
        }
    }
}
