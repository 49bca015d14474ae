//! Manifests (distribution-spec v1.1, "Pulling manifests" and "Pushing
//! manifests").

use std::time::Duration;

use super::error::{Answer, ErrorCode, StoreError};
use super::known::WhenStopped;
use super::limit::Limit;
use super::{Ask, Registries, Target, answer, check_digest};
use crate::http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use crate::http::{HttpError, Method, Replay, Response, is_refusal};
use crate::oci::reference::Version;
use crate::oci::{Digest, Manifest, MediaType, Reference};
use crate::store::Visible;

/// In one request, since the kind is not known before. Docker's schema 1 is
/// left out: no cosign verifies it (`spec/faults.md`, B8c).
const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as a registry serves it.
pub struct Served {
    pub manifest: Manifest,
    /// The registry's own name for this version of the tag.
    pub etag: Option<HeaderValue>,
}

/// Under which condition a manifest may be put (RFC 9110, section 13.1). Few
/// registries look at it, so nothing may rely on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// The tag still has this version.
    Unchanged(HeaderValue),
    /// There is no such tag.
    Absent,
}

/// The outcome of a request that puts a manifest.
#[derive(Debug)]
pub enum Put {
    Written,
    /// Written, and the registry lists it among what refers to its subject.
    Indexed,
    /// The registry does not know a blob that the manifest names. Its blobs are
    /// uploaded again (case 35).
    BlobUnknown,
    /// The outcome is unknown: the connection broke, or a proxy failed.
    Unclear(String),
    /// The request was not sent while it was fresh. The caller reads the place
    /// again.
    Outdated,
    /// The registry refuses it.
    Refused {
        status: u16,
        answer: Answer,
    },
}

/// The outcome of writing a manifest.
pub struct Outcome {
    pub answer: Result<Put, StoreError>,
    /// Whether others may see the manifest now.
    pub visible: Visible,
}

impl Registries {
    /// Reads a manifest of any kind. By digest, the bytes are checked to have
    /// it. None: the registry has no such manifest.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on bytes that are no
    /// manifest.
    pub async fn get_manifest(
        &self,
        reference: &Reference,
    ) -> Result<Option<Manifest>, StoreError> {
        let served = self.get_served(reference).await?;
        Ok(served.map(|served| served.manifest))
    }

