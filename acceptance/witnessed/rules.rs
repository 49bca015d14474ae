//! Refusals by the signer, and by verifiers of its signatures; each rule
//! is a note below the table.

use super::{Evidence, Signed, V1, V2, Verifier, Who};
use crate::matrix::Rule;
use crate::support::cosign::Cosign;
use crate::support::readers::Reader;

/// The signer's words where it refuses a key, and the note that says why.
const NO_ENTRY: Rule = Rule {
    note: "k",
    words: ["no log of `configs[0]` takes signatures of"; 2],
};
const NO_TAG: Rule = Rule {
    note: "l",
    words: ["the signing config names only logs of version 2"; 2],
};
const ROOT_FOR_BUNDLES: Rule = Rule {
    note: "m",
    words: ["trusted root path currently only supported with --new-bundle-format"; 2],
};

/// The rule by which the signer refuses a key, before anything is sent.
pub fn refusal(evidence: Evidence, format: &str, key: &str) -> Option<&'static Rule> {
    let is_default = matches!(key, "P-256" | "RSA 2048");
    match format {
        "legacy" if evidence.has(V2) => Some(&NO_TAG),
        _ if is_default => None,
        _ if evidence.has(V2) => Some(&NO_ENTRY),
        "legacy" if evidence.has(V1) => Some(&NO_ENTRY),
        _ => None,
    }
}

/// A verifier's answers to both questions.
const fn said(note: &'static str, words: &'static str) -> Rule {
    Rule {
        note,
        words: [words; 2],
    }
}

const BY_TUF_ALONE: Rule = said("n", "initializing tuf");
const NOT_IN_THE_TAG: Rule = said("o", "searching log query");
const NO_BUNDLES: Rule = said("h", "no bundles");
const PAYLOAD_S_HASH: Rule = said("p", "digest mismatch");
const NO_TIME: Rule = said("q", "Cannot read properties of undefined");
const NO_EVIDENCE: Rule = said("i", "bundle must have at least one tlog entry or timestamp");
const NO_P521: Rule = said("j", "nsupported");
const DEFAULT_HASH: Rule = said("r", "SHA384 signature invalid");
const P256_ALONE: Rule = said("s", "unknown variant");

/// The rule by which a verifier refuses what a kind of key signed.
pub fn rule(
    verifier: Verifier,
    signed: &Signed,
    kind: &str,
    command: usize,
) -> Option<&'static Rule> {
    let (evidence, format) = (signed.evidence, signed.format);
    let is_certified = evidence.who != Who::Key;
    let is_default = matches!(kind, "P-256" | "RSA 2048");
    match verifier {
        Verifier::Cosign(_, Cosign::V2) => {
            let is_refused = is_certified && format == "legacy" && command == 1;
            is_refused.then_some(&ROOT_FOR_BUNDLES)
        }
        Verifier::Cosign(..) => None,
        Verifier::Kyverno if format == "bundle" => is_certified.then_some(&BY_TUF_ALONE),
        Verifier::Kyverno => {
            let is_logged = is_default || command == 1 || !evidence.has(V1);
            (!is_logged).then_some(&NOT_IN_THE_TAG)
        }
        Verifier::Library(_) if format == "legacy" => Some(&NO_BUNDLES),
        Verifier::Library(Reader::JAVASCRIPT) => match evidence.witnesses {
            [] => Some(&NO_TIME),
            _ => evidence.has(V2).then_some(&PAYLOAD_S_HASH),
        },
        Verifier::Library(_) => match kind {
            _ if evidence.witnesses.is_empty() => Some(&NO_EVIDENCE),
            "P-521" => Some(&NO_P521),
            "P-384" => Some(&DEFAULT_HASH),
            "RSA 2048" if evidence.has(V2) => Some(&P256_ALONE),
            _ => None,
        },
    }
}
