//! For tests: Envoy's `verify_signature` with ring behind it, whose code is BoringSSL's, as Envoy's is. ring has no
//! P-521, for which another library stands in.

use p521::ecdsa::{DerSignature, signature::Verifier};
use prost::Message;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

/// The foreign function: encoded arguments in, an encoded verdict out.
pub fn ring_host(arguments: &[u8]) -> Option<Vec<u8>> {
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    };
    let arguments = Arguments::decode(arguments).unwrap();
    let info = SubjectPublicKeyInfoRef::from_der(&arguments.public_key).unwrap();
    let key = info.subject_public_key.as_bytes().unwrap();
    let is_rsa = info.algorithm.parameters_oid().is_err();
    let algorithm: &dyn VerificationAlgorithm = match (arguments.hash_function.as_str(), is_rsa) {
        ("sha256", true) => &RSA_PKCS1_2048_8192_SHA256,
        ("sha384", true) => &RSA_PKCS1_2048_8192_SHA384,
        ("sha512", true) => &RSA_PKCS1_2048_8192_SHA512,
        ("sha256", false) => &ECDSA_P256_SHA256_ASN1,
        ("sha384", false) => &ECDSA_P384_SHA384_ASN1,
        ("sha512", false) => {
            let result = p521_verifies(key, &arguments.text, &arguments.signature).is_some();
            return Some(Verdict { result }.encode_to_vec());
        }
        other => panic!("{other:?}"),
    };
    let result = UnparsedPublicKey::new(algorithm, key).verify(&arguments.text, &arguments.signature).is_ok();
    Some(Verdict { result }.encode_to_vec())
}

fn p521_verifies(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
    key.verify(message, &DerSignature::from_bytes(signature).ok()?).ok()
}

/// `VerifySignatureArguments` as Envoy's `verify_signature.proto` has it.
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

#[derive(Message)]
struct Verdict {
    #[prost(bool, tag = "1")]
    result: bool,
}
