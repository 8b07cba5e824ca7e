//! Every kind of request, while keys rotate, configurations change and the issuer goes away and comes back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::http::Response;

use crate::client::{self, Client, STAGES};
use crate::figures::{Figures, median};
use crate::keys::Keys;
use crate::mix::{Kind, MIX, Mix, Request, SLOW, Verdict};
use crate::process;
use crate::stack::{Listener, Stack, Stop, failures, mistakes};
use kit::random::Random;

const FAST: usize = 8;
const SLOW_CLIENTS: usize = 4;
const ABORTING: usize = 2;

/// Between two requests of a fast client: from nothing to twice this.
const PAUSE: Duration = Duration::from_millis(15);

const TURN: Duration = Duration::from_secs(10);
const CONFIGURE: Duration = Duration::from_secs(4);
const OUTAGE_EVERY: Duration = Duration::from_secs(25);
const OUTAGE: Duration = Duration::from_secs(2);

/// By how much the memory may grow from the second fifth of the run to the last: kibibytes, and a part of a hundred.
const GROWTH: (u64, u64) = (8 * 1024, 5);

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

struct Run<'s> {
    stack: &'s Stack,
    mix: Mix<'s>,
    seed: u64,
    stop: AtomicBool,
    wrong: Mutex<Vec<String>>,
    figures: Mutex<Figures>,
}

impl Run<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn random(&self, thread: usize) -> (Random, Figures) {
        (Random::of_case(self.seed, thread), Figures::default())
    }

    fn judge(&self, figures: &mut Figures, how: &str, request: &Request, answer: Option<&Response>) -> bool {
        let verdict = request.judge(answer);
        let kind = format!("{:?}{how}", request.kind);
        figures.count(kind, answer.map_or("no answer".to_owned(), |answer| answer.status.to_string()));
        // Nothing that happens here is a reason for a failure.
        let wrong = match &verdict {
            Verdict::Right => None,
            Verdict::Failed => Some(format!("{:?} failed: {:?}", request.kind, failures(&self.stack.envoy))),
            Verdict::Wrong(what) => Some(what.clone()),
        };
        if let Some(what) = wrong {
            self.wrong.lock().unwrap().push(format!("{how} {what}"));
            self.stop.store(true, Ordering::SeqCst);
        }
        matches!(verdict, Verdict::Right)
    }

    fn fast(&self, thread: usize) {
        let (mut random, mut figures) = self.random(thread);
        let mut clients = Listener::ALL.map(|listener| Client::new(self.stack.port(listener)));
        while self.goes_on() {
            let at = random.below(Listener::ALL.len());
            let request = self.mix.request(random.weighted(&MIX), Listener::ALL[at], &mut random);
            let start = Instant::now();
            // The answers to batches may have no length, and a forgery may be no HTTP.
            let keeps = !matches!(request.kind, Kind::Batch | Kind::Forgery);
            let answer = if keeps {
                clients[at].send(&request.bytes)
            } else {
                kit::http::exchange(self.stack.port(Listener::ALL[at]), &request.bytes)
            };
            let took = start.elapsed();
            if self.judge(&mut figures, "", &request, answer.as_ref())
                && matches!(request.kind, Kind::Good | Kind::Fresh)
            {
                figures.took(took);
            }
            sleep(PAUSE * u32::try_from(random.below(200)).unwrap() / 100);
        }
        self.figures.lock().unwrap().add(figures);
    }

    fn slow(&self, thread: usize) {
        let (mut random, mut figures) = self.random(thread);
        while self.goes_on() {
            let listener = random.pick(&Listener::ALL);
            let request = self.mix.request(random.weighted(&SLOW), listener, &mut random);
            let pause = Duration::from_millis(u64::try_from(20 + random.below(150)).unwrap());
            let answer = client::drip(self.stack.port(listener), &request.bytes, 8, pause);
            self.judge(&mut figures, ", slow", &request, answer.as_ref());
        }
        self.figures.lock().unwrap().add(figures);
    }

    fn aborting(&self, thread: usize) {
        let (mut random, mut figures) = self.random(thread);
        while self.goes_on() {
            let listener = random.pick(&Listener::ALL);
            let request = self.mix.request(random.weighted(&SLOW), listener, &mut random);
            let stage = random.pick(&STAGES);
            client::hang_up(self.stack.port(listener), &request.bytes, stage);
            figures.count(format!("hangs up, {stage:?}"), format!("{:?}", request.kind));
            sleep(PAUSE * 2);
        }
        self.figures.lock().unwrap().add(figures);
    }

    /// What happens around the requests. Returns the memory of Envoy second by second, and what was done.
    fn happenings(&self, keys: &Keys, length: Duration) -> (Vec<u64>, Happened) {
        let start = Instant::now();
        let (mut memory, mut happened) = (Vec::new(), Happened::default());
        let (mut turn, mut configure, mut outage) = (TURN, CONFIGURE, OUTAGE_EVERY / 2);
        let mut up = None;
        while self.goes_on() && start.elapsed() < length {
            let now = start.elapsed();
            if now >= turn {
                self.stack.issuer.answer("/jwks", keys.published(1));
                keys.turn();
                happened.turns += 1;
                turn += TURN;
            }
            if now >= configure {
                happened.configurations += 1;
                self.stack.configure(happened.configurations);
                configure += CONFIGURE;
            }
            if now >= outage {
                self.stack.issuer.down();
                happened.outages += 1;
                up = Some(now + OUTAGE);
                outage += OUTAGE_EVERY;
            }
            if up.take_if(|up| now >= *up).is_some() {
                self.stack.issuer.up();
            }
            if memory.len() <= usize::try_from(now.as_secs()).unwrap() {
                memory.push(process::memory(self.stack.envoy.pid()));
            }
            sleep(Duration::from_millis(50));
        }
        if up.is_some() {
            self.stack.issuer.up();
        }
        (memory, happened)
    }
}

