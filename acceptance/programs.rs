//! Keys that sign elsewhere by way of a program: sigstore's plugins, programs
//! that get the bytes, and keys in a variable.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::cosign::BOTH;
use crate::support::elsewhere::{self, FORMATS, messages, seeded};
use crate::support::images::Image;
use crate::support::programs::{PLUGIN, Programs, SIGN};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

fn run(programs: &Programs, registry: &Registry, image: &Image, config: Config) -> Outcome {
    Signer::of(image, registry.host())
        .config(config)
        .environment("PATH", &programs.search_path())
        .run()
}

/// Verified with the public key, whatever form hangs there.
#[track_caller]
fn verified(registry: &Registry, image: &Image, programs: &Programs, format: &str) {
    let pem = std::fs::read_to_string(programs.path("public.pub")).unwrap();
    elsewhere::verified(registry, image, &pem, format, None);
}

/// KEY-112, KEY-114, KEY-115, KEY-117, KEY-118, KEY-119
#[test]
fn what_signs_elsewhere_is_verified_by_cosign_and_not_asked_twice() {
    for format in FORMATS {
        for is_plugin in [false, true] {
            let (programs, (registry, image)) = (Programs::new(), seeded());
            let config = match is_plugin {
                true => programs.plugin(PLUGIN),
                false => programs.program(SIGN),
            };
            let config = config.set("format", format);
            run(&programs, &registry, &image, config.clone()).succeeded();
            verified(&registry, &image, &programs, format);
            assert_eq!(programs.lines("asked").len(), messages(format), "{format}");
            programs.forget();
            registry.forget_exchanges();
            run(&programs, &registry, &image, config).succeeded();
            assert!(programs.lines("asked").is_empty(), "{format}");
            assert!(registry.exchanges().puts().is_empty(), "{format}");
        }
    }
}

/// KEY-116, KEY-117, SIG-15
#[test]
fn a_program_is_told_what_it_signs_and_no_secret() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let canary = "canary-of-the-phase";
    let key = std::fs::read_to_string(testdata("keys/p256-cosign3.key")).unwrap();
    let password = testdata("keys/password").display().to_string();
    Signer::of(&image, registry.host())
        .config(programs.program(SIGN))
        .config(
            Config::none()
                .set("key", "env://TEAM_KEY")
                .set("password", &password),
        )
        .environment("TEAM_KEY", &key)
        .environment("PATH", &programs.search_path())
        .environment("COSIGN_PASSWORD", canary)
        .environment(
            "CNB_REGISTRY_AUTH",
            &format!("{{\"r.io\":\"Bearer {canary}\"}}"),
        )
        .environment(
            "DOCKER_AUTH_CONFIG",
            &format!("{{\"auths\":{{\"{canary}\":{{}}}}}}"),
        )
        .run()
        .succeeded();
    let reference = image.reference(registry.host());
    let asked = programs.lines("asked");
    let kind = |kind: &str| asked.iter().filter(|line| line.starts_with(kind)).count();
    assert_eq!(
        (kind("signature "), kind("attestation ")),
        (1, 2),
        "{asked:?}"
    );
    for line in &asked {
        assert!(line.ends_with(&reference), "{line} {reference}");
        let digest = line.split(' ').nth(1).unwrap();
        let digests = programs.lines("digests");
        assert!(
            digests.iter().any(|line| line.starts_with(digest)),
            "{digests:?}"
        );
    }
    let environment = programs.lines("environment").join("\n");
    assert!(environment.contains("SIGNER_KIND="));
    assert!(!environment.contains(canary), "{environment}");
    assert!(!environment.contains("TEAM_KEY"), "{environment}");
}