    /// As [`get_manifest`](Self::get_manifest), with the version of the tag.
    ///
    /// # Errors
    /// As there.
    pub async fn get_served(&self, reference: &Reference) -> Result<Option<Served>, StoreError> {
        let action = format!("reading `{reference}`");
        let mut ask = Ask::new(Method::GET, manifest_path(reference), &action);
        ask.headers
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES));
        let limit = Limit::Manifest(self.access.manifest_limit);
        ask.body_limit = limit.bytes();
        let sent = self.send(reference.repository(), &ask).await;
        let response = sent.map_err(|error| error.naming(limit, &action))?;
        match response.status.as_u16() {
            200 => self.absent.forget(reference),
            404 => {
                self.absent.note(reference);
                return Ok(None);
            }
            _ => return Err(self.unexpected(reference.repository(), &ask, &response)),
        }
        if let Version::Digest(digest) = reference.version() {
            check_digest(&action, digest, &response.body)?;
        }
        // The header proves nothing; that it disagrees is an error all the same.
        if let Some(promised) = promised_digest(&response) {
            check_digest(&action, &promised, &response.body)?;
        }
        let etag = response.headers.get(ETAG).cloned();
        let content_type = content_type(&response);
        let manifest = Manifest::parse(content_type, response.body)
            .map_err(|source| StoreError::Manifest { action, source })?;
        Ok(Some(Served { manifest, etag }))
    }

    /// The digest that a manifest has now. None: there is no such manifest.
    ///
    /// A refusal is confirmed by reading: some registries refuse `HEAD` with
    /// 400, 403, 404 or 405 for manifests that they serve (Nexus), and storage
    /// refuses it where a signed address is for `GET`. Except that a manifest
    /// which was absent at the last read, and gets 404 now, is still absent.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Digest>, StoreError> {
        let action = format!("looking up `{reference}`");
        let mut ask = Ask::new(Method::HEAD, manifest_path(reference), &action);
        ask.headers
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES));
        let response = self.send(reference.repository(), &ask).await?;
        let digest = match response.status.as_u16() {
            200 => promised_digest(&response),
            404 if self.absent.holds(reference) => return Ok(None),
            _ => None,
        };
        if digest.is_some() {
            self.absent.forget(reference);
            return Ok(digest);
        }
        let read = self.get_manifest(reference).await?;
        Ok(read.map(|manifest| manifest.digest().clone()))
    }

    /// Writes a manifest over the one that stands there, if the registry finds
    /// the condition true or ignores it, and takes the request within
    /// `fresh_for`: a registry may ask for a later repetition.
    ///
    /// The answer is an error where the registry cannot be reached or denies
    /// access; [`Put`] tells every other outcome.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
        condition: &Condition,
        fresh_for: Duration,
    ) -> Outcome {
        let action = format!("writing `{reference}`");
        let mut ask = Ask::new(Method::PUT, manifest_path(reference), &action);
        if let Ok(media_type) = HeaderValue::from_str(manifest.media_type().as_str()) {
            ask.headers.insert(CONTENT_TYPE, media_type);
        }
        match condition {
            Condition::Always => None,
            Condition::Unchanged(version) => ask.headers.insert(IF_MATCH, version.clone()),
            Condition::Absent => ask
                .headers
                .insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
        ask.body = Some(manifest.bytes().clone().into());
        ask.replay = match reference.version() {
            // Others who put the same digest put the same bytes.
            Version::Digest(_) => Replay::Safe,
            Version::Tag(_) => Replay::Ask,
        };
        ask.fresh_for = fresh_for;
        ask.when_stopped = WhenStopped::Await;
        // Before it is sent: it may be there from then on, whatever the answer.
        self.absent.forget(reference);
        // Noted at the one door of all manifests: exit code and receipt follow
        // from it.
        self.begin_put(&ask.uncertainty);
        let sent = self.send(reference.repository(), &ask).await;
        let visible = match &sent {
            Ok(response) if response.status.is_success() => Visible::Yes,
            // The last outcome may be that of a token service, or of a repetition.
            _ if ask.uncertainty.is_there() => Visible::Maybe,
            _ => Visible::No,
        };
        self.end_put(&ask.uncertainty, visible);
        Outcome {
            answer: self.put(reference, manifest, &ask, sent),
            visible,
        }
    }

    /// The outcome that the answer to a manifest tells.
    fn put(
        &self,
        reference: &Reference,
        manifest: &Manifest,
        ask: &Ask<'_>,
        sent: Result<Response, StoreError>,
    ) -> Result<Put, StoreError> {
        let response = match sent {
            Ok(response) => response,
            // Not those of a token service that is asked after a refusal.
            Err(StoreError::Http(
                error @ (HttpError::Broken { .. }
                | HttpError::Silence { .. }
                | HttpError::Nonsense { .. }
                | HttpError::OutOfTime { .. }),
            )) if ask.uncertainty.is_there() => {
                return Ok(Put::Unclear(error.to_string()));
            }
            Err(StoreError::Http(HttpError::Outdated { .. })) => return Ok(Put::Outdated),
            // The answer is too long to be read, so that its meaning is
            // unknown.
            Err(StoreError::Http(HttpError::TooLarge { limit, .. })) => {
                return Err(StoreError::Answer {
                    action: ask.action.to_owned(),
                    limit,
                });
            }
            Err(error) => return Err(error),
        };
        let answer = answer::read(&response);
        match response.status.as_u16() {
            200..300 => {
                // Stored under another digest (case 36).
                if let Some(promised) = promised_digest(&response) {
                    check_digest(ask.action, &promised, manifest.bytes())?;
                }
                match response.header("oci-subject") {
                    Some(_) => Ok(Put::Indexed),
                    None => Ok(Put::Written),
                }
            }
            400 | 404
                if answer.says(&ErrorCode::ManifestBlobUnknown)
                    || answer.says(&ErrorCode::BlobUnknown) =>
            {
                Ok(Put::BlobUnknown)
            }
            401 => Err(self.unexpected(reference.repository(), ask, &response)),
            status if is_refusal(response.status) => Ok(Put::Refused { status, answer }),
            // It leaves open what happened, and the same request would be led away
            // again, where no write goes (WIRE-16).
            303 => Ok(Put::Refused {
                status: 303,
                answer,
            }),
            status => Ok(Put::Unclear(format!("status {status}{answer}"))),
        }
    }
}

fn manifest_path(reference: &Reference) -> Target {
    Target::Path(format!(
        "v2/{}/manifests/{}",
        reference.repository().path(),
        reference.version()
    ))
}

/// Parameters are left out. None: the manifest itself has to say it.
pub(super) fn content_type(response: &Response) -> Option<MediaType> {
    let value = response.header(CONTENT_TYPE.as_str())?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    // Some registries serve every manifest as plain JSON or as bytes.
    let says_nothing = matches!(
        essence,
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    (!says_nothing).then(|| MediaType::new(essence))
}

/// The digest that the registry says. One that cannot be read is none: only
/// bytes prove it.
pub(super) fn promised_digest(response: &Response) -> Option<Digest> {
    response.header("docker-content-digest")?.parse().ok()
}
