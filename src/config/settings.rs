//! The settings as the operator wrote them: the list of all settings, and each setting read as a value of its type.

use std::fmt;

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

use crate::json;

/// Why a configuration is refused: the setting, the fault, the remedy. Holds no secret.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: String,
    /// The names of the members and the indices of the items that lead to the setting.
    path: Vec<String>,
    fault: String,
    remedy: String,
}

impl ConfigError {
    /// Where the setting is in the configuration: a pointer of RFC 6901. A setting that is missing is where it would be.
    #[must_use]
    pub fn pointer(&self) -> String {
        let tokens = self.path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
        tokens.collect()
    }

    /// What is wrong, without the remedy: `leeway is not a whole number of seconds from 0 to 86400`.
    #[must_use]
    pub fn fault(&self) -> String {
        format!("{} {}", self.setting, self.fault)
    }

    /// What the operator can do: `write a number such as 0, without quotes`.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// The same error, of a setting inside `parent`.
    pub(crate) fn within(self, parent: &str) -> Self {
        Self { setting: format!("{parent}.{}", self.setting), ..self.below(&[parent.to_owned()]) }
    }

    /// The same error, whose path began at the end of this one.
    pub(crate) fn below(self, path: &[String]) -> Self {
        Self { path: [path, &self.path].concat(), ..self }
    }

    /// The same error, of a setting of the policy of this name.
    pub(crate) fn of_policy(self, policy: &str) -> Self {
        Self { setting: format!("{policy}.{}", self.setting), ..self }
    }

    /// The same error, with another name for the setting.
    pub(crate) fn named(self, setting: impl Into<String>) -> Self {
        Self { setting: setting.into(), ..self }
    }

    /// The same error, with another path.
    pub(crate) fn at(self, path: &[&str]) -> Self {
        Self { path: path.iter().map(|name| (*name).to_owned()).collect(), ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.setting, self.fault, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

pub(crate) fn error(setting: &str, fault: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
    // Not generic, so that the module has it once.
    #[inline(never)]
    fn error(setting: &str, fault: String, remedy: String) -> ConfigError {
        ConfigError { setting: setting.to_owned(), path: vec![setting.to_owned()], fault, remedy }
    }
    error(setting, fault.into(), remedy.into())
}

/// What is said in the place of a name that is not shown.
const NOT_A_NAME: &str = "a text that is not a name";

/// A name that is no setting. What is not written like a name may hold a value, such as a secret behind a forgotten
/// colon, and is not shown.
pub(crate) fn shown(name: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    Some(name).filter(|name| (1..=64).contains(&name.len()) && name.bytes().all(is_plain))
}

/// What a setting is about. It says where the setting may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The keys of a policy. A policy has one of these: its own hides the defaults of the others.
    Key,
    /// The place of a policy's tokens. A policy has one of these, too.
    Place,
    /// Another property of a policy.
    Policy,
    /// What is refused: in all policies, and in a policy of its own in addition.
    Refused,
    /// All policies. Such a setting may not stand in one policy.
    Global,
}

/// All settings, in the order in which messages and the documentation list them.
pub(crate) const SETTINGS: [(&str, Topic); 38] = [
    ("public_key", Topic::Key),
    ("publicKeyEnv", Topic::Key),
    ("jwks", Topic::Key),
    ("remoteJwks", Topic::Key),
    ("algorithm", Topic::Policy),
    ("leeway", Topic::Policy),
    ("http_header", Topic::Place),
    ("auth_type", Topic::Policy),
    ("from", Topic::Place),
    ("padding", Topic::Policy),
    ("issuer", Topic::Policy),
    ("audience", Topic::Policy),
    ("typ", Topic::Policy),
    ("requiredParameters", Topic::Policy),
    ("requireExp", Topic::Policy),
    ("maxLifetimeSeconds", Topic::Policy),
    ("maxAgeSeconds", Topic::Policy),
    ("requiredClaims", Topic::Policy),
    ("requiredScopes", Topic::Policy),
    ("boundTokens", Topic::Policy),
    ("refusedClaims", Topic::Refused),
    ("issuedAfter", Topic::Refused),
    ("verifyToken", Topic::Policy),
    ("userIdTokenKey", Topic::Policy),
    ("claimsToHeaders", Topic::Policy),
    ("unauthorizedUserId", Topic::Global),
    ("onMissing", Topic::Global),
    ("onInvalid", Topic::Global),
    ("onKeysUnavailable", Topic::Global),
    ("open", Topic::Global),
    ("userIdHeader", Topic::Global),
    ("userIdCharset", Topic::Global),
    ("ticket", Topic::Global),
    ("forwardToken", Topic::Global),
    ("accessLogReason", Topic::Global),
    ("tokenCache", Topic::Global),
    ("batch", Topic::Global),
    ("policies", Topic::Global),
];

/// The settings about these topics.
pub(crate) fn about(is_meant: impl Fn(Topic) -> bool) -> Vec<&'static str> {
    SETTINGS.iter().filter(|(_, topic)| is_meant(*topic)).map(|(name, _)| *name).collect()
}

/// The largest size for which a setting has no smaller limit: what 32 bits hold, as the module's addresses.
pub(crate) const MAX_SIZE: u64 = 0xffff_ffff;

/// The settings as written. Each is taken out when it is read, so that what is left was not read.
#[derive(Default)]
pub(crate) struct Settings {
    members: Map<String, Value>,
    /// The names and indices that lead to them.
    path: Vec<String>,
    /// Which of them are defaults, and so are at the top of the configuration.
    defaults: Vec<String>,
}

impl Settings {
    /// These settings, to which this path leads.
    pub(crate) fn new(members: Map<String, Value>, path: &[&str]) -> Self {
        Self { members, path: path.iter().map(|name| (*name).to_owned()).collect(), defaults: Vec::new() }
    }

