mod services;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;

use super::*;
use crate::cli::{Invocation, usage};
use crate::config::{CosignConfig, Report};
use crate::file::Files;
use crate::http::roots::Roots;
use crate::http::{HttpError, RedactedUrl};
use crate::keys::{KeyError, PasswordOrigin};
use crate::phase::DestinationError;
use crate::proof::chain::{ChainError, Usage};
use crate::sbom::{Exceeded, SbomError};
use crate::store::registry::credentials::{CredentialsError, Source, Unusable};
use crate::store::registry::{Limit, StoreError};

const ONE: &str = "[[configs]]\nkey = \"cosign.key\"\n";

fn words(hint: Hint) -> String {
    hint.map(Cow::into_owned).unwrap_or_default()
}

fn of_config(text: &str) -> String {
    let error = CosignConfig::parse(Path::new("/c/cosign.toml"), text.as_bytes()).unwrap_err();
    words(of(&Failure::Config(error)))
}

fn of_report(text: &str) -> Hint {
    let error = Report::parse(Path::new("r.toml"), text.as_bytes()).unwrap_err();
    of(&Failure::Report(error))
}

fn of_store(error: StoreError) -> String {
    words(store::of_store(&error))
}

/// A flag or a variable that changes its name must change it here too.
#[test]
fn every_flag_and_variable_of_a_remedy_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut text = std::fs::read_to_string(folder.join("hint.rs")).unwrap();
    for file in std::fs::read_dir(folder.join("hint")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !path.ends_with("tests.rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    let (usage, inputs) = (usage::flags(), folder.join("inputs.rs"));
    let known = std::fs::read_to_string(inputs).unwrap()
        + &std::fs::read_to_string(folder.join("limits.rs")).unwrap();
    let mut flags = 0;
    for after in text.split(['`', '"']) {
        let word = after.split([' ', '<']).next().unwrap_or_default();
        let is_name = |rest: &str| rest.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let name = word.strip_prefix('-').filter(|rest| is_name(rest));
        // Those of the exporter, of pack and of cosign, and the one that usage leaves
        // out.
        let of_cosign = ["-certificate-chain", "-rekor-config", "-tsa-config"];
        let others = ["layout", "daemon", "-publish", "extfile", "h", ""];
        let is_ours = |name: &&str| !others.contains(name) && !of_cosign.contains(name);
        if let Some(name) = name.filter(is_ours) {
            assert!(usage.contains(&format!("  -{name}")), "{name}");
            flags += 1;
        }
        if word.starts_with("CNB_") {
            assert!(known.contains(&format!("\"{word}\"")), "{word}");
        }
    }
    assert!(flags > 10, "{flags}");
}

#[test]
fn what_is_written_wrong_in_cosign_toml_is_told_right() {
    let key_data = "secrets are not written into this file: write the path of a file to `key`";
    let program = "write `program = [\"<program>\", \"<argument>\"]`";
    let list = "alid are `attestation`, `attachment`, `none`";
    for (text, hint) in [
        (
            &format!("{ONE}exportsbom = \"none\"\n"),
            "did you mean `export-sbom`?",
        ),
        (
            &format!("password = \"p\"\n{ONE}"),
            "`password` belongs under `[[configs]]`",
        ),
        (&format!("{ONE}zzz = 1\n"), ""),
        (&"[[configs]]\nkey-data = \"canary\"\n".to_owned(), key_data),
        (
            &"[configs]\nkey = \"k\"\n".to_owned(),
            "write `[[configs]]`",
        ),
        (
            &"[annotations]\na = \"b\"\n".to_owned(),
            "write `[[annotations]]`",
        ),
        (
            &"[[configs]]\nkey.data = 1\n".to_owned(),
            "write it in quotes",
        ),
        (
            &format!("{ONE}docker-media-types = \"true\"\n"),
            "write it without quotes",
        ),
        (&format!("{ONE}docker-media-types = 1\n"), ""),
        (
            &"[[configs]]\nprogram = \"sign\"\npublic-key = \"p\"\n".to_owned(),
            program,
        ),
        (
            &"[[configs]]\nprogram = [\"sign\", 1]\npublic-key = \"p\"\n".to_owned(),
            program,
        ),
        (
            &"[[configs]]\nprogram = [\"p\\u0000\"]\npublic-key = \"p\"\n".to_owned(),
            "",
        ),
        (
            &format!("{ONE}password = \"\"\n"),
            "leave the key out if it is not meant",
        ),
        (
            &format!("{ONE}export-sbom = \"attestatoin\"\n"),
            &format!("did you mean `attestation`? V{list}"),
        ),
        (
            &format!("{ONE}export-sbom = \"spdx\"\n"),
            &format!("v{list}"),
        ),
    ] {
        assert_eq!(of_config(text), hint, "{text}");
    }
}

#[test]
fn a_cosign_toml_that_says_nothing_of_use_is_told_what_to_say() {
    for (text, hint) in [
        ("", "key = "),
        (
            "[[configs]]\nkey = team.key\n",
            "strings are written in quotes",
        ),
        (
            "[[configs]]\nkey = 'k'\npassword = ./p\n",
            "strings are written in quotes",
        ),
        (
            &"[[annotations]]\nname = 'a'\nvalue = ''\n".repeat(2),
            "each name once",
        ),
        ("[[configs]]\npassword = \"p\"\n", "key = "),
        (
            "[[configs]]\nkey = 'k'\npassword = 'env://K'\n",
            "the path of a file",
        ),
        (
            "[[configs]]\nkey = 'k'\nprogram = ['p']\npublic-key = 'p'\n",
            "named once",
        ),
        ("[[configs]]\nprogram = ['p']\n", "`public-key = "),
        ("[[configs]]\nkey = `k`\n", "in quotes"),
        (
            "[[configs]]\nkey = 'k'\nrepository = 'sigs'\n",
            "<registry>/<path>",
        ),
        (
            "[[configs]]\nkey = 'k'\nrepository = 'https://r.io/x'\n",
            "<registry>/<path>",
        ),
    ] {
        let found = of_config(text);
        assert!(found.contains(hint), "{text}: {found}");
    }
    let error =
        CosignConfig::read(Path::new("/absent/c.toml"), &Files::until(Instant::now())).unwrap_err();
    assert!(words(of(&Failure::Config(error))).contains("-cosign-config"));
}

#[test]
fn a_report_of_something_else_is_told_how_to_export() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (text, hint) in [
        ("[image]\ntags = [\"a\"]\nimage-id = \"5b\"\n", "--publish"),
        (
            "[image]\ntags = [\"/layout/a\"]\nmanifest-size = 1\n",
            "-layout",
        ),
        (
            &format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{digest}\"\nze = \"old"),
            "pack rebase",
        ),
        ("[image]\n", "export again"),
        ("", "`report.toml`"),
    ] {
        let found = words(of_report(text));
        assert!(found.contains(hint), "{text}: {found}");
    }
    let of_file = |path: &Path| {
        of(&Failure::Report(
            Report::read(path, &Files::until(Instant::now())).unwrap_err(),
        ))
    };
    assert!(words(of_file(Path::new("/absent/report.toml"))).contains("exporter"));
    // A folder.
    assert_eq!(of_file(Path::new("/")), None);
}

