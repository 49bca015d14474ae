//! The witnesses of a config: its trusted root and signing config are read, services
//! are selected, and it is seen that the root trusts them (`spec/evidence.md`, "Trust").
//! A service whose word would not count is refused here, before anything is signed:
//! what it publishes could not be taken back.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tracing::warn;
use url::Url;

use crate::config::{self, CosignConfig, Format, WitnessFiles, WrittenKey};
use crate::http::{RedactedUrl, Zone};
use crate::phase::witnesses::{Witnesses, WitnessesError};
use crate::proof::certificate::Certificate;
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::{
    Choice, List, RekorVersions, Rule, SelectError, Service, Services, SigningConfig,
};
use crate::proof::trust::{Validity, host};
use crate::secret::Secret;
use crate::service::Variables;

/// Reads each file once.
pub(super) struct Reader<'a> {
    config: &'a CosignConfig,
    variables: &'a Variables,
    now: Timestamp,
    roots: HashMap<PathBuf, Arc<TrustedRoot>>,
    signing_configs: HashMap<PathBuf, Arc<SigningConfig>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(config: &'a CosignConfig, variables: &'a Variables, now: Timestamp) -> Self {
        Self {
            config,
            variables,
            now,
            roots: HashMap::new(),
            signing_configs: HashMap::new(),
        }
    }

    /// The witnesses of the signatures of `entry`; none if it names no files.
    ///
    /// # Errors
    /// On files that cannot be used, and on services that would vouch in vain.
    pub(super) fn of(
        &mut self,
        entry: &config::Config,
    ) -> Result<Option<Arc<Witnesses>>, WitnessesError> {
        let Some(files) = &entry.witnesses else {
            return Ok(None);
        };
        let root = self.root(files)?;
        let services = match &files.signing_config {
            None => Services::default(),
            Some(path) => {
                let path = self.config.resolve(path);
                let selected = self.select(&path, entry.format)?;
                let authority = selected.authority.clone();
                let services = trusted(selected, &root, self.now)?;
                if let WrittenKey::Identity(_) = &entry.key {
                    refuse_untrusted(authority, &services)?;
                }
                refuse_many_at_tags(entry.format, &services)?;
                // EVD-59: no cosign verifies a certificate's entry without a time. A key
                // alone needs none.
                if entry.certificate.leaf.is_some() && services.logs.is_some() {
                    refuse_no_time(&services)?;
                }
                warn_of_tags(entry, &services);
                services
            }
        };
        if let WrittenKey::Identity(_) = &entry.key {
            refuse_unproven(&services)?;
        }
        Ok(Some(Arc::new(Witnesses { root, services })))
    }

    fn root(&mut self, files: &WitnessFiles) -> Result<Arc<TrustedRoot>, WitnessesError> {
        let path = self.config.resolve(&files.trusted_root);
        if let Some(root) = self.roots.get(&path) {
            return Ok(Arc::clone(root));
        }
        let bytes = self.read(&path, "a trusted root")?;
        let root = TrustedRoot::parse(bytes.expose());
        let root = Arc::new(root.map_err(|source| WitnessesError::TrustedRoot {
            path: path.clone(),
            source,
        })?);
        self.roots.insert(path, Arc::clone(&root));
        Ok(root)
    }

    /// The services of a signing config for signatures of a format. A config of tags
    /// alone selects among logs of version 1, even where version 2 is newer (EVD-52);
    /// one that has only newer logs is refused in words of its own (EVD-58).
    fn select(&mut self, path: &Path, format: Format) -> Result<Services, WitnessesError> {
        let config = self.signing_config(path)?;
        let versions = match format {
            Format::Legacy => RekorVersions::OnlyV1,
            Format::Bundle | Format::Both => RekorVersions::All,
        };
        config.select(self.now, versions).map_err(|source| {
            let is_unfit = source == SelectError::NoneValid(List::Logs)
                && versions == RekorVersions::OnlyV1
                && config.select(self.now, RekorVersions::All).is_ok();
            match is_unfit {
                true => WitnessesError::OnlyV2,
                false => WitnessesError::Select {
                    path: path.to_owned(),
                    source,
                },
            }
        })
    }

    fn signing_config(&mut self, path: &Path) -> Result<Arc<SigningConfig>, WitnessesError> {
        if let Some(config) = self.signing_configs.get(path) {
            return Ok(Arc::clone(config));
        }
        let bytes = self.read(path, "a signing config")?;
        let config = SigningConfig::parse(bytes.expose());
        let config = Arc::new(config.map_err(|source| WitnessesError::SigningConfig {
            path: path.to_owned(),
            source,
        })?);
        let path = path.to_owned();
        self.signing_configs.insert(path, Arc::clone(&config));
        Ok(config)
    }

    fn read(&self, path: &Path, role: &str) -> Result<Secret, WitnessesError> {
        let read = self.variables.read_as(path, role);
        read.map_err(WitnessesError::File)
    }
}

