//! Verifies what hangs on an image as sigstore bundles, with the sigstore
//! project's Rust crates:
//!
//! ```text
//! reader verify --mode M --key PUB|--identity NAME [--issuer URL] --kind signature|attestation
//!     [--type T] [--trusted-root FILE] [--demand log|timestamp]... IMAGE
//! ```
//!
//! Without `--issuer` no promise of a certificate log is wanted either.
//!
//! The mode `verify` is what `sigstore-verify` does. It refuses all bundles without
//! a log entry or timestamp, so `parse` has `sigstore-types` read the bundle and
//! `sigstore-crypto` verify its envelope.
//!
//! The crates parse and verify a bundle and know nothing of registries; the few
//! requests here are what the OCI distribution specification asks of a client that
//! lists referrers (plain HTTP, one page).

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;
use sigstore_crypto::{KeyAlgorithm, verify_signature};
use sigstore_trust_root::TrustedRoot;
use sigstore_types::bundle::SignatureContent;
use sigstore_types::{Bundle, DerPublicKey, DsseEnvelope, HashAlgorithm, Sha256Hash, Statement};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, Verifier};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// A root that trusts nobody: the key is given.
const EMPTY_ROOT: &str =
    r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// The question.
struct Question {
    mode: Mode,
    who: Who,
    root: TrustedRoot,
    demanded: Vec<String>,
    predicate_type: String,
    /// `http://<host>/v2/<repository>`
    base: String,
    digest: String,
}

/// The signer that is wanted.
enum Who {
    Key(DerPublicKey),
    Identity(String, Option<String>),
}

enum Mode {
    Verify,
    Parse,
}

