//! The witnesses of a config, and why it cannot have any (`spec/evidence.md`, "Trust").

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::http::RedactedUrl;
use crate::proof::trust::root::{TrustedRoot, TrustedRootError};
use crate::proof::trust::signing_config::{List, SelectError, Services, SigningConfigError};
use crate::service::Unreadable;

/// The services that vouch for the signatures of a config, and are trusted to.
#[derive(Clone, Debug)]
pub struct Witnesses {
    /// By which all evidence is verified, new or found. Shared by configs that name one
    /// file.
    pub root: Arc<TrustedRoot>,
    /// Nobody, if the config has no signing config.
    pub services: Services,
}

/// Nobody can vouch as a config wants it.
#[derive(thiserror::Error)]
pub enum WitnessesError {
    #[error(transparent)]
    File(Unreadable),
    #[error("the trusted root `{}` cannot be used", path.display())]
    TrustedRoot {
        path: PathBuf,
        #[source]
        source: TrustedRootError,
    },
    #[error("the signing config `{}` cannot be used", path.display())]
    SigningConfig {
        path: PathBuf,
        #[source]
        source: SigningConfigError,
    },
    #[error("no services can be selected by the signing config `{}`", path.display())]
    Select {
        path: PathBuf,
        #[source]
        source: SelectError,
    },
    /// The word of these services would not count.
    #[error("the trusted root has nothing that is valid now for `{url}` of `{list}`")]
    Untrusted { list: List, url: Url },
    /// Verifiers count what one witness says once, or refuse it.
    #[error("by the trusted root, `{url}` of `{list}` is the same witness as `{other}`")]
    Twice {
        list: List,
        url: RedactedUrl,
        other: RedactedUrl,
    },
    /// Of a config of tags alone (EVD-58).
    #[error("the signing config names only logs of version 2, whose entries have no place at tags")]
    OnlyV2,
    /// Of an identity, which has no certificate otherwise.
    #[error("the signing config names no certificate authority that can be asked now")]
    NoAuthority,
    /// Verifiers read one annotation of each kind.
    #[error(
        "the signing config wants {wanted} of its `{list}`, and signatures at tags have room for one"
    )]
    ManyAtTags { list: List, wanted: usize },
    /// A reader of the token can be that identity until it expires.
    #[error("`{0}` would be shown an identity token without TLS")]
    Plain(Url),
    /// A certificate of minutes is worth nothing without a proof of when it was
    /// used.
    #[error(
        "nobody would say when the certificate was used: there is no timestamp authority, and no log of version 1"
    )]
    NoTime,
}

debug_as_display!(WitnessesError);
