//! Signing configs v0.2 (protobuf-specs v0.5.1 `sigstore_trustroot.proto`): the
//! services that are asked, and the rules by which they are selected.
//!
//! The selection is that of the comments in the `.proto` file and of sigstore-go
//! (`pkg/root`): valid now, highest version, one of each operator, then as many as the
//! selector says (EVD-52 to EVD-54). Which of several are asked first, and in whose
//! place, is left to `witness::choice`; whether the trusted root knows them, to
//! `phase::plan`.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::validity::{Validity, WrittenRange};
use super::{MAX_ENTRIES, MAX_LENGTH, shown};
use crate::proof::protojson::{EnumValue, Number};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// The versions of each API that are spoken here; those of logs depend on the form
/// ([`RekorVersions`]).
const AUTHORITY_VERSIONS: &[u32] = &[1];
const TIMESTAMP_VERSIONS: &[u32] = &[1];

/// A signing config as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningConfig {
    authorities: Vec<Offer>,
    logs: Vec<Offer>,
    log_rule: Option<Rule>,
    timestamps: Vec<Offer>,
    timestamp_rule: Option<Rule>,
}

/// The services of one time, selected once for a run: a service that ends while the run
/// lasts is asked to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// The certificate authority, if one can be asked now.
    pub authority: Option<Service>,
    /// None if the file lists none, as of `timestamps`.
    pub logs: Option<Choice>,
    pub timestamps: Option<Choice>,
}

/// A service that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Of authorities for certificates and of logs the base, which ends with a
    /// slash; of timestamp authorities the whole.
    pub url: Url,
    /// The major version of its API.
    pub version: u32,
    /// Perhaps empty: all that say none count as one operator.
    pub operator: String,
}

/// Services of one version, at most one of each operator, the newest first, and
/// how many of them are asked. They are enough for the rule; those beyond it take the
/// place of one that fails.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    pub rule: Rule,
    pub services: Vec<Service>,
}

/// How many services have to vouch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    All,
    /// One, whichever.
    Any,
    /// So many, at least one.
    Exact(usize),
}

impl Service {
    /// The host of its address, by which messages name it.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl Choice {
    /// How many services have to vouch.
    pub fn wanted(&self) -> usize {
        match self.rule {
            Rule::All => self.services.len(),
            Rule::Any => 1,
            Rule::Exact(count) => count,
        }
    }
}

/// The versions of Rekor's API that a signatory can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RekorVersions {
    All,
    /// Entries of others cannot be stored at tags: the annotation is a promise, which
    /// Rekor v2 does not make.
    OnlyV1,
}

impl RekorVersions {
    fn numbers(self) -> &'static [u32] {
        match self {
            Self::All => &[1, 2],
            Self::OnlyV1 => &[1],
        }
    }
}

/// A list of a signing config, called in messages as the file calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Authorities,
    Logs,
    Timestamps,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorities => "caUrls",
            Self::Logs => "rekorTlogUrls",
            Self::Timestamps => "tsaUrls",
        })
    }
}

/// Bytes that are no signing config.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningConfigError {
    #[error("it has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it is not the JSON of a signing config, at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("it is no signing config v0.2, but `{0}`")]
    MediaType(String),
    #[error("it has more than {MAX_ENTRIES} entries in `{0}`")]
    TooMany(List),
    #[error("the URL of `{list}[{index}]` cannot be used: {reason}")]
    Url {
        list: List,
        index: usize,
        reason: &'static str,
    },
    #[error("the selector of `{list}` cannot be used: {reason}")]
    Rule { list: List, reason: &'static str },
}

debug_as_display!(SigningConfigError);

/// A signing config that has no services for a time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("none of its `{0}` is valid now and of a version that is known here")]
    NoneValid(List),
    #[error("it does not say how many of its `{0}` are to be asked")]
    NoRule(List),
    #[error("it wants {wanted} of its `{list}`, and has {there} of different operators")]
    TooFew {
        list: List,
        wanted: usize,
        there: usize,
    },
}

