//! Files that are refused, and how that is said.

use std::error::Error as _;
use std::time::Instant;

use super::{ConfigError, CosignConfig, Meant, ONE, PublicKeyFile, WrittenKey, parse, refusal};
use crate::file::Files;

/// CFG-2
#[test]
fn unknown_keys_are_refused_with_position_and_suggestion() {
    for (text, message, meant) in [
        (
            format!("{ONE}exportsbom = \"none\"\n"),
            "unknown key `exportsbom` in `[[configs]]` at `/c/cosign.toml:3:1`",
            Some(Meant::Key("export-sbom")),
        ),
        (
            "[[configs]]\n  keys = \"k\"\n".to_owned(),
            "unknown key `keys` in `[[configs]]` at `/c/cosign.toml:2:3`",
            Some(Meant::Key("key")),
        ),
        (
            "[[config]]\nkey = \"k\"\n".to_owned(),
            "unknown key `config` in the top level at `/c/cosign.toml:1:3`",
            Some(Meant::Key("configs")),
        ),
        (
            format!("{ONE}[[annotations]]\nname = \"a\"\nval = \"b\"\n"),
            "unknown key `val` in `[[annotations]]` at `/c/cosign.toml:5:1`",
            Some(Meant::Key("value")),
        ),
        (
            format!("password = \"p\"\n{ONE}"),
            "unknown key `password` in the top level at `/c/cosign.toml:1:1`",
            Some(Meant::Under("`[[configs]]`")),
        ),
        (
            format!("{ONE}zzz = 1\nbbb = 2\n"),
            "unknown key `zzz` in `[[configs]]` at `/c/cosign.toml:3:1`",
            None,
        ),
        (
            format!("{ONE}formats = \"bundle\"\n"),
            "unknown key `formats` in `[[configs]]` at `/c/cosign.toml:3:1`",
            Some(Meant::Key("format")),
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), message);
        let ConfigError::UnknownKey { meant: found, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, meant, "{text}");
    }
}

#[test]
fn the_secrets_of_the_rfcs_first_version_are_known_for_what_they_are() {
    for (key, now) in [("key-data", "key"), ("password-data", "password")] {
        let error = parse(&format!("[[configs]]\n{key} = \"canary\"\n")).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(&format!("unknown key `{key}`")),
            "{message}"
        );
        assert!(!format!("{error:?}").contains("canary"));
        let ConfigError::UnknownKey { meant, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(meant, Some(Meant::PathIn(now)));
    }
}

/// CFG-5
#[test]
fn two_annotations_of_one_name_are_refused_with_both_lines() {
    let entry = "[[annotations]]\nname = \"a\"\nvalue = \"b\"\n";
    assert_eq!(
        refusal(&format!("{entry}{ONE}{entry}")),
        "the annotation `a` at `/c/cosign.toml:7:8` is the second of that name, after line 2"
    );
}

/// CFG-6
#[test]
fn a_file_without_configs_is_refused() {
    for text in [
        "",
        "configs = []\n",
        "[[annotations]]\nname=\"a\"\nvalue=\"\"\n",
    ] {
        assert_eq!(
            refusal(text),
            "`/c/cosign.toml` has no `[[configs]]`: nothing says who signs"
        );
    }
}

#[test]
fn a_single_table_is_refused() {
    for text in [
        "[configs]\nkey = \"k\"\n",
        "configs = \"k\"\n",
        "configs = [\"k\"]\n",
        "[annotations]\na = \"b\"\n",
    ] {
        let message = refusal(text);
        assert!(message.contains("must be an array of tables"), "{message}");
    }
}

#[test]
fn a_config_needs_a_key() {
    assert_eq!(
        refusal(&format!("{ONE}\n[[configs]]\npassword = \"p\"\n")),
        "no `key` in the `[[configs]]` at `/c/cosign.toml:4:1`"
    );
}

