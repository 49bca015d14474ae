//! `report.toml` and `cosign.toml` that cannot be signed from: code 3, the
//! reason, and not one request.

use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::signer::{Config, Signer};

const DIGEST: &str = "sha256:87bd1c63fd3bbbb1a03af4a2d754a4b5c9c5d916348457fb2b0c94f40c33b45b";

#[track_caller]
fn refused_report(report: &str, texts: &[&str]) {
    let registry = Registry::start();
    let report = report
        .replace("{host}", registry.host())
        .replace("{digest}", DIGEST);
    let signer = Signer::with_report(&report).key_without_sbom("p256-cosign3");
    signer.run().ended_with(3).says(texts);
    registry.was_not_asked();
}

#[track_caller]
fn refused_settings(settings: &str, texts: &[&str]) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let key = crate::support::testdata("keys/p256-cosign3.key");
    let password = crate::support::testdata("keys/password");
    let settings = settings
        .replace(
            "{key}",
            &format!("key = {:?}\npassword = {:?}", key, password),
        )
        .replace("{host}", registry.host());
    let signer = Signer::of(&image, registry.host()).settings(&settings);
    signer.run().ended_with(3).says(texts);
    registry.was_not_asked();
}

#[test]
fn case_62_a_report_that_is_not_there_is_named() {
    let signer = Signer::with_report("").key("p256-cosign3");
    signer
        .arguments(&["-report", "/nonexistent/report.toml"])
        .run()
        .ended_with(3)
        .says(&["/nonexistent/report.toml"]);
}

/// SIG-11
#[test]
fn case_62_a_report_that_is_no_toml_is_refused_with_its_line() {
    refused_report("[image]\ntags = [\n", &["report.toml"]);
}

/// SIG-11
#[test]
fn case_62_a_report_with_the_rest_of_a_longer_one_is_refused() {
    let trailing = "[image]\ntags = [\"{host}/a\"]\ndigest = \"{digest}\"\n\"]\ndigest = \"sha2";
    refused_report(trailing, &["report.toml"]);
}

/// SIG-10
#[test]
fn case_62_a_daemon_export_has_nothing_to_sign_in_a_registry() {
    let report = format!(
        "[image]\ntags = [\"app\"]\nimage-id = \"{}\"\n",
        &DIGEST[7..]
    );
    refused_report(&report, &["daemon"]);
}

/// SIG-10
#[test]
fn an_export_to_an_oci_layout_has_nothing_to_sign_in_a_registry() {
    refused_report(
        "[image]\ntags = [\"/layout/app/v1\"]\nmanifest-size = 1421\n",
        &["layout"],
    );
}

#[test]
fn case_62_a_report_without_tags_is_refused() {
    refused_report("[image]\ntags = []\ndigest = \"{digest}\"\n", &["tags"]);
    refused_report("[image]\ndigest = \"{digest}\"\n", &["tags"]);
}

#[test]
fn case_62_a_report_without_an_image_is_refused() {
    refused_report("", &["image"]);
    refused_report("[build]\n", &["image"]);
}

#[test]
fn a_digest_that_is_none_is_shown() {
    for digest in [
        "sha256:abc",
        "latest",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "",
    ] {
        refused_report(
            &format!("[image]\ntags = [\"{{host}}/a\"]\ndigest = \"{digest}\"\n"),
            &["digest"],
        );
    }
}

/// SIG-9
#[test]
fn a_tag_that_is_no_reference_is_shown() {
    for tag in [
        "{host}/UPPER:v1",
        "{host}/a:",
        "{host}/a b",
        "{host}/\u{fc}",
        "",
        "https://{host}/a",
    ] {
        let report = format!("[image]\ntags = [\"{tag}\"]\ndigest = \"{{digest}}\"\n");
        refused_report(&report, &["report.toml"]);
    }
}

/// SIG-8
#[test]
fn what_a_report_holds_beyond_the_image_is_none_of_our_business() {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let (tags, digest) = (
        format!("{}/{}:v1", registry.host(), image.repository()),
        image.digest(),
    );
    let report = format!(
        "[build]\n[[build.bom]]\nname = \"jdk\"\n[image]\ntags = [\"{tags}\"]\ndigest = \"{digest}\"\n\
         manifest-size = \"1386\"\nrun-image.reference = \"x\"\nnew = 1\n[future]\nx = 1\n"
    );
    Signer::with_report(&report)
        .key("p256-cosign3")
        .run()
        .succeeded();
}

