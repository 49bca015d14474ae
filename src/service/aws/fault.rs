//! The errors of AWS's services, sorted by their codes (KEY-87). The status says
//! little: KMS has 400 for most of them, for throttling too.

use serde::Deserialize;

use super::credentials::element;
use crate::http::{self, Response};
use crate::service::{AwsApi, Said, Trouble, said};

/// An error as a service answers it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AwsFault {
    /// `ThrottlingException`, without a namespace before it.
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// Codes that say "not now", whatever the status; as the SDKs have them, and two
/// of KMS.
const PASSING: [&str; 12] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "LimitExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "PriorRequestNotComplete",
    "IDPCommunicationError",
    "KeyUnavailableException",
    "DependencyTimeoutException",
];

/// Codes of credentials that no service knows, or knows no more.
const STALE: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidIdentityToken",
];

/// Codes of signatures, which are wrong with a wrong secret or a wrong clock.
const SIGNATURE: [&str; 5] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "SignatureDoesNotMatchException",
    "RequestExpired",
    "RequestTimeTooSkewed",
];

/// Codes of keys that are there, and sign nothing.
const UNFIT: [&str; 5] = [
    "DisabledException",
    "KMSInvalidStateException",
    "InvalidStateException",
    "InvalidKeyUsageException",
    "UnsupportedOperationException",
];

impl AwsFault {
    pub(super) fn of(response: &Response) -> Self {
        Self::parse(&response.body)
    }

    /// An error in JSON or in XML; empty if it is neither. A code may have its
    /// namespace before a `#`, and a URL behind a `:`.
    pub(super) fn parse(body: &[u8]) -> Self {
        if let Ok(json) = serde_json::from_slice::<Json>(body) {
            let code = json.kind.or(json.code).unwrap_or_default();
            let code = code.rsplit('#').next().unwrap_or_default();
            return Self {
                code: code.split(':').next().unwrap_or_default().to_owned(),
                message: json.message.unwrap_or_default(),
            };
        }
        let text = String::from_utf8_lossy(body);
        Self {
            code: element(&text, "Code").unwrap_or_default(),
            message: element(&text, "Message").unwrap_or_default(),
        }
    }

    /// Whether other credentials may get another answer.
    pub(super) fn is_stale(&self) -> bool {
        STALE.contains(&&*self.code)
    }

    /// Whether a wrong clock is meant. Of a signature AWS says so in the message
    /// alone: the code is that of a wrong secret.
    fn speaks_of_time(&self) -> bool {
        let message = self.message.to_lowercase();
        let speaks = |of: &str| message.contains(of);
        self.code == "RequestTimeTooSkewed"
            || self.code == "RequestExpired"
            || speaks("signature expired")
            || speaks("not yet current")
            || speaks("signature not yet")
    }

    /// The trouble that the error is. Codes come before statuses; those about
    /// keys are KMS's alone, since other services say `NotFoundException` of
    /// other things.
    pub(super) fn into_trouble(self, api: AwsApi, action: String, response: &Response) -> Trouble {
        let answer = self.said(response);
        let (code, status) = (self.code.as_str(), response.status.as_u16());
        match code {
            code if SIGNATURE.contains(&code) && self.speaks_of_time() => {
                Trouble::Clock { action, answer }
            }
            code if SIGNATURE.contains(&code) || STALE.contains(&code) => {
                Trouble::Expired { action, answer }
            }
            "AccessDeniedException"
            | "AccessDenied"
            | "AuthFailure"
            | "OptInRequired"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "NotAuthorized"
            | "RegionDisabledException" => Trouble::Denied { action, answer },
            "NotFoundException" | "InvalidArnException" if api == AwsApi::Kms => {
                Trouble::Missing { action, answer }
            }
            code if UNFIT.contains(&code) && api == AwsApi::Kms => {
                Trouble::Unfit { reason: answer.0 }
            }
            code if PASSING.contains(&code) => Trouble::NotReady { action, answer },
            _ if matches!(status, 401 | 403) => Trouble::Denied { action, answer },
            _ => Trouble::Status {
                action,
                status,
                answer,
            },
        }
    }

    fn said(&self, response: &Response) -> Said {
        match (self.code.as_str(), self.message.as_str()) {
            ("", _) => said(response, None),
            (code, "") => said(response, Some(code)),
            (code, message) => said(response, Some(&format!("{code}: {message}"))),
        }
    }
}

/// Whether an answer may get better: AWS throttles with 400, too.
pub(super) fn is_passing(response: &Response) -> bool {
    http::is_passing(response.status)
        || (response.status.is_client_error() && PASSING.contains(&&*AwsFault::of(response).code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_in_every_form_of_aws() {
        for body in [
            r#"{"__type":"com.amazonaws.kms#NotFoundException","message":"m"}"#,
            r#"{"__type":"NotFoundException","Message":"m"}"#,
            r#"{"code":"NotFoundException:http://x/","message":"m"}"#,
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NotFoundException</Code>\
             <Message>m</Message></Error></ErrorResponse>",
        ] {
            let fault = AwsFault::parse(body.as_bytes());
            assert_eq!((&*fault.code, &*fault.message), ("NotFoundException", "m"));
        }
        for body in ["", "<html>", "[]", "{}"] {
            assert_eq!(
                AwsFault::parse(body.as_bytes()),
                AwsFault::default(),
                "{body}"
            );
        }
    }
}
