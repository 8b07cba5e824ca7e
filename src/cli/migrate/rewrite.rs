//! The ini files after the migration: which lines change, and why.

use std::collections::BTreeMap;

use crate::cli::failure::Failure;
use crate::cli::migrate::edit::{Edit, indentation};
use crate::cli::migrate::ini::IniOption;
use crate::cli::migrate::paste::{App, Loader, Place, Setting};
use crate::cli::migrate::policy::{Policies, setting_of};
use crate::cli::migrate::settings::{
    Effective, Environment, KintoSettings, is_on, variables, without_prefix, words,
};

/// The class that reads the identity header.
pub(crate) const CLASS: &str = "pyramid.authentication.RemoteUserAuthenticationPolicy";

/// The identity header as WSGI has it.
pub(crate) const ENVIRON_KEY: &str = "HTTP_USERID";

/// The redirects of Kinto, which are switched off.
pub(crate) const REDIRECTS: [&str; 2] =
    ["trailing_slash_redirect_enabled", "version_prefix_redirect_enabled"];

/// The comment above the lines that switch them off.
const WHY_NO_REDIRECTS: &str =
    "# A redirect inside a batch is followed by Kinto itself, to where the client's query says.";

/// The settings that list packages to include.
pub(crate) const INCLUDES: [&str; 2] = ["includes", "pyramid.includes"];

/// The package, as these lists name it.
pub(crate) const PACKAGE: &str = "kinto_jwt";

/// The changed files.
pub(crate) struct Changes {
    /// The changed text of each file of the loader, by its number.
    pub(crate) files: BTreeMap<usize, String>,
    /// Variables of the environment that would override what the changed files say.
    pub(crate) variables: Vec<String>,
    /// Lines of other files than the first that are removed, each as `file:line: name`.
    pub(crate) elsewhere: Vec<String>,
    /// Whether Kinto's redirects were on.
    pub(crate) had_redirects: bool,
}

/// What the migration reads.
pub(crate) struct Before<'b> {
    pub(crate) loader: &'b Loader,
    pub(crate) app: &'b App,
    pub(crate) settings: &'b KintoSettings,
    pub(crate) policies: &'b Policies,
    pub(crate) environment: Environment<'b>,
}

impl Before<'_> {
    /// Changes the ini files.
    ///
    /// # Errors
    /// A line has no place in the first file.
    pub(crate) fn change(&self) -> Result<Changes, Failure> {
        let mut writer = Writer::new(self)?;
        let ours = &self.policies.ours;
        writer.remove_settings(&setting_of(ours, ""), &setting_of(ours, "use"));
        writer.set(&setting_of(ours, "use"), "", CLASS)?;
        writer.set(&setting_of(ours, "environ_key"), "", ENVIRON_KEY)?;
        writer.set_policies()?;
        let is_redirecting = |name: &&str| self.settings.get(*name).is_some_and(|flag| is_on(&flag.value));
        let on: Vec<&str> = REDIRECTS.into_iter().filter(is_redirecting).collect();
        let already_added = writer.added.len();
        for name in &on {
            writer.set(name, "kinto.", "false")?;
        }
        if writer.added.len() > already_added {
            writer.added.insert(already_added, WHY_NO_REDIRECTS.to_owned());
        }
        for name in INCLUDES {
            writer.leave_out(name)?;
        }
        writer.finish(!on.is_empty())
    }
}

struct Writer<'b> {
    before: &'b Before<'b>,
    edits: BTreeMap<usize, Edit>,
    variables: Vec<String>,
    elsewhere: Vec<String>,
    anchor: Anchor,
    added: Vec<String>,
}

impl<'b> Writer<'b> {
    fn new(before: &'b Before<'b>) -> Result<Self, Failure> {
        Ok(Self {
            before,
            edits: BTreeMap::new(),
            variables: Vec::new(),
            elsewhere: Vec::new(),
            anchor: anchor(before)?,
            added: Vec::new(),
        })
    }

