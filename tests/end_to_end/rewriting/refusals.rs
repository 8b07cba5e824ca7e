//! Rows on sub-requests that are rejected, and on batches that are refused.

use super::Expected::{Refused, Rejected, Rewritten, Same};
use super::{ALICE, BAD_TOKEN, NO_TOKEN, Table};

/// Rejected sub-requests do not reach Kinto: each keeps its place in the list, and its answer has the path as Kinto completes it.
pub(super) const REJECTED: Table = (
    r#"{"onMissing":"reject","onInvalid":"reject"}"#,
    &[
        (
            "own bad token",
            ALICE,
            r#"{"requests":[{"path":"/a"},{"path":"/b","headers":{"Authorization":"JWT a.b.c"}},{"path":"/c"}]}"#,
            Rejected(r#"{"requests":[{"path":"/a"},{"path":"/c"}]}"#, &[(1, 401, "/v1/b")]),
        ),
        (
            "no token, and own tokens",
            NO_TOKEN,
            r#"{"requests":[{"path":"/v1/a?x=1"},{"path":"/b","headers":{"Authorization":"JWT <bob>"}},{"path":"/c%41d"}]}"#,
            Rejected(
                r#"{"requests":[{"path":"/b","headers":{"userId":"bob"}}]}"#,
                &[(0, 401, "/v1/a"), (2, 401, "/v1/cAd")],
            ),
        ),
        (
            "no token, open paths",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/v1/__heartbeat__"}]}"#,
            Same,
        ),
        (
            "a bad token asks",
            BAD_TOKEN,
            r#"{"defaults":{"path":"/a"},"requests":[{},{"headers":{"Authorization":"JWT <bob>"}},{"method":"HEAD"}]}"#,
            Rejected(
                r#"{"defaults":{"path":"/a"},"requests":[{"headers":{"userId":"bob"}}]}"#,
                &[(0, 401, "/v1/a"), (2, 401, "/v1/a")],
            ),
        ),
        (
            "bad token in defaults, good own one",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT a.b.c"}},"requests":[{"path":"/a"},{"path":"/b","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Rejected(
                r#"{"defaults":{"headers":{"userId":"system.Everyone"}},"requests":[{"path":"/b","headers":{"userId":"bob"}}]}"#,
                &[(0, 401, "/v1/a")],
            ),
        ),
        (
            "all of them",
            NO_TOKEN,
            r#"{"requests":[{"path":"/a"},{"path":"/b"}]}"#,
            Rejected(r#"{"requests":[]}"#, &[(0, 401, "/v1/a"), (1, 401, "/v1/b")]),
        ),
    ],
);

/// What has two readings is refused, and nothing of the batch goes on.
pub(super) const REFUSALS: Table = (
    r#"{"from":[{"header":"Authorization","schemes":["JWT"]},{"cookie":"t"}]}"#,
    &[
        ("no JSON", NO_TOKEN, r#"{"requests":[}"#, Refused("batch_not_json")),
        ("more after it", NO_TOKEN, r#"{"requests":[]}{}"#, Refused("batch_not_json")),
        ("no list", NO_TOKEN, r#"{"requests":{}}"#, Refused("batch_shape")),
        (
            "a member that Kinto does not document",
            NO_TOKEN,
            r#"{"requests":[],"x":1}"#,
            Refused("batch_shape"),
        ),
        ("a member twice", NO_TOKEN, r#"{"requests":[{"path":"/","path":"/"}]}"#, Refused("batch_shape")),
        ("no path", NO_TOKEN, r#"{"requests":[{}]}"#, Refused("batch_shape")),
        ("no path, but a method", NO_TOKEN, r#"{"requests":[{"method":"GET"}]}"#, Refused("batch_shape")),
        ("another method", NO_TOKEN, r#"{"requests":[{"path":"/","method":"get"}]}"#, Refused("batch_shape")),
        ("a batch", NO_TOKEN, r#"{"requests":[{"path":"/batch"}]}"#, Refused("batch_nested")),
        (
            "a batch, once decoded",
            NO_TOKEN,
            r#"{"requests":[{"path":"/v1/b%61tch/?x"}]}"#,
            Refused("batch_nested"),
        ),
        (
            "a body that is a batch",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","body":{"r\u0065quests":1}}]}"#,
            Refused("batch_nested"),
        ),
        (
            "such a body in defaults",
            NO_TOKEN,
            r#"{"defaults":{"body":{"requests":[]}},"requests":[]}"#,
            Refused("batch_nested"),
        ),
        ("an empty segment", NO_TOKEN, r#"{"requests":[{"path":"/x//y"}]}"#, Refused("batch_path")),
        ("a slash in an escape", NO_TOKEN, r#"{"requests":[{"path":"/x%2Fy"}]}"#, Refused("batch_path")),
        ("no slash at the start", NO_TOKEN, r#"{"requests":[{"path":"b"}]}"#, Refused("batch_path")),
        ("a line end in a query", NO_TOKEN, r#"{"requests":[{"path":"/?x\ny"}]}"#, Refused("batch_path")),
        (
            "encoded twice, in defaults",
            NO_TOKEN,
            r#"{"defaults":{"path":"/v1/%2562atch"},"requests":[]}"#,
            Refused("batch_path"),
        ),
        ("a long path", NO_TOKEN, r#"{"requests":[{"path":"/?<x*16383>"}]}"#, Refused("batch_path_too_long")),
        ("the longest path", NO_TOKEN, r#"{"requests":[{"path":"/?<x*16382>"}]}"#, Same),
        (
            "a long path in defaults",
            NO_TOKEN,
            r#"{"defaults":{"path":"/?<x*16383>"},"requests":[]}"#,
            Refused("batch_path_too_long"),
        ),
        (
            "an empty header name",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"":"x"}}]}"#,
            Refused("batch_header_name"),
        ),
        (
            "a space in a header name",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"a b":"x"}}]}"#,
            Refused("batch_header_name"),
        ),
        (
            "a colon in a header name",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"a:":"x"}}]}"#,
            Refused("batch_header_name"),
        ),
        (
            "a header name beyond ASCII",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"é":"x"}}]}"#,
            Refused("batch_header_name"),
        ),
        (
            "a line end in a header",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"a":"x\r\ny: z"}}]}"#,
            Refused("batch_header_value"),
        ),
        (
            "a zero byte in a header",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"a":"\u0000"}}]}"#,
            Refused("batch_header_value"),
        ),
        ("a tab in a header", NO_TOKEN, r#"{"requests":[{"path":"/","headers":{"a":"x\ty"}}]}"#, Same),
        (
            "a long header",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"a":"<x*65536>"}}]}"#,
            Refused("batch_header_too_long"),
        ),
        ("the longest header", NO_TOKEN, r#"{"requests":[{"path":"/","headers":{"a":"<x*65535>"}}]}"#, Same),
        (
            "a header in two spellings",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"If-Match":"x","if-match":"y"}}]}"#,
            Refused("batch_header_twice"),
        ),
        (
            "two headers of one key in WSGI",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"X-A":"x","X_A":"y"}}]}"#,
            Refused("batch_header_twice"),
        ),
        (
            "Authorization in two spellings",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"x","AUTHORIZATION":"y"}}]}"#,
            Refused("batch_header_twice"),
        ),
        (
            "Authorization in another spelling than in defaults",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"x"}}]}"#,
            Refused("batch_header_twice"),
        ),
        (
            "another header in another spelling than in defaults",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"If-Match":"x"}},"requests":[{"path":"/","headers":{"if-match":"y"}}]}"#,
            Refused("batch_header_twice"),
        ),
        (
            "Host",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Host":"x"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "Host in defaults",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"host":"x"}},"requests":[]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "Transfer-Encoding",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"transfer_encoding":"chunked"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "Content-Encoding",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Content-Encoding":"identity"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "Content-Language",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-language":"en"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "a Content-Type of no JSON",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Content-Type":"text/plain"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "an empty Content-Type",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-type":""}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "another charset",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-type":"application/json; charset=utf-7"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "another charset behind a space that is none",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-type":"application/json;\u00a0charset=utf-7"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "two charsets",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"content-type":"application/json; charset=utf-8; charset=utf-7"}}]}"#,
            Refused("batch_header_reserved"),
        ),
        (
            "a parameter that is none, in defaults",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"content-type":"application/json; x"}},"requests":[]}"#,
            Refused("batch_header_reserved"),
        ),
    ],
);

