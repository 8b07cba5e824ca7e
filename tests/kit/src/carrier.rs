//! The two ways in which the filter tells Kinto the user: the identity header and the ticket.

use std::process::Command;

use kinto_jwt_filter::{Gate, Rejection, parse_config};
use serde_json::{Value, json};

use crate::ring_host::ring_host;
use crate::servers::{made, observed, project};
use crate::table::{Case, Policy};
use crate::tokens::now;

/// The secret of the tests' tickets.
pub const SECRET: &str = "fedcba9876543210fedcba9876543210";

/// The variable of the environment by which Envoy and Kinto get it.
pub const SECRET_VARIABLE: &str = "MULTIAUTH_POLICY_KINTO_JWT_SECRET";

/// What carries the user id to Kinto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Header,
    Ticket,
}

pub const CARRIERS: [Carrier; 2] = [Carrier::Header, Carrier::Ticket];

impl Carrier {
    /// Kinto's settings, which make it believe this carrier.
    fn kinto_settings(self) -> Value {
        let policy = |name: &str| format!("multiauth.policy.kinto_jwt.{name}");
        let (class, [environ_key, secret, cookie_name, timeout]) = match self {
            Self::Header => (
                "RemoteUserAuthenticationPolicy",
                [json!("HTTP_USERID"), json!(null), json!(null), json!(null)],
            ),
            Self::Ticket => {
                ("AuthTktAuthenticationPolicy", [json!(null), json!(SECRET), json!("kjwt"), json!("30")])
            }
        };
        json!({
            policy("use"): format!("pyramid.authentication.{class}"),
            policy("environ_key"): environ_key,
            policy("secret"): secret,
            policy("cookie_name"): cookie_name,
            policy("timeout"): timeout,
        })
    }

    /// An application for `serve_kinto.py` as `envoy/kinto.ini` configures it, but that it believes this carrier.
    pub fn application(self) -> Value {
        json!({"ini": project("envoy/kinto.ini"), "settings": self.kinto_settings()})
    }

    /// The same as [`observed`](crate::servers::observed) configures it.
    pub fn observed(self) -> Value {
        let mut application = observed();
        let of_carrier = self.kinto_settings();
        application["settings"].as_object_mut().unwrap().extend(of_carrier.as_object().unwrap().clone());
        application
    }

    /// These settings of the filter, with this carrier.
    pub fn settings(self, mut settings: Value) -> Value {
        if self == Self::Ticket {
            settings["ticket"] = json!({"secret": SECRET});
        }
        settings
    }
}

impl Carrier {
    /// What the client sees: what the table says, but that a ticket carries user ids that a header cannot.
    pub fn answer(self, policy: &Policy, case: &Case) -> String {
        use Rejection::{UserIdControl, UserIdNotAscii, UserIdNotLatin1, UserIdOuterSpace};
        let of_headers = [UserIdControl, UserIdNotAscii, UserIdNotLatin1, UserIdOuterSpace];
        let is_of_headers = case.expected.as_ref().is_err_and(|rejection| of_headers.contains(rejection));
        if self == Self::Header || !is_of_headers {
            return policy.answer(case);
        }
        let settings = self.settings(policy.settings.clone()).to_string();
        let gate = Gate::new(parse_config(settings.as_bytes(), Some(ring_host)).unwrap());
        let decision = gate.decide(case, now());
        assert_eq!(decision.rejection(), None, "{}: {}", policy.name, case.name);
        policy.answer_of(&decision.outcome)
    }
}

/// Tickets for these users, as Pyramid signs them: each is the secret, the time in seconds from now, and the user id.
pub fn tickets(of: &[(&str, i64, &str)]) -> Vec<String> {
    const SIGN: &str = "
import base64, json, sys, time
from pyramid.authentication import AuthTicket
def sign(secret, seconds, user):
    user = base64.b64encode(user.encode()).decode()
    return AuthTicket(secret, user, '0.0.0.0', user_data='userid_type:b64unicode', time=time.time() + seconds,
                      hashalg='sha512').cookie_value()
print(json.dumps([sign(*ticket) for ticket in json.loads(sys.argv[1])]))
";
    let output =
        Command::new(made(".venv/bin/python")).args(["-c", SIGN, &json!(of).to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
