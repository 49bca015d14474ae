mod names;

use serde_json::{Value, json};

use super::images::documents_of;
use super::*;
use crate::envelope::media_type;
use crate::sbom::{Attachment, MAX_MERGED, SbomFormat, attachment};

fn launch(name: &str) -> String {
    format!("/layers/sbom/launch/{name}")
}

/// Documents of an image with these files.
pub(super) fn documents(files: &[(&str, String)]) -> Vec<Document> {
    let archive = files.iter().fold(Tar::new(), |archive, (name, text)| {
        archive.file(launch(name), text)
    });
    read_archive(&archive.done()).unwrap()
}

/// CycloneDX documents `a`, `b`, …, from what they say beside the head.
fn boms(boms: &[Value]) -> Vec<Document> {
    let files: Vec<_> = boms
        .iter()
        .zip('a'..)
        .map(|(bom, name)| {
            let mut whole = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1});
            for (name, value) in bom.as_object().unwrap() {
                whole[name] = value.clone();
            }
            (format!("{name}/sbom.cdx.json"), whole.to_string())
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    documents(&files)
}

pub(super) fn json_of(attachment: &Attachment) -> Value {
    serde_json::from_slice(&attachment.content.to_bytes().unwrap()).unwrap()
}

fn merged(of: &[Value]) -> Value {
    let attachment = attachment(&boms(of)).unwrap();
    assert_eq!(attachment.merged, of.len());
    json_of(&attachment)
}

