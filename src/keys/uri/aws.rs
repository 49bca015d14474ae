//! `awskms://[HOST[:PORT]]/ID`, as sigstore v1.10 `pkg/signature/kms/aws` reads
//! it, and with every partition in an ARN: that one knows three (KEY-80).

use std::fmt;

use url::Url;

use crate::keys::error::UriError;

/// Or an id, or an ARN, in the place of the alias.
const FORM: &str = "awskms:///alias/NAME";

/// The resource of an `awskms` URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsUri {
    /// Where KMS is asked, with its port, if not where AWS has it; always by HTTPS,
    /// as in cosign.
    pub host: Option<String>,
    /// An id, an alias, or the ARN of either.
    pub id: String,
}

impl AwsUri {
    /// Parses the part behind `awskms://`.
    ///
    /// # Errors
    /// On a text of another form.
    pub fn parse(rest: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "awskms://",
            reason,
            form: FORM,
        };
        let (host, id) = rest.split_once('/').unwrap_or((rest, ""));
        // The most frequent slip: the id stands where a host would. A host may not be
        // called `alias` for its sake.
        if is_id(rest) || host == "alias" {
            return Err(malformed("a third slash is missing before the key"));
        }
        if id.is_empty() {
            return Err(malformed("it names no key"));
        }
        if !is_id(id) {
            return Err(malformed(
                "the key is neither an id, nor an alias, nor the ARN of either",
            ));
        }
        let host = match host {
            "" => None,
            host if is_host(host) => Some(host.to_owned()),
            _ => return Err(malformed("there is no host before the key")),
        };
        let id = id.to_owned();
        Ok(Self { host, id })
    }

    /// The region that an ARN names. cosign does not look at it, so that an ARN of
    /// another region than `AWS_REGION` fails there.
    pub fn region(&self) -> Option<&str> {
        self.id
            .starts_with("arn:")
            .then(|| self.id.split(':').nth(3))?
    }
}

impl fmt::Display for AwsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        write!(f, "awskms://{host}/{}", self.id)
    }
}

/// Whether the text is a host with or without a port, and nothing that a parser of URLs
/// would take for something else: `\` is a slash to it, and `@` ends a user's name.
fn is_host(host: &str) -> bool {
    let url = Url::parse(&format!("https://{host}/")).ok();
    url.is_some_and(|url| {
        url.has_host() && url.username().is_empty() && url.password().is_none() && url.path() == "/"
    }) && !host.contains(['?', '#', '\\', '@'])
}

fn is_id(id: &str) -> bool {
    match id.strip_prefix("arn:") {
        Some(arn) => is_arn(arn),
        None => is_alias(id) || is_key(id),
    }
}

fn is_arn(arn: &str) -> bool {
    let mut parts = arn.splitn(5, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (partition, service, region, account, resource) = (part(), part(), part(), part(), part());
    let is_name = |text: &str| {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(is_allowed)
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_resource = is_alias(resource) || resource.strip_prefix("key/").is_some_and(is_key);
    partition.starts_with("aws")
        && is_name(partition)
        && service == "kms"
        && is_name(region)
        && is_account
        && is_resource
}

/// With `alias/` before it, 256 characters at most (KMS API Reference, `CreateAlias`).
fn is_alias(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let name = id.strip_prefix("alias/").unwrap_or_default();
    (1..=250).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// A UUID, or the like of a key in several regions.
fn is_key(id: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && is_hex(digits),
        None => {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && id.split('-').all(is_hex)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    /// KEY-80
    #[test]
    fn every_form_of_cosign_names_a_key() {
        let arn = |region: &str, resource: &str| {
            format!("awskms:///arn:aws:kms:{region}:123456789012:{resource}")
        };
        for (uri, region) in [
            (format!("awskms:///{UUID}"), None),
            (format!("awskms:///mrk-{}", "a1".repeat(16)), None),
            ("awskms:///alias/aws/team_1-x".to_owned(), None),
            (format!("awskms://localhost:4566/{UUID}"), None),
            ("awskms://kms.example/alias/x".to_owned(), None),
            ("awskms://[::1]:1/alias/x".to_owned(), None),
            (arn("eu-west-1", &format!("key/{UUID}")), Some("eu-west-1")),
            (arn("us-gov-west-1", "alias/x"), Some("us-gov-west-1")),
        ] {
            let key = AwsUri::parse(uri.strip_prefix("awskms://").unwrap()).unwrap();
            assert_eq!(key.to_string(), uri);
            assert_eq!(key.region(), region);
        }
    }

    #[test]
    fn two_slashes_in_place_of_three_are_told() {
        let arn = format!("arn:aws:kms:eu-west-1:123456789012:key/{UUID}");
        for rest in ["alias/x", UUID, &arn] {
            let error = AwsUri::parse(rest).unwrap_err();
            assert!(error.to_string().contains("third slash"), "{error}");
        }
    }

    #[test]
    fn what_names_no_key_is_refused() {
        for rest in [
            "",
            "/",
            "host",
            "/alias/",
            "/alias/a b",
            "/key/x",
            "/1234abcd",
            "/arn:aws:s3:eu-west-1:123456789012:key/x",
            "/arn:aws:kms::123456789012:alias/x",
            "/arn:aws:kms:eu-west-1:1:alias/x",
            "user@host/alias/x",
            "a b/alias/x",
            "h?x/alias/x",
        ] {
            let error = AwsUri::parse(rest);
            assert!(matches!(error, Err(UriError::Malformed { .. })), "{rest}");
        }
    }
}
