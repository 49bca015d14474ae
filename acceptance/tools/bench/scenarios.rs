//! P1 to P9: what runs take, beside cosign's.

use std::time::Duration;

use super::contest::{Contest, Runs};
use super::documents;
use super::plot::Plot;
use super::programs::{Bench, Job, Memory, Program};
use super::results::{Row, Scenario};
use crate::support::images::Image;

const ROUND_TRIPS: [u64; 3] = [0, 20, 50];
const TAGS_AND_BUNDLES: [Program; 3] =
    [Program::Unsettled, Program::Cosign2, Program::Cosign3Bundle];
const EVERYONE: [Program; 5] = [
    Program::Unsettled,
    Program::Ours,
    Program::Cosign2,
    Program::Cosign3,
    Program::Cosign3Bundle,
];
const FOUR: [Program; 4] = [
    Program::Unsettled,
    Program::Ours,
    Program::Cosign2,
    Program::Cosign3Bundle,
];

/// The time of scrypt for one key.
const KEY_MEMORY: u64 = 64 << 20;
const MB: f64 = 1e6;

fn contest<'a>(bench: &'a Bench, runs: Runs, round_trips: &'a [u64]) -> Contest<'a> {
    Contest {
        bench,
        runs,
        memory: Memory::Ignored,
        round_trips,
    }
}