#[test]
fn a_cosign_toml_that_is_not_there_is_named() {
    let signer = Signer::of(&Image::recorded("one-document"), "127.0.0.1:9");
    let signer = signer.arguments(&["-cosign-config", "/nonexistent/cosign.toml"]);
    signer
        .run()
        .ended_with(3)
        .says(&["/nonexistent/cosign.toml"]);
}

/// CFG-6
#[test]
fn a_cosign_toml_without_a_key_signs_nothing_and_says_so() {
    refused_settings("# nothing", &["configs"]);
    refused_settings(
        "[[annotations]]\nname = \"a\"\nvalue = \"b\"\n",
        &["configs"],
    );
    refused_settings("[[configs]]\npassword = \"x\"\n", &["key"]);
    refused_settings("[[configs]]\nkey = \"\"\n", &["key"]);
}

/// CFG-2
#[test]
fn case_63_unknown_keys_are_refused_with_file_line_and_a_suggestion() {
    refused_settings(
        "[[config]]\n{key}\n",
        &["cosign.toml:1", "config", "configs"],
    );
    refused_settings(
        "[[configs]]\n{key}\nexport-bom = \"none\"\n",
        &["cosign.toml:4", "export-bom", "export-sbom"],
    );
    let annotation =
        "[[annotations]]\nname = \"a\"\nvalue = \"b\"\nvalues = \"c\"\n[[configs]]\n{key}\n";
    refused_settings(annotation, &["cosign.toml:4", "values"]);
}

/// CFG-3, CFG-10
#[test]
fn case_63_values_of_the_wrong_kind_are_refused_with_their_line() {
    refused_settings("[[configs]]\nkey = 1\n", &["cosign.toml:2", "key"]);
    refused_settings(
        "[[configs]]\n{key}\ndocker-media-types = \"yes\"\n",
        &["cosign.toml:4", "docker-media-types"],
    );
    refused_settings(
        "[[configs]]\n{key}\nexport-sbom = \"all\"\n",
        &["cosign.toml:4", "all", "attestation"],
    );
    refused_settings("[configs]\n{key}\n", &["cosign.toml:1", "configs"]);
}

/// CFG-5
#[test]
fn case_63_an_annotation_cannot_have_two_values() {
    let twice = "[[annotations]]\nname = \"a\"\nvalue = \"1\"\n[[annotations]]\nname = \"a\"\nvalue = \"2\"\n";
    refused_settings(
        &format!("{twice}[[configs]]\n{{key}}\n"),
        &["cosign.toml", "`a`"],
    );
}

/// CFG-9
#[test]
fn a_repository_that_is_none_is_shown() {
    for repository in ["{host}", "{host}/a:tag", "{host}/UPPER", "a b/c", ""] {
        let settings = format!("[[configs]]\n{{key}}\nrepository = \"{repository}\"\n");
        refused_settings(&settings, &["cosign.toml:4"]);
    }
}

/// CFG-12
#[test]
fn two_configs_that_contradict_each_other_at_one_place_are_refused() {
    let docker = Config::key("p256-cosign2").set_raw("docker-media-types", "true");
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .config(docker);
    signer.run().ended_with(3).says(&["docker-media-types"]);
    registry.was_not_asked();
}

/// SIG-5
#[test]
fn an_empty_insecure_registry_makes_nothing_insecure() {
    let settings = crate::support::registry::Settings {
        tls: crate::support::registry::Switch::On,
        ..Default::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = || Signer::of(&image, registry.host()).key("p256-cosign3");
    let prefix = registry
        .host()
        .strip_suffix(|c: char| c.is_ascii_digit())
        .unwrap()
        .to_owned();
    for value in ["", ",", &prefix, "127.0.0.1"] {
        let run = signer()
            .arguments(&[&format!("-insecure-registry={value}")])
            .run();
        assert_ne!(run.code, Some(0), "{value}: {}", run.stdout);
        assert!(
            registry.exchanges().is_empty(),
            "{value}: {:?}",
            registry.exchanges()
        );
    }
    let listed = format!("other.example,{}", registry.host());
    signer()
        .environment("CNB_INSECURE_REGISTRIES", &listed)
        .run()
        .succeeded();
}

/// Case 64: all that a run writes is in the registry, and in its receipt.
#[test]
fn case_64_neither_a_home_nor_a_folder_for_temporary_files_is_needed() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    let signer = signer
        .environment("HOME", "/nowhere")
        .environment("TMPDIR", "/nowhere");
    signer.run().succeeded();
    let entries = std::fs::read_dir(signer.folder()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["cosign.toml", "report.toml"]);
}

