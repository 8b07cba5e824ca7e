//! One ini file as Python's `configparser` reads it, with the number of each line.
//!
//! Source: `RawConfigParser._read` in Python's `Lib/configparser.py`, as `NicerConfigParser` of `paste/deploy/loadwsgi.py`
//! sets it up: names keep their letter case, and a name that is there twice is an error. The crates for ini files read
//! another language, and lose the lines.

use std::ops::Range;

use crate::cli::failure::Failure;

/// The section whose options are the defaults of all others.
const DEFAULT: &str = "DEFAULT";

/// An option: what stands before and after the first `=` or `:`.
#[derive(Clone, Debug)]
pub(crate) struct IniOption {
    pub(crate) name: String,
    /// The value as written, its lines joined by line feeds.
    pub(crate) value: String,
    /// Its lines in the file, from 0. Comments between them are none of them.
    pub(crate) lines: Vec<usize>,
}

/// A section with its options, in the order of the file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    /// The line of its header, from 0.
    pub(crate) header: usize,
    pub(crate) options: Vec<IniOption>,
}

impl Section {
    /// The option of this name.
    pub(crate) fn option(&self, name: &str) -> Option<&IniOption> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// A file.
#[derive(Debug)]
pub(crate) struct Ini {
    /// The lines, each with its end: together they are the file.
    pub(crate) lines: Vec<String>,
    /// All sections but the one of the defaults.
    pub(crate) sections: Vec<Section>,
    /// The options of `[DEFAULT]`.
    pub(crate) defaults: Vec<IniOption>,
}

/// White space as Python's `str.strip` knows it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The text without white space at its ends, as Python's `str.strip` leaves it.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Where the value of an option begins in its first line, in bytes: after the delimiter and white space.
pub(crate) fn value_start(line: &str) -> usize {
    let after = line.find(['=', ':']).map_or(line.len(), |at| at.saturating_add(1));
    let value = line.get(after..).unwrap_or_default();
    let text = value.trim_start_matches(|c| is_space(c) && c != '\n' && c != '\r');
    line.len().saturating_sub(text.len())
}

/// Cuts a text into lines as Python's universal newlines do: at `\n`, `\r\n` and `\r`, which stay at the ends.
pub(crate) fn lines_of(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        let is_pair = rest.get(at..).is_some_and(|end| end.starts_with("\r\n"));
        let (line, after) = rest.split_at(at.saturating_add(if is_pair { 2 } else { 1 }));
        lines.push(line.to_owned());
        rest = after;
    }
    if !rest.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

impl Ini {
    /// Reads a file; `file` is its name in messages.
    ///
    /// # Errors
    /// `configparser` would refuse it: the line, and why.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Failure> {
        let mut reader = Reader {
            file,
            ini: Self { lines: lines_of(text), sections: Vec::new(), defaults: Vec::new() },
            place: Place::Nowhere,
            indent: 0,
            is_open: false,
        };
        for (number, line) in reader.ini.lines.clone().into_iter().enumerate() {
            reader.read(number, &line)?;
        }
        let mut ini = reader.ini;
        let options = ini.sections.iter_mut().flat_map(|section| section.options.iter_mut());
        for option in options.chain(ini.defaults.iter_mut()) {
            close(option, &ini.lines);
        }
        Ok(ini)
    }

    /// The section of this name.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

/// Takes white space off the end of a value, and the empty lines behind it off the lines of the option.
fn close(option: &mut IniOption, lines: &[String]) {
    option.value.truncate(option.value.trim_end_matches(is_space).len());
    let is_blank = |line: &usize| lines.get(*line).is_none_or(|line| strip(line).is_empty());
    while option.lines.last().is_some_and(is_blank) {
        option.lines.pop();
    }
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Defaults,
    Section,
}

struct Reader<'f> {
    file: &'f str,
    ini: Ini,
    place: Place,
    /// The indentation of the header or option that was read last, in characters.
    indent: usize,
    /// Whether a line may go on with the option before it.
    is_open: bool,
}

