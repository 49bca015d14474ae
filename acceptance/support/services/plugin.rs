//! A plugin of sigstore's protocol by sigstore's own handler, `localkms`; its keys
//! are files.

use tempfile::TempDir;

use super::Service;
use super::pair::Pair;

pub struct Plugin(TempDir);

impl Plugin {
    /// It knows no key yet.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A search path (`PATH`) where it is found.
    pub fn search_path(&self) -> String {
        let program = Service::Plugin.path();
        let folder = program.parent().expect("a folder of its own");
        format!("{}:/usr/bin:/bin", folder.display())
    }

    /// Gives it a key; the key's URI.
    pub fn add(&self, name: &str, pair: &Pair) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, pair.private()).expect("a folder of our own");
        format!("localkms://{}", path.display())
    }
}
