//! P15: signatures that a log and a timestamp authority witness, by keys and by a
//! certificate authority, beside cosign with the same signing config.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::contest::Runs;
use super::documents;
use super::programs::{Bench, Job, Memory, Program, Sample};
use super::results::{Row, Scenario};
use crate::support::images::Image;
use crate::support::signer::{Config, Signer};
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Witness, Witnesses};

const PROGRAMS: [Program; 3] = [Program::Unsettled, Program::Ours, Program::Cosign3Bundle];
const ALL: [Witness; 3] = [
    Witness::Authority,
    Witness::LogV2,
    Witness::TimestampAuthority,
];
const KEYS: &str = "3 keys, 12 signatures";
const KEYLESS: &str = "keyless, 4 signatures";
/// Rekor's, in milliseconds.
const CHECKPOINTS: f64 = 1000.0;

/// How far into the time between two checkpoints the next run starts, of that time.
/// The golden ratio spreads any number of runs evenly.
const STEP: f64 = 0.618_034;

/// Requests to the authority, the log and the timestamp authority.
type Asked = [usize; 3];

/// The signing program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Keys(usize),
    /// By a token that is fetched before each run.
    Token,
}

struct Task {
    name: &'static str,
    by: By,
}

/// An image like no other, and its three documents: a log takes no entry twice.
fn fresh(bench: &Bench) -> Job {
    static USED: AtomicUsize = AtomicUsize::new(0);
    let mut documents = documents::three(10_000);
    let spaces = USED.fetch_add(1, Ordering::Relaxed);
    documents[0].bytes.extend(vec![b' '; spaces]);
    let job = Job::documents(&Image::with_documents(&documents), 0, "attestation");
    job.of(bench.stage.fresh(&job.image, 1))
}

pub fn scenario(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("logged and timestamped, by keys and without");
    let witnesses = Witnesses::of(&ALL);
    let tasks = [(KEYS, By::Keys(3)), (KEYLESS, By::Token)].map(|(name, by)| Task { name, by });
    for task in &tasks {
        hold(&mut scenario, bench, runs, &witnesses, task);
        again(&mut scenario, bench, &witnesses, task);
    }
    for ours in Program::OURS {
        scenario.compare(KEYS, ours, &[(0, 5.0)]);
        scenario.compare(KEYLESS, ours, &[(0, 4.0)]);
        let median = scenario.row(KEYS, ours, 0).map_or(0.0, Row::median);
        let what = format!("`{}`, {KEYS}", ours.name());
        let measured = format!("{median:.0} ms (at most 2500 ms)");
        scenario.goal(&what, &measured, median <= 2.5 * CHECKPOINTS);
    }
    scenario.note(
        "A checkpoint of the log, Rekor v2, each second: an entry is answered with the next one. cosign waits \
         for one with each signature, ours for one with all of them.",
    );
    scenario
}

/// Waits for part of a checkpoint's time. Each run ends soon after a checkpoint, and
/// those of one program would start at the same time before the next one for ever.
fn drift() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed) as f64;
    let part = CHECKPOINTS * (run * STEP).fract();
    std::thread::sleep(Duration::from_secs_f64(part / 1000.0));
}

fn hold(scenario: &mut Scenario, bench: &Bench, runs: Runs, witnesses: &Witnesses, task: &Task) {
    let mut samples: Vec<Vec<(Sample, Asked)>> = vec![Vec::new(); PROGRAMS.len()];
    for round in 0..runs.most {
        for turn in 0..PROGRAMS.len() {
            let number = (round + turn) % PROGRAMS.len();
            let spent: Duration = samples[number].iter().map(|(sample, _)| sample.took).sum();
            if spent < runs.budget {
                let sample = run(bench, witnesses, PROGRAMS[number], task.by, &fresh(bench));
                samples[number].push(sample);
            }
        }
    }
    for (program, samples) in PROGRAMS.iter().zip(&samples) {
        let [authority, log, timestamps] = samples[0].1;
        let samples: Vec<Sample> = samples.iter().map(|(sample, _)| *sample).collect();
        let row = Row::new(task.name, *program, 0, &samples);
        eprintln!(
            "    {:22} {:18} {:8.1} ms of {} runs",
            task.name,
            row.program,
            row.median(),
            samples.len()
        );
        scenario.note(format!(
            "{}: {} asks the certificate authority {authority} times, the log {log} times, the timestamp \
             authority {timestamps} times.",
            task.name, row.program
        ));
        scenario.rows.push(row);
    }
}

