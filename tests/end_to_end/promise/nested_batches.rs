//! A batch inside a batch.

use serde_json::json;

use kit::forgeries::{json_type, redirected, without_safeguards};
use kit::http;
use kit::servers::{Envoy, Kinto, as_struct, config_of};
use kit::table::settings_with;

/// F1. Kinto follows redirects inside a batch, to where the client's query says.
#[test]
fn a_batch_inside_a_batch_is_refused_whatever_leads_to_it() {
    let kinto = Kinto::observed();
    let reject = json!({"onMissing": "reject", "onInvalid": "reject"});
    let plugins =
        [("defaults", as_struct(&settings_with(json!({})))), ("reject", as_struct(&settings_with(reject)))];
    let mut config = config_of(kinto.port("kinto"), &plugins);
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        without_safeguards(listener);
    }
    let envoy = Envoy::start(&config);
    let mut dangerous = 0;
    let batches = redirected();
    for batch in &batches {
        let request = http::bytes("POST", b"/v1/batch", &[json_type()], batch.as_bytes());
        let bare = http::exchange(kinto.port("kinto"), &request).expect("an answer");
        dangerous += usize::from(String::from_utf8_lossy(&bare.body).contains("kinto_jwt:admin"));
        for (name, _) in &plugins {
            let answer = http::exchange(envoy.port(name), &request).expect("an answer");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("kinto_jwt:admin"), "{name}: {batch}");
            assert_eq!((answer.status, answer.json()["errno"].clone()), (400, json!(107)), "{name}: {batch}");
            assert!(!answer.head.to_ascii_lowercase().contains("x-seen-users"), "{name}: Kinto saw {batch}");
        }
    }
    assert!(dangerous * 10 > batches.len() * 9, "{dangerous} of {} forge without the filter", batches.len());
}