fn not_merged(of: &[Value]) -> String {
    let error = attachment(&boms(of)).unwrap_err();
    assert!(matches!(
        error,
        SbomError::NotAttachable(_) | SbomError::NotMergeable { .. } | SbomError::Merge { .. }
    ));
    let source = std::error::Error::source(&error);
    let source = source.map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

/// Every `bom-ref` of a BOM.
pub(super) fn names(bom: &Value) -> Vec<String> {
    match bom {
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(members) => {
            let own = members
                .get("bom-ref")
                .map(|name| name.as_str().unwrap().to_owned());
            own.into_iter()
                .chain(members.values().flat_map(names))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn assert_unique_names(bom: &Value) {
    let names = names(bom);
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), unique.len(), "{names:?}");
}

fn component(name: &str, reference: &str) -> Value {
    json!({"type": "library", "bom-ref": reference, "name": name})
}

/// SBOM-8
#[test]
fn one_cyclonedx_document_is_attached_as_it_is() {
    let text = " {\"any\": 1.0 }\n".to_owned();
    let documents = documents(&[
        ("x/sbom.cdx.json", text.clone()),
        ("x/sbom.spdx.json", "{}".to_owned()),
        ("x/sbom.syft.json", "{}".to_owned()),
    ]);
    let attachment = attachment(&documents).unwrap();
    assert_eq!(attachment.media_type, media_type::CYCLONEDX_JSON);
    assert_eq!(attachment.content.to_bytes().unwrap(), text);
    assert_eq!(attachment.merged, 1);
    let skipped: Vec<_> = attachment
        .skipped
        .iter()
        .map(|skipped| (skipped.path.clone(), skipped.format))
        .collect();
    let expected = [
        (launch("x/sbom.spdx.json"), SbomFormat::Spdx),
        (launch("x/sbom.syft.json"), SbomFormat::Syft),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn one_document_of_another_format_is_attached_as_it_is() {
    let attachment = attachment(&documents_of("one-document")).unwrap();
    assert_eq!(attachment.media_type, media_type::SPDX_JSON);
    assert_eq!(attachment.content.length(), 130_535);
    assert!(attachment.skipped.is_empty());
    let syft = documents(&[("x/sbom.syft.json", "{}".to_owned())]);
    let attachment = super::super::attachment(&syft).unwrap();
    assert_eq!(attachment.media_type, media_type::SYFT_JSON);
}

/// SBOM-8
#[test]
fn several_documents_without_cyclonedx_cannot_be_attached() {
    let two = documents(&[
        ("x/sbom.spdx.json", "{}".to_owned()),
        ("x/sbom.syft.json", "{}".to_owned()),
    ]);
    let error = attachment(&two).unwrap_err();
    assert!(error.to_string().contains("1 SPDX, 1 Syft"), "{error}");
    assert!(matches!(error, SbomError::NotAttachable(_)));
    assert!(attachment(&[]).is_err());
}

#[test]
fn the_merged_bom_of_a_real_image_holds_everything_once() {
    for folder in [
        "only-cyclonedx",
        "platform-api-0.15",
        "buildpack-level-document",
    ] {
        let documents = documents_of(folder);
        let attachment = attachment(&documents).unwrap();
        assert_eq!(attachment.media_type, media_type::CYCLONEDX_JSON);
        let text = attachment.content.to_bytes().unwrap();
        let bom = json_of(&attachment);
        assert_unique_names(&bom);
        let mut distinct = std::collections::BTreeSet::new();
        let (mut components, mut dependencies) = (Vec::new(), 0);
        let is_cyclonedx = |document: &&Document| document.format() == SbomFormat::CycloneDx;
        for document in documents.iter().filter(is_cyclonedx) {
            if !distinct.insert(bytes(document)) {
                continue;
            }
            let own: Value = serde_json::from_slice(&bytes(document)).unwrap();
            components.push(own["metadata"]["component"].clone());
            components.extend(own["components"].as_array().unwrap().iter().cloned());
            dependencies += own["dependencies"].as_array().unwrap().len();
        }
        for component in &components {
            let in_merged = bom["components"].as_array().unwrap();
            assert!(in_merged.contains(component), "{component}");
        }
        assert_eq!(
            bom["components"].as_array().unwrap().len(),
            components.len()
        );
        assert_eq!(bom["dependencies"].as_array().unwrap().len(), dependencies);
        assert_eq!(bom["specVersion"], "1.7");
        assert_eq!(
            bom["metadata"]["tools"]["components"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            super::super::attachment(&documents)
                .unwrap()
                .content
                .to_bytes()
                .unwrap(),
            text
        );
    }
}

/// SBOM-8
#[test]
fn documents_that_say_the_same_are_attached_as_the_first_is() {
    let text = "{ \"bomFormat\":\"CycloneDX\" }";
    let documents = documents(&[
        ("a/sbom.cdx.json", text.to_owned()),
        ("b/sbom.cdx.json", text.replace(' ', "")),
    ]);
    let attachment = attachment(&documents).unwrap();
    assert_eq!(attachment.content.to_bytes().unwrap(), text);
    assert_eq!(attachment.merged, 2);
}

/// SBOM-9
#[test]
fn the_head_is_that_of_the_newest_version_and_deterministic() {
    let of = [
        json!({"specVersion": "1.10", "serialNumber": "urn:uuid:1", "version": 7,
               "metadata": {"timestamp": "2026-01-01T00:00:00+02:00"}}),
        json!({"specVersion": "1.9", "serialNumber": "urn:uuid:2",
               "metadata": {"timestamp": "2025-12-31T23:00:00Z"}}),
    ];
    let bom = merged(&of);
    assert_eq!(
        bom["$schema"],
        "http://cyclonedx.org/schema/bom-1.10.schema.json"
    );
    assert_eq!(bom["bomFormat"], "CycloneDX");
    assert_eq!(bom["specVersion"], "1.10");
    assert_eq!(bom["version"], 1);
    assert_eq!(bom["metadata"]["timestamp"], "2025-12-31T23:00:00Z");
    let serial = bom["serialNumber"].as_str().unwrap();
    let groups: Vec<_> = serial
        .strip_prefix("urn:uuid:")
        .unwrap()
        .split('-')
        .collect();
    assert_eq!(
        groups.iter().map(|g| g.len()).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    assert!(groups[2].starts_with('8') && groups[3].starts_with('a'));
    let property = |name: &str, path: &str, value: &str| json!({"name": format!("io.buildpacks.signer:{name}:{}", launch(path)), "value": value});
    let expected = json!([
        property("serialNumber", "a/sbom.cdx.json", "urn:uuid:1"),
        property("version", "a/sbom.cdx.json", "7"),
        property("serialNumber", "b/sbom.cdx.json", "urn:uuid:2"),
        property("version", "b/sbom.cdx.json", "1"),
    ]);
    assert_eq!(bom["metadata"]["properties"], expected);
    assert_eq!(merged(&of), bom);
    let other = merged(&[of[0].clone(), json!({})]);
    assert_ne!(other["serialNumber"], bom["serialNumber"]);
}

#[test]
fn one_moment_written_in_two_ways_is_said_once() {
    let at = |timestamp: &str| json!({"metadata": {"timestamp": timestamp}});
    let bom = merged(&[at("2026-01-01T01:00:00+01:00"), at("2026-01-01T00:00:00Z")]);
    assert_eq!(bom["metadata"]["timestamp"], "2026-01-01T01:00:00+01:00");
}

#[test]
fn what_is_too_big_to_be_merged_in_memory_is_refused() {
    let long = " ".repeat(MAX_MERGED as usize);
    let error = not_merged(&[json!({"x": long}), json!({})]);
    assert!(error.contains("bytes together"), "{error}");
    assert!(attachment(&boms(&[json!({"x": long})])).is_ok());
}

#[test]
fn the_lowest_version_written_is_1_4() {
    let bom = merged(&[
        json!({"specVersion": "1.2", "x": 1}),
        json!({"specVersion": "1.3"}),
    ]);
    assert_eq!(bom["specVersion"], "1.4");
}

#[test]
fn dependencies_of_one_thing_become_one_entry() {
    let of = |items: Value| json!({"components": [component("a", "a")], "dependencies": items});
    let bom = merged(&[
        of(json!([{"ref": "a", "dependsOn": ["b", "c"]}, {"ref": "b"}])),
        of(json!([{"ref": "a", "dependsOn": ["c", "d"], "provides": ["e"]}, {"ref": "b"}])),
    ]);
    let expected =
        json!([{"ref": "a", "dependsOn": ["b", "c", "d"], "provides": ["e"]}, {"ref": "b"}]);
    assert_eq!(bom["dependencies"], expected);
    assert_eq!(bom["components"].as_array().unwrap().len(), 1);
}

/// SBOM-9. One entry would lose what another says.
#[test]
fn dependencies_that_disagree_on_more_than_their_lists_stay_apart() {
    let of = |entry: &Value| json!({"dependencies": [entry, {"ref": "b", "dependsOn": ["c"]}]});
    for (one, other) in [
        (
            json!({"ref": "a", "dependsOn": ["b"]}),
            json!({"ref": "a", "dependsOn": "c"}),
        ),
        (
            json!({"ref": "a", "note": "one"}),
            json!({"ref": "a", "note": "two"}),
        ),
    ] {
        let bom = merged(&[of(&one), of(&other)]);
        let expected = json!([one, other, {"ref": "b", "dependsOn": ["c"]}]);
        assert_eq!(bom["dependencies"], expected);
    }
    let (one, other) = (
        json!({"ref": "a", "note": "one", "dependsOn": ["b"]}),
        json!({"ref": "a", "note": "one", "dependsOn": ["c"]}),
    );
    let bom = merged(&[of(&one), of(&other)]);
    let expected = json!({"ref": "a", "note": "one", "dependsOn": ["b", "c"]});
    assert_eq!(bom["dependencies"][0], expected);
}

#[test]
fn tools_of_both_forms_become_components() {
    let legacy = json!({"metadata": {"tools": [
        {"vendor": "v", "name": "n", "version": "1", "hashes": [{"alg": "MD5", "content": "d41d8cd98f00b204e9800998ecf8427e"}]},
        {"vendor": "v"}]}});
    let object = json!({"metadata": {"tools": {
        "components": [{"type": "application", "name": "syft"}], "services": [{"name": "s"}]}}});
    let both = merged(&[legacy.clone(), object.clone()]);
    let expected = json!({
        "components": [
            {"type": "application", "name": "syft"},
            {"type": "application", "publisher": "v", "name": "n", "version": "1",
                "hashes": [{"alg": "MD5", "content": "d41d8cd98f00b204e9800998ecf8427e"}]},
            {"type": "application", "publisher": "v", "name": "v"},
        ],
        "services": [{"name": "s"}],
    });
    assert_eq!(both["metadata"]["tools"], expected);
    let alone = merged(&[legacy.clone(), json!({"x": 1})]);
    assert_eq!(alone["metadata"]["tools"], legacy["metadata"]["tools"]);
    let alone = merged(&[object.clone(), json!({"x": 1})]);
    assert_eq!(alone["metadata"]["tools"], object["metadata"]["tools"]);
}

#[test]
fn what_documents_disagree_on_is_kept_as_properties() {
    let bom = merged(&[
        json!({"metadata": {"supplier": {"name": "a"}, "manufacture": {"name": "m"},
            "licenses": [{"license": {"id": "MIT"}}], "properties": [{"name": "p", "value": "1"}],
            "timestamp": "yesterday"},
            "declarations": {"claims": [{"bom-ref": "c1"}], "affirmation": {"statement": "s"}},
            "signature": {"algorithm": "RS256"}, "x-unknown": 1}),
        json!({"metadata": {"supplier": {"name": "b"}, "manufacture": {"name": "m"},
            "licenses": [{"expression": "MIT OR X"}], "properties": [{"name": "p", "value": "2"}],
            "timestamp": "2026-01-01T00:00:00Z"},
            "declarations": {"claims": [{"bom-ref": "c2"}], "affirmation": {"statement": "s"}},
            "x-unknown": 2, "x-other": [1]}),
    ]);
    let metadata = &bom["metadata"];
    assert_eq!(metadata.get("supplier"), None);
    assert_eq!(metadata["manufacture"], json!({"name": "m"}));
    assert_eq!(metadata["licenses"], json!([{"license": {"id": "MIT"}}]));
    assert_eq!(
        bom["declarations"]["claims"],
        json!([{"bom-ref": "c1"}, {"bom-ref": "c2"}])
    );
    assert_eq!(
        bom["declarations"]["affirmation"],
        json!({"statement": "s"})
    );
    assert_eq!(bom["x-other"], json!([1]));
    assert_eq!(bom.get("signature"), None);
    let properties = metadata["properties"].as_array().unwrap();
    assert_eq!(
        properties[..2],
        [
            json!({"name": "p", "value": "1"}),
            json!({"name": "p", "value": "2"})
        ]
    );
    let kept: Vec<_> = properties[2..]
        .iter()
        .map(|property| {
            let name = property["name"].as_str().unwrap();
            let name = name.strip_prefix("io.buildpacks.signer:").unwrap();
            let (name, path) = name.split_once(':').unwrap();
            (name, &path[20..21], property["value"].as_str().unwrap())
        })
        .filter(|(name, ..)| *name != "version")
        .collect();
    for expected in [
        ("metadata.supplier", "a", r#"{"name":"a"}"#),
        ("metadata.supplier", "b", r#"{"name":"b"}"#),
        ("metadata.licenses", "b", r#"[{"expression":"MIT OR X"}]"#),
        ("metadata.timestamp", "a", "yesterday"),
        ("metadata.timestamp", "b", "2026-01-01T00:00:00Z"),
        ("x-unknown", "a", "1"),
        ("x-unknown", "b", "2"),
    ] {
        assert!(kept.contains(&expected), "{expected:?} in {kept:?}");
    }
    assert_eq!(kept.len(), 7);
}

#[test]
fn what_is_no_cyclonedx_cannot_be_merged() {
    let good = json!({"components": []});
    for (bad, reason) in [
        (json!({"bomFormat": "SPDX"}), "no CycloneDX BOM"),
        (json!({"specVersion": "2.0"}), "not 1.x"),
        (json!({"specVersion": 1.6}), "not 1.x"),
        (json!({"components": {}}), "another type"),
        (json!({"metadata": []}), "another type"),
    ] {
        let error = not_merged(&[good.clone(), bad]);
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("/b/sbom.cdx.json"), "{error}");
    }
    let unknown: serde_json::Map<_, _> = (0..2_000).map(|i| (i.to_string(), json!(1))).collect();
    let error = not_merged(&[good, Value::Object(unknown)]);
    assert!(error.contains("too many members"), "{error}");
}

#[test]
fn a_member_that_stands_twice_cannot_be_merged() {
    let twice =
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[],"components":[{}]}"#;
    let documents = documents(&[
        ("a/sbom.cdx.json", twice.to_owned()),
        ("b/sbom.cdx.json", twice.replace("{}", "")),
    ]);
    assert!(matches!(
        attachment(&documents),
        Err(SbomError::Merge { .. })
    ));
}

#[test]
fn deep_documents_are_merged_without_recursion() {
    let bom = |x: &str| {
        let deep = "[".repeat(9_000) + x + &"]".repeat(9_000);
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"x":{deep}}}],"y":{deep}}}"#
        )
    };
    let documents = documents(&[
        ("a/sbom.cdx.json", bom("1")),
        ("b/sbom.cdx.json", bom(r#"{"bom-ref":"r"}"#)),
    ]);
    assert!(attachment(&documents).is_ok());
}
