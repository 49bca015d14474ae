//! Blobs (distribution-spec v1.1, "Pulling blobs").

use bytes::Bytes;

use super::error::StoreError;
use super::{Ask, Registries, Target};
use crate::http::header::{HeaderValue, RANGE};
use crate::http::{Keep, Method};
use crate::oci::{Descriptor, Repository};

impl Registries {
    /// Reads the last `count` bytes of a blob, or all of it if it has no more. A
    /// registry that knows no ranges sends the whole blob, of which the end is
    /// kept. Nothing says that the bytes are the blob's: what they are used for
    /// has to be proven by its digest.
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
        let action = format!(
            "reading the end of blob `{}` of `{repository}`",
            descriptor.digest
        );
        let path = format!("v2/{}/blobs/{}", repository.path(), descriptor.digest);
        let mut ask = Ask::new(Method::GET, Target::Path(path), &action);
        let first = descriptor.size.saturating_sub(u64::from(count));
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={first}-")) {
            ask.headers.insert(RANGE, range);
        }
        ask.body_limit = descriptor.size;
        ask.keep = Keep::Last(usize::try_from(count).unwrap_or(usize::MAX));
        let response = self.send(repository, &ask).await?;
        match response.status.as_u16() {
            200 | 206 => Ok(response.body),
            _ => Err(self.unexpected(repository, &ask, &response)),
        }
    }
}
