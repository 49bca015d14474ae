//! P10 to P13: crowds, faults, a start without work, and a registry that wants
//! to be asked slowly.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::contest::Runs;
use super::machine::output;
use super::programs::{Bench, Job, Memory, Program};
use super::results::{Scenario, milliseconds};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Auth, Exchanges, Registry, Settings, When};
use crate::support::token_service::ROBOT;

const CROWD: usize = 8;
/// The wait that the answers of P11 ask for.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Runs without faults, of which P11 takes the median.
const CLEAN: usize = 7;
/// Requests in a second, in P13.
const PACE: f64 = 10.0;

/// How the rounds of a crowd went.
#[derive(Default)]
struct Tally {
    claimed: usize,
    kept: usize,
    failed: usize,
    took: Vec<f64>,
}

/// One round: everybody signs the same image at the same time.
fn meet(
    bench: &Bench,
    image: &Image,
    ours: usize,
    expected: &[String],
    round_trip: Duration,
) -> (Tally, Tally) {
    let host = bench.stage.host();
    bench
        .stage
        .remote(image)
        .remove(image.repository(), &image.attached("sig"));
    bench.stage.reset(round_trip);
    let start = Instant::now();
    let outcomes: Vec<bool> = thread::scope(|scope| {
        let run = |number: usize| {
            let host = &host;
            move || match number < ours {
                true => bench.ours_alone(image, host, number).run().code == Some(0),
                false => bench.cosign_alone(image, host, number),
            }
        };
        let runs: Vec<_> = (0..CROWD).map(|number| scope.spawn(run(number))).collect();
        runs.into_iter()
            .map(|run| run.join().expect("no panic"))
            .collect()
    });
    let took = start.elapsed().as_secs_f64() * 1e3;
    let place = attachment(
        &bench.stage.remote(image),
        image.repository(),
        &image.attached("sig"),
    );
    let there: Vec<String> = place.map_or_else(Vec::new, |place| {
        place
            .layers
            .iter()
            .map(|layer| layer.signature().to_owned())
            .collect()
    });
    let (mut of_ours, mut of_theirs) = (Tally::default(), Tally::default());
    for (number, succeeded) in outcomes.iter().enumerate() {
        let tally = if number < ours {
            &mut of_ours
        } else {
            &mut of_theirs
        };
        tally.claimed += usize::from(*succeeded);
        tally.failed += usize::from(!*succeeded);
    }
    let is_ours = |signature: &&String| expected.contains(*signature);
    of_ours.kept = there.iter().filter(is_ours).count();
    // cosign's own are random: what is not ours is theirs.
    of_theirs.kept = there.len() - of_ours.kept;
    of_ours.took.push(took);
    (of_ours, of_theirs)
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.claimed += other.claimed;
        self.kept += other.kept;
        self.failed += other.failed;
        self.took.extend(other.took);
    }

    fn words(&self, who: &str) -> String {
        let Self {
            claimed,
            kept,
            failed,
            ..
        } = self;
        format!(
            "{who}: {claimed} runs said that they had signed, {kept} signatures were there, {failed} runs failed"
        )
    }
}