/// Tags have no place for the entries of logs of version 2: cosign's annotation holds
/// a promise and a time, which those lack (EVD-58).
fn warn_of_tags(entry: &config::Config, services: &Services) {
    let mut logs = services.logs.iter().flat_map(|logs| &logs.services);
    if entry.format == Format::Both && logs.any(|log| log.version == 2) {
        let position = &entry.position;
        warn!(
            "only the bundles of the config at `{position}` will have entries of a log, not its tags: entries of version 2 have no place there"
        );
    }
}

/// A layer of a tag has one timestamp, and one entry of a log whose version has a
/// place there (EVD-97).
fn refuse_many_at_tags(format: Format, services: &Services) -> Result<(), WitnessesError> {
    let is_stored = |choice: &&Choice| choice.services.iter().all(|log| log.version == 1);
    let logs = services.logs.as_ref().filter(is_stored);
    let choices = [
        (List::Timestamps, services.timestamps.as_ref()),
        (List::Logs, logs),
    ];
    for (list, choice) in choices {
        let wanted = choice.map_or(0, Choice::wanted);
        if format.has_tags() && wanted > 1 {
            return Err(WitnessesError::ManyAtTags { list, wanted });
        }
    }
    Ok(())
}

/// A certificate of an identity is worth nothing from an authority that was selected and
/// that the root does not trust (EVD-57).
fn refuse_untrusted(selected: Option<Service>, trusted: &Services) -> Result<(), WitnessesError> {
    match (selected, &trusted.authority) {
        (Some(Service { url, .. }), None) => {
            let list = List::Authorities;
            Err(WitnessesError::Untrusted { list, url })
        }
        _ => Ok(()),
    }
}

/// A certificate of an identity has to be proven to have been used in its few minutes
/// (EVD-59). Its authority is shown the token, with which anybody is the identity: in
/// plain HTTP only on this machine.
fn refuse_unproven(services: &Services) -> Result<(), WitnessesError> {
    let Some(authority) = &services.authority else {
        return Err(WitnessesError::NoAuthority);
    };
    if authority.url.scheme() != "https" && Zone::of(&authority.url) != Zone::Loopback {
        return Err(WitnessesError::Plain(authority.url.clone()));
    }
    refuse_no_time(services)
}

/// Verifiers that ask for an entry of a certificate's signature ask for its time,
/// too, which entries of version 2 do not have (EVD-33).
fn refuse_no_time(services: &Services) -> Result<(), WitnessesError> {
    let mut logs = services.logs.iter().flat_map(|logs| &logs.services);
    let has_time = services.timestamps.is_some() || logs.any(|log| log.version == 1);
    match has_time {
        true => Ok(()),
        false => Err(WitnessesError::NoTime),
    }
}

