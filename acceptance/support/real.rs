//! Real registries: CNCF distribution v3 (two-step uploads, no referrers API)
//! and go-containerregistry's (with the referrers API).

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::remote::Remote;
use super::tool;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A registry in a process of its own, which ends with this value.
pub struct RealRegistry {
    process: Child,
    remote: Remote,
    folder: TempDir,
}

impl RealRegistry {
    /// CNCF distribution, as most self-hosted registries are built on.
    pub fn distribution() -> Self {
        Self::start(|port, folder| {
            let config = folder.join("config.yml");
            let text = format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
                 delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n",
                folder.join("storage").display(),
            );
            std::fs::write(&config, text).expect("a folder of our own");
            let mut command = Command::new(tool("distribution-v3.1.2/registry"));
            command.arg("serve").arg(config);
            command
        })
    }

    /// go-containerregistry's registry, which has the referrers API.
    pub fn with_referrers() -> Self {
        Self::start(|port, _| {
            let mut command = Command::new(tool("referrers-registry/referrers-registry"));
            command.arg(port.to_string());
            command
        })
    }

    fn start(command: impl Fn(u16, PathBuf) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let log = File::create(folder.path().join("log")).expect("a file");
        let process = command(port, folder.path().to_owned())
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("a program that starts");
        let remote = Remote::new(&format!("127.0.0.1:{port}"));
        let mut registry = Self {
            process,
            remote,
            folder,
        };
        registry.wait();
        registry
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while !self.remote.is_ready() {
            let ended = self.process.try_wait().expect("our own child");
            assert!(ended.is_none(), "the registry ended: {ended:?}");
            assert!(start.elapsed() < READY_WITHIN, "the registry is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn host(&self) -> &str {
        self.remote.host()
    }

    /// What the registry has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }
}

impl Drop for RealRegistry {
    /// Shows the registry's log if the test failed.
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!(
                "the registry's log ends with:\n{}",
                lines[last..].join("\n")
            );
        }
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("a bound socket").port()
}
