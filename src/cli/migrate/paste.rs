//! From an ini file to the settings that PasteDeploy gives to Kinto, each with the places where it stands.
//!
//! Source: `ConfigLoader` in `paste/deploy/loadwsgi.py` of PasteDeploy 3.1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::migrate::find::{self, config_uri, find_section, only_app, scheme};
use crate::cli::migrate::ini::{Ini, IniOption, strip};
use crate::cli::migrate::interpolation::interpolate;

/// How often one section may lead to another. PasteDeploy has no limit, and ends in a crash.
const MAX_DEPTH: usize = 32;

/// What stands for Kinto as the value of `use`, without regard to letter case.
const KINTO: [&str; 4] = ["egg:kinto", "egg:kinto#main", "call:kinto:main", "kinto:main"];

/// Values that all sections of a file have, and that `get` reads.
pub(crate) type Globals = BTreeMap<String, String>;

/// A line, or the lines, that give a setting its value.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The number of the file, in the order in which the files were read.
    pub(crate) file: usize,
    pub(crate) section: String,
    pub(crate) option: IniOption,
}

/// A setting of the application.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The value, its names replaced.
    pub(crate) value: String,
    /// Where it stands. The first place counts, and the others would count without it.
    pub(crate) places: Vec<Place>,
}

/// The application, as an ini file describes it.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) settings: BTreeMap<String, Setting>,
    /// The files and sections that `use` went through, the outermost first.
    pub(crate) sections: Vec<(usize, String)>,
    /// What the last `use` names.
    factory: String,
}

impl App {
    fn is_kinto(&self) -> bool {
        KINTO.iter().any(|kinto| kinto.eq_ignore_ascii_case(&self.factory))
    }
}

/// A file that was read.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The number of the same file where it was read first: an application may use another one of its own file.
    number: usize,
    pub(crate) text: String,
    pub(crate) ini: Ini,
    /// The defaults, as written.
    pub(crate) defaults: Globals,
}

impl File {
    /// The value of a name, as written, for the options of a section.
    fn lookup(&self, options: &[IniOption], name: &str) -> Option<String> {
        let own = options.iter().find(|option| option.name == name).map(|option| &option.value);
        own.or_else(|| self.defaults.get(name)).cloned()
    }
}

/// Reads files as they are needed.
pub(crate) struct Loader {
    pub(crate) files: Vec<File>,
    /// Texts that count in the place of what the files hold.
    changed: BTreeMap<PathBuf, String>,
}

impl Loader {
    /// A loader that reads these texts in the place of the files of these paths.
    pub(crate) fn new(changed: BTreeMap<PathBuf, String>) -> Self {
        Self { files: Vec::new(), changed }
    }

    /// The application `name` of a file. `variables` are values as pserve takes them.
    ///
    /// # Errors
    /// Kinto would not start with this file, or it does not plainly lead to one Kinto.
    pub(crate) fn app(&mut self, path: &Path, name: &str, variables: &Globals) -> Result<App, Failure> {
        let file = self.open(path, variables)?;
        let app = self.context(file, name, variables, 0)?;
        if app.is_kinto() {
            return Ok(app);
        }
        Err(Failure::at(
            &path.display().to_string(),
            format!("the application {name} is {}, and not egg:kinto; name Kinto's with --app", app.factory),
        ))
    }

    /// The options of a section, with their names replaced; `None` if there is no such section, or if it needs values
    /// that are not there.
    pub(crate) fn values(&self, file: usize, section: &str) -> Option<Globals> {
        let opened = self.files.get(file)?;
        let options = &opened.ini.section(section)?.options;
        let lookup = |name: &str| opened.lookup(options, name);
        let read =
            |option: &IniOption| Some((option.name.clone(), interpolate(&option.value, &lookup).ok()?));
        options.iter().map(read).collect()
    }