/// CFG-4
#[test]
fn empty_values_are_refused_and_not_taken_for_absent() {
    for key in ["password", "repository", "export-sbom"] {
        let message = refusal(&format!("{ONE}{key} = \"\"\n"));
        assert!(
            message.starts_with(&format!("`{key}` is empty at `/c/cosign.toml:3:")),
            "{message}"
        );
    }
    assert_eq!(
        refusal("[[configs]]\nkey = \"\"\n"),
        "`key` is empty at `/c/cosign.toml:2:7`"
    );
}

/// CFG-3
#[test]
fn values_of_another_type_are_refused_with_their_place() {
    for (text, message) in [
        (
            "docker-media-types = \"true\"",
            "`docker-media-types` must be `true` or `false`, not a string, at `/c/cosign.toml:3:22`",
        ),
        (
            "docker-media-types = 1",
            "`docker-media-types` must be `true` or `false`, not an integer, at `/c/cosign.toml:3:22`",
        ),
        (
            "export-sbom = false",
            "`export-sbom` must be a string, not a boolean, at `/c/cosign.toml:3:15`",
        ),
        (
            "password = 12345",
            "`password` must be a string, not an integer, at `/c/cosign.toml:3:12`",
        ),
        (
            "repository = []",
            "`repository` must be a string, not an array, at `/c/cosign.toml:3:14`",
        ),
    ] {
        assert_eq!(refusal(&format!("{ONE}{text}\n")), message);
    }
    assert_eq!(
        refusal("[[configs]]\nkey.data = 1\n"),
        "`key` must be a string, not a table, at `/c/cosign.toml:2:1`"
    );
}

