//! The same blob in several repositories of a registry: sent once, mounted
//! into the others (`spec/decisions/0008`).

use super::KEY;
use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::real::{Guard, RealRegistry};
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, Switch, When};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::token_service::{ROBOT, TokenService};

/// The smallest blob that is mounted.
const MOUNTABLE: usize = 64 * 1024;
const REPOSITORIES: [&str; 3] = ["app/one", "app/two", "app/three"];

/// A CycloneDX document of exactly this size.
fn document(size: usize) -> Document {
    let (start, end) = (
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","serialNumber":""#,
        r#""}"#,
    );
    let filling = "x".repeat(size - start.len() - end.len());
    Document::new("sbom.cdx.json", format!("{start}{filling}{end}"))
}

/// An image in three repositories whose attachment has this size.
fn image(size: usize) -> Image {
    Image::with_documents(&[document(size)]).named(
        &REPOSITORIES
            .map(|path| format!("{path}:v1"))
            .each_ref()
            .map(String::as_str),
    )
}

fn settings(mount: Switch, auth: Auth) -> Settings {
    Settings {
        mount,
        auth,
        ..Settings::default()
    }
}

fn seeded(image: &Image, settings: Settings) -> Registry {
    let registry = Registry::with(settings);
    image.seed(&registry);
    registry
}

fn attaching() -> Config {
    Config::key(KEY).set("export-sbom", "attachment")
}

fn signer(image: &Image, host: &str) -> Signer {
    let signer = Signer::of(image, host).config(attaching());
    signer.credential(host, ROBOT).arguments(&["-settle", "0"])
}

fn attach(image: &Image, registry: &Registry) -> Outcome {
    signer(image, registry.host()).run().succeeded()
}

/// How the mounts were answered.
fn mounts(registry: &Registry) -> Vec<Option<u16>> {
    let asked = registry.exchanges().of("POST", "mount=");
    asked.iter().map(|mount| mount.status).collect()
}

/// How often bytes of the attachment's size were sent.
fn sent(registry: &Registry) -> usize {
    let exchanges = registry.exchanges();
    exchanges.filter(|e| e.sent >= 60_000).len()
}

