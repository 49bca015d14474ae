//! Many at once: signers of one image, repositories of one run, and failures
//! that strike anywhere.
//!
//! `SIGNER_ROUNDS` says how often a crowd meets (`make crowd`), `SIGNER_SETTLE`
//! which `-settle` it uses; with `0` losses are to be expected.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cosign::{Cosign, public_key};
use crate::support::images::{Document, Image};
use crate::support::objects::{Source, attachment};
use crate::support::real::RealRegistry;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Outcome, Signer};

/// Eight keys that are not each other's copies.
const KEYS: [&str; 8] = [
    "p256-n32768-cosign-header",
    "p256-cosign3-empty-password",
    "p384-imported-cosign3",
    "p521-imported-cosign3",
    "p256-cosign2",
    "p256-cosign3",
    "ed25519-imported-cosign3",
    "rsa2048-imported-cosign3",
];

/// One image that a crowd signs, and where.
struct Meeting<'a> {
    image: Image,
    host: &'a str,
    source: &'a dyn Source,
    /// Takes the signatures away.
    clear: &'a (dyn Fn() + Sync),
    /// The signature by each of [`KEYS`]: the same every time.
    signatures: Vec<String>,
}

/// How the rounds of a crowd went.
#[derive(Default)]
struct Tally {
    /// Runs that ended with 0, and how many of their signatures are there.
    claimed: usize,
    kept: usize,
    failures: Vec<String>,
    times: Vec<Duration>,
}

/// Two crowds at the same time would be another measurement.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl<'a> Meeting<'a> {
    fn new(
        image: Image,
        host: &'a str,
        source: &'a dyn Source,
        clear: &'a (dyn Fn() + Sync),
    ) -> Self {
        // One run's layers are in the order of its keys.
        let signer = KEYS.into_iter().fold(Signer::of(&image, host), Signer::key);
        signer.run().succeeded();
        let mut meeting = Self {
            image,
            host,
            source,
            clear,
            signatures: Vec::new(),
        };
        meeting.signatures = meeting.there();
        assert_eq!(meeting.signatures.len(), KEYS.len());
        let different: BTreeSet<_> = meeting.signatures.iter().collect();
        assert_eq!(different.len(), KEYS.len());
        meeting
    }

    /// The signatures that hang on the image.
    fn there(&self) -> Vec<String> {
        let tag = self.image.attached("sig");
        let place = attachment(self.source, self.image.repository(), &tag);
        let layers = place.map_or_else(Vec::new, |place| place.layers);
        layers.iter().map(|l| l.signature().to_owned()).collect()
    }

    fn sign(&self, key: &str) -> Outcome {
        let signer = Signer::of(&self.image, self.host).key(key);
        match std::env::var("SIGNER_SETTLE") {
            Ok(settle) => signer.arguments(&["-settle", &settle]).run(),
            Err(_unset) => signer.run(),
        }
    }

    /// Signs with the first `ours` keys, and beside them lets real cosign sign
    /// with the others.
    fn round(&self, ours: usize, tally: &mut Tally) {
        (self.clear)();
        let (ours, theirs) = KEYS.split_at(ours);
        let reference = self.image.reference(self.host);
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            for key in theirs {
                let reference = &reference;
                scope.spawn(move || Cosign::V2.sign(key, reference, &[]).accepted());
            }
            let runs: Vec<_> = ours
                .iter()
                .map(|key| scope.spawn(|| self.sign(key)))
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let there = self.there();
        assert!(there.len() <= KEYS.len(), "{there:?}");
        for (outcome, signature) in outcomes.iter().zip(&self.signatures) {
            tally.note(outcome, there.contains(signature));
        }
    }
}

impl Tally {
    fn note(&mut self, outcome: &Outcome, is_there: bool) {
        self.times.push(outcome.took);
        if outcome.code == Some(0) {
            self.claimed += 1;
            self.kept += usize::from(is_there);
        } else {
            self.failures.push(outcome.stdout.clone());
        }
    }

    /// Says how it went (`--nocapture`), and that nothing was lost.
    #[track_caller]
    fn close(mut self, what: &str, rounds: usize) {
        self.times.sort();
        let [median, longest] = [self.times.len() / 2, self.times.len() - 1].map(|n| self.times[n]);
        eprintln!(
            "{what}: {rounds} rounds, {} runs, {} ended with 0, {} of their signatures are there; \
             a run took {median:.2?} (median), {longest:.2?} (longest)",
            self.times.len(),
            self.claimed,
            self.kept,
        );
        assert_eq!(self.kept, self.claimed, "{what}: signatures were lost");
    }

