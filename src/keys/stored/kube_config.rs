//! The way to a cluster, and the identity that asks it: the user of a kubeconfig,
//! or the service account of a pod (`k8s.io/client-go` v0.35 `tools/clientcmd`).
//! Implements KEY-71 and KEY-72. Everything is read before anything is sent; a
//! way to log in that is not supported is refused, and not passed over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;
use url::Url;
use zeroize::Zeroizing;

use super::yaml;
use crate::http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use crate::http::{OwnTls, ProxyVariable};
use crate::secret::Secret;
use crate::service::{
    BAD_PROXY, BY_PROGRAM, Tried, Trouble, Variables, host_of, parse_endpoint, sensitive,
};

/// Where Kubernetes mounts what a pod needs to ask it.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster, and the credentials that it is shown.
pub(super) struct Cluster {
    /// With a slash at its end; it may have a path, as clusters behind a gateway
    /// do.
    pub(super) server: Url,
    /// With the token, if there is one.
    pub(super) headers: HeaderMap,
    /// With the cluster's authority, and the client certificate if there is one.
    pub(super) own_tls: Arc<OwnTls>,
}

/// A file. Of several, the first that has an entry of a name counts, as in
/// client-go: entries of one name are not merged. Members that are not read here
/// are ignored.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct KubeConfig {
    current_context: Option<String>,
    contexts: Vec<NamedContext>,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    #[serde(default)]
    context: KubeContext,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KubeContext {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default)]
    cluster: ClusterEntry,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct ClusterEntry {
    server: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    /// It may hold a password.
    proxy_url: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    token: Option<Zeroizing<String>>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<Zeroizing<String>>,
    /// These four are looked for alone, to be refused: their values may be secrets.
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
    username: Option<serde::de::IgnoredAny>,
    #[serde(rename = "as")]
    acting_as: Option<serde::de::IgnoredAny>,
}

/// A kubeconfig, and the file that relative paths of it begin at.
struct KubeConfigFile {
    path: PathBuf,
    config: KubeConfig,
}

/// An entry of a kubeconfig with the file that it is in.
struct NamedEntry<'a, T> {
    file: &'a Path,
    entry: &'a T,
}

impl Cluster {
    /// Reads variables and files: those of `KUBECONFIG`, or `~/.kube/config`; if
    /// none has a current context, the service account of this pod. The order is
    /// client-go's, and so cosign's: whoever gives a pod a kubeconfig means that, but
    /// `kubectl config unset current-context` leaves the choice.
    ///
    /// # Errors
    /// On settings that cannot be used, and with every source that was looked at
    /// where none has credentials.
    pub(super) fn find(variables: &Variables) -> Result<Self, Trouble> {
        let (name, files) = files(variables)?;
        if let Some(current) = current_context(&files) {
            return of_context(current, &files, variables);
        }
        let reason = match files.is_empty() {
            true => "not there",
            false => "no `current-context`",
        };
        let mut tried = vec![(name, reason.to_owned())];
        let cluster = in_pod(variables, &mut tried)?;
        cluster.ok_or(Trouble::NoCredentials { tried })
    }

    /// `host:port`, without a port that is its scheme's.
    pub(super) fn host(&self) -> String {
        host_of(&self.server)
    }
}

