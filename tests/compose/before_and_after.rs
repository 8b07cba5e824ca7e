//! From `kinto_jwt` in Kinto to the filter in Envoy and back, on one database.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::stack::Stack;

const BEFORE: &[&str] = &["tests/compose/before.yaml"];
const PAIRS: [(&str, &str); 2] = [("alice", "bob"), ("bob", "alice")];

/// Each owner makes one of each, and grants the friend some of it.
fn create(stack: &Stack) {
    for (owner, friend) in PAIRS {
        let friend = format!("kinto_jwt:{friend}");
        let group = format!("/buckets/{owner}s/groups/friends");
        for (path, body) in [
            ("", json!({"data": {"of": owner}})),
            ("/groups/friends", json!({"data": {"members": [friend]}})),
            ("/collections/own", json!({})),
            ("/collections/shared", json!({"permissions": {"read": [friend], "record:create": [friend]}})),
            ("/collections/by-group", json!({"permissions": {"write": [group]}})),
            ("/collections/own/records/r", json!({"data": {"title": "Bücher"}})),
            ("/collections/own/records/lent", json!({"permissions": {"write": [friend]}})),
            ("/collections/shared/records/r", json!({"data": {"n": 1}})),
            ("/collections/by-group/records/r", json!({"data": {"n": 2}})),
        ] {
            let path = format!("/v1/buckets/{owner}s{path}");
            assert_eq!(stack.call("PUT", &path, Some(owner), &body).status, 201, "{path}");
        }
        let path = "/v1/buckets/default/collections/tasks/records/r";
        let task = json!({"data": {"of": owner}});
        assert_eq!(stack.call("PUT", path, Some(owner), &task).status, 201, "{path}");
    }
}

/// The id of a user's default bucket, which is made of the user id.
fn default_bucket(stack: &Stack, user: &str) -> String {
    let root = stack.call("GET", "/v1/", Some(user), &json!(null)).json();
    root["user"]["bucket"].as_str().unwrap().to_owned()
}

/// Who may read what of an owner: status for the owner, for the friend, for any other.
fn reads(stack: &Stack, owner: &str) -> Vec<(String, [u16; 3])> {
    let mut reads = Vec::new();
    for (path, statuses) in [
        ("", [200, 403, 403]),
        ("/groups/friends", [200, 403, 403]),
        ("/collections/own", [200, 403, 403]),
        ("/collections/own/records/r", [200, 403, 403]),
        ("/collections/own/records/lent", [200, 200, 403]),
        ("/collections/shared", [200, 200, 403]),
        ("/collections/shared/records", [200, 200, 403]),
        ("/collections/shared/records/r", [200, 200, 403]),
        ("/collections/by-group/records", [200, 200, 403]),
    ] {
        reads.push((format!("/v1/buckets/{owner}s{path}"), statuses));
    }
    let tasks = format!("/v1/buckets/{}/collections/tasks/records", default_bucket(stack, owner));
    reads.push((tasks, [200, 403, 403]));
    reads
}

/// An answer with its lists in one order: principals have none.
fn sorted(mut answer: Value) -> Value {
    match &mut answer {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| *item = sorted(item.take()));
            items.sort_by_key(Value::to_string);
        }
        Value::Object(members) => members.values_mut().for_each(|member| *member = sorted(member.take())),
        _ => {}
    }
    answer
}

/// Everything that everybody sees, after a check that it is what they should.
fn everything(stack: &Stack) -> BTreeMap<(String, String), Value> {
    let mut seen = BTreeMap::new();
    for (owner, friend) in PAIRS {
        for (path, [owners, friends, others]) in reads(stack, owner) {
            let everybody =
                [(Some(owner), owners), (Some(friend), friends), (Some("carol"), others), (None, others)];
            for (user, status) in everybody {
                let answer = stack.call("GET", &path, user, &json!(null));
                let user = user.unwrap_or("nobody").to_owned();
                assert_eq!(answer.status, status, "{user}: {path}");
                seen.insert((user, path.clone()), answer.json());
            }
        }
        let own =
            stack.call("GET", "/v1/buckets/default/collections/tasks/records", Some(owner), &json!(null));
        seen.insert((owner.to_owned(), "default".to_owned()), own.json());
    }
    for user in [Some("alice"), Some("bob"), Some("carol"), None] {
        let root = stack.call("GET", "/v1/", user, &json!(null)).json();
        let buckets = stack.call("GET", "/v1/buckets", user, &json!(null)).json();
        assert_eq!(buckets["data"].as_array().unwrap().is_empty(), !matches!(user, Some("alice" | "bob")));
        seen.insert((user.unwrap_or("nobody").to_owned(), "user".to_owned()), root["user"].clone());
        seen.insert((user.unwrap_or("nobody").to_owned(), "buckets".to_owned()), buckets);
    }
    seen.into_iter().map(|(what, answer)| (what, sorted(answer))).collect()
}

/// Everybody writes what they may, under a name of this time, and is refused the rest.
fn work(stack: &Stack, time: &str) {
    for (owner, friend) in PAIRS {
        for (user, path, status) in [
            (Some(owner), format!("{owner}s/collections/own/records/{time}"), 201),
            (Some(owner), format!("default/collections/tasks/records/{time}"), 201),
            (Some(owner), format!("{owner}s-{time}"), 201),
            (Some(friend), format!("{owner}s/collections/shared/records/{time}"), 201),
            (Some(friend), format!("{owner}s/collections/by-group/records/{time}"), 201),
            (Some(friend), format!("{owner}s/collections/own/records/lent"), 200),
            (Some(friend), format!("{owner}s/collections/own/records/{time}"), 403),
            (Some(friend), format!("{owner}s/collections/shared/records/r"), 403),
            (Some("carol"), format!("{owner}s/collections/shared/records/{time}-c"), 403),
            (None, format!("{owner}s/collections/shared/records/{time}-n"), 403),
        ] {
            let body = json!({"data": {"written": time}});
            let answer = stack.call("PUT", &format!("/v1/buckets/{path}"), user, &body);
            assert_eq!(answer.status, status, "{user:?}: {path}");
        }
    }
}

/// Whether the answers come through Envoy.
fn by_envoy(stack: &Stack) -> bool {
    stack.call("GET", "/v1/", None, &json!(null)).head.contains("server: envoy")
}

#[test]
fn an_operator_can_switch_and_switch_back_and_nobody_loses_anything() {
    let mut stack = Stack::new("switch");
    stack.change_to(BEFORE);
    assert!(!by_envoy(&stack));
    create(&stack);
    work(&stack, "before");
    let before = everything(&stack);

    stack.change_to(&[]);
    assert!(by_envoy(&stack));
    let after = everything(&stack);
    for (what, seen) in &before {
        assert_eq!(&after[what], seen, "after the switch: {what:?}");
    }
    work(&stack, "after");
    let before = everything(&stack);
    assert_ne!(before, after);

    stack.change_to(BEFORE);
    assert!(!by_envoy(&stack));
    let after = everything(&stack);
    for (what, seen) in &before {
        assert_eq!(&after[what], seen, "after the roll-back: {what:?}");
    }
    work(&stack, "back");
    println!("{} views were the same after the switch and after the roll-back", after.len());
}
