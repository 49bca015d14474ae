//! `cosign.toml` as it is understood.

mod certificate;
mod refused;
mod witness;

use std::error::Error as _;
use std::time::Instant;

use super::*;

const ONE: &str = "[[configs]]\nkey = \"cosign.key\"\n";

fn parse(text: &str) -> Result<CosignConfig, ConfigError> {
    CosignConfig::parse(Path::new("/c/cosign.toml"), text.as_bytes())
}

/// The message of a refusal.
fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// CFG-1
#[test]
fn the_example_of_the_rfc_is_understood() {
    let file = parse(
        r#"
[[annotations]]
name = "buildTimestamp"
value = "20220223.120000"

[[annotations]]
name = "a"
value = ""

[[configs]]
key = "keys/cosign.key"
password = "/keys/cosign.password"
repository = "registry.example.com:5000/signatures"
docker-media-types = true
export-sbom = "none"

[[configs]]
key = "other.key"
"#,
    )
    .unwrap();
    let annotations: Vec<_> = file
        .annotations()
        .iter()
        .map(|a| (a.name.as_str(), a.value.as_str(), a.position.line))
        .collect();
    assert_eq!(
        annotations,
        [("buildTimestamp", "20220223.120000", 3), ("a", "", 7)]
    );
    let [first, second] = file.configs() else {
        panic!("{file:?}")
    };
    assert_eq!(first.key, WrittenKey::File("keys/cosign.key".into()));
    assert_eq!(
        first.password.as_deref(),
        Some(Path::new("/keys/cosign.password"))
    );
    assert_eq!(
        first.repository.as_ref().unwrap().to_string(),
        "registry.example.com:5000/signatures"
    );
    assert_eq!(first.media_types, MediaTypes::Docker);
    assert_eq!(first.export_sbom, ExportSbom::None);
    assert_eq!((first.position.line, second.position.line), (10, 17));
    assert_eq!(second.position.to_string(), "/c/cosign.toml:17:1");
}

/// CFG-4
#[test]
fn what_is_absent_has_the_default_of_the_rfc() {
    let file = parse(ONE).unwrap();
    assert!(file.annotations().is_empty());
    let config = &file.configs()[0];
    assert_eq!(config.password, None);
    assert_eq!(config.repository, None);
    assert_eq!(config.media_types, MediaTypes::Oci);
    assert_eq!(config.export_sbom, ExportSbom::Attestation);
}

#[test]
fn every_value_of_export_sbom_is_understood() {
    for (name, meant) in [
        ("none", ExportSbom::None),
        ("attestation", ExportSbom::Attestation),
        ("attachment", ExportSbom::Attachment),
    ] {
        let file = parse(&format!("{ONE}export-sbom = \"{name}\"\n")).unwrap();
        assert_eq!(file.configs()[0].export_sbom, meant);
    }
    let file = parse(&format!("{ONE}docker-media-types = false\n")).unwrap();
    assert_eq!(file.configs()[0].media_types, MediaTypes::Oci);
}

#[test]
fn inline_tables_mean_the_same() {
    let file = parse(
        "annotations = [{name = \"a\", value = \"b\"}]\nconfigs = [{key = \"k\"}, {key = \"l\"}]\n",
    )
    .unwrap();
    assert_eq!(file.annotations().len(), 1);
    assert_eq!(file.configs()[1].key, WrittenKey::File("l".into()));
    assert_eq!(
        file.configs()[1].position.to_string(),
        "/c/cosign.toml:2:25"
    );
}

/// CFG-7, SIG-7
#[test]
fn a_relative_path_starts_at_the_folder_of_the_file() {
    let file = parse(ONE).unwrap();
    assert_eq!(file.path(), Path::new("/c/cosign.toml"));
    let resolve = |text: &str| file.resolve(Path::new(text));
    assert_eq!(resolve("cosign.key"), Path::new("/c/cosign.key"));
    assert_eq!(resolve("../k/cosign.key"), Path::new("/c/../k/cosign.key"));
    assert_eq!(resolve("/k/cosign.key"), Path::new("/k/cosign.key"));
    let here = CosignConfig::parse(Path::new("cosign.toml"), ONE.as_bytes()).unwrap();
    assert_eq!(here.resolve(Path::new("k")), Path::new("k"));
}

/// CFG-3
#[test]
fn annotations_have_a_name_and_a_string() {
    for (text, message) in [
        (
            "value = \"b\"",
            "no `name` in the `[[annotations]]` at `/c/cosign.toml:3:1`",
        ),
        (
            "name = \"a\"",
            "no `value` in the `[[annotations]]` at `/c/cosign.toml:3:1`",
        ),
        (
            "name = \"\"\nvalue = \"b\"",
            "`name` is empty at `/c/cosign.toml:4:8`",
        ),
        (
            "name = \"a\"\nvalue = 7",
            "`value` must be a string, not an integer, at `/c/cosign.toml:5:9`",
        ),
        (
            "name = \"a\"\nvalue = true",
            "`value` must be a string, not a boolean, at `/c/cosign.toml:5:9`",
        ),
        (
            "name = \"a\"\nvalue = 1979-05-27",
            "`value` must be a string, not a date or time, at `/c/cosign.toml:5:9`",
        ),
        (
            "name = \"a\"\nvalue = [\"b\"]",
            "`value` must be a string, not an array, at `/c/cosign.toml:5:9`",
        ),
        (
            "name = 1.0\nvalue = \"b\"",
            "`name` must be a string, not a float, at `/c/cosign.toml:4:8`",
        ),
    ] {
        assert_eq!(refusal(&format!("{ONE}[[annotations]]\n{text}\n")), message);
    }
}

