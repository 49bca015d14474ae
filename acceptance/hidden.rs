//! Edits by somebody with push access at a place of ours, so that readers
//! do not find, or do not accept, what we signed. After each edit the real
//! cosigns are asked, then the signer runs again: with exit 0 all of them accept
//! our signature, whatever they said before; else it is 118, the member at fault
//! is named and nothing is written.

mod blobs;
mod edits;
mod place;

use edits::Manifest;
use place::{Edit, Host, Leaves, MANIFEST, Mends, Names, Place, and, as_type, edit, with};

use crate::support::cosign::Cosign;
use crate::support::images::Image;
use crate::support::real::RealRegistry;
use crate::support::registry::{Action, Answer, Registry, Settings, Switch, When};
use crate::support::signer::{Config, Outcome, Signer};

const KEY: &str = "p256-n32768-cosign-header";
const OTHER: &str = "p256-cosign2";
const ALL: [Cosign; 3] = [Cosign::V2_4, Cosign::V2, Cosign::V3];
const WITH_BUNDLES: [Cosign; 2] = [Cosign::V2, Cosign::V3];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn ours() -> Host {
    Host::Ours(Registry::start())
}

/// Signs, and asks for the signature at `.sig`.
fn signed<'a>(
    host: &'a Host,
    image: &'a Image,
    accepts: &'a (dyn Fn(Cosign) -> bool + Sync),
) -> Place<'a> {
    host.seed(image);
    let signer = Signer::of(image, host.name()).key_without_sbom(KEY);
    let signer = signer.arguments(&["-settle", "0"]);
    signer.run().succeeded();
    let tag = image.attached("sig");
    Place {
        ours: host.manifest(image, &tag),
        host,
        image,
        tag,
        signer,
        accepts,
        readers: &ALL,
    }
}

fn verifies(cosign: Cosign, reference: &str) -> bool {
    cosign.verify(KEY, reference, &[]).success
}

/// WIRE-42, WIRE-46
#[test]
fn signatures_that_readers_do_not_find_are_found_again() {
    let (host, image) = (ours(), Image::recorded("no-sbom-layer"));
    let reference = image.reference(host.name());
    let accepts = |cosign| verifies(cosign, &reference);
    let place = signed(&host, &image, &accepts);
    let manifest = Manifest::of(place.text());
    place.stands(manifest.mended());
    place.stands(manifest.left());
}

/// WIRE-45
#[test]
fn signatures_that_no_reader_can_decode_are_refused_by_name() {
    let (host, image) = (ours(), Image::recorded("no-sbom-layer"));
    let reference = image.reference(host.name());
    let accepts = |cosign| verifies(cosign, &reference);
    let place = signed(&host, &image, &accepts);
    place.stands(Manifest::of(place.text()).refused());
}

