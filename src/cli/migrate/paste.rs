//! From an ini file to the settings that PasteDeploy gives to Kinto, each with the places where it stands.
//!
//! Source: `ConfigLoader` in `paste/deploy/loadwsgi.py` of PasteDeploy 3.1.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::cli::failure::Failure;
use crate::cli::migrate::ini::{Ini, IniOption, Section, strip};
use crate::cli::migrate::interpolation::interpolate;

/// How often one section may lead to another. PasteDeploy has no limit, and ends in a crash.
const MAX_DEPTH: usize = 32;

/// The beginnings of the names of sections that are applications (`_App.config_prefixes`). Those in one row are the
/// same.
const PREFIXES: [&[&str]; 4] =
    [&["app", "application"], &["composite", "composit"], &["pipeline"], &["filter-app"]];

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
        if KINTO.iter().any(|kinto| kinto.eq_ignore_ascii_case(&app.factory)) {
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
        let lookup = |name: &str| {
            let own = options.iter().find(|option| option.name == name).map(|option| option.value.clone());
            own.or_else(|| opened.defaults.get(name).cloned())
        };
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
        let absolute = absolute(path).map_err(|error| Failure::at(&name, error))?;
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
        let is_same = |file: &File| self::absolute(&file.path).is_ok_and(|other| other == absolute);
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
        let section = find_section(self.file(file)?, name)?.name.clone();
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
        let is_kinto = |app: &App| KINTO.iter().any(|kinto| kinto.eq_ignore_ascii_case(&app.factory));
        if section.starts_with("composit") && !is_kinto(&inner) {
            let only = only_app(&shown, &section, &settings)?;
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
        let lookup = |name: &str| {
            let own = options.iter().find(|option| option.name == name).map(|option| option.value.clone());
            own.or_else(|| opened.defaults.get(name).cloned())
        };
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

/// The scheme and the rest of a name such as `egg:kinto`; `None` for the name of a section.
fn scheme(name: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = name.split_once(':')?;
    (!scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some((scheme, rest))
}

/// The path and the name of the application in `config:path#name`. A relative path is relative to the file `from`.
fn config_uri(uri: &str, from: &Path) -> Result<(PathBuf, String), Failure> {
    let (_, rest) = scheme(uri).unwrap_or_default();
    let (path, name) = rest.split_once('#').unwrap_or((rest, "main"));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| {
        Failure::at(&from.display().to_string(), format!("use = {uri} has a path that is not UTF-8"))
    })?;
    let path = from.parent().unwrap_or(Path::new("")).join(path.trim());
    Ok((path, name.to_owned()))
}

/// `ConfigLoader.find_config_section`.
fn find_section<'f>(file: &'f File, name: &str) -> Result<&'f Section, Failure> {
    let mut found: Vec<&Section> = Vec::new();
    for prefixes in PREFIXES {
        let of = |prefix: &&str| -> Vec<&'f Section> {
            let is_named = |section: &&Section| {
                let after = section.name.strip_prefix(*prefix).and_then(|rest| rest.strip_prefix(':'));
                after.is_some_and(|rest| strip(rest) == name)
            };
            file.ini.sections.iter().filter(is_named).collect()
        };
        found.extend(prefixes.iter().map(of).find(|sections| !sections.is_empty()).unwrap_or_default());
    }
    let shown = file.path.display().to_string();
    match found.as_slice() {
        [section] => Ok(section),
        [] => {
            Err(Failure::at(&shown, format!("has no section [app:{name}]; name the application with --app")))
        }
        _ => Err(Failure::at(&shown, format!("has several sections for the application {name}; keep one"))),
    }
}

/// The one application that the paths of a composite lead to.
fn only_app(file: &str, section: &str, paths: &BTreeMap<String, Setting>) -> Result<String, Failure> {
    let mut apps: Vec<&str> = paths.values().map(|setting| setting.value.as_str()).collect();
    apps.sort_unstable();
    apps.dedup();
    match apps.as_slice() {
        [app] => Ok((*app).to_owned()),
        _ => Err(Failure::at(
            file,
            format!("[{section}] leads to {}; name Kinto's application with --app", apps.join(", ")),
        )),
    }
}

/// Python's `os.path.abspath`: without `.` and `..`, links are not followed.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        if component == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    Ok(plain)
}
