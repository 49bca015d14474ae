//! New key pairs, in the two files of `cosign generate-key-pair`.
//!
//! Implements `spec/keys.md`, section 6. The formats are those of cosign v2.6.4
//! `pkg/cosign/keys.go` `GenerateKeyPair`: a P-256 key.
//! All random bytes are of aws-lc's generator (KEY-50), and come by a function
//! that tests replace. `cli` asks for the password.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use p256::SecretKey;
use pkcs8::EncodePrivateKey as _;
use pkcs8::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::key_file::{KeyFile, Random};
use super::local::LocalKey;
use crate::secret::Secret;
use crate::signature::PublicKey;

/// One draw in 2^32 is no scalar of P-256; so many in a row are no chance, but a
/// generator that is stuck.
const DRAWS: usize = 8;

/// A new key, sealed, and its public half.
pub struct KeyPair {
    private: Zeroizing<String>,
    public: PublicKey,
    public_pem: String,
}

/// The two files of a pair.
#[derive(Debug, PartialEq, Eq)]
pub struct PairFiles {
    pub private: PathBuf,
    pub public: PathBuf,
}

impl LocalKey {
    /// A new P-256 key, which nobody keeps: a certificate names it for the run
    /// (`spec/evidence.md`, "Keyless"). Takes no password, and no scrypt.
    ///
    /// # Errors
    /// On a system without random bytes.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let pkcs8 = draw_pkcs8(&mut |bytes| aws_lc_rs::rand::fill(bytes).is_ok());
        match pkcs8 {
            Ok(pkcs8) => Self::from_pkcs8(&pkcs8),
            Err(KeyPairError::Seal(error)) => Err(error),
            Err(_) => Err(KeyError::NoRandom),
        }
    }
}

impl KeyPair {
    /// Makes a P-256 key and seals it with exactly these bytes. Takes a tenth of
    /// a second and 64 MiB of memory.
    ///
    /// # Errors
    /// On a password that is too long, and on a system without random bytes or
    /// without the memory.
    pub fn generate(password: &Secret) -> Result<Self, KeyPairError> {
        Self::drawn(password, |bytes| aws_lc_rs::rand::fill(bytes).is_ok())
    }

    /// `fill` is `false` where there are no random bytes.
    fn drawn(
        password: &Secret,
        mut fill: impl FnMut(&mut [u8]) -> bool,
    ) -> Result<Self, KeyPairError> {
        let pkcs8 = draw_pkcs8(&mut fill)?;
        let mut random = Random::default();
        if !fill(&mut random.salt) || !fill(&mut random.nonce) {
            return Err(KeyPairError::NoRandom);
        }
        // Derived from the bytes that are sealed: a pair always belongs together.
        let public = LocalKey::from_pkcs8(&pkcs8).map_err(KeyPairError::Seal)?;
        let public = public.public_key().clone();
        let sealed = KeyFile::seal(&pkcs8, password, random).map_err(KeyPairError::Seal)?;
        let damaged = KeyPairError::Seal(KeyError::Damaged);
        let (Some(private), Ok(public_pem)) = (
            sealed.to_pem(),
            encode_string("PUBLIC KEY", LineEnding::LF, public.as_der()),
        ) else {
            return Err(damaged);
        };
        Ok(Self {
            private: Zeroizing::new(private),
            public,
            public_pem,
        })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Writes `PREFIX.key`, of mode 0600 as long as it exists, and `PREFIX.pub`
    /// through to the disk (KEY-52). Nothing is replaced and no link followed: the
    /// files are this call's own. If one of them cannot be written, neither stays. A
    /// process that is killed in between leaves `PREFIX.key` behind, which the next
    /// call refuses to touch.
    ///
    /// # Errors
    /// On a file that is there already, and on one that cannot be written.
    pub fn write(&self, prefix: &Path) -> Result<PairFiles, KeyPairError> {
        // Appended: `with_extension` would replace the part behind a dot of the
        // prefix.
        let named = |end: &str| {
            let mut name = OsString::from(prefix);
            name.push(end);
            PathBuf::from(name)
        };
        let paths = PairFiles {
            private: named(".key"),
            public: named(".pub"),
        };
        let private = New::write(&paths.private, 0o600, self.private.as_bytes())?;
        let public = New::write(&paths.public, 0o644, self.public_pem.as_bytes())?;
        // A file whose name is lost with the power is as good as not written, so that
        // both are kept only after this.
        sync_folder(&paths.private)?;
        private.keep();
        public.keep();
        Ok(paths)
    }
}

/// The DER of a key's PKCS#8 form, as Go writes it: with the public key inside. A
/// scalar that is drawn is uniform, since one that is too large is drawn again.
fn draw_pkcs8(
    fill: &mut impl FnMut(&mut [u8]) -> bool,
) -> Result<Zeroizing<Vec<u8>>, KeyPairError> {
    let mut scalar = Zeroizing::new([0; 32]);
    for _ in 0..DRAWS {
        if !fill(&mut *scalar) {
            return Err(KeyPairError::NoRandom);
        }
        if let Ok(key) = SecretKey::from_slice(&*scalar).map(Box::new) {
            let der = key.to_pkcs8_der();
            let der = der.map_err(|_| KeyPairError::Seal(KeyError::Damaged))?;
            return Ok(der.to_bytes());
        }
    }
    Err(KeyPairError::NoRandom)
}

/// A file that this process has just made, removed unless it is kept.
struct New<'a> {
    path: &'a Path,
    is_kept: bool,
}

