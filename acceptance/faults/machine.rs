//! The machine that a run has: little memory, and a clock that is off.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::signatures;
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, When};
use crate::support::signer::Signer;
use crate::support::{files, package};

/// Case 67: what the process may set aside for itself, touched or not, which the
/// kernel sees to. That is harder than a control group of the same size, which
/// counts what is touched. Each processor brings a thread with a stack of its
/// own, so that there is one processor.
#[test]
fn case_67_a_key_is_unlocked_in_96_mebibytes() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    // N = 65536: 64 MiB while it is unlocked.
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    let limit = format!("--data={}", 96 << 20);
    let within = ["prlimit", &limit, "taskset", "--cpu-list", &processor()];
    signer.within(&within).run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
}

/// The first processor that this process may use.
fn processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = list.unwrap().trim().split([',', '-']).next();
    first.unwrap().to_owned()
}

/// Ten years.
const OFF: Duration = Duration::from_secs(3653 * 24 * 3600);

/// Case 70: ours and the registry's clock are ten years apart, whichever of them
/// is off. Times that it says count from its own clock, or not at all.
#[test]
fn case_70_a_clock_that_is_ten_years_off_changes_nothing() {
    let printed = |time: Timestamp| {
        let printer = DateTimePrinter::new();
        printer.timestamp_to_rfc9110_string(&time).unwrap()
    };
    for theirs in [Timestamp::now() + OFF, Timestamp::now() - OFF] {
        let registry = Registry::with(Settings {
            auth: Auth::bearer("pass"),
            ..Settings::default()
        });
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let busy = Answer::new(503).with("retry-after", printed(theirs + Duration::from_secs(2)));
        registry.inject(When::first("GET", "/manifests/v1"), Action::Answer(busy));
        let date = printed(theirs);
        registry.inject(
            When::every("*", ""),
            Action::change(move |answer| answer.set("date", date.clone())),
        );
        registry.inject(
            When::every("GET", "/token"),
            Action::change(move |answer| {
                let mut token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                token["issued_at"] = theirs.to_string().into();
                answer.body = token.to_string().into();
            }),
        );
        let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
        let run = signer.run().succeeded();
        let took = run.took;
        assert!(took >= Duration::from_secs(2), "{took:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
        assert_eq!(registry.exchanges().of("GET", "/token").len(), 1);
        assert_eq!(signatures(&registry, &image), 1);
    }
}

/// Case 70: nothing that is signed, stored or decided depends on the date, for
/// nothing asks for it but the waiting time of a registry without a clock, the log
/// for machines, and what services want to be told or say of an end: the time of a
/// question, of a token, of a key, of a certificate of minutes. Certificates, and those
/// who vouch, have their time: whether they count is decided by the time of the run.
/// (TLS asks inside its library.)
#[test]
fn case_70_nothing_asks_what_time_it_is() {
    let mut asking = Vec::new();
    let is_code = |file: &PathBuf| !file.ends_with("tests.rs") && !file.ends_with("fuzzing.rs");
    for file in files(&package("src"), "rs").into_iter().filter(is_code) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let clocks = ["SystemTime", "UNIX_EPOCH", "Timestamp::now", "Zoned::now"];
        if clocks.iter().any(|clock| code.contains(clock)) {
            let file = file.strip_prefix(package("src")).unwrap();
            let services = ["service", "keys/remote", "witness"];
            let is_service = services.iter().any(|folder| file.starts_with(folder));
            if !is_service {
                asking.push(file.display().to_string());
            }
        }
    }
    asking.sort();
    assert_eq!(asking, ["cli/line.rs", "cli/run.rs", "http/retry.rs"]);
}
