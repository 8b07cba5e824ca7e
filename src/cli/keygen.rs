//! `kinto-jwt keygen`: a new key pair or a new secret, in files, and the settings of the plugin that fit it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output::write;
use crate::cli::private_key::algorithm::algorithms;
use crate::cli::private_key::key::PrivateKey;
use crate::keys::algorithm::Algorithm;
use crate::keys::fault::Fault;
use crate::keys::pem::RSA_BITS;

/// What is made, and where.
#[derive(Args, Debug)]
pub(crate) struct Keygen {
    /// The signature algorithm that the key is for
    #[arg(long, value_parser = algorithms())]
    algorithm: Algorithm,
    /// The files begin with this: NAME.key.pem and NAME.pub.pem, or NAME.secret for an HS algorithm
    #[arg(long, value_name = "NAME", default_value = "kinto-jwt")]
    out: PathBuf,
    /// Write the public half as a JWK Set too: NAME.jwks.json
    #[arg(long)]
    jwk: bool,
    /// The name of the key in the JWK Set [default: the thumbprint of the key, RFC 7638]
    #[arg(long, requires = "jwk")]
    kid: Option<String>,
    /// The bits of an RSA key, from 2048 to 8192 [default: 2048]
    #[arg(long)]
    bits: Option<usize>,
}

/// A file that is to be written.
struct File {
    path: PathBuf,
    content: Vec<u8>,
    /// Whether only its owner may read it.
    is_secret: bool,
}

/// Makes the key, writes its files, and prints the settings that fit it.
///
/// # Errors
/// The arguments do not fit together, one of the files exists, or a file cannot be written. Nothing is overwritten.
pub(crate) fn run(arguments: Keygen) -> Result<ExitCode, Failure> {
    let Keygen { algorithm, jwk, .. } = arguments;
    if jwk && algorithm.is_hmac() {
        return Err(Failure::new(format!(
            "--jwk is for public keys, and {algorithm:?} has a shared secret, which nobody may publish; leave --jwk out"
        )));
    }
    let key = PrivateKey::generate(algorithm, bits(&arguments)?)?;
    let (files, settings) = files(&key, &arguments)
        .map_err(|fault| Failure::new(format!("the new key {}; {}", fault.what, fault.remedy)))?;
    if let Some(file) = files.iter().find(|file| file.path.symlink_metadata().is_ok()) {
        return Err(exists(file));
    }
    for file in &files {
        create(file)?;
    }
    let written: String = files.iter().map(|file| format!("# Written: {}\n", in_words(file))).collect();
    write(format!("{written}\n{settings}").as_bytes())
}

/// The bits of an RSA key.
fn bits(arguments: &Keygen) -> Result<usize, Failure> {
    match arguments.bits {
        None => Ok(*RSA_BITS.start()),
        Some(_) if !arguments.algorithm.is_rsa() => Err(Failure::new(format!(
            "--bits is for RSA keys, and {:?} has keys of one size; leave --bits out",
            arguments.algorithm
        ))),
        Some(bits) if RSA_BITS.contains(&bits) => Ok(bits),
        Some(_) => Err(Failure::new(format!(
            "--bits is not from {} to {}, and the filter accepts no other RSA key; leave --bits out for {0}",
            RSA_BITS.start(),
            RSA_BITS.end()
        ))),
    }
}

/// The files of the key, and the settings that fit it, as YAML with comments.
fn files(key: &PrivateKey, arguments: &Keygen) -> Result<(Vec<File>, String), Fault> {
    let Keygen { algorithm, out, jwk, kid, .. } = arguments;
    let file = |ending: &str, content: Vec<u8>, is_secret: bool| {
        let mut path = out.clone().into_os_string();
        path.push(ending);
        File { path: path.into(), content, is_secret }
    };
    let private = key.private_text()?;
    if algorithm.is_hmac() {
        let settings = format!(
            "# Settings of the plugin. Give Envoy the secret in this variable of its environment:\n\
             algorithm: {algorithm:?}\npublicKeyEnv: KINTO_JWT_SECRET\n"
        );
        return Ok((vec![file(".secret", private, true)], settings));
    }
    let public = key.public_pem()?;
    let block: String = public.lines().map(|line| format!("  {line}\n")).collect();
    let mut settings = format!("# Settings of the plugin:\nalgorithm: {algorithm:?}\npublic_key: |\n{block}");
    let mut files = vec![file(".key.pem", private, true), file(".pub.pem", public.into_bytes(), false)];
    if *jwk {
        let (set, kid) = key.public_set(*algorithm, kid.as_deref())?;
        files.push(file(".jwks.json", format!("{set:#}\n").into_bytes(), false));
        settings += &format!(
            "# Or, in the place of public_key, the JWK Set. Tokens then have the kid {kid:?}:\n# jwks: {set}\n"
        );
    }
    Ok((files, settings))
}

/// Writes a new file, and never over one that is there.
fn create(file: &File) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if file.is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let written = options.open(&file.path).and_then(|mut opened| opened.write_all(&file.content));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(file),
        _ => Failure::new(format!(
            "{} cannot be written ({error}); name another place with --out",
            file.path.display()
        )),
    })
}

fn exists(file: &File) -> Failure {
    Failure::new(format!(
        "{} exists, and a key is never overwritten; name another place with --out",
        file.path.display()
    ))
}

/// The name of a file, and who may read it.
fn in_words(file: &File) -> String {
    let who = if file.is_secret { "secret: only the issuer may have it" } else { "public" };
    format!("{} ({who})", file.path.display())
}
