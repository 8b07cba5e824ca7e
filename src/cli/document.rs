//! A file of YAML or JSON as a tree in which each value knows its place in the text.

use std::ops::Range;

use saphyr::{MarkedYaml, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle, ScanError};

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
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A name and its value.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where the name is in the text of the file, in bytes.
    pub(crate) span: Range<usize>,
    pub(crate) value: Node,
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// What is wrong. Holds no part of the text.
    pub(crate) fault: String,
    /// Where, in bytes.
    pub(crate) position: usize,
}

/// Reads all documents of a text. JSON is YAML, too.
///
/// # Errors
/// The text is not YAML, or a map has a name twice.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, Malformed> {
    let places = Places::new(text);
    let malformed = |error: &ScanError| Malformed {
        fault: error.info().to_owned(),
        position: places.byte(error.marker().index()),
    };
    let mut loader: YamlLoader<'_, MarkedYaml<'_>> = YamlLoader::default();
    // Which value a text without quotes has depends on the reader.
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| malformed(&error))?;
    if let Some(error) = loader.error() {
        return Err(malformed(error));
    }
    loader.into_documents().into_iter().map(|document| places.node(document)).collect()
}

/// From the places of characters, which saphyr counts, to those of bytes.
struct Places {
    bytes: Vec<usize>,
    end: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        Self { bytes: text.char_indices().map(|(byte, _)| byte).collect(), end: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.end)
    }

    fn node(&self, yaml: MarkedYaml<'_>) -> Result<Node, Malformed> {
        let span = self.byte(yaml.span.start.index())..self.byte(yaml.span.end.index());
        let kind = match yaml.data {
            YamlData::Representation(text, ScalarStyle::Plain, None) => Kind::Plain(text.into_owned()),
            YamlData::Representation(text, ..) => Kind::Text(text.into_owned()),
            YamlData::Sequence(items) => {
                Kind::List(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(members) => {
                let mut read: Vec<Member> = Vec::new();
                for (name, value) in members {
                    let name = self.node(name)?;
                    let fault =
                        |fault: &str| Malformed { fault: fault.to_owned(), position: name.span.start };
                    let (Kind::Plain(text) | Kind::Text(text)) = name.kind.clone() else {
                        return Err(fault("a name that is a list or a map"));
                    };
                    if read.iter().any(|other| other.name == text) {
                        return Err(fault("a name that is there twice in this map"));
                    }
                    read.push(Member { name: text, span: name.span, value: self.node(value)? });
                }
                Kind::Map(read)
            }
            YamlData::Tagged(_, inner) => return self.node(*inner),
            // Nothing, as in `name:`. The other kinds are of texts that were parsed.
            YamlData::BadValue | YamlData::Value(_) | YamlData::Alias(_) => Kind::Plain(String::new()),
        };
        Ok(Node { span, kind })
    }
}

impl Member {
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
            Kind::Plain(text) | Kind::Text(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
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
            Kind::Text(text) => text.as_str().into(),
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

    /// Reads the documents in a text of this file, such as a value of a ConfigMap. Their places are those in the file.
    ///
    /// # Errors
    /// The text is not YAML.
    pub(crate) fn read_inside(&self, file: &str) -> Result<Vec<Node>, Malformed> {
        let text = self.text().unwrap_or_default();
        let place = Inside::new(self, text, file);
        let mut documents = read(text)
            .map_err(|malformed| Malformed { position: place.of(malformed.position), ..malformed })?;
        documents.iter_mut().for_each(|document| document.move_to(&place));
        Ok(documents)
    }

    fn move_to(&mut self, place: &Inside) {
        self.span = place.of(self.span.start)..place.of(self.span.end);
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.move_to(place)),
            Kind::Map(members) => {
                for member in members {
                    member.span = place.of(member.span.start)..place.of(member.span.end);
                    member.value.move_to(place);
                }
            }
            Kind::Plain(_) | Kind::Text(_) => {}
        }
    }
}

/// Where the lines of a text are in the file around it.
struct Inside {
    /// For each line of the text, where it begins in the text and in the file.
    lines: Vec<(usize, usize)>,
    /// Where the text is in the file.
    whole: Range<usize>,
}

impl Inside {
    /// A text in a block has its lines in the file, each after the same indentation. Another text is one place.
    fn new(node: &Node, text: &str, file: &str) -> Self {
        let source = file.get(node.span.clone()).unwrap_or_default();
        let mut lines = Vec::new();
        let mut found = source.split_inclusive('\n').scan(node.span.start, |start, line| {
            let place = *start;
            *start = start.saturating_add(line.len());
            Some((place, line))
        });
        if source.starts_with(['|', '>']) {
            found.next();
        }
        let mut begin: usize = 0;
        for line in text.split_inclusive('\n') {
            let place = found.by_ref().find(|(_, source)| source.trim_end().ends_with(line.trim_end()));
            let Some((place, source)) = place else {
                return Self { lines: Vec::new(), whole: node.span.clone() };
            };
            let indentation = source.trim_end().len().saturating_sub(line.trim_end().len());
            lines.push((begin, place.saturating_add(indentation)));
            begin = begin.saturating_add(line.len());
        }
        Self { lines, whole: node.span.clone() }
    }

    fn of(&self, position: usize) -> usize {
        match self.lines.iter().rev().find(|(begin, _)| *begin <= position) {
            Some((begin, place)) => place.saturating_add(position.saturating_sub(*begin)).min(self.whole.end),
            None => self.whole.start,
        }
    }
}
