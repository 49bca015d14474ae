//! A place of ours that somebody else writes to, and what readers and the signer
//! make of it.

use std::thread;

use bytes::Bytes;

use crate::support::cosign::Cosign;
use crate::support::images::Image;
use crate::support::real::RealRegistry;
use crate::support::registry::{Registry, Stored};
use crate::support::signer::Signer;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The end that the run after an edit has to come to.
#[derive(Clone, Copy)]
pub enum Run {
    /// Readers took it for the same, and nothing is written.
    Leaves,
    /// Readers find it again.
    Mends,
    /// 118, with these words.
    Names(&'static str),
}

pub use Run::{Leaves, Mends, Names};

/// One registry, whoever made it.
pub enum Host {
    Ours(Registry),
    Real(RealRegistry),
}

impl Host {
    pub fn name(&self) -> &str {
        match self {
            Self::Ours(registry) => registry.host(),
            Self::Real(registry) => registry.host(),
        }
    }

    pub fn seed(&self, image: &Image) {
        match self {
            Self::Ours(registry) => image.seed(registry),
            Self::Real(registry) => image.push(registry.remote()),
        }
    }

    pub fn manifest(&self, image: &Image, tag: &str) -> Stored {
        let there = match self {
            Self::Ours(registry) => registry.manifest(image.repository(), tag),
            Self::Real(registry) => registry.remote().manifest(image.repository(), tag),
        };
        there.unwrap_or_else(|| panic!("nothing at {tag}"))
    }

    /// Whether the registry takes it.
    pub fn put(&self, image: &Image, tag: &str, stored: &Stored) -> bool {
        let repository = image.repository();
        match self {
            Self::Ours(registry) => {
                let digest = registry.store_manifest(repository, stored.clone());
                registry.tag(repository, tag, &digest);
                true
            }
            Self::Real(registry) => {
                let status = registry.remote().try_put_manifest(repository, tag, stored);
                status == 201
            }
        }
    }
}

/// A place with what we wrote there.
pub struct Place<'a> {
    pub host: &'a Host,
    pub image: &'a Image,
    pub tag: String,
    pub signer: Signer,
    /// Asks a cosign whether it accepts us.
    pub accepts: &'a (dyn Fn(Cosign) -> bool + Sync),
    pub readers: &'a [Cosign],
    pub ours: Stored,
}

impl Place<'_> {
    pub fn text(&self) -> String {
        String::from_utf8(self.ours.bytes.to_vec()).unwrap()
    }

    fn asked(&self) -> Vec<bool> {
        thread::scope(|scope| {
            let ask = |cosign: &Cosign| {
                let cosign = *cosign;
                scope.spawn(move || (self.accepts)(cosign))
            };
            let asked: Vec<_> = self.readers.iter().map(ask).collect();
            asked
                .into_iter()
                .map(|answer| answer.join().unwrap())
                .collect()
        })
    }

    /// Says what is wrong with the run after this edit, and what is right.
    fn after(&self, edit: &Edit) -> Result<String, String> {
        let name = &edit.name;
        if !self.host.put(self.image, &self.tag, &edit.stored) {
            return Ok(format!("{name}: this registry does not take it"));
        }
        let before = self.asked();
        let run = self.signer.run();
        let now = self.host.manifest(self.image, &self.tag);
        let is_left = now.bytes == edit.stored.bytes;
        let told = format!("{name}: cosign {before:?}, exit {:?}", run.code);
        let fault = |reason: &str| {
            let now = String::from_utf8_lossy(&now.bytes).into_owned();
            Err(format!("{told}: {reason}\n{}\n{now:.2000}\n", run.stdout))
        };
        match edit.run {
            Names(member) if run.code != Some(118) => fault(&format!("not refused for {member}")),
            Names(member) if !run.stdout.contains(member) => fault(&format!("{member} not named")),
            Names(_) if !is_left => fault("written over"),
            Names(_) => Ok(told),
            Leaves | Mends if run.code != Some(0) => fault("failed"),
            Leaves if !is_left => fault("written for nothing"),
            Mends if is_left => fault("left as it was"),
            Leaves | Mends => {
                let after = self.asked();
                match after.iter().all(|accepted| *accepted) {
                    true => Ok(told),
                    false => fault(&format!("exit 0, and cosign {after:?}")),
                }
            }
        }
    }

    #[track_caller]
    pub fn stands(&self, edits: impl IntoIterator<Item = Edit>) {
        assert!(self.asked().iter().all(|accepted| *accepted));
        let mut faults = Vec::new();
        for edit in edits {
            match self.after(&edit) {
                Ok(told) => eprintln!("{told}"),
                Err(fault) => faults.push(fault),
            }
            assert!(self.host.put(self.image, &self.tag, &self.ours));
        }
        assert!(
            faults.is_empty(),
            "{} faults:\n{}",
            faults.len(),
            faults.join("\n")
        );
    }
}

/// Something that is written over ours.
pub struct Edit {
    pub name: String,
    pub stored: Stored,
    pub run: Run,
}

pub fn as_type(media_type: &str, name: &str, bytes: impl Into<Bytes>, run: Run) -> Edit {
    let (name, media_type) = (name.to_owned(), media_type.to_owned());
    let bytes = bytes.into();
    let stored = Stored { media_type, bytes };
    Edit { name, stored, run }
}

pub fn edit(name: &str, bytes: impl Into<Bytes>, run: Run) -> Edit {
    as_type(MANIFEST, name, bytes, run)
}

/// The text with a part replaced, which has to be there.
pub fn with(text: &str, part: &str, other: &str) -> String {
    assert!(text.contains(part), "{part} in {text}");
    text.replacen(part, other, 1)
}

/// The object with members more, at its end.
pub fn and(text: &str, members: &str) -> String {
    format!("{},{members}}}", text.strip_suffix('}').unwrap())
}
