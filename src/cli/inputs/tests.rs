use std::collections::HashMap;
use std::error::Error as _;

use super::*;
use crate::cli::{Failure, hint};

type Variables<'a> = &'a [(&'a str, &'a str)];

fn environment(variables: Variables<'_>) -> Environment {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Environment::collect(&|name| variables.get(name).map(OsString::from))
}

fn flags(arguments: &[&str]) -> Flags {
    match super::super::Invocation::parse(arguments.iter().map(OsString::from)) {
        Ok(super::super::Invocation::Run(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

fn resolve(arguments: &[&str], variables: Variables<'_>) -> Result<Inputs, InputsError> {
    Inputs::resolve(flags(arguments), &environment(variables))
}

/// Inputs with what is required.
fn inputs(arguments: &[&str], variables: Variables<'_>) -> Inputs {
    let arguments = [&["-cosign-config=c"], arguments].concat();
    resolve(&arguments, variables).unwrap()
}

fn remedy(error: InputsError) -> String {
    let hint = hint::of(&Failure::Inputs(error));
    hint.map(Into::into).unwrap_or_default()
}

fn report(arguments: &[&str], variables: Variables<'_>) -> PathBuf {
    inputs(arguments, variables).report
}

#[test]
fn without_anything_else_the_defaults_hold() {
    let expected = Inputs {
        is_check: false,
        generate: None,
        cosign_config: "c".into(),
        report: "/layers/report.toml".into(),
        receipt: None,
        insecure_registries: Vec::new(),
        limits: Limits::default(),
        settle: None,
        formats: Formats::Mixed,
        identities: Identities::Ambient,
        retry_budget: Duration::from_secs(120),
        timeout: Duration::from_secs(600),
        uid: None,
        gid: None,
        created: None,
        warnings: Vec::new(),
    };
    assert_eq!(inputs(&[], &[]), expected);
}

#[test]
fn the_source_date_epoch_is_a_time_or_nothing() {
    for (text, expected) in [
        ("0", Some("1970-01-01T00:00:00Z")),
        ("1763700000", Some("2025-11-21T04:40:00Z")),
        ("soon", None),
        ("99999999999999999999", None),
    ] {
        let inputs = inputs(&[], &[("SOURCE_DATE_EPOCH", text)]);
        assert_eq!(
            inputs.created,
            expected.map(|time| time.parse().unwrap()),
            "{text}"
        );
        assert_eq!(
            inputs.warnings.len(),
            usize::from(expected.is_none()),
            "{text}"
        );
    }
}

/// SIG-4
#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_default() {
    let report_path: Variables<'_> = &[("CNB_REPORT_PATH", "/env/r.toml")];
    let both: Variables<'_> = &[("CNB_REPORT_PATH", "/env/r.toml"), ("CNB_LAYERS_DIR", "/l")];
    let layers: Variables<'_> = &[("CNB_LAYERS_DIR", "/env-layers")];
    for (arguments, variables, path) in [
        (&["-report=r.toml"][..], report_path, "r.toml"),
        (&["-report=r", "-layers=l"], both, "r"),
        (&[], both, "/env/r.toml"),
        (&["-layers=/flag"], report_path, "/env/r.toml"),
        (&["-layers=/flag"], layers, "/flag/report.toml"),
        (&["-layers=flag"], &[], "flag/report.toml"),
        (&[], layers, "/env-layers/report.toml"),
    ] {
        assert_eq!(
            report(arguments, variables),
            PathBuf::from(path),
            "{arguments:?} {variables:?}"
        );
    }
}

/// SIG-45
#[test]
fn times_are_the_flags_own_or_the_defaults() {
    let given = inputs(&["-retry-budget=5s", "-timeout=1h"], &[]);
    assert_eq!(given.retry_budget, Duration::from_secs(5));
    assert_eq!(given.timeout, Duration::from_secs(3600));
}

/// SIG-47
#[test]
fn limits_come_from_flag_environment_or_default() {
    let variables: Variables<'_> = &[
        ("CNB_SBOM_LAYER_LIMIT", "1GiB"),
        ("CNB_MANIFEST_LIMIT", "5MiB"),
        ("CNB_SBOM_RATIO_LIMIT", ""),
    ];
    let arguments = &["-manifest-limit=6MiB", "-sbom-entries-limit=20000"];
    let mut expected = Limits {
        manifest: 6 << 20,
        ..Limits::default()
    };
    expected.sbom.entries = 20_000;
    expected.sbom.compressed = 1 << 30;
    assert_eq!(inputs(arguments, variables).limits, expected);
    // A flag wins over garbage as well.
    let garbage: Variables<'_> = &[("CNB_MANIFEST_LIMIT", "4 MB")];
    assert_eq!(inputs(&["-manifest-limit=1"], garbage).limits.manifest, 1);
    let error = resolve(&["-cosign-config=c"], garbage).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to resolve inputs: invalid value \"4 MB\" of `CNB_MANIFEST_LIMIT`: parse error: write a number, or \
         one of KiB, MiB or GiB (4MiB)"
    );
    assert!(remedy(error).contains("512MiB"));
}

/// SIG-6
#[test]
fn the_config_comes_from_flag_or_environment_and_is_required() {
    let variables: Variables<'_> = &[("CNB_COSIGN_CONFIG_PATH", "/env/cosign.toml")];
    let from = |arguments: &[&str]| resolve(arguments, variables).unwrap().cosign_config;
    assert_eq!(from(&[]), PathBuf::from("/env/cosign.toml"));
    assert_eq!(from(&["-cosign-config", "x"]), PathBuf::from("x"));
    for variables in [&[][..], &[("CNB_COSIGN_CONFIG_PATH", "")]] {
        let error = resolve(&[], variables).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to parse arguments: `-cosign-config` is required"
        );
        assert!(remedy(error).contains("CNB_COSIGN_CONFIG_PATH"));
    }
}