impl Reader<'_> {
    fn failure(&self, number: usize, fault: &str) -> Failure {
        Failure::at(self.file, format!("line {}: {fault}", number.saturating_add(1)))
    }

    fn options(&mut self) -> Option<&mut Vec<IniOption>> {
        match self.place {
            Place::Nowhere => None,
            Place::Defaults => Some(&mut self.ini.defaults),
            Place::Section => self.ini.sections.last_mut().map(|section| &mut section.options),
        }
    }

    /// Appends a line to the value of the option before it.
    fn go_on(&mut self, number: usize, text: &str) {
        if let Some(option) = self.options().and_then(|options| options.last_mut()) {
            option.value.push('\n');
            option.value.push_str(text);
            option.lines.push(number);
        }
    }

    fn read(&mut self, number: usize, line: &str) -> Result<(), Failure> {
        let text = strip(line);
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        if text.is_empty() {
            if self.is_open {
                self.go_on(number, "");
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if self.is_open && indent > self.indent {
            self.go_on(number, text);
            return Ok(());
        }
        self.indent = indent;
        // As the expression \[(.+)\] of configparser: up to the last bracket, and whatever is behind it.
        let header = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']'));
        match header.map(|(name, _)| name).filter(|name| !name.is_empty()) {
            Some(name) => self.section(number, name),
            None => self.option(number, text),
        }
    }

    fn section(&mut self, number: usize, name: &str) -> Result<(), Failure> {
        self.is_open = false;
        if name == DEFAULT {
            self.place = Place::Defaults;
            return Ok(());
        }
        if self.ini.section(name).is_some() {
            return Err(self.failure(number, &format!("there are two sections [{name}]; make them one")));
        }
        self.place = Place::Section;
        self.ini.sections.push(Section { name: name.to_owned(), header: number, options: Vec::new() });
        Ok(())
    }

    fn option(&mut self, number: usize, text: &str) -> Result<(), Failure> {
        let Some((name, value)) = text.split_once(['=', ':']) else {
            return Err(
                self.failure(number, "it is neither a section nor name = value; Kinto cannot read it")
            );
        };
        let (name, value) = (strip(name).to_owned(), strip(value).to_owned());
        let Some(options) = self.options() else {
            return Err(self.failure(number, "it stands before the first section; Kinto cannot read it"));
        };
        if name.is_empty() {
            return Err(self.failure(number, "there is no name before the value; Kinto cannot read it"));
        }
        if options.iter().any(|option| option.name == name) {
            let fault = format!("{name} is there twice in its section; Kinto does not start, so remove one");
            return Err(self.failure(number, &fault));
        }
        options.push(IniOption { name, value, lines: vec![number] });
        self.is_open = true;
        Ok(())
    }
}

/// Where the words of a value, which white space separates, stand in a line, in bytes.
pub(crate) fn words(line: &str, from: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().filter(|(at, _)| *at >= from) {
        match (is_space(c), start) {
            (false, None) => start = Some(at),
            (true, Some(first)) => {
                found.push(first..at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(first) = start {
        found.push(first..line.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Ini {
        Ini::parse(text, "x").map_err(|failure| failure.to_string()).unwrap()
    }

    #[test]
    fn options_know_their_lines() {
        let ini = parsed("[a]\nx = 1\n\n# no\ny:\n  2\n  # no\n\n  3\n\nz = \n[DEFAULT]\nd=e=f\n");
        let options: Vec<_> = ini.sections[0]
            .options
            .iter()
            .map(|option| (option.name.as_str(), option.value.as_str(), option.lines.as_slice()))
            .collect();
        let expected: [(&str, &str, &[usize]); 3] =
            [("x", "1", &[1]), ("y", "\n2\n\n3", &[4, 5, 7, 8]), ("z", "", &[10])];
        assert_eq!(options, expected);
        assert_eq!((ini.defaults[0].name.as_str(), ini.defaults[0].value.as_str()), ("d", "e=f"));
    }

    #[test]
    fn all_ends_of_lines_are_ends() {
        let ini = parsed("[a]\rx = 1\r\n y\n\rz = 2");
        assert_eq!(ini.lines.concat(), "[a]\rx = 1\r\n y\n\rz = 2");
        assert_eq!(ini.sections[0].option("x").unwrap().value, "1\ny");
        assert_eq!(ini.sections[0].option("z").unwrap().lines, [4]);
    }

    #[test]
    fn indentation_decides_what_goes_on() {
        let ini = parsed("[a]\n  x = 1\n  y = 2\n   more\n z = 3\n[b] and text ] x\nname with spaces = 4\n");
        let names: Vec<_> = ini.sections[0].options.iter().map(|option| option.name.as_str()).collect();
        assert_eq!(names, ["x", "y", "z"]);
        assert_eq!(ini.sections[0].option("y").unwrap().value, "2\nmore");
        assert_eq!(ini.sections[1].name, "b] and text ");
        assert!(ini.sections[1].option("name with spaces").is_some());
    }

    #[test]
    fn what_configparser_refuses_is_refused_at_its_line() {
        for (text, line) in [
            ("x = 1\n", 1),
            ("\u{feff}[a]\n", 1),
            ("[a]\nx\n", 2),
            ("[a]\n= 1\n", 2),
            ("[a]\nx = 1\nx : 2\n", 3),
            ("[a]\n[b]\n[a]\n", 3),
            ("[DEFAULT]\nx = 1\n[a]\n[DEFAULT]\nx = 2\n", 5),
        ] {
            let failure =
                Ini::parse(text, "x").map(|_| ()).map_err(|failure| failure.to_string()).unwrap_err();
            assert!(failure.starts_with(&format!("x: line {line}: ")), "{text:?}: {failure}");
        }
    }
}
