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
    // Several lines are one list (RFC 9110, section 5.3).
    let lines = response.headers.get_all(LINK).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()));
    let header = lines.collect::<Vec<_>>().join(", ");
    let mut links = links(&header);
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
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.find(|character| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        character == separator && !is_quoted
    })
}

/// Whether `next` is among the relations of the first `rel`, the only one that counts
/// (RFC 8288, section 3.3). Names are the same in any case, and blanks around `=` are
/// bad form that is to be taken.
fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    loop {
        let end = unquoted(rest, ';').unwrap_or(rest.len());
        let (parameter, others) = rest.split_at(end);
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("rel") {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        match others.strip_prefix(';') {
            Some(others) => rest = others,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::http::StatusCode;
    use crate::http::fuzzing::answer;

    /// The target of the first link that is the next page.
    fn next(header: &str) -> Option<&str> {
        links(header).find(|(_, parameters)| is_next(parameters))?.0
    }

    /// WIRE-79: of two lines, the second has the next page.
    #[test]
    fn links_in_several_lines_are_one_list() {
        let url: Url = "https://r.io/v2/a/referrers/d".parse().unwrap();
        let first = br#"</v2/a/referrers/d>; rel="first""#;
        let mut page = answer(url, StatusCode::OK, LINK, first).unwrap();
        assert!(matches!(next_page(&page), Continuation::End));
        let next = HeaderValue::from_static("</v2/a/referrers/d?last=1>; rel=next");
        page.headers.append(LINK, next);
        let Continuation::Page(lead) = next_page(&page) else {
            panic!("it ends");
        };
        assert_eq!(lead.url.query(), Some("last=1"));
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
            (r#"</z>; rel = "next""#, Some("/z")),
            ("</z>; REL=next", Some("/z")),
            (r#"</z>; rel="last Next""#, Some("/z")),
            (r#"</x>; title="\", </y>; rel=next""#, None),
            ("</x>; rel=prev; rel=next", None),
            ("</x>; rel=nextpage", None),
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
