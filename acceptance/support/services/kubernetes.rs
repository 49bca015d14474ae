//! The real kube-apiserver with an etcd of its own, and nothing else: Secrets,
//! accounts and who may read what (RBAC).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::caller::Caller;
use super::pair::{Kind, Pair};
use super::service::{ETCD, Service};
use crate::support::registry::{Private, Switch};
use crate::support::served::{Served, free_port};

const READY_WITHIN: Duration = Duration::from_secs(120);
/// The token of the one who may do everything.
const ROOT: &str = "root-of-the-acceptance-tests";

pub struct Kubernetes {
    served: Served,
    _etcd: Served,
    tls: Private,
    root: Caller,
}

impl Kubernetes {
    pub fn start() -> Self {
        let etcd = Served::start(READY_WITHIN, etcd, |port| {
            let caller = Caller::of(&format!("http://127.0.0.1:{port}"));
            let answer = caller.call("GET", "/health", "");
            answer.is_some_and(|(status, _)| status == 200)
        });
        let tls = Private::named(&["kubernetes.default.svc"], Switch::Off);
        let root = |port| {
            Caller::of(&format!("https://127.0.0.1:{port}"))
                .trusting(&tls.authority)
                .showing("Authorization", &format!("Bearer {ROOT}"))
                .showing("Content-Type", "application/json")
        };
        let command = |port, folder: &Path| server(port, folder, &etcd.host(), &tls);
        let served = Served::start(READY_WITHIN, command, |port| {
            let answer = root(port).call("GET", "/readyz", "");
            answer.is_some_and(|(status, _)| status == 200)
        });
        let root = root(served.port());
        Self {
            served,
            _etcd: etcd,
            tls,
            root,
        }
    }

    /// `https://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("https://{}", self.served.host())
    }

    pub fn port(&self) -> u16 {
        self.served.port()
    }

    /// The authority (PEM) of its certificate.
    pub fn authority(&self) -> &str {
        &self.tls.authority
    }

    /// May do everything.
    pub fn root(&self) -> &Caller {
        &self.root
    }

    pub fn create_secret(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        self.create_namespace(namespace);
        let data = data.iter().map(|(key, value)| {
            let value = Value::from(STANDARD.encode(value));
            ((*key).to_owned(), value)
        });
        let data: serde_json::Map<_, _> = data.collect();
        let secret = json!({ "metadata": { "name": name }, "data": data });
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        self.root.must("POST", &path, &secret);
    }

    /// The token of a service account that may get this one Secret.
    pub fn token(&self, namespace: &str, secret: &str) -> String {
        self.create_namespace(namespace);
        let name = format!("a{:x}", fastrand::u64(..));
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let account = json!({ "metadata": { "name": name } });
        self.root.must("POST", &accounts, &account);
        let subject = json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace });
        self.allow(namespace, secret, &name, &subject);
        let asked = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest" });
        let answer = self
            .root
            .must("POST", &format!("{accounts}/{name}/token"), &asked);
        let token = answer["status"]["token"].as_str();
        token.expect("a token").to_owned()
    }

    /// A certificate and its key (PEM) of a user who may get this one Secret.
    pub fn client(&self, namespace: &str, secret: &str) -> [&str; 2] {
        let group = "rbac.authorization.k8s.io";
        let subject = json!({ "kind": "User", "name": Private::CLIENT, "apiGroup": group });
        let name = format!("c{:x}", fastrand::u64(..));
        self.allow(namespace, secret, &name, &subject);
        self.tls.client.each_ref().map(String::as_str)
    }

    fn allow(&self, namespace: &str, secret: &str, name: &str, subject: &Value) {
        let group = "rbac.authorization.k8s.io";
        let path = format!("/apis/{group}/v1/namespaces/{namespace}");
        let rule = json!({
            "apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"],
        });
        let role = json!({ "metadata": { "name": name }, "rules": [rule] });
        self.root.must("POST", &format!("{path}/roles"), &role);
        let role = json!({ "apiGroup": group, "kind": "Role", "name": name });
        let binding =
            json!({ "metadata": { "name": name }, "roleRef": role, "subjects": [subject] });
        let path = format!("{path}/rolebindings");
        self.root.must("POST", &path, &binding);
    }

    /// It may be there already.
    fn create_namespace(&self, name: &str) {
        let namespace = json!({ "metadata": { "name": name } });
        let answer = self.root.ask("POST", "/api/v1/namespaces", &namespace);
        let status = answer.expect("an answer").0;
        assert!(matches!(status, 201 | 409), "{name}: {status}");
    }

    /// A kubeconfig (YAML, of which JSON is a part) whose user is this, such as
    /// `{"token": …}`.
    pub fn config(&self, user: &Value) -> String {
        let authority = STANDARD.encode(self.authority());
        let cluster = json!({
            "server": self.url(), "certificate-authority-data": authority,
        });
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "k", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
        })
        .to_string()
    }
}

fn etcd(port: u16, folder: &Path) -> Command {
    let (clients, peers) = (
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{}", free_port()),
    );
    let mut command = Command::new(ETCD);
    command
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &clients])
        .args(["--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers])
        .args(["--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}")]);
    command
}

fn server(port: u16, folder: &Path, etcd: &str, tls: &Private) -> Command {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a folder of our own");
        path.display().to_string()
    };
    let [certificate, key] = &tls.server;
    let accounts = Pair::generate(Kind::P256);
    let private = file("accounts.key", &accounts.private());
    let public = file("accounts.pub", &accounts.public());
    let flags = [
        ("bind-address", "127.0.0.1".to_owned()),
        ("external-hostname", "127.0.0.1".to_owned()),
        ("secure-port", port.to_string()),
        ("etcd-servers", format!("http://{etcd}")),
        ("tls-cert-file", file("server.pem", certificate)),
        ("tls-private-key-file", file("server.key", key)),
        ("client-ca-file", file("authority.pem", &tls.authority)),
        (
            "token-auth-file",
            file("tokens", &format!("{ROOT},root,0,system:masters\n")),
        ),
        ("authorization-mode", "RBAC".to_owned()),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".to_owned(),
        ),
        ("service-account-key-file", public),
        ("service-account-signing-key-file", private),
        ("service-cluster-ip-range", "10.0.0.0/24".to_owned()),
        // A loopback address is no endpoint for pods, of which there are none.
        ("endpoint-reconciler-type", "none".to_owned()),
    ];
    let mut command = Service::Kubernetes.command();
    command.args(flags.map(|(name, value)| format!("--{name}={value}")));
    command
}
