//! What becomes of a request that proves nothing, by the cause.

use kinto_jwt_filter::Rejection::*;
use serde_json::json;

use super::{Policy, add_policy, settings_with};
use crate::http::{authorization, header};
use crate::tokens::rs256;

pub(super) fn causes(policies: &mut Vec<Policy>, now: u64) {
    let good = json!({"sub": "alice", "exp": now + 600});
    let expired = rs256(&json!({"sub": "alice", "exp": now - 1}));
    let record = "/v1/buckets/b";
    for (name, missing, invalid, unauthorized) in [
        ("reject, reject", "reject", "reject", json!("public")),
        ("anonymous, anonymous", "anonymous", "anonymous", json!("public")),
        ("anonymous, reject", "anonymous", "reject", json!(null)),
        ("reject, anonymous", "reject", "anonymous", json!("guest")),
        ("report, report", "report", "report", json!("guest")),
        ("reject, unauthorizedUser", "reject", "unauthorizedUser", json!("guest")),
    ] {
        let settings =
            json!({"onMissing": missing, "onInvalid": invalid, "unauthorizedUserId": unauthorized});
        add_policy(policies, name, settings_with(settings), |list| {
            list.token("good", &rs256(&good), Ok("alice"));
            list.token("expired", &expired, Err(Expired));
            list.token("junk", "a.b.c", Err(NotBase64Url));
            // Open without a token, though not with a bad one.
            let open = if missing == "reject" { Some("anonymous") } else { None };
            for path in ["/v1/", "/v1/?x=1", "/v1/./", "/%76%31/"] {
                list.headers(path, vec![], Err(NoToken)).to("GET", path).answer = open;
                list.headers(path, vec![header("Authorization", "Basic YTpi")], Err(ForeignScheme))
                    .to("GET", path)
                    .answer = open;
            }
            if missing == "reject" {
                for path in [record, "/v1/batches", "/v1/__heartbeat__/x", "/v1/buckets?x=/v1/"] {
                    list.headers(path, vec![], Err(NoToken)).to("GET", path);
                    list.headers(path, vec![], Err(NoToken)).to("DELETE", path);
                }
                list.headers("heartbeat", vec![], Err(NoToken)).to("GET", "/v1/__lbheartbeat__").answer =
                    open;
                list.headers("not a preflight", vec![], Err(NoToken)).to("OPTIONS", record);
                list.headers("no preflight either", vec![header("Origin", "http://a")], Err(NoToken))
                    .to("OPTIONS", record);
                let preflight =
                    || vec![header("Origin", "http://a"), header("Access-Control-Request-Method", "GET")];
                list.headers("a preflight", preflight(), Err(NoToken)).to("OPTIONS", record).answer = open;
                list.headers("no method of a preflight", preflight(), Err(NoToken)).to("GET", record);
            }
            if invalid == "reject" {
                let preflight = vec![
                    header("Origin", "http://a"),
                    header("Access-Control-Request-Method", "GET"),
                    authorization("junk"),
                ];
                list.headers("a preflight", preflight, Err(NotThreeParts))
                    .to("OPTIONS", record)
                    .answer("anonymous");
            }
        });
    }
    add_policy(
        policies,
        "own open paths",
        settings_with(json!({"onMissing": "reject", "open": ["/v1/"]})),
        |list| {
            list.headers("open", vec![], Err(NoToken)).answer("anonymous");
            list.headers("closed", vec![], Err(NoToken)).to("GET", "/v1/__lbheartbeat__");
        },
    );
}