/// The cluster of this pod, as its service account. A pod without a mounted token
/// has none; one whose token cannot be used is an error.
fn in_pod(variables: &Variables, tried: &mut Vec<Tried>) -> Result<Option<Cluster>, Trouble> {
    const HOST: &str = "KUBERNETES_SERVICE_HOST";
    const PORT: &str = "KUBERNETES_SERVICE_PORT";
    let (host, port) = match (variables.text(HOST), variables.text(PORT)) {
        (Some(host), Some(port)) => (host, port),
        (host, _) => {
            let lacking = if host.is_none() { HOST } else { PORT };
            tried.push((lacking, "not set".to_owned()));
            return Ok(None);
        }
    };
    let folder = Path::new(ACCOUNT);
    let Some(token) = variables.read_if_there(&folder.join("token"))? else {
        tried.push((ACCOUNT, "no token".to_owned()));
        return Ok(None);
    };
    // An address of IPv6.
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host,
    };
    let server = Url::parse(&format!("https://{host}:{port}"));
    let server = server.map_err(|_| Trouble::setting(HOST, "it is no host"))?;
    let own = match variables.read_if_there(&folder.join("ca.crt"))? {
        None => OwnTls::new(),
        Some(pem) => OwnTls::new()
            .trusting(pem.expose())
            .map_err(|_| Trouble::setting(format!("{ACCOUNT}/ca.crt"), NO_CERTIFICATE))?,
    };
    let mut headers = headers();
    show(&mut headers, token.expose(), variables)
        .ok_or_else(|| Trouble::setting(format!("{ACCOUNT}/token"), NO_TOKEN))?;
    Ok(Some(Cluster {
        server,
        headers,
        own_tls: Arc::new(own),
    }))
}

const NO_CERTIFICATE: &str = "it holds no certificate in PEM";
const NO_TOKEN: &str = "it holds no token";
const NOT_BASE64: &str = "it has data that is not base64";

/// Kubernetes has other encodings than JSON, too.
fn headers() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

/// Adds a token, without the white space that a file has around it; nothing if it
/// is none. It is hidden from now on, also where it cannot be used.
fn show(headers: &mut HeaderMap, token: &[u8], variables: &Variables) -> Option<()> {
    let token = token.trim_ascii();
    let is_token = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    variables.remember(token);
    let value = Zeroizing::new([b"Bearer ", token].concat());
    let value = sensitive(&value).filter(|_| is_token)?;
    headers.insert(AUTHORIZATION, value);
    Some(())
}

/// The kubeconfigs that are there, and the name of the source that led to them.
/// `KUBECONFIG` is a list with colons; where it is set, `~/.kube/config` does not
/// count, not even if no file of the list is there.
fn files(variables: &Variables) -> Result<(&'static str, Vec<KubeConfigFile>), Trouble> {
    let list = variables.path("KUBECONFIG");
    let (name, paths) = match (list, variables.home()) {
        (Some(list), _) => ("KUBECONFIG", std::env::split_paths(&list).collect()),
        (None, Some(home)) => ("~/.kube/config", vec![home.join(".kube/config")]),
        (None, None) => ("~/.kube/config", Vec::new()),
    };
    let mut files = Vec::new();
    for path in paths
        .into_iter()
        .filter(|path: &PathBuf| !path.as_os_str().is_empty())
    {
        let Some(text) = variables.read_if_there(&path)? else {
            continue;
        };
        let config = parse(text.expose()).map_err(|reason| {
            let name = path.display().to_string();
            Trouble::setting(name, reason)
        })?;
        files.push(KubeConfigFile { path, config });
    }
    Ok((name, files))
}

/// A kubeconfig, in YAML. An empty file is one without entries, as for `kubectl`.
pub(super) fn parse(text: &[u8]) -> Result<KubeConfig, &'static str> {
    let mut value = yaml::parse(text)?;
    drop_nulls(&mut value);
    match value.is_null() {
        true => Ok(KubeConfig::default()),
        false => serde_json::from_value(value).map_err(|_| "it is no kubeconfig"),
    }
}

/// To Go a member that is `null` is as good as absent: `kubectl` writes the lists
/// without entries so.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The first that a file names.
fn current_context(files: &[KubeConfigFile]) -> Option<&str> {
    files.iter().find_map(|file| {
        let current = file.config.current_context.as_deref();
        current.filter(|current| !current.is_empty())
    })
}