#[test]
fn an_upper_case_repository_is_told_in_lower_case() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let of_tag = |tag: &str| {
        words(of_report(&format!(
            "[image]\ntags = [\"{tag}\"]\ndigest = \"{digest}\"\n"
        )))
    };
    for (tag, lower) in [
        ("r.io/Team/App", "r.io/team/app"),
        ("r.io:5000/App:V1", "r.io:5000/app:V1"),
        ("App", "app"),
    ] {
        let hint = format!("repositories are in lower case: export to `{lower}`");
        assert_eq!(of_tag(tag), hint);
    }
    // Something else is wrong, too.
    for tag in ["r.io/App:", "r.io/-App", "r.io/a b"] {
        assert_eq!(of_tag(tag), "", "{tag}");
    }
}

#[test]
fn a_bad_flag_is_told_right() {
    for (argument, hint) in [
        ("-cosign-confg=c", "did you mean `-cosign-config`?"),
        ("--insecure_registry", "did you mean `-insecure-registry`?"),
        ("-sign-harder", "`signer -h` lists the flags"),
        ("-timeout=10", "as in `10s`"),
        ("-settle=1.5", "as in `10s`"),
        ("-timeout=0", ""),
        ("-uid=cnb", "the number of a user"),
        (
            "-no-color=maybe",
            "write `-no-color` alone, or `-no-color=false`",
        ),
        ("-manifest-limit=1MB", ""),
        ("-report", ""),
    ] {
        let error = Invocation::parse([argument.into()]).unwrap_err();
        let found = words(of(&Failure::Flag(error)));
        assert!(found.contains(hint), "{argument}: {found}");
        assert_eq!(found.is_empty(), hint.is_empty(), "{argument}: {found}");
    }
}

