//! The flags, in the grammar of Go's package `flag`: `-x v`, `-x=v`, with one
//! dash or two; a switch takes a value only after `=`; parsing stops at the
//! first argument that is no flag, or after `--`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::go;
use super::limits;
use super::line::{Colour, escaped};
use crate::phase::Formats;
use crate::store::registry::credentials::Identities;

/// The command line's request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it lives shortly"
)]
pub enum Invocation {
    /// `-h`: flags, variables and exit codes on stderr, exit code 0.
    Help,
    /// `-version`: the version on stdout, exit code 0.
    Version,
    Run(Flags),
}

/// The flags as given: `None` is a flag that was not there. Of a flag that stands
/// there twice the last one counts, as in Go, but for repeatable ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub check: bool,
    pub cosign_config: Option<PathBuf>,
    /// A folder for what is to be signed elsewhere.
    pub generate: Option<PathBuf>,
    pub gid: Option<u32>,
    /// The prefix of the files of a new key pair.
    pub key_pair: Option<PathBuf>,
    pub insecure_registries: Vec<OsString>,
    pub layers: Option<PathBuf>,
    /// By their flags.
    pub limits: BTreeMap<&'static str, u64>,
    /// As text: a bad one is an input that cannot be used, exit code 3, and no bad
    /// flag (SIG-71, SIG-83).
    pub log_format: Option<OsString>,
    /// Likewise.
    pub log_level: Option<OsString>,
    pub colour: Option<Colour>,
    pub receipt: Option<PathBuf>,
    pub report: Option<PathBuf>,
    pub retry_budget: Option<Duration>,
    pub settle: Option<Duration>,
    pub formats: Option<Formats>,
    pub identities: Option<Identities>,
    pub timeout: Option<Duration>,
    pub uid: Option<u32>,
    /// The arguments after the flags; the signer takes none.
    pub arguments: Vec<OsString>,
}

/// How Go's `flag` parses a flag, and its word for the flag's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagKind {
    Text,
    /// The id of a user or a group.
    Integer,
    /// With units, as `1m30s`.
    Duration,
    /// Bytes, with a binary unit or without.
    Size,
    /// A number of anything but bytes.
    Count,
    /// Each occurrence adds to the ones before.
    Repeated,
    /// Takes a value only after `=`: the next argument is none.
    Switch,
}

/// One flag, as the usage text shows it. Its default is text alone: `inputs`,
/// `limits` and `phase` hold the values, and tests compare the two.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) kind: FlagKind,
    pub(super) usage: &'static str,
    /// Empty where the flag has none.
    pub(super) default: &'static str,
}

const fn define(name: &'static str, kind: FlagKind, usage: &'static str) -> Definition {
    Definition {
        name,
        kind,
        usage,
        default: "",
    }
}

impl Definition {
    const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// In the order of the usage text, which Go sorts by name.
pub(super) const DEFINITIONS: [Definition; 25] = [
    define(
        "check",
        FlagKind::Switch,
        "find out whether a run would go well, and write and sign nothing",
    ),
    define("cosign-config", FlagKind::Text, "path to cosign.toml"),
    define(
        "generate",
        FlagKind::Text,
        "folder to write to what is to be signed elsewhere; nothing is signed",
    ),
    define(
        "generate-key-pair",
        FlagKind::Text,
        "write a new key to <value>.key and <value>.pub, and sign nothing",
    ),
    define(
        "gid",
        FlagKind::Integer,
        "GID to change to before writing anything (without it: no change)",
    ),
    define(
        "image-config-limit",
        FlagKind::Size,
        "largest image config that is read",
    )
    .or("16MiB"),
    define(
        "insecure-registry",
        FlagKind::Repeated,
        "registry to use without verified TLS (repeatable)",
    ),
    define("layers", FlagKind::Text, "path to layers directory").or("/layers"),
    define(
        "log-format",
        FlagKind::Text,
        "`text`, or `json`: one object on each line",
    )
    .or("text"),
    define("log-level", FlagKind::Text, "logging level").or("info"),
    define(
        "manifest-limit",
        FlagKind::Size,
        "largest manifest that is read",
    )
    .or("4MiB"),
    define(
        "no-ambient-credentials",
        FlagKind::Switch,
        "log in to no registry by the identity that this machine has in its cloud",
    ),
    define("no-color", FlagKind::Switch, "disable color output"),
    define("receipt", FlagKind::Text, "path to write the receipt to"),
    define("report", FlagKind::Text, "path to report.toml").or("<layers>/report.toml"),
    define(
        "retry-budget",
        FlagKind::Duration,
        "time for which a registry that fails is asked again (0: never)",
    )
    .or("2m0s"),
    define(
        "sbom-entries-limit",
        FlagKind::Count,
        "most entries of an SBOM layer that are read",
    )
    .or("10000"),
    define(
        "sbom-expanded-limit",
        FlagKind::Size,
        "largest size of an SBOM layer once it is decompressed",
    )
    .or("2GiB"),
    define(
        "sbom-layer-limit",
        FlagKind::Size,
        "largest SBOM layer that is read, as it is stored",
    )
    .or("512MiB"),
    define(
        "sbom-ratio-limit",
        FlagKind::Count,
        "most times its size that an SBOM layer may expand to beyond 64MiB",
    )
    .or("200"),
    define(
        "settle",
        FlagKind::Duration,
        "time to wait before looking for signers that ran at the same time (0: do not look)",
    ),
    define(
        "strict-formats",
        FlagKind::Switch,
        "refuse to hide signatures of others by bundles, or to be hidden by theirs",
    ),
    define("timeout", FlagKind::Duration, "time that the run may take").or("10m0s"),
    define(
        "uid",
        FlagKind::Integer,
        "UID to change to before writing anything (without it: no change)",
    ),
    define("version", FlagKind::Switch, "show version"),
];

/// All flags, without their dashes.
pub(super) fn names() -> [&'static str; DEFINITIONS.len()] {
    DEFINITIONS.each_ref().map(|flag| flag.name)
}

impl Invocation {
    /// Parses the arguments without the program's name. As in Go, `-h` answers at
    /// once, `-version` only if all flags before and after it are good (SIG-2).
    ///
    /// # Errors
    /// On a flag that is not defined, has no value or a bad one: the message on
    /// stderr, the list of flags after it, exit code 2.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, FlagError> {
        let mut arguments = arguments.into_iter();
        let mut given = Given::default();
        while let Some(step) = given.step(&mut arguments) {
            if step? == Step::Help {
                return Ok(Self::Help);
            }
        }
        given.flags.arguments.extend(arguments);
        Ok(match given.version {
            true => Self::Version,
            false => Self::Run(given.flags),
        })
    }
}

