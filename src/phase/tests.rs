//! Recognition, with keys whose signatures differ each time, against the registry
//! of the acceptance tests.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{CosignConfig, Report};
use crate::http::roots::LazyRoots;
use crate::http::{self, Client, Proxies};
use crate::keys::SignError;
use crate::secret::{Secret, Secrets};
use crate::service::Variables;
use crate::store::registry::Access;
use crate::store::registry::credentials::{Credentials, Sources};
use crate::support::images::{Document, Image};
use crate::support::registry::{Action, Answer, Exchanges, Registry, When};
use crate::support::{registry, testdata};

const KEY: &str = "p256-cosign3";

fn registries(plan: &Plan) -> Registries {
    let client = Client::new(http::Settings {
        roots: LazyRoots::new(None, None),
        proxies: Proxies::default(),
        user_agent: "signer-tests".to_owned(),
        retry_budget: Duration::from_secs(5),
        time: Duration::from_secs(60),
        secrets: Secrets::default(),
        until: Instant::now() + Duration::from_secs(60),
    });
    let access = Access {
        credentials: Credentials::parse(Sources::default()).unwrap(),
        insecure: Vec::new(),
        writable: plan.destinations(),
        manifest_limit: 4 << 20,
    };
    Registries::new(client.into(), access)
}

/// A run that may begin.
fn planned(image: &Image, host: &str, settings: &str) -> (Plan, Vec<ClosedKey>) {
    let report = Report::parse(Path::new("report.toml"), image.report(host).as_bytes()).unwrap();
    let config = CosignConfig::parse(&testdata("keys/cosign.toml"), settings.as_bytes()).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let password = std::fs::read(testdata("keys/password")).unwrap();
    prepare(
        &report,
        &config,
        &PlanSettings {
            keys: KeySettings {
                cosign_password: Some(&Secret::new(password)),
                variables: &Variables::new(
                    |_| None,
                    Secrets::default(),
                    crate::file::Files::until(until),
                ),
            },
            now: jiff::Timestamp::now(),
            created: None,
            formats: Formats::Mixed,
        },
    )
    .unwrap()
}

