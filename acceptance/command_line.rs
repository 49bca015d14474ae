//! Flags, environment and output, as every phase of the lifecycle has them.

use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::signer::Signer;

/// An image in a registry of its own, and a run that signs it.
fn signed_by_one_key() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    (registry, image, signer)
}

/// SIG-2
#[test]
fn the_version_stands_alone_on_one_line() {
    let run = Signer::with_report("").run_bare(&["-version"]).succeeded();
    let line = run.stdout.strip_suffix('\n').unwrap();
    let (number, commit) = line.split_once('+').unwrap_or((line, "0"));
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    let is_of_commit = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
    assert!(commit.bytes().all(is_of_commit), "{line}");
    assert_eq!(run.stderr, "");
}

/// As Go's `flag` does, which ignores errors of its output.
/// SIG-2
#[test]
fn an_output_that_takes_nothing_does_not_change_the_exit_code() {
    for (arguments, code) in [
        ("-version", 0),
        ("-h", 0),
        ("-help", 0),
        ("-nonsense", 2),
        ("-timeout 0", 2),
    ] {
        for redirected in [">/dev/full 2>/dev/full", "2>/dev/full", ">&- 2>&-"] {
            let script = format!("exec \"$@\" {arguments} {redirected}");
            let within = Signer::with_report("").within(&["sh", "-c", &script, "sh"]);
            within.run_bare(&[]).ended_with(code);
        }
    }
}

/// SIG-1
#[test]
fn without_a_platform_api_it_runs_since_all_of_them_agree_on_what_it_reads() {
    for value in ["", " "] {
        let (_, _, signer) = signed_by_one_key();
        signer
            .environment("CNB_PLATFORM_API", value)
            .run()
            .succeeded();
    }
    let (_, _, signer) = signed_by_one_key();
    signer
        .without_environment("CNB_PLATFORM_API")
        .run()
        .succeeded();
}

/// SIG-1
#[test]
fn the_platform_api_is_looked_at_before_the_flags() {
    for arguments in [&["-version"][..], &["-nonsense"], &["positional"], &[]] {
        Signer::with_report("")
            .environment("CNB_PLATFORM_API", "0.6")
            .run_bare(arguments)
            .ended_with(11)
            .says(&["ERROR:", "'0.6'"]);
    }
}

/// SIG-1
#[test]
fn a_platform_api_that_is_not_supported_ends_with_11() {
    for (api, text) in [
        ("0.6", "'0.6' is incompatible"),
        ("0.99", "'0.99' is incompatible"),
        ("abc", "failed to parse platform API 'abc'"),
    ] {
        Signer::with_report("")
            .environment("CNB_PLATFORM_API", api)
            .run_bare(&["-version"])
            .ended_with(11)
            .says(&[text]);
    }
}

/// SIG-1
#[test]
fn every_platform_api_from_0_7_to_0_15_is_supported() {
    for minor in 7..=15 {
        Signer::with_report("")
            .environment("CNB_PLATFORM_API", &format!("0.{minor}"))
            .run_bare(&["-version"])
            .succeeded();
    }
}

/// SIG-2
#[test]
fn an_unknown_flag_ends_with_2_and_the_usage_on_stderr() {
    let run = Signer::with_report("")
        .run_bare(&["-sign-harder"])
        .ended_with(2);
    assert!(
        run.stderr
            .contains("flag provided but not defined: -sign-harder"),
        "{}",
        run.stderr
    );
    for flag in ["-report", "-cosign-config", "-log-level", "-version"] {
        assert!(run.stderr.contains(flag), "{flag} in {}", run.stderr);
    }
    // The message is still on the screen: only `-h` says more.
    assert!(!run.stderr.contains("Exit codes"), "{}", run.stderr);
}

/// SIG-2
#[test]
fn a_flag_without_its_value_ends_with_2() {
    Signer::with_report("").run_bare(&["-report"]).ended_with(2);
}

/// SIG-2
#[test]
fn help_is_no_error() {
    for flag in ["-h", "-help", "--help"] {
        let run = Signer::with_report("").run_bare(&[flag]).succeeded();
        assert!(
            run.stderr.contains("-cosign-config"),
            "{flag}: {}",
            run.stderr
        );
    }
}

/// SIG-3
#[test]
fn positional_arguments_are_refused() {
    let (registry, _, signer) = signed_by_one_key();
    signer
        .arguments(&["positional"])
        .run()
        .ended_with(3)
        .says(&["received 1 arguments, but expected 0"]);
    registry.was_not_asked();
}

/// SIG-6
#[test]
fn without_a_cosign_config_nothing_is_sent() {
    Signer::with_report("")
        .run_bare(&["-report", "/nonexistent/report.toml"])
        .ended_with(3)
        .says(&["-cosign-config"]);
}

