//! The `headers` of a sub-request or of `defaults`: which are allowed, and in which a token may be.

use std::collections::HashMap;

use crate::batch::refusal::{Refusal, utf_8_media_type};
use crate::batch::sub_request::Headers;
use crate::request::identity_header::{is_field_name, wsgi_key};

/// Bytes of the longest header, name and value, that a sub-request may have.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The Content-Types that a sub-request may have: those that Kinto's views read as JSON (`CONTENT_TYPES` and
/// `PATCH_CONTENT_TYPES` in `kinto/core/resource/viewset.py`), and JSON Patch (RFC 6902).
const MEDIA_TYPES: [&str; 3] =
    ["application/json", "application/merge-patch+json", "application/json-patch+json"];

/// The headers of a sub-request, sorted.
#[derive(Default)]
pub(crate) struct Sorted {
    /// The headers in which a token may be.
    pub(crate) places: Vec<(String, String)>,
    /// The others.
    pub(crate) rest: Headers,
    /// The names of all headers, by their WSGI keys.
    pub(crate) names: HashMap<String, String>,
}

impl Sorted {
    /// Removes the headers that only this filter may write (`is_ours`, by name), checks the others, and finds those in
    /// which a token may be (`is_place`, by WSGI key).
    ///
    /// # Errors
    /// A header has two readings, or changes how a sub-request is read.
    pub(crate) fn sort(
        headers: Headers,
        is_ours: impl Fn(&str) -> bool,
        is_place: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let mut sorted = Self::default();
        for (name, mut value) in headers.0 {
            if is_ours(&name) {
                continue;
            }
            if !is_field_name(&name) {
                return Err(Refusal::HeaderName);
            }
            if name.len().saturating_add(value.len()) > MAX_HEADER_BYTES {
                return Err(Refusal::HeaderTooLong);
            }
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(Refusal::HeaderValue);
            }
            let key = wsgi_key(&name);
            match key.as_str() {
                // Kinto sets the length of the body that it writes itself.
                "CONTENT_LENGTH" => continue,
                "CONTENT_TYPE" => value = json_media_type(&value).ok_or(Refusal::HeaderReserved)?.to_owned(),
                "HOST" | "TRANSFER_ENCODING" => return Err(Refusal::HeaderReserved),
                key if key.starts_with("CONTENT_") => return Err(Refusal::HeaderReserved),
                _ => {}
            }
            let list = if is_place(&key) { &mut sorted.places } else { &mut sorted.rest.0 };
            list.push((name.clone(), value));
            if sorted.names.insert(key, name).is_some() {
                return Err(Refusal::HeaderTwice);
            }
        }
        Ok(sorted)
    }
}

/// The media type of a sub-request's Content-Type, if it is one of [`MEDIA_TYPES`] in UTF-8.
fn json_media_type(value: &str) -> Option<&'static str> {
    let media_type = utf_8_media_type(value.as_bytes())?;
    MEDIA_TYPES.into_iter().find(|known| media_type.eq_ignore_ascii_case(known.as_bytes()))
}
