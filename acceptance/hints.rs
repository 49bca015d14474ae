//! The remedies that a failed run gives its operator, at the program's own
//! surface; `src/cli/hint/tests.rs` has the rest.

use std::path::{Path, PathBuf};

use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

fn seeded() -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    (registry, image)
}

/// With a key of `testdata`, and these bytes as its password file.
fn with_password(bytes: &[u8]) -> Outcome {
    let (registry, image) = seeded();
    let key = testdata("keys/p256-n32768-cosign-header.key");
    let config = Config::key_file(&key).set("password", "p");
    let signer = Signer::of(&image, registry.host()).config(config);
    std::fs::write(signer.folder().join("p"), bytes).unwrap();
    signer.run().ended_with(115)
}

#[test]
fn a_wrong_password_file_is_told_what_it_must_hold() {
    with_password(b"wrong").says(&["hint: the file must hold the password of this very key"]);
}

#[test]
fn an_empty_password_file_is_named_as_such() {
    for bytes in [&b""[..], b"\n", b"\r\n"] {
        let run = with_password(bytes).says(&["the empty one, read from `"]);
        run.says(&["hint: write the password into the file"]);
    }
}

#[test]
fn a_key_file_whose_line_breaks_are_two_characters_is_told_so() {
    let (registry, image) = seeded();
    let key = std::fs::read_to_string(testdata("keys/p256-cosign3.key")).unwrap();
    for escaped in ["\\n", "\\r\\n"] {
        let signer = Signer::of(&image, registry.host());
        let signer = signer.config(Config::key_file(&PathBuf::from("k")));
        let text = key.trim_end().replace('\n', escaped);
        std::fs::write(signer.folder().join("k"), &text).unwrap();
        let run = signer.run().ended_with(115);
        let run = run.says(&["the two characters `\\n`", "hint: turn each `\\n`"]);
        run.does_not_say(&[&text[60..80]]);
    }
}

/// ECR's answer where nobody has made the repository.
#[test]
fn a_repository_that_is_not_there_is_told_to_be_created() {
    let (registry, image) = seeded();
    let words = "The repository with name 'sigs' does not exist in the registry";
    let answer = Answer::error(404, "NAME_UNKNOWN", words);
    let uploads = When::every("POST", "/blobs/uploads/");
    registry.inject(uploads, Action::Answer(answer));
    let config = Config::key("p256-cosign3");
    let config = config.set("repository", &format!("{}/team/sigs", registry.host()));
    let run = Signer::of(&image, registry.host()).config(config).run();
    let run = run.ended_with(113).says(&["NAME_UNKNOWN"]);
    run.says(&["hint: create the repository `team/sigs` first"]);
}

/// A mirror, or a cache of another registry.
#[test]
fn a_registry_that_is_read_only_is_named_as_such() {
    let (registry, image) = seeded();
    let uploads = When::every("POST", "/blobs/uploads/");
    registry.inject(uploads, Action::error(405, "UNSUPPORTED"));
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    let run = signer.run().ended_with(113);
    run.says(&["hint: this registry takes no uploads", "`repository`"]);
}

/// After the usage, where the eye is.
#[test]
fn a_bad_flag_has_its_remedy_in_the_last_line() {
    let last_line = |arguments: &[&str]| {
        let run = Signer::with_report("").run_bare(arguments).ended_with(2);
        run.stderr.lines().last().unwrap_or_default().to_owned()
    };
    let nearest = last_line(&["-cosign-cfg=c"]);
    assert_eq!(nearest, "hint: did you mean `-cosign-config`?");
    let unknown = last_line(&["-zzz"]);
    assert_eq!(unknown, "hint: `signer -h` lists the flags");
    let unit = last_line(&["-timeout", "10"]);
    assert!(
        unit.starts_with("hint: write a number and its unit"),
        "{unit}"
    );
}

/// SIG-83
#[test]
fn an_unknown_flag_is_told_where_all_are_also_to_machines() {
    let signer = Signer::with_report("");
    let run = signer.run_bare(&["-log-format", "json", "-zzz"]);
    // No list stands above a line for machines.
    let run = run.ended_with(2).says(&["`signer -h` lists the flags"]);
    run.does_not_say(&["above"]);
}

/// SIG-2, SIG-4
#[test]
fn an_id_out_of_range_is_refused_wherever_it_stands() {
    let (registry, image) = seeded();
    let signer = || Signer::of(&image, registry.host()).key("p256-cosign3");
    for id in ["-1", "4294967295", "99999999999999999999"] {
        for variable in ["CNB_USER_ID", "CNB_GROUP_ID"] {
            let run = signer().environment(variable, id).run().ended_with(3);
            let words = format!("invalid value \"{id}\" of `{variable}`: value out of range");
            run.says(&[&words, "hint: write the number of a user or a group"]);
        }
        let run = signer().arguments(&[&format!("-uid={id}")]).run();
        let run = run.ended_with(2);
        assert!(
            run.stderr
                .contains("hint: write the number of a user or a group"),
            "{}",
            run.stderr
        );
    }
    assert!(registry.exchanges().is_empty());
}

/// SIG-71
#[test]
fn what_a_variable_or_a_flag_says_wrong_is_an_invalid_input() {
    let (registry, image) = seeded();
    let signer = || Signer::of(&image, registry.host()).key("p256-cosign3");
    let level = signer().arguments(&["-log-level=loud"]).run();
    let level = level.ended_with(3);
    // The lifecycle's line, and the words of it once.
    level.says(&[
        "\u{1b}[0mfailed to parse log level: invalid level\n",
        "hint: write `debug`",
    ]);
    let level = signer().environment("CNB_LOG_LEVEL", "loud").run();
    level.ended_with(3).says(&["invalid level"]);
    for (name, text) in [
        ("CNB_REGISTRY_AUTH", "{"),
        ("CNB_REGISTRY_AUTH", "[]"),
        ("DOCKER_AUTH_CONFIG", "no JSON"),
    ] {
        let run = signer().environment(name, text).run().ended_with(3);
        run.says(&["failed to resolve keychain", name]);
    }
    let signer = signer();
    std::fs::write(signer.folder().join("config.json"), "{").unwrap();
    let folder = signer.folder().to_str().unwrap().to_owned();
    let run = signer.environment("DOCKER_CONFIG", &folder).run();
    let file = Path::new(&folder).join("config.json");
    run.ended_with(3).says(&[file.to_str().unwrap()]);
    assert!(registry.exchanges().is_empty());
}
