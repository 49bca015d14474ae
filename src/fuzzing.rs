//! The targets of the fuzzers: one function per parser of bytes from outside,
//! which panics on an answer that the parser must not give.
//!
//! Not part of the product: only `cargo fuzz` (`acceptance/tools/fuzz`) and the unit tests
//! see it. The functions stand beside the parsers, which are private; here is
//! the list. The test below runs each over its folder of `testdata/fuzz`, so
//! that a past finding stays fixed without a fuzzer.

pub use crate::attach::fuzzing::union;
pub use crate::cli::fuzzing::{command_line, go_values};
pub use crate::config::fuzzing::{cosign_config, report};
pub use crate::envelope::fuzzing::sealed;
pub use crate::http::fuzzing::{certificate, redacted, redirect, retry_after, warning};
pub use crate::keys::fuzzing::{
    aws_key, azure_answer, google_answer, key_file, kube_config, kubernetes_secret, private_key,
    signature_file, vault_answer, vault_config,
};
pub use crate::oci::fuzzing::{manifest, reference};
pub use crate::pkcs11::fuzzing::{pkcs11_uri, plugin_request, token_key};
pub use crate::proof::fuzzing::{
    inclusion_proof, log_entry, note, sct, signing_certificate, signing_config, timestamp,
    trusted_root,
};
pub use crate::sbom::fuzzing::{cyclonedx, image_config, json, sbom_archive, sbom_blob};
pub use crate::service::fuzzing::{aws_answer, aws_profiles, azure_token, google_credentials};
pub use crate::store::registry::credentials::fuzzing::{
    docker_config, helper_answer, registry_auth,
};
pub use crate::store::registry::fuzzing::{challenge, error_answer, link, location, token};
pub use crate::witness::fuzzing::{identity_token, issued_certificate, workload_answer};

/// A name, and the function that is run under it.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by its name in `acceptance/tools/fuzz/fuzz_targets` and
/// `testdata/fuzz`.
pub const TARGETS: &[Target] = &[
    ("aws_answer", aws_answer),
    ("aws_key", aws_key),
    ("aws_profiles", aws_profiles),
    ("azure_answer", azure_answer),
    ("azure_token", azure_token),
    ("certificate", certificate),
    ("challenge", challenge),
    ("command_line", command_line),
    ("cosign_config", cosign_config),
    ("cyclonedx", cyclonedx),
    ("docker_config", docker_config),
    ("error_answer", error_answer),
    ("go_values", go_values),
    ("google_answer", google_answer),
    ("google_credentials", google_credentials),
    ("helper_answer", helper_answer),
    ("identity_token", identity_token),
    ("image_config", image_config),
    ("inclusion_proof", inclusion_proof),
    ("issued_certificate", issued_certificate),
    ("json", json),
    ("key_file", key_file),
    ("kube_config", kube_config),
    ("kubernetes_secret", kubernetes_secret),
    ("link", link),
    ("location", location),
    ("log_entry", log_entry),
    ("manifest", manifest),
    ("note", note),
    ("pkcs11_uri", pkcs11_uri),
    ("plugin_request", plugin_request),
    ("private_key", private_key),
    ("redacted", redacted),
    ("redirect", redirect),
    ("reference", reference),
    ("registry_auth", registry_auth),
    ("report", report),
    ("retry_after", retry_after),
    ("sbom_archive", sbom_archive),
    ("sbom_blob", sbom_blob),
    ("sct", sct),
    ("sealed", sealed),
    ("signature_file", signature_file),
    ("signing_certificate", signing_certificate),
    ("signing_config", signing_config),
    ("timestamp", timestamp),
    ("token", token),
    ("token_key", token_key),
    ("trusted_root", trusted_root),
    ("union", union),
    ("vault_answer", vault_answer),
    ("vault_config", vault_config),
    ("warning", warning),
    ("workload_answer", workload_answer),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::PathBuf;

    use super::*;

    fn folder(path: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), path].iter().collect()
    }

    fn entries(folder: PathBuf) -> Vec<PathBuf> {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The names in a folder, without the ending.
    fn names(path: &str) -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(folder(path)).into_iter().map(stem).collect()
    }

    #[test]
    fn every_recorded_input_is_handled() {
        let mut failed = Vec::new();
        for &(name, run) in TARGETS {
            let inputs = entries(folder("testdata/fuzz").join(name));
            assert!(!inputs.is_empty(), "{name} has no inputs");
            for input in inputs {
                let bytes = fs::read(&input).unwrap();
                if catch_unwind(|| run(&bytes)).is_err() {
                    failed.push(input.display().to_string());
                }
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn every_target_has_its_program_and_its_inputs() {
        let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("acceptance/tools/fuzz/fuzz_targets"), targets);
        assert_eq!(names("testdata/fuzz"), targets);
        let manifest = fs::read_to_string(folder("acceptance/tools/fuzz/Cargo.toml")).unwrap();
        for name in targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")));
        }
    }
}