    fn setting(&self, name: &str) -> Option<&'b Effective> {
        self.before.settings.get(name)
    }

    fn edit(&mut self, file: usize) -> &mut Edit {
        let text = self.before.loader.files.get(file).map(|file| file.text.as_str()).unwrap_or_default();
        self.edits.entry(file).or_insert_with(|| Edit::new(text))
    }

    /// The first place of a setting, if it is in the first file.
    fn place(&self, name: &str) -> Option<(&'b str, &'b Place)> {
        let (key, setting) = self.setting(name)?.written.as_ref()?;
        setting.places.first().filter(|place| place.file == 0).map(|place| (key.as_str(), place))
    }

    /// Gives a setting a value: where it stands, or in a new line. `prefix` stands before the name of a new one.
    fn set(&mut self, name: &str, prefix: &str, value: &str) -> Result<(), Failure> {
        let environment = self.before.environment;
        self.variables.extend(variables(name).into_iter().filter(|name| environment(name).is_some()));
        if let Some((key, place)) = self.place(name) {
            self.edit(0).set(&place.option, key, value);
            return Ok(());
        }
        let written = self.setting(name).and_then(|setting| setting.written.as_ref());
        let key = written.map_or_else(|| format!("{prefix}{name}"), |(key, _)| key.clone());
        let Some(file) = self.before.loader.files.first() else { return Ok(()) };
        if file.defaults.contains_key(&key) {
            return Err(Failure::at(
                &file.path.display().to_string(),
                format!(
                    "{key} is in [DEFAULT], where Kinto does not read it, and hides it in [app:..]; remove it"
                ),
            ));
        }
        self.added.push(format!("{key} = {value}"));
        Ok(())
    }

    /// Removes the settings that begin with `prefix`, but not the one named `kept`, wherever they stand.
    fn remove_settings(&mut self, prefix: &str, kept: &str) {
        let before = self.before;
        let removed = |key: &str| without_prefix(key).starts_with(prefix) && without_prefix(key) != kept;
        let settings = before.app.settings.iter().filter(|(key, _)| removed(key));
        for place in settings.flat_map(|(_, setting): (_, &Setting)| &setting.places) {
            self.edit(place.file).remove(&place.option);
            if place.file != 0 {
                self.elsewhere.push(format!("{}: {}", address(before.loader, place), place.option.name));
            }
        }
    }

    /// Writes our policy first.
    fn set_policies(&mut self) -> Result<(), Failure> {
        const NAME: &str = "multiauth.policies";
        let policies = self.before.policies;
        let is_overridden = self.setting(NAME).is_some_and(|setting| !setting.variables.is_empty());
        let first = policies.ours_first();
        if first == policies.names && !is_overridden {
            return Ok(());
        }
        if let Some((NAME, place)) = self.place(NAME)
            && place.option.name == NAME
            && !is_overridden
            && self.edit(0).words(&place.option) == policies.names
        {
            let words: Vec<Option<&str>> = first.into_iter().map(Some).collect();
            self.edit(0).set_words(&place.option, &words);
            return Ok(());
        }
        self.set(NAME, "", &first.join(" "))
    }

    /// Leaves the package out of a list of packages.
    fn leave_out(&mut self, name: &str) -> Result<(), Failure> {
        let Some(setting) = self.setting(name) else { return Ok(()) };
        let list = words(&setting.value);
        let rest: Vec<Option<&str>> =
            list.iter().map(|word| Some(word.as_str()).filter(|word| *word != PACKAGE)).collect();
        if rest.iter().all(Option::is_some) {
            return Ok(());
        }
        if let Some((key, place)) = self.place(name)
            && place.option.name == key
            && setting.variables.is_empty()
            && self.edit(0).words(&place.option) == list
        {
            self.edit(0).set_words(&place.option, &rest);
            return Ok(());
        }
        let rest: Vec<&str> = rest.into_iter().flatten().collect();
        self.set(name, "kinto.", &rest.join(" "))
    }

    fn finish(mut self, had_redirects: bool) -> Result<Changes, Failure> {
        let indentation = std::mem::take(&mut self.anchor.indentation);
        let added: Vec<String> = self.added.iter().map(|line| format!("{indentation}{line}")).collect();
        let below = self.anchor.line;
        self.edit(0).add_below(below, &added);
        Ok(Changes {
            files: self.edits.into_iter().map(|(file, edit)| (file, edit.finish())).collect(),
            variables: self.variables,
            elsewhere: self.elsewhere,
            had_redirects,
        })
    }
}

/// Where a setting stands, as `file:line`.
pub(crate) fn address(loader: &Loader, place: &Place) -> String {
    let file = loader.files.get(place.file).map(|file| file.path.display().to_string()).unwrap_or_default();
    let line = place.option.lines.first().copied().unwrap_or_default().saturating_add(1);
    format!("{file}:{line}")
}

/// Where new lines belong in the first file.
struct Anchor {
    /// They stand below this line.
    line: usize,
    /// The white space that they begin with. With more they would go on with the value above them.
    indentation: String,
}

/// New lines belong below the one that names the class of our policy, or at the end of the application's section.
fn anchor(before: &Before<'_>) -> Result<Anchor, Failure> {
    let file = before.loader.files.first();
    let anchor = |line: usize, option: Option<&IniOption>| {
        let first = option.and_then(|option| option.lines.first());
        let text = first.and_then(|first| file?.ini.lines.get(*first)).map(String::as_str);
        Anchor { line, indentation: indentation(text.unwrap_or_default()).to_owned() }
    };
    let class = before.settings.get(&setting_of(&before.policies.ours, "use"));
    let place =
        class.and_then(|class| class.written.as_ref()).and_then(|(_, setting)| setting.places.first());
    if let Some(option) = place.filter(|place| place.file == 0).map(|place| &place.option) {
        return Ok(anchor(option.lines.first().copied().unwrap_or_default(), Some(option)));
    }
    let section = before.app.sections.first().filter(|(file, _)| *file == 0);
    let section = section.and_then(|(_, name)| file?.ini.section(name));
    let Some(section) = section else {
        let others = before.app.sections.first().and_then(|(file, _)| before.loader.files.get(*file));
        let name = others.map(|file| file.path.display().to_string()).unwrap_or_default();
        return Err(Failure::new(format!("Kinto's application is in {name}; migrate that file")));
    };
    let last = section.options.last();
    let line = last.and_then(|option| option.lines.last()).copied().unwrap_or(section.header);
    Ok(anchor(line, last))
}
