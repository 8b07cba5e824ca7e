//! The issuer of the tests itself: what they rely on.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use kit::http;
use kit::issuer::{Answer, Issuer};

#[test]
fn the_issuer_answers_as_it_is_told() {
    let issuer = Issuer::start();
    let get = |path: &str| http::exchange(issuer.port, &http::bytes("GET", path.as_bytes(), &[], b""));
    assert_eq!(get("/jwks").unwrap().status, 404);
    issuer.answer("/jwks", Answer::keys(&[("a", "p256"), ("b", "rsa")]).header("Cache-Control", "max-age=5"));
    let answer = get("/jwks").unwrap();
    assert_eq!((answer.status, answer.json()["keys"][1]["e"].as_str()), (200, Some("AQAB")));
    assert!(answer.head.contains("Cache-Control: max-age=5"), "{}", answer.head);

    issuer.answer("/slow", Answer::new(500, "").after(Duration::from_millis(100)));
    let before = Instant::now();
    assert_eq!(get("/slow").unwrap().status, 500);
    assert!(before.elapsed() >= Duration::from_millis(100));

    issuer.answer("/held", Answer::new(200, "at last").held());
    std::thread::scope(|scope| {
        let held = scope.spawn(|| get("/held").unwrap().body);
        issuer.wait_for("/held", 1);
        assert!(!held.is_finished());
        issuer.release();
        assert_eq!(held.join().unwrap(), b"at last");
        let closed = scope.spawn(|| get("/held").is_none());
        issuer.wait_for("/held", 2);
        issuer.down();
        assert!(closed.join().unwrap());
    });
    assert!(TcpStream::connect(("127.0.0.1", issuer.port)).is_err());
    issuer.up();
    assert_eq!(get("/jwks").unwrap().status, 200);
    assert_eq!(issuer.count("/jwks"), 3);
}