#[test]
fn a_report_cut_anywhere_has_a_remedy() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!("[image]\n  tags = [\"r.io/a\", \"r.io/b\"]\n  digest = \"{digest}\"\n");
    for length in 0..text.len() {
        if let Err(error) = Report::parse(Path::new("r.toml"), &text.as_bytes()[..length]) {
            assert!(of(&Failure::Report(error)).is_some(), "{length}");
        }
    }
}

#[test]
fn a_key_of_another_kind_is_told_how_to_become_one() {
    for (label, hint) in [
        (
            "PRIVATE KEY",
            "turn it into a cosign key with `cosign import-key-pair --key",
        ),
        (
            "EC PRIVATE KEY",
            "turn it into a cosign key with `cosign import-key-pair --key",
        ),
        (
            "RSA PRIVATE KEY",
            "turn it into a cosign key with `cosign import-key-pair --key",
        ),
        (
            "ENCRYPTED PRIVATE KEY",
            "decrypt it with `openssl pkey -in FILE -out PLAIN`, then",
        ),
        ("PUBLIC KEY", "this is a public key"),
        ("RSA PUBLIC KEY", "this is a public key"),
        (
            "CERTIFICATE",
            "the key must be a file that `cosign generate-key-pair`",
        ),
        (
            "OPENSSH PRIVATE KEY",
            "the key must be a file that `cosign generate-key-pair`",
        ),
        ("", "the key must be a file that `cosign generate-key-pair`"),
    ] {
        let found = words(keys::of_key(&KeyError::PemType(label.to_owned())));
        assert!(found.starts_with(hint), "{label}: {found}");
    }
    let parameters = KeyError::ScryptParameters { n: 1, r: 8, p: 1 };
    assert!(words(keys::of_key(&parameters)).contains("N=65536"));
}

#[test]
fn a_wrong_password_is_told_where_it_is_looked_for() {
    let path = || PathBuf::from("p");
    for (origin, hint) in [
        (PasswordOrigin::Environment, "newline"),
        (PasswordOrigin::Empty, "`password`"),
        (PasswordOrigin::File(path()), "of this very key"),
        (
            PasswordOrigin::EmptyFile(path()),
            "write the password into the file",
        ),
    ] {
        let found = words(keys::of_key(&KeyError::WrongPassword(origin)));
        assert!(found.contains(hint), "{found}");
    }
}

#[test]
fn credentials_that_cannot_be_used_are_told_how_to_be_given() {
    let json = |source_of| CredentialsError::Json {
        source_of,
        line: 1,
        column: 1,
    };
    let file = |reason| CredentialsError::Unusable {
        path: PathBuf::from("/c/config.json"),
        reason,
    };
    for (error, hint) in [
        (json(Source::CnbRegistryAuth), "Basic <base64>"),
        (json(Source::DockerAuthConfig), ""),
        (file(Unusable::BehindAFile), "is the folder"),
        (file(Unusable::Folder), "docker makes a folder"),
        (file(Unusable::OtherName(".dockercfg")), "docker's old form"),
        (
            file(Unusable::OtherName(".dockerconfigjson")),
            "under the name `config.json`",
        ),
        (
            CredentialsError::HelperAnswer(Source::CnbRegistryAuth),
            "by hand, as in `echo registry.example",
        ),
    ] {
        let found = words(of(&Failure::Credentials(error)));
        assert!(found.contains(hint), "{found}");
        assert_eq!(found.is_empty(), hint.is_empty(), "{found}");
    }
}

