//! Rows on what is no identity: paths, headers that say how a body is read, and the body itself.

use super::Expected::{Rewritten, Same};
use super::{ALICE, NO_TOKEN, Table};

/// What Kinto would read in another way than it stands there is written so that it does not.
pub(super) const FORM: Table = (
    r#"{}"#,
    &[
        // A path that Kinto would redirect is written as what it would be redirected to.
        (
            "a slash at the end",
            NO_TOKEN,
            r#"{"requests":[{"path":"/v1/buckets/"},{"path":"/b/?x=/"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/v1/buckets"},{"path":"/b?x=/"}]}"#),
        ),
        (
            "a version without a slash",
            NO_TOKEN,
            r#"{"requests":[{"path":"/v1"},{"path":"/v1?/v1batch"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/v1/"},{"path":"/v1/?/v1batch"}]}"#),
        ),
        // Kinto puts its own version before these, but for /v12, and redirects none of them without a slash.
        (
            "what looks like a version",
            NO_TOKEN,
            r#"{"requests":[{"path":"/v2/?/v1/v2/"},{"path":"/v12/?/v1batch"},{"path":"/%76%31/"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/v2?/v1/v2/"},{"path":"/v12?/v1batch"},{"path":"/%76%31"}]}"#),
        ),
        (
            "paths that Kinto answers as they are",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/v1/"},{"path":"/v1/b?x=/v1/batch"},{"path":"/%62%63c"}]}"#,
            Same,
        ),
        (
            "in defaults",
            NO_TOKEN,
            r#"{"defaults":{"path":"/v1?/v1batch"},"requests":[{},{"path":"/b/?/v1/b/%61tch"}]}"#,
            Rewritten(r#"{"defaults":{"path":"/v1/?/v1batch"},"requests":[{},{"path":"/b?/v1/b/%61tch"}]}"#),
        ),
        // Headers that say how a body is to be read.
        (
            "Content-Type",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-type":"Application/JSON; charset=\"UTF-8\""}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"content-type":"application/json"}}]}"#),
        ),
        (
            "Content-Type of a patch",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"Content-Type":"application/json-patch+json"}},"requests":[{"method":"PATCH","path":"/","headers":{"Content-Type":"application/merge-patch+json"},"body":{"data":{}}}]}"#,
            Same,
        ),
        (
            "Content-Length",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"CONTENT_LENGTH":"5"}},"requests":[{"path":"/","headers":{"content-length":"5","Content-Length":"6","A":"1"}}]}"#,
            Rewritten(r#"{"defaults":{"headers":{}},"requests":[{"path":"/","headers":{"A":"1"}}]}"#),
        ),
        // The text of each body goes on as it came; all else is written anew.
        (
            "the body as it is",
            ALICE,
            r#"{"requests":[{"method":"PUT","path":"/b","body":{ "data" :{"n":1.10E5,"m":-0,"big":123456789012345678901234567890,"s":"\u00e9\/é","d":1,"d":2,"requests":[1],"userId":"kept"}}}]}"#,
            Same,
        ),
        (
            "the body of defaults",
            ALICE,
            r#"{"defaults":{"body":{ "data":{"n":1e0 } }},"requests":[{"path":"/b"}]}"#,
            Same,
        ),
        (
            "white space, escapes and order around it",
            ALICE,
            r#" { "r\u0065quests" : [ { "body" : {"a": 1}, "path" : "\/\u0062" , "method":"PUT" } ], "defaults":{ } } "#,
            Rewritten(r#"{"defaults":{},"requests":[{"method":"PUT","path":"/b","body":{"a": 1}}]}"#),
        ),
    ],
);
