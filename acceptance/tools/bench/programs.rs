//! The programs that compete, and the cost of a job for one of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::line::Traffic;
use super::stage::Stage;
use crate::support::cosign::Cosign;
use crate::support::images::{Document, Image};
use crate::support::signer::{Config, Signer};
use crate::support::tool;

const PASSWORD: &str = "benchmark";
/// How often the kernel is asked for a process's memory.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Ours, with `-settle 0`.
    Unsettled,
    /// Ours, as it is started without flags.
    Ours,
    /// `.sig` and `.att` tags, its only form.
    Cosign2,
    /// The same from version 3.
    Cosign3,
    /// Bundles, the default of version 3.
    Cosign3Bundle,
}

impl Program {
    pub const OURS: [Self; 2] = [Self::Unsettled, Self::Ours];
    pub const COSIGN: [Self; 3] = [Self::Cosign2, Self::Cosign3, Self::Cosign3Bundle];

    pub fn name(self) -> &'static str {
        match self {
            Self::Unsettled => "signer -settle 0",
            Self::Ours => "signer",
            Self::Cosign2 => "cosign 2",
            Self::Cosign3 => "cosign 3, tags",
            Self::Cosign3Bundle => "cosign 3, bundles",
        }
    }

    pub fn is_ours(self) -> bool {
        Self::OURS.contains(&self)
    }
}

/// Keys that cosign 2 generated: P-256, scrypt with N = 65536.
pub struct Keys {
    folder: TempDir,
}

impl Keys {
    pub fn generate(count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let password = folder.path().join("password");
        std::fs::write(password, PASSWORD).expect("a folder of our own");
        for number in 0..count {
            let status = Command::new(tool(Cosign::V2.path()))
                .args(["generate-key-pair", "--output-key-prefix"])
                .arg(format!("key{number}"))
                .current_dir(folder.path())
                .env("COSIGN_PASSWORD", PASSWORD)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(status.expect("cosign").success());
        }
        Self { folder }
    }

    pub fn private(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("key{number}.key"))
    }

    fn password(&self) -> PathBuf {
        self.folder.path().join("password")
    }
}

/// A job: every repository of the image, signed by the first `keys`
/// keys; beside the image its documents, in the form of `export-sbom`.
#[derive(Clone)]
pub struct Job {
    pub image: Image,
    pub keys: usize,
    pub export: &'static str,
    pub documents: Vec<Document>,
}

impl Job {
    /// The image alone.
    pub fn signatures(image: &Image, keys: usize) -> Self {
        Self {
            image: image.clone(),
            keys,
            export: "none",
            documents: Vec::new(),
        }
    }

    /// The image and the documents that it holds.
    pub fn documents(image: &Image, keys: usize, export: &'static str) -> Self {
        Self {
            documents: image.standard_documents(),
            export,
            ..Self::signatures(image, keys)
        }
    }

    pub fn of(&self, image: Image) -> Self {
        Self {
            image,
            ..self.clone()
        }
    }
}

/// The cost of a job.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub took: Duration,
    /// The largest resident set of a process; 0 where nobody looked.
    pub peak: u64,
    pub traffic: Traffic,
}

/// Whether the memory of processes is looked at, which takes some time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Watched,
    Ignored,
}

/// Where the programs are and what they are given.
pub struct Bench {
    pub signer: PathBuf,
    pub keys: Keys,
    pub stage: Stage,
    folder: TempDir,
}