impl Question {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let (mut mode, mut key, mut kind) = (None, None, None);
        let (mut predicate_type, mut image, mut root) = (None, None, None);
        let (mut identity, mut issuer, mut demanded) = (None, None, Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "verify" => {}
                "--mode" => mode = arguments.next(),
                "--key" => key = arguments.next(),
                "--kind" => kind = arguments.next(),
                "--type" => predicate_type = arguments.next(),
                "--identity" => identity = arguments.next(),
                "--issuer" => issuer = arguments.next(),
                "--trusted-root" => root = arguments.next(),
                "--demand" => demanded.extend(arguments.next()),
                _ => image = Some(argument),
            }
        }
        let image = image.ok_or("no image")?;
        let (name, digest) = image.split_once('@').ok_or("an image without digest")?;
        let (host, repository) = name.split_once('/').ok_or("an image without registry")?;
        let who = match (identity, key) {
            (Some(identity), _) => Who::Identity(identity, issuer),
            (None, Some(key)) => Who::Key(DerPublicKey::from_pem(&std::fs::read_to_string(key)?)?),
            (None, None) => return Err("no key".into()),
        };
        let root = root.map_or_else(|| Ok(EMPTY_ROOT.to_owned()), std::fs::read_to_string)?;
        Ok(Self {
            who,
            root: TrustedRoot::from_json(&root)?,
            demanded,
            mode: match mode.as_deref() {
                Some("verify") => Mode::Verify,
                Some("parse") => Mode::Parse,
                _ => return Err("no such mode".into()),
            },
            predicate_type: match kind.as_deref() {
                Some("signature") => SIGNATURE.to_owned(),
                _ => predicate_type.ok_or("no type")?,
            },
            base: format!("http://{host}/v2/{repository}"),
            digest: digest.to_owned(),
        })
    }

    /// A resource, or nothing where there is none.
    fn get(&self, path: &str, accept: &str) -> Result<Option<String>> {
        let url = format!("{}/{path}", self.base);
        match ureq::get(&url).header("accept", accept).call() {
            Err(ureq::Error::StatusCode(404)) => Ok(None),
            answer => Ok(Some(answer?.body_mut().read_to_string()?)),
        }
    }

    /// The descriptors that the referrers API lists, or else the fallback tag.
    fn referrers(&self) -> Result<Vec<Value>> {
        let mut index = self.get(&format!("referrers/{}", self.digest), INDEX)?;
        if index.is_none() {
            let tag = self.digest.replace(':', "-");
            index = self.get(&format!("manifests/{tag}"), INDEX)?;
        }
        let index: Value = serde_json::from_str(&index.unwrap_or_else(|| "{}".to_owned()))?;
        Ok(index["manifests"].as_array().cloned().unwrap_or_default())
    }

    /// Every bundle that refers to the image.
    fn bundles(&self) -> Result<Vec<String>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut bundles = Vec::new();
        for descriptor in self.referrers()? {
            let path = format!("manifests/{}", text(&descriptor["digest"]));
            let manifest = self
                .get(&path, MANIFEST)?
                .ok_or("a referrer that is not there")?;
            let manifest: Value = serde_json::from_str(&manifest)?;
            let layer = &manifest["layers"][0];
            // As cosign does: some registries list another artifact type.
            if !text(&layer["mediaType"]).starts_with(BUNDLE) {
                continue;
            }
            let path = format!("blobs/{}", text(&layer["digest"]));
            bundles.push(
                self.get(&path, "*/*")?
                    .ok_or("a bundle that is not there")?,
            );
        }
        Ok(bundles)
    }

    /// # Errors
    /// If the bundle is of another type or image, or not signed with this key.
    fn verify(&self, verifier: &Verifier, json: &str) -> Result<()> {
        let bundle = Bundle::from_json(json)?;
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            return Err("it holds no statement".into());
        };
        let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())?;
        let image = Sha256Hash::from_hex(self.digest.trim_start_matches("sha256:"))?;
        match self.mode {
            Mode::Verify => self.verify_all(verifier, image, &bundle)?,
            Mode::Parse if !statement.matches_sha256(&image) => {
                return Err("it is about another image".into());
            }
            Mode::Parse => self.verify_envelope(envelope)?,
        }
        match statement.predicate_type == self.predicate_type {
            true => Ok(()),
            false => Err(format!("it is a {}", statement.predicate_type).into()),
        }
    }

    /// Everything that the library verifies, with the evidence that is demanded.
    fn verify_all(&self, verifier: &Verifier, image: Sha256Hash, bundle: &Bundle) -> Result<()> {
        let is_demanded = |what: &str| self.demanded.iter().any(|one| one == what);
        let is_logged = is_demanded("log");
        let result = match &self.who {
            Who::Key(key) => {
                let policy = PublicKeyVerificationPolicy::new(key.clone());
                match is_logged {
                    true => verifier.verify(image, bundle, &policy)?,
                    false => verifier.verify(image, bundle, &policy.skip_tlog_unsafe())?,
                }
            }
            Who::Identity(name, issuer) => {
                let mut policy = VerificationPolicy::any_identity().require_identity(name.as_str());
                policy = match issuer {
                    Some(issuer) => policy.require_issuer(issuer),
                    None => policy.skip_sct(),
                };
                match is_logged {
                    true => verifier.verify(image, bundle, &policy)?,
                    false => verifier.verify(image, bundle, &policy.skip_tlog_unsafe())?,
                }
            }
        };
        if is_logged && !result.tlog_verified() {
            return Err("no log entry was verified".into());
        }
        if is_demanded("timestamp") && result.verified_timestamps().is_empty() {
            return Err("no timestamp was verified".into());
        }
        Ok(())
    }

    /// With SHA-256, as cosign does for every key.
    fn verify_envelope(&self, envelope: &DsseEnvelope) -> Result<()> {
        let Who::Key(key) = &self.who else {
            return Err("an envelope alone is verified with a key".into());
        };
        let scheme = KeyAlgorithm::from_spki(key)?;
        let scheme = scheme.resolve_signing_scheme(HashAlgorithm::Sha2256)?;
        let signature = &envelope.signature.sig;
        Ok(verify_signature(key, &envelope.pae(), signature, scheme)?)
    }

    /// # Errors
    /// If no bundle is what is asked for.
    fn answer(&self) -> Result<()> {
        let verifier = Verifier::new(&self.root)?;
        let mut reasons = Vec::new();
        for json in self.bundles()? {
            match self.verify(&verifier, &json) {
                Ok(()) => return Ok(()),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        match reasons.is_empty() {
            true => Err("no bundles".into()),
            false => Err(reasons.join("; ").into()),
        }
    }
}

fn main() -> ExitCode {
    let question = Question::from_arguments(std::env::args().skip(1));
    match question.and_then(|question| question.answer()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
