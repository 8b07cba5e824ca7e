//! Kinto's batch endpoint.
//!
//! `POST /v1/batch` has headers for each sub-request in its JSON body (`requests[].headers`, `defaults.headers`;
//! `kinto/core/views/batch.py`). Kinto merges them over the headers of the request itself, so a filter that sees only
//! real headers does not see an identity that is claimed there. The rules of this filter:
//!
//! 1. The body is one strict JSON object in UTF-8. It has only what Kinto documents: `requests` and `defaults`, and in them
//!    `method`, `path`, `headers` and `body`, each once and of its type (`sub_request.rs`).
//! 2. No sub-request has a body that Kinto's batch view could take for a batch, whatever its path: an object with a member
//!    `requests`, its own or from `defaults.body` (`sub_request.rs`). No header changes how a body is read (`headers.rs`).
//! 3. No sub-request has a path that Kinto redirects, or that servers may read in more than one way (`path.rs`).
//! 4. Every header that WSGI files under the key of a header that only this filter may write is removed, in every
//!    spelling (`headers.rs`).
//! 5. A sub-request with a token, its own or from `defaults`, is decided like any other request and gets its own identity.
//!    So does one with a header that is meant for a token, even if there is no token in it. Every other sub-request has
//!    the identity of the request that carries the batch (`body.rs`).
//! 6. With a ticket, a sub-request's `Cookie` is written anew where its identity is not the inherited one (`body.rs`).
//! 7. Bodies, and headers that are about neither identity nor bodies, reach Kinto as they were sent.
//!
//! A batch that breaks one of the rules 1 to 3 is refused (`refusal.rs`), and so is one that is over a limit or breaks
//! `batch.ownTokens`. A sub-request may be rejected, like any request: then Kinto does not get it, and its entry is put
//! into Kinto's answer (`splice.rs`).

pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod refusal;
pub(crate) mod splice;
pub(crate) mod sub_request;
