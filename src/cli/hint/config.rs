//! Remedies for `report.toml` and `cosign.toml` (`spec/cosign-toml.md`, "Errors", has
//! each with its message). None repeats a value of the files (SIG-11).

use super::{Hint, say};
use crate::config::{ConfigError, DocumentError, Meant, ReportError, closest};
use crate::oci::Reference;
use crate::oci::reference::NotAReference;

/// The flags are those of cosign 3.1.2. Both files can be made without a network, and
/// the URLs that older flags of cosign's took go there (EVD-55).
pub(super) const SIGNING_CONFIG: &str = "name the services in a signing config, `signing-config = \"<path>\"`: `cosign signing-config \
     create --rekor=url=URL,api-version=2,start-time=TIME,operator=NAME --rekor-config=ANY \
     --tsa=url=URL,api-version=1,start-time=TIME,operator=NAME --tsa-config=ANY \
     --fulcio=url=URL,api-version=1,start-time=TIME,operator=NAME --out=FILE`";
pub(super) const TRUSTED_ROOT: &str = "name those who are trusted in a trusted root, `trusted-root = \"<path>\"`: `cosign \
     trusted-root create --rekor=url=URL,public-key=FILE,start-time=TIME \
     --tsa=url=URL,certificate-chain=FILE --fulcio=url=URL,certificate-chain=FILE \
     --ctfe=url=URL,public-key=FILE,start-time=TIME --out=FILE`";

pub(super) fn of_report(error: &ReportError) -> Hint {
    match error {
        ReportError::Document(error) if error.is_missing() => say(
            "the exporter writes the report only after every tag was pushed; run the signer after \
             it with the same `-layers`, or name the file with `-report`",
        ),
        ReportError::Document(DocumentError::Unreadable { .. }) => None,
        // pack v0.40 `pkg/client/rebase.go` opens the copy without `O_TRUNC`.
        ReportError::Document(DocumentError::Syntax { .. }) => say(
            "the file may be cut off, or hold the rest of an older, longer report: \
             `pack rebase --report-output-dir` does not truncate it; delete it and export again",
        ),
        ReportError::Document(DocumentError::TooLarge { .. } | DocumentError::NotUtf8 { .. })
        | ReportError::NoImage { .. }
        | ReportError::WrongType { .. } => {
            say("`-report` names the `report.toml` that the exporter, creator or rebaser wrote")
        }
        // A daemon has no manifest, and so no digest, before the image is pushed.
        ReportError::Daemon { .. } => say(
            "export to a registry: run `pack build --publish`, or the exporter without `-daemon`",
        ),
        ReportError::Layout { .. } => say(
            "export to a registry: run the exporter without `-layout`, or push the layout and sign \
             it with cosign",
        ),
        ReportError::NoDigest { .. } | ReportError::NoTags { .. } | ReportError::Digest { .. } => {
            say("the report is incomplete; export again")
        }
        // `spec/decisions/0023`
        ReportError::Algorithm { .. } => {
            say("push the image by its `sha256` digest, as the exporter does, and report that")
        }
        ReportError::OtherDigest { .. } => {
            say("export to a tag instead of a digest: a digest names one image for ever")
        }
        ReportError::Tag { source, .. } => of_reference(source)
            .map(|lower| format!("repositories are in lower case: export to `{lower}`").into()),
    }
}