/// The flags parsed so far.
#[derive(Default)]
struct Given {
    flags: Flags,
    version: bool,
}

/// The role of one argument.
#[derive(PartialEq, Eq)]
enum Step {
    Flag,
    Help,
}

impl Given {
    /// Takes a flag with its value; nothing where the flags end.
    fn step(
        &mut self,
        arguments: &mut impl Iterator<Item = OsString>,
    ) -> Option<Result<Step, FlagError>> {
        let argument = arguments.next()?;
        match body(&argument) {
            Ok(Some(body)) => Some(self.take(body, arguments)),
            Ok(None) => {
                // `--` ends the flags and is gone; any other argument, a mere `-`
                // included, is the first of those that are no flags.
                if argument != "--" {
                    self.flags.arguments.push(argument);
                }
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn take(
        &mut self,
        body: &OsStr,
        arguments: &mut impl Iterator<Item = OsString>,
    ) -> Result<Step, FlagError> {
        let (name, value) = split_value(body);
        let Some(flag) = DEFINITIONS.iter().find(|flag| flag.name == name) else {
            // Go knows these two unless a program defines them.
            if name == "help" || name == "h" {
                return Ok(Step::Help);
            }
            return Err(FlagError::NotDefined(shown(name)));
        };
        if flag.kind == FlagKind::Switch {
            let on = switched(flag.name, value)?;
            match flag.name {
                "version" => self.version = on,
                "check" => self.flags.check = on,
                "no-ambient-credentials" => self.flags.identities = Some(identities(on)),
                "strict-formats" => self.flags.formats = Some(strictness(on)),
                "no-color" => self.flags.colour = Some(if on { Colour::Off } else { Colour::On }),
                // A test finds a switch that is defined and not taken here.
                _ => return Err(FlagError::NotDefined(flag.name.to_owned())),
            }
            return Ok(Step::Flag);
        }
        // The next argument is the value whatever it looks like, a dash included.
        let value = value
            .map(OsStr::to_owned)
            .or_else(|| arguments.next())
            .ok_or(FlagError::NeedsArgument(flag.name))?;
        self.flags.set(flag.name, value)?;
        Ok(Step::Flag)
    }
}

impl Flags {
    /// The flags of a command line that may have bad arguments: an error in the
    /// arguments is reported in the format that its good flags ask for,
    /// wherever they stand.
    pub fn gleaned(arguments: &[OsString]) -> Self {
        let mut given = Given::default();
        let mut arguments = arguments.iter().cloned().peekable();
        while let Some(step) = given.step(&mut arguments) {
            // An unknown flag may take a value: the next argument is passed
            // over as that value.
            if matches!(step, Err(FlagError::NotDefined(_))) {
                arguments.next_if(|next| !next.as_bytes().starts_with(b"-"));
            }
        }
        given.flags
    }

    fn set(&mut self, name: &'static str, value: OsString) -> Result<(), FlagError> {
        let refuse = |reason| FlagError::BadValue {
            name,
            value: go::quoted(&value),
            reason,
        };
        match name {
            "generate-key-pair" => {
                // `keys/` would make the hidden file `keys/.key`.
                if value.as_bytes().ends_with(b"/") {
                    return Err(refuse("must end with a name"));
                }
                // An empty path is one that was not given (SIG-4).
                self.key_pair = Some(value)
                    .filter(|value| !value.is_empty())
                    .map(Into::into);
            }
            "gid" => self.gid = Some(go::id(&value).map_err(refuse)?),
            "uid" => self.uid = Some(go::id(&value).map_err(refuse)?),
            "retry-budget" => self.retry_budget = Some(go::duration(&value).map_err(refuse)?),
            // Not 0, unlike the other two times, which that switches off (SIG-2).
            "timeout" => {
                let time = go::duration(&value).and_then(|time| {
                    let is_time = !time.is_zero();
                    is_time.then_some(time).ok_or("must be more than 0")
                });
                self.timeout = Some(time.map_err(refuse)?);
            }
            "settle" => self.settle = Some(go::duration(&value).map_err(refuse)?),
            "insecure-registry" => self.insecure_registries.push(value),
            "log-format" => self.log_format = Some(value),
            "log-level" => self.log_level = Some(value),
            "cosign-config" => self.cosign_config = Some(value.into()),
            "generate" => self.generate = Some(value.into()),
            "layers" => self.layers = Some(value.into()),
            "receipt" => self.receipt = Some(value.into()),
            "report" => self.report = Some(value.into()),
            _ => match limits::parse(name, &value) {
                Some(limit) => {
                    let (name, limit) = limit.map_err(refuse)?;
                    self.limits.insert(name, limit);
                }
                None => return Err(FlagError::NotDefined(name.to_owned())),
            },
        }
        Ok(())
    }

    /// The arguments that look like flags but came too late to be one, each
    /// with the lifecycle's lines below its warning.
    pub fn unconsumed(&self) -> impl Iterator<Item = String> + use<'_> {
        self.arguments
            .iter()
            .filter(|argument| argument.as_bytes().starts_with(b"-"))
            .map(|argument| {
                format!(
                    "\t{}\n\t This will not be interpreted as a flag.\n\t Did you mean to put \
                     this before the first positional argument?",
                    shown(argument)
                )
            })
    }
}

/// A flag without its dashes; `None` is the end of the flags. An argument counts by
/// its bytes: paths need not be UTF-8.
fn body(argument: &OsStr) -> Result<Option<&OsStr>, FlagError> {
    let bytes = argument.as_bytes();
    let body = match bytes {
        b"--" | b"-" => return Ok(None),
        [b'-', b'-', body @ ..] | [b'-', body @ ..] => body,
        _ => return Ok(None),
    };
    match body.first() {
        None | Some(b'-' | b'=') => Err(FlagError::BadSyntax(shown(argument))),
        Some(_) => Ok(Some(OsStr::from_bytes(body))),
    }
}

fn split_value(body: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let mut parts = body.as_bytes().splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    (OsStr::from_bytes(name), parts.next().map(OsStr::from_bytes))
}

fn switched(name: &'static str, value: Option<&OsStr>) -> Result<bool, FlagError> {
    match value {
        None => Ok(true),
        Some(value) => go::boolean(value).ok_or_else(|| FlagError::BadSwitch {
            name,
            value: go::quoted(value),
        }),
    }
}

/// The treatment of a run that mixes forms, by its switch.
pub(super) fn strictness(is_on: bool) -> Formats {
    match is_on {
        true => Formats::Strict,
        false => Formats::Mixed,
    }
}

/// The identities that count, by the switch that turns some of them off.
pub(super) fn identities(is_on: bool) -> Identities {
    match is_on {
        true => Identities::Written,
        false => Identities::Ambient,
    }
}

/// An argument as a message repeats it. Go prints it as it is, control characters
/// included.
fn shown(argument: &OsStr) -> String {
    escaped(&argument.to_string_lossy()).into_owned()
}

/// A bad flag. The message is Go's, to the letter (package `flag`, Go 1.26).
#[derive(PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("bad flag syntax: {0}")]
    BadSyntax(String),
    #[error("flag provided but not defined: -{0}")]
    NotDefined(String),
    #[error("flag needs an argument: -{0}")]
    NeedsArgument(&'static str),
    #[error("invalid boolean value {value} for -{name}: parse error")]
    BadSwitch { name: &'static str, value: String },
    #[error("invalid value {value} for flag -{name}: {reason}")]
    BadValue {
        name: &'static str,
        value: String,
        reason: &'static str,
    },
}

debug_as_display!(FlagError);

#[cfg(test)]
mod tests;
