//! Keys of AWS KMS (AWS Key Management Service API 2014-11-01): `GetPublicKey`
//! once, then `Sign` for each message, by the ARN that the first one answers: an
//! alias may be given to another key in between.
//!
//! The algorithm is asked for by its name. The order in which the service lists
//! what a key can do means nothing: a service of this API lists PSS first, which
//! cosign signs with then and does not verify.
//! Implements KEY-80 to KEY-84. Credentials, endpoints and the signing of
//! requests are `service::aws`'s. Of KMS nothing but the two operations is asked,
//! so that a policy with `kms:GetPublicKey` and `kms:Sign` suffices; cosign needs
//! `kms:DescribeKey` too.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::found::{FoundKey, warn_of_hash};
use super::message::{Prepared, Unsigned, each};
use crate::http::{AT_ONCE, Client, printable};
use crate::keys::Algorithm;
use crate::keys::error::{OpenError, SignError};
use crate::keys::uri::AwsUri;
use crate::service::aws::{Aws, AwsEndpoint, Region};
use crate::service::{AwsApi, ServiceError, ServiceName, Trouble, Variables};
use crate::signature::{Hash, PublicKey};

/// The most bytes of a message that an Ed25519 key signs: those of `Message` with
/// the type `RAW` (KMS API Reference, `Sign`).
const LONGEST: u64 = 4096;

/// A key that was not asked for yet.
pub(super) struct ClosedAws {
    key: AwsUri,
    aws: Arc<Aws>,
    endpoint: AwsEndpoint,
}

/// A key whose public half is known.
pub(super) struct AwsSigner {
    aws: Arc<Aws>,
    client: Arc<Client>,
    endpoint: AwsEndpoint,
    /// Of the key that answered, whatever an alias is given to meanwhile (KEY-82).
    arn: String,
    algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKeyQuestion<'a> {
    key_id: &'a str,
}

/// The answer of `GetPublicKey`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::keys) struct AwsPublicKey {
    /// The key's ARN.
    key_id: String,
    /// Base64 of a SubjectPublicKeyInfo.
    public_key: String,
    key_spec: Option<String>,
    key_usage: Option<String>,
    /// In no order that means anything.
    signing_algorithms: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AwsQuestion<'a> {
    key_id: &'a str,
    /// Base64
    message: String,
    /// `DIGEST`, or `RAW` of a message that KMS hashes by itself.
    message_type: &'static str,
    signing_algorithm: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AwsSignature {
    /// Base64
    signature: String,
}

impl ClosedAws {
    /// Reads the settings and credentials of AWS, as far as they are here. The
    /// region of an ARN counts before that of the variables (KEY-85).
    pub(super) fn find(key: &AwsUri, variables: &Variables) -> Result<Self, OpenError> {
        let aws = Aws::find(variables)?;
        let region = match key.region().and_then(Region::parse) {
            Some(region) => region,
            None => aws.region().map_err(failed)?,
        };
        let endpoint = aws.endpoint(AwsApi::Kms, &region, key.host.as_deref());
        Ok(Self {
            key: key.clone(),
            endpoint: endpoint.map_err(failed)?,
            aws,
        })
    }

    pub(super) async fn open(
        self,
        client: &Arc<Client>,
    ) -> Result<(AwsSigner, FoundKey), OpenError> {
        let Self { key, aws, endpoint } = self;
        let question = PublicKeyQuestion { key_id: &key.id };
        let asked = aws.ask(client, &endpoint, "GetPublicKey", &question);
        let answer: AwsPublicKey = asked.await?;
        let (public, algorithm, hash) = answer.checked().map_err(failed)?;
        if let Some(hash) = hash {
            warn_of_hash(&key, hash);
        }
        let found = FoundKey {
            public,
            hash,
            version: None,
        };
        let key = AwsSigner {
            aws,
            client: Arc::clone(client),
            endpoint,
            arn: answer.key_id,
            algorithm,
        };
        Ok((key, found))
    }
}

