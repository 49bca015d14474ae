//! The same life of an image on every registry that is not ours: signed, run
//! again, signed with a second key, verified by both majors of cosign.

use crate::support::cosign::{BOTH, Cosign, Printed, public_key};
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::objects::attachment;
use crate::support::real::{Guard, RealRegistry};
use crate::support::signer::Signer;
use crate::support::token_service::{ROBOT, TokenService};

const KEYS: [&str; 2] = ["p256-cosign3", "rsa2048-imported-cosign3"];
const TYPE: &str = "spdxjson";

fn image() -> Image {
    Image::recorded("one-document")
}

fn signer(image: &Image, registry: &RealRegistry, key: &str) -> Signer {
    let signer = Signer::of(image, registry.host()).key(key);
    signer.credential(registry.host(), ROBOT)
}

/// cosign, signed in.
fn verify(cosign: Cosign, command: &[&str], key: &str, registry: &RealRegistry) -> Printed {
    let (key, reference) = (public_key(key), image().reference(registry.host()));
    let mut arguments = command.to_vec();
    let key = key.display().to_string();
    arguments.extend(["--key", &key, "--insecure-ignore-tlog"]);
    arguments.extend(["--allow-insecure-registry", &reference]);
    let docker_config = registry.docker_config().display().to_string();
    cosign.run(&arguments, &[("DOCKER_CONFIG", &docker_config)])
}

#[track_caller]
fn verified(registry: &RealRegistry, keys: &[&str]) {
    for cosign in BOTH {
        for key in keys {
            verify(cosign, &["verify"], key, registry).accepted();
            let command = ["verify-attestation", "--type", TYPE];
            let printed = verify(cosign, &command, key, registry).accepted();
            assert_eq!(printed.stdout.lines().count(), 1);
        }
    }
}

#[track_caller]
fn holds(registry: &RealRegistry, layers: usize) {
    let image = image();
    for suffix in ["sig", "att"] {
        let place = attachment(
            registry.remote(),
            image.repository(),
            &image.attached(suffix),
        );
        assert_eq!(place.expect("a place").layers.len(), layers, "{suffix}");
    }
}

#[track_caller]
fn lives(registry: &RealRegistry) {
    let image = image();
    image.push(registry.remote());
    let first = signer(&image, registry, KEYS[0]);
    first.run().succeeded().says(&["Wrote"]);
    holds(registry, 1);
    verified(registry, &KEYS[..1]);
    verify(BOTH[1], &["verify"], KEYS[1], registry).refused();

    let again = first.run().succeeded();
    again
        .says(&["Nothing to write at"])
        .does_not_say(&["Wrote"]);

    let second = signer(&image, registry, KEYS[1]).run().succeeded();
    second.says(&["Wrote"]);
    holds(registry, 2);
    verified(registry, &KEYS);
}

/// Access denied, and nothing hangs there.
#[track_caller]
fn refuses_strangers(registry: &RealRegistry) {
    let image = image();
    image.push(registry.remote());
    let stranger = Signer::of(&image, registry.host()).key(KEYS[0]);
    stranger.run().ended_with(113);
    let impostor = Signer::of(&image, registry.host()).key(KEYS[0]);
    // `robot:mistaken`
    let impostor = impostor.credential(registry.host(), "Basic cm9ib3Q6bWlzdGFrZW4=");
    let run = impostor.run().ended_with(113);
    run.does_not_say(&["mistaken", "cm9ib3Q6bWlzdGFrZW4"]);
    let place = registry
        .remote()
        .manifest(image.repository(), &image.attached("sig"));
    assert!(place.is_none());
}

#[test]
fn distribution_3() {
    lives(&RealRegistry::distribution());
}

#[test]
fn distribution_3_with_a_password() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    refuses_strangers(&registry);
    lives(&registry);
}

#[test]
fn distribution_3_with_tokens() {
    let (service, image) = (TokenService::start(), image());
    let guard = Guard::Tokens(&service, &[image.repository()]);
    let registry = RealRegistry::distribution_behind(guard);
    refuses_strangers(&registry);
    assert_eq!(service.asked(), Vec::<Vec<String>>::new());
    lives(&registry);
    // The first is of the first run, which needs one.
    let scope = format!("repository:{}:pull,push", image.repository());
    assert_eq!(service.asked()[0], [scope]);
}

#[test]
fn distribution_2_where_it_is_installed() {
    if !is_here(Need::Distribution2) {
        return;
    }
    for guard in [Guard::Nothing, Guard::Password] {
        lives(&RealRegistry::distribution_2_behind(guard));
    }
}

#[test]
fn go_containerregistry() {
    lives(&RealRegistry::with_referrers());
}

#[test]
fn ferro() {
    lives(&RealRegistry::ferro());
}
