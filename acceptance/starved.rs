//! A machine that gives little: few threads, few descriptors, pipes that nobody
//! feeds, a log that nobody reads. No run hangs, none calls it a bug of its own.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Action, Registry, When};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

/// Nobody else's processes count against it.
const USER: u32 = 54_321;

fn seeded() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    (registry, image, signer)
}

fn is_no_bug(run: &Outcome) {
    for words in ["panicked", "internal error", "check the name, the network"] {
        assert!(!run.stdout.contains(words), "{}", run.stdout);
    }
}

/// SIG-59. The limit counts the threads of a user; that of a control group counts those
/// of a container, and the kernel refuses in the same way.
#[test]
fn a_run_does_with_the_threads_that_it_is_granted() {
    if !is_here(Need::Root) {
        return;
    }
    for threads in 1..=6 {
        let registry = Registry::start();
        let image = Image::recorded("one-document");
        image.seed(&registry);
        // By a name, which a thread looks up.
        let host = registry.host().replace("127.0.0.1", "localhost");
        let signer = Signer::of(&image, &host).key("p256-n32768-cosign-header");
        let signer = signer.key("ed25519-imported-cosign3");
        fs::set_permissions(signer.folder(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = (USER + threads).to_string();
        let limit = format!("--nproc={threads}");
        let within = [
            "setpriv",
            "--reuid",
            &user,
            "--clear-groups",
            "prlimit",
            &limit,
        ];
        let run = signer.within(&within).run();
        is_no_bug(&run);
        let run = run.succeeded();
        assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
        // The program, its watch, and a worker with two beside it are five.
        if threads <= 4 {
            run.says(&["no more threads", "ulimit -u", "pids.max"]);
        }
        assert!(
            registry
                .tags(image.repository())
                .contains(&image.attached("att"))
        );
    }
}

/// SIG-59
#[test]
fn a_run_that_may_open_too_few_files_names_that_limit() {
    for descriptors in 4..=14 {
        let (_, _, signer) = seeded();
        let limit = format!("--nofile={descriptors}");
        let run = signer.within(&["prlimit", &limit]).run();
        is_no_bug(&run);
        match run.code {
            Some(0) => assert!(descriptors >= 10),
            _ => {
                assert!(descriptors < 12, "{descriptors}: {}", run.stdout);
                run.says(&["open files"]);
            }
        }
    }
}

/// A pipe that takes no byte more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

fn start_into(signer: &Signer, stdout: PipeWriter) -> Child {
    let mut command = signer.command();
    command.stdout(stdout);
    command.spawn().unwrap()
}

fn exit_code(child: &mut Child, within: Duration) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > within {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("still running after {within:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(signal: &str, child: &Child) {
    let mut kill = Command::new("kill");
    assert!(
        kill.args([signal, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// SIG-46, SIG-57, SIG-58
#[test]
fn a_log_that_nobody_reads_keeps_no_run_from_ending() {
    // By itself,
    let (_, _, signer) = seeded();
    let signer = signer.arguments(&["-log-level", "debug"]);
    let (_reader, writer) = full_pipe();
    let mut child = start_into(&signer, writer);
    assert_eq!(exit_code(&mut child, Duration::from_secs(30)), Some(0));
    // when its time is over,
    let (registry, _, signer) = seeded();
    registry.inject(
        When::every("GET", ""),
        Action::Delay(Duration::from_secs(90)),
    );
    let signer = signer.arguments(&["-timeout", "2s", "-log-level", "debug"]);
    let (_reader, writer) = full_pipe();
    let start = Instant::now();
    let mut child = start_into(&signer, writer);
    assert_eq!(exit_code(&mut child, Duration::from_secs(10)), Some(111));
    assert!(start.elapsed() >= Duration::from_secs(2));
    // and on a signal.
    let (registry, _, signer) = seeded();
    registry.inject(
        When::every("GET", ""),
        Action::Delay(Duration::from_secs(90)),
    );
    let (_reader, writer) = full_pipe();
    let mut child = start_into(&signer, writer);
    while registry.exchanges().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    send("-TERM", &child);
    assert_eq!(exit_code(&mut child, Duration::from_secs(3)), Some(1));
}

/// SIG-58
#[test]
fn a_log_that_is_read_late_is_complete_and_in_order() {
    let (_, _, signer) = seeded();
    let signer = signer.arguments(&["-log-level", "debug", "-no-color", "-settle", "0"]);
    let (mut reader, writer) = full_pipe();
    let mut child = start_into(&signer, writer);
    std::thread::sleep(Duration::from_secs(2));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(exit_code(&mut child, Duration::from_secs(30)), Some(0));
    let places = [
        "Starting signer",
        "Verified write access",
        "Unlocked key",
        "Wrote ",
        "Signed ",
        "Done in ",
    ];
    let found: Vec<_> = places.iter().map(|words| text.find(words)).collect();
    assert!(found.iter().all(Option::is_some), "{found:?}\n{text}");
    assert!(found.is_sorted(), "{found:?}\n{text}");
    assert!(!text.contains("the log lacks"), "{text}");
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// SIG-11, SIG-14
#[test]
fn a_pipe_that_nobody_feeds_is_waited_for_until_the_time_of_the_run_is_over() {
    for (flag, code) in [
        ("-report", 3),
        ("-cosign-config", 3),
        ("key", 115),
        ("password", 115),
    ] {
        let (registry, image, signer) = seeded();
        let pipe = signer.folder().join("pipe");
        mkfifo(&pipe);
        let pipe = pipe.to_str().unwrap().to_owned();
        let signer = match flag.starts_with('-') {
            true => signer.arguments(&[flag, &pipe]),
            false => {
                let config = Config::key("p256-n32768-cosign-header").set(flag, &pipe);
                Signer::of(&image, registry.host()).config(config)
            }
        };
        let run = signer.arguments(&["-timeout", "1s"]).run().ended_with(code);
        let run = run.says(&[&pipe, "did not end in time"]);
        assert!(run.took >= Duration::from_secs(1), "{:?}", run.took);
        assert!(run.took < Duration::from_secs(4), "{:?}", run.took);
        registry.was_not_asked();
    }
}

/// SIG-18, SIG-57
#[test]
fn a_signal_ends_a_run_that_waits_for_a_file() {
    for signal in ["-TERM", "-INT"] {
        let (_, _, signer) = seeded();
        let pipe = signer.folder().join("pipe");
        mkfifo(&pipe);
        let signer = signer.arguments(&["-report", pipe.to_str().unwrap()]);
        let mut child = signer.start();
        std::thread::sleep(Duration::from_millis(500));
        send(signal, &child);
        assert_eq!(exit_code(&mut child, Duration::from_secs(2)), Some(1));
    }
}

#[test]
fn files_may_come_from_process_substitutions_and_from_stdin() {
    let (registry, image, _) = seeded();
    let config = Config::key("p256-n32768-cosign-header").set("key", "/dev/stdin");
    let signer = Signer::of(&image, registry.host()).config(config);
    let script = format!(
        "exec \"$@\" -report <(sleep 0.3; cat {}) -cosign-config <(cat {}) < {}",
        signer.report_path().display(),
        signer.settings_path().display(),
        testdata("keys/p256-n32768-cosign-header.key").display()
    );
    signer
        .within(&["bash", "-c", &script, "bash"])
        .run()
        .succeeded();
    assert!(
        registry
            .tags(image.repository())
            .contains(&image.attached("sig"))
    );
}
