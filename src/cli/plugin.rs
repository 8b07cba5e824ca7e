//! Finds the configurations of the filter in files of Envoy and of Kubernetes, and loads them as the filter does.

use prost::Message;
use serde_json::Value;

use crate::cli::document::{Kind, Member, Node};
use crate::cli::environment::{Variable, variable};
use crate::cli::holder::Holder;
use crate::cli::host;
use crate::cli::protobuf;
use crate::cli::resource::{Document, decoded};
use crate::cli::scalar::Reader;
use crate::cli::yaml::Malformed;
use crate::config::parse::parse_with;
use crate::config::settings::{ConfigError, SETTINGS};
use crate::gate::config::Config;

/// One configuration of the filter.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) holder: Holder,
    /// The settings.
    pub(crate) settings: Node,
    /// What Envoy hands to the module.
    bytes: Vec<u8>,
    /// Who reads the settings.
    pub(crate) reader: Reader,
    /// Who reads the document around them.
    pub(crate) document_reader: Reader,
    /// What says how the module runs: Envoy's `PluginConfig`, the members of the resource about the module, or the
    /// settings.
    pub(crate) wasm: Node,
    /// The whole document.
    pub(crate) document: Node,
}

/// A configuration that the filter takes.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Names of variables of the environment that have the key, and are not here. Another key stands in for it.
    pub(crate) unknown_keys: Vec<String>,
}

/// The configurations of the filter in a document of a file with this text.
///
/// # Errors
/// A configuration that is text in the file is not YAML.
pub(crate) fn find(document: &Document, file: &str) -> Result<Vec<Plugin>, Malformed> {
    let Document { root, reader } = document;
    let resource = |holder, wasm: &Node, settings: Option<&Node>| {
        // A resource without settings is understood: the filter refuses an empty configuration.
        let settings = settings.unwrap_or(wasm).clone();
        let value = settings.value(*reader);
        let bytes = if wasm.span == settings.span { Vec::new() } else { value.to_string().into_bytes() };
        Plugin {
            holder,
            settings,
            bytes,
            reader: *reader,
            document_reader: *reader,
            wasm: wasm.clone(),
            document: root.clone(),
        }
    };
    let found = match root.text_at(&["kind"]) {
        Some("WasmPlugin") => {
            let spec = root.get("spec").unwrap_or(root);
            vec![resource(Holder::Istio, spec, spec.get("pluginConfig"))]
        }
        Some("TrafficExtension") => {
            let wasm = root.at(&["spec", "wasm"]);
            wasm.map(|wasm| resource(Holder::Istio, wasm, wasm.get("pluginConfig"))).into_iter().collect()
        }
        Some("EnvoyExtensionPolicy") => {
            let items = root.at(&["spec", "wasm"]).map(Node::items).unwrap_or_default();
            items.iter().map(|wasm| resource(Holder::EnvoyGateway, wasm, wasm.get("config"))).collect()
        }
        _ if is_settings(root) && root.get("apiVersion").is_none() => vec![Plugin {
            holder: Holder::Nothing,
            settings: root.clone(),
            bytes: root.value(*reader).to_string().into_bytes(),
            reader: *reader,
            document_reader: *reader,
            wasm: root.clone(),
            document: root.clone(),
        }],
        _ => {
            let extensions = root.all().into_iter().filter_map(wasm_extension);
            let plugins = extensions.map(|wasm| in_envoy(wasm, document, file));
            plugins.collect::<Result<Vec<_>, _>>()?
        }
    };
    Ok(found.into_iter().filter(is_ours).collect())
}

/// The `PluginConfig` of Envoy's extension Wasm, if the value is one
/// (`envoy/extensions/filters/http/wasm/v3/wasm.proto`).
fn wasm_extension(node: &Node) -> Option<&Node> {
    let is_wasm =
        |name: &str| node.text_at(&[name]).is_some_and(|url| url.ends_with("filters.http.wasm.v3.Wasm"));
    if is_wasm("@type") {
        node.get("config")
    } else if ["type_url", "typeUrl"].into_iter().any(is_wasm) {
        // A TypedStruct, as Istio's EnvoyFilter has it.
        node.at(&["value", "config"])
    } else {
        None
    }
}

