//! A program that serves on a port of 127.0.0.1, in a process of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Ends with this value.
pub struct Served {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Served {
    /// Starts what `command` makes of a free port and a folder, and waits until it
    /// is ready.
    ///
    /// # Panics
    /// If it ends, or is not ready within this time.
    pub fn start(
        within: Duration,
        command: impl FnOnce(u16, &Path) -> Command,
        mut is_ready: impl FnMut(u16) -> bool,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let log = File::create(folder.path().join("log")).expect("a file");
        let process = command(port, folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("a program that starts");
        let mut served = Self {
            process,
            port,
            folder,
        };
        served.wait(within, || is_ready(port));
        served
    }

    /// Waits for something that the program brings about.
    ///
    /// # Panics
    /// If it ends, or is not ready within this time.
    pub fn wait(&mut self, within: Duration, mut is_ready: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_ready() {
            let ended = self.process.try_wait().expect("our own child");
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(start.elapsed() < within, "it is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder that the command was given.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program's output so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }
}

impl Drop for Served {
    /// Shows the program's log if the test failed.
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!("its log ends with:\n{}", lines[last..].join("\n"));
        }
    }
}

/// A port that nobody listens at, below those that the system gives to connections
/// (`ip_local_port_range`): none of these takes it before the program does.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
