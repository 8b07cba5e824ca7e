//! A client that others wrote, and that Kinto's users have.

use std::process::Command;

use crate::stack::{Stack, demo_token};
use kit::servers::{made, project};

#[test]
fn kinto_http_creates_lists_patches_batches_and_deletes() {
    let stack = Stack::new("client").up();
    let output = Command::new(made(".venv/bin/python"))
        .arg(project("tests/compose/client.py"))
        .arg(format!("http://127.0.0.1:{}/v1", stack.port))
        .args([demo_token("alice"), demo_token("bob")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().count(), 2, "{said}");
    print!("{said}");
}