#[track_caller]
fn hangs_everywhere(registry: &Registry, image: &Image) {
    for repository in REPOSITORIES {
        let place = attachment(registry, repository, &image.attached("sbom"));
        let place = place.expect("an attachment");
        assert_eq!(place.layers[0].bytes, image.documents()[0].bytes);
        let signatures = attachment(registry, repository, &image.attached("sig"));
        assert_eq!(signatures.expect("a signature").layers.len(), 1);
    }
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// Case 33. WIRE-13
#[test]
fn case_33_a_blob_is_sent_once_and_mounted_into_the_other_repositories() {
    let image = image(MOUNTABLE);
    let registry = seeded(&image, settings(Switch::On, Auth::None));
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert_eq!(mounts(&registry), [Some(201); 2]);
    assert_eq!(sent(&registry), 1);
    // The attachment's config, the payload and the config of the signature for
    // each; the attachment itself for one.
    let puts = registry.exchanges().of("PUT", "/blobs/uploads/");
    assert_eq!(puts.len(), 3 * 3 + 1, "{puts:?}");
}

/// Case 33: an upload into the session that the registry grants instead.
#[test]
fn case_33_a_mount_that_is_declined_becomes_an_upload() {
    let image = image(MOUNTABLE);
    let registry = seeded(&image, settings(Switch::Off, Auth::None));
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert_eq!(mounts(&registry), [Some(202); 2]);
    assert_eq!(sent(&registry), 3);
    // Each session that was granted holds one of the blobs: none too many.
    let all = registry.exchanges();
    let puts = all.of("PUT", "/blobs/uploads/").len();
    let cancelled = all.of("DELETE", "/blobs/uploads/").len();
    assert_eq!(puts, 3 * 4, "{all:?}");
    assert_eq!(
        all.of("POST", "/blobs/uploads/").len(),
        puts + cancelled,
        "{all:?}"
    );
}

/// Case 33: nothing that a registry says to a mount fails a run, and it is
/// asked once.
#[test]
fn case_33_a_mount_that_is_refused_becomes_an_upload() {
    let image = image(MOUNTABLE);
    let mut answers: Vec<Action> = [400, 401, 403, 404, 405, 500, 503]
        .map(|status| Action::error(status, "MINE"))
        .into();
    answers.push(Action::Cut);
    answers.push(Action::Answer(Answer::new(202)));
    for answer in answers {
        let registry = seeded(&image, settings(Switch::On, Auth::None));
        registry.inject(When::every("POST", "mount="), answer);
        attach(&image, &registry);
        hangs_everywhere(&registry, &image);
        assert_eq!(mounts(&registry).len(), 2, "{:?}", registry.exchanges());
        assert_eq!(sent(&registry), 3);
    }
}

/// Cases 33 and 35: the registry calls it mounted and does not have it.
#[test]
fn case_33_a_mount_that_did_not_happen_becomes_an_upload() {
    let image = image(MOUNTABLE);
    let registry = seeded(&image, settings(Switch::On, Auth::None));
    let lie = Action::Answer(Answer::new(201));
    registry.inject(When::every("POST", "mount="), lie);
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert_eq!(mounts(&registry), [Some(201); 2]);
    assert_eq!(sent(&registry), 3);
}

/// WIRE-13
#[test]
fn small_blobs_are_not_mounted() {
    let image = image(MOUNTABLE - 1);
    let registry = seeded(&image, settings(Switch::On, Auth::None));
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert!(mounts(&registry).is_empty());
    assert_eq!(sent(&registry), 3);
}

/// WIRE-13
#[test]
fn nothing_is_mounted_from_another_registry() {
    let image = image(MOUNTABLE).named(&["app/one:v1"]);
    let registries = [(); 2].map(|()| seeded(&image, settings(Switch::On, Auth::None)));
    let elsewhere = format!("{}/app/two", registries[1].host());
    signer(&image, registries[0].host())
        .config(attaching().set("repository", &elsewhere))
        .run()
        .succeeded();
    for registry in &registries {
        assert!(mounts(registry).is_empty());
        assert_eq!(sent(registry), 1);
    }
}

/// WIRE-11, WIRE-13
#[test]
fn the_token_of_a_mount_alone_may_read_the_other_repository() {
    let image = image(MOUNTABLE);
    let registry = seeded(&image, settings(Switch::On, Auth::bearer("pass")));
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert_eq!(mounts(&registry), [Some(201); 2]);
    assert_eq!(sent(&registry), 1);
    let tokens = registry.exchanges().of("GET", "/token");
    let of_mounts = tokens.filter(|token| token.target.matches("scope=").count() == 2);
    assert_eq!((tokens.len(), of_mounts.len()), (5, 2), "{tokens:?}");
    let asked = registry.exchanges().of("POST", "mount=");
    for mount in asked.iter() {
        let (_, from) = mount.target.split_once("from=").expect("a source");
        let repository = mount.path().strip_prefix("/v2/").expect("a path");
        let repository = repository
            .trim_end_matches("/blobs/uploads/")
            .replace('/', "%2F");
        let scopes = format!(
            "scope=repository%3A{repository}%3Apull%2Cpush&scope=repository%3A{from}%3Apull"
        );
        assert_eq!(of_mounts.of("GET", &scopes).len(), 1, "{of_mounts:?}");
    }
}

/// Case 33: a token service that looks at the first scope, or refuses two.
#[test]
fn case_33_a_mount_that_the_token_does_not_allow_becomes_an_upload() {
    let image = image(MOUNTABLE);
    let two_scopes = || When::every("GET", "push&scope=");
    for answer in [
        None,
        Some(Action::error(401, "DENIED")),
        Some(Action::error(400, "SCOPE")),
    ] {
        let registry = seeded(&image, settings(Switch::On, Auth::bearer("pass")));
        let of_one = registry.issue_token("app/elsewhere");
        let useless = Answer::json(200, &serde_json::json!({ "token": of_one }));
        let answer = answer.unwrap_or(Action::Answer(useless));
        registry.inject(two_scopes(), answer);
        attach(&image, &registry);
        hangs_everywhere(&registry, &image);
        assert_eq!(sent(&registry), 3);
    }
}

#[test]
fn basic_credentials_are_shown_to_a_mount_too() {
    let image = image(MOUNTABLE);
    let registry = seeded(&image, settings(Switch::On, Auth::basic("pass")));
    attach(&image, &registry);
    hangs_everywhere(&registry, &image);
    assert_eq!(mounts(&registry), [Some(201); 2]);
}

/// WIRE-13: CNCF distribution, by its own log.
#[test]
fn distribution_mounts() {
    let service = TokenService::start();
    distribution_mounts_behind(Guard::Nothing);
    distribution_mounts_behind(Guard::Password);
    distribution_mounts_behind(Guard::Tokens(&service, &REPOSITORIES));
    let of_mounts = service
        .asked()
        .into_iter()
        .filter(|scopes| scopes.len() == 2);
    assert_eq!(of_mounts.count(), 2, "{:?}", service.asked());
}

#[track_caller]
fn distribution_mounts_behind(guard: Guard<'_>) {
    let image = image(MOUNTABLE);
    let registry = RealRegistry::distribution_behind(guard);
    image.push(registry.remote());
    signer(&image, registry.host()).run().succeeded();
    let place = attachment(registry.remote(), REPOSITORIES[0], &image.attached("sbom"));
    let digest = &place.expect("an attachment").layers[0].digest;
    for repository in REPOSITORIES {
        let blob = registry.remote().blob(repository, digest);
        assert_eq!(blob.expect("a blob"), image.documents()[0].bytes);
    }
    let log = registry.log();
    let hex = digest.trim_start_matches("sha256:");
    let answered = |method: &str, part: &str| {
        let method = format!("http.request.method={method} ");
        let lines = log.lines().filter(|line| {
            line.contains("http.response.status=201")
                && line.contains(&method)
                && line.contains(part)
                && line.contains(hex)
        });
        lines.count()
    };
    assert_eq!(answered("POST", "mount="), 2, "{log}");
    assert_eq!(answered("PUT", "digest="), 1, "{log}");
}