/// All steps, with keys that are changed before they sign.
async fn sign_with(
    changed: fn(Keys) -> Keys,
    image: &Image,
    host: &str,
    settings: &str,
) -> Result<(), PhaseError> {
    let (plan, closed) = planned(image, host, settings);
    let registries = registries(&plan);
    let opening = open_keys(closed, registries.client());
    let readable = check_read(&plan, &registries, &Limits::default())
        .await
        .unwrap();
    let writable = check_write(&plan, &registries).await.unwrap();
    let wants = Wants::read(&plan, &readable).await.unwrap();
    let keys = changed(opening.finish().await.unwrap());
    let recognised = recognise(&plan, wants, writable, &keys, &registries)
        .await
        .unwrap();
    let signed = sign(recognised, keys).await?;
    let mut receipt = Receipt::new(&plan);
    let vouched = witness(signed, registries.client(), &mut receipt);
    let sealed = seal(&plan, vouched.await.unwrap()).await.unwrap();
    let mut receipt = Receipt::new(&plan);
    let publishing = publish(
        sealed,
        &registries,
        Settle::Off,
        Lateness::watch(),
        &mut receipt,
    );
    publishing.await.unwrap();
    registries.cancel_sessions().await;
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

/// With keys that sign otherwise each time.
fn run(image: &Image, registry: &Registry, settings: &str) -> Exchanges {
    registry.forget_exchanges();
    block_on(sign_with(Keys::at_random, image, registry.host(), settings)).unwrap();
    registry.exchanges()
}

fn settings(format: &str) -> String {
    format!("[[configs]]\nkey = \"{KEY}.key\"\nformat = \"{format}\"\n")
}

fn with_documents() -> Image {
    let bom =
        |name: &str| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","n":"{name}"}}"#);
    Image::with_documents(&[
        Document::new("layers/sbom/launch/sbom.cdx.json", bom("one")),
        Document::new("layers/sbom/launch/a/sbom.cdx.json", bom("two")),
    ])
}

fn seeded(referrers: registry::Switch) -> (Registry, Image) {
    let registry = Registry::with(registry::Settings {
        referrers,
        ranges: registry::Switch::On,
        ..registry::Settings::default()
    });
    let image = with_documents();
    image.seed(&registry);
    (registry, image)
}

/// How many layers a tag has, or manifests a list.
fn count(registry: &Registry, image: &Image, tag: &str) -> usize {
    let Some(stored) = registry.manifest(image.repository(), tag) else {
        return 0;
    };
    let manifest: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
    let list = manifest.get("layers").or(manifest.get("manifests"));
    list.and_then(|list| list.as_array()).map_or(0, Vec::len)
}

fn hanging(registry: &Registry, image: &Image) -> [usize; 4] {
    [
        count(registry, image, &image.attached("sig")),
        count(registry, image, &image.attached("att")),
        count(registry, image, &image.fallback()),
        registry.referrers(image.repository(), image.digest()).len(),
    ]
}

/// WIRE-90
#[test]
fn a_second_run_with_other_signatures_writes_nothing_in_every_format() {
    for referrers in [registry::Switch::On, registry::Switch::Off] {
        for (format, most) in [("legacy", 2), ("bundle", 6), ("both", 8)] {
            let (registry, image) = seeded(referrers);
            let first = run(&image, &registry, &settings(format));
            assert!(!first.puts().is_empty());
            let before = hanging(&registry, &image);
            let again = run(&image, &registry, &settings(format));
            assert!(again.puts().is_empty(), "{format}: {again:?}");
            assert_eq!(hanging(&registry, &image), before, "{format}");
            // One end of a blob for each envelope, one manifest more for bundles.
            let ends = again.of("GET", "/blobs/").len() - 2;
            let manifests = again.of("GET", "/manifests/sha256:").len();
            assert!(ends + manifests <= most, "{format}: {again:?}");
        }
    }
}

/// WIRE-91
#[test]
fn a_registry_that_knows_no_ranges_is_no_obstacle() {
    let registry = Registry::with(registry::Settings {
        ranges: registry::Switch::Off,
        ..registry::Settings::default()
    });
    let image = with_documents();
    image.seed(&registry);
    run(&image, &registry, &settings("both"));
    let before = hanging(&registry, &image);
    let again = run(&image, &registry, &settings("both"));
    assert!(again.puts().is_empty(), "{again:?}");
    assert_eq!(hanging(&registry, &image), before);
}

/// WIRE-92
#[test]
fn an_end_that_cannot_be_had_or_is_another_is_signed_anew() {
    let other = |answer: &mut Answer| {
        if answer.status == 206 {
            answer.body = r#"…","signatures":[{"keyid":"","sig":"AAAA"}]}"#.into();
        }
    };
    for action in [
        Action::status(416),
        Action::status(403),
        Action::change(other),
    ] {
        let (registry, image) = seeded(registry::Switch::Off);
        run(&image, &registry, &settings("legacy"));
        // Behind the image's config and its SBOM layer.
        registry.inject(When::every("GET", "/blobs/").after(2), action);
        run(&image, &registry, &settings("legacy"));
        assert_eq!(hanging(&registry, &image), [1, 4, 0, 0]);
        registry.heal();
        let third = run(&image, &registry, &settings("legacy"));
        assert!(third.puts().is_empty(), "{third:?}");
    }
}

/// WIRE-90
#[test]
fn a_signature_of_another_key_or_claim_is_not_ours() {
    let (registry, image) = seeded(registry::Switch::Off);
    run(&image, &registry, &settings("legacy"));
    let other = settings("legacy").replace(KEY, "p256-imported-cosign3");
    run(&image, &registry, &other);
    assert_eq!(hanging(&registry, &image), [2, 4, 0, 0]);
    let annotated = format!(
        "[[annotations]]\nname = \"a\"\nvalue = \"b\"\n{}",
        settings("legacy")
    );
    run(&image, &registry, &annotated);
    assert_eq!(hanging(&registry, &image), [3, 4, 0, 0]);
}

/// SIG-27. The first key has signed everything when the second one fails.
#[test]
fn a_signature_that_its_own_key_does_not_accept_is_never_published() {
    let (registry, image) = seeded(registry::Switch::Off);
    let other = settings("legacy").replace(KEY, "p256-imported-cosign3");
    let settings = format!("{}{other}", settings("legacy"));
    let signed = sign_with(Keys::damaged, &image, registry.host(), &settings);
    let error = block_on(signed).unwrap_err();
    let PhaseError::Sign { key, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        key.to_string().ends_with("p256-imported-cosign3.key"),
        "{key:?}"
    );
    assert!(matches!(source, SignError::Mismatch), "{source:?}");
    let puts = registry.exchanges().puts();
    assert!(puts.is_empty(), "{puts:?}");
    assert_eq!(hanging(&registry, &image), [0; 4]);
}

/// SIG-18, WIRE-5
#[test]
fn a_crash_is_published_in_part_once_something_was_written() {
    let (registry, image) = seeded(registry::Switch::Off);
    for is_written in [false, true] {
        let (plan, closed) = planned(&image, registry.host(), &settings("legacy"));
        let registries = registries(&plan);
        let crash = async {
            if is_written {
                registries.until_written().await;
            }
            panic!("on purpose");
        };
        let (limits, task) = (Limits::default(), Task::Sign(Settle::Measured));
        let running = super::run(&plan, closed, &registries, &limits, task, |_| {}, crash);
        let (_, outcome) = block_on(running);
        match outcome.unwrap_err() {
            PhaseError::InPart(source) if is_written => {
                assert!(matches!(*source, PhaseError::Crashed("the run")));
            }
            PhaseError::Crashed("the run") if !is_written => {}
            other => panic!("{other}"),
        }
        assert_eq!(registry.open_uploads(), 0);
    }
}
