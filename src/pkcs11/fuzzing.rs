//! Fuzz targets for the URI of a key in a token, for what a caller asks of the
//! plugin, and for what a module says of a key.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use super::{Pin, PluginCall, SignedInput, TokenKey, Uri};
use crate::oci::fuzzing::assert_readable;

/// The printed URI names the same key, and holds no PIN.
pub fn pkcs11_uri(data: &[u8]) {
    let uri = match Uri::parse(&String::from_utf8_lossy(data)) {
        Ok(uri) => uri,
        Err(error) => return assert_readable(&error),
    };
    let text = uri.to_string();
    let again = Uri::parse(&text).expect("it was printed");
    assert_eq!(again.to_string(), text);
    let names = |uri: &Uri| {
        (
            uri.token.clone(),
            uri.slot_id,
            uri.object.clone(),
            uri.id.clone(),
        )
    };
    assert_eq!(names(&again), names(&uri));
    assert!(!matches!(again.pin, Some(Pin::Value(_))));
}

/// The version, a line break, and the JSON.
pub fn plugin_request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (version, json) = text.split_once('\n').unwrap_or(("v1", &text));
    if let Err(error) = PluginCall::parse(version, json) {
        assert_readable(&error);
    }
}

/// The two parts of a key, each of which begins with its length; then what is
/// to be its signature.
pub fn token_key(data: &[u8]) {
    let mut rest = data;
    let mut part = || {
        let (length, after) = rest.split_first().unwrap_or((&0, &[]));
        let (part, after) = after
            .split_at_checked((*length).into())
            .unwrap_or((after, &[]));
        rest = after;
        part
    };
    let (first, second) = (part(), part());
    for key in [
        TokenKey::from_ec(first, second),
        TokenKey::from_edwards(second),
        TokenKey::from_rsa(first, second),
        TokenKey::from_certificate(data),
        TokenKey::from_spki(data),
    ] {
        match key {
            Ok(key) => {
                assert!(key.to_pem().is_some());
                let signature = key.signature(rest).unwrap_or_default();
                assert!(!key.accepts(SignedInput::Digest(&[7; 32]), &signature));
                assert!(!key.accepts(SignedInput::Whole(b"message"), &signature));
            }
            Err(error) => assert_readable(&error),
        }
    }
}
