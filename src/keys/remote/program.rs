//! Programs that get the exact bytes of a message on standard input and answer
//! a signature (`spec/keys.md`, section 8). The public half is in a file, so
//! that a program need not be trusted with anything.
//!
//! A protocol of this signer's own, for signing services that no scheme covers:
//! users want the payload to arrive there, to be logged and checked, which
//! services of keys cannot do with a digest (cosign#3906).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::found::FoundKey;
use super::message::{Prepared, Unsigned, each};
use super::programs::{pass_on, permits, processors};
use crate::child::{self, Bounds, Words};
use crate::keys::error::{OpenError, SignError};
use crate::keys::public::PublicFile;
use crate::keys::reference::Program;
use crate::service::{
    PROGRAM_TIME, Said, ServiceError, ServiceName, Trouble, Variables, last_words,
};

/// KEY-113. Certificates may stand before the signature.
const BOUNDS: Bounds = Bounds {
    time: PROGRAM_TIME,
    answer: 64 * 1024,
};
const END_OF_CERTIFICATE: &[u8] = b"-----END CERTIFICATE-----";

/// A program that was found, and its public half.
pub(super) struct ClosedProgram {
    key: ProgramSigner,
    public: PublicFile,
}

/// A program that signs.
pub(super) struct ProgramSigner {
    name: ServiceName,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Variables,
    /// One for each program of the run that runs.
    permits: Arc<Semaphore>,
}

impl ClosedProgram {
    /// Reads the public half, and looks for the program: a path, or a name in
    /// `PATH`. Whether the file can be executed shows when it is run.
    pub(super) fn find(program: &Program, variables: &Variables) -> Result<Self, OpenError> {
        let (name, arguments) = match program.command.split_first() {
            Some((name, arguments)) => (name.as_str(), arguments.to_vec()),
            None => ("", Vec::new()),
        };
        let service = ServiceName::Program(name.to_owned());
        let path = match name.contains('/') {
            true => Some(PathBuf::from(name)).filter(|path| is_file(path)),
            false => child::find(name, &variables.program_path()),
        };
        let path = path.ok_or_else(|| service.failed(Trouble::NoProgram))?;
        variables.files().note(&path, "a program");
        let pem = variables.read(program.public.path());
        let pem = pem.map_err(|error| service.failed(error))?;
        Ok(Self {
            public: PublicFile::parse(&program.public, &pem)?,
            key: ProgramSigner {
                name: service,
                program: path,
                arguments,
                variables: variables.clone(),
                permits: permits(variables),
            },
        })
    }

    pub(super) fn open(self) -> (ProgramSigner, FoundKey) {
        let found = FoundKey {
            public: self.public.key,
            hash: None,
            version: None,
        };
        (self.key, found)
    }
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

impl ProgramSigner {
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        each(messages, processors(), |message| self.sign_one(message)).await
    }

    async fn sign_one(&self, prepared: &Prepared) -> Result<Vec<u8>, SignError> {
        let message = &prepared.message;
        let digest = message.content.digest().map_err(SignError::Read)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("SIGNER_DIGEST", digest.hex())
            .env("SIGNER_IMAGE", &message.image)
            .env("SIGNER_KIND", message.purpose.name());
        // Read as late as this, the list has the secrets of every other key of the
        // run (KEY-117); `child` leaves out the signer's own (KEY-116).
        for name in self.variables.secret_names() {
            command.env_remove(name);
        }
        let secrets = self.variables.secrets();
        // The semaphore is never closed, so that this never fails.
        let _permit = self.permits.acquire().await.ok();
        let answer = child::run(command, &message.content, Words::Kept, BOUNDS).await;
        let answer = answer.map_err(|error| self.name.failed(error))?;
        pass_on(&self.name, &answer.words, secrets);
        // Other than a plugin's, its exit status counts, whatever it printed.
        if !answer.status.success() {
            let said = match last_words(&answer.words, secrets) {
                Said(words) if words.is_empty() => Said(answer.status.to_string()),
                Said(words) => Said(format!("{}: {words}", answer.status)),
            };
            return Err(self.name.failed(Trouble::Failed(said)).into());
        }
        let signature = signature(&answer.output);
        Ok(signature.ok_or_else(|| self.useless())?)
    }

    fn useless(&self) -> ServiceError {
        let action = "signing".to_owned();
        let reason = "it printed no signature";
        self.name.failed(Trouble::Answer { action, reason })
    }
}

/// The signature in a program's output: raw, or base64 with or without line
/// breaks; certificates in PEM may stand before it (KEY-118). Raw bytes that are
/// base64 by chance do not exist: a signature has 64 bytes or more. A wrong guess
/// is no danger, since the public half decides.
pub(super) fn signature(output: &[u8]) -> Option<Vec<u8>> {
    let output = after_certificates(output);
    let is_space = |byte: &&u8| !byte.is_ascii_whitespace();
    let text: Vec<u8> = output.iter().filter(is_space).copied().collect();
    match STANDARD.decode(&text) {
        Ok(decoded) if decoded.is_empty() => None,
        Ok(decoded) => Some(decoded),
        Err(_) => Some(output.to_vec()),
    }
}

/// The bytes behind the last certificate and its line break. The white space
/// before raw bytes is theirs, and stays.
fn after_certificates(output: &[u8]) -> &[u8] {
    if !output
        .trim_ascii_start()
        .starts_with(b"-----BEGIN CERTIFICATE")
    {
        return output;
    }
    let mut windows = output.windows(END_OF_CERTIFICATE.len());
    let last = windows.rposition(|window| window == END_OF_CERTIFICATE);
    let rest = last.and_then(|last| output.get(last + END_OF_CERTIFICATE.len()..));
    let rest = rest.unwrap_or_default();
    let line = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n"));
    line.unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_may_be_raw_or_base64_or_follow_certificates() {
        let raw: Vec<u8> = (0..=255).collect();
        let text = STANDARD.encode(&raw);
        let (head, tail) = text.split_at(64);
        let certificates = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let mut after = certificates.as_bytes().to_vec();
        after.extend_from_slice(&raw);
        for output in [
            raw.clone(),
            text.clone().into_bytes(),
            format!("{head}\r\n{tail}\n").into_bytes(),
            format!("{certificates}{certificates}{text}\n").into_bytes(),
            after,
        ] {
            assert_eq!(signature(&output).as_deref(), Some(&*raw));
        }
        for nothing in ["", "\n", certificates] {
            assert_eq!(signature(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