fn repositories(count: usize) -> Image {
    let names: Vec<String> = (0..count)
        .map(|number| format!("bench/{number}:v1"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Image::recorded("one-document").named(&names)
}

fn at(times: [f64; 3]) -> [(u64, f64); 3] {
    [(0, times[0]), (20, times[1]), (50, times[2])]
}

/// The medians of each program against the round-trip time.
fn against_round_trips(scenario: &Scenario, file: &str, title: &str, programs: &[Program]) -> Plot {
    programs.iter().fold(
        Plot::new(file, title, "round trip (ms)", "time (ms)"),
        |plot, program| {
            let point = |round_trip: u64| {
                Some((
                    round_trip as f64,
                    scenario.row("", *program, round_trip)?.median(),
                ))
            };
            plot.line(
                program.name(),
                ROUND_TRIPS.into_iter().filter_map(point).collect(),
            )
        },
    )
}

/// Why the default is slower.
const SETTLING: &str = "By default a run settles, however much it signs: six round trips more, three times the two from \
                        looking at a place to writing it, but no more than 180 ms or three round trips, and what it \
                        waits for processors (`spec/decisions/0007`).";

pub fn one_image_one_key(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("one image, one key");
    let job = Job::signatures(&repositories(1), 1);
    contest(bench, runs, &ROUND_TRIPS).hold(&mut scenario, "", &job, &EVERYONE);
    scenario.compare("", Program::Unsettled, &at([1.3, 2.0, 2.3]));
    scenario.compare("", Program::Ours, &at([1.2, 1.6, 1.8]));
    scenario.note(SETTLING);
    scenario.requests(Program::Unsettled, "", 10);
    scenario.requests(Program::Ours, "", 12);
    let plot = against_round_trips(&scenario, "p1.svg", "One image, one key", &EVERYONE);
    scenario.plots.push(plot);
    scenario
}

pub fn three_keys(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("one image, three keys");
    let job = Job::signatures(&repositories(1), 3);
    contest(bench, runs, &ROUND_TRIPS).hold(&mut scenario, "", &job, &EVERYONE);
    for ours in Program::OURS {
        scenario.compare("", ours, &at([2.0, 4.0, 5.0]));
    }
    scenario.note(SETTLING);
    scenario.requests(Program::Unsettled, "", 10);
    scenario.requests(Program::Ours, "", 12);
    let plot = against_round_trips(&scenario, "p2.svg", "One image, three keys", &EVERYONE);
    scenario.plots.push(plot);
    scenario
}

pub fn attestations(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("one image, three keys, three documents: 9 attestations");
    let image = Image::with_documents(&documents::three(100_000));
    let job = Job::documents(&image, 3, "attestation");
    assert_eq!(job.documents.len(), 3);
    contest(bench, runs, &ROUND_TRIPS).hold(&mut scenario, "", &job, &FOUR);
    for ours in Program::OURS {
        scenario.compare("", ours, &at([5.0, 12.0, 18.0]));
    }
    scenario.note(SETTLING);
    scenario.requests(Program::Unsettled, "", 35);
    scenario.requests(Program::Ours, "", 39);
    scenario.note("Ours reads the documents from the image; cosign is given them as files.");
    let plot = against_round_trips(
        &scenario,
        "p3.svg",
        "One image, three keys, three documents",
        &FOUR,
    );
    scenario.plots.push(plot);
    scenario
}

pub fn ten_repositories(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("ten repositories, three keys");
    let job = Job::signatures(&repositories(10), 3);
    let mut contest = contest(bench, runs, &ROUND_TRIPS);
    contest.memory = Memory::Watched;
    contest.hold(&mut scenario, "", &job, &FOUR);
    for ours in Program::OURS {
        scenario.compare("", ours, &at([10.0, 25.0, 35.0]));
    }
    scenario.note(SETTLING);
    scenario.note(
        "Ten places are written as soon as all of them were looked at, which is how the windows of this scenario come to \
         more than two round trips.",
    );
    scenario.requests(Program::Unsettled, "", 100);
    scenario.requests(Program::Ours, "", 120);
    let at_once = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(3) as u64;
    let most = 45_000_000 + at_once * KEY_MEMORY;
    let peak = peak(&scenario);
    scenario.goal(
        &format!("Memory, {at_once} keys unlocked at once"),
        &format!(
            "{:.1} MB (at most {:.1} MB)",
            peak as f64 / MB,
            most as f64 / MB
        ),
        peak <= most,
    );
    scenario
}

/// The most memory that ours took.
fn peak(scenario: &Scenario) -> u64 {
    let ours = |row: &&Row| Program::OURS.iter().any(|p| p.name() == row.program);
    let peaks = scenario.rows.iter().filter(ours).map(|row| row.peak);
    peaks.max().unwrap_or_default()
}

pub fn hundred_images(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("1, 10 and 100 repositories, one key");
    let round_trips = [0, 20];
    let mut contest = contest(bench, runs, &round_trips);
    contest.memory = Memory::Watched;
    let counts = [1, 10, 100];
    for count in counts {
        let job = Job::signatures(&repositories(count), 1);
        // A hundred times cosign takes minutes; bundles take longer still.
        let programs = if count == 100 {
            &TAGS_AND_BUNDLES[..2]
        } else {
            &TAGS_AND_BUNDLES
        };
        contest.hold(&mut scenario, &format!("{count} images"), &job, programs);
    }
    scenario.compare("100 images", Program::Unsettled, &[(0, 10.0), (20, 30.0)]);
    let ours = |count: usize| {
        let row = scenario.row(&format!("{count} images"), Program::Unsettled, 20);
        row.map_or((0.0, 0), |row| (row.median(), row.peak))
    };
    let [(_, _), (ten, ten_peak), (hundred, hundred_peak)] = counts.map(ours);
    let (growth, memory) = (hundred / ten, hundred_peak as f64 / ten_peak.max(1) as f64);
    scenario.goal(
        "Linear: time for 100 images by time for 10, at 20 ms",
        &format!("{growth:.1} (at most 10)"),
        growth <= 10.0,
    );
    scenario.goal(
        "Memory for 100 images by memory for 10",
        &format!("{memory:.2} (at most 1.1)"),
        memory <= 1.1,
    );
    scenario
}

pub fn many_keys(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("1 to 20 keys, one image");
    let counts = [1, 2, 5, 10, 20];
    let round_trips = [0, 20];
    // The measure is the number of requests: time is in P1 and P2.
    let runs = Runs {
        budget: runs.budget / 3,
        ..runs
    };
    for count in counts {
        let job = Job::signatures(&repositories(1), count);
        let task = format!("{count} keys");
        contest(bench, runs, &round_trips).hold(&mut scenario, &task, &job, &TAGS_AND_BUNDLES);
    }
    let ours = |count: usize, round_trip| {
        scenario.row(&format!("{count} keys"), Program::Unsettled, round_trip)
    };
    let requests: Vec<u64> = counts
        .iter()
        .filter_map(|count| Some(ours(*count, 0)?.requests))
        .collect();
    let is_constant = requests.windows(2).all(|pair| pair[0] == pair[1]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let took = |count, round_trip| ours(count, round_trip).map_or(0.0, Row::median);
    // Beyond the first: what is left of one key's run is the network's.
    let key = bench.unlocking();
    let more = took(20, 20) - took(1, 20);
    let most = (20.0 / cores - 1.0) * key;
    scenario.goal(
        "Requests for 1 to 20 keys",
        &format!("{requests:?} (constant)"),
        is_constant,
    );
    scenario.goal(
        "What 20 keys take more than one, at 20 ms",
        &format!(
            "{more:.0} ms; 20 keys / {cores} processors - 1, each {key:.0} ms: {most:.0} ms, and 10 % for a \
             processor that is not ours alone"
        ),
        more <= most * 1.1,
    );
    let mut plot = Plot::new("p6.svg", "Requests against keys", "keys", "requests");
    for program in TAGS_AND_BUNDLES {
        let point = |count: &usize| {
            let row = scenario.row(&format!("{count} keys"), program, 0)?;
            Some((*count as f64, row.requests as f64))
        };
        plot = plot.line(program.name(), counts.iter().filter_map(point).collect());
    }
    scenario.plots.push(plot);
    scenario
}

pub fn many_documents(bench: &Bench, runs: Runs, most: usize) -> Scenario {
    let mut scenario = Scenario::new("1 to 500 documents, one key");
    let counts: Vec<usize> = [1, 10, 50, 500]
        .into_iter()
        .filter(|n| *n <= most)
        .collect();
    let round_trips = [0];
    for &count in &counts {
        let image = Image::with_documents(&documents::many(count));
        let job = Job::documents(&image, 1, "attestation");
        // 500 times cosign, each time with all that was attested before.
        let programs = if count == 500 {
            &TAGS_AND_BUNDLES[..2]
        } else {
            &TAGS_AND_BUNDLES
        };
        contest(bench, runs, &round_trips).hold(
            &mut scenario,
            &format!("{count} documents"),
            &job,
            programs,
        );
        let most = 15 + 2 * count as u64;
        scenario.requests(Program::Unsettled, &format!("{count} documents"), most);
    }
    let row = |program| scenario.row("500 documents", program, 0);
    if let (Some(ours), Some(theirs)) = (row(Program::Unsettled), row(Program::Cosign2)) {
        let (fewer, faster) = (
            theirs.requests as f64 / ours.requests as f64,
            theirs.median() / ours.median(),
        );
        let measured = format!("{fewer:.0} times fewer (goal 100), {faster:.0} times as fast");
        scenario.goal(
            "Requests for 500 documents against cosign 2",
            &measured,
            fewer >= 100.0,
        );
    }
    scenario.note(
        "The least is 17 + 2N: 10 for a signature (two of them for a token), the image's config and SBOM layer, \
         the `.att` read before and after, its config in two requests and its manifest, and two for each envelope.",
    );
    let mut plot = Plot::new(
        "p7.svg",
        "Requests against documents",
        "documents",
        "requests",
    );
    for program in TAGS_AND_BUNDLES {
        let point = |count: &usize| {
            let row = scenario.row(&format!("{count} documents"), program, 0)?;
            Some((*count as f64, row.requests as f64))
        };
        plot = plot.line(
            program.name(),
            counts.iter().take(3).filter_map(point).collect(),
        );
    }
    scenario.plots.push(plot);
    scenario
}

pub fn big_documents(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("documents of 1 to 50 MB, one key");
    let sizes = [1, 10, 25, 50];
    let round_trips = [0];
    let mut contest = contest(bench, runs, &round_trips);
    contest.memory = Memory::Watched;
    for size in sizes {
        let image = Image::with_documents(&[documents::cyclonedx(size * 1_000_000)]);
        for (export, programs) in [
            ("attestation", &TAGS_AND_BUNDLES[..]),
            // cosign 3 attaches no documents any more.
            ("attachment", &TAGS_AND_BUNDLES[..2]),
        ] {
            let job = Job::documents(&image, 1, export);
            contest.hold(
                &mut scenario,
                &format!("{export}, {size} MB"),
                &job,
                programs,
            );
        }
    }
    for export in ["attestation", "attachment"] {
        let task = format!("{export}, 50 MB");
        scenario.compare(&task, Program::Unsettled, &[(0, 6.0)]);
    }
    scenario.note(
        "Ours reads the document from the image, checks it and the layer around it, and signs; cosign is given it as a \
         file. Attaching and signing at six times cosign's pace would end before the key is unlocked (scrypt: some \
         100 ms). Attesting 50 MB is, one after the other: to read and check the layer, beside unlocking, 115 ms; to \
         hash the statement and the envelope, 85 ms; to send the envelope of 67 MB to a registry that hashes it, 130 ms \
         on the two processors that programs, line and registry share.",
    );
    let peak = peak(&scenario);
    let most = 110.0;
    let measured = format!("{:.1} MB (at most {most} MB)", peak as f64 / MB);
    scenario.goal("Memory, 50 MB", &measured, peak as f64 / MB <= most);
    let mut plot = Plot::new(
        "p8.svg",
        "Memory against the SBOM's size",
        "SBOM (MB)",
        "memory (MB)",
    );
    for program in TAGS_AND_BUNDLES {
        let point = |size: &usize| {
            let row = scenario.row(&format!("attestation, {size} MB"), program, 0)?;
            Some((*size as f64, row.peak as f64 / MB))
        };
        plot = plot.line(program.name(), sizes.iter().filter_map(point).collect());
    }
    scenario.plots.push(plot);
    scenario
}

/// The second of two runs.
pub fn rerun(bench: &Bench, runs: Runs) -> Scenario {
    let mut scenario = Scenario::new("run again, nothing to do");
    let image = Image::with_documents(&documents::three(10_000));
    let job = Job::documents(&image, 1, "attestation");
    for program in Program::OURS {
        let mut samples = Vec::new();
        for _ in 0..runs.most {
            let job = job.of(bench.stage.fresh(&job.image, 1));
            bench.run(program, &job, Duration::ZERO, Memory::Ignored);
            samples.push(bench.run(program, &job, Duration::ZERO, Memory::Ignored));
        }
        let row = Row::new("", program, 0, &samples);
        let reads = row.requests - row.sessions - row.writes - row.looks;
        let measured = format!("{} (none)", row.writes);
        scenario.goal(
            &format!("`{}`, writes", row.program),
            &measured,
            row.writes == 0,
        );
        let measured = format!(
            "{reads} (at most 7), besides {} that look for blobs, and {} that open and cancel upload \
             sessions, which prove that writing would be allowed",
            row.looks, row.sessions
        );
        scenario.goal(
            &format!("`{}`, requests", row.program),
            &measured,
            reads <= 7,
        );
        scenario.rows.push(row);
    }
    scenario
}
