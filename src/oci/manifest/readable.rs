//! Whether readers written in Go can decode a document, and the fault of one
//! that they cannot.
//!
//! cosign, and everything else that is built on go-containerregistry, decodes a
//! manifest with `encoding/json` into the types of its `pkg/v1/manifest.go`.
//! There a name matches in any case, of two that match the last one counts, and
//! a single value of a wrong type anywhere makes the whole document unreadable.
//! A document that passes [`check`] is read by all of them, and in one way.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::oci::digest::{Digest, HashAlgorithm};

/// How deep Go follows brackets (`maxNestingDepth` of `encoding/json`), also
/// in members that it ignores.
const MAX_DEPTH: usize = 10_000;

/// The members of an object that Go decodes; all others are ignored.
pub(super) type Schema = &'static [(&'static str, GoType)];

/// The Go type that a value is decoded into.
#[derive(Clone, Copy)]
pub(super) enum GoType {
    Text,
    Texts,
    /// A `map[string]string`.
    TextByName,
    /// An `int64`.
    Number,
    /// A number that is not negative: readers take -1 for no size.
    Size,
    /// Every object that may have a digest must have one.
    Digest,
    /// A `[]byte`, in the standard alphabet with padding.
    Base64,
    Object(Schema),
    Objects(Schema),
}

/// `Platform` of go-containerregistry.
const PLATFORM: Schema = &[
    ("architecture", GoType::Text),
    ("os", GoType::Text),
    ("os.version", GoType::Text),
    ("os.features", GoType::Texts),
    ("variant", GoType::Text),
    ("features", GoType::Texts),
];

/// `Descriptor` of go-containerregistry.
const DESCRIPTOR: Schema = &[
    ("mediaType", GoType::Text),
    ("size", GoType::Size),
    ("digest", GoType::Digest),
    ("data", GoType::Base64),
    ("urls", GoType::Texts),
    ("annotations", GoType::TextByName),
    ("platform", GoType::Object(PLATFORM)),
    ("artifactType", GoType::Text),
];

/// A manifest of one image.
pub(super) const IMAGE: Schema = &[
    ("schemaVersion", GoType::Number),
    ("mediaType", GoType::Text),
    ("config", GoType::Object(DESCRIPTOR)),
    ("layers", GoType::Objects(DESCRIPTOR)),
    ("annotations", GoType::TextByName),
    ("subject", GoType::Object(DESCRIPTOR)),
    ("artifactType", GoType::Text),
];

/// A list of manifests.
pub(super) const INDEX: Schema = &[
    ("schemaVersion", GoType::Number),
    ("mediaType", GoType::Text),
    ("manifests", GoType::Objects(DESCRIPTOR)),
    ("annotations", GoType::TextByName),
    ("subject", GoType::Object(DESCRIPTOR)),
    ("artifactType", GoType::Text),
];

/// Whether all readers can decode the document. The outermost object may spell
/// a member in two ways: see [`read_as`].
///
/// # Errors
/// On the first value that a reader cannot decode, and below the outermost
/// object on a member that not all of them take for the same; the error names
/// it.
pub(super) fn check(document: &[u8], members: Schema) -> serde_json::Result<()> {
    // Counted ahead: the reader passes over ignored members without a limit.
    if depth(document) > MAX_DEPTH {
        let reason = format!("it is more than {MAX_DEPTH} brackets deep");
        return Err(serde_json::Error::custom(reason));
    }
    let mut reader = serde_json::Deserializer::from_slice(document);
    let value = TypedValue {
        kind: GoType::Object(members),
        path: ValuePath::Document,
    };
    value.deserialize(&mut reader)?;
    reader.end()
}

/// The member that Go takes a member called `name` for.
pub(super) fn read_as(name: &str, members: Schema) -> Option<(&'static str, GoType)> {
    let is_same =
        |known: &&(&str, GoType)| name.chars().map(folded).eq(known.0.chars().map(folded));
    members.iter().find(is_same).copied()
}