    /// The names and indices that lead to the settings of which this one is: to these, or to the top for a default.
    pub(crate) fn path_of(&self, name: &str) -> Vec<String> {
        if self.defaults.iter().any(|default| default == name) { Vec::new() } else { self.path.clone() }
    }

    /// An error of one of these settings, whose path began here, with the whole path.
    pub(crate) fn locate(&self, error: ConfigError) -> ConfigError {
        let path = error.path.first().map_or_else(|| self.path.clone(), |name| self.path_of(name));
        error.below(&path)
    }

    /// # Errors
    /// A setting is not one of `known`.
    pub(crate) fn refuse_unknown(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(error(
                name,
                "is not a setting of this filter",
                format!("the settings are {}", known.join(", ")),
            )
            .named(shown(name).map_or_else(|| NOT_A_NAME.to_owned(), |name| format!("\"{name}\"")))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// A setting was not read: it is in [`SETTINGS`], but no code reads it.
    pub(crate) fn refuse_unread(&self) -> Result<(), ConfigError> {
        match self.members.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => {
                Err(error(name, "is known and was not read", "report this fault of the filter"))
            }
            None => Ok(()),
        }
    }

    /// Takes out the settings that may stand in a policy.
    pub(crate) fn take_defaults(&mut self) -> Map<String, Value> {
        let names = about(|topic| ![Topic::Global, Topic::Refused].contains(&topic));
        names.iter().filter_map(|name| self.members.remove_entry(*name)).collect()
    }

    /// Adds defaults where these settings say nothing. A key or a place of their own hides all defaults of that topic.
    pub(crate) fn over(mut self, defaults: &Map<String, Value>) -> Self {
        let hides = |topic| about(|other| other == topic).iter().any(|name| self.members.contains_key(*name));
        let hidden = [Topic::Key, Topic::Place].into_iter().filter(|topic| hides(*topic));
        let hidden: Vec<&str> = hidden.flat_map(|topic| about(|other| other == topic)).collect();
        for (name, value) in defaults {
            if !hidden.contains(&name.as_str()) && !self.members.contains_key(name) {
                self.members.insert(name.clone(), value.clone());
                self.defaults.push(name.clone());
            }
        }
        self
    }

    /// Whether a setting is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a setting, which may be null.
    pub(crate) fn take_nullable(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Takes a setting that is there and not null.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a setting that holds settings of its own. If it is missing, it is empty.
    pub(crate) fn map(&mut self, name: &str, example: &str) -> Result<Self, ConfigError> {
        match self.take(name) {
            None => Ok(Self::default()),
            Some(Value::Object(members)) => Ok(Self::new(members, &[])),
            Some(_) => Err(error(name, "is not a map", format!("write it as {name}: {example}"))),
        }
    }

    /// Takes all that is left.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.members
    }

    /// # Errors
    /// A member of the setting `parent` was not read: it is none of `known`. The path begins at the setting.
    pub(crate) fn refuse_rest(&self, parent: &str, known: &str) -> Result<(), ConfigError> {
        match self.members.keys().next() {
            Some(name) => {
                let unknown = error(name, "is not a setting", format!("{parent} has {known}"));
                Err(unknown.named(format!("{parent}.{}", shown(name).unwrap_or(NOT_A_NAME))))
            }
            None => Ok(()),
        }
    }

    /// Takes a whole number of things that memory holds.
    pub(crate) fn size(
        &mut self,
        name: &str,
        default: usize,
        range: std::ops::RangeInclusive<u64>,
        unit: &str,
    ) -> Result<usize, ConfigError> {
        let size = self.integer(name, u64::try_from(default).unwrap_or(u64::MAX), range, unit)?;
        Ok(usize::try_from(size).unwrap_or(usize::MAX))
    }

    pub(crate) fn bool(&mut self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(error(name, "is neither true nor false", "write true or false, without quotes")),
        }
    }