#[derive(Debug, Default)]
struct Happened {
    turns: usize,
    configurations: usize,
    outages: usize,
}

#[test]
fn each_answer_is_for_the_user_of_the_token() {
    let seconds = variable("SOAK_SECONDS", 600);
    let seed = variable("SOAK_SEED", kit::tokens::now());
    println!("{seconds} s, SOAK_SEED={seed}");
    let keys = Keys::new();
    let stack = Stack::start(&keys);
    let run = Run {
        stack: &stack,
        mix: Mix::new(&keys),
        seed,
        stop: AtomicBool::new(false),
        wrong: Mutex::default(),
        figures: Mutex::default(),
    };
    let run = &run;
    let start = Instant::now();
    let (memory, happened) = std::thread::scope(|scope| {
        let _stop = Stop(&run.stop);
        for thread in 0..FAST {
            scope.spawn(move || run.fast(thread));
        }
        for thread in 0..SLOW_CLIENTS {
            scope.spawn(move || run.slow(FAST + thread));
        }
        for thread in 0..ABORTING {
            scope.spawn(move || run.aborting(FAST + SLOW_CLIENTS + thread));
        }
        run.happenings(&keys, Duration::from_secs(seconds))
    });
    let took = start.elapsed();
    let wrong = run.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "SOAK_SEED={seed}: {}", wrong.join("\n"));

    let figures = run.figures.lock().unwrap();
    println!("{} requests in {took:.0?}: {happened:?}", figures.total());
    figures.print();
    print_memory(&memory);
    check_failures(&stack);
    check_vms(&stack, &happened);
    check_memory(&memory);
    let new = |how: &str| figures.of(&format!("NewKey{how}"));
    assert!(new("") + new(", slow") > 0, "a token of a new key was sent");
    assert!(happened.turns > 0 && happened.configurations > 0 && happened.outages > 0, "{happened:?}");
    for (kind, _) in MIX {
        assert!(figures.of(&format!("{kind:?}")) > 0, "{kind:?} was sent");
    }
}

/// Nothing that happens here is a reason for an answer 5xx.
fn check_failures(stack: &Stack) {
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    for cause in failures(&stack.envoy) {
        *causes.entry(cause).or_default() += 1;
    }
    for (cause, count) in &causes {
        println!("  {count} times {cause}");
    }
    assert!(causes.is_empty(), "answers 5xx: {causes:?}");
}

fn check_vms(stack: &Stack, happened: &Happened) {
    let envoy = &stack.envoy;
    let log = envoy.log();
    for trace in ["panicked", "Uncaught", "unreachable", "wasm_trap", "host_failures"] {
        assert!(!log.contains(trace), "{trace} is in Envoy's log");
    }
    for counter in ["vm_reload_success", "vm_reload_failure", "vm_reload_backoff"] {
        assert_eq!(envoy.stat(&format!("wasm.kinto-jwt-filter.{counter}")), 0, "{counter}");
    }
    assert_eq!(envoy.stat("wasmcustom.kinto_jwt.host_failures"), 0);
    let expected = (happened.configurations, mistakes(happened.configurations));
    let start = Instant::now();
    while stack.configurations_since_start() != expected && start.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(100));
    }
    assert_eq!(
        stack.configurations_since_start(),
        expected,
        "configurations that Envoy has read, and refused"
    );
}

/// The median of the memory in each fifth of the run.
fn fifths(memory: &[u64]) -> Vec<u64> {
    let fifth = memory.len() / 5;
    (0..5).map(|number| median(&memory[number * fifth..(number + 1) * fifth])).collect()
}

fn print_memory(memory: &[u64]) {
    let most = memory.iter().max().unwrap();
    println!(
        "  memory of Envoy in KiB: medians of the fifths of the run {:?}, at most {most}",
        fifths(memory)
    );
}

/// Flat memory: the last fifth of the run against the second, in which all is warm.
fn check_memory(memory: &[u64]) {
    let fifths = fifths(memory);
    let (early, late) = (fifths[1], fifths[4]);
    let (kibibytes, hundredths) = GROWTH;
    assert!(late <= early + kibibytes + early * hundredths / 100, "memory grows: {memory:?}");
}
