//! CycloneDX documents that take much time or memory to be merged.

use serde_json::{Value, json};

use super::merging::{documents, json_of, names};
use crate::sbom::attachment;

/// Documents that a buildpack may write: with pairs compared, each would take minutes.
#[test]
fn documents_of_very_many_names_are_merged_at_once() {
    let started = std::time::Instant::now();
    // One name that each of many documents gives to something else.
    let versions: Vec<_> = (0..4_000)
        .map(|number| json!({"components": [{"bom-ref": "a", "version": number.to_string()}]}))
        .collect();
    let files = versions.iter().enumerate().map(|(number, bom)| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":{}}}"#,
            bom["components"]
        );
        (format!("{number:04}/sbom.cdx.json"), text)
    });
    let files: Vec<_> = files.collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    let bom = json_of(&attachment(&documents(&files)).unwrap());
    assert_eq!(names(&bom).len(), versions.len());
    assert!(names(&bom).contains(&"a#4000".to_owned()));
    // One thing with very many members in its dependencies.
    let members = |from: usize| {
        let members: String = (from..from + 900)
            .map(|name| format!(",\"x{name}\":[\"{name}\"]"))
            .collect();
        format!("{{\"ref\":\"a\"{members}}}")
    };
    let entries: Vec<_> = (0..100).map(|index| members(index * 900)).collect();
    let text = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","dependencies":[{}]}}"#,
        entries.join(",")
    );
    let bom = merged_texts(&[text.clone(), text.replace("1.6", "1.5")]);
    assert_eq!(bom["dependencies"][0].as_object().unwrap().len(), 90_001);
    // Very many values under a very long name.
    let text = |version: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","x":"{version}","{}":[{}]}}"#,
            "n".repeat(1_000_000),
            vec![r#""v""#; 100_000].join(",")
        )
    };
    merged_texts(&[text("1"), text("2")]);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

fn merged_texts(texts: &[String]) -> Value {
    let files: Vec<_> = ["a/sbom.cdx.json", "b/sbom.cdx.json"]
        .into_iter()
        .zip(texts.iter().cloned())
        .collect();
    json_of(&attachment(&documents(&files)).unwrap())
}

/// The memory for an item, or for the place of a disagreement, is more than the
/// document has bytes for it.
#[test]
fn documents_of_too_many_parts_are_not_merged() {
    let with = |rest: String| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6",{rest}}}"#);
    let items = |count: usize| with(format!(r#""components":[{}]"#, vec!["0"; count].join(",")));
    let components: String = (0..200_000)
        .map(|name| format!(r#"{{"bom-ref":"{name}"}},"#))
        .collect();
    let named = with(format!(r#""components":[{components}0]"#));
    let members: String = (0..1_001).map(|name| format!(r#""x{name}":0,"#)).collect();
    for (text, words) in [
        (items(500_001), "too many items"),
        (named, "more members, items or names"),
        (with(format!(r#"{members}"y":0"#)), "too many members"),
    ] {
        let files = [("a/sbom.cdx.json", text), ("b/sbom.cdx.json", items(1))];
        let error = attachment(&documents(&files)).unwrap_err();
        let error: &dyn std::error::Error = &error;
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(
            format!("{error} {source}").contains(words),
            "{error} {source}"
        );
    }
}
