//! Programs of others that are run for an answer: credential helpers, key
//! plugins, programs that sign.
//!
//! Each gets its input on a pipe and has to answer in time and in bounds
//! (KEY-113). It inherits the environment without the signer's own secrets, and
//! no argument of ours holds one: other users of the machine see arguments
//! (KEY-116).
//!
//! Knows neither questions nor answers: they are bytes. Their words are scrubbed
//! by the callers, who know the secrets.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::beside;
use crate::oci::Content;

/// The signer's own secrets, which no child needs. A child that is asked for a
/// key may need others: their names are for the callers to remove.
const NOT_INHERITED: [&str; 3] = ["COSIGN_PASSWORD", "CNB_REGISTRY_AUTH", "DOCKER_AUTH_CONFIG"];
/// The most bytes of a program's standard error that are read, and that are
/// kept: the last ones say why it failed.
const MOST_WORDS: u64 = 1 << 20;
const KEPT_WORDS: usize = 4 * 1024;
/// Input up to this length is written from memory: a pipe takes so much without
/// its reader.
const SMALL: u64 = 64 * 1024;
const PIECE: usize = 64 * 1024;

/// The bounds of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    /// Bytes of standard output.
    pub(crate) answer: u64,
}

/// The answer of a program that has ended.
pub(crate) struct ChildAnswer {
    /// Its standard output; it may be a secret.
    pub(crate) output: Zeroizing<Vec<u8>>,
    /// The last words of its standard error.
    pub(crate) words: String,
    pub(crate) status: ExitStatus,
}

/// A program without an answer.
#[derive(thiserror::Error)]
pub enum ChildError {
    #[error("it cannot be run")]
    Start(#[source] io::Error),
    /// It was started, and then its pipes or its end could not be had.
    #[error("it cannot be talked to")]
    Pipe(#[source] io::Error),
    #[error("it did not end within {0} s", time.as_secs_f64())]
    Silence { time: Duration },
    #[error("it printed more than {most} bytes")]
    TooLong { most: u64 },
    #[error("its input cannot be read")]
    Input(#[source] io::Error),
}

debug_as_display!(ChildError);

/// The fate of a program's standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Kept,
    /// It may hold secrets that the signer does not know.
    Dropped,
}

/// The first executable file of this name in `path`, a colon list. Relative
/// folders are left out, as Go's `exec.LookPath` does: in the folder of a build,
/// anybody may have put a program.
pub(crate) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    let is_executable = |file: &PathBuf| {
        std::fs::metadata(file)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(is_executable)
}

/// Runs a program to its end. It need not read its input. A program that ends
/// before its own children is waited for until they close its output, too.
///
/// If the future is dropped, the program is killed.
///
/// # Errors
/// On a program that cannot be started, or keeps no bound, and on input that
/// cannot be read. Its exit status is part of the answer.
pub(crate) async fn run(
    mut command: Command,
    input: &Content,
    words: Words,
    bounds: Bounds,
) -> Result<ChildAnswer, ChildError> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(match words {
            Words::Kept => Stdio::piped(),
            Words::Dropped => Stdio::null(),
        })
        .kill_on_drop(true);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(ChildError::Start)?;
    let answer = timeout(bounds.time, talk(&mut child, input, bounds)).await;
    // Killed if it has not ended, and reaped by the runtime. Its own children
    // live on.
    let _ = child.start_kill();
    answer.unwrap_or(Err(ChildError::Silence { time: bounds.time }))
}

/// Writes, reads and listens at the same time: a program that waits until one of
/// them is taken does nothing else.
async fn talk(
    child: &mut Child,
    input: &Content,
    bounds: Bounds,
) -> Result<ChildAnswer, ChildError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let writing = async {
        match stdin {
            Some(stdin) => write(stdin, input).await,
            None => Ok(()),
        }
    };
    let reading = async {
        // A buffer that grows would leave copies of a secret behind.
        let room = usize::try_from(bounds.answer + 1).unwrap_or_default();
        let mut output = Zeroizing::new(Vec::with_capacity(room));
        if let Some(stdout) = stdout {
            let mut limited = stdout.take(bounds.answer + 1);
            let read = limited.read_to_end(&mut output).await;
            read.map_err(ChildError::Pipe)?;
        }
        match output.len() as u64 > bounds.answer {
            true => Err(ChildError::TooLong {
                most: bounds.answer,
            }),
            false => Ok(output),
        }
    };
    let listening = async {
        // An error ends the listening alone: words are no part of the answer.
        let mut tail = Tail::default();
        if let Some(stderr) = stderr {
            let mut limited = stderr.take(MOST_WORDS);
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = limited.read(&mut piece).await {
                tail.push(piece.get(..count).unwrap_or_default());
            }
        }
        Ok(tail)
    };
    // The writer is not awaited: a program that has answered need not read on.
    // Biased, so that an answer that is there counts before an error of the
    // input.
    let answering = async { futures_util::try_join!(reading, listening) };
    let (mut answering, mut writing) = (std::pin::pin!(answering), std::pin::pin!(writing));
    let (output, tail) = tokio::select! {
        biased;
        answer = &mut answering => answer?,
        written = &mut writing => {
            written?;
            answering.await?
        }
    };
    let status = child.wait().await.map_err(ChildError::Pipe)?;
    Ok(ChildAnswer {
        output,
        words: tail.to_string(),
        status,
    })
}

