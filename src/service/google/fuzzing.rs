//! Fuzz target for credentials files.

use std::time::Instant;

use super::federated::Shape;
use super::file;
use crate::oci::fuzzing::assert_readable;
use crate::secret::Secrets;
use crate::service::Variables;

/// A file is accepted or refused in words; no file that it names is read here,
/// since nothing is there by such a name.
pub fn google_credentials(data: &[u8]) {
    let until = Instant::now();
    let variables = Variables::new(
        |_| None,
        Secrets::default(),
        crate::file::Files::until(until),
    );
    if let Err(error) = file::parse(data, &variables) {
        assert_readable(&error);
    }
    let token = Shape::Json("access_token".to_owned()).token(data);
    assert!(token.is_none_or(|token| !token.contains(char::is_whitespace)));
}
