use std::process::{Command, Stdio};

use super::*;
use crate::http::roots::LazyRoots;
use crate::http::{Client, Proxies, Settings};
use crate::secret::Secrets;
use crate::store::registry::credentials::{Credentials, Sources};
use crate::store::registry::{Access, MAX_MANIFEST};

/// A watch ends the process: each situation runs in a process of its own, which
/// is this test again with the name of the situation in the environment.
const SITUATION: &str = "SIGNER_TEST_WATCH";
/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(60);

fn registries(until: Instant) -> Arc<Registries> {
    let client = Client::new(Settings {
        roots: LazyRoots::new(None, None),
        proxies: Proxies::default(),
        secrets: Secrets::default(),
        user_agent: String::new(),
        retry_budget: Duration::ZERO,
        time: FOR_EVER,
        until,
    });
    let access = Access {
        credentials: Credentials::parse(Sources::default()).unwrap(),
        insecure: Vec::new(),
        writable: Default::default(),
        manifest_limit: MAX_MANIFEST,
    };
    Arc::new(Registries::new(Arc::new(client), access))
}

#[test]
#[ignore = "the tests below run it in a process of its own"]
fn child() {
    let situation = std::env::var(SITUATION).expect("a situation");
    let watch = Watch::start(None);
    if situation == "finishing" {
        watch.finish();
        thread::sleep(FOR_EVER);
    }
    let time = match situation.as_str() {
        "time" => Duration::from_millis(500),
        _ => FOR_EVER,
    };
    watch.run(&registries(watch.grant(time)));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let computing = async { thread::sleep(FOR_EVER) };
        tokio::join!(watch.stopped(), computing)
    });
}

/// Gives the exit code, and how long it took to end after `signal`.
fn ended(situation: &str, signal: Option<&str>) -> (Option<i32>, Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "cli::watch::tests::child"])
        .env(SITUATION, situation)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut began = Instant::now();
    if let Some(signal) = signal {
        thread::sleep(Duration::from_millis(1000));
        began = Instant::now();
        let id = child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), began.elapsed());
        }
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{situation}: still running");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// SIG-57
#[test]
fn a_run_that_computes_is_ended_by_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let (code, took) = ended("signal", Some(signal));
        assert_eq!(code, Some(1));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// SIG-46, SIG-57
#[test]
fn a_run_that_computes_is_ended_when_its_time_is_over() {
    let (code, took) = ended("time", None);
    assert_eq!(code, Some(111));
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A disk that does not take the last files: they may be there by half.
/// SIG-18, SIG-57
#[test]
fn files_that_are_not_written_in_time_are_no_success() {
    let (code, took) = ended("finishing", Some("-TERM"));
    assert_eq!(code, Some(1));
    assert!(took >= ENDING && took < 2 * ENDING, "{took:?}");
}