/// WIRE-46: the layers of others stay, and what is mended is not mended twice.
#[test]
fn a_place_that_was_mended_keeps_the_layers_of_others() {
    let (host, image) = (ours(), Image::recorded("no-sbom-layer"));
    let accepts = |cosign| verifies(cosign, &image.reference(host.name()));
    let place = signed(&host, &image, &accepts);
    let manifest = Manifest::of(place.text());
    let other = format!(
        r#"{{"x":[1.0e3],"mediaType":"a/b","size":{},"digest":"{}"}}"#,
        manifest.size, manifest.digest
    );
    let hidden = and(
        &manifest.text,
        &format!(r#""Layers":[{other}],"y":{{"b":1,"a":2}}"#),
    );
    assert!(host.put(&image, &place.tag, &edit("", hidden, Mends).stored));
    place.signer.run().succeeded().says(&["Wrote"]);
    let text = String::from_utf8(host.manifest(&image, &place.tag).bytes.to_vec()).unwrap();
    assert!(
        text.contains(&other) && text.contains(&manifest.layer),
        "{text}"
    );
    assert!(
        text.contains(r#""y":{"b":1,"a":2}"#) && !text.contains("Layers"),
        "{text}"
    );
    place.signer.run().succeeded().says(&["Nothing to write"]);
}

fn on_a_real_registry(registry: RealRegistry) {
    let (host, image) = (Host::Real(registry), Image::recorded("no-sbom-layer"));
    let reference = image.reference(host.name());
    let accepts = |cosign| verifies(cosign, &reference);
    let place = signed(&host, &image, &accepts);
    let manifest = Manifest::of(place.text());
    let kept = |edit: &Edit| match edit.run {
        Mends => [
            "Layers []",
            "bundle",
            "data of others",
            "a size too large",
            "a liar before us",
        ]
        .contains(&edit.name.as_str()),
        Leaves => true,
        Names(_) => {
            ["size -1", "size \"1\"", "two documents", "schema 1"].contains(&edit.name.as_str())
        }
    };
    let all = [manifest.mended(), manifest.left(), manifest.refused()];
    place.stands(all.into_iter().flatten().filter(kept));
}

#[test]
fn hidden_signatures_in_distribution() {
    on_a_real_registry(RealRegistry::distribution());
}

#[test]
fn hidden_signatures_in_go_containerregistry() {
    on_a_real_registry(RealRegistry::with_referrers());
}

#[test]
fn attestations_that_readers_do_not_find_are_found_again() {
    let (host, image) = (ours(), Image::recorded("one-document"));
    host.seed(&image);
    let signer = Signer::of(&image, host.name())
        .key(KEY)
        .arguments(&["-settle", "0"]);
    signer.run().succeeded();
    let reference = image.reference(host.name());
    let accepts = |cosign: Cosign| {
        cosign
            .verify_attestation(KEY, "spdxjson", &reference)
            .success
    };
    let tag = image.attached("att");
    let place = Place {
        ours: host.manifest(&image, &tag),
        host: &host,
        image: &image,
        tag,
        signer,
        accepts: &accepts,
        readers: &ALL,
    };
    let manifest = Manifest::of(place.text());
    let is_of_signatures =
        |edit: &Edit| ["two signatures", "another signature"].contains(&edit.name.as_str());
    place.stands(
        manifest
            .mended()
            .into_iter()
            .filter(|edit| !is_of_signatures(edit)),
    );
    place.stands(manifest.left());
    let some = ["size \"1\"", "digest null", "depth", "\"subject\":\"x\""];
    place.stands(
        manifest
            .refused()
            .into_iter()
            .filter(|edit| some.contains(&edit.name.as_str())),
    );
}

/// WIRE-45, WIRE-46, WIRE-78: the tag that lists bundles where the registry does
/// not.
#[test]
fn bundles_that_readers_do_not_find_are_found_again() {
    let (host, image) = (ours(), Image::recorded("no-sbom-layer"));
    host.seed(&image);
    let config = Config::key(KEY)
        .set("format", "bundle")
        .set("export-sbom", "none");
    let signer = Signer::of(&image, host.name())
        .config(config)
        .arguments(&["-settle", "0"]);
    signer.run().succeeded();
    let reference = image.reference(host.name());
    let accepts = |cosign: Cosign| cosign.verify_both(KEY, &reference).success;
    let tag = image.fallback();
    let place = Place {
        ours: host.manifest(&image, &tag),
        host: &host,
        image: &image,
        tag,
        signer,
        accepts: &accepts,
        readers: &WITH_BUNDLES,
    };
    let text = place.text();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digest = json["manifests"][0]["digest"].as_str().unwrap();
    let size = format!(r#""size":{},"#, json["manifests"][0]["size"]);
    let list = |name: &str, text: String, run| as_type(INDEX, name, text, run);
    let entry = |members: &str| {
        with(
            &text,
            r#""manifests":[{"#,
            &format!(r#""manifests":[{{{members},"#),
        )
    };
    let entries =
        |entries: &str| format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}"{entries}}}"#);
    let foreign = format!(
        r#"{{"mediaType":"{MANIFEST}","size":1,"digest":"{}"}}"#,
        image.digest()
    );
    place.stands([
        list("Manifests []", and(&text, r#""Manifests":[]"#), Mends),
        list(
            "Manifests of others",
            and(&text, &format!(r#""Manifests":[{foreign}]"#)),
            Mends,
        ),
        list(
            "MANIFESTS only",
            with(&text, r#""manifests""#, r#""MANIFESTS""#),
            Mends,
        ),
        list("manifests null", entries(r#","manifests":null"#), Mends),
        list("no manifests", entries(""), Mends),
        list("manifests []", entries(r#","manifests":[]"#), Mends),
        list(
            "artifact type of others",
            with(&text, "sigstore.bundle", "sigstore.other"),
            Mends,
        ),
        list(
            "a size of others",
            with(&text, &size, r#""size":1,"#),
            Mends,
        ),
        list(
            "others before us",
            with(
                &text,
                r#""manifests":["#,
                &format!(r#""manifests":[{foreign},"#),
            ),
            Leaves,
        ),
        list("data", entry(r#""data":"""#), Leaves),
        list(
            "annotations",
            and(&text, r#""annotations":{"a":"b"}"#),
            Leaves,
        ),
        list(
            "manifests twice",
            and(&text, r#""manifests":[]"#),
            Names("`manifests`"),
        ),
        list(
            "manifests of an object",
            entries(r#","manifests":{}"#),
            Names("`manifests`"),
        ),
        list(
            "size \"1\"",
            with(&text, &size, r#""size":"1","#),
            Names("`manifests[0].size`"),
        ),
        list(
            "size -1",
            with(&text, &size, r#""size":-1,"#),
            Names("`manifests[0].size`"),
        ),
        list(
            "digest sha512",
            with(
                &text,
                &format!(r#""{digest}""#),
                &format!(r#""sha512:{}""#, "0".repeat(128)),
            ),
            Names("`manifests[0].digest`"),
        ),
        list(
            "no digest",
            with(&text, r#""manifests":["#, r#""manifests":[{},"#),
            Names("`manifests[0].digest`"),
        ),
        list(
            "Digest",
            entry(&format!(r#""Digest":"{digest}""#)),
            Names("`manifests[0].Digest`"),
        ),
        list(
            "platform",
            entry(r#""platform":1"#),
            Names("`manifests[0].platform`"),
        ),
        list("urls", entry(r#""urls":{}"#), Names("`manifests[0].urls`")),
        list("subject", and(&text, r#""subject":[]"#), Names("`subject`")),
        list(
            "schema 1",
            with(&text, ":2,", ":1,"),
            Names("schema version"),
        ),
        list(
            "two documents",
            format!("{text}[]"),
            Names("invalid JSON at line 1"),
        ),
    ]);
}

/// WIRE-79: what a registry's own list may look like where it lists nothing.
#[test]
fn a_list_without_manifests_is_an_empty_list() {
    for manifests in ["", r#","manifests":null"#, r#","manifests":[]"#] {
        let registry = with_list();
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let nothing = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}"{manifests}}}"#);
        let nothing = Answer::new(200).body(INDEX, nothing);
        registry.inject(When::first("GET", "/referrers/"), Action::Answer(nothing));
        bundled(&registry, &image).succeeded().says(&["1 added"]);
        assert_eq!(registry.tags(image.repository()), ["v1"]);
        bundled(&registry, &image)
            .succeeded()
            .says(&["Nothing to write"]);
    }
}

/// WIRE-79: one entry that readers cannot decode hides the whole list.
#[test]
fn a_list_that_readers_cannot_decode_is_refused_by_name() {
    for (entry, named) in [
        (r#"{"digest":"sha512:00"}"#, "`manifests[0].digest`"),
        (r#"{}"#, "`manifests[0].digest`"),
        (r#"1"#, "`manifests[0]`"),
    ] {
        let registry = with_list();
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let list = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entry}]}}"#);
        let list = Answer::new(200).body(INDEX, list);
        registry.inject(When::every("GET", "/referrers/"), Action::Answer(list));
        bundled(&registry, &image).ended_with(118).says(&[named]);
    }
}

fn with_list() -> Registry {
    Registry::with(Settings {
        referrers: Switch::On,
        ..Settings::default()
    })
}

fn bundled(registry: &Registry, image: &Image) -> Outcome {
    let config = Config::key(KEY)
        .set("format", "bundle")
        .set("export-sbom", "none");
    let signer = Signer::of(image, registry.host()).config(config);
    signer.arguments(&["-settle", "0"]).run()
}
