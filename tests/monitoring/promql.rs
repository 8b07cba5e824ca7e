//! What a query is about: as much of PromQL as the dashboard and the alerts use.

use std::collections::BTreeSet;

/// A metric of a query, and what the query says of its labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) metric: String,
    /// Label, operator and value of each matcher.
    pub(crate) matchers: Vec<(String, String, String)>,
}

/// The metrics of Envoy and of the filter in a query.
pub(crate) fn selected(query: &str) -> Vec<Selected> {
    let mut found: Vec<Selected> = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let (word, after) = rest.split_at(word_length(rest));
        rest = after;
        if word == "by" {
            rest = &rest[rest.find(')').unwrap()..];
        } else if word.starts_with("envoy_") || word.starts_with("kinto_jwt_") {
            let mut matchers = Vec::new();
            if let Some(inner) = rest.strip_prefix('{') {
                let (inner, after) = inner.split_once('}').unwrap();
                matchers = inner.split(", ").map(matcher).collect();
                rest = after;
            }
            found.push(Selected { metric: word.to_owned(), matchers });
        }
    }
    found
}

/// The labels that a query groups by.
pub(crate) fn grouped_by(query: &str) -> BTreeSet<String> {
    let lists = query.split(" by (").skip(1).map(|rest| rest.split_once(')').unwrap().0);
    lists.flat_map(|list| list.split(", ").map(str::to_owned)).collect()
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn matcher(text: &str) -> (String, String, String) {
    let (label, rest) = text.split_at(word_length(text));
    let (operator, value) = rest.split_once('"').unwrap();
    (label.to_owned(), operator.to_owned(), value.strip_suffix('"').unwrap().to_owned())
}

#[test]
fn metrics_matchers_and_groups_are_found() {
    let query = r#"sum by (le, by) (rate(kinto_jwt_a{x=~"b|c", y!="d"}[5m])) / min by (z) (envoy_b) > 0"#;
    let matcher = |label: &str, operator: &str, value: &str| (label.into(), operator.into(), value.into());
    let matchers = vec![matcher("x", "=~", "b|c"), matcher("y", "!=", "d")];
    let (a, b) = ("kinto_jwt_a".to_owned(), "envoy_b".to_owned());
    assert_eq!(
        selected(query),
        [Selected { metric: a, matchers }, Selected { metric: b, matchers: Vec::new() }]
    );
    assert_eq!(grouped_by(query), BTreeSet::from(["by".into(), "le".into(), "z".into()]));
}
