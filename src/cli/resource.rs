//! The documents of a file, with those that resources of Kubernetes hold.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::cli::document::{Kind, Member, Node};
use crate::cli::scalar::Reader;
use crate::cli::yaml::{Malformed, read};

/// One document of a file, and who reads it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) reader: Reader,
}

/// Reads the documents of a file, with those inside of a ConfigMap, a Secret and a List of Kubernetes.
///
/// # Errors
/// The text is not YAML.
pub(crate) fn documents(text: &str, is_json: bool) -> Result<Vec<Document>, Malformed> {
    let mut documents = Vec::new();
    for root in read(text, is_json)? {
        of_root(root, text, is_json, &mut documents)?;
    }
    Ok(documents)
}

fn of_root(root: Node, text: &str, is_json: bool, documents: &mut Vec<Document>) -> Result<(), Malformed> {
    let is_resource = root.get("apiVersion").is_some() && root.get("kind").is_some();
    let reader = match (is_json, is_resource) {
        (true, _) => Reader::Json,
        (false, true) => Reader::Kubernetes,
        (false, false) => Reader::Envoy,
    };
    let root = root.read_by(reader);
    match root.text_at(&["kind"]).filter(|_| is_resource) {
        Some("ConfigMap" | "Secret") => {
            for member in files(&root) {
                let is_json = member.name.ends_with(".json");
                match member.value.read_inside(text, is_json) {
                    Ok(inside) => {
                        let reader = if is_json { Reader::Json } else { Reader::Envoy };
                        let inside = inside.into_iter().map(|root| root.read_by(reader));
                        documents.extend(inside.map(|root| Document { root, reader }));
                    }
                    // A file of another kind, such as kinto.ini, is not YAML, and not ours.
                    Err(malformed) if is_yaml(&member.name) => return Err(malformed),
                    Err(_) => {}
                }
            }
        }
        Some("List") => {
            for item in root.get("items").map(Node::items).unwrap_or_default() {
                of_root(item.clone(), text, is_json, documents)?;
            }
        }
        _ => documents.push(Document { root, reader }),
    }
    Ok(())
}

/// The files in a ConfigMap or a Secret, as text.
fn files(resource: &Node) -> Vec<Member> {
    let is_secret = resource.text_at(&["kind"]) == Some("Secret");
    let of = |name: &str| resource.get(name).map(Node::members).unwrap_or_default().to_vec();
    let (texts, encoded) =
        if is_secret { (of("stringData"), of("data")) } else { (of("data"), of("binaryData")) };
    let decode = |member: Member| {
        let text = String::from_utf8(decoded(&member.value)?).ok()?;
        let value = Node { kind: Kind::Text(text), span: member.value.span.clone() };
        Some(Member { value, ..member })
    };
    texts.into_iter().chain(encoded.into_iter().filter_map(decode)).collect()
}

fn is_yaml(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// The bytes of a text in base64, as protobuf and Kubernetes read it. `None` for another text.
pub(crate) fn decoded(node: &Node) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = node.text()?.trim();
    let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))
}
