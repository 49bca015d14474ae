//! Messages on their way to the service that signs them. Knows no service.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::keys::error::SignError;
use crate::keys::prehash::Prehash;
use crate::oci::Content;

/// A message to sign, and its subject, which programs and people who sign look at
/// (KEY-117, EVD-72). Services are told nothing of it.
#[derive(Clone)]
pub struct Message {
    /// The exact bytes: a payload of simple signing, or the PAE of DSSE.
    pub content: Content,
    pub purpose: Purpose,
    /// `repository@digest`
    pub image: String,
}

/// The statement that a message makes about its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// That the image is ours.
    Signature,
    /// That a document describes it.
    Attestation,
}

impl Purpose {
    /// Its name for those who sign: the value of `SIGNER_KIND`, `kind` of an index,
    /// and a part of file names, so that it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
        }
    }
}

/// A message that got no signature.
#[derive(Debug)]
pub struct Unsigned {
    /// Its place among the messages.
    pub index: usize,
    pub error: SignError,
}

/// A message with the digest that its key signs; none if the key signs
/// messages. Hashed once, for the service and for the check of its signature.
pub(super) struct Prepared {
    pub(super) message: Message,
    pub(super) prehash: Option<Prehash>,
}

/// Asks for one signature after the other, `at_once` at a time; gives them in
/// the order of the messages.
///
/// # Errors
/// On the first message, in their order, that gets none. Those that are asked for
/// meanwhile are given up.
pub(super) async fn each<'a, F>(
    prepared: &'a [Prepared],
    at_once: usize,
    sign: impl Fn(&'a Prepared) -> F,
) -> Result<Vec<Vec<u8>>, Unsigned>
where
    F: Future<Output = Result<Vec<u8>, SignError>>,
{
    let asked = prepared.iter().enumerate().map(|(index, message)| {
        let signature = sign(message);
        async move { signature.await.map_err(|error| Unsigned { index, error }) }
    });
    stream::iter(asked).buffered(at_once).try_collect().await
}
