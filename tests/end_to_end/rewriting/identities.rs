//! Rows on who a sub-request is, with tokens in `Authorization`.

use super::Expected::{Rewritten, Same};
use super::{ALICE, BAD_TOKEN, NO_TOKEN, Table};

/// Without settings: who brings no good token is `public`.
pub(super) const IDENTITIES: Table = (
    r#"{}"#,
    &[
        // What a sub-request does not say itself it inherits from the outer request, and nothing needs to be written.
        ("alice asks", ALICE, r#"{"requests":[{"path":"/"}]}"#, Same),
        ("nobody asks", NO_TOKEN, r#"{"requests":[{"path":"/"}]}"#, Same),
        ("a bad token asks", BAD_TOKEN, r#"{"requests":[{"path":"/"}]}"#, Same),
        ("no sub-requests", ALICE, r#"{"requests":[]}"#, Same),
        (
            "other headers",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"If-Match":"\"1\"","X-User":"a"}}]}"#,
            Same,
        ),
        // An identity that is only claimed is removed.
        (
            "claimed",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"userId":"admin"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed in lower case",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"userid":"admin"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed in upper case",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"USERID":"admin"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed with an escape",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"\u0075ser\u0049d":"admin"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed with letters that become I and S in upper case",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"u\u017feR\u0131d":"admin","uſerıd":"admin"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed twice, beside others",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"A":"1","userId":"admin","B":"2","UserID":"root"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"A":"1","B":"2"}}]}"#),
        ),
        (
            "claimed with a value that no header can have",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"userId":"a\r\nb"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "claimed in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"userId":"admin"}},"requests":[{"path":"/"}]}"#,
            Rewritten(r#"{"defaults":{"headers":{}},"requests":[{"path":"/"}]}"#),
        ),
        (
            "claimed in defaults and in the sub-request",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"USERID":"admin"}},"requests":[{"path":"/","headers":{"userid":"root"}}]}"#,
            Rewritten(r#"{"defaults":{"headers":{}},"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "another key of WSGI",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"user_id":"a","User-Id-X":"b"}}]}"#,
            Same,
        ),
        // A sub-request is whom its own token proves.
        (
            "own token",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"bob"}}]}"#),
        ),
        (
            "own token, and an identity that is claimed",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"userId":"admin","authorization":"jwt <bob>","A":"1"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"A":"1","userId":"bob"}}]}"#),
        ),
        (
            "own token, although nobody asks",
            NO_TOKEN,
            r#"{"requests":[{"path":"/"},{"path":"/","headers":{"Authorization":"JWT <bob>"}},{"path":"/"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/"},{"path":"/","headers":{"userId":"bob"}},{"path":"/"}]}"#),
        ),
        (
            "own token of who asks",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <alice>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"alice"}}]}"#),
        ),
        // A bad token does not fall back to who asks.
        (
            "own token that is none",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public"}}]}"#),
        ),
        (
            "own token that has expired",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <expired>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public"}}]}"#),
        ),
        (
            "two tokens in one header",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>,JWT <bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public"}}]}"#),
        ),
        // Another scheme is Kinto's business: it stays, and alice's identity does not stand beside it.
        (
            "Basic",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"Basic YTpi"}}]}"#,
            Rewritten(
                r#"{"requests":[{"path":"/","headers":{"userId":"public","Authorization":"Basic YTpi"}}]}"#,
            ),
        ),
        (
            "an empty Authorization",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":""}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public","Authorization":""}}]}"#),
        ),
        // What a token in defaults proves is written once, and what a sub-request brings itself goes over it.
        (
            "token in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>","userId":"admin"}},"requests":[{"path":"/"},{"path":"/b"}]}"#,
            Rewritten(r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/"},{"path":"/b"}]}"#),
        ),
        (
            "bad token in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT a.b.c"}},"requests":[{"path":"/"}]}"#,
            Rewritten(r#"{"defaults":{"headers":{"userId":"public"}},"requests":[{"path":"/"}]}"#),
        ),
        (
            "token in defaults, and own token",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"JWT <carol>"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/","headers":{"userId":"carol"}}]}"#,
            ),
        ),
        (
            "token in defaults, and own bad token",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/","headers":{"userId":"public"}}]}"#,
            ),
        ),
        (
            "token in defaults, and own Basic",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"Basic YTpi"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/","headers":{"userId":"public","Authorization":"Basic YTpi"}}]}"#,
            ),
        ),
        (
            "token in defaults, and a claim over it",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"userId":"admin"}}]}"#,
            Rewritten(r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/","headers":{}}]}"#),
        ),
    ],
);

/// Another name for the header that Kinto trusts.
pub(super) const OTHER_HEADER: Table = (
    r#"{"userIdHeader":"X-Kinto-User"}"#,
    &[
        (
            "every spelling of one key, and the usual name",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"x-kinto_user":"a","X_KINTO_USER":"b","userId":"c","XKintoUser":"d"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"XKintoUser":"d"}}]}"#),
        ),
        (
            "own token",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"X-Kinto-User":"bob"}}]}"#),
        ),
    ],
);

/// Who brings no good token is nobody. A header cannot be taken from what is inherited: a name that is no user goes over it.
pub(super) const ANONYMOUS: Table = (
    r#"{"unauthorizedUserId":null}"#,
    &[
        ("nobody asks", NO_TOKEN, r#"{"requests":[{"path":"/"}]}"#, Same),
        (
            "own bad token, alice asks",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"system.Everyone"}}]}"#),
        ),
        (
            "own bad token, nobody asks",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{}}]}"#),
        ),
        (
            "bad token in defaults, alice asks",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT a.b.c"}},"requests":[{"path":"/"}]}"#,
            Rewritten(r#"{"defaults":{"headers":{"userId":"system.Everyone"}},"requests":[{"path":"/"}]}"#),
        ),
        (
            "token in defaults, own Basic, nobody asks",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"Basic YTpi"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob"}},"requests":[{"path":"/","headers":{"userId":"system.Everyone","Authorization":"Basic YTpi"}}]}"#,
            ),
        ),
    ],
);

/// Alice's token has a name, and bob's; carol's has none.
pub(super) const CLAIM_HEADERS: Table = (
    r#"{"claimsToHeaders":{"X-Name":"name"}}"#,
    &[
        (
            "claimed in two spellings",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"X-Name":"a","x_name":"b","X-Y":"c"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"X-Y":"c"}}]}"#),
        ),
        (
            "own token with the claim",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"bob","X-Name":"Bob \"B\" Jones"}}]}"#),
        ),
        (
            "own token without it, alice asks",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <carol>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"carol","X-Name":""}}]}"#),
        ),
        (
            "own token without it, nobody asks",
            NO_TOKEN,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT <carol>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"carol"}}]}"#),
        ),
        (
            "own bad token, alice asks",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public","X-Name":""}}]}"#),
        ),
        (
            "own token over that of defaults",
            NO_TOKEN,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/","headers":{"Authorization":"JWT <carol>"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob","X-Name":"Bob \"B\" Jones"}},"requests":[{"path":"/","headers":{"userId":"carol","X-Name":""}}]}"#,
            ),
        ),
    ],
);