/// The bound is that of the run, however many keys there are.
///
/// KEY-117
#[test]
fn no_more_programs_run_at_a_time_than_there_are_processors() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let script =
        format!("echo began >> \"$here/log\"\n{SIGN}\nsleep 0.3\necho ended >> \"$here/log\"");
    let public = programs.path("public.pub").display().to_string();
    let mut signer = Signer::of(&image, registry.host());
    for number in 0..3 {
        let program = programs.script(&format!("sign-{number}"), &script);
        let place = format!("{}/signatures-{number}", registry.host());
        let config = Config::none()
            .set_raw("program", &format!("[{:?}]", program.display().to_string()))
            .set("public-key", &public)
            .set("repository", &place);
        signer = signer.config(config);
    }
    signer.run().succeeded();
    let log = programs.lines("log");
    assert_eq!(log.len(), 2 * 3 * messages("legacy"));
    let running = log.iter().scan(0, |running, line| {
        *running += if line == "began" { 1 } else { -1 };
        Some(*running)
    });
    let processors = std::thread::available_parallelism().unwrap().get();
    assert!(
        running.max() <= Some(processors.try_into().unwrap()),
        "{log:?}"
    );
}

/// KEY-112
#[test]
fn a_plugin_is_asked_as_cosign_asks_it() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let config = programs.plugin(PLUGIN).set("export-sbom", "none");
    run(&programs, &registry, &image, config).succeeded();
    let questions = programs.lines("questions");
    let questions: Vec<serde_json::Value> = questions
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let methods: Vec<_> = questions
        .iter()
        .map(|q| q["methodName"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["publicKey", "signMessage"]);
    for question in &questions {
        let options = &question["initOptions"];
        assert_eq!(options["protocolVersion"], "v1");
        assert_eq!(options["keyResourceID"], "team");
        assert_eq!(options["hashFunc"], 5);
    }
    let digest = &questions[1]["signMessage"]["signOptions"]["messageOptions"]["digest"];
    assert_eq!(digest.as_str().unwrap().len(), 44);
}

/// KEY-110
#[test]
fn a_key_in_a_variable_signs_like_its_file() {
    let (registry, image) = seeded();
    let file = std::fs::read_to_string(testdata("keys/p256-cosign3.key")).unwrap();
    let password = testdata("keys/password").display().to_string();
    let config = Config::none()
        .set("key", "env://TEAM_KEY")
        .set("password", &password);
    let signer = |value: Option<&str>| {
        let signer = Signer::of(&image, registry.host()).config(config.clone());
        match value {
            Some(value) => signer.environment("TEAM_KEY", value).run(),
            None => signer.run(),
        }
    };
    signer(Some(&file))
        .succeeded()
        .says(&["key env://TEAM_KEY"]);
    let reference = image.reference(registry.host());
    for cosign in BOTH {
        cosign.verify("p256-cosign3", &reference, &[]).accepted();
    }
    for (value, words) in [
        (None, "the variable `TEAM_KEY` is not set"),
        (Some(""), "the variable `TEAM_KEY` is empty"),
        (Some(&*file.replace('\n', "\\n")), "turn each `\\n`"),
        (Some(&*file.replace('\n', " ")), "line breaks"),
        (Some("no key"), "no PEM block"),
    ] {
        signer(value).ended_with(115).says(&[words]);
    }
}

/// KEY-111, KEY-113, KEY-114, KEY-118, SIG-11
#[test]
fn who_does_not_sign_well_changes_nothing() {
    let hint = "by SHA-256 and, with RSA, by PKCS#1 v1.5";
    let other = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out \"$here/o.$$\"
openssl dgst -sha256 -sign \"$here/o.$$\"";
    for (script, words) in [
        ("echo nonsense", "does not accept the signature"),
        ("exec <&-; exit 0", "it printed no signature"),
        ("echo 'no permit' >&2; exit 3", "no permit"),
        ("seq 9999 >&2; echo at last >&2; exit 3", "9999 at last`"),
        ("yes", "it printed more than 65536 bytes"),
        (
            other,
            "does not accept the signature that was made elsewhere",
        ),
        (other, hint),
    ] {
        let (programs, (registry, image)) = (Programs::new(), seeded());
        registry.forget_exchanges();
        run(&programs, &registry, &image, programs.program(script))
            .ended_with(112)
            .says(&[words]);
        registry.stored_nothing();
    }
    let public = PLUGIN
        .split("*'\"methodName\":\"signMessage\"'*)")
        .next()
        .unwrap();
    for (answer, code, words) in [
        (
            "echo '{\"signMessage\":{\"signature\":\"AAAA\"}}'",
            112,
            "does not accept the signature",
        ),
        (
            "echo '{\"errorMessage\":\"the HSM is out\"}'",
            112,
            "the HSM is out",
        ),
        ("echo '{}'", 112, "it holds no signature"),
        ("echo garbage", 112, "not the JSON of the protocol"),
        ("echo the-reason >&2", 112, "the-reason"),
    ] {
        let (programs, (registry, image)) = (Programs::new(), seeded());
        let plugin = programs.plugin(&format!("{public}*) {answer} ;;\nesac"));
        registry.forget_exchanges();
        run(&programs, &registry, &image, plugin)
            .ended_with(code)
            .says(&[words]);
        registry.stored_nothing();
    }
}