/// SIG-2
#[test]
fn flags_follow_go_s_grammar() {
    let (registry, image, signer) = signed_by_one_key();
    // Writes the files that the spellings below name.
    signer.run().succeeded();
    let (report, config) = (signer.report_path(), signer.settings_path());
    let (report, config) = (report.to_str().unwrap(), config.to_str().unwrap());
    for arguments in [
        vec![
            "--report".to_owned(),
            report.to_owned(),
            format!("--cosign-config={config}"),
        ],
        vec![
            format!("-report={report}"),
            format!("-cosign-config={config}"),
            "--".to_owned(),
        ],
        vec![
            "-report=/wrong".into(),
            "-report".into(),
            report.into(),
            "-cosign-config".into(),
            config.into(),
        ],
        vec![
            "-no-color=false".into(),
            "-report".into(),
            report.into(),
            "-cosign-config".into(),
            config.into(),
        ],
    ] {
        registry.remove(image.repository(), &image.attached("sig"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        signer.run_bare(&arguments).succeeded();
        assert!(
            registry
                .manifest(image.repository(), &image.attached("sig"))
                .is_some()
        );
    }
}

/// SIG-4
#[test]
fn inputs_come_from_the_environment_and_flags_win() {
    let (registry, _, signer) = signed_by_one_key();
    signer.run().succeeded();
    let (report, config) = (signer.report_path(), signer.settings_path());
    let (report, config) = (
        report.to_str().unwrap().to_owned(),
        config.to_str().unwrap().to_owned(),
    );
    let folder = report.strip_suffix("/report.toml").unwrap().to_owned();
    let signer = signer.environment("CNB_COSIGN_CONFIG_PATH", &config);
    registry.forget_exchanges();

    let signer = signer.environment("CNB_REPORT_PATH", &report);
    signer.run_bare(&[]).succeeded();
    let signer = signer.environment("CNB_REPORT_PATH", "/wrong");
    signer.run_bare(&[]).ended_with(3);
    signer.run_bare(&["-report", &report]).succeeded();
    // An empty variable counts as unset.
    let signer = signer.environment("CNB_REPORT_PATH", "");
    signer.run_bare(&["-layers", &folder]).succeeded();
    let signer = signer.environment("CNB_LAYERS_DIR", &folder);
    signer.run_bare(&[]).succeeded();
    assert!(!registry.exchanges().is_empty());
}

/// SIG-19
#[test]
fn everything_is_logged_on_stdout() {
    let (_, _, signer) = signed_by_one_key();
    let good = signer.run().succeeded();
    assert!(!good.stdout.is_empty());
    assert_eq!(good.stderr, "");
    let bad = Signer::with_report("no TOML at all =")
        .key("p256-cosign3")
        .run()
        .ended_with(3);
    assert!(bad.stdout.contains("ERROR: "), "{}", bad.stdout);
    assert_eq!(bad.stderr, "");
}

/// SIG-19
#[test]
fn colour_is_on_until_it_is_switched_off() {
    let bad = || Signer::with_report("no TOML at all =").key("p256-cosign3");
    let coloured = bad().run().ended_with(3);
    assert!(
        coloured.stdout.contains("\u{1b}[31;1mERROR: \u{1b}[0m"),
        "{:?}",
        coloured.stdout
    );
    for plain in [
        bad().arguments(&["-no-color"]),
        bad().environment("CNB_NO_COLOR", "true"),
        bad().environment("NO_COLOR", "0"),
    ] {
        let plain = plain.run().ended_with(3);
        assert!(!plain.stdout.contains('\u{1b}'), "{:?}", plain.stdout);
    }
}

/// SIG-19
#[test]
fn an_error_in_the_flags_or_before_them_has_no_colour_where_none_is_wanted() {
    for (arguments, api, code) in [
        (&["-no-color"][..], "0.6", 11),
        (&["-no-color", "-log-level=loud"], "0.13", 3),
        (&["-log-level=loud", "-no-color"], "0.13", 3),
        (&["-log-format=xml", "-no-color"], "0.13", 3),
        (&["-no-color", "-timeout=10"], "0.13", 2),
    ] {
        let signer = || Signer::with_report("").environment("CNB_PLATFORM_API", api);
        let plain = signer().run_bare(arguments).ended_with(code);
        let said = plain.stdout + &plain.stderr;
        assert!(!said.contains('\u{1b}'), "{arguments:?}: {said:?}");
        let others = arguments.iter().filter(|flag| **flag != "-no-color");
        let arguments: Vec<_> = others.copied().collect();
        let signer = signer().environment("NO_COLOR", "1");
        let plain = signer.run_bare(&arguments);
        assert!(
            !plain.stdout.contains('\u{1b}'),
            "{arguments:?}: {}",
            plain.stdout
        );
    }
}

#[test]
fn debug_shows_each_request_and_error_shows_none() {
    let (registry, _, signer) = signed_by_one_key();
    let debug = signer.arguments(&["-log-level", "debug"]).run().succeeded();
    for exchange in registry.exchanges().iter() {
        assert!(
            debug.stdout.contains(exchange.path()),
            "{exchange} is not in:\n{}",
            debug.stdout
        );
    }
    let (_, _, signer) = signed_by_one_key();
    let silent = signer
        .environment("CNB_LOG_LEVEL", "error")
        .run()
        .succeeded();
    assert_eq!(silent.stdout, "");
}
