//! The inputs of a run: a flag wins over the environment, which wins over the
//! default (Platform API specification, "Usage").
//!
//! The only reader of the environment. An empty variable counts as unset, but
//! for `COSIGN_PASSWORD`: the empty password is one.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::http::{Proxies, ProxyVariable};
use crate::oci::Namespace;
use crate::oci::reference::NotAReference;
use crate::phase::{Formats, Limits};
use crate::secret::Secret;
use crate::store::registry::credentials::{ConfigLocations, Identities};

use super::flags::{Flags, identities, strictness};
use super::go;
use super::limits::{self, SETTINGS};
use super::line::{Colour, InvalidFormat, InvalidLevel, LogFormat, LogLevel};

const LAYERS: &str = "/layers";
const REPORT: &str = "report.toml";
/// For one registry, from its first failure on (SIG-45).
const RETRY_BUDGET: Duration = Duration::from_secs(2 * 60);
/// For the whole run, all hosts together (SIG-46).
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The variables that the signer reads, as they are. Variables by which keys, services
/// and clouds are found are not among them: [`Environment::lookup`] gives these.
#[derive(Debug, Default)]
pub struct Environment {
    /// `CNB_PLATFORM_API`
    pub platform_api: Option<OsString>,
    /// `COSIGN_PASSWORD`; set but empty it is the empty password (SIG-12).
    pub cosign_password: Option<Secret>,
    /// `CNB_REGISTRY_AUTH`
    pub registry_auth: Option<Secret>,
    /// `DOCKER_AUTH_CONFIG`
    pub docker_auth_config: Option<Secret>,
    /// `DOCKER_CONFIG`, a folder
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`
    pub registry_auth_file: Option<PathBuf>,
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub xdg_config_home: Option<PathBuf>,
    /// `PATH`, where credential helpers are looked for
    pub path: Option<OsString>,
    /// `SSL_CERT_FILE`
    pub ssl_cert_file: Option<PathBuf>,
    /// `SSL_CERT_DIR`, folders with colons between them
    pub ssl_cert_dir: Option<OsString>,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, or else the same in lower case;
    /// and `REQUEST_METHOD`, as in Go's `httpproxy` (SIG-63, SIG-65). The URLs are
    /// secrets: they may hold a password.
    pub proxies: Proxies,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970
    pub source_date_epoch: Option<OsString>,
    fallbacks: Fallbacks,
}

/// The variables that stand in for flags. They are kept as text: a flag that wins
/// over its variable also saves the run from a bad value there.
#[derive(Debug, Default)]
struct Fallbacks {
    cosign_config: Option<OsString>,
    group_id: Option<OsString>,
    insecure_registries: Option<OsString>,
    layers: Option<OsString>,
    /// By their names.
    limits: HashMap<&'static str, OsString>,
    log_format: Option<OsString>,
    log_level: Option<OsString>,
    no_ambient_credentials: Option<OsString>,
    no_color: Option<OsString>,
    /// `NO_COLOR`, which many programs know
    no_color_of_all: Option<OsString>,
    report: Option<OsString>,
    strict_formats: Option<OsString>,
    user_id: Option<OsString>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::collect(&|name| std::env::var_os(name))
    }

    /// The variables that say where files with credentials are.
    pub(super) fn config_locations(&self) -> ConfigLocations {
        ConfigLocations {
            home: self.home.clone(),
            docker_config: self.docker_config.clone(),
            registry_auth_file: self.registry_auth_file.clone(),
            xdg_runtime_dir: self.xdg_runtime_dir.clone(),
            xdg_config_home: self.xdg_config_home.clone(),
        }
    }

    /// The variables of this process, by name: those of key services are many,
    /// and a key may be in any.
    pub fn lookup() -> impl Fn(&str) -> Option<OsString> + Send + Sync + 'static {
        |name| std::env::var_os(name)
    }

    /// The environment that `lookup` knows; tests and fuzzers have one of their own.
    /// An empty variable counts as unset, as in the lifecycle (SIG-4).
    pub fn collect(lookup: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let file = |name: &str| variable(name).map(PathBuf::from);
        let secret = |name: &str| variable(name).map(into_secret);
        let proxy = |name: &'static str| {
            let value = secret(name)?;
            Some(ProxyVariable { name, value })
        };
        Self {
            platform_api: variable("CNB_PLATFORM_API"),
            cosign_password: lookup("COSIGN_PASSWORD").map(into_secret),
            registry_auth: secret("CNB_REGISTRY_AUTH"),
            docker_auth_config: secret("DOCKER_AUTH_CONFIG"),
            docker_config: file("DOCKER_CONFIG"),
            registry_auth_file: file("REGISTRY_AUTH_FILE"),
            home: file("HOME"),
            xdg_runtime_dir: file("XDG_RUNTIME_DIR"),
            xdg_config_home: file("XDG_CONFIG_HOME"),
            path: variable("PATH"),
            ssl_cert_file: file("SSL_CERT_FILE"),
            ssl_cert_dir: variable("SSL_CERT_DIR"),
            // Go takes the upper case first, one variable at a time.
            proxies: Proxies {
                http: proxy("HTTP_PROXY").or_else(|| proxy("http_proxy")),
                https: proxy("HTTPS_PROXY").or_else(|| proxy("https_proxy")),
                none: variable("NO_PROXY").or_else(|| variable("no_proxy")),
                is_cgi: variable("REQUEST_METHOD").is_some(),
            },
            source_date_epoch: variable("SOURCE_DATE_EPOCH"),
            fallbacks: Fallbacks {
                cosign_config: variable("CNB_COSIGN_CONFIG_PATH"),
                group_id: variable("CNB_GROUP_ID"),
                insecure_registries: variable("CNB_INSECURE_REGISTRIES"),
                layers: variable("CNB_LAYERS_DIR"),
                limits: SETTINGS
                    .iter()
                    .filter_map(|limit| Some((limit.variable, variable(limit.variable)?)))
                    .collect(),
                log_format: variable("CNB_LOG_FORMAT"),
                log_level: variable("CNB_LOG_LEVEL"),
                no_ambient_credentials: variable("CNB_NO_AMBIENT_CREDENTIALS"),
                no_color: variable("CNB_NO_COLOR"),
                no_color_of_all: variable("NO_COLOR"),
                report: variable("CNB_REPORT_PATH"),
                strict_formats: variable("CNB_STRICT_FORMATS"),
                user_id: variable("CNB_USER_ID"),
            },
        }
    }
}

fn into_secret(value: OsString) -> Secret {
    Secret::new(value.into_vec())
}

/// The least important lines that the log shows: `-log-level`.
///
/// # Errors
/// On a level that is none.
pub fn log_level(flags: &Flags, environment: &Environment) -> Result<LogLevel, InvalidLevel> {
    let variable = environment.fallbacks.log_level.as_ref();
    let level = flags.log_level.as_ref().or(variable);
    level.map_or(Ok(LogLevel::default()), |level| {
        level.to_string_lossy().parse()
    })
}

/// The reader of the log, a person or a machine: `-log-format`.
///
/// # Errors
/// On a format that is none.
pub fn log_format(flags: &Flags, environment: &Environment) -> Result<LogFormat, InvalidFormat> {
    let variable = environment.fallbacks.log_format.as_ref();
    let format = flags.log_format.as_ref().or(variable);
    format.map_or(Ok(LogFormat::default()), |format| {
        format.to_string_lossy().parse()
    })
}

/// Whether the log is coloured: `-no-color`, or a variable that asks for none.
pub fn colour(flags: &Flags, environment: &Environment) -> Colour {
    let fallbacks = &environment.fallbacks;
    // The lifecycle takes garbage for `false`. Any value of the other variables
    // means yes (no-color.org).
    let own = fallbacks.no_color.as_deref().and_then(go::boolean);
    let without_flag = match own == Some(true) || fallbacks.no_color_of_all.is_some() {
        true => Colour::Off,
        false => Colour::On,
    };
    flags.colour.unwrap_or(without_flag)
}

/// The inputs of a run. Paths are relative to the working directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Whether the run ends before it signs (SIG-93).
    pub is_check: bool,
    /// Where to write what is to be signed elsewhere, in place of signing.
    pub generate: Option<PathBuf>,
    /// `cosign.toml`
    pub cosign_config: PathBuf,
    /// `report.toml`
    pub report: PathBuf,
    /// Where to write the receipt.
    pub receipt: Option<PathBuf>,
    /// The registries that are used without verified TLS.
    pub insecure_registries: Vec<Namespace>,
    /// How much of an image is read.
    pub limits: Limits,
    /// How long to wait before looking for signers that ran at the same time; none
    /// is a time that the run measures, zero does not look at all
    /// (`spec/decisions/0007`).
    pub settle: Option<Duration>,
    /// The treatment of a run that mixes forms with others.
    pub formats: Formats,
    /// The identities that registries may be shown.
    pub identities: Identities,
    /// For how long a failing registry is asked again; zero asks nothing twice.
    pub retry_budget: Duration,
    /// How long the run may take, from the start of the process.
    pub timeout: Duration,
    /// The user to change to; none is no change, and not root as in the lifecycle
    /// (SIG-16).
    pub uid: Option<u32>,
    /// The group to change to; likewise.
    pub gid: Option<u32>,
    /// The time of creation that stored objects state; nothing if unset.
    pub created: Option<Timestamp>,
    /// Warnings about values that were read otherwise than they look.
    pub warnings: Vec<String>,
}

impl Inputs {
    /// Resolves flags over environment over defaults. No file is touched.
    ///
    /// # Errors
    /// On arguments after the flags, `-check` beside `-generate`, no `cosign.toml`, an
    /// insecure registry that is no registry, and a limit that is no size.
    pub fn resolve(flags: Flags, environment: &Environment) -> Result<Self, InputsError> {
        let fallbacks = &environment.fallbacks;
        if !flags.arguments.is_empty() {
            return Err(InputsError::Arguments(flags.arguments.len()));
        }
        let generate = path(flags.generate, &None);
        if flags.check && generate.is_some() {
            return Err(InputsError::CheckAndGenerate);
        }
        let report = path(flags.report, &fallbacks.report).unwrap_or_else(|| {
            path(flags.layers, &fallbacks.layers)
                .unwrap_or_else(|| LAYERS.into())
                .join(REPORT)
        });
        let mut warnings = Vec::new();
        let mut id = |flag, name, variable: &Option<OsString>| match (flag, variable) {
            (None, Some(text)) => id(name, text, &mut warnings).map(Some),
            (flag, _) => Ok(flag),
        };
        let uid = id(flags.uid, "CNB_USER_ID", &fallbacks.user_id)?;
        let gid = id(flags.gid, "CNB_GROUP_ID", &fallbacks.group_id)?;
        Ok(Self {
            is_check: flags.check,
            generate,
            cosign_config: path(flags.cosign_config, &fallbacks.cosign_config)
                .ok_or(InputsError::NoCosignConfig)?,
            report,
            receipt: path(flags.receipt, &None),
            insecure_registries: insecure_registries(
                &flags.insecure_registries,
                &fallbacks.insecure_registries,
            )?,
            limits: read_limits(&flags.limits, &fallbacks.limits)?,
            settle: flags.settle,
            formats: flags.formats.unwrap_or_else(|| {
                let variable = &fallbacks.strict_formats;
                strictness(is_on("CNB_STRICT_FORMATS", variable, &mut warnings))
            }),
            identities: flags.identities.unwrap_or_else(|| {
                let variable = &fallbacks.no_ambient_credentials;
                identities(is_on("CNB_NO_AMBIENT_CREDENTIALS", variable, &mut warnings))
            }),
            retry_budget: flags.retry_budget.unwrap_or(RETRY_BUDGET),
            timeout: flags.timeout.unwrap_or(TIMEOUT),
            uid,
            gid,
            created: created(environment.source_date_epoch.as_deref(), &mut warnings),
            warnings,
        })
    }
}

/// A flag, or else a variable. A platform that passes on a parameter which is
/// empty by default means that it was not given.
fn path(flag: Option<PathBuf>, variable: &Option<OsString>) -> Option<PathBuf> {
    flag.filter(|path| !path.as_os_str().is_empty())
        .or_else(|| variable.as_ref().map(PathBuf::from))
}

/// An id from a variable. The lifecycle takes garbage for 0 (`platform`, `intEnv`),
/// which is root: hence the warning. A number that no user has is refused, as it is for a
/// flag (SIG-4).
fn id(name: &'static str, text: &OsStr, warnings: &mut Vec<String>) -> Result<u32, InputsError> {
    match go::id(text) {
        Ok(id) => Ok(id),
        Err(go::RANGE) => Err(InputsError::Id(BadVariable::new(name, text, go::RANGE))),
        Err(_) => {
            let text = text.to_string_lossy();
            warnings.push(format!("`{name}` is no id but `{text}`, which counts as 0"));
            Ok(0)
        }
    }
}

/// The variable of a switch. Garbage counts as `false`, as in the lifecycle; a
/// guard that is off by mistake is worth a warning.
fn is_on(name: &str, variable: &Option<OsString>, warnings: &mut Vec<String>) -> bool {
    let Some(text) = variable else {
        return false;
    };
    go::boolean(text).unwrap_or_else(|| {
        let text = text.to_string_lossy();
        warnings.push(format!(
            "`{name}` is no boolean but `{text}`, which counts as `false`"
        ));
        false
    })
}

/// The time of `SOURCE_DATE_EPOCH`. Garbage counts as unset.
fn created(variable: Option<&OsStr>, warnings: &mut Vec<String>) -> Option<Timestamp> {
    let text = variable?.to_string_lossy();
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    if time.is_none() {
        warnings.push(format!(
            "`SOURCE_DATE_EPOCH` is no number of seconds but `{text}`, which counts as unset"
        ));
    }
    time
}

fn insecure_registries(
    flags: &[OsString],
    variable: &Option<OsString>,
) -> Result<Vec<Namespace>, InputsError> {
    // As in the lifecycle, a repeatable flag adds to the variable. Unlike there,
    // an empty entry is nothing, and not every registry: Tekton's task
    // `buildpacks-phases` 0.3 passes the variable's value as one flag, and that is
    // empty by default. So a flag is split at commas as the variable is.
    let written = variable.iter().chain(flags);
    let mut registries = Vec::new();
    for list in written {
        for entry in list.as_bytes().split(|byte| *byte == b',') {
            let entry = String::from_utf8_lossy(entry);
            let entry = entry.trim();
            if !entry.is_empty() {
                let registry = entry.parse().map_err(InputsError::InsecureRegistry)?;
                if !registries.contains(&registry) {
                    registries.push(registry);
                }
            }
        }
    }
    Ok(registries)
}

fn read_limits(
    flags: &BTreeMap<&'static str, u64>,
    variables: &HashMap<&'static str, OsString>,
) -> Result<Limits, InputsError> {
    limits::resolve(|limit| {
        let flag = flags.get(limit.flag).copied();
        match (flag, variables.get(limit.variable)) {
            (None, Some(text)) => go::size(text)
                .map(Some)
                .map_err(|reason| BadVariable::new(limit.variable, text, reason))
                .map_err(InputsError::Limit),
            (flag, _) => Ok(flag),
        }
    })
}

/// Inputs that cannot be used. Messages start as the lifecycle's.
#[derive(PartialEq, Eq, thiserror::Error)]
pub enum InputsError {
    #[error("failed to parse arguments: received {0} arguments, but expected 0")]
    Arguments(usize),
    #[error("failed to parse arguments: `-generate-key-pair` signs nothing")]
    KeyPairAlone,
    #[error("failed to parse arguments: `-check` and `-generate` cannot both be done")]
    CheckAndGenerate,
    #[error("failed to parse arguments: `-generate` has nothing to do: no config has `signatures`")]
    NothingElsewhere,
    #[error("failed to parse arguments: `-cosign-config` is required")]
    NoCosignConfig,
    #[error("failed to resolve inputs: cannot use an insecure registry")]
    InsecureRegistry(#[source] NotAReference),
    #[error("failed to resolve inputs: {0}")]
    Id(BadVariable),
    #[error("failed to resolve inputs: {0}")]
    Limit(BadVariable),
}

debug_as_display!(InputsError);

/// A variable whose value is no value of its flag.
#[derive(PartialEq, Eq, thiserror::Error)]
#[error("invalid value {value} of `{variable}`: {reason}")]
pub struct BadVariable {
    variable: &'static str,
    value: String,
    reason: &'static str,
}

debug_as_display!(BadVariable);

impl BadVariable {
    fn new(variable: &'static str, text: &OsStr, reason: &'static str) -> Self {
        let value = go::quoted(text);
        Self {
            variable,
            value,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
