//! Signature verification by the host: Envoy offers its BoringSSL as the foreign function `verify_signature`.
//!
//! Source: `source/extensions/common/wasm/foreign.cc` and `source/extensions/common/wasm/ext/verify_signature.proto` in
//! Envoy. The function verifies RSASSA-PKCS1-v1_5, and ECDSA with signatures in DER; not RSASSA-PSS and not Ed25519.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::keys::algorithm::Algorithm;

/// A call of the host's `verify_signature` with encoded arguments. It returns the encoded result; `None` if there is no
/// such function, or if the function cannot read the arguments.
pub type HostVerify = fn(arguments: &[u8]) -> Option<Vec<u8>>;

/// A key in the form that the host takes.
pub(crate) struct HostKey {
    verify: HostVerify,
    /// The fields of the arguments that are the same in every call: the hash and the key.
    fixed: Vec<u8>,
    form: Form,
}

/// How a signature of a token is written for the host.
#[derive(Clone, Copy)]
enum Form {
    AsItIs,
    P256,
    P384,
    P521,
}

/// The first fields of Envoy's `VerifySignatureArguments`. The fields `signature` (3) and `text` (4) are written by
/// hand, so that they are copied once.
#[derive(Message)]
struct FixedArguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
}

/// Envoy's `VerifySignatureResult`, without the error text.
#[derive(Message)]
struct Verdict {
    #[prost(bool, tag = "1")]
    result: bool,
}

impl HostKey {
    /// Prepares a key. Returns `None` if the host cannot verify the algorithm, or if a first call, with a wrong
    /// signature, does not fail as it must.
    pub(crate) fn prepare(verify: HostVerify, algorithm: Algorithm, spki_der: &[u8]) -> Option<Self> {
        let (hash, form) = hash_and_form(algorithm)?;
        let fixed = FixedArguments { hash_function: hash.to_owned(), public_key: spki_der.to_vec() };
        let key = Self { verify, fixed: fixed.encode_to_vec(), form };
        // No key has made this signature: a host that can be believed says no.
        let refused = key.call(b"", b"no signature") == Some(false);
        refused.then_some(key)
    }

    /// Whether the host says that this key made the signature; `None` if it says nothing.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        // RFC 7518 section 3.4: r || s of the curve's length, each in its range; from_slice checks both.
        match self.form {
            Form::AsItIs => self.call(message, signature),
            Form::P256 => match p256::ecdsa::Signature::from_slice(signature) {
                Ok(signature) => self.call(message, signature.to_der().as_bytes()),
                Err(_) => Some(false),
            },
            Form::P384 => match p384::ecdsa::Signature::from_slice(signature) {
                Ok(signature) => self.call(message, signature.to_der().as_bytes()),
                Err(_) => Some(false),
            },
            Form::P521 => match p521::ecdsa::Signature::from_slice(signature) {
                Ok(signature) => self.call(message, signature.to_der().as_bytes()),
                Err(_) => Some(false),
            },
        }
    }

    fn call(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let size = [self.fixed.len(), field_len(3, signature), field_len(4, message)];
        let mut arguments = Vec::with_capacity(size.iter().fold(0, |sum, len| len.saturating_add(sum)));
        arguments.extend_from_slice(&self.fixed);
        push_field(&mut arguments, 3, signature);
        push_field(&mut arguments, 4, message);
        let verdict = (self.verify)(&arguments)?;
        Some(Verdict::decode(verdict.as_slice()).ok()?.result)
    }
}

/// Whether Envoy's function can verify signatures of this algorithm.
pub(crate) fn can_verify(algorithm: Algorithm) -> bool {
    hash_and_form(algorithm).is_some()
}

fn hash_and_form(algorithm: Algorithm) -> Option<(&'static str, Form)> {
    Some(match algorithm {
        Algorithm::RS256 => ("sha256", Form::AsItIs),
        Algorithm::RS384 => ("sha384", Form::AsItIs),
        Algorithm::RS512 => ("sha512", Form::AsItIs),
        Algorithm::ES256 => ("sha256", Form::P256),
        Algorithm::ES384 => ("sha384", Form::P384),
        Algorithm::ES512 => ("sha512", Form::P521),
        _ => return None,
    })
}

fn field_len(tag: u32, value: &[u8]) -> usize {
    let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
    key_len(tag).saturating_add(encoded_len_varint(length)).saturating_add(value.len())
}

fn push_field(arguments: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, arguments);
    encode_varint(u64::try_from(value.len()).unwrap_or(u64::MAX), arguments);
    arguments.extend_from_slice(value);
}
