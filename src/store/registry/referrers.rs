//! The referrers of a manifest (distribution-spec v1.1, "Listing Referrers").

use std::collections::{HashSet, VecDeque};

use tracing::warn;

use super::error::StoreError;
use super::limit::Limit;
use super::manifests::content_type;
use super::{Ask, Registries, Target};
use crate::envelope;
use crate::http::header::{ACCEPT, HeaderValue, LINK};
use crate::http::{Lead, Method, Response};
use crate::oci::manifest::ManifestError;
use crate::oci::{Annotations, Descriptor, Digest, Manifest, MediaType, Reading, Repository};

/// The most pages of one list that are read, and the most entries (WIRE-79).
const MOST_PAGES: usize = 100;
const MOST_ENTRIES: usize = 10_000;

/// The last entries that are kept, and the most bytes of annotations of each.
/// More than are looked at for recognition, since not all of them are ours.
const RECENT: usize = 256;
const LONGEST_ANNOTATIONS: usize = 1024;

/// The list that a registry keeps of a manifest's referrers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referrers {
    /// The digests of the readable entries: entries of others may hold
    /// anything. The rest of an entry is not needed, and may have megabytes.
    digests: HashSet<Digest>,
    /// The last of them, oldest first, for a caller that looks for its own.
    recent: VecDeque<Descriptor>,
    /// How many were read. A digest that is listed twice counts twice.
    count: usize,
    /// Whether a sigstore bundle is among them, as far as the list says.
    pub has_bundles: bool,
    /// Whether the whole list was read. If not, whatever is not found in it may
    /// be listed all the same.
    pub is_complete: bool,
    /// Why other readers find nothing at all in it. An error only once
    /// everything of ours is listed (WIRE-79).
    pub fault: Option<String>,
}

impl Registries {
    /// Lists the referrers of `subject`, of every kind. None: the registry has
    /// no referrers API, as go-containerregistry tells it (404, 400, 406, or a
    /// document that is no index).
    ///
    /// A list without end is read up to a limit, one in a circle once, and a
    /// link that leads out of it is not followed.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a document that is
    /// no list.
    pub async fn get_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Referrers>, StoreError> {
        let path = format!("v2/{}/referrers/{subject}", repository.path());
        let action = format!("listing the referrers of `{repository}@{subject}`");
        let mut referrers = Referrers::default();
        let mut seen = HashSet::new();
        let mut target = Target::Path(path);
        loop {
            let mut ask = Ask::new(Method::GET, target, &action);
            ask.headers
                .insert(ACCEPT, HeaderValue::from_static(INDEX_TYPE));
            let limit = Limit::Manifest(self.access.manifest_limit);
            ask.body_limit = limit.bytes();
            let sent = self.send(repository, &ask).await;
            let response = sent.map_err(|error| error.naming(limit, &action))?;
            let is_index = content_type(&response) == Some(MediaType::OCI_INDEX);
            match response.status.as_u16() {
                200 if is_index => {}
                200 | 400 | 404 | 406 if seen.is_empty() => return Ok(None),
                _ => return Err(self.unexpected(repository, &ask, &response)),
            }
            seen.insert(response.url.clone());
            let next = next_page(&response);
            let is_whole = referrers
                .add(response)
                .map_err(|source| StoreError::Manifest {
                    action: action.clone(),
                    source,
                })?;
            target = match next {
                Continuation::End => {
                    referrers.is_complete = is_whole;
                    return Ok(Some(referrers));
                }
                Continuation::Page(next)
                    if is_whole && seen.len() < MOST_PAGES && !seen.contains(&next.url) =>
                {
                    Target::Lead(next)
                }
                Continuation::Elsewhere => {
                    warn!(
                        "The list of what refers to {repository}@{subject} goes on where it must \
                         not; {} entries of it count",
                        referrers.count
                    );
                    return Ok(Some(referrers));
                }
                Continuation::Page(_) => {
                    warn!(
                        "The list of what refers to {repository}@{subject} has no end; \
                         {} entries of it count",
                        referrers.count
                    );
                    return Ok(Some(referrers));
                }
            };
        }
    }
}

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