/// SIG-4
#[test]
fn empty_values_count_as_not_given() {
    assert_eq!(
        report(
            &["-report=", "-layers="],
            &[("CNB_REPORT_PATH", ""), ("CNB_LAYERS_DIR", "")]
        ),
        PathBuf::from("/layers/report.toml")
    );
    assert_eq!(inputs(&["-receipt="], &[]).receipt, None);
    let environment = environment(&[
        ("CNB_USER_ID", ""),
        ("CNB_REGISTRY_AUTH", ""),
        ("DOCKER_CONFIG", ""),
        ("HTTPS_PROXY", ""),
        ("SSL_CERT_FILE", ""),
        ("CNB_PLATFORM_API", ""),
    ]);
    assert!(environment.registry_auth.is_none());
    assert!(environment.docker_config.is_none());
    assert!(environment.proxies.https.is_none());
    assert!(environment.ssl_cert_file.is_none());
    assert!(environment.platform_api.is_none());
    assert!(environment.fallbacks.user_id.is_none());
}

/// SIG-16
#[test]
fn ids_change_nothing_unless_given() {
    let variables: Variables<'_> = &[("CNB_USER_ID", "1000"), ("CNB_GROUP_ID", "1001")];
    let ids = |arguments: &[&str], variables| {
        let inputs = inputs(arguments, variables);
        (inputs.uid, inputs.gid)
    };
    assert_eq!(ids(&[], &[]), (None, None));
    assert_eq!(ids(&[], variables), (Some(1000), Some(1001)));
    assert_eq!(ids(&["-uid=5"], variables), (Some(5), Some(1001)));
    assert_eq!(ids(&["-gid", "0"], &[]), (None, Some(0)));
}

/// SIG-4
#[test]
fn an_id_that_is_none_counts_as_0_with_a_warning() {
    for garbage in ["x", "0x10", " 1000", "1_0"] {
        let inputs = inputs(&[], &[("CNB_USER_ID", garbage)]);
        assert_eq!(inputs.uid, Some(0), "{garbage}");
        assert_eq!(
            inputs.warnings,
            [format!(
                "`CNB_USER_ID` is no id but `{garbage}`, which counts as 0"
            )]
        );
    }
    let overruled = inputs(&["-uid=7"], &[("CNB_USER_ID", "x")]);
    assert_eq!((overruled.uid, overruled.warnings.len()), (Some(7), 0));
}

/// SIG-4: the kernel takes 4294967295 for no change, and root is nobody's guess.
#[test]
fn an_id_out_of_range_is_refused() {
    for id in ["-1", "4294967295", "99999999999999999999"] {
        let error = resolve(&[], &[("CNB_GROUP_ID", id)])
            .unwrap_err()
            .to_string();
        let words = format!("invalid value \"{id}\" of `CNB_GROUP_ID`: value out of range");
        assert_eq!(error, format!("failed to resolve inputs: {words}"));
    }
    assert_eq!(inputs(&["-gid=7"], &[("CNB_GROUP_ID", "-1")]).gid, Some(7));
}

