//! `%(name)s` and `%%` in the values of an ini file.
//!
//! Source: `BasicInterpolation` in Python's `Lib/configparser.py`.

/// How deep the value of a name may lead to other names.
const MAX_DEPTH: usize = 10;

/// Replaces the names in a value by what `find` says of them, and `%%` by `%`.
///
/// # Errors
/// The value cannot be read: why, in words that do not hold it.
pub(crate) fn interpolate(value: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    expand(value, find, 1)
}

fn expand(value: &str, find: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err(format!("its names lead to each other more than {MAX_DEPTH} times"));
    }
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let Some((name, after)) = name.and_then(|(name, after)| Some((name, after.strip_prefix('s')?)))
        else {
            return Err("it has a % that is neither %% nor %(name)s; write %% for the character %".to_owned());
        };
        let found = find(name).ok_or_else(|| {
            format!("%({name})s has no value; give it after the file, as pserve takes it: {name}=value")
        })?;
        text.push_str(&expand(&found, find, depth.saturating_add(1))?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> Option<String> {
        let value = match name {
            "a" => "1",
            "b" => "%(a)s%%",
            "loop" => "%(loop)s",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn names_and_signs_are_replaced() {
        for (value, text) in [
            ("", ""),
            ("x", "x"),
            ("%(a)s", "1"),
            ("<%(b)s>", "<1%>"),
            ("100%%", "100%"),
            ("%%(a)s", "%(a)s"),
        ] {
            assert_eq!(interpolate(value, &find).unwrap(), text, "{value}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for value in ["%", "50% off", "%(a)", "%(a)d", "%()s", "%(none)s", "%(loop)s"] {
            assert!(interpolate(value, &find).is_err(), "{value}");
        }
    }
}