/// The cluster of the current context, as its user. Context, cluster and user may
/// stand in files of their own. Errors name the first file where nothing was
/// found, else the file of the entry.
fn of_context(
    current: &str,
    files: &[KubeConfigFile],
    variables: &Variables,
) -> Result<Cluster, Trouble> {
    let first = files.first().map(|file| file.path.display().to_string());
    let first = first.unwrap_or_default();
    let wrong = |reason| Trouble::setting(first.clone(), reason);
    let context = entry(files, |config| {
        let mut all = config.contexts.iter();
        Some(&all.find(|context| context.name == current)?.context)
    });
    let context = context.ok_or_else(|| wrong("its current context is not in it"))?;
    let cluster = entry(files, |config| {
        let mut all = config.clusters.iter();
        Some(
            &all.find(|cluster| cluster.name == context.entry.cluster)?
                .cluster,
        )
    });
    // client-go goes on to the pod here as well, as somebody else than the context
    // names.
    let cluster = cluster.ok_or_else(|| wrong("the cluster of its context is not in it"))?;
    let user = entry(files, |config| {
        let mut all = config.users.iter();
        Some(&all.find(|user| user.name == context.entry.user)?.user)
    });
    let user = user.ok_or_else(|| wrong("the user of its context is not in it"))?;
    let server = cluster.entry.server.as_deref().unwrap_or_default();
    let server = parse_endpoint(server).map_err(|_| cluster.wrong("its server is no URL"))?;
    // First of all: credentials beside a way that is not supported need not be
    // the user's.
    user.refuse()?;
    let mut headers = headers();
    let has_token = user.show(&mut headers, variables)?;
    let own = cluster.own_tls(&server, variables)?;
    let (own, has_certificate) = user.identify(own, variables)?;
    if !has_token && !has_certificate {
        let reason = "its user has no token and no certificate".to_owned();
        let tried = vec![("the kubeconfig", reason)];
        return Err(Trouble::NoCredentials { tried });
    }
    Ok(Cluster {
        server,
        headers,
        own_tls: Arc::new(own),
    })
}

/// The first file that has it.
fn entry<'a, T>(
    files: &'a [KubeConfigFile],
    find: impl Fn(&'a KubeConfig) -> Option<&'a T>,
) -> Option<NamedEntry<'a, T>> {
    files.iter().find_map(|file| {
        Some(NamedEntry {
            file: &file.path,
            entry: find(&file.config)?,
        })
    })
}

impl<T> NamedEntry<'_, T> {
    fn wrong(&self, reason: &'static str) -> Trouble {
        Trouble::setting(self.file.display().to_string(), reason)
    }

    /// Data in base64, or else the file at a path that begins at the folder of this
    /// one, as in client-go. Empty ones count as absent.
    fn data_or_file(
        &self,
        data: Option<&str>,
        path: Option<&PathBuf>,
        variables: &Variables,
    ) -> Result<Option<Secret>, Trouble> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let decoded = STANDARD.decode(data.trim());
            let decoded = decoded.map_err(|_| self.wrong(NOT_BASE64))?;
            return Ok(Some(Secret::new(decoded)));
        }
        let path = path.filter(|path| !path.as_os_str().is_empty());
        let path = path.map(|path| self.file.parent().unwrap_or(Path::new("")).join(path));
        Ok(path.map(|path| variables.read(&path)).transpose()?)
    }
}

impl NamedEntry<'_, ClusterEntry> {
    /// TLS as the cluster's entry has it. Without an authority of its own the
    /// machine's roots count.
    fn own_tls(&self, server: &Url, variables: &Variables) -> Result<OwnTls, Trouble> {
        let ClusterEntry {
            certificate_authority: path,
            certificate_authority_data: data,
            insecure_skip_tls_verify: is_unverified,
            tls_server_name: name,
            proxy_url: proxy,
            ..
        } = self.entry;
        let mut own = OwnTls::new();
        if let Some(pem) = self.data_or_file(data.as_deref(), path.as_ref(), variables)? {
            let trusting = own.trusting(pem.expose());
            own = trusting.map_err(|_| self.wrong("its authority is no certificate in PEM"))?;
        }
        if *is_unverified {
            let host = server.origin().ascii_serialization();
            warn!("Kubernetes at {host} is asked without verifying its certificate");
            own = own.trusting_anybody();
        }
        if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
            let named = own.named(name.clone());
            own = named.map_err(|_| self.wrong("its `tls-server-name` is no name of a host"))?;
        }
        if let Some(proxy) = proxy.as_ref().filter(|proxy| !proxy.is_empty()) {
            let value = Secret::new(proxy.as_bytes().to_vec());
            let name = "proxy-url";
            let by_proxy = own.by(ProxyVariable { name, value }, variables.secrets());
            own = by_proxy.map_err(|_| self.wrong(BAD_PROXY))?;
        }
        Ok(own)
    }
}