debug_as_display!(SelectError);

/// A service as listed: of any version, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    url: Url,
    version: u64,
    operator: String,
    valid: Validity,
}

impl SigningConfig {
    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// On what is no signing config of the one version that is read.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningConfigError> {
        if bytes.len() > MAX_LENGTH {
            return Err(SigningConfigError::TooLong);
        }
        let written: WrittenConfig =
            serde_json::from_slice(bytes).map_err(|error| SigningConfigError::Json {
                line: error.line(),
                column: error.column(),
            })?;
        let media_type = written.media_type.unwrap_or_default();
        if media_type != MEDIA_TYPE {
            return Err(SigningConfigError::MediaType(shown(&media_type)));
        }
        Ok(Self {
            authorities: offers(List::Authorities, written.authorities)?,
            logs: offers(List::Logs, written.logs)?,
            log_rule: rule(List::Logs, written.log_rule)?,
            timestamps: offers(List::Timestamps, written.timestamps)?,
            timestamp_rule: rule(List::Timestamps, written.timestamp_rule)?,
        })
    }

    /// The services to ask at a time.
    ///
    /// # Errors
    /// On logs and timestamp authorities that are listed, and too few to be
    /// asked. A certificate authority that cannot be asked is none: only an identity
    /// needs one, and then it is missed (EVD-59).
    pub fn select(&self, at: Timestamp, versions: RekorVersions) -> Result<Services, SelectError> {
        Ok(Services {
            // There is no rule for authorities: the newest is the one (EVD-54).
            authority: valid(&self.authorities, AUTHORITY_VERSIONS, at)
                .into_iter()
                .next(),
            logs: choice(
                List::Logs,
                &self.logs,
                self.log_rule,
                versions.numbers(),
                at,
            )?,
            timestamps: choice(
                List::Timestamps,
                &self.timestamps,
                self.timestamp_rule,
                TIMESTAMP_VERSIONS,
                at,
            )?,
        })
    }
}

