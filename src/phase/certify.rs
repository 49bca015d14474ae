//! Certificates for identities: once everything is signed, the authority is asked
//! for one for each key that was made for this run (`spec/evidence.md`, "Keyless").
//!
//! It is the first request of a run whose effect stays for ever: a certificate is
//! shown in a public log. A run whose signatures all hang there already asks for
//! none. The order is unusual, and possible since a signature does not cover its
//! certificate: cosign asks first, and publishes an identity before it knows whether it
//! can sign.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::certificate::verifier;
use super::error::PhaseError;
use super::open_keys::{Applicant, KeyRecord};
use super::sign::{SignedWant, SignedWants};
use super::wants::Draft;
use crate::envelope::Verifier;
use crate::http::Client;
use crate::oci::Digest;
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::Service;
use crate::witness::authority::{self, Application, Issued};

/// One certificate to be issued: the fingerprint of its key, and the URL of its
/// authority.
type Issuance = (Digest, String);

/// A certificate that signatures of this run need.
struct Needed<'a> {
    record: &'a KeyRecord,
    applicant: &'a Applicant,
    service: &'a Service,
    root: &'a Arc<TrustedRoot>,
}

/// Takes the step: one certificate for each key and authority, however many
/// signatures need it. Each is verified before it is kept (EVD-63, EVD-64). The private
/// keys are gone by now; the requests were signed when they were made.
///
/// # Errors
/// On an authority that issues no certificate, or one that does not hold.
pub async fn certify(mut signed: SignedWants, client: &Client) -> Result<SignedWants, PhaseError> {
    let mut needed = BTreeMap::new();
    for want in signed.wants() {
        if let Some((issuance, need)) = Needed::by(want) {
            needed.entry(issuance).or_insert(need);
        }
    }
    let asked = needed.into_iter().map(|(issuance, need)| async move {
        let chain = need.certificates(client).await?;
        Ok::<_, PhaseError>((issuance, chain))
    });
    let mut issued = BTreeMap::new();
    issued.extend(try_join_all(asked).await?);
    // Each form shows other certificates of the same chain.
    for want in signed.wants_mut() {
        let Draft::Claim(stated) = &want.wanted.draft else {
            continue;
        };
        let issued = Needed::by(want).and_then(|(issuance, _)| issued.get(&issuance));
        let verifier =
            issued.map(|issued| verifier(&issued.certificate, &issued.chain, stated.form));
        if let (Some(verifier), Some(signed)) = (verifier, &mut want.signed) {
            signed.verifier = verifier;
        }
    }
    Ok(signed)
}

/// The certificate that a signature of this run needs, in words.
pub(super) fn in_words(want: &SignedWant) -> Option<String> {
    let (_, need) = Needed::by(want)?;
    let identity = need.applicant.token.identity();
    Some(format!(
        "a certificate for {} (issuer {}), by {}",
        identity.name(),
        identity.issuer(),
        need.service.url
    ))
}

impl<'a> Needed<'a> {
    /// The certificate that a signature of this run needs. One that hangs there has
    /// its own: its verifier is no mere key.
    fn by(want: &'a SignedWant) -> Option<(Issuance, Self)> {
        let record = &want.key;
        let applicant = record.applicant.as_ref()?;
        let Verifier::Key(_) = want.signed.as_ref()?.verifier else {
            return None;
        };
        let witnesses = want.wanted.signatory.witnesses.as_deref()?;
        let service = witnesses.services.authority.as_ref()?;
        let issuance = (record.fingerprint.clone(), service.url.to_string());
        let root = &witnesses.root;
        let need = Self {
            record,
            applicant,
            service,
            root,
        };
        Some((issuance, need))
    }

    async fn certificates(&self, client: &Client) -> Result<Issued, PhaseError> {
        let application = Application {
            key: &self.record.public_key,
            request: &self.applicant.request,
            token: &self.applicant.token,
        };
        let issued = authority::certify(client, self.service, self.root, application).await;
        issued.map_err(|source| PhaseError::Certificate {
            key: Arc::clone(&self.record.reference),
            source: Box::new(source),
        })
    }
}
