//! Blobs (distribution-spec v1.1, "Pulling blobs" and "Pushing blobs").

use bytes::Bytes;

use super::error::StoreError;
use super::known::Mount;
use super::limit::Limit;
use super::{Ask, Registries, Target, answer, check_digest};
use crate::http::header::{HeaderValue, RANGE};
use crate::http::{Keep, Method};
use crate::oci::{Content, Descriptor, Digest, Repository};

/// The smallest blob that is mounted, in bytes. A mount costs a request and
/// often a token more than an upload into a session that is open already
/// (`spec/decisions/0008`).
const MOUNTABLE: u64 = 64 * 1024;

impl Registries {
    /// Reads a blob into memory; size and digest are those of `descriptor`.
    ///
    /// # Errors
    /// On a registry that does not answer, refuses, or has other bytes; and on
    /// a blob larger than `limit`.
    pub async fn get_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        limit: Limit,
    ) -> Result<Bytes, StoreError> {
        let action = format!("reading blob `{}` of `{repository}`", descriptor.digest);
        // A blob that says so itself is not asked for.
        if descriptor.size > limit.bytes() {
            return Err(StoreError::too_large(&action, limit));
        }
        let path = format!("v2/{}/blobs/{}", repository.path(), descriptor.digest);
        let mut ask = Ask::new(Method::GET, Target::Path(path), &action);
        ask.body_limit = limit.bytes();
        let sent = self.send(repository, &ask).await;
        let response = sent.map_err(|error| error.naming(limit, &action))?;
        match response.status.as_u16() {
            200 => {}
            // For what was just pushed: the caller may ask again (SIG-66).
            404 => {
                return Err(StoreError::Missing {
                    action,
                    answer: answer::read(&response),
                });
            }
            _ => return Err(self.unexpected(repository, &ask, &response)),
        }
        // A wrong size is the likelier fault, and the message of a digest would hide it.
        let actual = response.body.len() as u64;
        if actual != descriptor.size {
            let expected = descriptor.size;
            return Err(StoreError::Size {
                action,
                expected,
                actual,
            });
        }
        check_digest(&action, &descriptor.digest, &response.body)?;
        Ok(response.body)
    }

    /// Makes a blob known in `repository`. A large one that this run sent to
    /// another repository of the registry is mounted, any other uploaded. Safe
    /// to repeat: a repetition uploads.
    ///
    /// # Errors
    /// On a registry that refuses the upload, and on content that cannot be
    /// read.
    pub async fn put_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: &Content,
    ) -> Result<(), StoreError> {
        if content.length() < MOUNTABLE {
            return self.upload_blob(repository, digest, content).await;
        }
        let source = self.mounts.source(repository.registry(), digest);
        let mut is_uploaded = false;
        // The other repositories wait for the first one's upload.
        let from = source
            .get_or_try_init(|| async {
                self.upload_blob(repository, digest, content).await?;
                is_uploaded = true;
                Ok::<_, StoreError>(repository.clone())
            })
            .await?;
        if is_uploaded || self.mount_blob(repository, &Mount { digest, from }).await {
            return Ok(());
        }
        self.upload_blob(repository, digest, content).await
    }

    /// Whether the registry has a blob. A refusal is confirmed by reading its
    /// last byte: storage refuses `HEAD` where an address is signed for `GET`,
    /// and some registries refuse it for blobs that they serve (Nexus). One
    /// request for each blob of ours in a run that finds it hanging there
    /// (`spec/decisions/0017`).
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub async fn has_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<bool, StoreError> {
        let action = format!("looking up blob `{}` of `{repository}`", descriptor.digest);
        let path = format!("v2/{}/blobs/{}", repository.path(), descriptor.digest);
        let ask = Ask::new(Method::HEAD, Target::Path(path), &action);
        let response = self.send(repository, &ask).await?;
        if response.status.as_u16() == 200 {
            return Ok(true);
        }
        match self.get_blob_end(repository, descriptor, 1).await {
            Ok(_) => Ok(true),
            Err(StoreError::Status { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the last `count` bytes of a blob, or all of a shorter one. A
    /// registry that knows no ranges sends the whole blob, of which the end is
    /// kept. The bytes are not verified: the caller proves its use of them by
    /// the blob's digest.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, or has a larger blob than
    /// `descriptor` says.
    pub async fn get_blob_end(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        count: u32,
    ) -> Result<Bytes, StoreError> {
        let first = descriptor.size.saturating_sub(u64::from(count));
        let keep = Keep::Last(usize::try_from(count).unwrap_or(usize::MAX));
        let part = (format!("bytes={first}-"), keep);
        self.get_blob_part(repository, descriptor, "end", part)
            .await
    }

    /// Reads the first `count` bytes of a blob, or all of a shorter one; as
    /// [`get_blob_end`](Self::get_blob_end).
    ///
    /// # Errors
    /// As there.
    pub async fn get_blob_beginning(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        count: u32,
    ) -> Result<Bytes, StoreError> {
        let last = count.saturating_sub(1);
        let keep = Keep::First(usize::try_from(count).unwrap_or(usize::MAX));
        let part = (format!("bytes=0-{last}"), keep);
        self.get_blob_part(repository, descriptor, "beginning", part)
            .await
    }

    async fn get_blob_part(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        name: &str,
        (range, keep): (String, Keep),
    ) -> Result<Bytes, StoreError> {
        let action = format!(
            "reading the {name} of blob `{}` of `{repository}`",
            descriptor.digest
        );
        let path = format!("v2/{}/blobs/{}", repository.path(), descriptor.digest);
        let mut ask = Ask::new(Method::GET, Target::Path(path), &action);
        if let Ok(range) = HeaderValue::from_str(&range) {
            ask.headers.insert(RANGE, range);
        }
        // All of the blob, if the registry ignores the range; it is read and
        // let go.
        ask.body_limit = descriptor.size;
        ask.keep = keep;
        let response = self.send(repository, &ask).await?;
        match response.status.as_u16() {
            200 | 206 => Ok(response.body),
            _ => Err(self.unexpected(repository, &ask, &response)),
        }
    }
}
