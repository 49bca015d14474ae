//! Edits of a manifest of ours with one layer.

use super::place::{Edit, Leaves, MANIFEST, Mends, Names, and, as_type, edit, with};
use crate::support::registry::sha256;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A manifest with one layer.
pub struct Manifest {
    pub text: String,
    /// The layer as it stands there.
    pub layer: String,
    pub digest: String,
    pub size: u64,
    config: String,
}

impl Manifest {
    pub fn of(text: String) -> Self {
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let layer = text.split_once(r#""layers":["#).unwrap().1;
        let end = layer.rfind(']').unwrap();
        let part = |value: &serde_json::Value| value["digest"].as_str().unwrap().to_owned();
        Self {
            layer: layer[..end].to_owned(),
            digest: part(&json["layers"][0]),
            size: json["layers"][0]["size"].as_u64().unwrap(),
            config: part(&json["config"]),
            text,
        }
    }

    /// With members more at the layer's beginning.
    fn layer_with(&self, members: &str) -> String {
        with(
            &self.text,
            r#""layers":[{"#,
            &format!(r#""layers":[{{{members},"#),
        )
    }

    fn annotated(&self, name: &str, value: &str) -> String {
        let annotation = format!(r#""annotations":{{"{name}":"{value}","#);
        with(&self.text, r#""annotations":{"#, &annotation)
    }

    fn sized(&self, size: &str) -> String {
        let (ours, theirs) = (
            format!(r#""size":{},"#, self.size),
            format!(r#""size":{size},"#),
        );
        let layer = with(&self.layer, &ours, &theirs);
        with(&self.text, &self.layer, &layer)
    }

    /// Another layer before ours.
    fn behind(&self, layer: &str) -> String {
        with(
            &self.text,
            r#""layers":["#,
            &format!(r#""layers":[{layer},"#),
        )
    }

    fn with_layers(&self, layers: &str) -> String {
        with(&self.text, &format!("[{}]", self.layer), layers)
    }

    fn with_config(&self, config: &str) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.text).unwrap();
        let start = self.text.split_once(r#""config":"#).unwrap().1;
        let end = start.find(r#","layers""#).unwrap();
        assert!(json["config"].is_object());
        with(&self.text, &start[..end], config)
    }

    fn annotations(&self) -> &str {
        let annotations = self.layer.split_once(r#""annotations":"#).unwrap().1;
        annotations.strip_suffix('}').unwrap()
    }

    fn with_annotations(&self, annotations: &str) -> String {
        let start = self.layer.find(r#""annotations":"#).unwrap();
        let layer = format!(r#"{}"annotations":{annotations}}}"#, &self.layer[..start]);
        with(&self.text, &self.layer, &layer)
    }

    /// All that readers no longer find, and find again.
    pub fn mended(&self) -> Vec<Edit> {
        let Self {
            text, digest, size, ..
        } = self;
        let foreign = |size: u64, members: &str| {
            format!(r#"{{"mediaType":"a/b","size":{size},"digest":"{digest}"{members}}}"#)
        };
        let sig = format!(r#","annotations":{{"{SIGNATURE}":"MA=="}}"#);
        let config = |size: u64| {
            let config = "application/vnd.oci.image.config.v1+json";
            format!(r#"{{"mediaType":"{config}","size":{size},"digest":"{digest}"}}"#)
        };
        vec![
            edit("Layers []", and(text, r#""Layers":[]"#), Mends),
            edit("LAYERS null", and(text, r#""LAYERS":null"#), Mends),
            edit("layerſ []", and(text, r#""layer\u017f":[]"#), Mends),
            edit(
                "Layers of others",
                and(text, &format!(r#""Layers":[{}]"#, foreign(*size, &sig))),
                Mends,
            ),
            edit(
                "Layers only",
                with(text, r#""layers""#, r#""Layers""#),
                Mends,
            ),
            edit(
                "Config",
                and(text, &format!(r#""Config":{}"#, config(1))),
                Mends,
            ),
            edit("SchemaVersion 1", and(text, r#""SchemaVersion":1"#), Mends),
            edit(
                "bundle",
                self.annotated("dev.sigstore.cosign/bundle", "x"),
                Mends,
            ),
            edit(
                "bundle of nothing",
                self.annotated("dev.sigstore.cosign/bundle", "{}"),
                Mends,
            ),
            edit(
                "certificate",
                self.annotated("dev.sigstore.cosign/certificate", "x"),
                Mends,
            ),
            edit(
                "chain",
                self.annotated("dev.sigstore.cosign/chain", "x"),
                Mends,
            ),
            edit(
                "timestamp",
                self.annotated("dev.sigstore.cosign/rfc3161timestamp", "x"),
                Mends,
            ),
            edit(
                "another annotation",
                self.annotated("Dev.Sigstore.Cosign/Bundle", "x"),
                Mends,
            ),
            edit(
                "another signature",
                self.with_annotations(&format!(r#"{{"{SIGNATURE}":"MA=="}}"#)),
                Mends,
            ),
            edit(
                "two signatures",
                self.with_annotations(&and(
                    self.annotations(),
                    &format!(r#""{SIGNATURE}":"MA==""#),
                )),
                Mends,
            ),
            edit("no annotations", self.with_annotations("{}"), Mends),
            edit("annotations null", self.with_annotations("null"), Mends),
            edit("data of nothing", self.layer_with(r#""data":"""#), Mends),
            edit("data of others", self.layer_with(r#""data":"QUJD""#), Mends),
            edit("urls", self.layer_with(r#""urls":["%zz"]"#), Mends),
            edit(
                "a size too small",
                self.sized(&(size - 1).to_string()),
                Mends,
            ),
            edit("a size of nothing", self.sized("0"), Mends),
            edit("a size too large", self.sized("134217729"), Mends),
            edit("the largest size", self.sized(&i64::MAX.to_string()), Mends),
            edit(
                "another media type",
                with(
                    text,
                    r#""layers":[{"mediaType":"application/"#,
                    r#""layers":[{"mediaType":"text/"#,
                ),
                Mends,
            ),
            edit("a liar before us", self.behind(&foreign(1, &sig)), Mends),
            edit(
                "a liar before us with data",
                self.behind(&foreign(*size, &format!(r#"{sig},"data":"""#))),
                Mends,
            ),
            edit(
                "our payload as config, with another size",
                self.with_config(&config(1)),
                Mends,
            ),
            edit(
                "our payload as config",
                self.with_config(&config(*size)),
                Mends,
            ),
            edit(
                "our payload as a config of another type",
                self.with_config(&config(1).replace("vnd.oci.image.config.v1", "x")),
                Mends,
            ),
            edit("no layers", self.with_layers("[]"), Mends),
        ]
    }

    /// Edits that readers do not mind.
    pub fn left(&self) -> Vec<Edit> {
        let Self {
            text,
            digest,
            size,
            config,
            ..
        } = self;
        let layer = |digest: &str, members: &str| {
            format!(r#"{{"mediaType":"a/b","size":{size},"digest":"{digest}"{members}}}"#)
        };
        let gone = sha256(b"nobody has it");
        let junk = format!(r#","annotations":{{"{SIGNATURE}":"%%"}}"#);
        vec![
            edit(
                "no signature before us",
                self.behind(&layer(digest, "")),
                Leaves,
            ),
            edit(
                "no base64 before us",
                self.behind(&layer(digest, &junk)),
                Leaves,
            ),
            edit(
                "a lost blob before us",
                self.behind(&layer(&gone, &junk)),
                Leaves,
            ),
            edit(
                "a config of nothing",
                self.with_config(&format!(
                    r#"{{"mediaType":"a/b","size":2,"digest":"{}"}}"#,
                    sha256(b"{}")
                )),
                Leaves,
            ),
            edit(
                "annotations",
                and(text, r#""annotations":{"a":"b"}"#),
                Leaves,
            ),
            edit(
                "a subject",
                and(
                    text,
                    &format!(r#""subject":{},"artifactType":"a/b""#, layer(config, "")),
                ),
                Leaves,
            ),
            edit(
                "unknown members",
                and(text, r#""unknown":{"layers":[{"size":"x"}]}"#),
                Leaves,
            ),
            edit("blanks", text.replace("\":", "\" : "), Leaves),
        ]
    }

    /// Edits that leave readers nothing.
    pub fn refused(&self) -> Vec<Edit> {
        let Self {
            text,
            layer,
            digest,
            ..
        } = self;
        let in_layer = |members: &str, named| edit(members, self.layer_with(members), Names(named));
        let more = |members: &str, named| edit(members, and(text, members), Names(named));
        let size = |size: &str| {
            edit(
                &format!("size {size}"),
                self.sized(size),
                Names("`layers[0].size`"),
            )
        };
        let hash = |other: &str| with(text, &format!(r#""{digest}""#), other);
        let many = vec![layer.as_str(); 1001].join(",");
        let deep = format!(r#""x":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
        let mut bad = and(text, r#""x":"?""#).into_bytes();
        let place = bad.len() - 3;
        bad[place] = 0xff;
        vec![
            size(r#""1""#),
            size("-1"),
            size("1e3"),
            size("1.0"),
            size("9223372036854775808"),
            size("[]"),
            in_layer(r#""platform":"p""#, "`layers[0].platform`"),
            in_layer(
                r#""platform":{"os.features":"p"}"#,
                "`layers[0].platform.os.features`",
            ),
            in_layer(r#""urls":"u""#, "`layers[0].urls`"),
            in_layer(r#""data":"%""#, "`layers[0].data`"),
            in_layer(r#""artifactType":1"#, "`layers[0].artifactType`"),
            in_layer(r#""Digest":"x""#, "`layers[0].Digest`"),
            in_layer(r#""\u017fize":1"#, "`layers[0].ſize`"),
            edit(
                "an annotation of a number",
                self.with_annotations(r#"{"a":1}"#),
                Names("`layers[0].annotations`"),
            ),
            edit(
                "annotations of a list",
                self.with_annotations("[]"),
                Names("`layers[0].annotations`"),
            ),
            edit("digest null", hash("null"), Names("`layers[0].digest`")),
            edit(
                "digest sha512",
                hash(&format!(r#""sha512:{}""#, "0".repeat(128))),
                Names("`layers[0].digest`"),
            ),
            edit(
                "digest cut",
                hash(r#""sha256:00""#),
                Names("`layers[0].digest`"),
            ),
            edit(
                "no digest",
                self.behind(r#"{"mediaType":"a/b","size":1}"#),
                Names("`layers[0].digest`"),
            ),
            edit("a layer null", self.behind("null"), Names("`layers[0]`")),
            edit(
                "layers of an object",
                self.with_layers("{}"),
                Names("`layers`"),
            ),
            edit("layers null", self.with_layers("null"), Names("`layers`")),
            edit(
                "no layers at all",
                with(text, r#""layers""#, r#""others""#),
                Names("`layers`"),
            ),
            more(r#""layers":[]"#, "`layers`"),
            more(r#""Layers":{}"#, "`Layers`"),
            more(r#""annotations":{"a":1}"#, "`annotations`"),
            more(r#""subject":"x""#, "`subject`"),
            more(r#""subject":{"digest":"x"}"#, "`subject.digest`"),
            more(r#""artifactType":1"#, "`artifactType`"),
            more(r#""SchemaVersion":"2""#, "`SchemaVersion`"),
            edit(
                "schema \"2\"",
                with(text, ":2,", r#":"2","#),
                Names("`schemaVersion`"),
            ),
            edit(
                "schema 2.0",
                with(text, ":2,", ":2.0,"),
                Names("`schemaVersion`"),
            ),
            edit(
                "schema 1",
                with(text, ":2,", ":1,"),
                Names("schema version"),
            ),
            edit("config []", self.with_config("[]"), Names("`config`")),
            edit("config null", self.with_config("null"), Names("`config`")),
            edit(
                "media type 1",
                with(
                    text,
                    &format!(r#""mediaType":"{MANIFEST}""#),
                    r#""mediaType":1"#,
                ),
                Names("`mediaType`"),
            ),
            edit(
                "another media type",
                with(text, MANIFEST, "text/plain"),
                Names("media type"),
            ),
            edit("two documents", format!("{text}{{}}"), Names("column")),
            edit(
                "a byte order mark",
                format!("\u{feff}{text}"),
                Names("column 1"),
            ),
            edit("depth", and(text, &deep), Names("brackets")),
            edit("no UTF-8", bad, Names("column")),
            edit("cut", text[..text.len() - 1].to_owned(), Names("column")),
            edit(
                "too many layers",
                self.with_layers(&format!("[{many}]")),
                Names("1001"),
            ),
            as_type(
                INDEX,
                "an index",
                format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#),
                Names("not an image manifest"),
            ),
            as_type(
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "schema 1",
                r#"{"schemaVersion":1,"fsLayers":[]}"#,
                Names("not an image manifest"),
            ),
        ]
    }
}
