//! Real registries: CNCF distribution, v3 and v2 (two-step uploads, no referrers
//! API), go-containerregistry's and ferro-oci-server (with the referrers API).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::remote::Remote;
use super::served::Served;
use super::token_service::{ROBOT, SERVICE, TokenService};
use super::tool;

const READY_WITHIN: Duration = Duration::from_secs(20);
/// `robot:pass`, by bcrypt with its least cost.
const HTPASSWD: &str = "robot:$2a$04$4ZY3Qh6Ktl5hdbXoMcnwnehsn2ZLICPENeaGLQ8k7GYXIlqFQl9AW";
/// CNCF distribution v2, as Debian packages it. `go install` cannot build it:
/// it has no `go.mod`, and some of what it needs is gone.
pub const DISTRIBUTION_2: &str = "/usr/bin/docker-registry";

/// The credentials that CNCF distribution wants.
#[derive(Clone, Copy)]
pub enum Guard<'a> {
    Nothing,
    /// User and password, in each request.
    Password,
    /// Tokens of this service. A token for these repositories is shown by
    /// [`RealRegistry::remote`].
    Tokens(&'a TokenService, &'a [&'a str]),
}

impl Guard<'_> {
    /// The part of the configuration.
    fn settings(&self, folder: &Path) -> String {
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a folder of our own");
            path.display().to_string()
        };
        match self {
            Self::Nothing => String::new(),
            Self::Password => format!(
                "auth:\n  htpasswd:\n    realm: {SERVICE}\n    path: {}\n",
                file("htpasswd", HTPASSWD)
            ),
            Self::Tokens(service, _) => format!(
                "auth:\n  token:\n    realm: {}\n    service: {SERVICE}\n    issuer: {SERVICE}\n    jwks: {}\n",
                service.realm(),
                file("jwks.json", &service.key_set().to_string())
            ),
        }
    }

    fn authorization(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Password => Some(ROBOT.to_owned()),
            Self::Tokens(service, repositories) => {
                let scopes = repositories
                    .iter()
                    .map(|path| format!("repository:{path}:pull,push"));
                let scopes: Vec<_> = scopes.collect();
                Some(format!("Bearer {}", service.token(&scopes)))
            }
        }
    }
}

/// A registry in a process of its own, which ends with this value.
pub struct RealRegistry {
    served: Served,
    remote: Remote,
}

impl RealRegistry {
    /// CNCF distribution, as most self-hosted registries are built on.
    pub fn distribution() -> Self {
        Self::distribution_behind(Guard::Nothing)
    }

    pub fn distribution_behind(guard: Guard<'_>) -> Self {
        Self::distribution_of(&tool("distribution-v3.1.2/registry"), guard)
    }

    /// CNCF distribution v2, where it is installed.
    pub fn distribution_2_behind(guard: Guard<'_>) -> Self {
        Self::distribution_of(Path::new(DISTRIBUTION_2), guard)
    }

    fn distribution_of(program: &Path, guard: Guard<'_>) -> Self {
        Self::start(guard.authorization(), |port, folder| {
            let config = folder.join("config.yml");
            let text = format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
                 delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
                folder.join("storage").display(),
                guard.settings(&folder),
            );
            std::fs::write(&config, text).expect("a folder of our own");
            let mut command = Command::new(program);
            command.arg("serve").arg(config);
            command
        })
    }

    /// go-containerregistry's registry, which has the referrers API.
    pub fn with_referrers() -> Self {
        Self::start(None, |port, _| {
            let mut command = Command::new(tool("referrers-registry/referrers-registry"));
            command.arg(port.to_string());
            command
        })
    }

    /// A registry written from the specification, in Rust.
    pub fn ferro() -> Self {
        Self::start(None, |port, folder| {
            let program = tool("ferro-oci-server-1.0.0/bin/ferro-oci-server");
            let mut command = Command::new(program);
            command
                .env("FERRO_OCI_LISTEN", format!("127.0.0.1:{port}"))
                .env("FERRO_OCI_STORAGE_DIR", folder.join("storage"));
            command
        })
    }

    fn start(authorization: Option<String>, command: impl Fn(u16, PathBuf) -> Command) -> Self {
        let remote = |port| {
            let remote = Remote::new(&format!("127.0.0.1:{port}"));
            match &authorization {
                None => remote,
                Some(authorization) => remote.showing(authorization),
            }
        };
        let command = |port, folder: &Path| {
            let mut command = command(port, folder.to_owned());
            command.env("OTEL_TRACES_EXPORTER", "none");
            command
        };
        let served = Served::start(READY_WITHIN, command, |port| remote(port).is_ready());
        let remote = remote(served.port());
        Self { served, remote }
    }

    pub fn host(&self) -> &str {
        self.remote.host()
    }

    /// The registry's output so far.
    pub fn log(&self) -> String {
        self.served.log()
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// A folder with a `config.json` that signs in here, for `DOCKER_CONFIG`.
    pub fn docker_config(&self) -> PathBuf {
        let basic = ROBOT.trim_start_matches("Basic ");
        let config = json!({ "auths": { self.host(): { "auth": basic } } });
        let folder = self.served.folder().join("docker");
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        std::fs::write(folder.join("config.json"), config.to_string())
            .expect("a folder of our own");
        folder
    }
}
