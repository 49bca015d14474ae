use std::error::Error as _;
use std::fs;
use std::time::Instant;

use super::*;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn parse(text: &str) -> Result<Report, ReportError> {
    Report::parse(Path::new("r.toml"), text.as_bytes())
}

fn names(text: &str) -> Vec<String> {
    let report = parse(text).unwrap();
    report.tags().iter().map(Reference::to_string).collect()
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// SIG-8
#[test]
fn every_report_of_the_real_lifecycle_is_understood() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/images");
    let mut count = 0;
    for image in fs::read_dir(images).unwrap() {
        let path = image.unwrap().path().join("report.toml");
        let text = fs::read_to_string(&path).unwrap();
        let report = Report::read(&path, &Files::until(Instant::now())).unwrap();
        assert!(text.contains(&report.digest().to_string()), "{path:?}");
        assert_eq!(
            report.tags().len(),
            text.matches("127.0.0.1").count(),
            "{path:?}"
        );
        for tag in report.tags() {
            assert!(text.contains(&tag.to_string()), "{path:?} {tag}");
        }
        count += 1;
    }
    assert!(count >= 18, "{count}");
}

#[test]
fn several_tags_in_several_repositories_are_kept_in_order() {
    let text = format!(
        "[image]\n  tags = [\"127.0.0.1:5055/app/one\", \"127.0.0.1:5055/app/one:v2\", \
             \"127.0.0.1:5055/other/repo\"]\n  digest = \"{A}\"\n  manifest-size = 1386\n"
    );
    assert_eq!(
        names(&text),
        [
            "127.0.0.1:5055/app/one:latest",
            "127.0.0.1:5055/app/one:v2",
            "127.0.0.1:5055/other/repo:latest"
        ]
    );
    assert_eq!(parse(&text).unwrap().digest().to_string(), A);
}

/// SIG-9
#[test]
fn bare_names_are_on_docker_hub() {
    assert_eq!(
        names(&format!(
            "[image]\ntags = [\"app\", \"org/app:1\"]\ndigest = \"{A}\"\n"
        )),
        [
            "index.docker.io/library/app:latest",
            "index.docker.io/org/app:1"
        ]
    );
}

/// SIG-8
#[test]
fn a_report_of_platform_api_0_8_with_a_bill_of_materials_is_understood() {
    let text = format!(
        "[build]\n\n  [[build.bom]]\n    name = \"jdk\"\n    [build.bom.metadata]\n      \
             version = \"17\"\n    [build.bom.buildpack]\n      id = \"acme/one\"\n\n[image]\n  \
         tags = [\"127.0.0.1:5055/bom/v0.8\"]\n  digest = \"{A}\"\n  manifest-size = 1386\n"
    );
    assert_eq!(names(&text).len(), 1);
}

/// SIG-8
#[test]
fn keys_of_later_platform_apis_are_ignored() {
    let text = format!(
        "x = 1\n[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nrun-image.image = \"r\"\n\
         run-image.mirrors = []\n[later]\ny = 1979-05-27\n"
    );
    assert_eq!(names(&text), ["r.io/a:latest"]);
}

/// SIG-8
#[test]
fn the_manifest_size_may_be_a_number_a_string_or_absent() {
    for size in ["manifest-size = 1386", "manifest-size = \"1386\"", ""] {
        let text = format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\n{size}\n");
        assert!(parse(&text).is_ok(), "{size}");
    }
}

/// SIG-9
#[test]
fn a_digest_reference_must_be_the_reported_digest() {
    let text = |tag: &str| format!("[image]\ntags = [\"{tag}\"]\ndigest = \"{B}\"\n");
    assert_eq!(
        names(&text(&format!("r.io/a@{B}"))),
        [format!("r.io/a@{B}")]
    );
    assert_eq!(
        refusal(&text(&format!("r.io/a@{A}"))),
        format!("the tag `r.io/a@{A}` at `r.toml:2:9` is not the reported digest `{B}`")
    );
}

#[test]
fn a_tag_that_is_no_reference_is_named() {
    let text = format!("[image]\ntags = [\"r.io/a\", \"r.io/App\"]\ndigest = \"{A}\"\n");
    let error = parse(&text).unwrap_err();
    assert_eq!(error.to_string(), "the tag at `r.toml:2:19` cannot be used");
    let source = error.source().unwrap().to_string();
    assert!(source.contains("`r.io/App`"), "{source}");
}

#[test]
fn a_digest_wins_over_an_image_id() {
    let text = format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nimage-id = \"5b90\"\n");
    assert!(parse(&text).is_ok());
}