/// CFG-9
#[test]
fn a_repository_is_checked_where_it_stands() {
    for text in ["signatures", "r.io", "r.io/sigs:v1", "r.io/Sigs", "r.io/a/"] {
        let error = parse(&format!("{ONE}repository = \"{text}\"\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the `repository` at `/c/cosign.toml:3:14` cannot be used"
        );
        let source = error.source().unwrap().to_string();
        assert!(source.contains(&format!("`{text}`")), "{source}");
    }
    let digest = format!("r.io/sigs@sha256:{}", "0a".repeat(32));
    let error = parse(&format!("{ONE}repository = \"{digest}\"\n")).unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.contains(&format!("`{digest}`")), "{source}");
}

/// CFG-11, SIG-15. A host, or a password, may begin as a digest does.
#[test]
fn credentials_before_a_host_are_not_repeated() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for text in [
        "https://u:canary@r.io/sigs",
        "u:canary@r.io/sigs",
        "u:canary@shared.example.com/x",
        "u:canary@sha256:5000/x",
        &format!("u:canary@{digest}@r.io/x"),
        &format!("u:canary@{digest}/x"),
        &format!("u:canary@x@{digest}"),
        &format!("u@canary@{digest}"),
    ] {
        let error = parse(&format!("{ONE}repository = \"{text}\"\n")).unwrap_err();
        assert!(
            matches!(error, ConfigError::RepositoryIsUrl { .. }),
            "{text}"
        );
    }
}

/// CFG-9
#[test]
fn a_repository_is_normalised_as_references_are() {
    for (text, normalised) in [
        ("docker.io/x", "index.docker.io/library/x"),
        ("docker.io/team/x", "index.docker.io/team/x"),
        ("index.docker.io/x", "index.docker.io/library/x"),
        ("team/sigs", "index.docker.io/team/sigs"),
        ("localhost/sigs", "localhost/sigs"),
        ("r.io/x", "r.io/x"),
        ("r.io:5000/team/x", "r.io:5000/team/x"),
    ] {
        let file = parse(&format!("{ONE}repository = \"{text}\"\n")).unwrap();
        let repository = file.configs()[0].repository.as_ref().unwrap();
        assert_eq!(repository.to_string(), normalised, "{text}");
    }
}

#[test]
fn a_file_is_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cosign.toml");
    std::fs::write(&path, ONE).unwrap();
    let file = CosignConfig::read(&path, &Files::until(Instant::now())).unwrap();
    assert_eq!(
        file.resolve(Path::new("cosign.key")),
        folder.path().join("cosign.key")
    );
    assert_eq!(file.configs()[0].key, WrittenKey::File("cosign.key".into()));
}

#[test]
fn a_large_hostile_file_is_refused_in_time() {
    let line = "[[annotations]]\nname=\"a\"\nvalue=\"\"\n";
    let message = refusal(&line.repeat(super::super::MAX_BYTES / line.len()));
    assert!(message.contains("the second of that name"), "{message}");
}

/// All in one line, each with its position. Counted from the start of the line
/// for each, the characters take half a minute.
#[test]
fn a_line_of_very_many_annotations_is_read_at_once() {
    let annotations: Vec<_> = (0..30_000)
        .map(|name| format!("{{name=\"{name:x}\",value=\"é\"}}"))
        .collect();
    let text = format!(
        "annotations=[{}]\n[[configs]]\nkey=\"k\"\n",
        annotations.join(",")
    );
    let started = std::time::Instant::now();
    let config = CosignConfig::parse(Path::new("f"), text.as_bytes()).unwrap();
    let last = &config.annotations()[29_999].position;
    let before = text.lines().next().unwrap().rfind("\"752f\"").unwrap();
    let column = text[..before].chars().count() + 1;
    assert_eq!((last.line, last.column), (1, column));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn the_manual_and_the_specification_know_every_key() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| std::fs::read_to_string(package.join(path)).unwrap();
    let (manual, specification) = (read("docs/signer.1"), read("spec/cosign-toml.md"));
    for (table, level) in [("annotations", &ANNOTATIONS), ("configs", &CONFIGS)] {
        assert!(manual.contains(&format!("\n[[{table}]]\n")), "{table}");
        for key in level.keys {
            assert!(manual.contains(&format!("\n.It Cm {key}\n")), "{key}");
            assert!(
                specification.contains(&format!("| `{table}.{key}` |")),
                "{key}"
            );
        }
    }
    let listed = manual.matches("\n.It Cm ").count();
    assert_eq!(listed, ANNOTATIONS.keys.len() + CONFIGS.keys.len());
}