impl NamedEntry<'_, User> {
    /// Refuses ways to log in that are not supported: to pass over `as` would ask
    /// with more rights than the user wanted, and to pass over the others as
    /// nobody.
    fn refuse(&self) -> Result<(), Trouble> {
        let User {
            exec,
            auth_provider,
            username,
            acting_as,
            ..
        } = self.entry;
        let [by_exec, by_provider] = BY_PROGRAM;
        for (there, reason) in [
            (exec, by_exec),
            (auth_provider, by_provider),
            (username, "its user logs in by name and password"),
            (acting_as, "its user acts as another (`as`)"),
        ] {
            if there.is_some() {
                return Err(self.wrong(reason));
            }
        }
        Ok(())
    }

    /// Whether there is a token. That of a file comes first, as in client-go.
    fn show(&self, headers: &mut HeaderMap, variables: &Variables) -> Result<bool, Trouble> {
        let token = match self.data_or_file(None, self.entry.token_file.as_ref(), variables)? {
            Some(token) => token,
            None => match self.entry.token.as_ref().filter(|token| !token.is_empty()) {
                Some(token) => Secret::new(token.as_bytes().to_vec()),
                None => return Ok(false),
            },
        };
        let shown = show(headers, token.expose(), variables);
        shown.ok_or_else(|| self.wrong("its user's token is none"))?;
        Ok(true)
    }

    /// Whether there is a certificate. It goes into the handshake, beside a token
    /// if there is one too.
    fn identify(&self, own: OwnTls, variables: &Variables) -> Result<(OwnTls, bool), Trouble> {
        let User {
            client_certificate: path,
            client_certificate_data: data,
            client_key: key_path,
            client_key_data: key_data,
            ..
        } = self.entry;
        let certificate = self.data_or_file(data.as_deref(), path.as_ref(), variables)?;
        let key_data = key_data.as_ref().map(|data| data.as_str());
        let key = self.data_or_file(key_data, key_path.as_ref(), variables)?;
        match (certificate, key) {
            (None, None) => Ok((own, false)),
            (Some(certificate), Some(key)) => {
                let shown = own.showing(certificate.expose(), key.expose());
                let reason = "its user's certificate and key are no pair in PEM";
                Ok((shown.map_err(|_| self.wrong(reason))?, true))
            }
            _ => Err(self.wrong("its user has a certificate without its key, or the reverse")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that `kubectl config unset` leaves, and what `kubectl config
    /// use-context` writes to a file without entries.
    ///
    /// KEY-72
    #[test]
    fn lists_without_entries_are_read_as_kubectl_writes_them() {
        let written = |current: &str| {
            format!(
                "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: {current}\n\
                 kind: Config\npreferences: {{}}\nusers: null\n"
            )
        };
        for (current, known) in [("\"\"", None), ("here", Some("here"))] {
            let config = parse(written(current).as_bytes()).unwrap_or_else(|why| panic!("{why}"));
            assert!(config.clusters.is_empty() && config.contexts.is_empty());
            let path = PathBuf::new();
            assert_eq!(current_context(&[KubeConfigFile { path, config }]), known);
        }
    }

    /// KEY-72
    #[test]
    fn a_member_that_is_null_is_absent() {
        let text = "clusters:\n- name: k\n  cluster:\n- name: l\n  cluster:\n    server: s\n    \
                    insecure-skip-tls-verify: null\ncontexts:\n- name: c\n  context: ~\n\
                    users:\n- name: u\n  user: null\n- name: v\n  user:\n    exec: null\n";
        let config = parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
        let [first, second] = &config.clusters[..] else {
            panic!("two clusters");
        };
        assert_eq!(first.cluster.server, None);
        assert_eq!(second.cluster.server.as_deref(), Some("s"));
        assert!(config.users.iter().all(|user| user.user.exec.is_none()));
        assert!(parse(b"clusters:\n- name: null\n").is_err());
    }
}
