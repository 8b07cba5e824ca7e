//! Many unknown keys at once, and a new configuration while requests come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use kit::issuer::{Answer, Issuer};
use kit::servers::{Envoy, free_port, wait_for};

use super::support::{A, ALICE, Client, Stop, TWO_WORKERS, config, kinto, remote, signed, wait_for_key};

#[test]
fn ten_thousand_unknown_keys_are_a_handful_of_fetches() {
    const COUNT: usize = 10_000;
    let (kinto, issuer) = (kinto(), Issuer::start());
    issuer.answer("/jwks", Answer::keys(&[A]).after(Duration::from_millis(200)));
    let mut settings = remote("/jwks", &json!({"cooldownSeconds": 2}));
    settings["onInvalid"] = json!("reject");
    let envoy =
        Envoy::start_with(&config(&kinto, &[issuer.cluster("issuer")], &[("kinto", settings)]), &TWO_WORKERS);
    wait_for_key(&envoy, "kinto", A);
    let before = issuer.count("/jwks");
    let signature = signed(A).rsplit('.').next().unwrap().to_owned();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let (mut good, mut slowest) = (0, Duration::ZERO);
    let refused: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(envoy.port("kinto"));
                    let mut refused = 0;
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= COUNT {
                            return refused;
                        }
                        // A thousand in a second, if the machine can.
                        let at = Duration::from_millis(number.try_into().unwrap());
                        sleep(at.saturating_sub(start.elapsed()));
                        let header =
                            kit::tokens::b64(format!("{{\"alg\":\"ES256\",\"kid\":\"{number:016x}\"}}"));
                        let answer = client.get(Some(&format!("{header}.e30.{signature}"))).unwrap();
                        assert_eq!(answer.status, 401, "{}", answer.head);
                        refused += 1;
                    }
                })
            })
            .collect();
        let mut client = Client::new(envoy.port("kinto"));
        while next.load(Ordering::SeqCst) < COUNT && start.elapsed() < Duration::from_secs(60) {
            let sent = Instant::now();
            assert_eq!(client.user(Some(&signed(A))), ALICE);
            slowest = slowest.max(sent.elapsed());
            good += 1;
            sleep(Duration::from_millis(20));
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let (took, fetches) = (start.elapsed(), issuer.count("/jwks") - before);
    println!(
        "{refused} unknown keys in {took:.1?}: {fetches} fetches; {good} good tokens, slowest {slowest:.0?}"
    );
    assert_eq!(refused, COUNT);
    let at_most = 1 + usize::try_from(took.as_secs()).unwrap() / 2;
    assert!((1..=at_most).contains(&fetches), "{fetches} fetches in {took:?}");
    assert!(good > 20 && slowest < Duration::from_secs(5), "{good} good tokens, slowest {slowest:?}");
}

#[test]
fn a_new_configuration_under_load_loses_no_request() {
    let (kinto, issuer) = (kinto(), Issuer::start());
    for path in ["/old", "/new"] {
        issuer.answer(path, Answer::keys(&[A]).header("Cache-Control", "max-age=1"));
    }
    let (dir, port) = (tempfile::TempDir::new().unwrap(), free_port());
    let file = dir.path().join("listeners.yaml");
    let complete = |path: &str, unauthorized: &str| {
        let mut settings = remote(path, &json!({}));
        settings["unauthorizedUserId"] = json!(unauthorized);
        config(&kinto, &[issuer.cluster("issuer")], &[("kinto", settings)])
    };
    let write = |path: &str, unauthorized: &str| {
        let mut listener = complete(path, unauthorized)["static_resources"]["listeners"][0].take();
        listener["address"]["socket_address"]["port_value"] = json!(port);
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        let next = dir.path().join("next.yaml");
        std::fs::write(&next, json!({"resources": [listener]}).to_string()).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    write("/old", "first");
    let mut config = complete("/old", "first");
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({"id": "test", "cluster": "test"});
    config["dynamic_resources"] =
        json!({"lds_config": {"resource_api_version": "V3", "path_config_source": {"path": file}}});
    let envoy = Envoy::start_with(&config, &["--concurrency", "2", "--drain-time-s", "2"]);
    let user = |token: Option<&str>| Client::new(port).user(token);
    wait_for("the first configuration", || (user(Some(&signed(A))) == ALICE).then_some(()));

    let done = AtomicBool::new(false);
    let (good, without) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::new(port);
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.user(Some(&signed(A))), ALICE);
                    good.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(10));
                }
            });
        }
        scope.spawn(|| {
            let mut client = Client::new(port);
            while !done.load(Ordering::SeqCst) {
                let user = client.user(None);
                let known = ["kinto_jwt:first", "kinto_jwt:second", "kinto_jwt:third"];
                assert!(known.contains(&user.as_str()), "{user}");
                without.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(10));
            }
        });
        sleep(Duration::from_millis(500));
        for (path, unauthorized) in [("/old", "second"), ("/new", "third")] {
            write(path, unauthorized);
            let expected = format!("kinto_jwt:{unauthorized}");
            wait_for(unauthorized, || (user(None) == expected).then_some(()));
            // The old connections are drained in the meantime.
            sleep(Duration::from_millis(2500));
        }
    });
    let (good, without) = (good.into_inner(), without.into_inner());
    println!("{good} requests with a token and {without} without, none lost");
    assert!(good > 50 && without > 25, "{good} {without}");
    assert_eq!(envoy.stat("http.kinto.downstream_rq_5xx"), 0);
    assert_eq!(user(None), "kinto_jwt:third");

    // What the old configuration left behind asks no more.
    wait_for("the end of the old configuration", || {
        let (old, new) = (issuer.count("/old"), issuer.count("/new"));
        issuer.wait_for("/new", new + 3);
        (issuer.count("/old") == old).then_some(())
    });
}