impl<'a> New<'a> {
    fn write(path: &'a Path, mode: u32, bytes: &[u8]) -> Result<Self, KeyPairError> {
        let cannot = |source: io::Error| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::AlreadyExists => KeyPairError::Exists(path),
                _ => KeyPairError::Write { path, source },
            }
        };
        // Exclusive: a link at this path counts as a file that is there.
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(mode);
        let mut file = options.open(path).map_err(cannot)?;
        let new = Self {
            path,
            is_kept: false,
        };
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(cannot)?;
        Ok(new)
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for New<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // The error that is on its way says more.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// Writes the names of files through to the disk, where the file system can: some
/// answer EINVAL for a folder.
fn sync_folder(path: &Path) -> Result<(), KeyPairError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A folder that may be written to need not be readable.
    let Ok(open) = File::open(folder) else {
        return Ok(());
    };
    match open.sync_all() {
        Err(source) if source.raw_os_error() != Some(Errno::EINVAL as i32) => {
            let path = folder.to_owned();
            Err(KeyPairError::Write { path, source })
        }
        _ => Ok(()),
    }
}

/// A key pair that could not be made. Nothing of it was written.
#[derive(thiserror::Error)]
pub enum KeyPairError {
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("cannot seal the key")]
    Seal(#[source] KeyError),
    #[error("`{0}` is there already")]
    Exists(PathBuf),
    #[error("cannot write `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

debug_as_display!(KeyPairError);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    /// Bytes as good as random ones, and the same in each test.
    fn counted() -> impl FnMut(&mut [u8]) -> bool {
        let mut next = 0;
        move |bytes| {
            bytes.fill_with(|| {
                next += 1;
                next
            });
            true
        }
    }

    fn pair() -> KeyPair {
        KeyPair::drawn(&secret("a password"), counted()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// KEY-50, KEY-51
    #[test]
    fn a_new_key_opens_with_its_password_and_no_other() {
        let pair = KeyPair::generate(&secret("a password")).unwrap();
        let file = KeyFile::parse(&secret(&pair.private)).unwrap();
        let key = file.unlock(&secret("a password")).unwrap();
        assert_eq!(key.public_key(), pair.public_key());
        let (label, der) = pem_rfc7468::decode_vec(pair.public_pem.as_bytes()).unwrap();
        assert_eq!((label, &*der), ("PUBLIC KEY", pair.public_key().as_der()));
        for wrong in ["", "a password\n"] {
            let error = file.unlock(&secret(wrong)).unwrap_err();
            assert_eq!(error, KeyError::Locked);
        }
    }

    /// KEY-51. Beside the salt, the nonce and the ciphertext, the files of cosign
    /// have the same bytes.
    #[test]
    fn a_new_key_file_is_written_as_cosign_writes_its_own() {
        let cosigns = include_str!("../../testdata/keys/p256-cosign3.key");
        let [ours, cosigns] = [&pair().private, cosigns].map(|pem| {
            let (label, json) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
            let lines: Vec<_> = pem.lines().map(str::len).collect();
            let mut json = String::from_utf8(json).unwrap();
            let values: serde_json::Value = serde_json::from_str(&json).unwrap();
            for value in ["/kdf/salt", "/cipher/nonce", "/ciphertext"] {
                let value = values.pointer(value).unwrap().as_str().unwrap();
                json = json.replace(value, &value.len().to_string());
            }
            (label.to_owned(), lines, json)
        });
        assert_eq!(ours, cosigns);
    }

    /// KEY-50
    #[test]
    fn without_random_bytes_there_is_no_key() {
        for failing in 0..3 {
            let mut calls = 0;
            let mut good = counted();
            let made = KeyPair::drawn(&secret(""), |bytes| {
                calls += 1;
                good(bytes) && calls != failing + 1
            });
            assert!(matches!(made, Err(KeyPairError::NoRandom)), "{failing}");
            assert_eq!(calls, failing + 1);
        }
        // A source that is stuck: neither is a scalar of the curve.
        for stuck in [0, 0xff] {
            let made = KeyPair::drawn(&secret(""), |bytes| {
                bytes.fill(stuck);
                true
            });
            assert!(matches!(made, Err(KeyPairError::NoRandom)), "{stuck}");
        }
    }

    /// KEY-50
    #[test]
    fn two_new_pairs_have_nothing_in_common() {
        let [one, other] = [(); 2].map(|()| KeyPair::generate(&secret("")).unwrap());
        assert_ne!(one.public_key(), other.public_key());
        let [one, other] = [one, other].map(|pair| {
            let (_, json) = pem_rfc7468::decode_vec(pair.private.as_bytes()).unwrap();
            serde_json::from_slice::<serde_json::Value>(&json).unwrap()
        });
        for value in ["/kdf/salt", "/cipher/nonce", "/ciphertext"] {
            assert_ne!(one.pointer(value), other.pointer(value), "{value}");
        }
    }

    /// KEY-52
    #[test]
    fn the_private_key_is_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("a.b");
        let written = pair().write(&prefix).unwrap();
        assert_eq!(names(folder.path()), ["a.b.key", "a.b.pub"]);
        let mode = fs::metadata(&written.private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_to_string(&written.private).unwrap(),
            *pair().private
        );
        let public = fs::read_to_string(&written.public).unwrap();
        assert_eq!(public, pair().public_pem);
    }

    /// KEY-52
    #[test]
    fn a_file_or_link_that_is_there_is_left_as_it_is() {
        for taken in ["k.key", "k.pub"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(taken);
            let prefix = folder.path().join("k");
            let refused = || {
                let error = pair().write(&prefix).unwrap_err();
                assert!(matches!(&error, KeyPairError::Exists(at) if *at == path));
                assert_eq!(names(folder.path()), [taken]);
            };
            fs::write(&path, "somebody's").unwrap();
            refused();
            assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
            fs::remove_file(&path).unwrap();
            symlink(folder.path().join("nowhere"), &path).unwrap();
            refused();
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            refused();
        }
    }

    /// KEY-52
    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = pair().write(&folder.path().join("no/k")).unwrap_err();
        assert!(matches!(error, KeyPairError::Write { .. }), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
