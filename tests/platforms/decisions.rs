//! The decision table and the forgeries, through an Envoy that is configured as the platform would from the manifests.
//! The settings in the manifest, but `ticket`, are replaced by those of the table; all around them stays. The secret of the
//! tickets is where the manifests take it from: in the Secret that the commands on the pages make.

use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};

use kit::carrier::{Carrier, SECRET};
use kit::forgeries::{forgeries, json_type};
use kit::http::{self, authorization};
use kit::servers::{Envoy, Kinto};
use kit::table::{Policy, policies, settings_with};
use kit::tokens::{jws, now, rs256};

use crate::ecds::Agent;
use crate::environment::{environment, secrets};
use crate::istio;
use crate::istio::listener::Profile;
use crate::kustomization::build_with;
use crate::shape::{Shape, config};

/// No update.
const NEVER: &str = "3600s";

const FORGERIES: &str = "forgeries";

/// One Kinto for the tests that run at the same time: as `envoy/kinto.ini` has it, which believes tickets alone, but with
/// Kinto's redirects on, so that more forgeries reach it.
fn kinto() -> Arc<Kinto> {
    static SHARED: Mutex<Weak<Kinto>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let kinto = Arc::new(believing(Carrier::Ticket));
        *shared = Arc::downgrade(&kinto);
        kinto
    })
}

fn believing(carrier: Carrier) -> Kinto {
    let mut application = carrier.observed();
    if carrier == Carrier::Ticket {
        // As long as the file says, and not as long as other tests say.
        let settings = application["settings"].as_object_mut().unwrap();
        settings.remove("multiauth.policy.kinto_jwt.timeout").unwrap();
    }
    Kinto::start(&json!({"kinto": application}), None)
}

/// A way to run the filter that the manifests offer.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    folder: &'static str,
    page: &'static str,
    wasm_plugin: bool,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    IstioGateway(Profile),
    IstioSidecar,
    EnvoyGateway,
    /// Without the policy for buffers.
    EnvoyGatewayDefaults,
}

impl Way {
    const fn new(folder: &'static str, page: &'static str, kind: Kind) -> Self {
        Self { folder, page, wasm_plugin: false, kind }
    }

    /// The manifests, with these settings of the filter, if any.
    fn manifests(self, settings: Option<&Value>) -> Vec<Value> {
        let edit = |text: String| {
            if self.wasm_plugin {
                text.replace("- traffic-extension.yaml", "- wasm-plugin.yaml")
            } else {
                text
            }
        };
        let mut manifests = build_with(self.folder, edit).unwrap();
        if matches!(self.kind, Kind::EnvoyGatewayDefaults) {
            manifests.retain(|manifest| {
                !manifest["kind"].as_str().is_some_and(|kind| kind.ends_with("TrafficPolicy"))
            });
        }
        for manifest in &mut manifests {
            let place = match manifest["kind"].as_str() {
                Some("TrafficExtension") if !self.wasm_plugin => "/spec/wasm/pluginConfig",
                Some("WasmPlugin") if self.wasm_plugin => "/spec/pluginConfig",
                Some("EnvoyExtensionPolicy") => "/spec/wasm/0/config",
                _ => continue,
            };
            let own = manifest.pointer_mut(place).unwrap();
            if let Some(settings) = settings {
                let ticket = own["ticket"].take();
                *own = settings.clone();
                own["ticket"] = ticket;
            }
        }
        manifests
    }

    /// The shape of its plugin, whose name has this number: an Envoy has many of them here.
    fn shape(self, number: usize, settings: Option<&Value>) -> Shape {
        let mut manifests = self.manifests(settings);
        for manifest in &mut manifests {
            if manifest["metadata"]["name"] == "kinto-jwt-filter" {
                manifest["metadata"]["name"] = json!(format!("kinto-jwt-filter-{number}"));
            }
        }
        let shape = match self.kind {
            Kind::IstioGateway(profile) => istio::listener::gateway(&manifests, profile),
            Kind::IstioSidecar => istio::listener::sidecar(&manifests),
            Kind::EnvoyGateway | Kind::EnvoyGatewayDefaults => crate::envoy_gateway::gateway(&manifests),
        };
        let mut shape = shape.unwrap();
        // tests/platforms/issuer.rs is about the issuer.
        shape.clusters.retain(|cluster| cluster["name"] != "issuer");
        shape
    }

