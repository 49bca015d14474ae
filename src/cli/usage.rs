//! The text of `-h`: the flags as Go prints them, then the variables and the
//! exit codes. The manual and the README say the same; tests compare them.

use std::fmt::Write as _;

use super::exit_code::MEANINGS;
use super::flags::{DEFINITIONS, FlagKind};

/// Variables that belong together, and their purpose. Variables by which keys and
/// clouds are found are left out: they belong to the services' own tools
/// (`docs/keys.md`).
const VARIABLES: [(&[&str], &str); 13] = [
    (&["CNB_PLATFORM_API"], "Platform API, 0.7 to 0.15"),
    (
        &[
            "CNB_COSIGN_CONFIG_PATH",
            "CNB_REPORT_PATH",
            "CNB_LAYERS_DIR",
        ],
        "stand in for -cosign-config, -report and -layers",
    ),
    (
        &[
            "CNB_INSECURE_REGISTRIES",
            "CNB_LOG_FORMAT",
            "CNB_LOG_LEVEL",
            "CNB_NO_AMBIENT_CREDENTIALS",
            "CNB_NO_COLOR",
            "CNB_STRICT_FORMATS",
        ],
        "stand in for -insecure-registry, -log-format, -log-level, -no-ambient-credentials, -no-color \
         and -strict-formats",
    ),
    (&["NO_COLOR"], "if set, no color output either"),
    (
        &["CNB_USER_ID", "CNB_GROUP_ID"],
        "stand in for -uid and -gid",
    ),
    (
        &[
            "CNB_MANIFEST_LIMIT",
            "CNB_IMAGE_CONFIG_LIMIT",
            "CNB_SBOM_LAYER_LIMIT",
            "CNB_SBOM_EXPANDED_LIMIT",
            "CNB_SBOM_RATIO_LIMIT",
            "CNB_SBOM_ENTRIES_LIMIT",
        ],
        "stand in for the flags of the same names",
    ),
    (
        &["CNB_REGISTRY_AUTH"],
        "credentials by registry, as for all phases",
    ),
    (
        &[
            "DOCKER_CONFIG",
            "DOCKER_AUTH_CONFIG",
            "REGISTRY_AUTH_FILE",
            "HOME",
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "PATH",
        ],
        "where other credentials are looked for",
    ),
    (
        &["COSIGN_PASSWORD"],
        "password of a new key, and of keys without `password` in cosign.toml",
    ),
    (
        &["SSL_CERT_FILE", "SSL_CERT_DIR"],
        "trusted root certificates",
    ),
    (
        &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"],
        "proxies, in lower case too",
    ),
    (&["REQUEST_METHOD"], "if set, HTTP_PROXY is not used"),
    (
        &["SOURCE_DATE_EPOCH"],
        "time that bundles say they were stored at",
    ),
];

/// The list of flags as Go's `PrintDefaults` prints it, with a newline at the end: an
/// operator finds the flags of all phases in one form. The words for values are Go's
/// types, but for `size`.
pub(super) fn flags() -> String {
    let mut text = String::from("Usage of signer:\n");
    for flag in &DEFINITIONS {
        let (value, quote) = match flag.kind {
            FlagKind::Text => (" string", "\""),
            FlagKind::Integer => (" int", ""),
            FlagKind::Duration => (" duration", ""),
            FlagKind::Size => (" size", ""),
            FlagKind::Count => (" uint", ""),
            FlagKind::Repeated => (" value", ""),
            FlagKind::Switch => ("", ""),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "  -{}{value}\n    \t{}", flag.name, flag.usage);
        if !flag.default.is_empty() {
            let _ = write!(text, " (default {quote}{}{quote})", flag.default);
        }
        text.push('\n');
    }
    text
}

/// The answer to `-h`: [`flags`], then the variables and the exit codes (SIG-2). A bad
/// flag is answered with [`flags`] alone, as the lifecycle does.
pub(super) fn help() -> String {
    let mut text = flags();
    text.push_str("\nEnvironment (a flag wins over its variable):\n");
    for (names, meaning) in VARIABLES {
        let _ = write!(text, "  {}\n    \t{meaning}\n", names.join(", "));
    }
    text.push_str("\nExit codes:\n");
    for (code, meaning) in MEANINGS {
        let _ = writeln!(text, "  {code:<3}  {meaning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::Environment;

    #[test]
    fn the_help_lists_the_variables_that_are_read() {
        let read = RefCell::new(BTreeSet::new());
        Environment::collect(&|name| {
            read.borrow_mut().insert(name.to_uppercase());
            None
        });
        let listed = VARIABLES.iter().flat_map(|(names, _)| names.iter());
        let listed: BTreeSet<_> = listed.map(|name| (*name).to_owned()).collect();
        assert_eq!(listed, read.into_inner());
    }

    #[test]
    fn the_help_explains_every_exit_code_once() {
        let codes = MEANINGS.map(|(code, _)| code);
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert!(
            help().contains("\n  118  the registry refuses"),
            "{}",
            help()
        );
    }
}
