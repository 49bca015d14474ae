//! Others write the same tags at the same time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{seeded, signatures};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Registry, Stored, When};
use crate::support::signer::Signer;

const THEIRS: &str = "p256-cosign2";
const OURS: &str = "p256-n32768-cosign-header";

#[track_caller]
fn both_verify(registry: &Registry, image: &Image) {
    assert_eq!(signatures(registry, image), 2);
    for cosign in BOTH {
        for key in [OURS, THEIRS] {
            cosign
                .verify(key, &image.reference(registry.host()), &[])
                .accepted();
        }
    }
}

/// The `.sig` tag when only they have signed: the manifest is there, the
/// tag is not.
fn their_manifest(registry: &Registry, image: &Image) -> String {
    Cosign::V2
        .sign(THEIRS, &image.reference(registry.host()), &[])
        .accepted();
    let tag = image.attached("sig");
    let digest = registry
        .manifest(image.repository(), &tag)
        .unwrap()
        .digest();
    registry.remove(image.repository(), &tag);
    registry.forget_exchanges();
    digest
}

/// From when on the tag is theirs alone.
fn overwriting(registry: &Registry, image: &Image) -> impl Fn() + Send + Sync + 'static + use<> {
    let digest = their_manifest(registry, image);
    let (registry, repository, tag) = (
        registry.clone(),
        image.repository().to_owned(),
        image.attached("sig"),
    );
    move || registry.tag(&repository, &tag, &digest)
}

/// SIG-34, SIG-38
#[test]
fn case_48_a_signer_that_wrote_between_our_read_and_our_write_is_not_overwritten() {
    let (registry, image, signer) = seeded();
    let theirs = overwriting(&registry, &image);
    // After the first read of the place was answered, long before our write.
    registry.inject(When::first("GET", ".sig"), Action::after(theirs));
    signer.run().succeeded();
    both_verify(&registry, &image);
}

/// SIG-34
#[test]
fn case_48_real_cosign_in_the_middle_of_our_run_is_not_overwritten() {
    let (registry, image, signer) = seeded();
    let reference = image.reference(registry.host());
    registry.inject(
        When::first("GET", ".sig"),
        Action::after(move || {
            Cosign::V2.sign(THEIRS, &reference, &[]).accepted();
        }),
    );
    signer.run().succeeded();
    both_verify(&registry, &image);
}

/// SIG-35, WIRE-50
#[test]
fn case_49_a_signer_that_overwrites_us_right_after_our_write_is_merged_with() {
    let (registry, image, signer) = seeded();
    let theirs = overwriting(&registry, &image);
    registry.inject(When::first("PUT", ".sig"), Action::after(theirs));
    signer.run().succeeded();
    both_verify(&registry, &image);
}

/// SIG-38
#[test]
fn case_51_a_signer_that_overwrites_us_within_the_settle_time_is_merged_with() {
    let (registry, image, signer) = seeded();
    let theirs = Arc::new(overwriting(&registry, &image));
    registry.inject(
        When::first("PUT", ".sig"),
        Action::after(move || {
            let theirs = theirs.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(500));
                theirs();
            });
        }),
    );
    signer.arguments(&["-settle", "2s"]).run().succeeded();
    both_verify(&registry, &image);
}

/// SIG-38
///
/// Existing tags are written first, and may be fought for a while. What was read
/// of the new ones before that is old by then.
#[test]
fn case_48_a_signer_that_wrote_one_place_while_we_wrote_another_is_not_overwritten() {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let (repository, att) = (image.repository().to_owned(), image.attached("att"));
    Signer::of(&image, registry.host())
        .key(THEIRS)
        .run()
        .succeeded();
    let theirs = registry.manifest(&repository, &att).unwrap().digest();
    registry.remove(&repository, &att);
    let hook = registry.clone();
    registry.inject(
        When::first("PUT", ".sig"),
        Action::after(move || hook.tag(&repository, &att, &theirs)),
    );
    Signer::of(&image, registry.host())
        .key(OURS)
        .run()
        .succeeded();
    for suffix in ["sig", "att"] {
        let place = attachment(&registry, image.repository(), &image.attached(suffix));
        assert_eq!(place.unwrap().layers.len(), 2, "{suffix}");
    }
}

