//! The keepers of key files, as messages and remedies name them. The host is
//! empty as long as it is not known.

/// The reasons to refuse a user of a kubeconfig who logs in by a program of his own.
pub const BY_PROGRAM: [&str; 2] = [
    "its user logs in by a program (`exec`)",
    "its user logs in by an `auth-provider`",
];

/// The reason to refuse the proxy of a kubeconfig.
pub const BAD_PROXY: &str = "its `proxy-url` is no URL of a proxy that speaks HTTP or SOCKS5";

/// A Secret of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSecret {
    pub host: String,
    pub namespace: String,
    pub secret: String,
}

/// A project of GitLab, or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitLabProject {
    pub host: String,
    pub project: String,
}
