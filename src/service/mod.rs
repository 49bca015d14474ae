//! Services beside registries: those that keep keys, and those that vouch for
//! who asks them.
//!
//! `keys` asks the former; both `keys` and `store` need the latter, since a
//! cloud's identity opens its key service and its registry alike
//! (`spec/decisions/0027`). `witness` asks authorities and logs, whose failures are
//! sorted here with the others.
//!
//! Knows neither keys nor registries: an identity gives a token or signs a
//! request, for whatever it is. Each is made of variables and files before
//! anything is sent, and is asked by one client, with its retries, limits and
//! proxies (`spec/decisions/0029`).

mod answer;
pub mod aws;
pub mod azure;
mod endpoint;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod google;
mod jwt;
mod oauth;
mod stored;
mod token;
mod variables;
mod vault;

pub use answer::{action, json, last_words, nonsense, quoted, said};
pub use endpoint::{host_of, parse_endpoint};
pub use error::{AwsApi, FaultKind, PROGRAM_TIME, Said, ServiceError, ServiceName, Tried, Trouble};
pub use oauth::{is_token, safe_url};
pub use stored::{BAD_PROXY, BY_PROGRAM, GitLabProject, KubernetesSecret};
pub use token::{Token, sensitive};
pub use variables::{Unreadable, Variables};
pub use vault::VaultKey;
