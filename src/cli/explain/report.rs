//! All that is said of one request, as text for people and as JSON for scripts.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::cli::explain::batch::Batch;
use crate::cli::explain::result::Fate;
use crate::cli::explain::seen::Mark;
use crate::cli::explain::step::Step;
use crate::cli::explain::words::{Words, words};
use crate::rejection::{Reason, Rejection};

/// All that is said of one request.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The request, the time and the configuration, in words.
    pub(crate) about: String,
    /// The policy that was chosen.
    pub(crate) policy: Option<String>,
    pub(crate) steps: Vec<Row>,
    /// Why the token proves nothing; `None` if it proves a user.
    pub(crate) refused: Option<Refused>,
    #[serde(flatten)]
    pub(crate) fate: Option<Fate>,
    pub(crate) batch: Option<Batch>,
    /// What the operator should know beside it.
    pub(crate) notes: Vec<String>,
}

/// The mark of the step that refuses.
const REFUSED: &str = "refused";

/// The mark of a step that was not reached.
const NOT_REACHED: &str = "-";

/// What became of one step.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) step: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) words: String,
}

/// Why a token proves nothing.
#[derive(Serialize)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    /// The code, with numbers.
    pub(crate) reason: String,
    pub(crate) step: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) remedy: String,
}

impl Row {
    pub(crate) fn new(step: Step, mark: Mark, words: String) -> Self {
        let mark = match mark {
            Mark::Passed => "ok",
            Mark::Refused => REFUSED,
            Mark::NotReached => NOT_REACHED,
            Mark::LeftOut => "left out",
        };
        Self { step: step.name(), mark, words }
    }
}

impl Refused {
    /// The words for this reason. `remedy` takes the place of the usual one.
    pub(crate) fn new(reason: Reason, step: Step, remedy: Option<String>) -> Self {
        let Words { meaning, remedy: usual } = words(reason.rejection);
        let remedy = remedy.unwrap_or_else(|| usual.to_owned());
        Self { code: reason.rejection.code(), reason: reason.to_string(), step: step.name(), meaning, remedy }
    }
}

impl Report {
    /// Whether a token proves the user that Kinto sees, in each sub-request if it is a batch.
    pub(crate) fn is_proven(&self) -> bool {
        match &self.batch {
            Some(batch) if !batch.requests.is_empty() || batch.refusal.is_some() => batch.is_proven(),
            _ => self.refused.is_none(),
        }
    }

    /// The report as text. `is_brief` leaves out the steps that have not refused.
    pub(crate) fn text(&self, is_brief: bool) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text, is_brief);
        text
    }

    fn write(&self, text: &mut String, is_brief: bool) -> fmt::Result {
        if !is_brief {
            writeln!(text, "{}\n", self.about)?;
            let is_said = |row: &&Row| row.mark != NOT_REACHED || !row.words.is_empty();
            for Row { step, mark, words } in self.steps.iter().filter(is_said) {
                writeln!(text, "{}", format!("{mark:<9}{step:<20}{words}").trim_end())?;
            }
            let unsaid = self.steps.iter().filter(|row| !is_said(row)).count();
            if unsaid > 0 {
                writeln!(text, "{NOT_REACHED:<9}{unsaid} more steps, of which nothing can be said")?;
            }
            writeln!(text)?;
        }
        match &self.refused {
            Some(refused) => {
                writeln!(text, "The token proves nothing: {}", refused.reason)?;
                if is_brief {
                    for Row { step, words, .. } in self.steps.iter().filter(|row| row.mark == REFUSED) {
                        writeln!(text, "  {}", format!("{step}: {words}").trim_end_matches([' ', ':']))?;
                    }
                }
                write_words(text, refused.meaning, &refused.remedy)?;
            }
            None => writeln!(text, "The token proves a user.")?,
        }
        if let Some(fate) = &self.fate {
            let setting = fate.setting.as_ref().map(|setting| format!("{setting}. ")).unwrap_or_default();
            write_sentences(text, "", &format!("{setting}{}", fate.words))?;
            for (name, value) in &fate.claim_headers {
                writeln!(text, "  {name}: {value}")?;
            }
        }
        if let Some(batch) = &self.batch {
            write_batch(text, batch)?;
        }
        if !is_brief {
            for note in &self.notes {
                write_sentences(text, "", &format!("Note: {note}."))?;
            }
        }
        Ok(())
    }
}

/// Sentences in lines of a width that a terminal has, each line after this indentation.
fn write_sentences(text: &mut String, indentation: &str, sentences: &str) -> fmt::Result {
    let options = textwrap::Options::new(100).initial_indent(indentation).subsequent_indent(indentation);
    // An address or a command stays whole.
    let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    writeln!(text, "{}", textwrap::fill(sentences, options))
}

fn write_words(text: &mut String, meaning: &str, remedy: &str) -> fmt::Result {
    write_sentences(text, "  ", meaning)?;
    write_sentences(text, "  ", &format!("What to do: {remedy}"))
}

fn write_batch(text: &mut String, batch: &Batch) -> fmt::Result {
    writeln!(text)?;
    if let Some(refused) = &batch.refusal {
        writeln!(text, "The batch is refused: {}", refused.code)?;
        write_words(text, refused.meaning, refused.remedy)?;
        return write_sentences(text, "", &format!("Kinto sees nothing of it. {}", refused.answer.words()));
    }
    let width = batch.requests.iter().map(|request| request.path.chars().count()).max().unwrap_or_default();
    for (number, request) in (1_usize..).zip(&batch.requests) {
        let reason = request.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let (method, path, words) = (&request.method, &request.path, request.words());
        writeln!(text, "{number:>3}  {method:<7}{path:<width$}  {words}{reason}")?;
    }
    let mut known: Vec<Rejection> = Vec::new();
    for rejection in batch.requests.iter().filter_map(|request| Some(request.rejection?.rejection)) {
        if !known.contains(&rejection) {
            known.push(rejection);
            writeln!(text, "{}", rejection.code())?;
            let Words { meaning, remedy } = words(rejection);
            write_words(text, meaning, remedy)?;
        }
    }
    Ok(())
}
