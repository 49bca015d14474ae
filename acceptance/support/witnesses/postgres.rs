//! A PostgreSQL server with an empty cluster of its own, for Trillian.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::support::served::Served;
use crate::support::succeeds;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// PostgreSQL runs as anybody but root.
const NOBODY: &str = "nobody";
const OWNER: &str = "trillian";
/// Where the programs are, each of which Debian has its own folder for.
const FOLDER: &str = "/usr/lib/postgresql";

/// Ends with this value.
pub struct Postgres {
    programs: PathBuf,
    served: Served,
}

impl Postgres {
    /// Where its programs are: as Debian installs them, or on the search path.
    pub fn programs() -> Option<PathBuf> {
        let versions = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
        let versions = versions.map(|version| version.path().join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut all = versions.chain(std::env::split_paths(&path));
        all.find(|folder| {
            ["initdb", "pg_ctl", "psql"]
                .iter()
                .all(|name| folder.join(name).is_file())
        })
    }

    /// With the tables of a script.
    pub fn start(script: &Path) -> Self {
        let programs = Self::programs().expect("PostgreSQL is installed");
        let command = |_, folder: &Path| {
            own(folder);
            let data = folder.join("data");
            let mut initdb = unprivileged(&programs.join("initdb"));
            initdb.args([
                "--auth=trust",
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
            ]);
            initdb.args(["--username", OWNER, "--pgdata"]).arg(&data);
            assert!(succeeds(&mut initdb), "no cluster: {initdb:?}");
            let mut command = unprivileged(&programs.join("postgres"));
            command.arg("-D").arg(data).arg("-k").arg(folder);
            command.args(["-h", "", "-c", "fsync=off", "-c", "max_connections=200"]);
            command
        };
        let served = Served::start(READY_WITHIN, command, |_| true);
        let mut postgres = Self { programs, served };
        postgres.load(script);
        postgres
    }

    /// How Trillian reaches it.
    pub fn uri(&self) -> String {
        let folder = self.served.folder().display();
        format!("postgresql:///postgres?host={folder}&user={OWNER}&sslmode=disable")
    }

    /// As soon as it is ready.
    fn load(&mut self, script: &Path) {
        let (program, uri) = (self.programs.join("psql"), self.uri());
        let psql = || {
            let mut psql = Command::new(&program);
            psql.args(["--no-psqlrc", "--quiet", "--dbname", &uri]);
            psql.args(["--set", "ON_ERROR_STOP=1"]);
            psql
        };
        self.served.wait(READY_WITHIN, || {
            succeeds(psql().args(["--command", "select 1"]))
        });
        assert!(succeeds(psql().arg("--file").arg(script)), "{script:?}");
    }
}

impl Drop for Postgres {
    /// Killed, it would leave shared memory behind.
    fn drop(&mut self) {
        let mut stop = unprivileged(&self.programs.join("pg_ctl"));
        stop.args(["stop", "--mode=immediate", "--pgdata"]);
        let _gone = succeeds(stop.arg(self.served.folder().join("data")));
    }
}

/// The program as a user who is not root.
fn unprivileged(program: &Path) -> Command {
    if !Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--clear-groups"]);
    command.arg(program);
    command
}

/// Gives the folder to that user, and lets everybody through to the socket in it.
fn own(folder: &Path) {
    if Uid::effective().is_root() {
        let nobody = User::from_name(NOBODY).ok().flatten().expect("nobody");
        chown(folder, Some(nobody.uid.as_raw()), None).expect("a folder of our own");
    }
    let mode = Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).expect("a folder of our own");
}