/// CFG-10
#[test]
fn an_unknown_value_of_export_sbom_lists_the_valid_ones() {
    let error = parse(&format!("{ONE}export-sbom = \"attestatoin\"\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown value `attestatoin` of `export-sbom` at `/c/cosign.toml:3:15`"
    );
    let ConfigError::UnknownValue { valid, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(valid, ["attestation", "attachment", "none"]);
}

/// CFG-8
#[test]
fn a_key_with_a_scheme_is_a_uri_and_any_other_text_a_path() {
    for uri in [
        "awskms:///alias/k",
        "env://K",
        "pkcs11:token=t",
        "x-y://a/b",
    ] {
        let file = parse(&format!("[[configs]]\nkey = \"{uri}\"\n")).unwrap();
        assert_eq!(file.configs()[0].key, WrittenKey::Uri(uri.to_owned()));
    }
    for path in ["a:b", "./awskms://x", "9://x", "C:/x"] {
        let file = parse(&format!("[[configs]]\nkey = \"{path}\"\n")).unwrap();
        assert_eq!(file.configs()[0].key, WrittenKey::File(path.into()));
    }
}

/// CFG-8
#[test]
fn a_program_has_a_public_half_and_no_key_beside() {
    let text = "[[configs]]\nprogram = [\"sign\", \"--key\", \"a b\"]\npublic-key = \"a.pub\"\n";
    let file = parse(text).unwrap();
    let command = ["sign", "--key", "a b"].map(str::to_owned).to_vec();
    let public = PublicKeyFile::Key("a.pub".into());
    assert_eq!(
        file.configs()[0].key,
        WrittenKey::Program { command, public }
    );
    for (keys, refused) in [
        ("program = []\npublic-key = \"p\"", "`program` is empty"),
        ("program = [\"\"]\npublic-key = \"p\"", "`program` is empty"),
        (
            "program = \"p\"\npublic-key = \"p\"",
            "`program` must be an array of strings",
        ),
        (
            "program = [1]\npublic-key = \"p\"",
            "`program` must be an array of strings",
        ),
        (
            "program = [\"p\", \"a\\u0000b\"]\npublic-key = \"p\"",
            "`program` has the character NUL in an argument, at `/c/cosign.toml:2:17`",
        ),
        (
            "program = [\"p\"]",
            "has no `public-key` and no `certificate`",
        ),
        (
            "program = [\"p\"]\npublic-key = \"p\"\ncertificate = \"c\"",
            "`certificate` cannot stand beside `public-key`",
        ),
        (
            "program = [\"p\"]\npublic-key = \"p\"\nkey = \"k\"",
            "`program` cannot stand beside `key`",
        ),
        (
            "key = \"k\"\npublic-key = \"p\"",
            "`public-key` cannot stand beside `key`",
        ),
        (
            "key = \"k\"\npublic-key = \"p\"\ncertificate = \"c\"",
            "`certificate` cannot stand beside `public-key`",
        ),
    ] {
        let words = refusal(&format!("[[configs]]\n{keys}\n"));
        assert!(words.contains(refused), "{words}");
    }
}

/// CFG-8
#[test]
fn a_folder_of_signatures_has_a_public_half_and_no_key_beside() {
    let text = "[[configs]]\nsignatures = \"s\"\ncertificate = \"c.pem\"\n";
    let (folder, public) = ("s".into(), PublicKeyFile::Certificate("c.pem".into()));
    assert_eq!(
        parse(text).unwrap().configs()[0].key,
        WrittenKey::Signatures { folder, public }
    );
    for (keys, refused) in [
        (
            "signatures = \"\"\npublic-key = \"p\"",
            "`signatures` is empty",
        ),
        (
            "signatures = [\"s\"]\npublic-key = \"p\"",
            "`signatures` must be a string",
        ),
        (
            "signatures = \"s3://s\"\npublic-key = \"p\"",
            "`signatures` starts with `s3://`",
        ),
        (
            "signatures = \"s\"",
            "the `signatures` at `/c/cosign.toml:2:14` has no `public-key`",
        ),
        (
            "key = \"k\"\nsignatures = \"s\"",
            "`signatures` cannot stand beside `key`",
        ),
        (
            "program = [\"p\"]\nsignatures = \"s\"\npublic-key = \"p\"",
            "`signatures` cannot stand beside `program`",
        ),
    ] {
        let words = refusal(&format!("[[configs]]\n{keys}\n"));
        assert!(words.contains(refused), "{words}");
    }
}

/// CFG-8, CFG-11, SIG-11
#[test]
fn no_error_repeats_a_secret_that_was_pasted() {
    let canary = "hunter2-canary";
    for text in [
        format!("{ONE}password = {canary}\n"),
        format!("{ONE}password = \"{canary}\n"),
        format!("{ONE}password = \"{canary}\\n\"\n"),
        format!("{ONE}password = \"\"\"\n{canary}\n\"\"\"\n"),
        format!("{ONE}password = [\"{canary}\"]\n"),
        format!("{ONE}password = {{ text = \"{canary}\" }}\n"),
        format!("{ONE}password = \"x\"\npassword = \"{canary}\"\n"),
        format!("{ONE}password = \"vault://{canary}\"\n"),
        format!("{ONE}password = \"{canary}://x\"\n"),
        format!("{ONE}passwords = \"{canary}\"\n"),
        format!("{ONE}repository = \"https://u:{canary}@r.io/x\"\n"),
        format!("[[configs]]\nkey = \"-----BEGIN PRIVATE KEY-----{canary}\"\n"),
        format!("[[configs]]\nkey = '''\n{canary}\n'''\n"),
        format!("[[configs]]\nprogram = \"{canary}\"\n"),
        format!("[[configs]]\nkey = {canary}\n"),
    ] {
        let error = parse(&text).unwrap_err();
        let mut shown = format!("{error} {error:?}");
        let mut cause = error.source();
        while let Some(source) = cause {
            shown.push_str(&source.to_string());
            cause = source.source();
        }
        assert!(!shown.contains(canary), "{text}: {shown}");
    }
}

#[test]
fn invalid_toml_is_refused_with_line_and_column() {
    for value in ["none", "`none`", "'none"] {
        let message = refusal(&format!("{ONE}export-sbom = {value}\n"));
        assert!(
            message.starts_with("invalid TOML at `/c/cosign.toml:3:"),
            "{message}"
        );
    }
}

#[test]
fn a_missing_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = CosignConfig::read(
        &folder.path().join("cosign.toml"),
        &Files::until(Instant::now()),
    )
    .unwrap_err();
    assert!(error.to_string().starts_with("cannot read `"), "{error}");
}
