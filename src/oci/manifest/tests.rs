//! Manifests that are read, written and refused.

use super::fields::MAX_FIELDS;
use super::*;

fn descriptor(text: &str) -> Descriptor {
    Descriptor::of(
        MediaType::known("application/vnd.example.layer"),
        text.as_bytes(),
    )
}

fn image(text: &str) -> Result<ImageManifest, ManifestError> {
    Manifest::parse(None, Bytes::copy_from_slice(text.as_bytes()))?.to_image()
}

#[test]
fn appending_keeps_what_others_wrote_byte_for_byte() {
    let layer = serde_json::to_string(&descriptor("theirs")).unwrap();
    let foreign = layer.replace('}', r#", "x":  1.0e3 ,"data":"AA=="}"#);
    let config = serde_json::to_string(&descriptor("c")).unwrap();
    let text = format!(
        r#"{{ "zzz" : {{"b":1,"a":2}}, "schemaVersion":2, "mediaType":"application/vnd.oci.image.manifest.v1+json", "layers": [ {foreign} ], "config":{config}, "annotations":{{"k":"v"}}}}"#
    );
    let appended = image(&text)
        .unwrap()
        .append(&[descriptor("ours")], &descriptor("c2"))
        .unwrap();
    let text = std::str::from_utf8(appended.bytes()).unwrap();
    assert!(text.contains(&foreign), "{text}");
    assert!(
        text.starts_with(r#"{"zzz":{"b":1,"a":2},"schemaVersion":2"#),
        "{text}"
    );
    assert!(text.ends_with(r#""annotations":{"k":"v"}}"#), "{text}");
    let read = appended.to_image().unwrap();
    assert_eq!(read.layers()[1], descriptor("ours"));
    assert_eq!(*read.config(), descriptor("c2"));
}

fn many_fields(count: usize) -> String {
    (0..count).map(|index| format!("\"f{index}\":0,")).collect()
}

/// As many as fit into what is read of a registry. Judged pair by pair,
/// their names would take minutes.
#[test]
fn half_a_million_fields_are_refused_at_once() {
    let started = std::time::Instant::now();
    let text = format!("{{{}\"z\":0}}", many_fields(500_000));
    assert!(image(&text).is_err());
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn hostile_manifests_are_refused() {
    let config = serde_json::to_string(&descriptor("c")).unwrap();
    let with = |layers: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":{layers}}}"#
        )
    };
    assert!(image(&with("[]")).is_ok());
    let one = serde_json::to_string(&descriptor("x")).unwrap();
    for text in [
        "",
        "[]",
        "null",
        "{}",
        &"[".repeat(200_000),
        &with("{}"),
        &with(r#"[{"mediaType":"a","size":-1,"digest":"sha256:00"}]"#),
        &with(&one.replace(r#""size":1"#, r#""size":99999999999999999999"#)).to_string(),
        &with(&format!(
            "[{}]",
            vec![one.clone(); MAX_LAYERS + 1].join(",")
        )),
        &with("[]").replacen("\"schemaVersion\":2", "\"schemaVersion\":1", 1),
        &with("[]").replacen('{', "{\"layers\":[],", 1),
        &with("[]").replace("oci.image.manifest", "oci.image.index"),
        &with("[]").replacen('{', &format!("{{{}", many_fields(MAX_FIELDS)), 1),
    ] {
        assert!(
            image(text).is_err(),
            "{}",
            text.chars().take(200).collect::<String>()
        );
    }
}

#[test]
fn a_media_type_other_than_the_served_one_is_refused() {
    let bytes =
        Bytes::from_static(br#"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#);
    let served = Some(MediaType::DOCKER_MANIFEST);
    assert!(matches!(
        Manifest::parse(served, bytes),
        Err(ManifestError::MediaTypeDiffers { .. })
    ));
}
