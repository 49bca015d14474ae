//! Measures the signer beside real cosign: `bench <path of signer>`, which
//! `make bench` runs. Writes tables, JSON and plots to `docs/bench`.
//!
//! `BENCH_ONLY=P1,P9` measures these scenarios again and leaves the others as
//! they are; `BENCH_RUNS` (7) is how often each program does a task,
//! `BENCH_SECONDS` (10) after how long at a task it is not run again,
//! `BENCH_ROUNDS` (100) how often a crowd meets, `BENCH_DOCUMENTS` (500) the most
//! documents of one image (500 times cosign takes minutes), `BENCH_OUTPUT` the
//! folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark ends by panicking"
)]

#[allow(dead_code, unused_imports, reason = "the tests use all of it")]
#[path = "../../support/mod.rs"]
mod support;

mod contest;
mod documents;
mod line;
mod loads;
mod machine;
mod plot;
mod programs;
mod results;
mod scenarios;
mod stage;
mod toll;
mod vault;
mod witnesses;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use contest::Runs;
use programs::Bench;
use results::{Results, Scenario};

const HEAD: &str = "\
<!-- Written by `make bench`. -->

# Benchmark

`make bench` writes this page, the plots, and `results.json` with every single time. It runs the release binary beside
cosign 2.6.4 and 3.1.2, at CNCF distribution 3.1.2 with token authentication, on one machine.

- All programs get the same image and keys that cosign generated (P-256, scrypt with N = 65536), and use no
  transparency log but in P15. Each run has a repository of its own, which nobody has written to before.
- cosign 2 and \"cosign 3, tags\" write `.sig` and `.att` tags, as the signer does. \"cosign 3, bundles\" is the default of
  cosign 3. One cosign signs with one key, or attests one document: its runs for a task are added up. \"The better cosign\"
  is the one with the least median.
- Between programs and registry, and before the token service, stands a line that delays every byte by half a round trip
  in either direction and a new connection by one. It counts requests (those for tokens included), bytes and connections.
- Runs alternate, and who began a round ends the next one. Medians of 7 runs; a program that has spent 10 s at a task
  and round-trip time is not run again, so that long tasks have fewer runs, at least one. Requests, bytes and memory are
  the most of all runs.
- Time is from the start of a process to its end, on the wall. *Besides unlocking* is the median less what it takes to derive
  the keys (scrypt) on as many processors as there are: no program is faster at that than its library.
";

fn number(name: &str, unless_told: usize) -> usize {
    let told = std::env::var(name).ok().filter(|told| !told.is_empty());
    told.map_or(unless_told, |told| told.parse().expect("a number"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [signer] = &arguments[..] else {
        eprintln!("usage: bench <path of signer>");
        return ExitCode::from(2);
    };
    let signer = PathBuf::from(signer);
    let signer = signer.canonicalize().expect("the path of signer");
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let only: Vec<&str> = only
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let output = std::env::var("BENCH_OUTPUT")
        .ok()
        .filter(|path| !path.is_empty());
    let output = output.map_or_else(|| support::package("docs/bench"), PathBuf::from);
    let runs = Runs {
        most: number("BENCH_RUNS", 7),
        budget: Duration::from_secs(number("BENCH_SECONDS", 10) as u64),
    };
    let rounds = number("BENCH_ROUNDS", 100);

    let bench = Bench::new(signer);
    let mut results = Results::read(&output);
    type Measure<'a> = &'a dyn Fn(&Bench) -> Scenario;
    let all: [(&str, &str, Measure); 16] = [
        ("P0", "P00", &|bench| toll::line(bench)),
        ("P1", "P01", &|bench| {
            scenarios::one_image_one_key(bench, runs)
        }),
        ("P2", "P02", &|bench| scenarios::three_keys(bench, runs)),
        ("P3", "P03", &|bench| scenarios::attestations(bench, runs)),
        ("P4", "P04", &|bench| {
            scenarios::ten_repositories(bench, runs)
        }),
        ("P5", "P05", &|bench| scenarios::hundred_images(bench, runs)),
        ("P6", "P06", &|bench| scenarios::many_keys(bench, runs)),
        ("P7", "P07", &|bench| {
            scenarios::many_documents(bench, runs, number("BENCH_DOCUMENTS", 500))
        }),
        ("P8", "P08", &|bench| scenarios::big_documents(bench, runs)),
        ("P9", "P09", &|bench| scenarios::rerun(bench, runs)),
        ("P10", "P10", &|bench| loads::crowds(bench, rounds)),
        ("P11", "P11", &|bench| loads::faults(bench, runs)),
        ("P12", "P12", &|bench| loads::start(bench, runs)),
        ("P13", "P13", &|bench| {
            loads::paced(bench, number("BENCH_IMAGES", 100))
        }),
        ("P14", "P14", &|bench| vault::scenario(bench, runs)),
        ("P15", "P15", &|bench| witnesses::scenario(bench, runs)),
    ];
    for name in &only {
        assert!(
            all.iter().any(|(known, ..)| known == name),
            "there is no scenario {name}"
        );
    }
    let start = Instant::now();
    for (name, key, measure) in all {
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        println!("[{:4} s] {name}", start.elapsed().as_secs());
        let scenario = measure(&bench);
        for note in &scenario.notes {
            println!("    {note}");
        }
        results.scenarios.insert(key.to_owned(), scenario);
        // Each one is kept, whatever becomes of the next.
        results.write(&output, HEAD);
    }
    println!(
        "[{:4} s] wrote {}",
        start.elapsed().as_secs(),
        output.display()
    );
    ExitCode::SUCCESS
}