/// SIG-5
#[test]
fn insecure_registries_add_up_and_empty_ones_are_ignored() {
    let of = |arguments: &[&str], variables| -> Vec<String> {
        let inputs = inputs(arguments, variables);
        let registries = inputs.insecure_registries.iter();
        registries.map(ToString::to_string).collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(of(&["-insecure-registry="], &[]), nothing);
    assert_eq!(
        of(
            &["-insecure-registry", "", "-insecure-registry", " , ,"],
            &[("CNB_INSECURE_REGISTRIES", ",")]
        ),
        nothing
    );
    assert_eq!(
        of(
            &["-insecure-registry=a:1,b/c", "-insecure-registry", "d"],
            &[]
        ),
        ["a:1", "b/c", "d"]
    );
    assert_eq!(
        of(
            &["-insecure-registry=b", "-insecure-registry=a"],
            &[("CNB_INSECURE_REGISTRIES", "a, e:5000,")]
        ),
        ["a", "e:5000", "b"]
    );
}

#[test]
fn an_insecure_registry_that_is_none_is_refused() {
    for text in ["http://vm:5000", "vm:port", "a b", "vm/Team"] {
        let error = resolve(&["-cosign-config=c", "-insecure-registry", text], &[]);
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to resolve inputs: cannot use an insecure registry"
        );
        assert!(error.source().is_some());
        assert!(remedy(error).contains("<host>"));
    }
}

/// SIG-3
#[test]
fn arguments_are_refused_in_the_words_of_the_lifecycle() {
    for (arguments, count) in [
        (&["image"][..], 1),
        (&["a", "-b", "c"], 3),
        (&["--", ""], 1),
    ] {
        assert_eq!(
            resolve(arguments, &[]).unwrap_err().to_string(),
            format!("failed to parse arguments: received {count} arguments, but expected 0")
        );
    }
}

#[test]
fn receipt_and_settle_come_from_flags() {
    let inputs = inputs(&["-receipt", "/r.toml", "-settle=300ms"], &[]);
    assert_eq!(inputs.receipt, Some("/r.toml".into()));
    assert_eq!(inputs.settle, Some(Duration::from_millis(300)));
}

#[test]
fn the_log_level_comes_from_flag_environment_or_default() {
    let level =
        |arguments: &[&str], variables| log_level(&flags(arguments), &environment(variables));
    let warn: Variables<'_> = &[("CNB_LOG_LEVEL", "WARN")];
    assert_eq!(level(&[], &[]), Ok(LogLevel::Info));
    assert_eq!(level(&[], warn), Ok(LogLevel::Warn));
    assert_eq!(level(&["-log-level=Debug"], warn), Ok(LogLevel::Debug));
    assert_eq!(level(&[], &[("CNB_LOG_LEVEL", "")]), Ok(LogLevel::Info));
    assert_eq!(level(&["-log-level="], warn), Err(InvalidLevel));
    assert_eq!(level(&[], &[("CNB_LOG_LEVEL", "loud")]), Err(InvalidLevel));
}

/// SIG-83
#[test]
fn the_log_format_comes_from_flag_environment_or_default() {
    let format =
        |arguments: &[&str], variables| log_format(&flags(arguments), &environment(variables));
    let json: Variables<'_> = &[("CNB_LOG_FORMAT", "json")];
    assert_eq!(format(&[], &[]), Ok(LogFormat::Text));
    assert_eq!(format(&[], json), Ok(LogFormat::Json));
    assert_eq!(format(&["-log-format=TEXT"], json), Ok(LogFormat::Text));
    assert_eq!(format(&[], &[("CNB_LOG_FORMAT", "")]), Ok(LogFormat::Text));
    assert_eq!(format(&["-log-format="], json), Err(InvalidFormat));
    assert_eq!(format(&["-log-format=xml"], json), Err(InvalidFormat));
}

/// SIG-4, SIG-19
#[test]
fn colour_comes_from_flag_environment_or_default() {
    fn colour_with(arguments: &[&str], variables: Variables<'_>) -> Colour {
        super::colour(&flags(arguments), &environment(variables))
    }
    let colour = |arguments: &[&str], value: &str| {
        colour_with(arguments, &[("CNB_NO_COLOR", value), ("NO_COLOR", "")])
    };
    for value in ["", "false", "0", "garbage", "yes"] {
        assert_eq!(colour(&[], value), Colour::On, "{value}");
    }
    for value in ["true", "1", "T"] {
        assert_eq!(colour(&[], value), Colour::Off, "{value}");
    }
    assert_eq!(colour(&["-no-color"], "false"), Colour::Off);
    assert_eq!(colour(&["-no-color=false"], "true"), Colour::On);
    for value in ["1", "0", "false"] {
        let variables: Variables<'_> = &[("CNB_NO_COLOR", "false"), ("NO_COLOR", value)];
        assert_eq!(colour_with(&[], variables), Colour::Off, "{value}");
        assert_eq!(colour_with(&["-no-color=false"], variables), Colour::On);
    }
}

