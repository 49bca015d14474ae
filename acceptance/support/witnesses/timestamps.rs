//! sigstore's timestamp authority, with keys of its own in memory.

use std::cell::OnceCell;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::files::Role;
use super::forward::{Forward, Upstream};
use super::server::{Name, Place, Server};
use super::witness::Witness;
use crate::support::served::Served;
use crate::support::succeeds;

const READY_WITHIN: Duration = Duration::from_secs(30);
const CHAIN: &str = "/api/v1/timestamp/certchain";

pub fn start() -> Server {
    let socket = OnceCell::new();
    let command = |_, folder: &Path| {
        let socket = socket.get_or_init(|| folder.join("socket"));
        let mut command = program();
        command.args(["serve", "--timestamp-signer", "memory"]);
        command.args(["--disable-ntp-monitoring", "--scheme", "unix"]);
        command.arg("--socket-path").arg(socket);
        command
    };
    let served = Served::start(READY_WITHIN, command, |_| {
        let socket = socket.get().expect("the command was made");
        UnixStream::connect(socket).is_ok()
    });
    let upstream = Upstream::Socket(socket.into_inner().expect("the command was made"));
    let chain = Forward::to(&upstream).get(CHAIN);
    assert_eq!(chain.status, 200, "{chain:?}");
    let name = Name {
        role: Role::TimestampAuthority,
        place: Place::Front("/api/v1/timestamp"),
        pem: String::from_utf8_lossy(&chain.body).into_owned(),
    };
    Server::new(upstream, vec![name], served)
}

/// It always listens for metrics at port 2112, and ends if that is taken: each gets
/// a network of its own, if the machine has such, and is reached by a socket.
fn program() -> Command {
    let program = Witness::TimestampAuthority.path();
    let wrapper = ["--map-root-user", "--net"];
    if succeeds(Command::new("unshare").args(wrapper).arg("true")) {
        let mut command = Command::new("unshare");
        command.args(wrapper).arg(program);
        return command;
    }
    Command::new(program)
}
