//! Keys that stand in for one that is where Envoy runs, and not here. Nothing is verified with them.

/// A secret for tickets.
pub(crate) const SECRET: &str = "no.ticket.is.signed.with.this.text";

/// A key for an algorithm, as `public_key` has it.
pub(crate) fn key(algorithm: &str) -> &'static str {
    match algorithm {
        "HS256" | "HS384" | "HS512" => {
            "this text is as long as the secret of HS512 must be, and no token is signed with it"
        }
        "ES256" => P256,
        "ES384" => P384,
        "ES512" => P521,
        "EdDSA" | "Ed25519" => ED25519,
        _ => RSA,
    }
}

const RSA: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm59UaVLw8jFEVr0NX1pi
LOe+JylQAP93Z6d0IW0SEKj0JHkGw7ktIjzjJtU7lNkZnyjEqNmMQW69E0JY17Bg
kPVLoFIeNAvS414yKHnM4Zk3chCHpTp/e4MGJXQ0DQgdc+VFdakMydg4e8jAQ5XI
6d3YNjffH7BIv1q6iWSG3jK4XwVa6t186Smjl/N8q0evOXQyWZGhZ3Ojqa0X3zbj
MJtW7N4MZsQBFo6+XZtZGBh0FQP8mTZO44VUfOIGHJxdIcxQFAttTdp03A3PYoig
a71gB9loLWfGbX15ZNrZuaq2Lgveyzj+sMpOow/XYod/bVf9Vq1qo72OnuZk5JW9
gQIDAQAB
-----END PUBLIC KEY-----
";

const P256: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEteTSUt5AYfnOOhNLjAPmcsl1vAaw
DG3ujF3Ytr0nDrzcuTyOBni0Y4oRw9HEjAx793PPdSiIsn28z34zXjGBAA==
-----END PUBLIC KEY-----
";

const P384: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEuEGWuWLKTXMqr7nR0QJez//2tMfcpNUq
8GiibOWoFjuYeF52e6WGA+02wovw2Pck09gvTuSDHKucNNFVtwYe+pALmjwriMHs
jiMwIObSdtP9Zy8po2B+HmRv+M3y7u9f
-----END PUBLIC KEY-----
";

const P521: &str = "\
-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQA1eWTDIqvcbxs5W56Yc+wEM+alUsp
dagybODk248BaIF9BZnoD0pE60O3aWpNK+z1YxZBbyaAirD6bj7DxksXxcAB67F4
A2CwAPp2vWxuri/Jt6D04MmUAaS2u2ltWn619tY970RAFxeN+Bg2gsNt/2fnytKV
9Qb9+OG+5NR5TvpK1GU=
-----END PUBLIC KEY-----
";

const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAlAtYTgcUQn95xs4lrY2JvXNrnF7MyWyT2ECz0jc66Nc=
-----END PUBLIC KEY-----
";
