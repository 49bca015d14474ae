//! AWS Signature Version 4 (IAM User Guide, "Create a signed AWS API request"):
//! every header of the request is signed, and its body.
//! As much of it as these requests need: a `POST` without a query, no header
//! twice, and a body in memory. The six steps have their numbers in the code.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::credentials::AwsCredentials;
use crate::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use crate::service::sensitive;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The scope of a signature.
pub(super) struct SigningScope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) time: Timestamp,
}

impl SigningScope<'_> {
    /// Adds the date, the session token and the signature to the headers of a
    /// `POST`. `None` if a credential has bytes that no header can have. Headers
    /// that are added after this are not signed; one that is changed makes the
    /// signature invalid.
    pub(super) fn sign(
        &self,
        credentials: &AwsCredentials,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Option<()> {
        let stamp = self.time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = stamp.get(..8)?;
        headers.insert(DATE, HeaderValue::try_from(&stamp).ok()?);
        if let Some(token) = &credentials.token {
            headers.insert(TOKEN, sensitive(token.expose())?);
        }
        // Step 1: the canonical request.
        let (names, canonical) = canonical(url, headers, body)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        // Step 2: its hash.
        let hashed = hex::encode(Sha256::digest(canonical));
        // Step 3: the text to sign.
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{hashed}");
        // Step 4: a key that is good for this day, region and service.
        let mut key = Zeroizing::new([b"AWS4", credentials.secret.expose()].concat());
        for part in [day, self.region, self.service, "aws4_request"] {
            // The one before is wiped as it is dropped; to assign within it would
            // not wipe it.
            key = Zeroizing::new(hmac(&key, part).as_ref().to_vec());
        }
        // Steps 5 and 6: the signature, and the header that shows it.
        let signature = hex::encode(hmac(&key, &text));
        let shown = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            credentials.key_id
        );
        headers.insert(AUTHORIZATION, sensitive(shown.as_bytes())?);
        Some(())
    }
}

fn hmac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// The names of the signed headers, and the canonical request. `host` is not
/// among the headers yet, and is signed as the client will send it: without its
/// scheme's port.
fn canonical(url: &Url, headers: &HeaderMap, body: &[u8]) -> Option<(String, String)> {
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut lines = vec![("host", host)];
    for (name, value) in headers {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        lines.push((name.as_str(), value.trim().to_owned()));
    }
    lines.sort_unstable();
    let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut text = format!("POST\n{}\n\n", encoded(url.path()));
    for (name, value) in &lines {
        let _infallible = writeln!(text, "{name}:{value}");
    }
    let body = hex::encode(Sha256::digest(body));
    let _infallible = write!(text, "\n{names}\n{body}");
    Some((names, text))
}

/// A path is encoded once more than it is in the URL, as for every service but S3.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            byte => {
                let _infallible = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::header::CONTENT_TYPE;
    use crate::secret::Secret;

    fn signed(content_type: Option<&'static str>, token: Option<&str>, body: &str) -> String {
        let credentials = AwsCredentials {
            key_id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            token: token.map(|token| Secret::from(token.to_owned())),
            expires: None,
        };
        let scope = SigningScope {
            region: "us-east-1",
            service: "service",
            time: "2015-08-30T12:36:00Z".parse().unwrap(),
        };
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        scope
            .sign(&credentials, &url, &mut headers, body.as_bytes())
            .unwrap();
        headers[AUTHORIZATION].to_str().unwrap().to_owned()
    }

    /// `post-vanilla`, `post-x-www-form-urlencoded` and `post-sts-header-before`
    /// of AWS's test suite.
    ///
    /// KEY-81
    #[test]
    fn signatures_are_those_of_the_test_suite_of_aws() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        for (content_type, token, body, signature) in [
            (
                None,
                None,
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Some("application/x-www-form-urlencoded"),
                None,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                None,
                Some(token),
                "",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ] {
            let shown = signed(content_type, token, body);
            let expected = format!("Signature={signature}");
            assert!(shown.ends_with(&expected), "{shown}");
        }
    }

    #[test]
    fn a_path_is_encoded_again() {
        assert_eq!(encoded("/a%20b/c"), "/a%2520b/c");
    }
}
