//! Writes that take their time, or are made when nobody expects them any more,
//! while another of ours comes and goes: whoever was told 0 is there.

use std::process::Command;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{seeded, signatures};
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Outcome, Signer};

const ANOTHER: &str = "p256-cosign2";

/// Signs with another key, from the first request to the exit.
fn another(
    registry: &Registry,
    image: &Image,
) -> impl Fn() + Clone + Send + Sync + 'static + use<> {
    let (host, image) = (registry.host().to_owned(), image.clone());
    move || {
        Signer::of(&image, &host).key(ANOTHER).run().succeeded();
    }
}

/// Lets somebody sign beside the run that goes on, and says when it is done.
fn beside(another: impl Fn() + Clone + Send + Sync + 'static) -> (Action, mpsc::Receiver<()>) {
    let (ended, done) = mpsc::channel();
    let hook = Action::after(move || {
        let (another, ended) = (another.clone(), ended.clone());
        thread::spawn(move || {
            another();
            ended.send(()).unwrap();
        });
    });
    (hook, done)
}

#[track_caller]
fn both_are_there(registry: &Registry, image: &Image, outcome: Outcome) {
    outcome.succeeded();
    assert_eq!(signatures(registry, image), 2, "{:?}", registry.exchanges());
}

/// B10a. WIRE-52, SIG-38
#[test]
fn whoever_comes_and_goes_while_our_manifest_is_stored_is_hung_there_again() {
    let (registry, image, signer) = seeded();
    let another = another(&registry, &image);
    registry.inject(When::first("PUT", ".sig"), Action::before(another));
    both_are_there(&registry, &image, signer.run());
}

/// B10a: the same at a list of referrers.
#[test]
fn whoever_comes_and_goes_while_our_index_is_stored_is_listed_again() {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let bundles = |key: &str| {
        let config = crate::support::signer::Config::key(key).set("format", "bundle");
        Signer::of(&image, registry.host()).config(config)
    };
    let (another, ours) = (bundles(ANOTHER), bundles("p256-n32768-cosign-header"));
    let tag = image.attached("").trim_end_matches('.').to_owned();
    let hook = Action::before(move || {
        another.run().succeeded();
    });
    registry.inject(When::first("PUT", format!("/manifests/{tag}")), hook);
    ours.run().succeeded();
    let index = registry.manifest(image.repository(), &tag).unwrap().json();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
}

/// B10b: a gateway gives up, its registry does not.
#[test]
fn whoever_comes_and_goes_before_a_write_is_made_late_is_hung_there_again() {
    let gateway = Some(Answer::new(504).body("text/plain", "gateway timeout"));
    thread::scope(|scope| {
        let runs = [gateway, None].map(|answer| {
            scope.spawn(move || {
                let (registry, image, signer) = seeded();
                let late = Action::Late(Duration::from_secs(3), answer);
                registry.inject(When::first("PUT", ".sig"), late);
                let (hook, done) = beside(another(&registry, &image));
                registry.inject(When::first("PUT", ".sig").after(1), hook);
                let outcome = signer.run();
                done.recv_timeout(Duration::from_secs(60)).unwrap();
                assert!(outcome.took < Duration::from_secs(60), "{:?}", outcome.took);
                both_are_there(&registry, &image, outcome);
            })
        });
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

/// B10c: others have had the time to come and go since our last look.
#[test]
fn a_blob_that_is_stored_slowly_after_our_last_look_is_no_reason_to_erase_anybody() {
    let (registry, image, signer) = seeded();
    let (another, seen) = (another(&registry, &image), registry.clone());
    let hook = Action::before(move || {
        let started = Instant::now();
        while seen.exchanges().of("HEAD", ".sig").is_empty() {
            assert!(started.elapsed() < Duration::from_secs(20), "no look");
            thread::sleep(Duration::from_millis(5));
        }
        another();
    });
    registry.inject(When::first("PUT", "/blobs/uploads/"), hook);
    both_are_there(&registry, &image, signer.run());
}

/// B10d
#[test]
fn a_process_that_is_stopped_after_its_last_look_erases_nobody() {
    let (registry, image, signer) = seeded();
    let another = another(&registry, &image);
    let process = Arc::new(OnceLock::new());
    let stopped = process.clone();
    let hook = Action::after(move || {
        let signal = |signal: &str| {
            let process: &u32 = stopped.wait();
            let mut kill = Command::new("kill");
            let status = kill.args([signal, &process.to_string()]).status();
            assert!(status.unwrap().success());
        };
        signal("-STOP");
        another();
        signal("-CONT");
    });
    registry.inject(When::first("HEAD", ".sig"), hook);
    let run = signer.start();
    process.set(run.id()).unwrap();
    let run = run.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(0), "{log}");
    assert_eq!(
        signatures(&registry, &image),
        2,
        "{:?}",
        registry.exchanges()
    );
}

/// B10f: while a registry wants to be left alone, nobody can watch it.
#[test]
fn whoever_comes_and_goes_while_a_write_is_to_wait_is_not_erased() {
    let (registry, image, signer) = seeded();
    let another = another(&registry, &image);
    let later = Answer::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "5");
    registry.inject(When::first("PUT", ".sig"), Action::Answer(later));
    let (hook, done) = beside(another);
    registry.inject(When::first("PUT", ".sig"), hook);
    let outcome = signer.run();
    done.recv_timeout(Duration::from_secs(60)).unwrap();
    both_are_there(&registry, &image, outcome);
}

/// B10e: a registry that behaves is not asked for more.
#[test]
fn nobody_is_looked_for_while_a_write_takes_no_longer_than_others_wait() {
    let (registry, image, signer) = seeded();
    registry.inject(
        When::every("*", "/v2/"),
        Action::Delay(Duration::from_millis(50)),
    );
    signer.run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
    let looks = registry.exchanges().of("HEAD", ".sig");
    assert_eq!(looks.len(), 1, "{looks:?}");
}

/// One registry, told by two names in one report.
fn two_names() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let port = registry.host().rsplit(':').next().unwrap();
    let report = image.report(registry.host());
    let (first, rest) = report.split_once("tags = [").unwrap();
    let tag = rest.split(['"']).nth(1).unwrap();
    let other = tag.replace(registry.host(), &format!("localhost:{port}"));
    let report = format!("{first}tags = [\"{other}\", {rest}");
    let signer = Signer::with_report(&report).key("p256-n32768-cosign-header");
    (registry, image, signer)
}

/// B9, WIRE-54: a signature names its repository, so that these are two.
#[test]
fn one_registry_with_two_names_is_written_once_for_each_name() {
    thread::scope(|scope| {
        let runs = ["30ms", "0", "1s"].map(|settle| {
            scope.spawn(move || {
                let (registry, image, signer) = two_names();
                let slow = Action::Delay(Duration::from_secs(1));
                registry.inject(When::first("PUT", ".sig").after(1), slow);
                let outcome = signer.arguments(&["-settle", settle]).run();
                both_are_there(&registry, &image, outcome);
            })
        });
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

/// B9
#[test]
fn one_registry_with_two_names_keeps_both_signatures_whichever_write_is_slow() {
    thread::scope(|scope| {
        let runs = [0, 1].map(|skip| {
            scope.spawn(move || {
                let (registry, image, signer) = two_names();
                let slow = Action::Delay(Duration::from_millis(800));
                registry.inject(When::first("PUT", ".sig").after(skip), slow);
                both_are_there(&registry, &image, signer.run());
                // Another run finds both.
                registry.heal();
                registry.forget_exchanges();
                signer.run().succeeded();
                registry.stored_nothing();
            })
        });
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}
