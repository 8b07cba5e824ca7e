//! Refuses a text of YAML that is too deep or too large for a configuration, before it is read.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScanError};

/// How deep values may be in others. Envoy does not read more than 100 levels of a message.
const MAX_DEPTH: usize = 200;

/// How many values there may be, when each alias (`*name`) is replaced by its value.
const MAX_VALUES: usize = 1_000_000;

/// Why a text is not read.
pub(crate) enum Unreadable {
    /// It is not YAML.
    Scan(ScanError),
    /// It is too deep or too large, at this place, in characters.
    Bounds(&'static str, usize),
}

/// How many values a value has, itself and those below it, and how many levels.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    depth: usize,
}

impl Size {
    fn hold(&mut self, value: Self) {
        self.values = self.values.saturating_add(value.values);
        self.depth = self.depth.max(value.depth.saturating_add(1));
    }
}

/// Checks a text with no more memory than the text itself needs.
///
/// # Errors
/// The text is not YAML, or exceeds a limit.
pub(crate) fn check(text: &str) -> Result<(), Unreadable> {
    let one = Size { values: 1, depth: 1 };
    let mut anchors: HashMap<usize, Size> = HashMap::new();
    // The lists and maps that are not at their end, each with its anchor, below the whole stream.
    let mut open = vec![(0, Size::default())];
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(Unreadable::Scan)?;
        let (anchor, size) = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, one));
                if open.len() > MAX_DEPTH {
                    return Err(Unreadable::Bounds(
                        "values are in each other too deeply",
                        span.start.index(),
                    ));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().unwrap_or_default(),
            Event::Scalar(_, _, anchor, _) => (anchor, one),
            Event::Alias(anchor) => (0, anchors.get(&anchor).copied().unwrap_or(one)),
            _ => continue,
        };
        anchors.insert(anchor, size);
        if let Some((_, holder)) = open.last_mut() {
            holder.hold(size);
            if holder.values > MAX_VALUES || holder.depth > MAX_DEPTH {
                let fault = "with each alias replaced by its value, the file is too large";
                return Err(Unreadable::Bounds(fault, span.start.index()));
            }
        }
    }
    Ok(())
}