#[test]
fn a_limit_names_the_flag_that_raises_it() {
    let store = |limit| {
        of_store(StoreError::TooLarge {
            action: String::new(),
            limit,
        })
    };
    let sbom = |exceeded| words(sbom::of_sbom(&SbomError::Limit(exceeded)));
    for (found, flag) in [
        (store(Limit::Manifest(1)), "`-manifest-limit <size>`"),
        (store(Limit::Config(1)), "`-image-config-limit <size>`"),
        (store(Limit::Layer(1)), "`-sbom-layer-limit <size>`"),
        (sbom(Exceeded::Compressed(1)), "`-sbom-layer-limit <size>`"),
        (sbom(Exceeded::Expanded(1)), "`-sbom-expanded-limit <size>`"),
        (
            sbom(Exceeded::Ratio { ratio: 1, bytes: 1 }),
            "`-sbom-ratio-limit <times>`",
        ),
        (sbom(Exceeded::Entries(1)), "`-sbom-entries-limit <count>`"),
    ] {
        assert_eq!(
            found,
            format!("if its size is meant, raise the limit with {flag}")
        );
    }
    assert_eq!(sbom(Exceeded::Path(1)), "");
}

#[test]
fn an_sbom_that_cannot_be_attached_names_the_way_out() {
    let error = SbomError::NotAttachable(String::new());
    assert!(words(sbom::of_sbom(&error)).contains(r#"export-sbom = "attestation""#));
}

#[test]
fn a_container_without_a_bundle_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let (absent, nowhere) = (folder.path().join("x"), OsStr::new("/nowhere"));
    let none = http::of_roots(&Roots::load(Some(&absent), Some(nowhere)));
    assert!(none.starts_with("there are no root certificates here: mount a bundle at `/etc/ssl/certs/ca-certificates.crt`"), "{none}");
    assert!(none.contains("0 root certificates in `"), "{none}");
    let file = folder.path().join("one.pem");
    let certificate = rcgen::generate_simple_self_signed(vec!["r.io".to_owned()]).unwrap();
    std::fs::write(&file, certificate.cert.pem()).unwrap();
    let one = http::of_roots(&Roots::load(Some(&file), Some(nowhere)));
    assert!(
        one.starts_with("add the root certificate of its authority"),
        "{one}"
    );
}

#[test]
fn a_registry_that_speaks_plain_http_is_told_by_its_flag() {
    let url = RedactedUrl::from(&url::Url::parse("https://h.example/").unwrap());
    let error = HttpError::Tls {
        url,
        source: "nonsense".into(),
    };
    assert!(of_store(StoreError::Http(error)).contains("`-insecure-registry`"));
}

#[test]
fn a_certificate_s_own_faults_are_not_blamed_on_its_issuers() {
    for (error, hint) in [
        (ChainError::Authority, "`CA:FALSE`"),
        (ChainError::Version(1), "in version 3"),
        (ChainError::IssuerVersion, "in version 3"),
        (ChainError::IssuerUnfit(Usage::CodeSigning), "its issuers"),
    ] {
        let found = words(certificate::of_chain(&error));
        assert!(found.contains(hint), "{error}: {found}");
        assert_eq!(
            found.contains("issuers"),
            hint.contains("issuers"),
            "{found}"
        );
    }
}

#[test]
fn a_runtime_that_does_not_start_is_told_by_the_limit_that_it_met() {
    for (number, hint) in [
        (Errno::EMFILE, "`ulimit -n`"),
        (Errno::ENFILE, "`ulimit -n`"),
        (Errno::EAGAIN, "`ulimit -u`"),
        (Errno::EPERM, ""),
    ] {
        let error = io::Error::from_raw_os_error(number as i32);
        let found = words(of(&Failure::Start(error)));
        assert!(found.contains(hint), "{number}: {found}");
        assert_eq!(found.is_empty(), hint.is_empty(), "{number}: {found}");
    }
}

#[test]
fn a_receipt_is_not_written_over_an_input() {
    let source = DestinationError::Input("the key".to_owned());
    let path = PathBuf::from("k");
    assert!(words(of(&Failure::Receipt { path, source })).contains("another file"));
}