    /// An Envoy with a listener for each of these settings.
    fn start(self, settings: &[(&str, Option<&Value>)], kinto: u16) -> Envoy {
        let shapes = settings.iter().enumerate();
        let shapes =
            shapes.map(|(number, (name, settings))| (*name, self.shape(number, *settings))).collect();
        self.start_with(shapes, kinto)
    }

    fn start_with(self, shapes: Vec<(&str, Shape)>, kinto: u16) -> Envoy {
        let variables = environment(&shapes[0].1.variables, &secrets(self.page, SECRET)).unwrap();
        Envoy::start_in(&variables, &config(shapes, kinto, &Agent::start(), NEVER))
    }
}

const ISTIO: &str = "envoy/istio/README.md";
const ISTIO_GATEWAY: Way = Way::new("envoy/istio/gateway", ISTIO, Kind::IstioGateway(Profile::None));
const ISTIO_EDGE: Way = Way::new("envoy/istio/gateway", ISTIO, Kind::IstioGateway(Profile::Edge));
const ISTIO_SIDECAR: Way = Way::new("envoy/istio/sidecar", ISTIO, Kind::IstioSidecar);
const ENVOY_GATEWAY: Way = Way::new("envoy/gateway", "envoy/gateway/README.md", Kind::EnvoyGateway);
const ENVOY_GATEWAY_32_KIB: Way = Way { kind: Kind::EnvoyGatewayDefaults, ..ENVOY_GATEWAY };

fn the_promise_holds(way: Way) {
    let kinto = kinto();
    let policies = policies(now());
    let mut settings: Vec<_> = policies.iter().map(|policy| (policy.name, Some(&policy.settings))).collect();
    let of_forgeries = settings_with(json!({}));
    settings.push((FORGERIES, Some(&of_forgeries)));
    let envoy = way.start(&settings, kinto.port("kinto"));
    table_holds(&envoy, &policies);
    forgeries_fail(&envoy);
}