/// `dev.sigstore.trustroot.v1.SigningConfig`. The issuers of tokens for people with
/// a browser (`oidcUrls`) are of no use here.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenConfig {
    #[serde(alias = "media_type")]
    media_type: Option<String>,
    #[serde(rename = "caUrls", alias = "ca_urls")]
    authorities: Option<Vec<WrittenService>>,
    #[serde(rename = "rekorTlogUrls", alias = "rekor_tlog_urls")]
    logs: Option<Vec<WrittenService>>,
    #[serde(rename = "rekorTlogConfig", alias = "rekor_tlog_config")]
    log_rule: Option<WrittenRule>,
    #[serde(rename = "tsaUrls", alias = "tsa_urls")]
    timestamps: Option<Vec<WrittenService>>,
    #[serde(rename = "tsaConfig", alias = "tsa_config")]
    timestamp_rule: Option<WrittenRule>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenService {
    url: Option<String>,
    #[serde(alias = "major_api_version")]
    major_api_version: Option<Number>,
    #[serde(alias = "valid_for")]
    valid_for: Option<WrittenRange>,
    operator: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WrittenRule {
    selector: Option<EnumValue>,
    count: Option<Number>,
}

/// # Errors
/// On too many, and on a URL that cannot be asked, also of a service that is not valid
/// now: a typo is found when it is made.
fn offers(
    list: List,
    written: Option<Vec<WrittenService>>,
) -> Result<Vec<Offer>, SigningConfigError> {
    let written = written.unwrap_or_default();
    if written.len() > MAX_ENTRIES {
        return Err(SigningConfigError::TooMany(list));
    }
    let offer = |(index, written): (usize, WrittenService)| {
        let text = written.url.unwrap_or_default();
        let url = url(list, &text).map_err(|reason| SigningConfigError::Url {
            list,
            index,
            reason,
        })?;
        Ok(Offer {
            url,
            version: written.major_api_version.unwrap_or_default().0,
            operator: written.operator.unwrap_or_default(),
            valid: written.valid_for.into(),
        })
    };
    written.into_iter().enumerate().map(offer).collect()
}

/// A timestamp authority may be told something by its query: its URL is complete. What
/// others are asked is appended to theirs, as a path.
///
/// Plain HTTP is allowed: what services answer is verified by the trusted root, and
/// private ones stand beside the build. A URL is shown in messages and receipts, so that
/// it must not hold a password.
fn url(list: List, text: &str) -> Result<Url, &'static str> {
    let mut url: Url = text.parse().map_err(|_| "it is no URL")?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("it is not HTTP");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user");
    }
    if url.fragment().is_some() {
        return Err("it has a fragment");
    }
    if list == List::Timestamps {
        return Ok(url);
    }
    if url.query().is_some() {
        return Err("it has a query");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The rule of a list; none if the selector is absent, which is an error only once the
/// list has services.
fn rule(list: List, written: Option<WrittenRule>) -> Result<Option<Rule>, SigningConfigError> {
    let written = written.unwrap_or_default();
    let wrong = |reason| SigningConfigError::Rule { list, reason };
    let selector = written.selector.unwrap_or_default();
    if selector.is("SERVICE_SELECTOR_UNDEFINED", 0) {
        return Ok(None);
    }
    if selector.is("ALL", 1) {
        return Ok(Some(Rule::All));
    }
    if selector.is("ANY", 2) {
        return Ok(Some(Rule::Any));
    }
    if !selector.is("EXACT", 3) {
        return Err(wrong("it is none of `ALL`, `ANY` and `EXACT`"));
    }
    match usize::try_from(written.count.unwrap_or_default().0) {
        Ok(0) => Err(wrong("`EXACT` has no `count`")),
        Ok(count) => Ok(Some(Rule::Exact(count))),
        Err(_) => Err(wrong("its `count` is too large")),
    }
}

/// The valid services of the highest version, the newest first, at most one of
/// each operator. Versions that are not spoken here do not count as highest: a client
/// may be older than the file.
fn valid(offers: &[Offer], versions: &[u32], at: Timestamp) -> Vec<Service> {
    let offers = offers.iter().filter(|offer| offer.valid.contains(at));
    let known = offers.filter_map(|offer| {
        let mut versions = versions.iter();
        let version = versions.find(|version| u64::from(**version) == offer.version)?;
        Some((*version, offer))
    });
    let mut known: Vec<_> = known.collect();
    let highest = known.iter().map(|(version, _)| *version).max();
    known.retain(|(version, _)| Some(*version) == highest);
    // Stable: of two that started together, the first of the file.
    known.sort_by_key(|(_, offer)| Reverse(offer.valid.start));
    let mut operators = HashSet::new();
    known.retain(|(_, offer)| operators.insert(&offer.operator));
    let service = |(version, offer): (u32, &Offer)| Service {
        url: offer.url.clone(),
        version,
        operator: offer.operator.clone(),
    };
    known.into_iter().map(service).collect()
}

fn choice(
    list: List,
    offers: &[Offer],
    rule: Option<Rule>,
    versions: &[u32],
    at: Timestamp,
) -> Result<Option<Choice>, SelectError> {
    if offers.is_empty() {
        return Ok(None);
    }
    let rule = rule.ok_or(SelectError::NoRule(list))?;
    let services = valid(offers, versions, at);
    if services.is_empty() {
        return Err(SelectError::NoneValid(list));
    }
    let choice = Choice { rule, services };
    match choice.services.len() {
        there if there < choice.wanted() => Err(SelectError::TooFew {
            list,
            wanted: choice.wanted(),
            there,
        }),
        _ => Ok(Some(choice)),
    }
}

#[cfg(test)]
mod tests;