/// Writes all of `input`, unless the program closes the pipe before, which is no
/// error: it need not read. The pipe is closed at the end, so that the program
/// sees it.
async fn write(mut stdin: ChildStdin, input: &Content) -> Result<(), ChildError> {
    if input.length() <= SMALL {
        let bytes = input.to_bytes().map_err(ChildError::Input)?;
        let _ = stdin.write_all(&bytes).await;
        return Ok(());
    }
    let pipe = stdin.into_owned_fd().map_err(ChildError::Pipe)?;
    let input = input.clone();
    let written = beside::run(move || pour(&input, File::from(pipe))).await;
    written.unwrap_or(Ok(())).map_err(ChildError::Input)
}

/// Streams a long input on a thread of its own, which blocks while the program
/// does not read: killed, it breaks the pipe, and the thread ends.
fn pour(input: &Content, mut pipe: File) -> io::Result<()> {
    let mut reader = input.open();
    let mut piece = vec![0; PIECE];
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if pipe
            .write_all(piece.get(..count).unwrap_or_default())
            .is_err()
        {
            return Ok(());
        }
    }
}

/// The last bytes of a text. They may begin within a character.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        let surplus = self.0.len().saturating_sub(KEPT_WORDS);
        self.0.drain(..surplus);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(10),
        answer: 1000,
    };

    async fn shell(
        script: &str,
        input: Content,
        bounds: Bounds,
    ) -> Result<ChildAnswer, ChildError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, &input, Words::Kept, bounds).await
    }

    fn input(length: usize) -> Content {
        Content::from(vec![b'x'; length])
    }

    #[tokio::test]
    async fn a_program_gets_its_input_whole_and_gives_its_answer() {
        for length in [0, 10, 5 << 20] {
            let answer = shell("wc -c; echo why >&2; exit 3", input(length), BOUNDS).await;
            let answer = answer.unwrap();
            let output = String::from_utf8(answer.output.to_vec()).unwrap();
            assert_eq!(output.trim(), length.to_string());
            assert_eq!(answer.words, "why");
            assert_eq!(answer.status.code(), Some(3));
        }
    }

    #[tokio::test]
    async fn a_program_need_not_read_its_input() {
        let answer = shell("exec <&-; echo yes", input(5 << 20), BOUNDS).await;
        assert_eq!(&**answer.unwrap().output, b"yes\n");
    }

    #[tokio::test]
    async fn a_program_that_floods_or_hangs_is_stopped() {
        let flood = shell("yes", input(0), BOUNDS).await;
        assert!(matches!(flood, Err(ChildError::TooLong { most: 1000 })));
        let bounds = Bounds {
            time: Duration::from_millis(200),
            ..BOUNDS
        };
        let hang = shell("sleep 60", input(5 << 20), bounds).await;
        assert!(matches!(hang, Err(ChildError::Silence { .. })));
    }

    #[tokio::test]
    async fn of_many_words_the_last_are_kept() {
        let script = "seq 1 100000 >&2; echo end >&2";
        let answer = shell(script, input(0), BOUNDS).await.unwrap();
        assert!(answer.words.ends_with("100000\nend"), "{}", answer.words);
        assert!(answer.words.len() <= KEPT_WORDS);
    }
}