impl Bench {
    pub fn new(signer: PathBuf) -> Self {
        Self {
            signer,
            keys: Keys::generate(20),
            stage: Stage::start(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Does the job; the image has been pushed.
    pub fn run(&self, program: Program, job: &Job, round_trip: Duration, memory: Memory) -> Sample {
        let host = self.stage.host();
        let signer = self.ours(program, job, &host);
        let commands = match program.is_ours() {
            true => vec![signer.command()],
            false => {
                let keys: Vec<_> = (0..job.keys).map(|key| self.keys.private(key)).collect();
                self.cosign(program, job, &host, &keys)
            }
        };
        self.stage.reset(round_trip);
        let mut sample = Sample {
            took: Duration::ZERO,
            peak: 0,
            traffic: Traffic::default(),
        };
        for command in commands {
            let (took, peak) = self.watch(command, memory);
            sample.took += took;
            sample.peak = sample.peak.max(peak);
        }
        sample.traffic = self.stage.traffic();
        sample
    }

    /// Ours, ready to start at any registry.
    pub fn ours(&self, program: Program, job: &Job, host: &str) -> Signer {
        let config = |number| self.key(number).set("export-sbom", job.export);
        let signer = Signer::of(&job.image, host).program(&self.signer);
        let signer = (0..job.keys).fold(signer, |signer, number| signer.config(config(number)));
        let folder = self.stage.docker_config().display().to_string();
        let signer = signer.environment("DOCKER_CONFIG", &folder);
        match program {
            Program::Unsettled => signer.arguments(&["-settle", "0"]),
            _ => signer,
        }
    }

    /// Ours with one key of many.
    pub fn ours_alone(&self, image: &Image, host: &str, key: usize) -> Signer {
        let job = Job::signatures(image, 0);
        let config = self.key(key).set("export-sbom", "none");
        self.ours(Program::Ours, &job, host).config(config)
    }

    /// One key of many with its password.
    pub fn key(&self, number: usize) -> Config {
        let password = self.keys.password().display().to_string();
        Config::key_file(&self.keys.private(number)).set("password", &password)
    }

    /// cosign 2 with one key of many; whether it said that it had signed.
    pub fn cosign_alone(&self, image: &Image, host: &str, key: usize) -> bool {
        let reference = format!("{host}/{}@{}", image.repository(), image.digest());
        let key = self.keys.private(key);
        let mut command = self.signing(Program::Cosign2, "sign", &key, &[], &reference);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Whether a command succeeds.
    pub fn try_run(&self, mut command: Command) -> bool {
        let log = File::create(self.folder.path().join("log")).expect("a folder of our own");
        let status = command.stdout(log).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// The time to unlock one key, in milliseconds.
    pub fn unlocking(&self) -> f64 {
        let bytes = std::fs::read(self.keys.private(0)).expect("a key");
        let key = signer::keys::KeyFile::parse(&signer::secret::Secret::new(bytes)).expect("a key");
        let password = signer::secret::Secret::new(PASSWORD.as_bytes().to_vec());
        let mut took: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                key.unlock(&password).expect("the password");
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        took[3]
    }

    /// cosign signs one image with one key at a time, and attests one document.
    pub fn cosign(
        &self,
        program: Program,
        job: &Job,
        host: &str,
        keys: &[PathBuf],
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        for (number, document) in job.documents.iter().enumerate() {
            let path = self.predicate(number);
            std::fs::write(path, &document.bytes).expect("a folder of our own");
        }
        for repository in job.image.repositories() {
            let reference = format!("{host}/{repository}@{}", job.image.digest());
            for key in keys {
                commands.push(self.signing(program, "sign", key, &[], &reference));
                if job.export != "attestation" {
                    continue;
                }
                for (number, document) in job.documents.iter().enumerate() {
                    let kind = document.predicate_type().expect("a standard document");
                    let path = self.predicate(number).display().to_string();
                    let more = ["--predicate", &path, "--type", kind];
                    commands.push(self.signing(program, "attest", key, &more, &reference));
                }
            }
            if job.export == "attachment" {
                let path = self.predicate(0).display().to_string();
                let mut command = self.command(program);
                command.args([
                    "attach",
                    "sbom",
                    "--allow-insecure-registry",
                    "--sbom",
                    &path,
                ]);
                command.args(["--type", "cyclonedx", &reference]);
                commands.push(command);
            }
        }
        commands
    }

    /// Where a document's bytes are for cosign.
    pub fn predicate(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("document{number}.json"))
    }

    fn signing(
        &self,
        program: Program,
        verb: &str,
        key: &Path,
        more: &[&str],
        reference: &str,
    ) -> Command {
        let mut command = self.command(program);
        command.args([verb, "--yes", "--tlog-upload=false"]);
        command.arg("--key").arg(key);
        match program {
            Program::Cosign3 => {
                command.args(["--use-signing-config=false", "--new-bundle-format=false"]);
            }
            Program::Cosign3Bundle => {
                command.args(["--use-signing-config=false", "--new-bundle-format=true"]);
            }
            _ => {}
        }
        command
            .args(more)
            .args(["--allow-insecure-registry", reference]);
        command
    }

    /// cosign, with nothing but its environment.
    pub fn command(&self, program: Program) -> Command {
        let cosign = match program {
            Program::Cosign2 => Cosign::V2,
            _ => Cosign::V3,
        };
        let mut command = Command::new(tool(cosign.path()));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("DOCKER_CONFIG", self.stage.docker_config())
            .env("COSIGN_PASSWORD", PASSWORD)
            // A request that leaves this machine would fail at once.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1,localhost");
        command
    }

    /// Runs a command to its end.
    pub fn watch(&self, mut command: Command, memory: Memory) -> (Duration, u64) {
        let path = self.folder.path().join("log");
        let log = File::create(&path).expect("a folder of our own");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let start = Instant::now();
        let mut child = command.spawn().expect("a program that starts");
        let (status, peak) = match memory {
            Memory::Ignored => (child.wait(), 0),
            Memory::Watched => watched(&mut child),
        };
        let took = start.elapsed();
        let status = status.expect("our own child");
        let log = std::fs::read_to_string(path).unwrap_or_default();
        assert!(status.success(), "{command:?}: {status}\n{log}");
        (took, peak)
    }
}

fn watched(child: &mut Child) -> (std::io::Result<std::process::ExitStatus>, u64) {
    let id = child.id();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut peak = 0;
            while !ended.load(Ordering::Relaxed) {
                peak = high_water_mark(id).unwrap_or(peak);
                thread::sleep(LOOK);
            }
            peak
        });
        let status = child.wait();
        ended.store(true, Ordering::Relaxed);
        (status, looking.join().expect("no panic"))
    })
}

/// The kernel's own figure, so that nothing between two looks is missed.
fn high_water_mark(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
