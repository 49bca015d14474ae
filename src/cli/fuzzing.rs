//! Fuzz targets for flags and variables.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::inputs::{colour, log_format, log_level};
use super::line::escaped;
use super::platform_api::negotiate;
use super::{Environment, Failure, Flags, Inputs, Invocation, go, hint};
use crate::oci::fuzzing::assert_readable;

/// One argument per line; `$NAME=value` is a variable.
pub fn command_line(data: &[u8]) {
    let mut variables = HashMap::new();
    let mut arguments = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        match line.strip_prefix(b"$") {
            Some(variable) => {
                let mut parts = variable.splitn(2, |byte| *byte == b'=');
                let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
                let value = parts.next().unwrap_or_default().to_vec();
                variables.insert(name.into_owned(), OsString::from_vec(value));
            }
            None => arguments.push(OsString::from_vec(line.to_vec())),
        }
    }
    let environment = Environment::collect(&|name| variables.get(name).cloned());
    if let Err(error) = negotiate(environment.platform_api.as_deref()) {
        assert!(hint::of(&Failure::PlatformApi(error)).is_some());
    }
    let looks = |flags: &Flags| (colour(flags, &environment), log_format(flags, &environment));
    let gleaned = looks(&Flags::gleaned(&arguments));
    let flags = match Invocation::parse(arguments) {
        Ok(Invocation::Run(flags)) => flags,
        Ok(Invocation::Help | Invocation::Version) => return,
        Err(error) => {
            assert!(!error.to_string().contains(['\u{1b}', '\u{9b}', '\n']));
            return;
        }
    };
    assert!(flags.unconsumed().count() <= flags.arguments.len());
    assert_eq!(gleaned, looks(&flags));
    let _ = log_level(&flags, &environment);
    match Inputs::resolve(flags, &environment) {
        Ok(inputs) => {
            let ids = [inputs.uid, inputs.gid];
            assert!(!ids.contains(&Some(u32::MAX)));
            for registry in inputs.insecure_registries {
                assert_eq!(registry.to_string().parse(), Ok(registry));
            }
        }
        Err(error) => {
            assert_readable(&error);
            assert!(hint::of(&Failure::Inputs(error)).is_some());
        }
    }
}

/// A value as each of the types that Go's `flag` knows.
pub fn go_values(data: &[u8]) {
    let text = OsStr::from_bytes(data);
    let _ = go::boolean(text);
    if let Ok(id) = go::id(text) {
        assert!(id != u32::MAX);
        assert_eq!(go::id(OsStr::new(&id.to_string())), Ok(id));
    }
    if let Ok(duration) = go::duration(text) {
        assert!(duration.as_nanos() <= i64::MAX as u128);
        let nanoseconds = format!("{}ns", duration.as_nanos());
        assert_eq!(go::duration(OsStr::new(&nanoseconds)), Ok(duration));
    }
    let quoted = go::quoted(text);
    assert!(quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"'));
    assert_eq!(escaped(&quoted), quoted);
}