pub(super) fn of_config(error: &ConfigError) -> Hint {
    match error {
        ConfigError::Document(error) => of_config_document(error),
        ConfigError::UnknownKey { key, meant, .. } => meant.map(|meant| of_key(key, meant).into()),
        ConfigError::WrongType { key: "configs", .. } => say("write `[[configs]]`"),
        ConfigError::WrongType {
            key: "annotations", ..
        } => say("write `[[annotations]]`"),
        ConfigError::WrongType { key: "program", .. } => {
            say("write `program = [\"<program>\", \"<argument>\"]`")
        }
        // `docker-media-types = "true"` (CFG-3).
        ConfigError::WrongType {
            found: "a string", ..
        } => say("write it without quotes"),
        ConfigError::WrongType {
            wanted: "a string", ..
        } => say("write it in quotes"),
        ConfigError::WrongType { .. } | ConfigError::Nul { .. } => None,
        ConfigError::DuplicateAnnotation { .. } => say(
            "a signature holds each name once: leave one of the two out, or give it another name",
        ),
        ConfigError::MissingKey { key: "key", .. } | ConfigError::NoConfigs { .. } => {
            say("write `[[configs]]` and below it `key = \"<path of a private key>\"`")
        }
        ConfigError::MissingKey { .. } => say("an annotation has a `name` and a `value`"),
        ConfigError::Empty {
            key: "key" | "name",
            ..
        } => None,
        ConfigError::Empty { .. } => say("leave the key out if it is not meant"),
        ConfigError::NotAPath { .. } => {
            say("secrets are not written into this file: write the path of the file that holds it")
        }
        ConfigError::UnsupportedScheme { .. } => say("only the path of a file can be used"),
        ConfigError::NotWith { key, other, .. } => of_contradiction(key, other),
        ConfigError::Needs { key, other, .. } => of_needed(key, other),
        ConfigError::NoPublicKey { .. } => say(
            "name the public half of the key that signs: `public-key = \"<path>\"` or \
             `certificate = \"<path>\"`",
        ),
        ConfigError::RepositoryIsUrl { .. } | ConfigError::Repository { .. } => {
            say("write `<registry>/<path>`, without scheme, credentials, tag and digest")
        }
        ConfigError::UnknownValue { written, valid, .. } => {
            let list = valid.join("`, `");
            let words = match closest(written, valid) {
                Some(meant) => format!("did you mean `{meant}`? Valid are `{list}`"),
                None => format!("valid are `{list}`"),
            };
            Some(words.into())
        }
    }
}

/// Two keys of which one at most can be given. `key` is the one that was refused, and
/// its position is in the message.
fn of_contradiction(key: &str, other: &str) -> Hint {
    match (key, other) {
        (
            "identity-token" | "oidc-provider",
            "key" | "program" | "signatures" | "public-key" | "certificate",
        ) => say(
            "an identity signs with a key of the run's own and is certified by the authority of \
             the signing config: leave out what names another key",
        ),
        ("program" | "signatures", _) => {
            say("a key is named once, by `key`, `program` or `signatures`")
        }
        (_, "key") => say(
            "it is the public half of a key that signs by `program` or `signatures`; a `key` needs \
             none",
        ),
        _ => say("give one of the two"),
    }
}

/// A key that says nothing without another.
fn of_needed(key: &str, other: &str) -> Hint {
    match (key, other) {
        ("bundle-certificate-chain", _) => say(
            "it adds a bundle with the issuers of `certificate-chain`, where `format` is `bundle` \
             or `both`",
        ),
        (_, "trusted-root") => say(TRUSTED_ROOT),
        _ => say(SIGNING_CONFIG),
    }
}

fn of_config_document(error: &DocumentError) -> Hint {
    match error {
        error if error.is_missing() => {
            say("name the file with `-cosign-config` or `CNB_COSIGN_CONFIG_PATH`")
        }
        // The RFC's own example has backticks, which TOML does not know.
        DocumentError::Syntax { .. } => {
            say("strings are written in quotes, as in `export-sbom = \"none\"`")
        }
        DocumentError::Unreadable { .. }
        | DocumentError::TooLarge { .. }
        | DocumentError::NotUtf8 { .. } => None,
    }
}

/// The reference in lower case, for one with upper-case letters in its
/// repository. Its tag stays as it is: tags may have them.
fn of_reference(error: &NotAReference) -> Option<String> {
    let text = error.text();
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let name_end = text.get(last..)?.find([':', '@']);
    let (name, version) = text.split_at_checked(name_end.map_or(text.len(), |end| last + end))?;
    let lower = format!("{}{version}", name.to_lowercase());
    (lower != text && lower.parse::<Reference>().is_ok()).then_some(lower)
}

fn of_key(key: &str, meant: Meant) -> String {
    match meant {
        Meant::PathIn(key) => {
            format!("secrets are not written into this file: write the path of a file to `{key}`")
        }
        Meant::SigningConfig => SIGNING_CONFIG.to_owned(),
        Meant::TrustedRoot => TRUSTED_ROOT.to_owned(),
        Meant::Key(meant) => format!("did you mean `{meant}`?"),
        Meant::Under(level) => format!("`{key}` belongs under {level}"),
    }
}
