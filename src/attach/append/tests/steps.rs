//! The steps of one writer.

use super::{
    Answer, Append, Changes, Condition, Descriptor, Digest, Hanging, Kind, Manifest, MediaType,
    MediaTypes, Next, Place, Put, SealedValue, Settling, Standing, Wait, layer, lost, place, union,
};

/// `layers` for `place`, where nothing stands.
fn new_tag<'a>(place: &'a Place, layers: &'a [SealedValue]) -> Hanging<'a> {
    Hanging {
        place,
        layers,
        superseded: &[],
        media_types: MediaTypes::Oci,
        found: Standing::Nothing,
    }
}

#[test]
fn a_condition_that_the_registry_gets_wrong_is_dropped() {
    let place = place();
    let layers = [layer("a")];
    let refused = |status| Put::Refused {
        status,
        answer: Answer::default(),
    };
    for status in [304, 400, 403, 409, 412, 417, 428, 501] {
        let mut append = Append::new(new_tag(&place, &layers), Settling::Wanted);
        let Ok(Next::Put(union, Condition::Absent)) = append.next() else {
            panic!()
        };
        append
            .answered(union.manifest.digest().clone(), refused(status))
            .unwrap();
        if let Ok(Next::Read(_)) = append.next() {
            append.saw(Standing::Nothing);
        }
        let Ok(Next::Put(union, Condition::Always)) = append.next() else {
            panic!("{status}")
        };
        assert!(
            append
                .answered(union.manifest.digest().clone(), refused(status))
                .is_err()
        );
    }
}

#[test]
fn a_tag_that_does_not_show_what_was_put_is_read_again() {
    let place = place();
    let layers = [layer("a")];
    let mut append = Append::new(new_tag(&place, &layers), Settling::Wanted);
    let Ok(Next::Put(union, _)) = append.next() else {
        panic!()
    };
    append
        .answered(union.manifest.digest().clone(), Put::Written)
        .unwrap();
    assert!(matches!(append.next(), Ok(Next::Read(Wait::Settled))));
    append.saw(Standing::Nothing);
    assert!(matches!(append.next(), Ok(Next::Read(Wait::Consistency))));
    let written = Standing::of(Kind::Signatures, union.manifest);
    append.saw(written.clone());
    assert!(matches!(append.next(), Ok(Next::Read(Wait::Settled))));
    append.saw(written);
    assert!(matches!(append.next(), Ok(Next::Done(_))));
}

/// Two versions of a tag that differ in one of very many annotations. Compared
/// pair by pair, they take a minute.
#[test]
fn lost_layers_are_counted_at_once() {
    let annotations: Vec<_> = (0..350).map(|name| format!("\"{name:x}\":\"\"")).collect();
    let annotations = annotations.join(",");
    let found = |last: &str| {
        let layer = |number: usize| {
            let last = if number == 989 { last } else { "" };
            let digest = Digest::of(b"the same");
            format!(
                r#"{{"mediaType":"m","size":9,"digest":"{digest}","annotations":{{"n":"{number}","z":"{last}",{annotations}}}}}"#
            )
        };
        let layers: Vec<_> = (0..990).map(layer).collect();
        let config = serde_json::to_string(&Descriptor::of(MediaType::OCI_CONFIG, b"{}")).unwrap();
        let layers = layers.join(",");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{layers}]}}"#,
            MediaType::OCI_MANIFEST
        );
        Standing::of(
            Kind::Signatures,
            Manifest::parse(None, text.into()).unwrap(),
        )
    };
    let (before, now) = (found("before"), found("now"));
    let started = std::time::Instant::now();
    assert_eq!(lost(&before, &now).len(), 1);
    assert!(lost(&before, &before).is_empty());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

/// EVD-90
#[test]
fn a_layer_that_was_superseded_is_not_hung_again_and_not_taken_away_twice() {
    let place = place();
    let (old, new) = (layer("old"), [layer("new")]);
    let superseded = [old.descriptor().clone()];
    let stands = |layers: &[SealedValue]| {
        let all = union(
            &place,
            &Standing::Nothing,
            Changes::default(),
            layers,
            MediaTypes::Oci,
        );
        Standing::of(Kind::Signatures, all.unwrap().unwrap().manifest)
    };
    let hanging = Hanging {
        found: stands(std::slice::from_ref(&old)),
        superseded: &superseded,
        ..new_tag(&place, &new)
    };
    let mut append = Append::new(hanging, Settling::Wanted);
    let Ok(Next::Put(put, _)) = append.next() else {
        panic!()
    };
    let layers = put.manifest.to_image().unwrap().layers().to_vec();
    assert_eq!(layers, [new[0].descriptor().clone()]);
    append
        .answered(put.manifest.digest().clone(), Put::Written)
        .unwrap();
    // Nobody else has lost anything.
    let now = Standing::of(Kind::Signatures, put.manifest.clone());
    assert!(append.saw(now).is_empty());
    append.restore(superseded.to_vec());
    assert!(!matches!(append.next(), Ok(Next::Put(..))));
    // Somebody wants it all the same.
    append.saw(stands(&[old, new[0].clone()]));
    assert!(!matches!(append.next(), Ok(Next::Put(..))));
}
