//! Images that an older run or real cosign has signed in one form, and that a run
//! signs in another one now.

use super::{cosign_signs, sbom_verified, verified};
use crate::matrix::{Place, image, signer};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;

const KEY: &str = "p256-cosign3";
/// The keys that real cosign signs with.
const THEIRS: [(Cosign, &str); 2] = [
    (Cosign::V2, "p256-cosign2"),
    (Cosign::V3, "rsa2048-imported-cosign3"),
];

/// Without and with the referrers API.
fn everywhere(test: impl Fn(&Place)) {
    for place in [Place::distribution(), Place::ferro()] {
        test(&place);
    }
}

fn pushed(place: &Place, name: &str) -> Image {
    let image = image(&format!("upgrade/{name}"));
    image.push(place.registry.remote());
    image
}

fn sign(place: &Place, image: &Image, format: &str, keys: &[&str]) {
    let run = signer(image, place.registry.host(), format, keys).run();
    run.succeeded();
}

/// Another run finds everything there.
fn complete(place: &Place, image: &Image, format: &str) {
    let again = signer(image, place.registry.host(), format, &[KEY]).run();
    again.succeeded().does_not_say(&["Wrote"]);
}

/// Every verifier that reads one of these formats accepts the key.
#[track_caller]
fn accepted(place: &Place, image: &Image, format: &str, key: &str) {
    verified(image, place, format, key);
    sbom_verified(image, place, format, key);
}

/// Both majors of real cosign write bundles.
fn they_sign(place: &Place, image: &Image) {
    for (cosign, key) in THEIRS {
        cosign_signs(cosign, "bundle", key, image, place.registry.host());
    }
}

#[track_caller]
fn they_are_accepted(place: &Place, image: &Image) {
    for (_, key) in THEIRS {
        accepted(place, image, "bundle", key);
    }
}

#[test]
fn legacy_and_now_both() {
    everywhere(|place| {
        let image = pushed(place, "legacy-both");
        sign(place, &image, "legacy", &[KEY]);
        accepted(place, &image, "legacy", KEY);
        sign(place, &image, "both", &[KEY]);
        accepted(place, &image, "both", KEY);
        complete(place, &image, "both");
        complete(place, &image, "legacy");
    });
}

#[test]
fn both_and_now_legacy() {
    everywhere(|place| {
        let image = pushed(place, "both-legacy");
        sign(place, &image, "both", &[KEY]);
        complete(place, &image, "legacy");
        accepted(place, &image, "both", KEY);
    });
}

#[test]
fn legacy_and_now_bundle() {
    everywhere(|place| {
        let image = pushed(place, "legacy-bundle");
        sign(place, &image, "legacy", &[KEY]);
        sign(place, &image, "bundle", &[KEY]);
        // A reader that only knows tags still finds the old ones.
        accepted(place, &image, "both", KEY);
        complete(place, &image, "bundle");
    });
}

#[test]
fn bundle_and_now_both() {
    everywhere(|place| {
        let image = pushed(place, "bundle-both");
        sign(place, &image, "bundle", &[KEY]);
        accepted(place, &image, "bundle", KEY);
        sign(place, &image, "both", &[KEY]);
        accepted(place, &image, "both", KEY);
        complete(place, &image, "bundle");
    });
}

#[test]
fn bundles_of_real_cosign_and_now_ours() {
    everywhere(|place| {
        let image = pushed(place, "theirs");
        they_sign(place, &image);
        for format in ["bundle", "both"] {
            sign(place, &image, format, &[KEY]);
            accepted(place, &image, format, KEY);
            complete(place, &image, format);
        }
        they_are_accepted(place, &image);
    });
}

#[test]
fn bundles_of_real_cosign_after_ours() {
    everywhere(|place| {
        let image = pushed(place, "ours");
        sign(place, &image, "both", &[KEY]);
        they_sign(place, &image);
        accepted(place, &image, "both", KEY);
        they_are_accepted(place, &image);
        complete(place, &image, "both");
    });
}

/// Real cosign and the signer have the same key.
#[test]
fn bundles_of_real_cosign_with_our_key_and_now_ours() {
    everywhere(|place| {
        let image = pushed(place, "same-key");
        cosign_signs(Cosign::V3, "bundle", KEY, &image, place.registry.host());
        sign(place, &image, "both", &[KEY]);
        accepted(place, &image, "both", KEY);
        complete(place, &image, "both");
    });
}

/// Newer cosigns look at bundles only once there is one, whoever made it.
#[test]
fn bundles_of_others_hide_legacy_signatures_until_both_is_asked_for() {
    everywhere(|place| {
        let image = pushed(place, "hidden");
        let reference = image.reference(place.registry.host());
        sign(place, &image, "legacy", &[KEY]);
        they_sign(place, &image);
        Cosign::V2_4.verify(KEY, &reference, &[]).accepted();
        for cosign in BOTH {
            cosign.verify_any("verify", KEY, &reference).refused();
        }
        let key = crate::support::cosign::public_key(KEY)
            .display()
            .to_string();
        let arguments = [
            "verify",
            "--new-bundle-format=false",
            "--key",
            &key,
            "--insecure-ignore-tlog",
            &reference,
        ];
        Cosign::V3.run(&arguments, &[]).accepted();
        sign(place, &image, "both", &[KEY]);
        accepted(place, &image, "both", KEY);
    });
}