#[test]
fn case_52_a_412_after_somebody_else_s_write_is_a_lost_race() {
    let (registry, image, signer) = seeded();
    let theirs = overwriting(&registry, &image);
    registry.inject(When::first("PUT", ".sig"), Action::before(theirs));
    registry.inject(When::first("PUT", ".sig"), Action::error(412, "DENIED"));
    signer.run().succeeded();
    both_verify(&registry, &image);
}

/// Not everybody says it with 412: gateways know other words.
#[test]
fn a_condition_that_is_refused_is_not_the_last_word() {
    for status in [304, 400, 403, 409, 412, 417, 428, 501] {
        let (registry, image, signer) = seeded();
        registry.inject(When::first("PUT", ".sig"), Action::status(status));
        signer.run().succeeded();
        assert_eq!(signatures(&registry, &image), 1, "{status}");
        let puts = registry.exchanges().of("PUT", ".sig").len();
        assert_eq!(puts, 2, "{status}");
    }
}

/// A PUT that is refused without a condition too is refused.
#[test]
fn a_refusal_without_a_condition_is_the_last_word() {
    for (status, code) in [(304, 118), (403, 113), (409, 118), (417, 118), (428, 118)] {
        let (registry, _, signer) = seeded();
        registry.inject(When::every("PUT", ".sig"), Action::status(status));
        signer.run().ended_with(code);
        let puts = registry.exchanges().of("PUT", ".sig").len();
        assert_eq!(puts, 2, "{status}");
    }
}

/// WIRE-52
#[test]
fn what_somebody_prunes_during_our_run_is_not_brought_back() {
    let (registry, image, signer) = seeded();
    Cosign::V2
        .sign(THEIRS, &image.reference(registry.host()), &[])
        .accepted();
    let empty = |stored: &Stored| {
        let mut manifest = stored.json();
        manifest["layers"] = Value::Array(Vec::new());
        Stored {
            media_type: stored.media_type.clone(),
            bytes: manifest.to_string().into(),
        }
    };
    let (repository, tag) = (image.repository().to_owned(), image.attached("sig"));
    let pruned = empty(&registry.manifest(&repository, &tag).unwrap());
    let pruned = registry.store_manifest(&repository, pruned);
    let hook = registry.clone();
    registry.inject(
        When::first("PUT", ".sig"),
        Action::after(move || hook.tag(&repository, &tag, &pruned)),
    );
    let run = signer.run().succeeded();
    assert_eq!(run.warnings().len(), 1, "{}", run.stdout);
    let place = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    assert_eq!(place.layers.len(), 1);
    for cosign in BOTH {
        cosign
            .verify(OURS, &image.reference(registry.host()), &[])
            .accepted();
    }
}

/// Two runs with one key write the same bytes: whoever comes second finds that
/// everything is there.
/// SIG-37, SIG-38
#[test]
fn case_50_two_runs_with_one_key_at_the_same_time_sign_once() {
    for delay in [0, 5, 5] {
        let registry = Registry::start();
        let image = Image::recorded("one-document");
        image.seed(&registry);
        let delay = Action::Delay(Duration::from_millis(delay));
        registry.inject(When::every("*", "/v2/"), delay);
        thread::scope(|scope| {
            let run = || Signer::of(&image, registry.host()).key(OURS).run();
            for run in [(); 2].map(|()| scope.spawn(run)) {
                run.join().unwrap().succeeded();
            }
        });
        for suffix in ["sig", "att"] {
            let place = attachment(&registry, image.repository(), &image.attached(suffix));
            assert_eq!(place.unwrap().layers.len(), 1, "{suffix}");
        }
        assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
    }
}