/// P10. cosign's crowds show what happens, and need fewer rounds for it.
pub fn crowds(bench: &Bench, rounds: usize) -> Scenario {
    let mut scenario = Scenario::new("8 signers at the same time");
    let image = bench.stage.fresh(&Image::recorded("one-document"), 1);
    let host = bench.stage.host();
    bench.stage.reset(Duration::ZERO);
    bench
        .ours(Program::Ours, &Job::signatures(&image, CROWD), &host)
        .run()
        .succeeded();
    let place = attachment(
        &bench.stage.remote(&image),
        image.repository(),
        &image.attached("sig"),
    );
    let expected = place.expect("signatures").layers;
    let expected: Vec<String> = expected
        .iter()
        .map(|layer| layer.signature().to_owned())
        .collect();
    assert_eq!(expected.len(), CROWD);
    for round_trip in [0, 20] {
        for (who, ours, rounds) in [
            ("8 of ours", CROWD, rounds),
            ("4 of ours and 4 of cosign 2", CROWD / 2, rounds),
            ("8 of cosign 2", 0, rounds.div_ceil(10)),
        ] {
            let (mut of_ours, mut of_theirs) = (Tally::default(), Tally::default());
            for _ in 0..rounds {
                let delay = Duration::from_millis(round_trip);
                let (mine, theirs) = meet(bench, &image, ours, &expected[..ours], delay);
                of_ours.add(mine);
                of_theirs.add(theirs);
            }
            let mut took = of_ours.took.clone();
            took.sort_by(f64::total_cmp);
            let median = milliseconds(took[took.len() / 2]);
            let what = format!("{who}, {round_trip} ms, {rounds} rounds, {median} each");
            eprintln!(
                "    {what}: {} {}",
                of_ours.words("ours"),
                of_theirs.words("theirs")
            );
            if ours > 0 {
                let reached = of_ours.claimed == of_ours.kept && of_ours.failed == 0;
                scenario.goal(&what, &of_ours.words("ours"), reached);
            }
            if ours < CROWD {
                scenario.note(format!("{what}: {}.", of_theirs.words("cosign's")));
            }
        }
    }
    scenario
}

/// A registry of ours, with tokens, without a line.
fn registry(image: &Image) -> Registry {
    let registry = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    image.seed(&registry);
    registry
}

