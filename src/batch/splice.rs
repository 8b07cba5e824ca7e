//! Puts entries into Kinto's answer to a batch: those of the rejected sub-requests, which Kinto did not get.
//!
//! The answer is not held back: each piece goes on with the entries that belong into it, so the answer may be of any
//! size.

use serde_json::Value;

/// The start of Kinto's answer to a batch, without white space (`post_batch` in `kinto/core/views/batch.py`).
const START: &[u8] = br#"{"responses":["#;

/// Puts entries into the list of an answer that comes in pieces.
#[derive(Debug)]
pub(crate) struct Splicer {
    /// The entries to put in, each with its index in the whole list, in order.
    entries: std::vec::IntoIter<(usize, Value)>,
    next: Option<(usize, Value)>,
    /// How many of Kinto's entries are still to come, and how many entries of the whole list have begun.
    expected: usize,
    begun: usize,
    at: At,
}

/// Where in the answer the last byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In [`START`], after this many bytes of it.
    Start(usize),
    /// In the list, before an entry: the first one, or the one after a comma.
    BeforeEntry { is_first: bool },
    /// In an entry, this deep in its lists and objects.
    Entry { depth: usize },
    /// In a text of an entry; `escaped`: after a backslash.
    Text { depth: usize, escaped: bool },
    /// After the list.
    AfterList,
    /// After the whole answer.
    End,
}

/// The answer does not have the form of Kinto's answers to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotKintos;

impl Splicer {
    /// Puts these entries, in the order of their indexes, between `expected` entries of Kinto.
    pub(crate) fn new(entries: Vec<(usize, Value)>, expected: usize) -> Self {
        let mut entries = entries.into_iter();
        Self { next: entries.next(), entries, expected, begun: 0, at: At::Start(0) }
    }

    /// Returns the next piece of the answer with the entries that belong into it.
    ///
    /// # Errors
    /// The answer is not a list with one entry for each sub-request that Kinto got. Nothing may follow what was
    /// returned before.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, NotKintos> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            self.step(*byte, &mut out)?;
        }
        Ok(out)
    }

    /// Whether the whole answer has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.at == At::End
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), NotKintos> {
        let is_space = b" \t\r\n".contains(&byte);
        self.at = match self.at {
            At::Text { depth, escaped } => match byte {
                _ if escaped => At::Text { depth, escaped: false },
                b'\\' => At::Text { depth, escaped: true },
                b'"' => At::Entry { depth },
                _ => self.at,
            },
            at if is_space => at,
            At::Start(matched) => match START.get(matched) {
                Some(expected) if *expected == byte => match matched.saturating_add(1) {
                    matched if matched == START.len() => At::BeforeEntry { is_first: true },
                    matched => At::Start(matched),
                },
                _ => return Err(NotKintos),
            },
            At::BeforeEntry { is_first } => match byte {
                b'{' => {
                    self.expected = self.expected.checked_sub(1).ok_or(NotKintos)?;
                    self.put_in(out, false)?;
                    self.begun = self.begun.saturating_add(1);
                    At::Entry { depth: 1 }
                }
                b']' if is_first => self.end_list(out)?,
                _ => return Err(NotKintos),
            },
            At::Entry { depth: 0 } => match byte {
                b',' => At::BeforeEntry { is_first: false },
                b']' => self.end_list(out)?,
                _ => return Err(NotKintos),
            },
            At::Entry { depth } => match byte {
                b'"' => At::Text { depth, escaped: false },
                b'{' | b'[' => At::Entry { depth: depth.saturating_add(1) },
                b'}' | b']' => At::Entry { depth: depth.saturating_sub(1) },
                _ => self.at,
            },
            At::AfterList if byte == b'}' => At::End,
            At::AfterList | At::End => return Err(NotKintos),
        };
        out.push(byte);
        Ok(())
    }

    /// Writes the entries whose index is reached: with a comma after each, or before each at the end of the list.
    fn put_in(&mut self, out: &mut Vec<u8>, at_end: bool) -> Result<(), NotKintos> {
        while let Some((_, entry)) = self.next.take_if(|(place, _)| *place == self.begun) {
            if at_end && self.begun > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &entry).map_err(|_| NotKintos)?;
            if !at_end {
                out.push(b',');
            }
            self.begun = self.begun.saturating_add(1);
            self.next = self.entries.next();
        }
        Ok(())
    }

    fn end_list(&mut self, out: &mut Vec<u8>) -> Result<At, NotKintos> {
        self.put_in(out, true)?;
        // If entries are missing, nobody can say to which sub-requests the others belong.
        if self.expected == 0 && self.next.is_none() { Ok(At::AfterList) } else { Err(NotKintos) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The answer in pieces of this size.
    fn splice(answer: &str, places: &[usize], expected: usize, size: usize) -> Option<Value> {
        let entries =
            places.iter().map(|place| (*place, json!({"status": 401, "body": {"at": place}}))).collect();
        let mut splicer = Splicer::new(entries, expected);
        let mut whole = Vec::new();
        for piece in answer.as_bytes().chunks(size) {
            whole.extend(splicer.push(piece).ok()?);
        }
        splicer.is_complete().then(|| serde_json::from_slice(&whole).unwrap())
    }

    fn statuses(answer: &Value) -> Vec<u64> {
        answer["responses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["status"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn entries_are_put_in_their_places_whatever_the_pieces_are() {
        let kintos = |count: usize| {
            let entry = json!({"status": 200, "path": "/v1/]}[{\"\\", "body": {"a": [1, {"b": ["}", "\\\""]}], "c": {}}});
            json!({"responses": vec![entry; count]}).to_string()
        };
        for count in 0..4 {
            for places in 1_usize..16 {
                let all: Vec<usize> = (0..4).filter(|place| places & (1 << place) != 0).collect();
                // A place beyond the end of the list cannot be.
                let length = count + all.len();
                if all.iter().any(|place| *place >= length) {
                    continue;
                }
                let expected: Vec<u64> =
                    (0..length).map(|place| if all.contains(&place) { 401 } else { 200 }).collect();
                for size in [1, 2, 7, 1000] {
                    for answer in [
                        kintos(count),
                        format!(" {} \n", kintos(count).replace(":[", " : [ ").replace("},{", "} , {")),
                    ] {
                        let answer = splice(&answer, &all, count, size).expect("an answer");
                        assert_eq!(statuses(&answer), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn what_kinto_does_not_send_is_not_put_together() {
        for answer in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"responses":{}}"#,
            r#"{"responses":[{},{}]}"#,
            r#"{"responses":[]}"#,
            r#"{"responses":[{}"#,
            r#"{"responses":[{}]"#,
            r#"{"responses":[{},]}"#,
            r#"{"responses":[{}]}x"#,
            r#"{"responses":[{}],"x":1}"#,
            r#"{"responses":[1]}"#,
            r#"{"responses":["a"]}"#,
            r#"{"code":500,"responses":[{}]}"#,
            "\u{1f}\u{8b}",
        ] {
            assert_eq!(splice(answer, &[0], 1, 3), None, "{answer}");
        }
        assert_eq!(splice(r#"{"responses":[{}]}"#, &[2], 1, 3), None, "no place");
    }
}
