//! Those who witness signatures: timestamp authorities, transparency logs and
//! certificate authorities. `make witnesses` installs the real ones, `make test`
//! those that are built soon; tests leave out what is not there
//! ([`Need::Witness`](super::needs::Need::Witness)).
//!
//! A test gets [`Witnesses`] of its own: fronts that record, count and fail as it
//! says, with a trusted root and a signing config by real cosign that name them. The
//! servers behind the fronts are shared by all tests that run at the moment; with the
//! last of these tests they end.

pub mod agent;
mod authority;
mod certificate_log;
pub mod der;
mod files;
mod forward;
pub mod issuer;
pub mod log_stand_in;
mod log_v1;
mod log_v2;
mod postgres;
mod server;
mod timestamps;
mod witness;

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use files::{Files, Listed, Role, Rule};
pub use witness::Witness;

use super::services::stand_in::StandIn;
use forward::Forward;
use server::Server;

/// Real witnesses behind fronts of one test's own.
pub struct Witnesses {
    fronts: Vec<(Witness, StandIn)>,
    servers: Vec<Arc<Server>>,
    files: Files,
}

impl Witnesses {
    /// These, and the files that name them all; of several logs or authorities one
    /// is enough.
    ///
    /// # Panics
    /// If one is not installed.
    pub fn of(witnesses: &[Witness]) -> Self {
        let servers: Vec<_> = witnesses.iter().map(|&one| shared(one)).collect();
        let front = |(&witness, server): (&Witness, &Arc<Server>)| {
            let forward = Forward::to(server.upstream());
            (witness, StandIn::start(move |asked| forward.pass(asked)))
        };
        let fronts: Vec<_> = witnesses.iter().zip(&servers).map(front).collect();
        let files = Files::of(&listed(&fronts, &servers, witnesses), Rule::Any);
        Self {
            fronts,
            servers,
            files,
        }
    }

    /// The path of a trusted root of them all.
    pub fn trusted_root(&self) -> &str {
        self.files.trusted_root()
    }

    /// The path of a signing config that lists them all.
    pub fn signing_config(&self) -> &str {
        self.files.signing_config()
    }

    /// The files with some of them only, and another rule.
    pub fn files(&self, some: &[Witness], rule: Rule) -> Files {
        Files::of(&self.listed(some), rule)
    }

    /// How the files list some of them; a stand-in's lines may be added.
    pub fn listed(&self, some: &[Witness]) -> Vec<Listed> {
        listed(&self.fronts, &self.servers, some)
    }

    /// Where all requests of this test to a witness pass: it records and counts
    /// them, and lets things go wrong.
    ///
    /// # Panics
    /// If it was not asked for.
    pub fn front(&self, witness: Witness) -> &StandIn {
        let mut fronts = self.fronts.iter();
        let front = fronts.find(|(known, _)| *known == witness);
        &front.expect("a witness of this test").1
    }

    /// The flags by which any cosign demands the evidence of these witnesses, and no
    /// other, from the signatures of a key.
    pub fn demanding(&self, demanded: &[Witness]) -> Vec<String> {
        let mut flags = vec!["--trusted-root".to_owned(), self.trusted_root().to_owned()];
        let is_log = |one: &Witness| matches!(one, Witness::LogV1 | Witness::LogV2);
        if !demanded.iter().any(is_log) {
            flags.push("--insecure-ignore-tlog".to_owned());
        }
        if demanded.contains(&Witness::TimestampAuthority) {
            flags.push("--use-signed-timestamps".to_owned());
        }
        flags
    }
}

fn listed(fronts: &[(Witness, StandIn)], servers: &[Arc<Server>], some: &[Witness]) -> Vec<Listed> {
    let all = fronts.iter().zip(servers);
    let some = all.filter(|((witness, _), _)| some.contains(witness));
    some.flat_map(|((_, front), server)| server.listed(front.host()))
        .collect()
}

/// The server of all tests that want it now, one of each kind.
fn shared(witness: Witness) -> Arc<Server> {
    static TIMESTAMPS: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static LOG_V1: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static LOG_V2: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static FROZEN_LOG_V2: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static AUTHORITY: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static UNLOGGED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let (place, start): (_, fn() -> Server) = match witness {
        Witness::TimestampAuthority => (&TIMESTAMPS, timestamps::start),
        Witness::LogV2 => (&LOG_V2, log_v2::start),
        Witness::FrozenLogV2 => (&FROZEN_LOG_V2, log_v2::start_frozen),
        Witness::LogV1 => (&LOG_V1, log_v1::start),
        Witness::Authority => (&AUTHORITY, authority::start),
        Witness::UnloggedAuthority => (&UNLOGGED, authority::start_unlogged),
    };
    // Where one could not be started, the next test tries again.
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    place.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *place = Arc::downgrade(&server);
        server
    })
}
