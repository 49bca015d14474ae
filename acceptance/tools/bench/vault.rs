//! P14: a key that signs elsewhere, in the transit engine of a real Vault, beside
//! cosign with the same key.

use std::process::Command;
use std::time::Duration;

use super::contest::Runs;
use super::documents;
use super::line::{Line, Traffic};
use super::programs::{Bench, Job, Memory, Program, Sample};
use super::results::{Row, Scenario};
use crate::support::images::Image;
use crate::support::services::vault::Vault;
use crate::support::signer::{Config, Signer};

const KEY: &str = "bench";
const URI: &str = "hashivault://bench";
const ROUND_TRIPS: [u64; 2] = [0, 20];
const PROGRAMS: [Program; 4] = [
    Program::Unsettled,
    Program::Ours,
    Program::Cosign2,
    Program::Cosign3Bundle,
];

/// A Vault behind a line that takes time.
struct Service {
    vault: Vault,
    line: Line,
}

impl Service {
    fn start() -> Self {
        let vault = Vault::start();
        vault.create_key(KEY, "ecdsa-p256");
        let address = vault.address();
        let target = address.trim_start_matches("http://").to_owned();
        Self {
            line: Line::to(move || target.clone()),
            vault,
        }
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        let address = format!("http://127.0.0.1:{}", self.line.port());
        [
            ("VAULT_ADDR", address),
            ("VAULT_TOKEN", self.vault.token().to_owned()),
        ]
    }

    fn ours(&self, bench: &Bench, program: Program, job: &Job) -> Signer {
        let config = Config::none()
            .set("key", URI)
            .set("export-sbom", job.export);
        let keyless = Job {
            keys: 0,
            ..job.clone()
        };
        let signer = bench.ours(program, &keyless, &bench.stage.host());
        self.variables()
            .iter()
            .fold(signer.config(config), |signer, (name, value)| {
                signer.environment(name, value)
            })
    }

    /// One run of each command; requests to the service are counted apart.
    fn run(
        &self,
        bench: &Bench,
        program: Program,
        job: &Job,
        round_trip: Duration,
    ) -> (Sample, Traffic) {
        let signer = self.ours(bench, program, job);
        let commands = match program.is_ours() {
            true => vec![signer.command()],
            false => self.cosign(bench, program, job),
        };
        bench.stage.reset(round_trip);
        self.line.reset(round_trip);
        let took = commands
            .into_iter()
            .map(|command| bench.watch(command, Memory::Ignored).0);
        let sample = Sample {
            took: took.sum(),
            peak: 0,
            traffic: bench.stage.traffic(),
        };
        (sample, self.line.traffic())
    }

    fn cosign(&self, bench: &Bench, program: Program, job: &Job) -> Vec<Command> {
        let mut commands = bench.cosign(program, job, &bench.stage.host(), &[URI.into()]);
        for command in &mut commands {
            command.envs(self.variables());
        }
        commands
    }
}

pub fn scenario(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("a key in Vault: one image, and nine documents");
    let service = Service::start();
    let signed = Job::signatures(&Image::recorded("one-document").named(&["bench/0:v1"]), 1);
    let attested = Job::documents(
        &Image::with_documents(&documents::many(9)),
        1,
        "attestation",
    );
    for (task, job) in [("1 image", &signed), ("1 image, 9 documents", &attested)] {
        for round_trip in ROUND_TRIPS {
            hold(
                &mut scenario,
                bench,
                runs,
                &service,
                (task, job, round_trip),
            );
        }
    }
    let task = "1 image, 9 documents";
    for ours in Program::OURS {
        scenario.compare(task, ours, &[(20, 8.0)]);
    }
    again(&mut scenario, bench, &service, &attested);
    scenario
}

type Task<'a> = (&'a str, &'a Job, u64);

fn hold(
    scenario: &mut Scenario,
    bench: &Bench,
    runs: Runs,
    service: &Service,
    (task, job, round_trip): Task<'_>,
) {
    let mut samples: Vec<Vec<(Sample, Traffic)>> = vec![Vec::new(); PROGRAMS.len()];
    for round in 0..runs.most {
        for turn in 0..PROGRAMS.len() {
            let number = (round + turn) % PROGRAMS.len();
            let spent: Duration = samples[number].iter().map(|(sample, _)| sample.took).sum();
            if spent < runs.budget {
                let job = job.of(bench.stage.fresh(&job.image, 1));
                let time = Duration::from_millis(round_trip);
                samples[number].push(service.run(bench, PROGRAMS[number], &job, time));
            }
        }
    }
    for (program, samples) in PROGRAMS.iter().zip(&samples) {
        let asked = samples.iter().map(|(_, traffic)| traffic.requests).max();
        let samples: Vec<Sample> = samples.iter().map(|(sample, _)| *sample).collect();
        let row = Row::new(task, *program, round_trip, &samples);
        if round_trip == 0 {
            let asked = asked.unwrap_or_default();
            scenario.note(format!("{task}: {} asks Vault {asked} times.", row.program));
            if program.is_ours() {
                let measured = format!("{asked} (2)");
                scenario.goal(&format!("{task}, requests to Vault"), &measured, asked == 2);
            }
        }
        eprintln!(
            "    {task:20} {:18} {round_trip:3} ms: {:8.1} ms",
            program.name(),
            row.median()
        );
        scenario.rows.push(row);
    }
}

/// The second of two runs writes nothing and asks for no signature.
fn again(scenario: &mut Scenario, bench: &Bench, service: &Service, job: &Job) {
    let job = job.of(bench.stage.fresh(&job.image, 1));
    service.run(bench, Program::Ours, &job, Duration::ZERO);
    let (sample, asked) = service.run(bench, Program::Ours, &job, Duration::ZERO);
    let measured = format!("{} (none)", sample.traffic.writes);
    scenario.goal("Run again, writes", &measured, sample.traffic.writes == 0);
    let measured = format!("{} (1, for the public key)", asked.requests);
    scenario.goal(
        "Run again, requests to Vault",
        &measured,
        asked.requests == 1,
    );
}