fn repositories(count: usize) -> Image {
    let names: Vec<String> = (0..count)
        .map(|number| format!("bench/{number}:v1"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Image::recorded("one-document").named(&names)
}

/// One run of ours at a registry of ours; whether it succeeded.
fn run(bench: &Bench, image: &Image, keys: usize, registry: &Registry) -> (bool, Duration) {
    let job = Job::signatures(image, keys);
    let signer = bench.ours(Program::Unsettled, &job, registry.host());
    let signer = signer
        .credential(registry.host(), ROBOT)
        .arguments(&["-timeout", "10m"]);
    let start = Instant::now();
    let status = bench.try_run(signer.command());
    (status, start.elapsed())
}

/// P11: ten repositories, three keys; a tenth of all requests is turned away.
pub fn faults(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario =
        Scenario::new("ten repositories, three keys, 5 % of all requests answered 503 and 5 % 429");
    let image = repositories(10);
    let mut clean: Vec<Duration> = (0..CLEAN)
        .map(|_| {
            let (success, took) = run(bench, &image, 3, &registry(&image));
            assert!(success, "a run without faults");
            took
        })
        .collect();
    clean.sort();
    let clean = clean[CLEAN / 2];
    let (mut succeeded, mut within, mut words) = (0, 0, Vec::new());
    for round in 0..runs.most {
        let registry = registry(&image);
        registry.inject(When::every("*", "/"), turning_away(round as u64));
        let (success, took) = run(bench, &image, 3, &registry);
        let waited = told_to_wait(&registry.exchanges());
        succeeded += usize::from(success);
        within += usize::from(took <= 2 * clean + waited);
        words.push(format!(
            "{} of which {} were asked for",
            milliseconds(took.as_secs_f64() * 1e3),
            milliseconds(waited.as_secs_f64() * 1e3)
        ));
    }
    scenario.goal(
        "Runs that succeeded",
        &format!("{succeeded} of {}", runs.most),
        succeeded == runs.most,
    );
    let measured = format!(
        "{within} of {}: {} (without faults {})",
        runs.most,
        words.join("; "),
        milliseconds(clean.as_secs_f64() * 1e3)
    );
    scenario.goal(
        "At most twice the time without faults, and the time for which `Retry-After` closed the registry",
        &measured,
        within == runs.most,
    );
    scenario.note(
        "What is over is the wait before a 503 is asked again, up to 0.2 s at random: ten repositories take the same \
         steps side by side, and the slowest of them counts at each.",
    );
    scenario
}

fn turning_away(seed: u64) -> Action {
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    Action::unless(move || match random.lock().expect("no panic").u8(..20) {
        0 => Some(Answer::new(503).body("text/plain", "injected")),
        1 => Some(Answer::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "1")),
        _ => None,
    })
}

/// The time during which at least one answer's `Retry-After` was running.
fn told_to_wait(exchanges: &Exchanges) -> Duration {
    let refusals = exchanges
        .iter()
        .filter(|exchange| exchange.status == Some(429));
    let mut starts: Vec<Instant> = refusals.filter_map(|exchange| exchange.ended).collect();
    starts.sort();
    let mut waited = Duration::ZERO;
    let mut until: Option<Instant> = None;
    for start in starts {
        let begin = until.map_or(start, |until| until.max(start));
        let end = start + RETRY_AFTER;
        waited += end.saturating_duration_since(begin);
        until = until.max(Some(end));
    }
    waited
}

/// P12
pub fn start(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("a start without work, and size");
    let mut took = Vec::new();
    for _ in 0..runs.most * 10 {
        let mut command = std::process::Command::new(&bench.signer);
        command.arg("-version");
        took.push(bench.watch(command, Memory::Ignored).0.as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    let measured = format!(
        "{median:.2} ms ({:.2} to {:.2} ms, {} runs; at most 3 ms)",
        took[0],
        took[took.len() - 1],
        took.len()
    );
    scenario.goal("`signer -version`", &measured, median <= 3.0);
    let size = std::fs::metadata(&bench.signer).expect("the program").len() as f64 / 1e6;
    scenario.goal(
        "Size",
        &format!("{size:.2} MB (aim 8 MB, at most 9 MB)"),
        size <= 9.0,
    );
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let tree = output(
        cargo,
        &[
            "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}",
        ],
    );
    let mut crates: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(" (").next())
        .collect();
    crates.sort_unstable();
    crates.dedup();
    scenario.note(format!(
        "Crates in the tree of what is shipped, its own included: {}.",
        crates.len()
    ));
    scenario
}

/// P13
pub fn paced(bench: &Bench, images: usize) -> Scenario {
    let mut scenario = Scenario::new("a registry that takes 10 requests a second");
    let image = repositories(images);
    let registry = registry(&image);
    registry.inject(When::every("*", "/"), at_most(PACE));
    let (success, took) = run(bench, &image, 1, &registry);
    let all = registry.exchanges();
    let refused = all.filter(|exchange| exchange.status == Some(429)).len();
    let needed = all.len() - refused;
    let ideal = needed as f64 / PACE;
    let took = took.as_secs_f64();
    scenario.note(format!(
        "{images} images, one key, `-settle 0`: {needed} requests answered, {refused} refused."
    ));
    scenario.goal(
        "The run succeeded",
        if success { "yes" } else { "no" },
        success,
    );
    let measured = format!(
        "{took:.1} s for {needed} requests, which take {ideal:.1} s at {PACE} in a second: {:+.1} %",
        (took / ideal - 1.0) * 100.0
    );
    scenario.goal("Within 15 % of the ideal", &measured, took <= ideal * 1.15);
    scenario
}

/// A bucket of tokens: as many as a second brings, then one by one.
fn at_most(pace: f64) -> Action {
    let bucket = Mutex::new((pace, Instant::now()));
    Action::unless(move || {
        let mut bucket = bucket.lock().expect("no panic");
        let now = Instant::now();
        let left = (bucket.0 + now.duration_since(bucket.1).as_secs_f64() * pace).min(pace);
        *bucket = (left, now);
        if left < 1.0 {
            return Some(Answer::error(429, "TOOMANYREQUESTS", "slow down"));
        }
        bucket.0 -= 1.0;
        None
    })
}