    /// Takes one of these words, each with its value.
    pub(crate) fn word<T: Copy>(
        &mut self,
        name: &str,
        default: T,
        words: &[(&str, T)],
        fault: &str,
        remedy: &str,
    ) -> Result<T, ConfigError> {
        let index = self.index(name, &mut words.iter().map(|(word, _)| *word), fault, remedy)?;
        Ok(index.and_then(|index| words.get(index)).map_or(default, |(_, value)| *value))
    }

    /// Takes one of these words. Not generic, so that the module has it once.
    fn index(
        &mut self,
        name: &str,
        mut words: &mut dyn Iterator<Item = &str>,
        fault: &str,
        remedy: &str,
    ) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let index = (&mut words).position(|word| value.as_str() == Some(word));
        index.map(Some).ok_or_else(|| error(name, fault, remedy))
    }

    pub(crate) fn text(&mut self, name: &str, default: &str) -> Result<String, ConfigError> {
        match self.take(name) {
            None => Ok(default.to_owned()),
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(error(name, "is not text, or is empty", format!("write for example {default}"))),
        }
    }

    /// Takes a text that may be missing.
    pub(crate) fn optional_text(&mut self, name: &str, example: &str) -> Result<Option<String>, ConfigError> {
        if self.has(name) {
            self.text(name, example).map(Some)
        } else {
            // A null is read, too: it says that there is none.
            self.take_nullable(name);
            Ok(None)
        }
    }

    /// Takes one text or a list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(items) = self.take(name).map(one_or_more) else { return Ok(None) };
        let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        match texts {
            Some(texts) if !texts.is_empty() => Ok(Some(texts)),
            _ => Err(error(name, "is neither text nor a list of texts", "put each name in quotes")),
        }
    }

    /// Takes a whole number. It may be written as a double: protobuf has no other numbers.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        unit: &str,
    ) -> Result<u64, ConfigError> {
        let Some(value) = self.take(name) else { return Ok(default) };
        value.as_number().and_then(whole).filter(|number| range.contains(number)).ok_or_else(|| {
            error(
                name,
                format!("is not a whole number of {unit} from {} to {}", range.start(), range.end()),
                format!("write a number such as {default}, without quotes"),
            )
        })
    }
}

/// A value that may be written as it is or as a list.
pub(crate) fn one_or_more(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        value => vec![value],
    }
}

fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| u64::try_from(integer(number.as_f64()?)?).ok())
}

/// A double that is a whole number of 53 bits, which a double holds exactly.
fn integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.abs() <= LIMIT && number.trunc() == number;
    #[expect(clippy::as_conversions, reason = "exact, and there is no other conversion from f64")]
    is_whole.then_some(number as i64)
}

/// Reads the settings from protobuf or JSON.
pub(crate) fn read(bytes: &[u8]) -> Result<Map<String, Value>, ConfigError> {
    let whole = |fault: String, remedy| error("the configuration", fault, remedy).at(&[]);
    let empty = || whole("is empty".to_owned(), "give at least public_key");
    if bytes.trim_ascii().is_empty() {
        return Err(empty());
    }
    let json = json::parse_object(bytes);
    let settings = match json {
        Ok(Value::Object(settings)) => settings,
        _ => match prost_types::Struct::decode(bytes).ok().and_then(from_struct) {
            Some(settings) => settings,
            None if bytes.trim_ascii_start().starts_with(b"{") => {
                let place = json.err().map(|e| format!(" (line {}, column {})", e.line(), e.column()));
                return Err(whole(
                    format!("is not a JSON object with unique names{}", place.unwrap_or_default()),
                    "correct the JSON, or write YAML under google.protobuf.Struct",
                ));
            }
            None => {
                return Err(whole(
                    "is neither a google.protobuf.Struct nor a JSON object with unique names".to_owned(),
                    "write the settings as YAML under \"@type\": type.googleapis.com/google.protobuf.Struct, value:",
                ));
            }
        },
    };
    if settings.is_empty() { Err(empty()) } else { Ok(settings) }
}

/// The settings in a `Struct`. `None` for a value that JSON does not have (without a kind, not finite), and for an
/// empty name: then the bytes were text that protobuf could decode by chance.
fn from_struct(fields: prost_types::Struct) -> Option<Map<String, Value>> {
    fields
        .fields
        .into_iter()
        .map(|(name, value)| (!name.is_empty()).then_some((name, from_value(value)?)))
        .collect()
}

fn from_value(value: prost_types::Value) -> Option<Value> {
    Some(match value.kind? {
        Kind::NullValue(_) => Value::Null,
        Kind::NumberValue(number) => from_double(number)?,
        Kind::StringValue(text) => Value::String(text),
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::StructValue(fields) => Value::Object(from_struct(fields)?),
        Kind::ListValue(list) => {
            Value::Array(list.values.into_iter().map(from_value).collect::<Option<_>>()?)
        }
    })
}

/// A number of a `Struct`. A whole double becomes an integer, as it was in the operator's YAML.
fn from_double(number: f64) -> Option<Value> {
    match integer(number) {
        Some(integer) => Some(Value::Number(integer.into())),
        None => Number::from_f64(number).map(Value::Number),
    }
}
