//! The request that is explained: its fields as Envoy hands them over, and the token as an operator pastes it.

use std::borrow::Cow;

use base16ct::HexDisplay;
use sha2::{Digest, Sha256};

use crate::cli::failure::Failure;
use crate::gate::config::Config;
use crate::request::Request;
use crate::request::credentials::Place;
use crate::request::identity_header::is_field_name;

/// The fields of a request, and the certificate of its client.
#[derive(Clone)]
pub(crate) struct Fields {
    list: Vec<(String, Vec<u8>)>,
    /// SHA-256 of the certificate, in hexadecimal digits; empty if there is none.
    certificate: String,
}

impl Fields {
    /// A request of this method and path, without headers.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let list = vec![(":method".to_owned(), method.into()), (":path".to_owned(), path.into())];
        Self { list, certificate: String::new() }
    }

    /// Has the client open its connection with the certificate in this text: PEM, with nothing but certificates, of
    /// which the first is the client's.
    ///
    /// # Errors
    /// There is none, or something else.
    pub(crate) fn come_with(&mut self, certificates: &[u8]) -> Result<(), Failure> {
        let blocks = pem::parse_many(certificates).unwrap_or_default();
        let first = blocks.first().filter(|_| blocks.iter().all(|block| block.tag() == "CERTIFICATE"));
        let first = first.ok_or_else(|| {
            Failure::new("--client-certificate has no certificate as PEM, or more than certificates")
        })?;
        self.certificate = format!("{:x}", HexDisplay(&Sha256::digest(first.contents())));
        Ok(())
    }

    /// Adds a header that is written as `Name: value`. `number` says in messages which one it is.
    ///
    /// # Errors
    /// It is not written so. The message does not hold the value.
    pub(crate) fn add_written(&mut self, written: &[u8], number: usize) -> Result<(), Failure> {
        let fault = |fault: &str| Failure::new(format!("--header number {number} {fault}"));
        let mut parts = written.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return Err(fault("has no colon; write it as 'Name: value'"));
        };
        let name = std::str::from_utf8(name).ok().filter(|name| is_field_name(name));
        let name =
            name.ok_or_else(|| fault("has a name that no header can have; write it as 'Name: value'"))?;
        if has_control(value) {
            return Err(fault(
                "has a value with a control character or a line end, which no header can have",
            ));
        }
        self.add(name, value);
        Ok(())
    }

    /// Adds a header. Envoy joins several of `authorization` with commas.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let (name, value) = (name.to_ascii_lowercase(), value.trim_ascii());
        let joined = self.list.iter_mut().find(|(other, _)| name == "authorization" && *other == name);
        match joined {
            Some((_, before)) => *before = [before.as_slice(), value].join(&b","[..]),
            None => self.list.push((name, value.to_vec())),
        }
    }

    /// The same request with a bare token in this place.
    fn with_token(&self, place: &Place, token: &[u8]) -> Self {
        let mut fields = self.clone();
        match place {
            Place::Header { name, schemes } => match schemes.first() {
                Some(scheme) => fields.add(name, &[scheme.as_bytes(), token].join(&b" "[..])),
                None => fields.add(name, token),
            },
            Place::Cookie(name) => fields.add("cookie", &[name.as_bytes(), token].join(&b"="[..])),
            Place::Query(name) => {
                for (_, path) in fields.list.iter_mut().filter(|(name, _)| name == ":path") {
                    let separator = if path.contains(&b'?') { '&' } else { '?' };
                    let token: String = form_urlencoded::byte_serialize(token).collect();
                    path.extend(format!("{separator}{name}={token}").bytes());
                }
            }
        }
        fields
    }

    /// All headers.
    pub(crate) fn headers(&self) -> Vec<(String, Vec<u8>)> {
        self.list.iter().filter(|(name, _)| !name.starts_with(':')).cloned().collect()
    }
}

impl Request for Fields {
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
        self.list
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| Cow::Borrowed(value.as_slice()))
    }

    fn client_certificate(&self) -> Vec<u8> {
        self.certificate.clone().into_bytes()
    }
}

/// What an operator pastes as the token.
pub(crate) enum Pasted {
    /// The token alone.
    Bare(Vec<u8>),
    /// The value of a header `Authorization`, with a scheme before the token.
    WithScheme(Vec<u8>),
    /// The whole header `Authorization`.
    Header(Vec<u8>),
}

impl Pasted {
    /// Reads a text such as `eyJ..`, `Bearer eyJ..` or `Authorization: Bearer eyJ..`, with white space around it.
    ///
    /// # Errors
    /// There is a line end or another control character in it, which no request can have. The message does not hold it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Failure> {
        const NAME: &[u8] = b"authorization:";
        let text = text.trim_ascii();
        if has_control(text) {
            return Err(Failure::new(
                "the token has a line end or another control character in it; paste it as one line",
            ));
        }
        if let Some((name, value)) = text.split_at_checked(NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            return Ok(Self::Header(value.to_vec()));
        }
        let has_scheme = text.contains(&b' ');
        Ok(if has_scheme { Self::WithScheme(text.to_vec()) } else { Self::Bare(text.to_vec()) })
    }

    /// The requests in which the client may have sent it: with it in the first place of each policy, or as it was pasted
    /// if a scheme was pasted too and a policy looks for schemes.
    pub(crate) fn requests(&self, config: &Config, fields: &Fields) -> Vec<Fields> {
        let is_authorization = |place: &&Place| matches!(place, Place::Header { name, schemes } if name == "authorization" && !schemes.is_empty());
        let literal = |value: &[u8]| {
            let mut fields = fields.clone();
            fields.add("authorization", value);
            vec![fields]
        };
        let bare = match self {
            Self::Header(value) => return literal(value),
            Self::WithScheme(value) if config.places().iter().any(is_authorization) => return literal(value),
            Self::WithScheme(value) => value.splitn(2, |byte| *byte == b' ').last().unwrap_or_default(),
            Self::Bare(token) => token,
        };
        let mut places: Vec<&Place> = Vec::new();
        for place in config.policies.iter().filter_map(|policy| policy.credentials.places().first()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places.into_iter().map(|place| fields.with_token(place, bare)).collect()
    }
}

fn has_control(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}
