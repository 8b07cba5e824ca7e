//! Reads the members of a map one by one, and refuses those that nobody asked for.

use serde_json::{Map, Value};

pub(crate) type Result<T> = std::result::Result<T, String>;

/// The members of a map that are not yet read.
pub(crate) struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    pub(crate) fn of(path: &str, value: Value) -> Result<Self> {
        match value {
            Value::Object(left) => Ok(Self { path: path.to_owned(), left }),
            other => Err(format!("{path}: not a map: {other}")),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    pub(crate) fn need(&mut self, name: &str) -> Result<Value> {
        self.take(name).ok_or_else(|| format!("{}: {name} is missing", self.path))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        match self.need(name)? {
            Value::String(text) => Ok(text),
            other => Err(format!("{}.{name}: not a text: {other}", self.path)),
        }
    }

    pub(crate) fn text_or(&mut self, name: &str, default: &str) -> Result<String> {
        if self.left.contains_key(name) { self.text(name) } else { Ok(default.to_owned()) }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<u64> {
        let value = self.need(name)?;
        value.as_u64().ok_or_else(|| format!("{}.{name}: not a number: {value}", self.path))
    }

    pub(crate) fn map(&mut self, name: &str) -> Result<Self> {
        let path = format!("{}.{name}", self.path);
        Self::of(&path, self.need(name)?)
    }

    pub(crate) fn map_or_empty(&mut self, name: &str) -> Result<Self> {
        let path = format!("{}.{name}", self.path);
        Self::of(&path, self.take(name).unwrap_or_else(|| Value::Object(Map::new())))
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let path = format!("{}.{name}", self.path);
        let text = |item: Value| item.as_str().map(str::to_owned).ok_or_else(|| format!("{path}: {item}"));
        self.list(name)?.into_iter().map(text).collect()
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(format!("{}.{name}: not a list: {other}", self.path)),
        }
    }

    /// The maps of a list; none, if the list is missing.
    pub(crate) fn maps(&mut self, name: &str) -> Result<Vec<Self>> {
        let path = format!("{}.{name}", self.path);
        let items = self.list(name)?.into_iter().enumerate();
        items.map(|(number, item)| Self::of(&format!("{path}[{number}]"), item)).collect()
    }

    /// The one map of a list.
    pub(crate) fn only(&mut self, name: &str) -> Result<Self> {
        let mut maps = self.maps(name)?;
        match (maps.pop(), maps.is_empty()) {
            (Some(map), true) => Ok(map),
            _ => Err(format!("{}.{name}: not exactly one", self.path)),
        }
    }

    /// Refuses the member unless it has this value; it may be missing.
    pub(crate) fn only_value(&mut self, name: &str, value: &Value) -> Result<()> {
        match self.take(name) {
            Some(other) if other != *value => Err(format!("{}.{name}: {other} is not {value}", self.path)),
            _ => Ok(()),
        }
    }

    /// All that is left, for maps whose names are free, such as labels.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.left
    }

    /// What is left was not understood.
    pub(crate) fn end(self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{}.{name} is not understood", self.path)),
        }
    }
}

/// A resource: its namespace and name, and its `spec`.
pub(crate) struct Resource {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) spec: Fields,
}

/// Opens a manifest of this API version and kind.
pub(crate) fn open(manifest: &Value, api_version: &str, kind: &str) -> Result<Resource> {
    let mut fields = Fields::of(kind, manifest.clone())?;
    for (name, expected) in [("apiVersion", api_version), ("kind", kind)] {
        let value = fields.text(name)?;
        if value != expected {
            return Err(format!("{kind}: {name} is {value}, not {expected}"));
        }
    }
    let mut metadata = fields.map("metadata")?;
    let (namespace, name) = (metadata.text("namespace")?, metadata.text("name")?);
    let spec = fields.map("spec")?;
    metadata.end()?;
    fields.end()?;
    Ok(Resource { namespace, name, spec })
}

/// The name of the one Gateway of its own namespace that a policy names. A policy for a part of it, or for a route, is
/// refused: there it would take the place of the one for the Gateway.
pub(crate) fn gateway_of(spec: &mut Fields) -> Result<String> {
    let mut target = spec.only("targetRefs")?;
    let (group, kind) = (target.text("group")?, target.text("kind")?);
    if (group.as_str(), kind.as_str()) != ("gateway.networking.k8s.io", "Gateway") {
        return Err(format!("{}: a {kind} of {group} is not a Gateway", target.path()));
    }
    let name = target.text("name")?;
    target.end()?;
    Ok(name)
}
