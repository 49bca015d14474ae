//! `gcpkms://` URIs, in the grammar of sigstore v1.10 `pkg/signature/kms/gcp`.

use std::fmt;

use crate::keys::error::UriError;

const FORM: &str = "gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/V]";
/// The longest part of a key's name: twice what Google allows for rings and keys.
const LONGEST: usize = 128;

/// A key of Google Cloud KMS, and one of its versions if the user chose it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoogleUri {
    /// `projects/…/cryptoKeys/…`, a part of the URL's path as it stands: [`is_part`]
    /// lets nothing in that would have to be escaped.
    pub(in crate::keys) name: String,
    pub(in crate::keys) version: Option<String>,
}

impl GoogleUri {
    /// Parses the part behind `gcpkms://`. Printed, it has the long name of a version.
    ///
    /// # Errors
    /// On a text of another form.
    pub fn parse(rest: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "gcpkms://",
            reason,
            form: FORM,
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let (key, version) = match parts.split_at_checked(8) {
            Some((key, [])) => (key, None),
            // Older versions of cosign know the short name alone (cosign#2094).
            Some((key, ["cryptoKeyVersions" | "versions", version])) => (key, Some(*version)),
            _ => {
                return Err(malformed(
                    "it does not name project, location, ring and key",
                ));
            }
        };
        let [
            "projects",
            _,
            "locations",
            _,
            "keyRings",
            _,
            "cryptoKeys",
            _,
        ] = key
        else {
            return Err(malformed("its parts have other names"));
        };
        if !key.iter().all(|part| is_part(part)) {
            return Err(malformed("one of its parts is no name"));
        }
        // Versions are compared as numbers; so many digits fit into one.
        let is_number =
            |version: &str| version.len() < 20 && version.bytes().all(|byte| byte.is_ascii_digit());
        match version {
            Some(version) if version.is_empty() || !is_number(version) => {
                Err(malformed("its version is no number"))
            }
            version => Ok(Self {
                name: key.join("/"),
                version: version.map(str::to_owned),
            }),
        }
    }
}

/// A project's name may have a domain before a colon.
fn is_part(part: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !part.is_empty()
        && part.len() <= LONGEST
        && part.bytes().all(is_allowed)
        && !part.bytes().all(|byte| byte == b'.')
}

impl fmt::Display for GoogleUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gcpkms://{}", self.name)?;
        match &self.version {
            Some(version) => write!(f, "/cryptoKeyVersions/{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "projects/p.com:x-1/locations/europe-west3/keyRings/r_1/cryptoKeys/K";

    #[test]
    fn a_key_is_named_with_or_without_its_version() {
        let printed = |rest: &str| GoogleUri::parse(rest).map(|key| key.to_string());
        assert_eq!(printed(KEY), Ok(format!("gcpkms://{KEY}")));
        let versioned = format!("{KEY}/cryptoKeyVersions/12");
        assert_eq!(printed(&versioned), Ok(format!("gcpkms://{versioned}")));
        let short = printed(&format!("{KEY}/versions/12"));
        assert_eq!(short, Ok(format!("gcpkms://{versioned}")));
    }

    #[test]
    fn other_names_are_refused() {
        for rest in [
            "",
            "/",
            "projects/p",
            "projects//locations/l/keyRings/r/cryptoKeys/k",
            "projects/../locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k?x=1",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/latest",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/1/x",
            "projects/p/places/l/keyRings/r/cryptoKeys/k",
        ] {
            let parsed = GoogleUri::parse(rest);
            assert!(matches!(parsed, Err(UriError::Malformed { .. })), "{rest}");
        }
    }
}