/// The second of two runs asks nobody.
fn again(scenario: &mut Scenario, bench: &Bench, witnesses: &Witnesses, task: &Task) {
    let job = fresh(bench);
    run(bench, witnesses, Program::Ours, task.by, &job);
    let (sample, asked) = run(bench, witnesses, Program::Ours, task.by, &job);
    let writes = sample.traffic.writes;
    let what = format!("Run again, {}, writes", task.name);
    scenario.goal(&what, &format!("{writes} (none)"), writes == 0);
    let asked: usize = asked.iter().sum();
    let what = format!("Run again, {}, requests to witnesses", task.name);
    scenario.goal(&what, &format!("{asked} (none)"), asked == 0);
}

/// One run of each command.
fn run(
    bench: &Bench,
    witnesses: &Witnesses,
    program: Program,
    by: By,
    job: &Job,
) -> (Sample, Asked) {
    let token = Issuer::shared().token(Identity::Kubernetes);
    let signer = ours(bench, witnesses, (program, by), job, &token);
    let commands = match program.is_ours() {
        true => vec![signer.command()],
        false => cosign(bench, witnesses, (program, by), job, &token),
    };
    drift();
    bench.stage.reset(Duration::ZERO);
    for witness in ALL {
        witnesses.front(witness).forget();
    }
    let took = commands
        .into_iter()
        .map(|command| bench.watch(command, Memory::Ignored).0);
    let sample = Sample {
        took: took.sum(),
        peak: 0,
        traffic: bench.stage.traffic(),
    };
    (sample, ALL.map(|one| witnesses.front(one).recorded().len()))
}

fn ours(
    bench: &Bench,
    witnesses: &Witnesses,
    (program, by): (Program, By),
    job: &Job,
    token: &str,
) -> Signer {
    let witnessed = |config: Config| {
        config
            .set("format", "bundle")
            .set("export-sbom", job.export)
            .set("trusted-root", witnesses.trusted_root())
            .set("signing-config", witnesses.signing_config())
    };
    let signer = bench.ours(program, job, &bench.stage.host());
    match by {
        By::Keys(count) => (0..count).fold(signer, |signer, number| {
            signer.config(witnessed(bench.key(number)))
        }),
        By::Token => {
            let path = signer.folder().join("token");
            std::fs::write(&path, token).expect("a folder of our own");
            let path = path.display().to_string();
            signer.config(witnessed(Config::none().set("identity-token", &path)))
        }
    }
}

/// cosign signs by one key, and attests one document, at a time.
fn cosign(
    bench: &Bench,
    witnesses: &Witnesses,
    (program, by): (Program, By),
    job: &Job,
    token: &str,
) -> Vec<Command> {
    let host = bench.stage.host();
    let keys: Vec<PathBuf> = match by {
        By::Keys(count) => (0..count)
            .map(|number| bench.keys.private(number))
            .collect(),
        By::Token => vec![PathBuf::new()],
    };
    let mut commands = Vec::new();
    for key in &keys {
        let mut sign = |verb: &str, more: &[String]| {
            let mut command = bench.command(program);
            command.args([verb, "--yes", "--allow-insecure-registry"]);
            command.args(["--trusted-root", witnesses.trusted_root()]);
            command.args(["--signing-config", witnesses.signing_config()]);
            match by {
                By::Keys(_) => command.arg("--key").arg(key),
                By::Token => command.env("SIGSTORE_ID_TOKEN", token),
            };
            let (image, host) = (&job.image, &host);
            let reference = format!("{host}/{}@{}", image.repository(), image.digest());
            command.args(more).arg(reference);
            commands.push(command);
        };
        sign("sign", &[]);
        for (number, document) in job.documents.iter().enumerate() {
            let path = bench.predicate(number);
            std::fs::write(&path, &document.bytes).expect("a folder of our own");
            let kind = document.predicate_type().expect("a standard document");
            let more = ["--predicate", &path.display().to_string(), "--type", kind];
            sign("attest", &more.map(str::to_owned));
        }
    }
    commands
}
