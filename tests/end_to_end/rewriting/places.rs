//! Rows on tokens that go on to Kinto, and on tokens in cookies and queries, which are removed from there.

use super::Expected::{Rewritten, Same};
use super::{ALICE, Table};

/// Tokens go on to Kinto, beside the identity that they prove.
pub(super) const FORWARDED_TOKENS: Table = (
    r#"{"forwardToken":true,"from":[{"header":"Authorization","schemes":["JWT"]},{"cookie":"t"},{"query":"t"}]}"#,
    &[
        (
            "in Authorization",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Authorization":"JWT a.b.c"}}]}"#,
            Rewritten(
                r#"{"requests":[{"path":"/","headers":{"userId":"public","Authorization":"JWT a.b.c"}}]}"#,
            ),
        ),
        (
            "in a cookie",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Cookie":"t=<bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"bob","Cookie":"t=<bob>"}}]}"#),
        ),
        (
            "in a query",
            ALICE,
            r#"{"requests":[{"path":"/?t=<bob>"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/?t=<bob>","headers":{"userId":"bob"}}]}"#),
        ),
        (
            "in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Authorization":"JWT <bob>"}},"requests":[{"path":"/"}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob","Authorization":"JWT <bob>"}},"requests":[{"path":"/"}]}"#,
            ),
        ),
    ],
);

/// Tokens in cookies and queries are removed, and nothing else of them.
pub(super) const COOKIES_AND_QUERIES: Table = (
    r#"{"from":[{"header":"Authorization","schemes":["JWT"]},{"cookie":"t"},{"query":"t"}]}"#,
    &[
        (
            "a cookie among others",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"cookie":"a=b; t=<bob>; c=d"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"bob","cookie":"a=b; c=d"}}]}"#),
        ),
        (
            "a cookie alone",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Cookie":"t=<bob>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"bob"}}]}"#),
        ),
        (
            "cookies without a token",
            ALICE,
            r#"{"requests":[{"path":"/","headers":{"Cookie":"a=b; c=d"}}]}"#,
            Same,
        ),
        (
            "a cookie in defaults",
            ALICE,
            r#"{"defaults":{"headers":{"Cookie":"t=<bob>; a=b"}},"requests":[{"path":"/"},{"path":"/","headers":{"Cookie":"c=d"}}]}"#,
            Rewritten(
                r#"{"defaults":{"headers":{"userId":"bob","Cookie":"a=b"}},"requests":[{"path":"/"},{"path":"/","headers":{"userId":"alice","Cookie":"c=d"}}]}"#,
            ),
        ),
        (
            "a parameter among others",
            ALICE,
            r#"{"requests":[{"path":"/b?_x=1&t=<bob>&y=%20"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/b?_x=1&y=%20","headers":{"userId":"bob"}}]}"#),
        ),
        (
            "a parameter alone, with an escape in its name",
            ALICE,
            r#"{"requests":[{"path":"/b?%74=<bob>"}]}"#,
            Rewritten(r#"{"requests":[{"path":"/b","headers":{"userId":"bob"}}]}"#),
        ),
        ("a query without a token", ALICE, r#"{"requests":[{"path":"/b?tt=1&x=t"}]}"#, Same),
        (
            "a parameter in the path of defaults",
            ALICE,
            r#"{"defaults":{"path":"/b?t=<bob>"},"requests":[{},{"path":"/c"}]}"#,
            Rewritten(
                r#"{"defaults":{"path":"/b"},"requests":[{"headers":{"userId":"bob"}},{"path":"/c"}]}"#,
            ),
        ),
        (
            "two users in two places",
            ALICE,
            r#"{"requests":[{"path":"/?t=<bob>","headers":{"Cookie":"t=<carol>"}}]}"#,
            Rewritten(r#"{"requests":[{"path":"/","headers":{"userId":"public"}}]}"#),
        ),
    ],
);
