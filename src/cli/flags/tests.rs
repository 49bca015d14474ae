use super::*;

fn parse(arguments: &[&str]) -> Result<Invocation, FlagError> {
    Invocation::parse(arguments.iter().map(OsString::from))
}

fn flags(arguments: &[&str]) -> Flags {
    match parse(arguments) {
        Ok(Invocation::Run(flags)) => flags,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn refusal(arguments: &[&str]) -> String {
    parse(arguments).unwrap_err().to_string()
}

/// SIG-2
#[test]
fn one_dash_or_two_and_a_space_or_an_equals_sign_mean_the_same() {
    for arguments in [
        &["-report", "x"][..],
        &["-report=x"],
        &["--report", "x"],
        &["--report=x"],
    ] {
        let expected = Flags {
            report: Some("x".into()),
            ..Flags::default()
        };
        assert_eq!(flags(arguments), expected);
    }
}

#[test]
fn every_switch_has_an_effect_of_its_own() {
    let switches = DEFINITIONS.iter();
    let switches = switches.filter(|flag| flag.kind == FlagKind::Switch);
    let effects = switches.map(|flag| format!("{:?}", parse(&[&format!("-{}", flag.name)])));
    let effects: Vec<_> = effects.collect();
    for (index, effect) in effects.iter().enumerate() {
        assert!(effect.starts_with("Ok("), "{effect}");
        assert!(!effects[..index].contains(effect), "{effect}");
    }
}

#[test]
fn every_flag_arrives() {
    let given = flags(&[
        "-report",
        "r",
        "-check",
        "-cosign-config=c",
        "--layers",
        "l",
        "-log-format",
        "json",
        "-log-level=debug",
        "-no-ambient-credentials",
        "-no-color",
        "-uid",
        "1000",
        "-gid=1001",
        "-generate",
        "m",
        "-generate-key-pair=k",
        "-insecure-registry",
        "a",
        "-insecure-registry=b,c",
        "-receipt",
        "q",
        "-settle=1.5s",
        "-strict-formats",
        "-retry-budget=0",
        "-timeout",
        "1m30s",
        "-manifest-limit=8MiB",
        "-image-config-limit",
        "1",
        "-sbom-layer-limit=1GiB",
        "-sbom-expanded-limit=4GiB",
        "-sbom-ratio-limit=1000",
        "-sbom-entries-limit=50000",
        "-version=false",
    ]);
    let expected = Flags {
        check: true,
        cosign_config: Some("c".into()),
        generate: Some("m".into()),
        gid: Some(1001),
        key_pair: Some("k".into()),
        insecure_registries: vec!["a".into(), "b,c".into()],
        layers: Some("l".into()),
        limits: BTreeMap::from([
            ("image-config-limit", 1),
            ("manifest-limit", 8 << 20),
            ("sbom-entries-limit", 50_000),
            ("sbom-expanded-limit", 4 << 30),
            ("sbom-layer-limit", 1 << 30),
            ("sbom-ratio-limit", 1000),
        ]),
        log_format: Some("json".into()),
        log_level: Some("debug".into()),
        colour: Some(Colour::Off),
        receipt: Some("q".into()),
        report: Some("r".into()),
        retry_budget: Some(Duration::ZERO),
        settle: Some(Duration::from_millis(1500)),
        formats: Some(Formats::Strict),
        identities: Some(Identities::Written),
        timeout: Some(Duration::from_secs(90)),
        uid: Some(1000),
        arguments: Vec::new(),
    };
    assert_eq!(given, expected);
}

#[test]
fn a_value_may_look_like_a_flag_or_hold_an_equals_sign() {
    assert_eq!(flags(&["-report", "-x"]).report, Some("-x".into()));
    assert_eq!(flags(&["-report=a=b"]).report, Some("a=b".into()));
    assert_eq!(flags(&["-report="]).report, Some("".into()));
    assert_eq!(flags(&["-report", "--"]).report, Some("--".into()));
}

#[test]
fn the_last_of_a_repeated_flag_wins() {
    let given = flags(&["-report=a", "-no-color", "-report=b", "-no-color=F"]);
    assert_eq!(given.report, Some("b".into()));
    assert_eq!(given.colour, Some(Colour::On));
}

#[test]
fn a_switch_takes_no_value_from_the_next_argument() {
    let given = flags(&["-no-color", "false"]);
    assert_eq!(given.colour, Some(Colour::Off));
    assert_eq!(given.arguments, ["false"]);
}

/// SIG-2
#[test]
fn flags_end_at_the_first_argument_or_two_dashes() {
    for (arguments, rest) in [
        (&["a", "-no-color"][..], &["a", "-no-color"][..]),
        (&["-", "-no-color"], &["-", "-no-color"]),
        (&["--", "-no-color"], &["-no-color"]),
        (&["", "-no-color"], &["", "-no-color"]),
        (&["--", "--"], &["--"]),
        (&["--"], &[]),
    ] {
        let given = flags(arguments);
        assert_eq!(given.arguments, rest, "{arguments:?}");
        assert_eq!(given.colour, None, "{arguments:?}");
    }
}

/// SIG-3
#[test]
fn flag_like_arguments_are_named_as_the_lifecycle_does() {
    let given = flags(&["a", "-b", "--report\u{1b}[1m", ""]);
    let lines: Vec<_> = given.unconsumed().collect();
    assert_eq!(
        lines,
        [
            "\t-b\n\t This will not be interpreted as a flag.\n\t Did you mean to put this \
                 before the first positional argument?",
            "\t--report\\u{1b}[1m\n\t This will not be interpreted as a flag.\n\t Did you \
                 mean to put this before the first positional argument?",
        ]
    );
}

/// SIG-2
#[test]
fn bad_flags_are_refused_in_the_words_of_go() {
    for (arguments, message) in [
        (&["-x"][..], "flag provided but not defined: -x"),
        (&["--x=1"], "flag provided but not defined: -x"),
        (&["-Report=x"], "flag provided but not defined: -Report"),
        (&["-daemon"], "flag provided but not defined: -daemon"),
        (&["-report"], "flag needs an argument: -report"),
        (&["---"], "bad flag syntax: ---"),
        (&["---x"], "bad flag syntax: ---x"),
        (&["-=x"], "bad flag syntax: -=x"),
        (&["--=x"], "bad flag syntax: --=x"),
        (
            &["-no-color=maybe"],
            "invalid boolean value \"maybe\" for -no-color: parse error",
        ),
        (
            &["-no-color="],
            "invalid boolean value \"\" for -no-color: parse error",
        ),
        (
            &["-uid=a\"b"],
            "invalid value \"a\\\"b\" for flag -uid: parse error",
        ),
        (
            &["-gid", ""],
            "invalid value \"\" for flag -gid: parse error",
        ),
        (
            &["-uid", "99999999999999999999"],
            "invalid value \"99999999999999999999\" for flag -uid: value out of range",
        ),
        (
            &["-uid=-1"],
            "invalid value \"-1\" for flag -uid: value out of range",
        ),
        (
            &["-settle", "5"],
            "invalid value \"5\" for flag -settle: parse error",
        ),
        (
            &["-settle=-1s"],
            "invalid value \"-1s\" for flag -settle: must not be negative",
        ),
        (
            &["-retry-budget", "-1s"],
            "invalid value \"-1s\" for flag -retry-budget: must not be negative",
        ),
        (
            &["-sbom-layer-limit=512MB"],
            "invalid value \"512MB\" for flag -sbom-layer-limit: parse error: write a number, or one of KiB, MiB or \
             GiB (4MiB)",
        ),
        (
            &["-manifest-limit", "0"],
            "invalid value \"0\" for flag -manifest-limit: must be more than 0",
        ),
        (
            &["-timeout=0s"],
            "invalid value \"0s\" for flag -timeout: must be more than 0",
        ),
    ] {
        assert_eq!(refusal(arguments), message);
    }
}

/// SIG-2
#[test]
fn help_wins_over_what_follows_and_loses_to_an_error_before() {
    for arguments in [
        &["-h"][..],
        &["--help"],
        &["-no-color", "-h", "-x"],
        &["-h=1"],
    ] {
        assert!(
            matches!(parse(arguments), Ok(Invocation::Help)),
            "{arguments:?}"
        );
    }
    assert!(parse(&["-x", "-h"]).is_err());
}

/// SIG-2
#[test]
fn the_version_is_shown_after_all_flags_were_understood() {
    assert!(matches!(
        parse(&["-version", "-log-level=debug", "x"]),
        Ok(Invocation::Version)
    ));
    assert!(matches!(
        parse(&["-version", "-version=0"]),
        Ok(Invocation::Run(_))
    ));
    assert!(parse(&["-version", "-x"]).is_err());
}

#[test]
fn bytes_that_are_no_text_are_a_path_or_an_error() {
    let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let Ok(Invocation::Run(given)) = Invocation::parse([bytes(b"-report=\xff")]) else {
        panic!()
    };
    assert_eq!(given.report, Some(bytes(b"\xff").into()));
    let error = Invocation::parse([bytes(b"-\xff=1")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "flag provided but not defined: -\u{fffd}"
    );
    let error = Invocation::parse([bytes(b"-uid=\xff")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid value \"\\xff\" for flag -uid: parse error"
    );
}

/// SIG-2
#[test]
fn the_usage_has_the_layout_of_go() {
    let usage = crate::cli::usage::flags();
    assert!(
        usage.starts_with(
            "Usage of signer:\n  -check\n    \tfind out whether a run would go well, and write and sign nothing\n  -cosign-config string\n    \tpath to cosign.toml\n  -generate string\n"
        ),
        "{usage}"
    );
    for part in [
        "\n  -insecure-registry value\n    \t",
        "\n  -layers string\n    \tpath to layers directory (default \"/layers\")\n",
        "\n  -log-level string\n    \tlogging level (default \"info\")\n",
        "\n  -manifest-limit size\n    \tlargest manifest that is read (default 4MiB)\n",
        "\n  -sbom-entries-limit uint\n    \t",
        "\n  -no-color\n    \tdisable color output\n",
        "\n  -report string\n    \tpath to report.toml (default \"<layers>/report.toml\")\n",
        "\n  -retry-budget duration\n    \t",
        " (default 2m0s)\n",
        "\n  -settle duration\n    \t",
        "\n  -timeout duration\n    \t",
        " (default 10m0s)\n",
    ] {
        assert!(usage.contains(part), "{part}");
    }
    assert!(usage.ends_with("\n  -version\n    \tshow version\n"));
}

/// SIG-47
#[test]
fn every_limit_has_a_flag_with_its_default() {
    let default = |setting: &limits::Setting| {
        let flag = DEFINITIONS.iter().find(|flag| flag.name == setting.flag);
        let (_, value) = limits::parse(setting.flag, flag.unwrap().default.as_ref())
            .unwrap()
            .unwrap();
        Ok::<_, ()>(Some(value))
    };
    let limits = limits::resolve(default);
    assert_eq!(limits, Ok(crate::phase::Limits::default()));
}

#[test]
fn the_flags_are_sorted_by_name() {
    assert!(DEFINITIONS.is_sorted_by_key(|flag| flag.name));
}

/// SIG-19, SIG-83
#[test]
fn what_the_log_looks_like_is_gleaned_from_arguments_of_which_some_are_bad() {
    let gleaned = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let flags = Flags::gleaned(&arguments);
        (
            flags.colour == Some(Colour::Off),
            flags.log_format.is_some(),
        )
    };
    for arguments in [
        &["-no-color", "-log-format=json", "-nonsense"][..],
        &["-nonsense", "-no-color", "-log-format=json"],
        &["-nonsense", "value", "-no-color", "-log-format", "json"],
        &["-nonsense=value", "-no-color", "-log-format", "json"],
        &["-timeout", "soon", "-no-color", "-log-format", "json"],
        &[
            "---x",
            "-version=perhaps",
            "-no-color",
            "-log-format",
            "json",
        ],
        &["-h", "-no-color", "-log-format=json", "-report"],
    ] {
        assert_eq!(gleaned(arguments), (true, true), "{arguments:?}");
    }
    for arguments in [
        &["positional", "-no-color", "-log-format=json"][..],
        &["--", "-no-color", "-log-format=json"],
        &["-report", "-no-color", "-no-color=perhaps", "-log-format"],
        &["-nonsense", "value", "value", "-no-color"],
    ] {
        assert_eq!(gleaned(arguments), (false, false), "{arguments:?}");
    }
}
