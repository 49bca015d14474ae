//! Answers of services: JSON of theirs, and their own words.

use serde::de::DeserializeOwned;

use super::error::Said;
use crate::http::{Response, printable};
use crate::secret::{Secrets, Voice};

/// The JSON of an answer, if it has the expected form.
pub fn json<T: DeserializeOwned>(response: &Response) -> Option<T> {
    serde_json::from_slice(&response.body).ok()
}

/// What the service says: `text` of its answer or, if there is none, all of
/// it.
pub fn said(response: &Response, text: Option<&str>) -> Said {
    Said(match text {
        Some(text) => response.printable(text.trim()),
        None => response.words(),
    })
}

/// The words of a program, fit to print.
pub fn quoted(words: &str, secrets: &Secrets) -> Said {
    Said(printable(&secrets.scrubbed(
        words.trim(),
        Voice::Theirs,
        &[],
    )))
}
