//! The program under test: its inputs in a folder, one run, what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::images::Image;
use super::testdata;

const TIMEOUT: Duration = Duration::from_secs(120);

/// No test asks a metadata service: those of clouds are at link-local addresses,
/// which are others' on the machine of a stranger. Nobody listens at these.
pub const NO_METADATA: [(&str, &str); 4] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("GCE_METADATA_HOST", "127.0.0.1:9"),
    ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/identity"),
    ("IDENTITY_HEADER", "nobody"),
];

/// The inputs of a run.
pub struct Signer {
    program: PathBuf,
    folder: TempDir,
    report: String,
    settings: String,
    annotations: Vec<(String, String)>,
    configs: Vec<Config>,
    arguments: Vec<String>,
    wrapper: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// One `[[configs]]` entry.
#[derive(Clone)]
pub struct Config(Vec<(String, String)>);

impl Config {
    /// A key of `testdata/keys` with its password.
    pub fn key(name: &str) -> Self {
        let keys = testdata("keys");
        let config = Self::key_file(&keys.join(format!("{name}.key")));
        match name.ends_with("empty-password") {
            true => config,
            false => config.set("password", &keys.join("password").display().to_string()),
        }
    }

    /// A key file without a password.
    pub fn key_file(path: &Path) -> Self {
        Self(Vec::new()).set("key", &path.display().to_string())
    }

    /// Nothing yet.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// A string value.
    pub fn set(self, name: &str, value: &str) -> Self {
        let value = toml::Value::from(value).to_string();
        self.set_raw(name, &value)
    }

    /// A value as it stands in TOML.
    pub fn set_raw(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Signer {
    /// For an image that was pushed to `host`; nobody signs yet.
    pub fn of(image: &Image, host: &str) -> Self {
        Self::with_report(&image.report(host))
    }

    /// For a report with this text.
    pub fn with_report(report: &str) -> Self {
        Self {
            program: program(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            report: report.to_owned(),
            settings: String::new(),
            annotations: Vec::new(),
            configs: Vec::new(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
            environment: [("CNB_PLATFORM_API", "0.13")]
                .into_iter()
                .chain(NO_METADATA)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// The program at another path than the one Cargo names.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// A key of `testdata/keys`, with the RFC's defaults.
    pub fn key(self, name: &str) -> Self {
        self.config(Config::key(name))
    }

    /// A key that signs the image only.
    pub fn key_without_sbom(self, name: &str) -> Self {
        self.config(Config::key(name).set("export-sbom", "none"))
    }

    pub fn config(mut self, config: Config) -> Self {
        self.configs.push(config);
        self
    }

    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole `cosign.toml`, instead of one made from keys and annotations.
    pub fn settings(mut self, text: &str) -> Self {
        self.settings = text.to_owned();
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&a| a.to_owned()));
        self
    }

    /// A program with its arguments that starts the signer.
    pub fn within(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&part| part.to_owned()).collect();
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without_environment(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The credential of one registry, in the lifecycle's variable.
    pub fn credential(self, host: &str, authorization: &str) -> Self {
        let auth = serde_json::json!({ host: authorization });
        self.environment("CNB_REGISTRY_AUTH", &auth.to_string())
    }

    /// The folder of the inputs; also `HOME`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn report_path(&self) -> PathBuf {
        self.folder().join("report.toml")
    }

    pub fn settings_path(&self) -> PathBuf {
        self.folder().join("cosign.toml")
    }

    fn settings_text(&self) -> String {
        if !self.settings.is_empty() {
            return self.settings.clone();
        }
        let mut text = String::new();
        let quoted = |value: &str| toml::Value::from(value).to_string();
        for (name, value) in &self.annotations {
            let (name, value) = (quoted(name), quoted(value));
            let _infallible = write!(text, "[[annotations]]\nname = {name}\nvalue = {value}\n\n");
        }
        for Config(lines) in &self.configs {
            text.push_str("[[configs]]\n");
            for (name, value) in lines {
                let _infallible = writeln!(text, "{name} = {value}");
            }
        }
        text
    }

    /// The program with its inputs, not started yet.
    pub fn command(&self) -> Command {
        std::fs::write(self.report_path(), &self.report).expect("a folder of our own");
        std::fs::write(self.settings_path(), self.settings_text()).expect("a folder of our own");
        let mut command = self.bare_command();
        command
            .arg("-report")
            .arg(self.report_path())
            .arg("-cosign-config")
            .arg(self.settings_path())
            .args(&self.arguments);
        command
    }

    /// The program with a clean environment and no arguments.
    fn bare_command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.program),
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(&self.program);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder())
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self) -> Outcome {
        Outcome::of(self.command())
    }

    /// Runs the program with these arguments only, no input files written.
    pub fn run_bare(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.bare_command();
        command.args(arguments);
        Outcome::of(command)
    }

    /// Starts the program; the caller ends it.
    pub fn start(&self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a program that starts")
    }
}

/// The outcome of a run.
pub struct Outcome {
    /// Absent if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Outcome {
    fn of(command: Command) -> Self {
        let start = Instant::now();
        let Output {
            status,
            stdout,
            stderr,
        } = run_within(command, TIMEOUT);
        Self {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            took: start.elapsed(),
        }
    }

    /// # Panics
    /// If the program did not end with this code.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// # Panics
    /// If the program failed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// # Panics
    /// If the log lacks one of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stdout.contains(text),
                "no `{text}` in:\n{}",
                self.stdout
            );
        }
        self
    }

    /// The warnings, without the one about the test keys' modes: git does not
    /// keep 0600.
    pub fn warnings(&self) -> Vec<&str> {
        let is_warning = |line: &&str| line.contains("Warning: ");
        let lines = self.stdout.lines().filter(is_warning);
        lines
            .filter(|line| !line.contains("can be read by other users"))
            .collect()
    }

    /// # Panics
    /// If the log holds one of these texts.
    #[track_caller]
    pub fn does_not_say(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(!self.stdout.contains(text), "`{text}` in:\n{}", self.stdout);
        }
        self
    }
}

/// The program that Cargo built for this test; an example names its own.
fn program() -> PathBuf {
    PathBuf::from(option_env!("CARGO_BIN_EXE_signer").unwrap_or("signer"))
}

/// Runs a command to its end.
///
/// # Panics
/// If it is still running after `timeout`; it is killed then.
pub fn run_within(mut command: Command, timeout: Duration) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, timeout);
    let output = Output {
        status: status.unwrap_or_default(),
        stdout: stdout.join().expect("a reader"),
        stderr: stderr.join().expect("a reader"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        status.is_some(),
        "still running after {timeout:?}: {command:?}\n{text}"
    );
    output
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).expect("a pipe");
        }
        bytes
    })
}

/// The exit status, or nothing after the timeout, when the child was killed.
fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < timeout {
        if let Some(status) = child.try_wait().expect("our own child") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    None
}