    #[track_caller]
    fn without_failures(self) -> Self {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
        self
    }
}

fn rounds(unless_told: usize) -> usize {
    let told = std::env::var("SIGNER_ROUNDS").ok();
    told.map_or(unless_told, |rounds| rounds.parse().expect("a number"))
}

/// Eight of ours, in a registry that takes `delay` for each request.
fn eight_signers(what: &str, delay: Duration) {
    eight_signers_in(what, 5, |registry| {
        if !delay.is_zero() {
            registry.inject(When::every("*", "/"), Action::Delay(delay));
        }
    });
}

/// Eight of ours, in a registry that is `disturbed` once the keys are known.
fn eight_signers_in(what: &str, unless_told: usize, disturbed: impl FnOnce(&Registry)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let clear = || registry.remove(image.repository(), &image.attached("sig"));
    let meeting = Meeting::new(image.clone(), registry.host(), &registry, &clear);
    disturbed(&registry);
    let mut tally = Tally::default();
    let rounds = rounds(unless_told);
    (0..rounds).for_each(|_| meeting.round(KEYS.len(), &mut tally));
    assert_eq!(registry.open_uploads(), 0);
    tally.without_failures().close(what, rounds);
}

/// Every manifest is stored after a time that `of` makes from a number below a
/// thousand, as it happens.
fn storing_slowly(registry: &Registry, of: impl Fn(u64) -> u64 + Send + Sync + 'static) {
    let state = Mutex::new(11_u64);
    let next = move || {
        let mut state = state.lock().unwrap();
        // Knuth's MMIX generator; its high bits are good.
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % 1000
    };
    let wait = move || thread::sleep(Duration::from_millis(of(next())));
    registry.inject(When::every("PUT", ".sig"), Action::before(wait));
}

/// One signer after the other is stopped for 0.8 s: at a look at the place, but
/// no more than one in three seconds.
#[derive(Clone, Default)]
struct Stopped(Arc<Mutex<Vec<Instant>>>);

impl Stopped {
    fn action(&self, host: &str) -> Action {
        let (stopped, host) = (self.0.clone(), host.to_owned());
        Action::after(move || {
            let mut stopped = stopped.lock().unwrap();
            let is_due = |last: &Instant| last.elapsed() > Duration::from_secs(3);
            let Some(signer) = signers(&host).into_iter().next() else {
                return;
            };
            if stopped.last().is_none_or(is_due) && signal("-STOP", &signer) {
                stopped.push(Instant::now());
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(800));
                    signal("-CONT", &signer);
                });
            }
        })
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The processes whose report names `host`.
fn signers(host: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let is_one = |process: &String| {
        let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline"));
        let arguments = arguments.unwrap_or_default();
        let mut reports = arguments.split('\0').filter(|a| a.ends_with("report.toml"));
        let report = reports.next().map(std::fs::read_to_string);
        report.is_some_and(|report| report.is_ok_and(|report| report.contains(host)))
    };
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(is_one).collect()
}

fn signal(signal: &str, process: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([signal, process])
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn the_keys_of_a_crowd_are_different_keys() {
    let different: BTreeSet<_> = KEYS
        .iter()
        .map(|key| std::fs::read(public_key(key)).unwrap())
        .collect();
    assert_eq!(different.len(), KEYS.len());
}

/// SIG-34, SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_fast_registry_all_keep_their_signatures() {
    eight_signers("0 ms per request", Duration::ZERO);
}

/// SIG-34, SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_slower_registry_all_keep_their_signatures() {
    eight_signers("5 ms per request", Duration::from_millis(5));
}

/// SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_registry_that_stores_slowly_now_and_then_all_keep_their_signatures() {
    eight_signers_in("a tenth of the puts takes 500 ms", 2, |registry| {
        storing_slowly(registry, |number| if number < 100 { 500 } else { 0 });
    });
}

/// SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_registry_that_stores_slowly_more_often_all_keep_their_signatures() {
    eight_signers_in("a fifth of the puts takes 1 s", 2, |registry| {
        storing_slowly(registry, |number| if number < 200 { 1000 } else { 0 });
    });
}

/// SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_registry_that_stores_slowly_all_keep_their_signatures() {
    eight_signers_in("puts take 0 to 500 ms", 2, |registry| {
        storing_slowly(registry, |number| number / 2);
    });
}

/// SIG-38, WIRE-50
#[test]
fn eight_signers_of_whom_one_is_stopped_all_keep_their_signatures() {
    let stopped = Stopped::default();
    eight_signers_in("one is stopped for 0.8 s", 2, |registry| {
        let action = stopped.action(registry.host());
        registry.inject(When::every("HEAD", ".sig"), action);
    });
    assert!(stopped.count() > 0);
}