fn table_holds(envoy: &Envoy, policies: &[Policy]) {
    let (mut count, mut wrong) = (0, Vec::new());
    for policy in policies {
        for case in &policy.cases {
            let request = http::bytes(case.method, case.path.as_bytes(), &case.headers, b"");
            let answer = http::exchange(envoy.port(policy.name), &request).expect("an answer").user();
            let expected = Carrier::Ticket.answer(policy, case);
            if answer != expected {
                wrong.push(format!("{}: {}: {answer}, not {expected}", policy.name, case.name));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 400, "{count}");
}

fn forgeries_fail(envoy: &Envoy) {
    let alice = rs256(&json!({"sub": "alice", "exp": now() + 600}));
    let mut served = 0;
    for (user, who) in [("kinto_jwt:public", vec![]), ("kinto_jwt:alice", vec![authorization(&alice)])] {
        for request in forgeries(&who) {
            let Some(answer) = http::exchange(envoy.port(FORGERIES), &request) else { continue };
            let body = String::from_utf8_lossy(&answer.body);
            assert!(!body.contains("kinto_jwt:admin"), "{}", request.escape_ascii());
            served += usize::from(body.contains(user));
        }
        let spoofed = [who, vec![http::header("userId", "admin")]].concat();
        assert_eq!(http::get(envoy.port(FORGERIES), "/v1/", &spoofed).user(), user);
    }
    assert!(served > 50, "only {served} were served as their sender's");
}

macro_rules! ways {
    ($($name:ident: $way:expr;)*) => {$(
        #[test]
        fn $name() {
            the_promise_holds($way);
        }
    )*};
}

ways! {
    istio_gateway: ISTIO_GATEWAY;
    istio_gateway_with_edge_profile: ISTIO_EDGE;
    istio_gateway_before_1_30: Way { wasm_plugin: true, ..ISTIO_GATEWAY };
    istio_sidecar: ISTIO_SIDECAR;
    istio_sidecar_before_1_30: Way { wasm_plugin: true, ..ISTIO_SIDECAR };
    envoy_gateway_with_its_own_buffers: ENVOY_GATEWAY_32_KIB;
    envoy_gateway: ENVOY_GATEWAY;
}

/// The key that the manifests have is that of the demo, so that a first try works.
#[test]
fn the_settings_in_the_manifests_are_the_demos() {
    let claims = json!({"sub": "alice", "exp": now() + 600}).to_string();
    let token = jws("RS256", "demo", r#"{"alg":"RS256"}"#, claims);
    let kinto = kinto();
    for way in [ISTIO_GATEWAY, ISTIO_SIDECAR, ENVOY_GATEWAY] {
        let envoy = way.start(&[("own", None)], kinto.port("kinto"));
        let user = |headers: &[_]| http::get(envoy.port("own"), "/v1/", headers).user();
        assert_eq!(user(&[]), "kinto_jwt:public");
        assert_eq!(user(&[authorization(&token)]), "kinto_jwt:alice");
        assert_eq!(user(&[http::header("userId", "admin")]), "kinto_jwt:public");
    }
}

/// A plugin that is not attached, as one without `mode: SERVER` at a sidecar or with it at a gateway: the forgeries of the
/// tests above succeed where Kinto believes the identity header, and at a Kinto that believes tickets nobody is a user.
#[test]
fn without_the_filter_only_a_kinto_that_believes_the_header_is_deceived() {
    let kintos = [Carrier::Header, Carrier::Ticket].map(believing);
    let alice = authorization(&rs256(&json!({"sub": "alice", "exp": now() + 600})));
    for (way, mode) in [(ISTIO_SIDECAR, "CLIENT"), (ISTIO_GATEWAY, "SERVER")] {
        let mut manifests = way.manifests(None);
        let plugin = manifests.iter_mut().find(|manifest| manifest["kind"] == "TrafficExtension").unwrap();
        plugin["spec"]["match"] = json!([{"mode": mode}]);
        let [of_header, of_ticket] = kintos.each_ref().map(|kinto| {
            let shape = match way.kind {
                Kind::IstioSidecar => istio::listener::sidecar(&manifests),
                _ => istio::listener::gateway(&manifests, Profile::None),
            };
            way.start_with(vec![(FORGERIES, shape.unwrap())], kinto.port("kinto"))
        });
        let count = |envoy: &Envoy, user: &str| {
            let answers = forgeries(std::slice::from_ref(&alice)).into_iter().filter_map(|request| {
                let answer = http::exchange(envoy.port(FORGERIES), &request)?;
                Some(String::from_utf8_lossy(&answer.body).into_owned())
            });
            answers.filter(|body| body.contains(user)).count()
        };
        let forged = count(&of_header, "kinto_jwt:admin");
        assert!(forged > 100, "{forged}");
        assert_eq!(count(&of_ticket, "kinto_jwt:"), 0);
    }
}

/// docs/kubernetes.md has this table.
#[test]
fn batches_pass_up_to_the_buffer_of_the_platform() {
    let kinto = kinto();
    let ways = [
        (ISTIO_GATEWAY, [200, 200, 200]),
        (ISTIO_SIDECAR, [200, 200, 200]),
        (ISTIO_EDGE, [200, 413, 413]),
        (ENVOY_GATEWAY_32_KIB, [200, 413, 413]),
        (ENVOY_GATEWAY, [200, 200, 200]),
    ];
    for (way, expected) in ways {
        let envoy = way.start(&[("own", None)], kinto.port("kinto"));
        let status = |kilobytes: usize| {
            let request = json!({"path": "/v1/", "body": {"data": "x".repeat(kilobytes * 1000 / 25)}});
            let batch = json!({"requests": vec![request; 25]}).to_string();
            http::post(envoy.port("own"), "/v1/batch", &[json_type()], batch.as_bytes()).status
        };
        assert_eq!([10, 60, 900].map(status), expected, "{}", way.folder);
    }
}
