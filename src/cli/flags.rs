//! The flags, in the grammar of Go's package `flag`: `-x v`, `-x=v`, with one
//! dash or two; a switch takes a value only after `=`; parsing stops at the
//! first argument that is no flag, or after `--`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::go;
use super::limits;
use super::log::{Colour, escaped};

/// What the command line asks for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it lives shortly"
)]
pub enum Request {
    /// `-h`: [`usage`] on stderr, exit code 0.
    Help,
    /// `-version`: the version on stdout, exit code 0.
    Version,
    Run(Flags),
}

/// The flags as given: `None` is a flag that was not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub cosign_config: Option<PathBuf>,
    pub gid: Option<u32>,
    pub insecure_registries: Vec<OsString>,
    pub layers: Option<PathBuf>,
    /// By their flags.
    pub limits: BTreeMap<&'static str, u64>,
    pub log_level: Option<OsString>,
    pub colour: Option<Colour>,
    pub receipt: Option<PathBuf>,
    pub report: Option<PathBuf>,
    pub retry_budget: Option<Duration>,
    pub settle: Option<Duration>,
    pub timeout: Option<Duration>,
    pub uid: Option<u32>,
    /// What follows the flags; the signer takes no arguments.
    pub arguments: Vec<OsString>,
}

/// How Go's `flag` treats a flag, and what it calls its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Duration,
    /// Bytes, with a binary unit or without.
    Size,
    /// A number of something else.
    Count,
    Repeated,
    Switch,
}

struct Definition {
    name: &'static str,
    kind: Kind,
    usage: &'static str,
    default: &'static str,
}

const fn define(name: &'static str, kind: Kind, usage: &'static str) -> Definition {
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
const DEFINITIONS: [Definition; 19] = [
    define("cosign-config", Kind::Text, "path to cosign.toml"),
    define(
        "gid",
        Kind::Integer,
        "GID to change to before writing anything (without it: no change)",
    ),
    define(
        "image-config-limit",
        Kind::Size,
        "largest image config that is read",
    )
    .or("16MiB"),
    define(
        "insecure-registry",
        Kind::Repeated,
        "registry to use without verified TLS (repeatable)",
    ),
    define("layers", Kind::Text, "path to layers directory").or("/layers"),
    define("log-level", Kind::Text, "logging level").or("info"),
    define(
        "manifest-limit",
        Kind::Size,
        "largest manifest that is read",
    )
    .or("4MiB"),
    define("no-color", Kind::Switch, "disable color output"),
    define("receipt", Kind::Text, "path to write the receipt to"),
    define("report", Kind::Text, "path to report.toml").or("<layers>/report.toml"),
    define(
        "retry-budget",
        Kind::Duration,
        "time for which a registry that fails is asked again (0: never)",
    )
    .or("2m0s"),
    define(
        "sbom-entries-limit",
        Kind::Count,
        "most entries of an SBOM layer that are read",
    )
    .or("10000"),
    define(
        "sbom-expanded-limit",
        Kind::Size,
        "largest size of an SBOM layer once it is decompressed",
    )
    .or("2GiB"),
    define(
        "sbom-layer-limit",
        Kind::Size,
        "largest SBOM layer that is read, as it is stored",
    )
    .or("512MiB"),
    define(
        "sbom-ratio-limit",
        Kind::Count,
        "most times its size that an SBOM layer may expand to beyond 64MiB",
    )
    .or("200"),
    define(
        "settle",
        Kind::Duration,
        "time to wait before looking for signers that ran at the same time (0: do not look)",
    ),
    define(
        "timeout",
        Kind::Duration,
        "time that all requests may take together",
    )
    .or("10m0s"),
    define(
        "uid",
        Kind::Integer,
        "UID to change to before writing anything (without it: no change)",
    ),
    define("version", Kind::Switch, "show version"),
];

/// The list of flags as Go prints it, with a newline at the end.
pub fn usage() -> String {
    let mut text = String::from("Usage of signer:\n");
    for flag in &DEFINITIONS {
        let (value, quote) = match flag.kind {
            Kind::Text => (" string", "\""),
            Kind::Integer => (" int", ""),
            Kind::Duration => (" duration", ""),
            Kind::Size => (" size", ""),
            Kind::Count => (" uint", ""),
            Kind::Repeated => (" value", ""),
            Kind::Switch => ("", ""),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "  -{}{value}\n    \t{}", flag.name, flag.usage);
        if !flag.default.is_empty() {
            let _ = write!(text, " (default {quote}{}{quote})", flag.default);
        }
        text.push('\n');
    }
    text
}

impl Request {
    /// Parses the arguments without the program's name.
    ///
    /// # Errors
    /// On a flag that is not defined, has no value or a bad one: the message on
    /// stderr, [`usage`] after it, exit code 2.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, FlagError> {
        let mut arguments = arguments.into_iter();
        let mut flags = Flags::default();
        let mut version = false;
        while let Some(argument) = arguments.next() {
            let Some(body) = body(&argument)? else {
                if argument != "--" {
                    flags.arguments.push(argument);
                }
                break;
            };
            let (name, value) = split_value(body);
            let Some(flag) = DEFINITIONS.iter().find(|flag| flag.name == name) else {
                if name == "help" || name == "h" {
                    return Ok(Self::Help);
                }
                return Err(FlagError::NotDefined(shown(name)));
            };
            if flag.kind == Kind::Switch {
                let on = switched(flag.name, value)?;
                match flag.name {
                    "version" => version = on,
                    _ => flags.colour = Some(if on { Colour::Off } else { Colour::On }),
                }
                continue;
            }
            let value = value
                .map(OsStr::to_owned)
                .or_else(|| arguments.next())
                .ok_or(FlagError::NeedsArgument(flag.name))?;
            flags.set(flag.name, value)?;
        }
        flags.arguments.extend(arguments);
        Ok(if version {
            Self::Version
        } else {
            Self::Run(flags)
        })
    }
}