    /// Reads a file, whose defaults these values complete.
    fn open(&mut self, path: &Path, globals: &Globals) -> Result<usize, Failure> {
        let name = path.display().to_string();
        let text = match self.changed.get(path) {
            Some(text) => text.clone(),
            None => {
                let bytes = std::fs::read(path).map_err(|error| Failure::at(&name, error))?;
                String::from_utf8(bytes)
                    .map_err(|_| Failure::at(&name, "is not UTF-8; Kinto cannot read it either"))?
            }
        };
        let ini = Ini::parse(&text, &name)?;
        let absolute = find::absolute(path).map_err(|error| Failure::at(&name, error))?;
        let folder = absolute.parent().unwrap_or(&absolute).display().to_string();
        let mut defaults = BTreeMap::from([
            ("here".to_owned(), folder),
            ("__file__".to_owned(), absolute.display().to_string()),
        ]);
        defaults.extend(ini.defaults.iter().map(|option| (option.name.clone(), option.value.clone())));
        for (name, value) in globals {
            defaults.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let number = self.files.len();
        // A link with another name leads to the same file, which must not be written twice.
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let is_same =
            |file: &File| file.path == path || real(path).is_some_and(|this| real(&file.path) == Some(this));
        let first = self.files.iter().position(is_same).unwrap_or(number);
        self.files.push(File { path: path.to_owned(), number: first, text, ini, defaults });
        Ok(number)
    }

    fn file(&self, file: usize) -> Result<&File, Failure> {
        self.files
            .get(file)
            .ok_or_else(|| Failure::new("a file was not read; report this fault of kinto-jwt"))
    }

    /// `ConfigLoader.get_context`.
    fn context(&mut self, file: usize, name: &str, globals: &Globals, depth: usize) -> Result<App, Failure> {
        let path = self.file(file)?.path.clone();
        let shown = path.display().to_string();
        if depth > MAX_DEPTH {
            return Err(Failure::at(&shown, format!("the application {name} leads to itself by use")));
        }
        let deeper = depth.saturating_add(1);
        match scheme(name) {
            Some(("config", _)) => {
                let (path, name) = config_uri(name, &path)?;
                let file = self.open(&path, globals)?;
                return self.context(file, &name, globals, deeper);
            }
            Some(_) => return Ok(App { factory: name.to_owned(), ..App::default() }),
            None => {}
        }
        let section = find_section(&self.file(file)?.ini, &shown, name)?.name.clone();
        let Local { mut settings, globals } = self.local(file, &section, globals)?;
        let mut take = |name: &str| settings.remove(name).map(|setting| setting.value);
        let missing = |name: &str| Failure::at(&shown, format!("[{section}] has no {name}"));
        if section.starts_with("pipeline:") {
            let pipeline = take("pipeline").ok_or_else(|| missing("pipeline"))?;
            let last = pipeline.split_whitespace().next_back().ok_or_else(|| missing("pipeline"))?;
            return self.context(file, last, &globals, deeper);
        }
        if section.starts_with("filter-app:") {
            let next = take("next").ok_or_else(|| missing("next"))?;
            return self.context(file, &next, &globals, deeper);
        }
        for unused in ["filter-with", "require"] {
            take(unused);
        }
        let inner = match take("use") {
            Some(used) => self.context(file, &used, &globals, deeper)?,
            None => {
                let factory = take("paste.app_factory").or_else(|| take("paste.composite_factory"));
                App { factory: factory.ok_or_else(|| missing("use"))?, ..App::default() }
            }
        };
        if section.starts_with("composit") && !inner.is_kinto() {
            let apps = settings.values().map(|setting| setting.value.as_str()).collect();
            let only = only_app(&shown, &section, apps)?;
            return self.context(file, &only, &globals, deeper);
        }
        let number = self.file(file)?.number;
        Ok(over(inner, settings, (number, section)))
    }

    /// The options of a section that are not global, and the global values that it leads to.
    fn local(&self, file: usize, section: &str, globals: &Globals) -> Result<Local, Failure> {
        let opened = self.file(file)?;
        let at = opened.path.display().to_string();
        let found = opened.ini.section(section);
        let options = found.map(|section| section.options.as_slice()).unwrap_or_default();
        let lookup = |name: &str| opened.lookup(options, name);
        let read = |name: &str, value: &str, find: &dyn Fn(&str) -> Option<String>| {
            interpolate(value, find).map_err(|fault| Failure::at(&at, format!("[{section}] {name}: {fault}")))
        };
        let mut all = Globals::new();
        for (name, value) in &opened.defaults {
            let value = read(name, value, &|name| opened.defaults.get(name).cloned())?;
            all.insert(name.clone(), value);
        }
        all.extend(globals.clone());
        let (mut settings, mut from_globals) = (BTreeMap::new(), Vec::new());
        for option in options.iter().chain(&opened.ini.defaults) {
            let is_own = options.iter().any(|own| std::ptr::eq(own, option));
            let place = || Place {
                file: opened.number,
                section: if is_own { section.to_owned() } else { "DEFAULT".to_owned() },
                option: option.clone(),
            };
            if let Some(name) = option.name.strip_prefix("set ") {
                all.insert(strip(name).to_owned(), read(&option.name, &option.value, &lookup)?);
            } else if let Some(name) = option.name.strip_prefix("get ") {
                let global = read(&option.name, &option.value, &lookup)?;
                from_globals.push((strip(name).to_owned(), global, place()));
            } else if !opened.defaults.contains_key(&option.name) {
                let value = read(&option.name, &option.value, &lookup)?;
                settings.insert(option.name.clone(), Setting { value, places: vec![place()] });
            }
        }
        for (name, global, place) in from_globals {
            let value = all.get(&global).cloned().ok_or_else(|| {
                Failure::at(&at, format!("[{section}] get {name}: there is no global value {global}"))
            })?;
            let below = settings.remove(&name).map(|setting: Setting| setting.places).unwrap_or_default();
            let places = std::iter::once(place).chain(below).collect();
            settings.insert(name, Setting { value, places });
        }
        Ok(Local { settings, globals: all })
    }
}

/// What a section says.
struct Local {
    settings: BTreeMap<String, Setting>,
    globals: Globals,
}

/// The settings of a section over those of the application that it uses.
fn over(mut app: App, settings: BTreeMap<String, Setting>, section: (usize, String)) -> App {
    for (name, mut setting) in settings {
        if let Some(below) = app.settings.remove(&name) {
            setting.places.extend(below.places);
        }
        app.settings.insert(name, setting);
    }
    app.sections.insert(0, section);
    app
}
