//! Verifies what the filter leaves to Envoy: signatures of ES512.

use p521::ecdsa::signature::Verifier;
use p521::ecdsa::{DerSignature, VerifyingKey};
use prost::Message;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

/// Envoy's `VerifySignatureArguments` (`source/extensions/common/wasm/ext/verify_signature.proto`).
#[derive(Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// Envoy's `VerifySignatureResult`.
#[derive(Message)]
struct Verdict {
    #[prost(bool, tag = "1")]
    result: bool,
}

/// Verifies a signature of ES512, as Envoy's `verify_signature` does. It returns `None` for another algorithm, which the
/// module verifies itself.
pub(crate) fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    let arguments = Arguments::decode(arguments).ok()?;
    let key = SubjectPublicKeyInfoRef::from_der(&arguments.public_key).ok()?;
    let key = VerifyingKey::from_sec1_bytes(key.subject_public_key.as_bytes()?).ok()?;
    let signature = DerSignature::from_bytes(&arguments.signature).ok();
    let result = arguments.hash_function == "sha512"
        && signature.is_some_and(|signature| key.verify(&arguments.text, &signature).is_ok());
    Some(Verdict { result }.encode_to_vec())
}
