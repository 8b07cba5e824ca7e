//! Reads YAML and JSON.

use std::collections::HashSet;

use saphyr::{MarkedYaml, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle, ScanError, Tag};

use crate::cli::bounds::{self, Unreadable};
use crate::cli::document::{Kind, Member, Node};

/// Why a text is not YAML.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// What is wrong. Holds no part of the text.
    pub(crate) fault: String,
    /// Where, in bytes.
    pub(crate) position: usize,
}

/// The commonest faults in words for operators. saphyr's own name things of the specification.
fn in_words(fault: &str) -> &str {
    match fault {
        "duplicated key in mapping" => TWICE,
        "mapping values are not allowed in this context" => {
            "a colon is where none may be: perhaps the line is indented too far, or a text needs quotes"
        }
        "while parsing node, found unknown anchor" => "an alias, such as *name, has no &name before it",
        "while scanning a quoted scalar, found unexpected end of stream" => {
            "a quote has no other one that ends it"
        }
        "while parsing a quoted scalar, found unknown escape character" => {
            "in double quotes, a \\ stands before a character that must not have one; single quotes need none"
        }
        "':' must be followed by a valid YAML whitespace" => "a tab is behind a colon; write a space",
        fault => fault,
    }
}

/// What is wrong with a map in which the last of two values would count.
const TWICE: &str = "a name is there twice in the same map";

/// Reads all documents of a text.
///
/// # Errors
/// The text is not YAML, or a map has a name twice.
pub(crate) fn read(text: &str, is_json: bool) -> Result<Vec<Node>, Malformed> {
    if is_json { read_json(text) } else { read_yaml(text) }
}

/// Reads JSON. It is YAML but for two things: the reader of YAML takes neither a tab after a colon, nor a character that is
/// written as two escapes (RFC 8259 section 7), for which characters for private use stand in.
fn read_json(text: &str) -> Result<Vec<Node>, Malformed> {
    let mut documents = read_yaml(&with_stand_ins(text))?;
    documents.iter_mut().for_each(|document| document.change_texts(&join_halves));
    Ok(documents)
}

/// What leads from the half of a character (UTF-16) to its stand-in for private use, and back.
const STAND_IN: u16 = 0x3800;

/// A text of the same length with spaces for tabs, and stand-ins for the halves of characters.
fn with_stand_ins(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        written.push(if character == '\t' { ' ' } else { character });
        let escape = if character == '\\' { rest.next() } else { None };
        written.extend(escape);
        let half = rest.as_str().get(..4).filter(|_| escape == Some('u'));
        let half = half.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        if let Some(half) = half.filter(|half| (0xd800..0xe000).contains(half)) {
            written.push_str(&format!("{:04x}", half ^ STAND_IN));
            rest = rest.as_str().get(4..).unwrap_or_default().chars();
        }
    }
    written
}

/// A text in which two halves are the character that they mean.
fn join_halves(text: &str) -> String {
    let is_half = |unit: &u16| (0xe000..0xe800).contains(unit);
    let units: Vec<u16> =
        text.encode_utf16().map(|unit| if is_half(&unit) { unit ^ STAND_IN } else { unit }).collect();
    String::from_utf16(&units).unwrap_or_else(|_| text.to_owned())
}

fn read_yaml(text: &str) -> Result<Vec<Node>, Malformed> {
    let places = Places::new(text);
    let malformed = |error: &ScanError| Malformed {
        fault: in_words(error.info()).to_owned(),
        position: places.byte(error.marker().index()),
    };
    bounds::check(text).map_err(|unreadable| match unreadable {
        Unreadable::Scan(error) => malformed(&error),
        Unreadable::Bounds(fault, place) => {
            Malformed { fault: fault.to_owned(), position: places.byte(place) }
        }
    })?;
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
            YamlData::Representation(text, style, tag) => scalar(text.into_owned(), style, tag.as_deref()),
            YamlData::Sequence(items) => {
                Kind::List(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(members) => {
                let mut read: Vec<Member> = Vec::new();
                let mut names = HashSet::new();
                for (name, value) in members {
                    if matches!(&name.data, YamlData::Representation(_, _, Some(tag)) if is_ignored(tag)) {
                        continue;
                    }
                    let name = self.node(name)?;
                    let fault =
                        |fault: &str| Malformed { fault: fault.to_owned(), position: name.span.start };
                    let is_plain = matches!(name.kind, Kind::Plain(_));
                    let Some(text) = name.text() else {
                        return Err(fault("a name is a list or a map, and not text"));
                    };
                    if !names.insert(text.to_owned()) {
                        return Err(fault(TWICE));
                    }
                    let (name, span) = (text.to_owned(), name.span.clone());
                    read.push(Member { name, span, is_plain, value: self.node(value)? });
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

/// A text, as it is understood. Only a plain one depends on the reader.
fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    match tag {
        None if style == ScalarStyle::Plain => Kind::Plain(text),
        None => Kind::Text(text),
        Some(tag) if tag.handle.is_empty() || tag.suffix.is_empty() => Kind::Text(text),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix != "str" => Kind::Plain(text),
        Some(_) => Kind::Tagged(text),
    }
}

/// Whether a name is for nobody: Envoy leaves `!ignore name` out (`source/common/protobuf/yaml_utility.cc`).
fn is_ignored(tag: &Tag) -> bool {
    tag.handle == "!" && tag.suffix == "ignore"
}
