//! The limits that can be set, each by a flag and a variable of the same name
//! (`spec/limits.md`). A limit that no user needs to raise has no flag.

use std::ffi::OsStr;

use super::go;
use crate::phase::Limits;

/// A limit that can be set.
pub(super) struct Setting {
    /// Without its dash.
    pub flag: &'static str,
    pub variable: &'static str,
    /// The defaults are those of [`Limits`], which knows no flags.
    field: fn(&mut Limits) -> &mut u64,
}

pub(super) const SETTINGS: [Setting; 6] = [
    Setting {
        flag: "image-config-limit",
        variable: "CNB_IMAGE_CONFIG_LIMIT",
        field: |limits| &mut limits.image_config,
    },
    Setting {
        flag: "manifest-limit",
        variable: "CNB_MANIFEST_LIMIT",
        field: |limits| &mut limits.manifest,
    },
    Setting {
        flag: "sbom-entries-limit",
        variable: "CNB_SBOM_ENTRIES_LIMIT",
        field: |limits| &mut limits.sbom.entries,
    },
    Setting {
        flag: "sbom-expanded-limit",
        variable: "CNB_SBOM_EXPANDED_LIMIT",
        field: |limits| &mut limits.sbom.expanded,
    },
    Setting {
        flag: "sbom-layer-limit",
        variable: "CNB_SBOM_LAYER_LIMIT",
        field: |limits| &mut limits.sbom.compressed,
    },
    Setting {
        flag: "sbom-ratio-limit",
        variable: "CNB_SBOM_RATIO_LIMIT",
        field: |limits| &mut limits.sbom.ratio,
    },
];

/// The name and value of a limit, if `flag` is one. Counts are read as sizes are:
/// `1KiB` entries are 1024.
///
/// # Errors
/// On a value that is no limit, in words for Go's message.
pub(super) fn parse(
    flag: &str,
    value: &OsStr,
) -> Option<Result<(&'static str, u64), &'static str>> {
    let setting = SETTINGS.iter().find(|setting| setting.flag == flag)?;
    Some(go::size(value).map(|size| (setting.flag, size)))
}

/// Sets the limits that `given` knows by their settings.
///
/// # Errors
/// The first that `given` finds.
pub(super) fn resolve<E>(given: impl Fn(&Setting) -> Result<Option<u64>, E>) -> Result<Limits, E> {
    let mut limits = Limits::default();
    for setting in &SETTINGS {
        if let Some(value) = given(setting)? {
            *(setting.field)(&mut limits) = value;
        }
    }
    Ok(limits)
}