#[test]
fn every_variable_arrives() {
    let environment = environment(&[
        ("CNB_PLATFORM_API", "0.13"),
        ("COSIGN_PASSWORD", "pw"),
        ("CNB_REGISTRY_AUTH", "{}"),
        ("DOCKER_AUTH_CONFIG", "{\"auths\":{}}"),
        ("DOCKER_CONFIG", "/d"),
        ("REGISTRY_AUTH_FILE", "/raf"),
        ("HOME", "/h"),
        ("XDG_RUNTIME_DIR", "/x"),
        ("XDG_CONFIG_HOME", "/c"),
        ("PATH", "/bin"),
        ("SSL_CERT_FILE", "/f"),
        ("SSL_CERT_DIR", "/a:/b"),
        ("HTTP_PROXY", "http://upper"),
        ("http_proxy", "http://lower"),
        ("https_proxy", "http://secure"),
        ("no_proxy", "localhost"),
        ("REQUEST_METHOD", "GET"),
    ]);
    let shown = |secret: &Option<Secret>| {
        let text = secret.as_ref().unwrap().expose_str();
        text.unwrap().to_owned()
    };
    assert_eq!(environment.platform_api, Some("0.13".into()));
    assert_eq!(shown(&environment.cosign_password), "pw");
    assert_eq!(shown(&environment.registry_auth), "{}");
    assert_eq!(shown(&environment.docker_auth_config), "{\"auths\":{}}");
    assert_eq!(environment.docker_config, Some("/d".into()));
    assert_eq!(environment.registry_auth_file, Some("/raf".into()));
    assert_eq!(environment.home, Some("/h".into()));
    assert_eq!(environment.xdg_runtime_dir, Some("/x".into()));
    assert_eq!(environment.xdg_config_home, Some("/c".into()));
    assert_eq!(environment.path, Some("/bin".into()));
    assert_eq!(environment.ssl_cert_file, Some("/f".into()));
    assert_eq!(environment.ssl_cert_dir, Some("/a:/b".into()));
    let proxies = &environment.proxies;
    let shown = |variable: &Option<ProxyVariable>| {
        let variable = variable.as_ref().unwrap();
        format!("{}={}", variable.name, variable.value.expose_str().unwrap())
    };
    assert_eq!(shown(&proxies.http), "HTTP_PROXY=http://upper");
    assert_eq!(shown(&proxies.https), "https_proxy=http://secure");
    assert_eq!(proxies.none, Some("localhost".into()));
    assert!(proxies.is_cgi);
}

/// SIG-12
#[test]
fn an_empty_password_is_one_and_an_unset_one_is_none() {
    let password = |variables| environment(variables).cosign_password;
    assert!(password(&[]).is_none());
    let empty = password(&[("COSIGN_PASSWORD", "")]).unwrap();
    assert_eq!(empty.expose(), b"");
}

#[test]
fn bytes_that_are_no_text_pass_through() {
    let raw = || OsString::from_vec(b"\xff/\xfe".to_vec());
    let environment = Environment::collect(&|_| Some(raw()));
    let password = environment.cosign_password.as_ref().unwrap();
    assert_eq!(password.expose(), b"\xff/\xfe");
    assert_eq!(environment.home, Some(raw().into()));
    let flags = Flags::default();
    assert_eq!(log_level(&flags, &environment), Err(InvalidLevel));
    assert_eq!(log_format(&flags, &environment), Err(InvalidFormat));
    let error = Inputs::resolve(Flags::default(), &environment).unwrap_err();
    assert!(matches!(error, InputsError::InsecureRegistry(_)), "{error}");

    let environment = Environment::collect(&|name| match name {
        "CNB_INSECURE_REGISTRIES" => None,
        name if name.ends_with("_LIMIT") => None,
        _ => Some(raw()),
    });
    let inputs = Inputs::resolve(Flags::default(), &environment).unwrap();
    assert_eq!(inputs.report, PathBuf::from(raw()));
    // Two ids, two switches and a time.
    assert_eq!((inputs.uid, inputs.warnings.len()), (Some(0), 5));
}

/// SIG-15
#[test]
fn no_secret_is_shown() {
    let environment = environment(&[
        ("COSIGN_PASSWORD", "canary"),
        ("CNB_REGISTRY_AUTH", "canary"),
        ("DOCKER_AUTH_CONFIG", "canary"),
        ("HTTPS_PROXY", "http://u:canary@proxy"),
        ("http_proxy", "http://u:canary@proxy"),
    ]);
    let shown = format!("{environment:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn the_environment_of_the_process_is_read() {
    let path = std::env::var_os("PATH");
    assert!(path.is_some());
    assert_eq!(Environment::of_process().path, path);
}
