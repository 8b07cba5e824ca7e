//! Headers that only this filter writes.

use crate::config::settings::{ConfigError, error};
use crate::request::identity_header::{IdentityHeader, is_field_name, wsgi_key};

/// A header that only this filter may write.
pub(crate) fn own_header(setting: &str, name: String, example: &str) -> Result<IdentityHeader, ConfigError> {
    if !is_field_name(&name) || name.contains('_') {
        return Err(error(
            setting,
            "is not a header name that reaches Kinto (letters, digits and -; servers drop names with _)",
            format!("write for example {example}"),
        ));
    }
    let meaningful = [
        "HOST",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "TRANSFER_ENCODING",
        "CONNECTION",
        "COOKIE",
        "AUTHORIZATION",
    ];
    if meaningful.contains(&wsgi_key(&name).as_str()) {
        return Err(taken(setting));
    }
    Ok(IdentityHeader::new(name))
}

/// The setting names a header that means something else.
pub(crate) fn taken(setting: &str) -> ConfigError {
    error(setting, "is a header with another meaning", "write a name of its own, such as userId")
}