impl AwsPublicKey {
    /// The public key, the name of its algorithm, and the hash if that is not
    /// SHA-256 (KEY-83).
    ///
    /// # Errors
    /// On a key of another use or kind, and on one that does not list the algorithm
    /// that verifiers expect of it.
    pub(in crate::keys) fn checked(
        &self,
    ) -> Result<(PublicKey, &'static str, Option<Hash>), Trouble> {
        let unfit = |reason| Trouble::Unfit { reason };
        let der = STANDARD.decode(&self.public_key).ok();
        let public = PublicKey::from_der(der.ok_or_else(|| Trouble::Answer {
            action: "`GetPublicKey`".to_owned(),
            reason: "it holds no public key",
        })?);
        match self.key_usage.as_deref() {
            None | Some("SIGN_VERIFY") => {}
            Some(other) => return Err(unfit(format!("its use is `{}`", printable(other)))),
        }
        let (name, hash) = name_and_hash(self.algorithm(&public)?);
        let listed = self.signing_algorithms.as_deref().unwrap_or_default();
        match listed.iter().any(|other| other == name) {
            true => Ok((public, name, hash)),
            false => Err(unfit(format!(
                "it signs with `{}`, and not with `{name}`",
                printable(&listed.join(", "))
            ))),
        }
    }

    fn algorithm(&self, public: &PublicKey) -> Result<Algorithm, Trouble> {
        Algorithm::of(public).map_err(|error| {
            let kind = self.key_spec.as_deref();
            let reason = kind.map_or_else(
                || error.to_string(),
                |kind| format!("cosign verifies nothing by `{}`", printable(kind)),
            );
            Trouble::Unfit { reason }
        })
    }
}

impl AwsSignature {
    fn read(&self) -> Result<Vec<u8>, Trouble> {
        let signature = STANDARD.decode(&self.signature).ok();
        let signature = signature.filter(|signature| !signature.is_empty());
        signature.ok_or_else(|| Trouble::Answer {
            action: "`Sign`".to_owned(),
            reason: "it holds no signature",
        })
    }
}

/// The algorithm of a kind of key, and the hash if that is not SHA-256. KMS has
/// one for each curve; RSA keys of every size take SHA-256, though they list
/// three hashes and two paddings each.
fn name_and_hash(algorithm: Algorithm) -> (&'static str, Option<Hash>) {
    match algorithm {
        Algorithm::EcdsaP256 => ("ECDSA_SHA_256", None),
        Algorithm::EcdsaP384 | Algorithm::EcdsaP384Sha384 => ("ECDSA_SHA_384", Some(Hash::Sha384)),
        Algorithm::EcdsaP521 | Algorithm::EcdsaP521Sha512 => ("ECDSA_SHA_512", Some(Hash::Sha512)),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 | Algorithm::Rsa4096Sha512 => {
            ("RSASSA_PKCS1_V1_5_SHA_256", None)
        }
        Algorithm::Ed25519 => ("ED25519_SHA_512", None),
    }
}

impl AwsSigner {
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        // No message is sent if one of them cannot be signed.
        for (index, prepared) in messages.iter().enumerate() {
            let length = prepared.message.content.length();
            if prepared.prehash.is_none() && length > LONGEST {
                let most = LONGEST;
                let error = failed(Trouble::TooLong { length, most }).into();
                return Err(Unsigned { index, error });
            }
        }
        each(messages, AT_ONCE, |message| self.sign_one(message)).await
    }

    async fn sign_one(&self, prepared: &Prepared) -> Result<Vec<u8>, SignError> {
        let (message, message_type) = match prepared.prehash.as_deref() {
            Some(digest) => (STANDARD.encode(digest), "DIGEST"),
            None => {
                let bytes = prepared.message.content.to_bytes();
                (STANDARD.encode(bytes.map_err(SignError::Read)?), "RAW")
            }
        };
        let question = AwsQuestion {
            key_id: &self.arn,
            message,
            message_type,
            signing_algorithm: self.algorithm,
        };
        let asked = self
            .aws
            .ask(&self.client, &self.endpoint, "Sign", &question);
        let answer: AwsSignature = asked.await?;
        Ok(answer.read().map_err(failed)?)
    }
}

fn failed(trouble: Trouble) -> ServiceError {
    ServiceName::Aws(AwsApi::Kms).failed(trouble)
}