/// What the filter refuses, as it refuses what Envoy makes of a message of another type.
const NO_SETTINGS: &[u8] = b"no settings";

fn in_envoy(wasm: &Node, document: &Document, file: &str) -> Result<Plugin, Malformed> {
    let configuration = wasm.get("configuration");
    let kind = configuration.and_then(|node| node.text_at(&["@type"])).unwrap_or_default();
    let value = configuration.and_then(|node| node.get("value"));
    let json = |value: &Node| value.value(document.reader);
    let (mut settings, mut reader) = (value.or(configuration).unwrap_or(wasm).clone(), document.reader);
    let mut read_inside = |text: Node| {
        // The module reads JSON. What is none is refused as a whole.
        if let Some(inside) = text.read_inside(file, true).ok().and_then(|inside| inside.into_iter().next()) {
            (settings, reader) = (inside, Reader::Json);
        }
    };
    let bytes = match (value, kind.rsplit('.').next().unwrap_or_default()) {
        (None, "Struct" | "StringValue" | "BytesValue" | "") => Vec::new(),
        (Some(value), "StringValue") => match json(value) {
            Value::Null => Vec::new(),
            Value::String(text) => {
                read_inside(value.clone());
                text.into_bytes()
            }
            _ => NO_SETTINGS.to_vec(),
        },
        (Some(value), "BytesValue") => {
            let bytes = decoded(value);
            if let Some(text) = bytes.as_ref().and_then(|bytes| String::from_utf8(bytes.clone()).ok()) {
                read_inside(Node { kind: Kind::Text(text), span: value.span.clone() });
            }
            bytes.unwrap_or_else(|| NO_SETTINGS.to_vec())
        }
        (Some(value), "Struct") => match json(value) {
            Value::Null => Vec::new(),
            value => {
                protobuf::fields(&value).map_or_else(|| NO_SETTINGS.to_vec(), |fields| fields.encode_to_vec())
            }
        },
        _ => NO_SETTINGS.to_vec(),
    };
    Ok(Plugin {
        holder: Holder::Envoy,
        settings,
        bytes,
        reader,
        document_reader: document.reader,
        wasm: wasm.clone(),
        document: document.root.clone(),
    })
}

/// Whether at least half of the members are settings of the filter. Other software has some of the same names.
fn is_settings(node: &Node) -> bool {
    let is_setting = |member: &&Member| SETTINGS.iter().any(|(name, _)| *name == member.name);
    let settings = node.members().iter().filter(is_setting).count();
    settings > 0 && settings.saturating_mul(2) >= node.members().len()
}

/// Whether the configuration is for this filter, and not for another module.
fn is_ours(plugin: &Plugin) -> bool {
    let names_module = |node: &&Node| {
        let name = node.text().unwrap_or_default().replace('-', "_");
        name.contains("kinto_jwt_filter")
    };
    is_settings(&plugin.settings) || plugin.wasm.all().iter().any(names_module)
}

impl Plugin {
    /// Loads the configuration with the code of the filter. A key that is in the environment of Envoy and not here is
    /// replaced by another one, so that all else is checked.
    ///
    /// # Errors
    /// The filter refuses the configuration.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        let unknown_keys = std::cell::RefCell::new(Vec::new());
        let value = |name: &str| match variable(self.holder, &self.wasm, &self.settings, name) {
            Variable::Has(value) => Some(value),
            Variable::IsMissing => None,
            Variable::IsElsewhere(placeholder) => {
                unknown_keys.borrow_mut().push(name.to_owned());
                Some(placeholder)
            }
        };
        let config = parse_with(&self.bytes, Some(host::verify_signature), &value)?;
        Ok(Loaded { config, unknown_keys: unknown_keys.into_inner() })
    }

    /// A setting as it was written, of a policy or of all of them. `policy` is the index in `policies`.
    pub(crate) fn setting(&self, policy: Option<usize>, name: &str) -> Option<&Node> {
        let own = policy.and_then(|index| self.settings.get("policies")?.items().get(index)?.get(name));
        own.or_else(|| self.settings.get(name)).filter(|node| node.value(self.reader) != Value::Null)
    }
}