/// A run for an image with this tag beside `v1`, as the report calls it.
fn listing(tag: &str, config: Config) -> (Registry, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("one-document").named(&["app:v1", "signatures:v1"]);
    image.seed(&registry);
    let (repository, name) = tag.rsplit_once(':').unwrap();
    let (_, path) = repository.split_once('/').unwrap();
    registry.tag(path, name, image.digest());
    let report = image.report(registry.host());
    let tag = tag.replace("{port}", registry.host().rsplit(':').next().unwrap());
    let report = report.replacen("tags = [", &format!("tags = [\"{tag}\", "), 1);
    let signer = Signer::with_report(&report).config(config);
    (registry, signer)
}

/// SIG-33
#[test]
fn a_report_that_lists_a_place_of_the_image_itself_is_refused() {
    let image = Image::recorded("one-document");
    let key = || Config::key("p256-n32768-cosign-header");
    let bundle = || key().set("format", "bundle");
    let attachment = || key().set("export-sbom", "attachment");
    for (suffix, config) in [
        (".sig", key()),
        (".att", key()),
        (".sbom", attachment()),
        ("", bundle()),
        ("", key().set("format", "both")),
        (".sig", key().set("format", "both")),
    ] {
        for host in ["127.0.0.1", "localhost"] {
            let tag = format!("{host}:{{port}}/app:{}{suffix}", image.fallback());
            let (registry, signer) = listing(&tag, config.clone());
            let run = signer.run().ended_with(3);
            run.says(&[&image.fallback(), "the image's own place", "`repository`"]);
            registry.was_not_asked();
        }
    }
}

/// `repository` leads to a place that another name of the report stands at.
/// SIG-33
#[test]
fn a_repository_that_leads_to_another_tag_of_the_report_is_refused() {
    let image = Image::recorded("one-document");
    let key = Config::key("p256-n32768-cosign-header").set("export-sbom", "none");
    let tag = format!("signatures:{}", image.attached("sig"));
    let registry = Registry::start();
    let elsewhere = format!("{}/signatures", registry.host());
    let key = key.set("repository", &elsewhere);
    let image = image.clone().named(&["app:v1", &tag]);
    let signer = Signer::of(&image, registry.host()).config(key);
    signer.run().ended_with(3).says(&["the image's own place"]);
    registry.was_not_asked();
}

/// The name of a place that this run does not write, or in another repository.
/// SIG-33
#[test]
fn a_tag_that_only_looks_like_a_place_is_an_ordinary_tag() {
    let image = Image::recorded("one-document");
    let key = || Config::key("p256-n32768-cosign-header").set("export-sbom", "none");
    for (suffix, config) in [
        (".att", key()),
        (".sbom", key()),
        ("", key()),
        (".sig", key().set("format", "bundle")),
    ] {
        let tag = format!("127.0.0.1:{{port}}/app:{}{suffix}", image.fallback());
        let (registry, signer) = listing(&tag, config);
        signer.run().succeeded();
        let name = format!("{}{suffix}", image.fallback());
        let there = registry.manifest("app", &name).unwrap();
        assert_eq!(there.digest(), image.digest(), "{suffix}");
    }
}

/// No cosign looks an image up by anything but SHA-256.
/// SIG-68
#[test]
fn a_report_with_a_sha512_digest_is_refused() {
    let sha512 = format!("sha512:{}", "ab".repeat(64));
    for tag in ["{host}/app:v1".to_owned(), format!("{{host}}/app@{sha512}")] {
        let report = format!("[image]\ntags = [\"{tag}\"]\ndigest = \"{sha512}\"\n");
        refused_report(&report, &["`sha512`", "cosign", "report.toml:3:"]);
    }
    let report = format!("[image]\ntags = [\"{{host}}/app@{sha512}\"]\ndigest = \"{{digest}}\"\n");
    refused_report(&report, &["is not the reported digest"]);
}
