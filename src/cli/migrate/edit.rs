//! Changes of single lines of a file. All other lines, and the ends of lines, stay as they are.

use crate::cli::migrate::ini::{IniOption, lines_of, value_start, words};

/// The lines of a file, each with what stands in its place.
pub(crate) struct Edit {
    lines: Vec<Vec<String>>,
    /// How the lines of this file end.
    end: String,
}

impl Edit {
    /// A file in which nothing is changed yet.
    pub(crate) fn new(text: &str) -> Self {
        let lines = lines_of(text);
        let end_of = |line: &String| line.trim_start_matches(|c| c != '\n' && c != '\r').to_owned();
        let end = lines.first().map(end_of).filter(|end| !end.is_empty()).unwrap_or_else(|| "\n".to_owned());
        Self { lines: lines.into_iter().map(|line| vec![line]).collect(), end }
    }

    /// The text after the changes.
    pub(crate) fn finish(self) -> String {
        let mut text = String::new();
        for line in self.lines.into_iter().flatten() {
            if !text.is_empty() && !text.ends_with(['\n', '\r']) {
                text.push_str(&self.end);
            }
            text.push_str(&line);
        }
        text
    }

    fn line(&self, number: usize) -> &str {
        self.lines.get(number).and_then(|lines| lines.first()).map(String::as_str).unwrap_or_default()
    }

    fn replace(&mut self, number: usize, with: Vec<String>) {
        if let Some(lines) = self.lines.get_mut(number) {
            *lines = with;
        }
    }

    /// Removes an option.
    pub(crate) fn remove(&mut self, option: &IniOption) {
        for number in &option.lines {
            self.replace(*number, Vec::new());
        }
    }

    /// Writes `name = value` in the place of an option. The beginning of the line stays if the name does.
    pub(crate) fn set(&mut self, option: &IniOption, name: &str, value: &str) {
        let first = option.lines.first().copied().unwrap_or_default();
        let line = self.line(first).to_owned();
        let before = if option.name == name {
            let before = line.get(..value_start(&line)).unwrap_or_default();
            before.trim_end_matches(['\n', '\r']).to_owned()
        } else {
            format!("{}{name} =", indentation(&line))
        };
        let space = if before.ends_with(['=', ':']) { " " } else { "" };
        let changed = format!("{before}{space}{value}{}", self.end);
        self.remove(option);
        self.replace(first, vec![changed]);
    }

    /// Adds lines below a line.
    pub(crate) fn add_below(&mut self, number: usize, added: &[String]) {
        let added = added.iter().map(|line| format!("{line}{}", self.end)).collect::<Vec<_>>();
        if let Some(lines) = self.lines.get_mut(number) {
            lines.extend(added);
        }
    }

    /// The words of the value of an option.
    pub(crate) fn words(&self, option: &IniOption) -> Vec<String> {
        let of_line = |(index, number): (usize, &usize)| {
            let line = self.line(*number);
            let from = if index == 0 { value_start(line) } else { 0 };
            words(line, from)
                .into_iter()
                .filter_map(|range| line.get(range))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        option.lines.iter().enumerate().flat_map(of_line).collect()
    }

    /// Writes these words in the places of the words of an option. A line of which nothing is left is removed.
    pub(crate) fn set_words(&mut self, option: &IniOption, new: &[Option<&str>]) {
        let mut new = new.iter();
        for (index, number) in option.lines.iter().enumerate() {
            let line = self.line(*number).to_owned();
            let from = if index == 0 { value_start(&line) } else { 0 };
            let ranges = words(&line, from);
            let start = ranges.first().map_or(line.len(), |range| range.start);
            let mut changed = line.get(..start).unwrap_or_default().to_owned();
            let (mut copied, mut is_empty) = (start, true);
            for range in &ranges {
                let space = line.get(copied..range.start).unwrap_or_default();
                copied = range.end;
                if let Some(word) = new.next().copied().flatten() {
                    changed.push_str(if is_empty { "" } else { space });
                    changed.push_str(word);
                    is_empty = false;
                }
            }
            changed.push_str(line.get(copied..).unwrap_or_default());
            // The line with the name stays, and so does one that was empty before.
            let is_left = index == 0 || ranges.is_empty() || !is_empty;
            self.replace(*number, if is_left { vec![changed] } else { Vec::new() });
        }
    }
}

/// The white space that a line begins with.
pub(crate) fn indentation(line: &str) -> &str {
    line.get(..line.len().saturating_sub(line.trim_start().len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::migrate::ini::Ini;

    fn edited(text: &str, change: impl Fn(&mut Edit, &IniOption)) -> String {
        let ini = Ini::parse(text, "x").ok().unwrap();
        let mut edit = Edit::new(text);
        change(&mut edit, ini.sections[0].option("a").unwrap());
        edit.finish()
    }

    #[test]
    fn lines_keep_their_form() {
        for (text, changed) in [
            ("[s]\na = 1\n", "[s]\na = 2\n"),
            ("[s]\r\na:1\r\nb = 3\r\n", "[s]\r\na: 2\r\nb = 3\r\n"),
            ("[s]\n  a =\n    1\n    # why\n    x\nb=1", "[s]\n  a = 2\n    # why\nb=1"),
            ("[s]\na  =  1", "[s]\na  =  2\n"),
        ] {
            assert_eq!(edited(text, |edit, a| edit.set(a, "a", "2")), changed);
        }
        assert_eq!(
            edited("[s]\n\ta = 1", |edit, a| edit.add_below(a.lines[0], &["\tb = 2".into()])),
            "[s]\n\ta = 1\n\tb = 2\n"
        );
        assert_eq!(edited("[s]\na =\n  1\n\n\nb = 2", |edit, a| edit.remove(a)), "[s]\n\n\nb = 2");
    }

    #[test]
    fn words_keep_their_places() {
        let swap = |edit: &mut Edit, a: &IniOption| edit.set_words(a, &[Some("y"), Some("x")]);
        for (text, changed) in [
            ("[s]\na = x   y\n", "[s]\na = y   x\n"),
            ("[s]\na =\n   x\n # c\n   y\n", "[s]\na =\n   y\n # c\n   x\n"),
        ] {
            assert_eq!(edited(text, swap), changed);
        }
        let drop = |edit: &mut Edit, a: &IniOption| edit.set_words(a, &[None, Some("y")]);
        for (text, changed) in [
            ("[s]\na = x y\n", "[s]\na = y\n"),
            ("[s]\na =\n   x\n   y\n", "[s]\na =\n   y\n"),
            ("[s]\na = x\n   y\n", "[s]\na = \n   y\n"),
        ] {
            assert_eq!(edited(text, drop), changed);
        }
    }
}