/// SIG-10
#[test]
fn an_export_to_a_daemon_is_named_as_such() {
    for size in ["", "manifest-size = 1234", "digest = \"\""] {
        let text = format!("[image]\ntags = [\"my-app\"]\nimage-id = \"5b90f9c0\"\n{size}\n");
        let error = parse(&text).unwrap_err();
        assert!(matches!(error, ReportError::Daemon { .. }), "{error}");
    }
}

/// SIG-10
#[test]
fn an_export_to_a_layout_is_named_as_such() {
    let error = parse(
        "[image]\n  tags = [\"/layout/127.0.0.1:5055/app/lay/v1\", \
             \"127.0.0.1:5055/app/lay:v2\"]\n  manifest-size = 1421\n",
    )
    .unwrap_err();
    assert!(matches!(error, ReportError::Layout { .. }), "{error}");
}

/// SIG-10
#[test]
fn a_report_without_its_parts_is_refused() {
    let tags = "tags = [\"r.io/a\"]";
    for (text, message) in [
        (String::new(), "`r.toml` has no table `[image]`"),
        ("[build]\n".to_owned(), "`r.toml` has no table `[image]`"),
        (
            "image = 1\n".to_owned(),
            "`image` must be a table, not an integer, at `r.toml:1:9`",
        ),
        (
            "[image]\n".to_owned(),
            "`r.toml` has no `digest` in `[image]`",
        ),
        (
            format!("[image]\n{tags}\n"),
            "`r.toml` has no `digest` in `[image]`",
        ),
        (
            format!("[image]\n{tags}\ndigest = \"\"\nimage-id = \"\"\n"),
            "`r.toml` has no `digest` in `[image]`",
        ),
        (
            format!("[image]\n{tags}\ndigest = 1\n"),
            "`digest` must be a string, not an integer, at `r.toml:3:10`",
        ),
        (
            format!("[image]\n{tags}\ndigest = \"sha256:abc\"\n"),
            "the digest at `r.toml:3:10` cannot be used",
        ),
        (
            format!("[image]\ndigest = \"{A}\"\n"),
            "`r.toml` has no `tags` in `[image]`",
        ),
        (
            format!("[image]\ntags = []\ndigest = \"{A}\"\n"),
            "`r.toml` has no `tags` in `[image]`",
        ),
        (
            format!("[image]\ntags = \"r.io/a\"\ndigest = \"{A}\"\n"),
            "`tags` must be an array of strings, not a string, at `r.toml:2:8`",
        ),
        (
            format!("[image]\ntags = [\"r.io/a\", 1.5]\ndigest = \"{A}\"\n"),
            "`tags` must be an array of strings, not a float, at `r.toml:2:19`",
        ),
    ] {
        assert_eq!(refusal(&text), message);
    }
}

#[test]
fn a_report_cut_anywhere_is_an_error_or_complete() {
    let text = format!(
        "[image]\n  tags = [\"r.io/a\", \"r.io/b\"]\n  digest = \"{A}\"\n  manifest-size = 13\n"
    );
    let whole = parse(&text).unwrap();
    let digest_ends = text.find("\n  manifest-size").unwrap();
    for length in 0..text.len() {
        match parse(&text[..length]) {
            Ok(report) => {
                assert!(length >= digest_ends, "{length}");
                assert_eq!(report, whole);
            }
            Err(ReportError::Tag { .. }) => panic!("{length}: a tag is cut off unnoticed"),
            Err(_) => {}
        }
    }
}

#[test]
fn the_rest_of_an_older_report_is_no_toml() {
    let text =
        format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nmanifest-size = 1\nze = \"old");
    let error = parse(&text).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid TOML at `r.toml:5:"),
        "{error}"
    );
}

/// SIG-11
#[test]
fn no_error_quotes_the_file() {
    let canary = "hunter2-canary";
    for text in [
        format!("[image]\ntags = [{canary}]\n"),
        format!("x = \"{canary}\n[image]\n"),
        format!("[image]\n{canary}\n"),
        format!("[image]\ntags = {{ a = \"{canary}\" }}\ndigest = \"{A}\"\n"),
        format!("{canary} = 1\n{canary} = 2\n"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(!error.to_string().contains(canary), "{error}");
        assert!(error.source().is_none());
    }
}

/// SIG-11
#[test]
fn a_missing_report_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.toml");
    let error = Report::read(&path, &Files::until(Instant::now())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read `{}`", path.display())
    );
}

#[test]
fn a_folder_instead_of_a_report_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = Report::read(folder.path(), &Files::until(Instant::now())).unwrap_err();
    assert!(error.to_string().starts_with("cannot read `"), "{error}");
}
