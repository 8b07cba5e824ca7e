//! The public key in an X.509 certificate (RFC 5280 section 4.1).
//!
//! A certificate is read for its key and for nothing else: not its dates, its names, its extensions and its signature.
//! Whoever writes it into the configuration, or the issuer whose key set has it, vouches for the key. The crate x509-cert
//! reads all of it, and makes the module 39 KB larger (measured).

use spki::der::asn1::{AnyRef, BitStringRef};
use spki::der::{Error, ErrorKind, Reader, SliceReader, Tag, Tagged};

/// The SubjectPublicKeyInfo in a certificate, in DER; `None` if the bytes are not a certificate.
pub(crate) fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    let key = reader.sequence(|certificate| {
        let key = certificate.sequence(of_tbs)?;
        of_tag(certificate, Tag::Sequence)?;
        certificate.decode::<BitStringRef<'_>>()?;
        Ok::<_, Error>(key)
    });
    reader.finish().ok()?;
    key.ok()
}

/// The key in a TBSCertificate.
fn of_tbs<'r>(tbs: &mut SliceReader<'r>) -> Result<&'r [u8], Error> {
    let version_or_serial: AnyRef<'_> = tbs.decode()?;
    if version_or_serial.tag() != Tag::Integer {
        if !version_or_serial.tag().is_context_specific() {
            return Err(ErrorKind::Failed.into());
        }
        of_tag(tbs, Tag::Integer)?;
    }
    // The algorithm of the signature, the issuer, the dates, the subject.
    for _ in 0..4 {
        of_tag(tbs, Tag::Sequence)?;
    }
    let key = tbs.tlv_bytes()?;
    while !tbs.is_finished() {
        tbs.decode::<AnyRef<'_>>()?;
    }
    Ok(key)
}

/// Passes over a value of this type.
fn of_tag(reader: &mut SliceReader<'_>, tag: Tag) -> Result<(), Error> {
    let value: AnyRef<'_> = reader.decode()?;
    if value.tag() == tag { Ok(()) } else { Err(ErrorKind::Failed.into()) }
}

#[cfg(test)]
mod tests {
    use spki::SubjectPublicKeyInfoRef;
    use spki::der::Decode;

    use super::*;
    use kit::tokens::{key_file, public_key as pem_of};

    fn der(pem: &str) -> Vec<u8> {
        pem::parse(pem).unwrap().into_contents()
    }

    #[test]
    fn the_key_of_a_certificate_is_found_whatever_its_dates() {
        for (certificate, key) in [
            ("rsa.cert.pem", "rsa"),
            ("rsa-expired.cert.pem", "rsa"),
            ("p256.cert.pem", "p256"),
            ("p521.cert.pem", "p521"),
            ("ed25519.cert.pem", "ed25519"),
        ] {
            let certificate = der(&key_file(certificate));
            assert_eq!(public_key(&certificate), Some(&*der(&pem_of(key))), "{key}");
        }
    }

    #[test]
    fn a_damaged_certificate_has_no_key() {
        let good = der(&key_file("p256.cert.pem"));
        let refused =
            |der: &[u8]| public_key(der).is_none_or(|key| SubjectPublicKeyInfoRef::from_der(key).is_err());
        for length in 0..good.len() {
            assert!(public_key(&good[..length]).is_none(), "{length} bytes");
        }
        assert!(refused(&[&good[..], b"\0"].concat()), "a byte more");
        assert!(refused(&der(&pem_of("p256"))), "a key");
        assert!(refused(b""));
        // No byte of it makes the reader panic.
        for index in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[index] = byte;
                let _ = public_key(&bad);
            }
        }
    }
}