/// So many of ours, and real cosigns for the other keys, in CNCF distribution. Gives
/// how it went, and in how many rounds.
fn meet_in_distribution(ours: usize, unless_told: usize) -> (Tally, usize) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = RealRegistry::distribution();
    let image = Image::recorded("no-sbom-layer");
    image.push(registry.remote());
    let place = image.attached("sig");
    let clear = || registry.remote().remove(image.repository(), &place);
    let meeting = Meeting::new(image.clone(), registry.host(), registry.remote(), &clear);
    let mut tally = Tally::default();
    let rounds = rounds(unless_told);
    (0..rounds).for_each(|_| meeting.round(ours, &mut tally));
    (tally, rounds)
}

/// SIG-34, SIG-38, WIRE-50
#[test]
fn eight_signers_of_a_real_registry_all_keep_their_signatures() {
    let (tally, rounds) = meet_in_distribution(KEYS.len(), 3);
    tally.without_failures().close("distribution", rounds);
}

/// SIG-34, SIG-38, WIRE-50
///
/// cosign does not look back, so its own signatures may be lost: not ours.
#[test]
fn four_signers_keep_their_signatures_among_four_real_cosigns() {
    let (tally, rounds) = meet_in_distribution(4, 2);
    tally.close("four real cosigns", rounds);
}

/// A tenth of all requests is turned away, the same ones in every run.
fn turning_away() -> Action {
    let state = Mutex::new(7_u64);
    Action::unless(move || {
        let mut state = state.lock().unwrap();
        // Knuth's MMIX generator; its high bits are good.
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match (*state >> 33) % 20 {
            0 => Some(Answer::new(503).body("text/plain", "injected")),
            1 => Some(Answer::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "1")),
            _ => None,
        }
    })
}

/// SIG-45
#[test]
fn ten_repositories_are_signed_although_a_tenth_of_all_requests_is_turned_away() {
    let names: Vec<_> = (0..10).map(|n| format!("app/built-{n}:v1")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let image = Image::recorded("no-sbom-layer").named(&names);
    let registry = Registry::start();
    image.seed(&registry);
    registry.inject(When::every("*", "/"), turning_away());
    let keys = ["p256-n32768-cosign-header", "p256-cosign2", "p256-cosign3"];
    let signer = Signer::of(&image, registry.host());
    let signer = keys.into_iter().fold(signer, Signer::key_without_sbom);
    signer.run().succeeded();
    for status in [429, 503] {
        let turned_away = registry.exchanges().filter(|e| e.status == Some(status));
        assert!(turned_away.len() > 1, "{turned_away:?}");
    }
    for repository in image.repositories() {
        let place = attachment(&registry, repository, &image.attached("sig"));
        assert_eq!(place.unwrap().layers.len(), keys.len(), "{repository}");
    }
    assert_eq!(registry.open_uploads(), 0);
}

/// SIG-37
#[test]
fn a_run_killed_between_its_two_places_is_completed_by_the_next() {
    let document = Document::new("a/sbom.cdx.json", r#"{"bomFormat":"CycloneDX"}"#);
    let image = Image::with_documents(&[document]);
    for (written, missing) in [("sig", "att"), ("att", "sig")] {
        let registry = Registry::start();
        image.seed(&registry);
        let (written, missing) = (image.attached(written), image.attached(missing));
        // Both are put at the same time: this one is never handled.
        let never = Action::Delay(Duration::from_secs(600));
        registry.inject(When::every("PUT", &missing), never);
        let (answered, wait) = mpsc::channel();
        let hook = Action::after(move || answered.send(()).unwrap());
        registry.inject(When::first("PUT", &written), hook);
        let signer = Signer::of(&image, registry.host()).key(KEYS[0]);
        let mut run = signer.start();
        let answered = wait.recv_timeout(Duration::from_secs(60));
        run.kill().unwrap();
        run.wait().unwrap();
        answered.unwrap();
        assert_eq!(registry.tags(image.repository()), [&written, "v1"]);

        registry.heal();
        registry.forget_exchanges();
        signer.run().succeeded();
        let manifests = registry.exchanges().of("PUT", "/manifests/");
        assert_eq!(manifests.len(), 1, "{manifests:?}");
        assert_eq!(manifests.of("PUT", &missing).len(), 1, "{manifests:?}");
        for tag in [&written, &missing] {
            let place = attachment(&registry, image.repository(), tag);
            assert_eq!(place.unwrap().layers.len(), 1, "{tag}");
        }
    }
}
