//! The limits on the bytes that a registry serves.

/// The largest manifest that is read unless the user says otherwise
/// (distribution-spec v1.1 asks registries to take 4 MiB).
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The most bytes that are read of one kind of object. The kind leads to the exit
/// code and to the remedy (SIG-47).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Manifest(u64),
    /// The config of an image.
    Config(u64),
    /// A layer of an image.
    Layer(u64),
}

impl Limit {
    pub fn bytes(self) -> u64 {
        let (Self::Manifest(bytes) | Self::Config(bytes) | Self::Layer(bytes)) = self;
        bytes
    }
}
