//! Error bodies (distribution-spec v1.1, "Error Codes").

use serde::Deserialize;

use super::error::Answer;
use crate::http::Response;

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an error's body says: the first error of the envelope, or the bare
/// text of a registry that sends none.
pub(super) fn read(response: &Response) -> Answer {
    let envelope: Option<Envelope> = serde_json::from_slice(&response.body).ok();
    match envelope.and_then(|envelope| envelope.errors.into_iter().next()) {
        Some(entry) => Answer {
            code: response.printable(&entry.code),
            message: response.printable(&entry.message),
        },
        None => Answer {
            code: String::new(),
            message: response.words(),
        },
    }
}

/// The identifier that some registries give a session, for their logs.
pub(super) fn session_id(response: &Response) -> String {
    let id = response.header("docker-upload-uuid");
    id.map_or_else(|| "no identifier".to_owned(), |id| response.printable(id))
}
