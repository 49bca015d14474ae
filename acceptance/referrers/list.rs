//! Lists that a registry keeps itself: long, endless, in a circle, leading
//! elsewhere, or none at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{INDEX, KEYS, filler, image, index, registry, signer};
use crate::support::objects::of_list;
use crate::support::registry::{Action, Answer, Switch, When};

/// WIRE-79: pages are followed; what is on the second one is found.
#[test]
fn every_page_of_the_list_is_read() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let signer = signer(&image, &registry, &KEYS[..1]);
    signer.run().succeeded();
    registry.forget_exchanges();
    let path = format!("/v2/{}/referrers/{}", image.repository(), image.digest());
    let first = index(&[filler(1)]).with("link", format!("<{path}?last=1>; rel=\"next\""));
    registry.inject(When::first("GET", "/referrers/"), Action::Answer(first));
    signer.run().succeeded();
    assert_eq!(registry.exchanges().of("GET", "/referrers/").len(), 2);
    registry.stored_nothing();
}

/// WIRE-79: circles, lists without end, and links that lead elsewhere are bounded, and
/// signing goes on.
#[test]
fn lists_without_an_end_are_bounded() {
    let image = image();
    let path = format!("/v2/{}/referrers/{}", image.repository(), image.digest());
    let count = Arc::new(AtomicUsize::new(0));
    let endless = {
        let (count, path) = (Arc::clone(&count), path.clone());
        Action::unless(move || {
            let n = count.fetch_add(1, Ordering::Relaxed);
            Some(index(&[filler(n)]).with("link", format!("<{path}?page={n}>; rel=\"next\"")))
        })
    };
    let circle = index(&[filler(1)]).with("link", format!("<{path}>; rel=\"next\""));
    let away = index(&[filler(1)]).with("link", "<http://192.0.2.1/v2/x>; rel=\"next\"");
    let many: Vec<Value> = (0..10_000).map(filler).collect();
    let garbage = [json!(7), json!({ "digest": "sha256:zz" }), filler(1)];
    for (list, pages) in [
        (endless, 100),
        (Action::Answer(circle), 1),
        (Action::Answer(away), 1),
        (Action::Answer(index(&many)), 1),
        (Action::Answer(index(&garbage)), 1),
    ] {
        let registry = registry(Switch::On);
        image.seed(&registry);
        registry.inject(When::first("GET", "/referrers/").times(pages), list);
        let started = Instant::now();
        signer(&image, &registry, &KEYS[..1]).run().succeeded();
        assert!(started.elapsed() < Duration::from_secs(30));
        assert_eq!(of_list(&registry, &image).len(), 1);
        assert!(registry.exchanges().of("GET", "/referrers/").len() <= pages + 1);
    }
}

/// WIRE-79: a page of 1000 entries and ten of them are whole; one entry more is too
/// much, nothing behind it is asked for, and what counts is said.
#[test]
fn long_lists_are_read_to_their_limits() {
    let image = image();
    let path = format!("/v2/{}/referrers/{}", image.repository(), image.digest());
    let ten = [1000; 10];
    let eleven = [&ten[..], &[1]].concat();
    for (pages, goes_on, counted) in [
        (&[1000][..], false, None),
        (&[1001], true, Some("1000 entries of it count")),
        (&ten, false, None),
        (&eleven, true, Some("10000 entries of it count")),
    ] {
        let registry = registry(Switch::On);
        image.seed(&registry);
        for (number, count) in pages.iter().enumerate() {
            let entries: Vec<Value> = (0..*count).map(|n| filler(number * 2000 + n)).collect();
            let mut page = index(&entries);
            if goes_on || number + 1 < pages.len() {
                page = page.with("link", format!("<{path}?page={number}>; rel=\"next\""));
            }
            let when = When::first("GET", "/referrers/").after(number);
            registry.inject(when, Action::Answer(page));
        }
        let run = signer(&image, &registry, &KEYS[..1]).run().succeeded();
        assert_eq!(run.stdout.contains("has no end"), counted.is_some());
        run.says(counted.as_slice());
        // The list is read once more in the end.
        let lists = registry.exchanges().of("GET", "/referrers/").len();
        assert_eq!(lists, pages.len() + 1, "{pages:?}");
    }
}

/// WIRE-79: a page over 4 MiB is refused before anything is put.
#[test]
fn a_page_that_is_too_long_is_refused_before_anything_is_put() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let text = String::from_utf8(index(&[filler(1)]).body.to_vec()).unwrap();
    let body = |length: usize| text.clone() + &" ".repeat(length - text.len());
    let page = |length| Action::Answer(Answer::new(200).body(INDEX, body(length)));
    registry.inject(When::first("GET", "/referrers/"), page((4 << 20) + 1));
    signer(&image, &registry, &KEYS[..1]).run().ended_with(118);
    registry.stored_nothing();
    registry.inject(When::first("GET", "/referrers/"), page(4 << 20));
    signer(&image, &registry, &KEYS[..1]).run().succeeded();
}

/// WIRE-79: where the rest of a list cannot be read, what is there by its digest
/// counts.
#[test]
fn a_list_that_always_leads_elsewhere_is_proven_by_digest() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let away = index(&[filler(1)]).with("link", "<http://192.0.2.1/v2/x>; rel=\"next\"");
    registry.inject(When::every("GET", "/referrers/"), Action::Answer(away));
    let signer = signer(&image, &registry, &KEYS[..1]);
    signer
        .run()
        .ended_with(0)
        .says(&["goes on where it must not"]);
    assert!(!registry.exchanges().puts().is_empty());
}

/// WIRE-79
#[test]
fn a_list_that_is_garbage_is_refused_before_anything_is_put() {
    let image = image();
    for body in ["", "[]", "{", r#"{"schemaVersion":1,"manifests":[]}"#, "{}"] {
        let registry = registry(Switch::On);
        image.seed(&registry);
        let garbage = Answer::new(200).body(INDEX, body);
        registry.inject(When::every("GET", "/referrers/"), Action::Answer(garbage));
        signer(&image, &registry, &KEYS[..1]).run().ended_with(118);
        assert!(registry.exchanges().puts().is_empty(), "{body}");
    }
}
