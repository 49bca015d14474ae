//! YAML as kubeconfigs are written in it, which JSON is a part of
//! (`spec/decisions/0028`): scalars, sequences and mappings, one document. Anchors
//! and aliases are refused: they let a small file grow without bound (KEY-72).
//!
//! A key that stands twice is refused as well, since readers differ in which one
//! counts.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Mappings and sequences within each other: the readers of a value are
/// recursive. A kubeconfig has some six.
const DEPTH: usize = 32;
/// Scalars, sequences and mappings. In a file of 1 MiB every second byte can be
/// one, and takes far more memory as a value.
const NODES: usize = 100_000;

const NO_YAML: &str = "it is no YAML";
const TOO_MUCH: &str = "it has too much in it";

/// The document as a value; `null` if it is empty. A plain scalar is a string, but
/// for `true`, `false` and `null`.
///
/// # Errors
/// On another text than the YAML described above.
pub(super) fn parse(text: &[u8]) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut building = Building::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|_| NO_YAML)?;
        building.take(event)?;
    }
    Ok(building.root.unwrap_or_default())
}

/// The document, as far as it has been read.
#[derive(Default)]
struct Building {
    open: Vec<OpenNode>,
    root: Option<Value>,
    nodes: usize,
}

/// A node whose end has not come yet.
enum OpenNode {
    Sequence(Vec<Value>),
    /// With the key whose value comes next; without one, a key comes next.
    Mapping(Map<String, Value>, Option<String>),
}

impl Building {
    fn take(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => match self.root {
                None => Ok(()),
                Some(_) => Err("it has more than one document"),
            },
            Event::Alias(_) => Err("it has an alias in it"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                Err("it has an anchor in it")
            }
            Event::Scalar(text, style, _, _) => {
                let is_plain = style == ScalarStyle::Plain;
                self.scalar(text.into_owned(), is_plain)
            }
            Event::SequenceStart(..) => self.begin(OpenNode::Sequence(Vec::new())),
            Event::MappingStart(..) => self.begin(OpenNode::Mapping(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(OpenNode::Sequence(items)) => self.add(Value::Array(items)),
                Some(OpenNode::Mapping(members, None)) => self.add(Value::Object(members)),
                _ => Err(NO_YAML),
            },
        }
    }

    fn begin(&mut self, open: OpenNode) -> Result<(), &'static str> {
        if let Some(OpenNode::Mapping(_, None)) = self.open.last() {
            return Err("a key of it is no text");
        }
        if self.open.len() >= DEPTH {
            return Err(TOO_MUCH);
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: String, is_plain: bool) -> Result<(), &'static str> {
        if let Some(OpenNode::Mapping(members, key @ None)) = self.open.last_mut() {
            if members.contains_key(&text) {
                return Err("it has a key twice");
            }
            *key = Some(text);
            return Ok(());
        }
        self.add(match (&*text, is_plain) {
            ("" | "~" | "null" | "Null" | "NULL", true) => Value::Null,
            ("true" | "True" | "TRUE", true) => Value::Bool(true),
            ("false" | "False" | "FALSE", true) => Value::Bool(false),
            _ => Value::String(text),
        })
    }

    fn add(&mut self, value: Value) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(TOO_MUCH);
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(OpenNode::Sequence(items)) => items.push(value),
            Some(OpenNode::Mapping(members, key)) => {
                let key = key.take().ok_or(NO_YAML)?;
                members.insert(key, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// KEY-72
    #[test]
    fn kubeconfigs_are_read_as_kubectl_writes_them() {
        let text = "# of ours\napiVersion: v1\nclusters:\n- cluster:\n    server: https://h:6443\n  \
                    name: \"k\"\nempty: {}\nnone:\nyes: true\ntext: 'true'\nlong: |\n  a\n  b\n\
                    flow: [a, {b: c}]\nnumber: 12\n";
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(
            value,
            json!({
                "apiVersion": "v1",
                "clusters": [{"cluster": {"server": "https://h:6443"}, "name": "k"}],
                "empty": {}, "none": null, "yes": true, "text": "true", "long": "a\nb\n",
                "flow": ["a", {"b": "c"}], "number": "12",
            })
        );
        let same = json!({"a": [1.5, null, true], "b": {"c": "d\n\"e"}}).to_string();
        let value = parse(same.as_bytes()).unwrap();
        assert_eq!(
            value,
            json!({"a": ["1.5", null, true], "b": {"c": "d\n\"e"}})
        );
        assert_eq!(parse(b""), Ok(Value::Null));
        assert_eq!(parse("\u{feff}a: b".as_bytes()), Ok(json!({"a": "b"})));
    }

    /// KEY-72
    #[test]
    fn yaml_that_could_grow_or_mean_two_things_is_refused() {
        for (text, words) in [
            ("a: &x 1\nb: *x\n", "anchor"),
            ("a: *x\n", NO_YAML),
            ("a: 1\na: 2\n", "twice"),
            ("? [a]\n: b\n", "no text"),
            ("a: b\n---\nc: d\n", "more than one"),
            ("a: [", NO_YAML),
            (&"[".repeat(100), ""),
            (&format!("[{}]", "0,".repeat(NODES + 1)), TOO_MUCH),
        ] {
            let Err(reason) = parse(text.as_bytes()) else {
                panic!("{text}");
            };
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(parse(b"\xff"), Err("it is not UTF-8"));
    }
}
