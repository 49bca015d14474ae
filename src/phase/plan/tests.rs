use std::path::Path;
use std::time::Instant;

use super::*;
use crate::oci::Digest;

fn report(tags: impl Iterator<Item = String>) -> Report {
    let tags: Vec<_> = tags.map(|tag| format!("{tag:?}")).collect();
    let digest = Digest::of(b"");
    let text = format!("[image]\ntags=[{}]\ndigest=\"{digest}\"\n", tags.join(","));
    Report::parse(Path::new("report.toml"), text.as_bytes()).unwrap()
}

/// The plan of a report and of configs, keys aside.
fn plan(report: &Report, configs: &str) -> Result<Plan, PhaseError> {
    let config = CosignConfig::parse(Path::new("cosign.toml"), configs.as_bytes()).unwrap();
    let signatories = config.configs().iter().enumerate();
    let signatories = signatories.map(|(index, entry)| {
        Arc::new(Signatory {
            name: format!("configs[{index}]"),
            key: Arc::new(reference(&config, entry).unwrap()),
            repository: entry.repository.clone(),
            media_types: entry.media_types,
            export_sbom: entry.export_sbom,
            format: entry.format,
            certificate: None,
            bundled_chain: entry.certificate.bundled,
            witnesses: None,
        })
    });
    let plan = Plan {
        images: images(report),
        signatories: signatories.collect(),
        now: jiff::Timestamp::UNIX_EPOCH,
        annotations: BTreeMap::new(),
        created: None,
        formats: Formats::Mixed,
    };
    refuse_contradictions(&plan.images, &plan.signatories, &config)?;
    Ok(plan)
}

#[test]
fn each_repository_is_one_image_with_each_of_its_tags_once() {
    let names = ["r.io/b:1", "r.io/a:1", "r.io/b:2", "r.io/b:1", "r.io/a:1"];
    let images = images(&report(names.map(str::to_owned).into_iter()));
    let tags = |image: &Image| {
        image
            .tags
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let tags: Vec<_> = images.iter().map(tags).collect();
    assert_eq!(tags, [vec!["r.io/b:1", "r.io/b:2"], vec!["r.io/a:1"]]);
}

/// As many as fit into a report. Compared pair by pair they take half a minute.
#[test]
fn a_report_of_very_many_names_is_sorted_at_once() {
    let repositories = report((0..60_000).map(|name| format!("a.b/{name:x}:v")));
    let tags = report((0..60_000).map(|name| format!("a.b/c:{name:x}")));
    let started = Instant::now();
    assert_eq!(images(&repositories).len(), 60_000);
    assert_eq!(images(&tags)[0].tags.len(), 60_000);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

/// As many as fit into a file. Compared pair by pair they take minutes.
#[test]
fn very_many_configs_are_compared_at_once() {
    let report = report((0..50).map(|name| format!("a.b/{name:x}:v")));
    let started = Instant::now();
    let same = "[[configs]]\nkey=\"k\"\n".repeat(40_000);
    assert_eq!(plan(&report, &same).ok().unwrap().signatories.len(), 40_000);
    let some = |number: usize| {
        format!(
            "[[configs]]\nkey=\"k\"\nrepository=\"a.b/{:x}\"\n",
            number % 99
        )
    };
    let some: String = (0..20_000).map(some).collect();
    assert!(plan(&report, &some).is_ok());
    let last = format!("{same}[[configs]]\nkey=\"k\"\nexport-sbom=\"none\"\n");
    assert!(plan(&report, &last).is_err());
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn the_first_config_that_contradicts_is_named_with_the_key() {
    let report = report(["r.io/a:1", "r.io/b:1"].map(str::to_owned).into_iter());
    let config = |rest: &str| format!("[[configs]]\nkey=\"k\"\n{rest}\n");
    let everywhere = || config("");
    let a = |rest: &str| config(&format!("repository=\"r.io/a\"\n{rest}"));
    let elsewhere = |rest: &str| config(&format!("repository=\"r.io/c\"\n{rest}"));
    let docker = "docker-media-types=true";
    for (configs, expected) in [
        (
            [everywhere(), config(docker), config("format=\"bundle\"")],
            Some((0, 1, "docker-media-types")),
        ),
        (
            [everywhere(), a(docker), everywhere()],
            Some((0, 1, "docker-media-types")),
        ),
        (
            [a(docker), everywhere(), everywhere()],
            Some((0, 1, "docker-media-types")),
        ),
        (
            [everywhere(), everywhere(), a("format=\"bundle\"")],
            Some((0, 2, "format")),
        ),
        (
            [elsewhere(docker), everywhere(), a("export-sbom=\"none\"")],
            Some((1, 2, "export-sbom")),
        ),
        ([elsewhere(docker), elsewhere(docker), everywhere()], None),
        (
            [elsewhere(docker), everywhere(), elsewhere("")],
            Some((0, 2, "docker-media-types")),
        ),
        // A bundle has no media types to choose.
        (
            [
                config("format=\"bundle\""),
                config("format=\"both\""),
                config("format=\"bundle\"\ndocker-media-types=true"),
            ],
            None,
        ),
    ] {
        let found = match plan(&report, &configs.concat()) {
            Ok(_) => None,
            Err(PhaseError::Contradiction {
                first, second, key, ..
            }) => Some((first, second, key)),
            Err(error) => panic!("{error}"),
        };
        let expected = expected.map(|(first, second, key)| {
            (
                format!("configs[{first}]"),
                format!("configs[{second}]"),
                key,
            )
        });
        assert_eq!(found, expected, "{configs:?}");
    }
}
