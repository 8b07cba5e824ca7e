//! What `check` has found.

use std::ops::Range;

/// One thing that is wrong, or that an operator should know.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    /// What is wrong, as a sentence without a full stop. Holds no secret.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: String,
    /// Where it is in the text of the file, in bytes.
    pub(crate) span: Range<usize>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Envoy or the filter would refuse the file, or Envoy would not call the filter.
    Error,
    /// The filter would run, and not as it should.
    Warning,
    /// Something could not be checked here.
    Note,
}

/// What `check` looks for. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    NotYaml,
    Refused,
    SecretInFile,
    TokenNotVerified,
    ExpNotRequired,
    BindingIgnored,
    PublicIsUser,
    Latin1,
    AmbiguousScalar,
    KeyLeftOut,
    KeyElsewhere,
    FailOpen,
    NoReload,
    LacksCapability,
    SmallBuffer,
    GuessableHeader,
    NoGuard,
    UnknownCluster,
    IssuerNotChecked,
    RunsOnOutbound,
    NeverRuns,
    NoTarget,
    WrongPhase,
    NotPinned,
    ReplacedOnRoutes,
    NoEgress,
    ReplacesBootstrap,
}

impl Rule {
    /// All of them, in the order of the documentation.
    pub(crate) const ALL: [Self; 27] = [
        Self::NotYaml,
        Self::Refused,
        Self::SecretInFile,
        Self::TokenNotVerified,
        Self::ExpNotRequired,
        Self::BindingIgnored,
        Self::PublicIsUser,
        Self::Latin1,
        Self::AmbiguousScalar,
        Self::KeyLeftOut,
        Self::KeyElsewhere,
        Self::FailOpen,
        Self::NoReload,
        Self::LacksCapability,
        Self::SmallBuffer,
        Self::GuessableHeader,
        Self::NoGuard,
        Self::UnknownCluster,
        Self::IssuerNotChecked,
        Self::RunsOnOutbound,
        Self::NeverRuns,
        Self::NoTarget,
        Self::WrongPhase,
        Self::NotPinned,
        Self::ReplacedOnRoutes,
        Self::NoEgress,
        Self::ReplacesBootstrap,
    ];

    /// The name of the rule.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotYaml => "not-yaml",
            Self::Refused => "refused",
            Self::SecretInFile => "secret-in-file",
            Self::TokenNotVerified => "token-not-verified",
            Self::ExpNotRequired => "exp-not-required",
            Self::BindingIgnored => "binding-ignored",
            Self::PublicIsUser => "public-is-user",
            Self::Latin1 => "latin-1",
            Self::AmbiguousScalar => "ambiguous-scalar",
            Self::KeyLeftOut => "key-left-out",
            Self::KeyElsewhere => "key-elsewhere",
            Self::FailOpen => "fail-open",
            Self::NoReload => "no-reload",
            Self::LacksCapability => "lacks-capability",
            Self::SmallBuffer => "small-buffer",
            Self::GuessableHeader => "guessable-header",
            Self::NoGuard => "no-guard",
            Self::UnknownCluster => "unknown-cluster",
            Self::IssuerNotChecked => "issuer-not-checked",
            Self::RunsOnOutbound => "runs-on-outbound",
            Self::NeverRuns => "never-runs",
            Self::NoTarget => "no-target",
            Self::WrongPhase => "wrong-phase",
            Self::NotPinned => "not-pinned",
            Self::ReplacedOnRoutes => "replaced-on-routes",
            Self::NoEgress => "no-egress",
            Self::ReplacesBootstrap => "replaces-bootstrap",
        }
    }

    /// What the rule is about, in a sentence.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::NotYaml => "The file is not YAML, or a map has a name twice.",
            Self::Refused => "The filter refuses the settings.",
            Self::SecretInFile => "A shared secret is in the file, for everybody who may read it.",
            Self::TokenNotVerified => "`verifyToken` is false: every token is believed.",
            Self::ExpNotRequired => {
                "A token without `exp` is valid for ever, and the file does not say that this is meant."
            }
            Self::BindingIgnored => {
                "`boundTokens` is ignore: a stolen token that is bound to a key is believed without the key."
            }
            Self::PublicIsUser => {
                "A request without a valid token is a user, who counts as authenticated, and the file does not say that \
                 this is meant."
            }
            Self::Latin1 => "User ids may have characters that some servers for WSGI lose.",
            Self::AmbiguousScalar => "Readers of YAML find different values in a text without quotes.",
            Self::KeyLeftOut => "A key of `jwks` cannot be used.",
            Self::KeyElsewhere => "The key is in the environment of Envoy, and was not checked.",
            Self::FailOpen => "When the filter cannot run, requests go on unchecked.",
            Self::NoReload => "A module that has crashed does not come back.",
            Self::LacksCapability => {
                "The list of capabilities leaves out one that the filter needs: requests may go on unchecked."
            }
            Self::SmallBuffer => "Envoy's buffer is smaller than `batch.maxBytes`.",
            Self::GuessableHeader => {
                "Kinto may be reachable past Envoy, and anybody can guess the header that it trusts."
            }
            Self::NoGuard => {
                "Where a worker of Envoy cannot create its VM, Kinto believes the client: the guard is missing, or not whole."
            }
            Self::UnknownCluster => "No cluster has the name in `remoteJwks`.",
            Self::IssuerNotChecked => {
                "Envoy does not check that it speaks with the issuer, so that others can give keys."
            }
            Self::RunsOnOutbound => "The filter also runs on what Kinto itself sends to others.",
            Self::NeverRuns => "The filter runs on no request.",
            Self::NoTarget => "The filter runs in all pods of the namespace.",
            Self::WrongPhase => "Other filters see the identity header of the client.",
            Self::NotPinned => "The image has no digest, so that another one may come.",
            Self::ReplacedOnRoutes => "The policy is not on a whole Gateway: one policy replaces the other.",
            Self::NoEgress => "The proxy of the pod does not know the cluster of the issuer.",
            Self::ReplacesBootstrap => "The EnvoyProxy replaces what Envoy starts with.",
        }
    }

    /// How bad it is.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::NotYaml | Self::Refused | Self::LacksCapability => Severity::Error,
            Self::KeyElsewhere => Severity::Note,
            _ => Severity::Warning,
        }
    }
}

impl Severity {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}