/// KEY-111, KEY-119, CFG-8
#[test]
fn who_is_not_there_is_named() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let public = programs.path("public.pub").display().to_string();
    let program = |name: &str, public: &str| {
        let words = format!("[{name:?}]");
        Config::none()
            .set_raw("program", &words)
            .set("public-key", public)
    };
    let script = programs.script("there", SIGN).display().to_string();
    let key = |uri: &str| Config::none().set("key", uri);
    let long = programs.path("long.pub");
    std::fs::write(&long, "x".repeat(65_537)).unwrap();
    let folder = |public: &Path| {
        let folder = programs.path("signatures").display().to_string();
        let public = public.display().to_string();
        Config::none()
            .set("signatures", &folder)
            .set("public-key", &public)
    };
    for (config, code, words) in [
        (key("absent://k"), 115, "`sigstore-kms-absent`"),
        (key("https://h/k"), 3, "keys are not read from `https`"),
        (key("Ab://k"), 3, "`Ab` is no scheme of a key"),
        (
            key("absent://k").set("password", "p"),
            3,
            "not opened by a `password`",
        ),
        (
            program("absent-program", &public),
            115,
            "`absent-program`: no such program",
        ),
        (program(&script, "absent.pub"), 115, "absent.pub"),
        (program(&script, &script), 115, "no `PUBLIC KEY` in PEM"),
        (
            program(&script, long.to_str().unwrap()),
            115,
            "the file of the public half has more than 65536 bytes",
        ),
        (folder(&long), 115, "`public-key` names a public key in PEM"),
    ] {
        run(&programs, &registry, &image, config)
            .ended_with(code)
            .says(&[words]);
    }
    registry.stored_nothing();
}

/// A point that is not on its curve, and one of Ed25519 by which signatures are
/// accepted that nobody made.
///
/// KEY-114, KEY-119
#[test]
fn a_public_half_that_proves_nothing_is_refused() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let script = programs.script("sign", SIGN).display().to_string();
    let pem = std::fs::read_to_string(programs.path("public.pub")).unwrap();
    let base64: String = pem.lines().filter(|line| !line.contains("---")).collect();
    let mut off_curve = STANDARD.decode(base64).unwrap();
    *off_curve.last_mut().unwrap() ^= 1;
    let mut neutral = hex::decode("302a300506032b6570032100").unwrap();
    neutral.push(1);
    neutral.resize(44, 0);
    for der in [off_curve, neutral] {
        let public = programs.path("unsound.pub");
        let base64 = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        std::fs::write(&public, pem).unwrap();
        let config = Config::none()
            .set_raw("program", &format!("[{script:?}]"))
            .set("public-key", &public.display().to_string());
        run(&programs, &registry, &image, config)
            .ended_with(115)
            .says(&[
                "the public half of the key is damaged",
                "export the public key again",
            ])
            .does_not_say(&["generate-key-pair"]);
    }
    assert!(programs.lines("asked").is_empty());
    registry.stored_nothing();
}

/// KEY-119
#[test]
fn a_certificate_may_hold_the_public_half() {
    let (programs, (registry, image)) = (Programs::new(), seeded());
    let script = programs.script("sign", SIGN).display().to_string();
    let config = Config::none()
        .set_raw("program", &format!("[{script:?}]"))
        .set(
            "certificate",
            &programs.path("cert.pem").display().to_string(),
        );
    run(&programs, &registry, &image, config).succeeded();
    verified(&registry, &image, &programs, "legacy");
}
