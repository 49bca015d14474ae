//! Keys in tokens, as far as no module is loaded: the URI that names one,
//! sigstore's protocol of plugins, and what a token calls a key or a signature.
//!
//! The program `sigstore-kms-pkcs11` is made of it (`src/bin`), which loads the
//! token's own module: a static program cannot, and so the signer starts that one.
//! Knows no token itself, and no environment.
//! Implements `spec/tokens.md`, sections 1, 3 and 4. Everything here is built,
//! tested and fuzzed without a token. Requests of callers and bytes of modules
//! are hostile until they are parsed.

mod answer;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod public;
mod request;
mod uri;

pub use answer::PluginReply;
pub use public::{SignedInput, TokenKey, TokenKeyKind, UnsupportedKey};
pub use request::{Operation, PluginCall, RequestError};
pub use uri::{Pin, TokenUriError, Uri};