impl Referrers {
    /// Whether the manifest with this digest is listed.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// The last entries that can be read, oldest first. Long annotations are left
    /// out.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Descriptor> {
        self.recent.iter()
    }

    /// Whether the list has no readable entry.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Takes a page. Gives whether the whole page could be taken.
    fn add(&mut self, page: Response) -> Result<bool, ManifestError> {
        let page = Manifest::parse(Some(MediaType::OCI_INDEX), page.body)?;
        let index = match page.to_standing_index() {
            Ok((index, Reading::Plain)) => index,
            Ok((index, Reading::Mended)) => {
                // Go takes members in any case: two readers see two lists.
                self.fault = Some("`manifests` is spelt in several ways".to_owned());
                index
            }
            Err(ManifestError::Unreadable(fault)) => {
                self.fault = Some(fault);
                // The entries that the signer can read tell what is missing; the
                // fault is told if nothing is.
                page.to_index()?
            }
            Err(error) => return Err(error),
        };
        // A page may go beyond: its entries that have room count.
        let room = MOST_ENTRIES - self.count.min(MOST_ENTRIES);
        for entry in index.entries().take(room) {
            self.digests.insert(entry.digest.clone());
            self.has_bundles |= envelope::may_be_bundle(entry);
            self.remember(entry);
            self.count += 1;
        }
        Ok(index.is_whole() && index.count() <= room)
    }

    fn remember(&mut self, entry: &Descriptor) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let mut entry = entry.clone();
        let lengths = entry
            .annotations
            .iter()
            .map(|(name, value)| name.len() + value.len());
        if lengths.sum::<usize>() > LONGEST_ANNOTATIONS {
            entry.annotations = Annotations::default();
        }
        self.recent.push_back(entry);
    }
}

/// Where a list goes on.
pub(super) enum Continuation {
    End,
    Page(Lead),
    /// The link leads to no part of the same list of the same registry.
    Elsewhere,
}

/// Where the list goes on (RFC 8288, relation `next`). The path must be the
/// same: a page of another list would say that ours is there.
pub(super) fn next_page(response: &Response) -> Continuation {
    let header = response.header(LINK.as_str()).unwrap_or_default();
    let mut links = links(header);
    let Some((target, _)) = links.find(|(_, parameters)| is_next(parameters)) else {
        return Continuation::End;
    };
    let lead = target.and_then(|target| response.leads_to(target).ok());
    let is_same = |lead: &Lead| {
        lead.url.origin() == response.url.origin() && lead.url.path() == response.url.path()
    };
    lead.filter(is_same)
        .map_or(Continuation::Elsewhere, Continuation::Page)
}

/// The links of a header, each with its target, if that stands in `<…>`, and its
/// parameters. A comma inside of `<…>` or of quotes separates nothing.
fn links(header: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let mut rest = header;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return None;
        }
        let target = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (target, parameters) = match target {
            Some((target, parameters)) => (Some(target), parameters),
            None => (None, rest),
        };
        let end = unquoted(parameters, ',');
        let (parameters, others) = parameters.split_at(end.unwrap_or(parameters.len()));
        rest = others;
        Some((target, parameters))
    })
}

/// Where a separator stands first, outside of quotes.
fn unquoted(text: &str, separator: char) -> Option<usize> {
    let mut is_quoted = false;
    text.find(|character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
}

fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    loop {
        let end = unquoted(rest, ';').unwrap_or(rest.len());
        let (parameter, others) = rest.split_at(end);
        let relation = parameter.trim().strip_prefix("rel=");
        if relation.is_some_and(|rel| rel.trim_matches('"').eq_ignore_ascii_case("next")) {
            return true;
        }
        match others.strip_prefix(';') {
            Some(others) => rest = others,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The target of the first link that is the next page.
    fn next(header: &str) -> Option<&str> {
        links(header).find(|(_, parameters)| is_next(parameters))?.0
    }

    /// WIRE-79
    #[test]
    fn links_are_separated_where_rfc_8288_says() {
        for (header, target) in [
            (r#"</v2/a?last=a,b>; rel="next""#, Some("/v2/a?last=a,b")),
            (
                r#"</first>; rel="first", </n?a=1,2>;rel=next"#,
                Some("/n?a=1,2"),
            ),
            (
                r#"</x>; title="a, </y>; rel=next", </z>; rel=NEXT"#,
                Some("/z"),
            ),
            (r#"</x>, , </z>; rel="next""#, Some("/z")),
            ("</x>; rel=prev", None),
            ("/x; rel=next", None),
            ("</x; rel=next", None),
            ("", None),
            (",", None),
        ] {
            assert_eq!(next(header), target, "{header}");
        }
    }
}
