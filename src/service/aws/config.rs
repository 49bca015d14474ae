//! The settings of AWS that have nothing to do with credentials: region,
//! endpoints, TLS (KEY-85). Variables win over the profile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;
use url::Url;

use super::partition::{Region, Variant};
use super::profiles::{Profiles, ProfilesForm, Section};
use crate::http::{OwnTls, Redacted, Request, UnfitTls, Zone};
use crate::service::{AwsApi, Trouble, Variables, host_of};

const DEFAULT_PROFILE: &str = "default";

/// The settings, read.
pub(super) struct AwsConfig {
    pub(super) variables: Variables,
    pub(super) profiles: Profiles,
    /// The profile's name.
    pub(super) profile: String,
    /// The variable that chooses it, if one does.
    pub(super) chosen_by: Option<&'static str>,
    own_tls: Option<Arc<OwnTls>>,
    variant: Variant,
    /// One warning of plain HTTP is enough for a run.
    is_warned: AtomicBool,
}

/// Where a service is asked.
#[derive(Clone, Debug)]
pub struct AwsEndpoint {
    pub(super) api: AwsApi,
    pub(super) url: Url,
    pub(super) region: Region,
}

impl AwsEndpoint {
    /// Its host, and its port if that is not its scheme's.
    pub fn host(&self) -> String {
        host_of(&self.url)
    }
}

