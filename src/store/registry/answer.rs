//! Error bodies (distribution-spec v1.1, "Error Codes").

use oci_distribution::errors::OciEnvelope;

use super::error::{Answer, name};
use crate::http::Response;

/// The words of an error's body: the first error of the envelope, or the bare
/// text of a registry that sends none. Scrubbed and cut: some registries repeat
/// what they were shown.
pub(super) fn read(response: &Response) -> Answer {
    let envelope: Option<OciEnvelope> = serde_json::from_slice(&response.body).ok();
    match envelope.and_then(|envelope| envelope.errors.into_iter().next()) {
        Some(entry) => Answer {
            code: response.printable(&name(&entry.code)),
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

#[cfg(test)]
mod tests {
    use oci_distribution::errors::OciErrorCode;

    use super::*;

    #[test]
    fn codes_are_named_as_registries_write_them() {
        for code in [
            "MANIFEST_BLOB_UNKNOWN",
            "NAME_UNKNOWN",
            "TOOMANYREQUESTS",
            "a code of its own",
        ] {
            let parsed: OciErrorCode = serde_json::from_value(code.into()).unwrap();
            assert_eq!(name(&parsed), code);
        }
    }
}