/// With places for two sub-requests.
pub(super) const TWO_AT_MOST: Table = (
    r#"{"batch":{"maxRequests":2}}"#,
    &[
        ("two", NO_TOKEN, r#"{"requests":[{"path":"/"},{"path":"/"}]}"#, Same),
        (
            "three",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/"},{"path":"/"}]}"#,
            Refused("batch_too_many_requests"),
        ),
        (
            "three, and the third is none",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/"},1]}"#,
            Refused("batch_too_many_requests"),
        ),
    ],
);

/// With one user for all.
pub(super) const ONE_USER: Table = (
    r#"{"batch":{"ownTokens":"refuse"}}"#,
    &[
        ("no token at all", NO_TOKEN, r#"{"requests":[{"path":"/"},{"path":"/"}]}"#, Same),
        ("one token for all", ALICE, r#"{"requests":[{"path":"/"},{"path":"/"}]}"#, Same),
        (
            "the same user",
            ALICE,
            r#"{"requests":[{"path":"/"},{"path":"/","headers":{"Authorization":"JWT <alice>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/"},{"path":"/","headers":{"userId":"alice"}}]}"#),
        ),
        (
            "another user",
            ALICE,
            r#"{"requests":[{"path":"/"},{"path":"/","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "a user in a batch of nobody's",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "a bad token",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <expired>"}}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "an empty header",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":""}}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "a bad token in a batch without one: both are public",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <expired>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public"}}]}"#),
        ),
        (
            "another user in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/"}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "a user in defaults alone",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/"}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "the same user in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <alice>"}},"requests":[{"path":"/"}]}"#,
            Rewritten(r#"{"defaults":{"headers":{"userId":"alice"}},"requests":[{"path":"/"}]}"#),
        ),
        (
            "the first of the others is refused, whatever follows",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>"}},{"path":"/"}]}"#,
            Refused("batch_other_user"),
        ),
    ],
);

/// With one user for all, where what proves nothing is rejected.
pub(super) const ONE_USER_OR_REJECTED: Table = (
    r#"{"batch":{"ownTokens":"refuse"},"onMissing":"reject","onInvalid":"reject"}"#,
    &[
        (
            "rejected as the batch itself",
            NO_TOKEN,
            r#"{"requests":[{"path":"/b"}]}"#,
            Rejected(r#"{"requests":[]}"#, &[(0, 401, "/v1/b")]),
        ),
        (
            "an open path in a batch without a token",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/b"}]}"#,
            Rejected(r#"{"requests":[{"path":"/"}]}"#, &[(1, 401, "/v1/b")]),
        ),
        (
            "a bad token in a good batch",
            ALICE,
            r#"{"requests":[{"path":"/b"},{"path":"/b","headers":{"Authorization":"JWT <expired>"}}]}"#,
            Refused("batch_other_user"),
        ),
        (
            "a good token in a batch without one",
            NO_TOKEN,
            r#"{"requests":[{"path":"/b","headers":{"Authorization":"JWT <alice>"}}]}"#,
            Refused("batch_other_user"),
        ),
    ],
);
