//! Finds the configurations of the filter in files of Envoy and of Kubernetes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::Value;

use crate::cli::document::{Malformed, Node, read};
use crate::cli::protobuf;
use crate::cli::scalar::Reader;
use crate::config::settings::SETTINGS;

/// What holds a configuration of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The extension `envoy.filters.http.wasm` in a configuration of Envoy.
    Envoy,
    /// A `WasmPlugin` or a `TrafficExtension` of Istio.
    Istio,
    /// An `EnvoyExtensionPolicy` of Envoy Gateway.
    EnvoyGateway,
    /// Nothing: a file with the settings alone.
    Nothing,
}

/// One configuration of the filter.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) holder: Holder,
    /// The settings.
    pub(crate) settings: Node,
    /// What Envoy hands to the module.
    pub(crate) bytes: Vec<u8>,
    /// Who reads the file.
    pub(crate) reader: Reader,
    /// What says how the module runs: Envoy's `PluginConfig`, the members of the resource about the module, or the
    /// settings.
    pub(crate) wasm: Node,
    /// The whole document.
    pub(crate) document: Node,
}

/// One document of a file, and who reads it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) reader: Reader,
}

/// Reads the documents of a file, with those inside of a ConfigMap and of a List of Kubernetes.
///
/// # Errors
/// The text is not YAML.
pub(crate) fn documents(text: &str, is_json: bool) -> Result<Vec<Document>, Malformed> {
    let mut documents = Vec::new();
    for root in read(text)? {
        let is_resource = root.get("apiVersion").is_some() && root.get("kind").is_some();
        let reader = match (is_json, is_resource) {
            (true, _) => Reader::Json,
            (false, true) => Reader::Kubernetes,
            (false, false) => Reader::Envoy,
        };
        match root.text_at(&["kind"]).filter(|_| is_resource) {
            Some("ConfigMap") => {
                for member in root.get("data").map(Node::members).unwrap_or_default() {
                    // A file of another kind, such as kinto.ini, is not YAML, and not ours.
                    let reader = if member.name.ends_with(".json") { Reader::Json } else { Reader::Envoy };
                    let is_ours = [".yaml", ".yml", ".json"].iter().any(|end| member.name.ends_with(end));
                    let inside = if is_ours { member.value.read_inside(text)? } else { Vec::new() };
                    documents.extend(inside.into_iter().map(|root| Document { root, reader }));
                }
            }
            Some("List") => {
                let items = root.get("items").map(Node::items).unwrap_or_default();
                documents.extend(items.iter().map(|root| Document { root: root.clone(), reader }));
            }
            _ => documents.push(Document { root, reader }),
        }
    }
    Ok(documents)
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
        Plugin { holder, settings, bytes, reader: *reader, wasm: wasm.clone(), document: root.clone() }
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
    } else if ["type_url", "typeUrl"].iter().any(|name| is_wasm(name)) {
        // A TypedStruct, as Istio's EnvoyFilter has it.
        node.at(&["value", "config"])
    } else {
        None
    }
}

fn in_envoy(wasm: &Node, document: &Document, file: &str) -> Result<Plugin, Malformed> {
    let configuration = wasm.get("configuration").unwrap_or(wasm);
    let kind = configuration.text_at(&["@type"]).unwrap_or_default();
    let value = configuration.get("value").unwrap_or(configuration);
    let is_text = ["StringValue", "BytesValue"].iter().any(|name| kind.ends_with(name));
    let (settings, bytes) = if is_text {
        let text = value.text().unwrap_or_default();
        let bytes = if kind.ends_with("BytesValue") {
            STANDARD.decode(text.trim()).unwrap_or_default()
        } else {
            text.as_bytes().to_vec()
        };
        let inside = if kind.ends_with("StringValue") {
            value.read_inside(file).unwrap_or_default()
        } else {
            Vec::new()
        };
        (inside.into_iter().next().unwrap_or_else(|| value.clone()), bytes)
    } else {
        let fields = protobuf::fields(&value.value(document.reader));
        (value.clone(), fields.map(|fields| fields.encode_to_vec()).unwrap_or_default())
    };
    Ok(Plugin {
        holder: Holder::Envoy,
        settings,
        bytes,
        reader: document.reader,
        wasm: wasm.clone(),
        document: document.root.clone(),
    })
}

/// Whether the value has a member that is a setting of the filter.
fn is_settings(node: &Node) -> bool {
    node.members().iter().any(|member| SETTINGS.iter().any(|(name, _)| *name == member.name))
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
    /// A setting as it was written, of a policy or of all of them. `policy` is the index in `policies`.
    pub(crate) fn setting(&self, policy: Option<usize>, name: &str) -> Option<&Node> {
        let own = policy.and_then(|index| self.settings.get("policies")?.items().get(index)?.get(name));
        own.or_else(|| self.settings.get(name)).filter(|node| node.value(self.reader) != Value::Null)
    }
}
