//! Documents of any size, the same in each run.

use std::fmt::Write as _;

use crate::support::images::Document;

/// A CycloneDX document of at least `size` bytes.
pub fn cyclonedx(size: usize) -> Document {
    named("app", size, 1)
}

/// One document of each format, of at least `size` bytes.
pub fn three(size: usize) -> Vec<Document> {
    let spdx = format!(
        r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","packages":[{}]}}"#,
        components(size, 2)
    );
    let syft = format!(r#"{{"artifacts":[{}]}}"#, components(size, 3));
    vec![
        cyclonedx(size),
        Document::new("app/sbom.spdx.json", spdx),
        Document::new("app/sbom.syft.json", syft),
    ]
}

/// Many of 1 kB, no two alike.
pub fn many(count: usize) -> Vec<Document> {
    let document = |number: usize| named(&format!("bp{number:03}"), 1000, number as u64 + 1);
    (0..count).map(document).collect()
}

fn named(folder: &str, size: usize, seed: u64) -> Document {
    let text = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{}]}}"#,
        components(size, seed)
    );
    Document::new(&format!("{folder}/sbom.cdx.json"), text)
}

/// Packages that compress as real ones do.
fn components(size: usize, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = String::with_capacity(size + 1000);
    while text.len() < size {
        let separator = if text.is_empty() { "" } else { "," };
        let (name, minor) = (random.u32(..1_000_000), random.u8(..90));
        let _infallible = write!(
            text,
            r#"{separator}{{"type":"library","name":"lib{name}","version":"1.{minor}","hashes":[{{"alg":"SHA-256","content":"{:032x}{:032x}"}}],"licenses":[{{"license":{{"id":"Apache-2.0"}}}}],"properties":[{{"name":"syft:package:foundBy","value":"javascript-lock-cataloger"}}]}}"#,
            random.u128(..),
            random.u128(..),
        );
    }
    text
}
