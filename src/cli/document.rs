//! A file of YAML or JSON as a tree in which each value knows its place in the text.

use std::collections::HashSet;
use std::ops::Range;

use crate::cli::scalar::Reader;

/// One value of a file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it is in the text of the file, in bytes.
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text without quotes, which readers may take for a number, a boolean or null.
    Plain(String),
    /// Text in quotes or in a block.
    Text(String),
    /// Text with a tag that makes it text for Kubernetes, such as `!!str`. Envoy reads it as if it had no quotes.
    Tagged(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A name and its value.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where the name is in the text of the file, in bytes.
    pub(crate) span: Range<usize>,
    /// Whether the name is without quotes.
    pub(crate) is_plain: bool,
    pub(crate) value: Node,
}

impl Member {
    /// The name as this reader understands it: a name without quotes may be a number, a boolean or null.
    fn name_for(&self, reader: Reader) -> String {
        match (self.is_plain, reader.value(&self.name)) {
            (true, serde_json::Value::Null) => "null".to_owned(),
            (true, value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)))
                if reader == Reader::Kubernetes =>
            {
                value.to_string()
            }
            _ => self.name.clone(),
        }
    }

    /// Where the name and the value are.
    pub(crate) fn place(&self) -> Range<usize> {
        self.span.start..self.value.span.end.max(self.span.end)
    }
}

impl Node {
    /// The member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|member| &member.value)
    }

    /// The member of this name, with its name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.name == name)
    }

    /// The value of a field of Envoy, which reads `vm_config` and `vmConfig` alike.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        self.field_member(name).map(|member| &member.value)
    }

    /// The field of Envoy, with its name.
    pub(crate) fn field_member(&self, name: &str) -> Option<&Member> {
        self.member(name).or_else(|| self.member(&camel_case(name)))
    }

    /// The value to which these fields of Envoy lead.
    pub(crate) fn field_at(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.field(name))
    }

    /// The value to which these names lead.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The text to which these names lead.
    pub(crate) fn text_at(&self, names: &[&str]) -> Option<&str> {
        self.at(names).and_then(Node::text)
    }

    /// The text, with or without quotes.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Plain(text) | Kind::Text(text) | Kind::Tagged(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Whether this reader understands the value as true.
    pub(crate) fn is_true(&self, reader: Reader) -> bool {
        self.value(reader) == serde_json::Value::Bool(true)
    }

    /// The items of a list; of another value, none.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The members of a map; of another value, none.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    /// This value and all below it.
    pub(crate) fn all(&self) -> Vec<&Node> {
        let below = self.items().iter().chain(self.members().iter().map(|member| &member.value));
        std::iter::once(self).chain(below.flat_map(Node::all)).collect()
    }

    /// The value as this reader understands it.
    pub(crate) fn value(&self, reader: Reader) -> serde_json::Value {
        match &self.kind {
            Kind::Plain(text) => reader.value(text),
            Kind::Tagged(text) if reader == Reader::Envoy => reader.value(text),
            Kind::Text(text) | Kind::Tagged(text) => text.as_str().into(),
            Kind::List(items) => items.iter().map(|item| item.value(reader)).collect(),
            Kind::Map(members) => {
                let members = members.iter().map(|member| (member.name.clone(), member.value.value(reader)));
                serde_json::Value::Object(members.collect())
            }
        }
    }

    /// Where the value of a JSON pointer is (RFC 6901), with its name if it has one. If there is no such value, where the
    /// nearest one is that would hold it.
    pub(crate) fn span_of(&self, pointer: &str) -> Range<usize> {
        let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        let (mut node, mut span) = (self, self.span.clone());
        for token in tokens {
            let index = token.parse().unwrap_or(usize::MAX);
            if let Some(member) = node.member(&token) {
                (node, span) = (&member.value, member.place());
            } else if let Some(item) = node.items().get(index) {
                (node, span) = (item, item.span.clone());
            } else {
                break;
            }
        }
        span
    }

    /// Changes each text and each name.
    pub(crate) fn change_texts(&mut self, change: &dyn Fn(&str) -> String) {
        match &mut self.kind {
            Kind::Plain(text) | Kind::Text(text) | Kind::Tagged(text) => *text = change(text),
            Kind::List(items) => items.iter_mut().for_each(|item| item.change_texts(change)),
            Kind::Map(members) => {
                for member in members {
                    member.name = change(&member.name);
                    member.value.change_texts(change);
                }
            }
        }
    }

    /// The value as this reader understands its names. Kubernetes also merges the maps of `<<` (`go-yaml`, `decode.go`).
    pub(crate) fn read_by(mut self, reader: Reader) -> Self {
        if reader == Reader::Json {
            return self;
        }
        match self.kind {
            Kind::List(items) => {
                self.kind = Kind::List(items.into_iter().map(|item| item.read_by(reader)).collect());
            }
            Kind::Map(members) => {
                let mut read = Vec::new();
                let mut merged = Vec::new();
                for mut member in members {
                    member.name = member.name_for(reader);
                    member.value = member.value.read_by(reader);
                    if reader == Reader::Kubernetes && member.is_plain && member.name == "<<" {
                        let maps = std::slice::from_ref(&member.value);
                        let maps = if member.value.items().is_empty() { maps } else { member.value.items() };
                        merged.extend(maps.iter().flat_map(Node::members).cloned());
                    } else {
                        read.push(member);
                    }
                }
                let mut names: HashSet<String> = read.iter().map(|member| member.name.clone()).collect();
                read.extend(merged.into_iter().filter(|member| names.insert(member.name.clone())));
                self.kind = Kind::Map(read);
            }
            Kind::Plain(_) | Kind::Text(_) | Kind::Tagged(_) => {}
        }
        self
    }
}

/// `vmConfig` for `vm_config`.
fn camel_case(name: &str) -> String {
    let mut is_after = false;
    let letters = name.chars().filter_map(|letter| {
        let written = if is_after { letter.to_ascii_uppercase() } else { letter };
        is_after = letter == '_';
        (!is_after).then_some(written)
    });
    letters.collect()
}