/// As `encoding/json` compares names: two letters beyond ASCII count as one of
/// its letters (Unicode's simple case folding).
fn folded(letter: char) -> char {
    match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// How deep the brackets of a document are nested.
fn depth(document: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in document {
        match (is_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => is_text = !is_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Where a value stands in its document.
#[derive(Clone, Copy)]
enum ValuePath<'a> {
    Document,
    Member(&'a ValuePath<'a>, &'a str),
    Item(&'a ValuePath<'a>, usize),
}

impl fmt::Display for ValuePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the document"),
            Self::Member(Self::Document, name) => f.write_str(name),
            Self::Member(object, name) => write!(f, "{object}.{name}"),
            Self::Item(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}

/// A value that has to be of a kind. Reading it keeps nothing.
#[derive(Clone, Copy)]
struct TypedValue<'a> {
    kind: GoType,
    path: ValuePath<'a>,
}

impl TypedValue<'_> {
    fn is_no<T, E: Error>(&self, noun: &str) -> Result<T, E> {
        Err(E::custom(format_args!("`{}` is no {noun}", self.path)))
    }

    fn is_wrong<T, E: Error>(&self) -> Result<T, E> {
        self.is_no(match self.kind {
            GoType::Text => "text",
            GoType::Texts => "list of texts",
            GoType::TextByName => "object of texts",
            GoType::Number => "whole number",
            GoType::Size => "size in bytes",
            GoType::Digest => "SHA-256 digest",
            GoType::Base64 => "base64",
            GoType::Object(_) => "object",
            GoType::Objects(_) => "list of objects",
        })
    }

    fn items<'de, A: SeqAccess<'de>>(&self, mut list: A, kind: GoType) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let path = ValuePath::Item(&self.path, index);
            if list.next_element_seed(TypedValue { kind, path })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn members<'de, A: MapAccess<'de>>(
        &self,
        mut object: A,
        members: Schema,
    ) -> Result<(), A::Error> {
        let mut seen: Vec<&str> = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            let Some((known, kind)) = read_as(&name, members) else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = ValuePath::Member(&self.path, &name);
            // The outermost object is joined by `super::standing`. A layer of
            // others is not rewritten for a spelling, and is refused.
            let is_plain = name == known && !seen.contains(&known);
            if !is_plain && !matches!(self.path, ValuePath::Document) {
                return Err(A::Error::custom(format_args!(
                    "`{path}` counts as `{known}` for some readers and not for others"
                )));
            }
            seen.push(known);
            object.next_value_seed(TypedValue { kind, path })?;
        }
        let is_needed =
            |(name, kind): &&(&str, GoType)| matches!(kind, GoType::Digest) && !seen.contains(name);
        match members.iter().find(is_needed) {
            Some((name, _)) => {
                let path = ValuePath::Member(&self.path, name);
                Err(A::Error::custom(format_args!("`{path}` is missing")))
            }
            None => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for TypedValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TypedValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as readers take it", self.path)
    }

    /// Go leaves a member alone that is `null`, but for digests.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match (self.kind, self.path) {
            (GoType::Digest, _)
            | (GoType::Object(_), ValuePath::Document | ValuePath::Item(..)) => self.is_wrong(),
            _ => Ok(()),
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.is_wrong()
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match (self.kind, i64::try_from(number)) {
            (GoType::Number | GoType::Size, Ok(_)) => Ok(()),
            _ => self.is_wrong(),
        }
    }

    // `serde_json` gives numbers below zero alone here.
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        match self.kind {
            GoType::Number => Ok(()),
            _ => self.is_wrong(),
        }
    }

    // Go takes `1.0` and `1e3` for no integers.
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.is_wrong()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let is_right = match self.kind {
            GoType::Text => true,
            GoType::Digest => text
                .parse::<Digest>()
                .is_ok_and(|digest| digest.algorithm() == HashAlgorithm::Sha256),
            GoType::Base64 => STANDARD.decode(text).is_ok(),
            _ => false,
        };
        match is_right {
            true => Ok(()),
            false => self.is_wrong(),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        match self.kind {
            GoType::Texts => self.items(list, GoType::Text),
            GoType::Objects(members) => self.items(list, GoType::Object(members)),
            _ => self.is_wrong(),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let text = TypedValue {
            kind: GoType::Text,
            ..self
        };
        match self.kind {
            GoType::TextByName => {
                while object.next_key::<IgnoredAny>()?.is_some() {
                    // The object is named: a name in it may be any text of
                    // others.
                    object.next_value_seed(text).or_else(|_| self.is_wrong())?;
                }
                Ok(())
            }
            GoType::Object(members) => self.members(object, members),
            _ => self.is_wrong(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The fault of a document whose only layer has these further members.
    fn layer(members: &str) -> Option<String> {
        document(&format!(
            r#""layers":[{{"mediaType":"a","size":0,"digest":"{SHA256}"{members}}}]"#
        ))
    }

    fn document(members: &str) -> Option<String> {
        let json = format!(r#"{{"schemaVersion":2,{members}}}"#);
        let error = check(json.as_bytes(), IMAGE).err()?;
        let text = error.to_string();
        Some(
            text.split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
    }

    #[test]
    fn documents_that_go_decodes_pass() {
        for members in [
            "",
            r#","data":"","urls":[],"annotations":{},"platform":{"os":"linux"}"#,
            r#","data":null,"urls":null,"annotations":null,"platform":null"#,
            r#","annotations":{"a":"b","A":"c"},"unknown":[1,{"size":"x"}]"#,
            r#","platform":{"os.features":["a"],"unknown":1}"#,
        ] {
            assert_eq!(layer(members), None, "{members}");
        }
        for members in [
            r#""layers":null"#,
            r#""config":null,"subject":null,"artifactType":null"#,
            r#""mediaType":"x","x":{"layers":1}"#,
            r#""layers":[],"Layers":[]"#,
        ] {
            assert_eq!(document(members), None, "{members}");
        }
    }

    #[test]
    fn members_that_go_cannot_decode_are_named() {
        for (members, wrong) in [
            (r#","data":"%""#, "`layers[0].data` is no base64"),
            (r#","data":{}"#, "`layers[0].data` is no base64"),
            (r#","urls":"u""#, "`layers[0].urls` is no list of texts"),
            (r#","urls":[1]"#, "`layers[0].urls[0]` is no text"),
            (r#","platform":"p""#, "`layers[0].platform` is no object"),
            (
                r#","platform":{"os":1}"#,
                "`layers[0].platform.os` is no text",
            ),
            (
                r#","annotations":[]"#,
                "`layers[0].annotations` is no object of texts",
            ),
            (
                r#","annotations":{"a":1}"#,
                "`layers[0].annotations` is no object of texts",
            ),
            (
                r#","artifactType":false"#,
                "`layers[0].artifactType` is no text",
            ),
        ] {
            assert_eq!(layer(members).as_deref(), Some(wrong), "{members}");
        }
        for (members, wrong) in [
            (r#""layers":{}"#, "`layers` is no list of objects"),
            (r#""layers":[null]"#, "`layers[0]` is no object"),
            (r#""layers":[{}]"#, "`layers[0].digest` is missing"),
            (
                r#""Layers":[{"digest":"sha512:00"}]"#,
                "`Layers[0].digest` is no SHA-256 digest",
            ),
            (
                r#""layers":[{"digest":null}]"#,
                "`layers[0].digest` is no SHA-256 digest",
            ),
            (
                r#""layers":[{"size":-1}]"#,
                "`layers[0].size` is no size in bytes",
            ),
            (
                r#""layers":[{"size":1.0}]"#,
                "`layers[0].size` is no size in bytes",
            ),
            (
                r#""layers":[{"size":1e3}]"#,
                "`layers[0].size` is no size in bytes",
            ),
            (
                r#""layers":[{"size":9223372036854775808}]"#,
                "`layers[0].size` is no size in bytes",
            ),
            (r#""config":[]"#, "`config` is no object"),
            (
                r#""subject":{"size":"2"}"#,
                "`subject.size` is no size in bytes",
            ),
            (
                r#""annotations":{"a":null,"b":{}}"#,
                "`annotations` is no object of texts",
            ),
            (
                r#""SchemaVersion":"2""#,
                "`SchemaVersion` is no whole number",
            ),
            (r#""mediaType":2"#, "`mediaType` is no text"),
        ] {
            assert_eq!(document(members).as_deref(), Some(wrong), "{members}");
        }
    }

    #[test]
    fn two_spellings_of_a_member_of_a_layer_are_named() {
        for name in ["digest", "Digest", "DIGEST"] {
            let members = format!(r#","{name}":"{SHA256}""#);
            let wrong = layer(&members).expect("an error");
            assert!(wrong.starts_with(&format!("`layers[0].{name}` counts as `digest`")));
        }
        let wrong = layer(r#","\u017fize":1"#).expect("an error");
        assert!(
            wrong.starts_with("`layers[0].ſize` counts as `size`"),
            "{wrong}"
        );
    }

    #[test]
    fn go_takes_names_in_any_case() {
        let known = |name| read_as(name, IMAGE).map(|(known, _)| known);
        for name in ["layers", "Layers", "LAYERS", "layerſ", "layerS"] {
            assert_eq!(known(name), Some("layers"));
        }
        for name in ["layer", "layers ", "läyers", "", "manifests"] {
            assert_eq!(known(name), None);
        }
        assert_eq!(
            read_as("\u{212a}", &[("k", GoType::Text)]).map(|(known, _)| known),
            Some("k")
        );
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"[[\"[[":[{}],"a":"}}"}"#), 3);
        let deep = |depth| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(deep(MAX_DEPTH - 1).as_bytes(), IMAGE).is_ok());
        let error = check(deep(MAX_DEPTH).as_bytes(), IMAGE).unwrap_err();
        assert!(error.to_string().contains("10000 brackets deep"));
    }
}
