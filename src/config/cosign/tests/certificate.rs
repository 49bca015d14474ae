//! The certificates beside a key.

use std::path::Path;

use super::{ONE, parse, refusal};
use crate::config::{BundledChain, Format, PublicKeyFile, WrittenKey};

/// CFG-7
#[test]
fn a_certificate_goes_with_any_key() {
    let files = "certificate = \"c.pem\"\ncertificate-chain = \"/i.pem\"\n";
    let file = parse(&format!("{ONE}{files}")).unwrap();
    let certificate = file.configs()[0].certificate.clone();
    let leaf = file.resolve(&certificate.leaf.unwrap());
    assert_eq!(leaf, Path::new("/c/c.pem"));
    assert_eq!(certificate.chain.as_deref(), Some(Path::new("/i.pem")));
    assert_eq!(certificate.bundled, BundledChain::Left);
    let file = parse(&format!("[[configs]]\nprogram = [\"p\"]\n{files}")).unwrap();
    let config = &file.configs()[0];
    assert_eq!(config.certificate.leaf.as_deref(), Some(Path::new("c.pem")));
    let WrittenKey::Program { public, .. } = &config.key else {
        panic!("{:?}", config.key);
    };
    assert_eq!(*public, PublicKeyFile::Certificate("c.pem".into()));
    let file = parse(ONE).unwrap();
    assert_eq!(file.configs()[0].certificate, Default::default());
}

/// EVD-8
#[test]
fn a_chain_in_bundles_needs_a_chain_and_bundles() {
    let config = |lines: &str| format!("{ONE}bundle-certificate-chain = {lines}\n");
    let chain = "certificate-chain = \"i\"";
    let file = parse(&config(&format!("true\n{chain}\nformat = \"both\""))).unwrap();
    let bundled = file.configs()[0].certificate.bundled;
    assert!(bundled.is_added(Format::Both) && !bundled.is_added(Format::Legacy));
    let file = parse(&config("false")).unwrap();
    assert_eq!(file.configs()[0].certificate.bundled, BundledChain::Left);
    for (lines, words) in [
        (
            "true\nformat = \"both\"",
            "needs `certificate-chain` beside it",
        ),
        (
            &format!("true\n{chain}"),
            "needs `format = \"bundle\"` beside it",
        ),
        ("\"true\"", "must be `true` or `false`, not a string"),
    ] {
        let said = refusal(&config(lines));
        assert!(said.contains(words), "{said}");
    }
}
