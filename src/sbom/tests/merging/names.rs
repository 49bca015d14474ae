//! Names that two documents give to different things.

use serde_json::json;

use super::{assert_unique_names, attachment, component, documents, json_of, merged, names};

/// SBOM-10
#[test]
fn a_name_for_two_things_is_changed_wherever_its_document_uses_it() {
    let bom = |version: &str| {
        let mut lib = component("lib", "pkg:x/lib");
        lib["version"] = version.into();
        lib["purl"] = "pkg:x/lib".into();
        json!({
            "components": [component("app", &format!("app-{version}")), lib,
                component("shared", "shared")],
            "services": [{"name": "pkg:x/lib", "bom-ref": format!("service-{version}")}],
            "dependencies": [
                {"ref": format!("app-{version}"), "dependsOn": ["pkg:x/lib", "shared"]},
                {"ref": "pkg:x/lib", "provides": ["pkg:x/lib"]},
            ],
            "compositions": [{"aggregate": "complete", "assemblies": ["pkg:x/lib"],
                "dependencies": ["pkg:x/lib"]}],
            "vulnerabilities": [{"id": "pkg:x/lib", "bom-ref": format!("v-{version}"),
                "affects": [{"ref": "pkg:x/lib"}]}],
            "annotations": [{"subjects": ["pkg:x/lib"], "text": version}],
        })
    };
    let mut taken = bom("2");
    taken["components"][2] = component("other", "pkg:x/lib#2");
    let bom = merged(&[bom("1"), taken, bom("3")]);
    assert_unique_names(&bom);
    let part = |list: &str, index: usize| bom[list][index].to_string();
    assert_eq!(
        names(&bom["components"]),
        [
            "app-1",
            "pkg:x/lib",
            "shared",
            "app-2",
            "pkg:x/lib#3",
            "pkg:x/lib#2",
            "app-3",
            "pkg:x/lib#4"
        ]
    );
    assert_eq!(bom["components"][4]["version"], "2");
    assert_eq!(bom["components"][4]["purl"], "pkg:x/lib");
    assert_eq!(bom["services"][1]["name"], "pkg:x/lib");
    assert_eq!(
        bom["dependencies"][2],
        json!({"ref": "app-2", "dependsOn": ["pkg:x/lib#3", "shared"]})
    );
    assert_eq!(
        bom["dependencies"][5],
        json!({"ref": "pkg:x/lib#4", "provides": ["pkg:x/lib#4"]})
    );
    assert!(part("compositions", 1).matches("pkg:x/lib#3").count() == 2);
    assert_eq!(bom["vulnerabilities"][2]["id"], "pkg:x/lib");
    assert_eq!(
        bom["vulnerabilities"][2]["affects"][0]["ref"],
        "pkg:x/lib#4"
    );
    assert_eq!(bom["annotations"][1]["subjects"], json!(["pkg:x/lib#3"]));
}

/// SBOM-10
#[test]
fn what_holds_a_changed_name_is_not_the_same_thing_any_more() {
    let bom = |version: &str| {
        let mut outer = component("outer", "outer");
        outer["evidence"] = json!({"identity": [{"field": "name", "tools": ["tool"]}]});
        let mut outermost = component("outermost", "outermost");
        outermost["evidence"] = json!({"identity": [{"field": "name", "tools": ["outer"]}]});
        let mut tool = component("tool", "tool");
        tool["version"] = version.into();
        json!({"components": [outermost, outer, tool, component("same", "same")]})
    };
    let bom = merged(&[bom("1"), bom("2")]);
    assert_unique_names(&bom);
    let expected = [
        "outermost",
        "outer",
        "tool",
        "same",
        "outermost#2",
        "outer#2",
        "tool#2",
    ];
    assert_eq!(names(&bom), expected);
    let tools = |index: usize| &bom["components"][index]["evidence"]["identity"][0]["tools"][0];
    assert_eq!((tools(4), tools(5)), (&json!("outer#2"), &json!("tool#2")));
}

#[test]
fn long_chains_of_names_are_settled_too() {
    let bom = |version: &str| {
        let link = |index: usize| {
            let mut link = component("link", &format!("{index:03}"));
            link["evidence"] = json!({"identity": [{"tools": [format!("{:03}", index + 1)]}]});
            link
        };
        let mut components: Vec<_> = (0..100).map(link).collect();
        components.push(json!({"bom-ref": "100", "version": version}));
        json!({"components": components, "services": [{"bom-ref": "same", "name": "s"}]})
    };
    let bom = merged(&[bom("1"), bom("2")]);
    assert_unique_names(&bom);
    assert_eq!(bom["components"].as_array().unwrap().len(), 202);
    assert_eq!(
        bom["components"][101]["evidence"]["identity"][0]["tools"][0],
        "001#2"
    );
}

#[test]
fn a_nested_name_collides_too() {
    let mut outer = component("outer", "outer");
    outer["components"] = json!([component("inner", "x")]);
    let bom = merged(&[
        json!({"components": [component("x", "x")]}),
        json!({"components": [outer], "metadata": {"authors": [{"bom-ref": "x", "name": "n"}]}}),
    ]);
    assert_eq!(bom["components"][1]["components"][0]["bom-ref"], "x#2");
}

#[test]
fn escaped_names_are_the_names_they_mean() {
    let bom = |name: &str, reference: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"name":"{name}","\u0062om-ref":"{reference}"}}],"dependencies":[{{"ref":"\u0078"}}]}}"#
        )
    };
    let documents = documents(&[
        ("a/sbom.cdx.json", bom("1", "x")),
        ("b/sbom.cdx.json", bom("2", r"\u0078")),
    ]);
    let bom = json_of(&attachment(&documents).unwrap());
    assert_eq!(names(&bom), ["x", "x#2"]);
    assert_eq!(bom["dependencies"], json!([{"ref": "x"}, {"ref": "x#2"}]));
}

/// SBOM-9
#[test]
fn tokens_of_a_component_are_not_touched() {
    let odd = r#"{"name":"\u00e9\/é","version":"1","properties":[{"name":"n","value":"v"}],"x":[1.0,1e400,-0,12345678901234567890]}"#;
    let bom = |spaced: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[ {spaced} ],"x":"{}"}}"#,
            spaced.len()
        )
    };
    let documents = documents(&[
        ("a/sbom.cdx.json", bom(odd)),
        ("b/sbom.cdx.json", bom(&odd.replace(',', " ,\n\t"))),
    ]);
    let text = attachment(&documents).unwrap().content.to_bytes().unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert_eq!(text.matches(odd).count(), 1, "{text}");
}
