//! A text of a file that is YAML itself, such as a value of a ConfigMap, with the places that its values have in the file.

use std::ops::Range;

use crate::cli::document::{Kind, Node};
use crate::cli::yaml::{Malformed, read};

impl Node {
    /// Reads the documents in a text of this file, such as a value of a ConfigMap. Their places are those in the file.
    ///
    /// # Errors
    /// The text is not YAML.
    pub(crate) fn read_inside(&self, file: &str, is_json: bool) -> Result<Vec<Node>, Malformed> {
        let text = self.text().unwrap_or_default();
        let place = Inside::new(self, text, file);
        let mut documents = read(text, is_json)
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
            Kind::Plain(_) | Kind::Text(_) | Kind::Tagged(_) => {}
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
        let after = self.lines.partition_point(|(begin, _)| *begin <= position);
        match after.checked_sub(1).and_then(|line| self.lines.get(line)) {
            Some((begin, place)) => place.saturating_add(position.saturating_sub(*begin)).min(self.whole.end),
            None => self.whole.start,
        }
    }
}