impl Flags {
    fn set(&mut self, name: &'static str, value: OsString) -> Result<(), FlagError> {
        let refuse = |reason| FlagError::BadValue {
            name,
            value: go::quoted(&value),
            reason,
        };
        match name {
            "gid" => self.gid = Some(go::id(&value).map_err(refuse)?),
            "uid" => self.uid = Some(go::id(&value).map_err(refuse)?),
            "retry-budget" => self.retry_budget = Some(go::duration(&value).map_err(refuse)?),
            "timeout" => {
                let time = go::duration(&value).and_then(|time| {
                    let is_time = !time.is_zero();
                    is_time.then_some(time).ok_or("must be more than 0")
                });
                self.timeout = Some(time.map_err(refuse)?);
            }
            "settle" => self.settle = Some(go::duration(&value).map_err(refuse)?),
            "insecure-registry" => self.insecure_registries.push(value),
            "log-level" => self.log_level = Some(value),
            "cosign-config" => self.cosign_config = Some(value.into()),
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

/// A flag without its dashes; `None` is the end of the flags.
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

fn shown(argument: &OsStr) -> String {
    escaped(&argument.to_string_lossy()).into_owned()
}

/// A bad flag. The message is Go's, to the letter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Request, FlagError> {
        Request::parse(arguments.iter().map(OsString::from))
    }

    fn flags(arguments: &[&str]) -> Flags {
        match parse(arguments) {
            Ok(Request::Run(flags)) => flags,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    fn refusal(arguments: &[&str]) -> String {
        parse(arguments).unwrap_err().to_string()
    }

    /// SIG-2
    #[test]
    fn one_dash_or_two_and_a_space_or_an_equals_sign_mean_the_same() {
        for arguments in [
            &["-report", "x"][..],
            &["-report=x"],
            &["--report", "x"],
            &["--report=x"],
        ] {
            let expected = Flags {
                report: Some("x".into()),
                ..Flags::default()
            };
            assert_eq!(flags(arguments), expected);
        }
    }

    #[test]
    fn every_flag_arrives() {
        let given = flags(&[
            "-report",
            "r",
            "-cosign-config=c",
            "--layers",
            "l",
            "-log-level=debug",
            "-no-color",
            "-uid",
            "1000",
            "-gid=0x3e9",
            "-insecure-registry",
            "a",
            "-insecure-registry=b,c",
            "-receipt",
            "q",
            "-settle=1.5s",
            "-retry-budget=0",
            "-timeout",
            "1m30s",
            "-manifest-limit=8MiB",
            "-image-config-limit",
            "1",
            "-sbom-layer-limit=1GiB",
            "-sbom-expanded-limit=4GiB",
            "-sbom-ratio-limit=1000",
            "-sbom-entries-limit=50000",
            "-version=false",
        ]);
        let expected = Flags {
            cosign_config: Some("c".into()),
            gid: Some(1001),
            insecure_registries: vec!["a".into(), "b,c".into()],
            layers: Some("l".into()),
            limits: BTreeMap::from([
                ("image-config-limit", 1),
                ("manifest-limit", 8 << 20),
                ("sbom-entries-limit", 50_000),
                ("sbom-expanded-limit", 4 << 30),
                ("sbom-layer-limit", 1 << 30),
                ("sbom-ratio-limit", 1000),
            ]),
            log_level: Some("debug".into()),
            colour: Some(Colour::Off),
            receipt: Some("q".into()),
            report: Some("r".into()),
            retry_budget: Some(Duration::ZERO),
            settle: Some(Duration::from_millis(1500)),
            timeout: Some(Duration::from_secs(90)),
            uid: Some(1000),
            arguments: Vec::new(),
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn a_value_may_look_like_a_flag_or_hold_an_equals_sign() {
        assert_eq!(flags(&["-report", "-x"]).report, Some("-x".into()));
        assert_eq!(flags(&["-report=a=b"]).report, Some("a=b".into()));
        assert_eq!(flags(&["-report="]).report, Some("".into()));
        assert_eq!(flags(&["-report", "--"]).report, Some("--".into()));
    }

    #[test]
    fn the_last_of_a_repeated_flag_wins() {
        let given = flags(&["-report=a", "-no-color", "-report=b", "-no-color=F"]);
        assert_eq!(given.report, Some("b".into()));
        assert_eq!(given.colour, Some(Colour::On));
    }

    #[test]
    fn a_switch_takes_no_value_from_the_next_argument() {
        let given = flags(&["-no-color", "false"]);
        assert_eq!(given.colour, Some(Colour::Off));
        assert_eq!(given.arguments, ["false"]);
    }

    /// SIG-2
    #[test]
    fn flags_end_at_the_first_argument_or_two_dashes() {
        for (arguments, rest) in [
            (&["a", "-no-color"][..], &["a", "-no-color"][..]),
            (&["-", "-no-color"], &["-", "-no-color"]),
            (&["--", "-no-color"], &["-no-color"]),
            (&["", "-no-color"], &["", "-no-color"]),
            (&["--", "--"], &["--"]),
            (&["--"], &[]),
        ] {
            let given = flags(arguments);
            assert_eq!(given.arguments, rest, "{arguments:?}");
            assert_eq!(given.colour, None, "{arguments:?}");
        }
    }

    /// SIG-3
    #[test]
    fn flag_like_arguments_are_named_as_the_lifecycle_does() {
        let given = flags(&["a", "-b", "--report\u{1b}[1m", ""]);
        let lines: Vec<_> = given.unconsumed().collect();
        assert_eq!(
            lines,
            [
                "\t-b\n\t This will not be interpreted as a flag.\n\t Did you mean to put this \
                 before the first positional argument?",
                "\t--report\\u{1b}[1m\n\t This will not be interpreted as a flag.\n\t Did you \
                 mean to put this before the first positional argument?",
            ]
        );
    }

    /// SIG-2
    #[test]
    fn bad_flags_are_refused_in_the_words_of_go() {
        for (arguments, message) in [
            (&["-x"][..], "flag provided but not defined: -x"),
            (&["--x=1"], "flag provided but not defined: -x"),
            (&["-Report=x"], "flag provided but not defined: -Report"),
            (&["-daemon"], "flag provided but not defined: -daemon"),
            (&["-report"], "flag needs an argument: -report"),
            (&["---"], "bad flag syntax: ---"),
            (&["---x"], "bad flag syntax: ---x"),
            (&["-=x"], "bad flag syntax: -=x"),
            (&["--=x"], "bad flag syntax: --=x"),
            (
                &["-no-color=maybe"],
                "invalid boolean value \"maybe\" for -no-color: parse error",
            ),
            (
                &["-no-color="],
                "invalid boolean value \"\" for -no-color: parse error",
            ),
            (
                &["-uid=a\"b"],
                "invalid value \"a\\\"b\" for flag -uid: parse error",
            ),
            (
                &["-gid", ""],
                "invalid value \"\" for flag -gid: parse error",
            ),
            (
                &["-uid", "99999999999999999999"],
                "invalid value \"99999999999999999999\" for flag -uid: value out of range",
            ),
            (
                &["-uid=-1"],
                "invalid value \"-1\" for flag -uid: value out of range",
            ),
            (
                &["-settle", "5"],
                "invalid value \"5\" for flag -settle: parse error",
            ),
            (
                &["-settle=-1s"],
                "invalid value \"-1s\" for flag -settle: must not be negative",
            ),
            (
                &["-retry-budget", "-1s"],
                "invalid value \"-1s\" for flag -retry-budget: must not be negative",
            ),
            (
                &["-sbom-layer-limit=512MB"],
                "invalid value \"512MB\" for flag -sbom-layer-limit: parse error",
            ),
            (
                &["-manifest-limit", "0"],
                "invalid value \"0\" for flag -manifest-limit: must be more than 0",
            ),
            (
                &["-timeout=0s"],
                "invalid value \"0s\" for flag -timeout: must be more than 0",
            ),
        ] {
            assert_eq!(refusal(arguments), message);
        }
    }

    /// SIG-2
    #[test]
    fn help_wins_over_what_follows_and_loses_to_an_error_before() {
        for arguments in [
            &["-h"][..],
            &["--help"],
            &["-no-color", "-h", "-x"],
            &["-h=1"],
        ] {
            assert!(
                matches!(parse(arguments), Ok(Request::Help)),
                "{arguments:?}"
            );
        }
        assert!(parse(&["-x", "-h"]).is_err());
    }

    /// SIG-2
    #[test]
    fn the_version_is_shown_after_all_flags_were_understood() {
        assert!(matches!(
            parse(&["-version", "-log-level=debug", "x"]),
            Ok(Request::Version)
        ));
        assert!(matches!(
            parse(&["-version", "-version=0"]),
            Ok(Request::Run(_))
        ));
        assert!(parse(&["-version", "-x"]).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_a_path_or_an_error() {
        let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let Ok(Request::Run(given)) = Request::parse([bytes(b"-report=\xff")]) else {
            panic!()
        };
        assert_eq!(given.report, Some(bytes(b"\xff").into()));
        let error = Request::parse([bytes(b"-\xff=1")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "flag provided but not defined: -\u{fffd}"
        );
        let error = Request::parse([bytes(b"-uid=\xff")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid value \"\\xff\" for flag -uid: parse error"
        );
    }

    /// SIG-2
    #[test]
    fn the_usage_has_the_layout_of_go() {
        let usage = usage();
        assert!(
            usage.starts_with(
                "Usage of signer:\n  -cosign-config string\n    \tpath to cosign.toml\n  -gid int\n"
            ),
            "{usage}"
        );
        for part in [
            "\n  -insecure-registry value\n    \t",
            "\n  -layers string\n    \tpath to layers directory (default \"/layers\")\n",
            "\n  -log-level string\n    \tlogging level (default \"info\")\n",
            "\n  -manifest-limit size\n    \tlargest manifest that is read (default 4MiB)\n",
            "\n  -sbom-entries-limit uint\n    \t",
            "\n  -no-color\n    \tdisable color output\n",
            "\n  -report string\n    \tpath to report.toml (default \"<layers>/report.toml\")\n",
            "\n  -retry-budget duration\n    \t",
            " (default 2m0s)\n",
            "\n  -settle duration\n    \t",
            "\n  -timeout duration\n    \t",
            " (default 10m0s)\n",
        ] {
            assert!(usage.contains(part), "{part}");
        }
        assert!(usage.ends_with("\n  -version\n    \tshow version\n"));
    }

    /// SIG-47
    #[test]
    fn every_limit_has_a_flag_with_its_default() {
        let default = |setting: &limits::Setting| {
            let flag = DEFINITIONS.iter().find(|flag| flag.name == setting.flag);
            let (_, value) = limits::parse(setting.flag, flag.unwrap().default.as_ref())
                .unwrap()
                .unwrap();
            Ok::<_, ()>(Some(value))
        };
        let limits = limits::resolve(default);
        assert_eq!(limits, Ok(crate::phase::Limits::default()));
    }

    #[test]
    fn the_flags_are_sorted_by_name() {
        assert!(DEFINITIONS.is_sorted_by_key(|flag| flag.name));
    }
}
