//! Reading what hangs at a place.

use futures_util::future::try_join_all;

use super::error::AttachError;
use super::place::{Kind, Place};
use super::standing::Standing;
use crate::oci::{Descriptor, Digest, Reference};
use crate::store::registry::{Registries, StoreError};

/// Reads what hangs at `place`: at its tag, or in the registry's own list of
/// referrers where it keeps one.
///
/// # Errors
/// On a registry that does not answer or refuses, and on something that the
/// signer must not replace.
pub(crate) async fn read(registries: &Registries, place: &Place) -> Result<Standing, AttachError> {
    if place.kind() != Kind::Referrers {
        return read_tag(registries, place).await;
    }
    let listed = registries.get_referrers(place.repository(), place.subject());
    match listed.await {
        Ok(Some(referrers)) => Ok(Standing::List(referrers)),
        // No list of its own: the tag, as readers look (`spec/decisions/0011`).
        Ok(None) => read_tag(registries, place).await,
        Err(source) => Err(AttachError::store(place, source)),
    }
}

/// Reads what hangs at the tag of `place`. Referrers too have a tag where their
/// registry does not list them.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_tag(
    registries: &Registries,
    place: &Place,
) -> Result<Standing, AttachError> {
    let served = registries.get_served(&place.reference()).await;
    let served = served.map_err(|source| match source {
        // Bytes that are no manifest are somebody's all the same.
        StoreError::Manifest { source, .. } => AttachError::Foreign {
            place: place.clone(),
            source,
        },
        source => AttachError::store(place, source),
    })?;
    Standing::at(place, served)
}

/// The manifests that are `listed` at `place` and that its registry does not
/// have. One `HEAD` each, all at the same time.
///
/// # Errors
/// On a registry that does not answer or refuses.
pub(super) async fn gone(
    registries: &Registries,
    place: &Place,
    listed: &[Descriptor],
) -> Result<Vec<Digest>, AttachError> {
    let looks = listed.iter().map(|entry| async {
        let reference = Reference::new(place.repository().clone(), entry.digest.clone());
        let there = registries.head_manifest(&reference).await?;
        Ok::<_, StoreError>(there.is_none().then(|| entry.digest.clone()))
    });
    let gone = try_join_all(looks).await;
    let gone = gone.map_err(|source| AttachError::store(place, source))?;
    Ok(gone.into_iter().flatten().collect())
}
