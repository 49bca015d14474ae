//! The remedies where services are not reached.

use std::sync::Arc;

use rustls::AlertDescription;

use super::*;
use crate::http::StatusCode;
use crate::service::{AwsApi, GitLabProject, KubernetesSecret, ServiceName, VaultKey};

/// All that are asked over HTTP, but for registries.
fn services() -> [ServiceName; 15] {
    let host = || "h.example".to_owned();
    let (namespace, secret) = (host(), host());
    [
        ServiceName::Aws(AwsApi::Kms),
        ServiceName::Aws(AwsApi::Ecr),
        ServiceName::AwsCredentials,
        ServiceName::GitLab(Box::new(GitLabProject {
            host: host(),
            project: host(),
        })),
        ServiceName::Kubernetes(Box::new(KubernetesSecret {
            host: host(),
            namespace,
            secret,
        })),
        ServiceName::Vault(Box::new(VaultKey {
            product: "Vault",
            host: host(),
            mount: host(),
            key: host(),
        })),
        ServiceName::Azure,
        ServiceName::KeyVault(host()),
        ServiceName::ContainerRegistry(host()),
        ServiceName::Google,
        ServiceName::GoogleKms,
        ServiceName::CertificateAuthority(host()),
        ServiceName::TimestampAuthority(host()),
        ServiceName::Log(host()),
        ServiceName::TokenProvider("google"),
    ]
}

#[test]
fn a_service_that_is_not_reached_has_a_remedy_that_is_not_a_registry_s() {
    let url = RedactedUrl::from(&url::Url::parse("https://h.example/").unwrap());
    let source = || "refused".into();
    let alert = AlertDescription::HandshakeFailure;
    let roots = Some(Arc::new(Roots::load(None, None)));
    for service in services() {
        for error in [
            HttpError::Connect {
                url: url.clone(),
                source: source(),
            },
            HttpError::Dns {
                url: url.clone(),
                source: source(),
            },
            HttpError::Tls {
                url: url.clone(),
                source: source(),
            },
            HttpError::Incompatible {
                url: url.clone(),
                source: source(),
            },
            HttpError::Alert {
                url: url.clone(),
                alert,
            },
            HttpError::Alert {
                url: url.clone(),
                alert: AlertDescription::CertificateRequired,
            },
            HttpError::Certificate {
                url: url.clone(),
                roots: None,
                source: source(),
            },
            HttpError::Certificate {
                url: url.clone(),
                roots: roots.clone(),
                source: source(),
            },
            HttpError::Proxy {
                url: url.clone(),
                source: source(),
            },
            HttpError::ProxyDenied { url: url.clone() },
            HttpError::ProxySetting {
                url: url.clone(),
                variable: "HTTPS_PROXY",
                reason: "",
            },
            HttpError::Broken {
                url: url.clone(),
                source: source(),
            },
            HttpError::Overloaded {
                url: url.clone(),
                status: StatusCode::SERVICE_UNAVAILABLE,
                attempts: 2,
                answer: String::new(),
            },
        ] {
            let words = words(service::of_service(&service.failed(error)));
            assert!(!words.is_empty(), "{service}");
            assert!(!words.contains("registry"), "{service}: {words}");
        }
    }
}