impl AwsConfig {
    /// # Errors
    /// On a file that is there and cannot be read, and on a bundle without
    /// certificates. A region is asked for when one is needed: an ARN has its own.
    pub(super) fn read(variables: &Variables) -> Result<Self, Trouble> {
        let chosen = variables.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);
        let (profile, chosen_by) = match chosen {
            Some((variable, name)) => (name, Some(variable)),
            None => (DEFAULT_PROFILE.to_owned(), None),
        };
        let mut config = Self {
            variables: variables.clone(),
            profiles: profiles(variables)?,
            profile,
            chosen_by,
            own_tls: None,
            variant: Variant::default(),
            is_warned: AtomicBool::new(false),
        };
        config.variant = Variant {
            fips: config.is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dual_stack: config.is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        };
        // cosign's own variable, which takes no other value.
        let insecure = variables.text("AWS_TLS_INSECURE_SKIP_VERIFY");
        config.own_tls = match insecure.as_deref() {
            Some("1") => {
                warn!("AWS is asked without verifying its certificate");
                Some(Arc::new(OwnTls::new().trusting_anybody()))
            }
            _ => config.read_bundle()?,
        };
        Ok(config)
    }

    pub(super) fn section(&self) -> Option<&Section> {
        self.profiles.profile(&self.profile)
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.section()?.get(name)
    }

    /// `true` in any case and nothing else, as AWS's tools read it.
    fn is_on(&self, variable: &'static str, name: &str) -> bool {
        match self.variables.text(variable) {
            Some(text) => text.eq_ignore_ascii_case("true"),
            None => self
                .setting(name)
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }

    /// The region of the variables, or else of the profile.
    pub(super) fn region(&self) -> Result<Region, Trouble> {
        let variable = self.variables.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let (name, text) = match (variable, self.setting("region")) {
            (Some((name, text)), _) => (name, text),
            (None, Some(text)) => ("region", text.to_owned()),
            (None, None) => return Err(Trouble::NotSet("AWS_REGION")),
        };
        Region::parse(&text).ok_or_else(|| Trouble::setting(name, "it is no region's name"))
    }

    /// Where a service is asked in a region.
    pub(super) fn endpoint(&self, api: AwsApi, region: &Region) -> Result<AwsEndpoint, Trouble> {
        let url = match self.endpoint_url(api) {
            Some((name, text)) => http_url(&name, &text)?,
            None => {
                let host = region.host(api, self.variant);
                http_url("AWS_REGION", &format!("https://{host}"))?
            }
        };
        self.warn_of_plain(&url);
        let region = region.clone();
        Ok(AwsEndpoint { api, url, region })
    }

    /// The setting that names an endpoint, in the order of the SDKs and Tools
    /// Reference Guide, "Service-specific endpoints".
    fn endpoint_url(&self, api: AwsApi) -> Option<(String, String)> {
        let is_ignored = self.is_on(
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            "ignore_configured_endpoint_urls",
        );
        if is_ignored {
            return None;
        }
        let (own, inner) = match api {
            AwsApi::Kms => ("AWS_ENDPOINT_URL_KMS", "kms.endpoint_url"),
            AwsApi::Sts => ("AWS_ENDPOINT_URL_STS", "sts.endpoint_url"),
            AwsApi::Ecr => ("AWS_ENDPOINT_URL_ECR", "ecr.endpoint_url"),
            AwsApi::EcrPublic => ("AWS_ENDPOINT_URL_ECR_PUBLIC", "ecr_public.endpoint_url"),
        };
        if let Some((name, text)) = self.variables.first(&[own, "AWS_ENDPOINT_URL"]) {
            return Some((name.to_owned(), text));
        }
        let services = self.setting("services");
        let services = services.and_then(|name| self.profiles.services(name));
        let of_service = services.and_then(|section| section.get(inner));
        let text = of_service.or_else(|| self.setting("endpoint_url"))?;
        Some(("endpoint_url".to_owned(), text.to_owned()))
    }

    fn warn_of_plain(&self, url: &Url) {
        let is_plain = url.scheme() == "http" && Zone::of(url) != Zone::Loopback;
        if is_plain && !self.is_warned.swap(true, Ordering::Relaxed) {
            warn!("`{}` is asked without TLS", Redacted(url));
        }
    }

    /// `AWS_CA_BUNDLE`, or the profile's `ca_bundle`: authorities in place of the
    /// machine's.
    fn read_bundle(&self) -> Result<Option<Arc<OwnTls>>, Trouble> {
        let variable = self.variables.path("AWS_CA_BUNDLE");
        let (name, path) = match (variable, self.setting("ca_bundle")) {
            (Some(path), _) => ("AWS_CA_BUNDLE", path),
            (None, Some(path)) => ("ca_bundle", path.into()),
            (None, None) => return Ok(None),
        };
        let pem = self.variables.read(&path)?;
        let own = OwnTls::new().trusting(pem.expose());
        let own = own.map_err(|reason| match reason {
            UnfitTls::NoCertificate => Trouble::setting(name, "it holds no certificate in PEM"),
            _ => Trouble::setting(name, "its certificates cannot be used"),
        })?;
        Ok(Some(Arc::new(own)))
    }

    /// Gives a request to AWS its TLS.
    pub(super) fn protect(&self, request: &mut Request) {
        request.own_tls = self.own_tls.clone();
    }
}

/// A URL of HTTP that a setting of this name holds. A query would be signed as
/// well, which `sigv4` does not do.
pub(super) fn http_url(name: &str, text: &str) -> Result<Url, Trouble> {
    let url = Url::parse(text).ok();
    let is_fit = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    url.filter(is_fit)
        .ok_or_else(|| Trouble::setting(name, "it is no URL of a server"))
}

/// Both files, that of credentials last: its settings count before the other's.
fn profiles(variables: &Variables) -> Result<Profiles, Trouble> {
    let mut profiles = Profiles::default();
    let home = variables.home();
    for (variable, file, form) in [
        ("AWS_CONFIG_FILE", "config", ProfilesForm::Config),
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            "credentials",
            ProfilesForm::Credentials,
        ),
    ] {
        let named = variables.path(variable);
        let usual = || Some(home.as_ref()?.join(".aws").join(file));
        let Some(path) = named.or_else(usual) else {
            continue;
        };
        // AWS's own readers take a file that is not there for an empty one.
        let Some(bytes) = variables.read_if_there(&path)? else {
            continue;
        };
        let text = String::from_utf8_lossy(bytes.expose());
        let text = zeroize::Zeroizing::new(text.into_owned());
        profiles.add(&text, form);
    }
    Ok(profiles)
}
