//! What each refusal of a batch means, and what to do about it.

use crate::batch::refusal::Refusal;
use crate::cli::explain::words::Words;

/// The words for a refusal.
pub(crate) const fn words(refusal: Refusal) -> Words {
    let (meaning, remedy) = match refusal {
        Refusal::TooLarge => (
            "The body is larger than batch.maxBytes.",
            "Have the client send fewer sub-requests at once, or raise batch.maxBytes and Envoy's buffer.",
        ),
        Refusal::Overflow => (
            "The body is larger than Envoy's buffer.",
            "Have the client send fewer sub-requests at once, or raise request_body_buffer_limit in Envoy.",
        ),
        Refusal::TooManyRequests(_) => (
            "There are more sub-requests than batch.maxRequests.",
            "Have the client send fewer at once. Kinto has a limit of its own: batch_max_requests.",
        ),
        Refusal::Unclear => (
            "Servers may read the path of the request in more than one way, and one of them is the batch endpoint.",
            "Have the client write the path without encoding, as /v1/batch.",
        ),
        Refusal::MediaType => (
            "Content-Type is not application/json in UTF-8, so that Kinto could read another text than the filter.",
            "Have the client send Content-Type: application/json.",
        ),
        Refusal::ContentCoding => (
            "The body is compressed or coded in another way.",
            "Have the client send it without Content-Encoding.",
        ),
        Refusal::NotJson => (
            "The body is not JSON in UTF-8. A byte order mark and NaN are not JSON.",
            "Have the client send JSON, as a JSON library writes it.",
        ),
        Refusal::Shape => (
            "A member has a name twice, a wrong type, or a name that Kinto does not document, or a sub-request has no path.",
            "Write requests, a list, and defaults, an object; in them only method, path, headers and body.",
        ),
        Refusal::Path => (
            "The path of a sub-request can be read in more than one way.",
            "Begin each path with /, without empty segments, dot segments, # or encoded delimiters.",
        ),
        Refusal::PathTooLong => {
            ("The path of a sub-request is longer than 16 KiB.", "Have the client shorten it.")
        }
        Refusal::HeaderName => {
            ("A name in headers cannot be the name of a header.", "Have the client correct it.")
        }
        Refusal::HeaderValue => {
            ("A value in headers has a control character.", "Have the client take it out.")
        }
        Refusal::HeaderTooLong => ("A header is longer than 64 KiB.", "Have the client shorten it."),
        Refusal::HeaderTwice => (
            "A header is there twice, or in two spellings, so that Kinto would choose between them.",
            "Write each header once, and in defaults and in sub-requests in the same spelling.",
        ),
        Refusal::HeaderReserved => (
            "A sub-request sets Host, Transfer-Encoding or a header whose name starts with Content-.",
            "Take it out. Only Content-Type may be there, as one of Kinto's JSON types.",
        ),
        Refusal::Nested => (
            "A sub-request is a batch itself: by its path, or because its body, or that of defaults, has a member requests.",
            "Send its sub-requests in the outer batch. A record with a member requests needs a request of its own.",
        ),
        Refusal::OtherUser => (
            "A sub-request is from another user than the batch, or from none, and batch.ownTokens is refuse: Kinto's history would name one user for both.",
            "Have the client send the token in the headers of the batch, and a batch for each user.",
        ),
        Refusal::TooLong => (
            "The new body would be much longer than the old one, because many sub-requests have long user ids or claims.",
            "Have the client send fewer sub-requests at once.",
        ),
    };
    Words { meaning, remedy }
}