/// The services whose word would count (EVD-57). Where any will do, those that nobody
/// trusts are left out: what they are sent may be public for ever. An authority that
/// nobody trusts counts as absent, which is an error for identities alone.
fn trusted(
    services: Services,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<Services, WitnessesError> {
    let logs = root.logs.iter();
    let logs = logs.map(|log| Known::new(&log.base_url, log.valid, ("", &log.id)));
    let logs: Vec<_> = logs.collect();
    let stamps = root.timestamp_authorities.iter();
    let stamps = stamps.map(|stamp| {
        let anchor = stamp.certificates.last();
        let anchor = anchor.map_or(&[][..], Certificate::as_der);
        Known::new(&stamp.url, stamp.valid, (&stamp.url, anchor))
    });
    let stamps: Vec<_> = stamps.collect();
    let authorities = root.authorities.iter();
    let authorities = authorities.map(|one| Known::new(&one.url, one.valid, (&one.url, &[])));
    let authorities: Vec<_> = authorities.collect();
    let is_authority = |service: &Service| !may_be(&service.url, &authorities, now).is_empty();
    let choice = |list, choice: Option<Choice>, known: &[Known<'_>]| {
        let trusted = choice.map(|choice| of_choice(list, choice, known, now));
        let distinct = trusted.map(|choice| distinct(list, choice?, known, now));
        distinct.transpose()
    };
    Ok(Services {
        authority: services.authority.filter(is_authority),
        logs: choice(List::Logs, services.logs, &logs)?,
        timestamps: choice(List::Timestamps, services.timestamps, &stamps)?,
    })
}

/// A witness as evidence is counted: a log by its id, a timestamp authority by its URL and
/// its root.
type WitnessId<'a> = (&'a str, &'a [u8]);

/// A witness of a trusted root.
struct Known<'a> {
    address: &'a str,
    valid: Validity,
    id: WitnessId<'a>,
}

impl<'a> Known<'a> {
    fn new(address: &'a str, valid: Validity, id: WitnessId<'a>) -> Self {
        Self { address, valid, id }
    }
}

/// The services of a choice that the root trusts, if enough of them are left for its
/// rule.
fn of_choice(
    list: List,
    mut choice: Choice,
    known: &[Known<'_>],
    now: Timestamp,
) -> Result<Choice, WitnessesError> {
    let wanted = choice.wanted();
    let is_untrusted = |url: &Url| may_be(url, known, now).is_empty();
    let mut untrusted = choice.services.iter().map(|service| &service.url);
    let Some(url) = untrusted.find(|url| is_untrusted(url)).cloned() else {
        return Ok(choice);
    };
    choice
        .services
        .retain(|service| !is_untrusted(&service.url));
    if choice.rule == Rule::All || choice.services.len() < wanted {
        return Err(WitnessesError::Untrusted { list, url });
    }
    warn!("`{url}` is not asked: the trusted root has nothing that is valid now for it");
    Ok(choice)
}

/// The services of a choice without those that can be no other witness than one before
/// them, if enough are left for its rule: where several have to vouch, a second entry of
/// the same log is worth nothing, and public for ever (EVD-98).
fn distinct(
    list: List,
    mut choice: Choice,
    known: &[Known<'_>],
    now: Timestamp,
) -> Result<Choice, WitnessesError> {
    let wanted = choice.wanted();
    if wanted < 2 {
        return Ok(choice);
    }
    let (mut met, mut twice) = (HashMap::new(), None);
    choice.services.retain(|service| {
        let may_be = may_be(&service.url, known, now);
        let others: Option<Vec<&Url>> = may_be.iter().map(|id| met.get(id)).collect();
        if let Some(other) = others.iter().flatten().next() {
            twice.get_or_insert([&service.url, *other].map(RedactedUrl::from));
            return false;
        }
        if may_be.len() == 1 {
            met.extend(may_be.into_iter().map(|id| (id, service.url.clone())));
        }
        true
    });
    match twice {
        Some([url, other]) if choice.rule == Rule::All || choice.services.len() < wanted => {
            Err(WitnessesError::Twice { list, url, other })
        }
        Some([url, other]) => {
            warn!("`{url}` is not asked: by the trusted root it is the same witness as `{other}`");
            Ok(choice)
        }
        None => Ok(choice),
    }
}

/// The witnesses of the root, valid now, one of which a service is. The root may know it
/// by another host, as the origin of its checkpoints or from within a cluster: then
/// anybody of the kind may be it, and the answer, which is verified, tells.
fn may_be<'a>(url: &Url, known: &[Known<'a>], now: Timestamp) -> BTreeSet<WitnessId<'a>> {
    let is_at = |known: &&Known<'_>| {
        // A URL has its host in lower case.
        let (own, other) = (host(url.as_str()), host(known.address));
        own.eq_ignore_ascii_case(other)
    };
    let is_known = known.iter().any(|known| is_at(&known));
    let may_be = known.iter().filter(|known| !is_known || is_at(known));
    let valid = may_be.filter(|known| known.valid.contains(now));
    valid.map(|known| known.id).collect()
}

#[cfg(test)]
mod tests;
