//! Images that an older run or real cosign has signed in one form, and that a run
//! signs in another one now.

use super::{cosign_signs, sbom_verified, verified};
use crate::matrix::{Place, image, signer};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;

const KEY: &str = "p256-cosign3";
/// Another one, that real cosign signs with.
const THEIRS: &str = "rsa2048-imported-cosign3";

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
        // What only knows tags still finds the old ones.
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
        for cosign in BOTH {
            for format in ["bundle", "both"] {
                let image = pushed(place, &format!("{cosign:?}-{format}").to_lowercase());
                let host = place.registry.host();
                cosign_signs(cosign, "bundle", THEIRS, &image, host);
                sign(place, &image, format, &[KEY]);
                accepted(place, &image, format, KEY);
                accepted(place, &image, "bundle", THEIRS);
                complete(place, &image, format);
            }
        }
    });
}

#[test]
fn bundles_of_real_cosign_after_ours() {
    everywhere(|place| {
        for cosign in BOTH {
            let image = pushed(place, &format!("before-{cosign:?}").to_lowercase());
            sign(place, &image, "both", &[KEY]);
            cosign_signs(cosign, "bundle", THEIRS, &image, place.registry.host());
            accepted(place, &image, "both", KEY);
            accepted(place, &image, "bundle", THEIRS);
            complete(place, &image, "both");
        }
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
        let (host, reference) = (
            place.registry.host(),
            image.reference(place.registry.host()),
        );
        sign(place, &image, "legacy", &[KEY]);
        cosign_signs(Cosign::V3, "bundle", THEIRS, &image, host);
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
