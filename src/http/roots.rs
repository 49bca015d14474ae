//! The trusted root certificates, by Go's rules (`crypto/x509` `root_unix.go`
//! and `root_linux.go`, Go 1.26), which the lifecycle's other phases follow.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the default bundle and the
//! default folders each for itself. (OpenSSL and `rustls-native-certs` drop the
//! defaults of both as soon as one is set: a platform that adds a folder would
//! lose the system's roots.) No roots are built in: the platform operator says
//! whom to trust.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirEntry, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::{ErrorKind, load_certs_from_paths};

/// Where most systems have their bundle.
pub const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The system's bundle; the first one that can be read counts.
const FILES: [&str; 6] = [
    BUNDLE,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The system's folders; all of them count.
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
/// How many files a message names at most.
const SHOWN: usize = 5;

/// The root certificates, and the places where they were looked for.
#[derive(Debug, Default)]
pub struct Roots {
    /// Each once, in a stable order. Empty if there are none; that is an error
    /// only for a connection that needs one.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The file that was read and each folder, whether it exists or not. For
    /// the message that a certificate lacks a root.
    pub looked_in: Vec<PathBuf>,
    /// Files in which something could not be used. For the same message: they
    /// are no error, as with Go.
    pub passed_over: Vec<PassedOver>,
}

/// A file or folder in which something could not be used as a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub path: PathBuf,
    pub reason: String,
}

/// Roots that are read when the first connection needs them: a registry that
/// is asked without TLS needs none, and reading them takes some 10 ms.
#[derive(Debug, Default)]
pub struct LazyRoots {
    cert_file: Option<PathBuf>,
    cert_dir: Option<OsString>,
    loaded: OnceLock<Arc<Roots>>,
}

impl LazyRoots {
    /// Roots of [`Roots::load`] with these arguments, not read yet.
    pub fn new(ssl_cert_file: Option<PathBuf>, ssl_cert_dir: Option<OsString>) -> Self {
        Self {
            cert_file: ssl_cert_file,
            cert_dir: ssl_cert_dir,
            loaded: OnceLock::new(),
        }
    }

    /// The roots, read once. The first call reads files, and blocks meanwhile.
    pub fn load(&self) -> &Arc<Roots> {
        let read = || Roots::load(self.cert_file.as_deref(), self.cert_dir.as_deref()).into();
        self.loaded.get_or_init(read)
    }

    /// The files that [`load`](Self::load) reads, or has read. Folders are looked into.
    pub fn files(&self) -> Vec<PathBuf> {
        let (file, folders) = (self.cert_file.as_deref(), self.cert_dir.as_deref());
        let places = RootPlaces::new(file, folders, &FILES, &FOLDERS);
        let folders = places.folders.iter();
        let in_folders = folders.flat_map(|folder| files_in(folder));
        places.file.into_iter().chain(in_folders).collect()
    }
}

/// The places where roots are looked for.
struct RootPlaces {
    /// The bundle that counts; none of the system's may be there.
    file: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl RootPlaces {
    fn new(
        ssl_cert_file: Option<&Path>,
        ssl_cert_dir: Option<&OsStr>,
        default_files: &[impl AsRef<Path>],
        default_folders: &[impl AsRef<Path>],
    ) -> Self {
        let readable = |path: &&Path| is_file(path) && File::open(path).is_ok();
        let file = match ssl_cert_file.filter(|path| !path.as_os_str().is_empty()) {
            // Only this file, also if it cannot be read: the user said whom to
            // trust.
            Some(file) => Some(file),
            None => default_files.iter().map(AsRef::as_ref).find(readable),
        };
        let folders = match ssl_cert_dir.filter(|list| !list.is_empty()) {
            Some(list) => std::env::split_paths(list)
                .filter(|folder| !folder.as_os_str().is_empty())
                .collect(),
            None => {
                let folders = default_folders.iter().map(AsRef::as_ref);
                folders.map(Path::to_owned).collect()
            }
        };
        Self {
            file: file.map(Path::to_owned),
            folders,
        }
    }
}

impl Roots {
    /// Reads the certificates from disk. The arguments are the values of
    /// `SSL_CERT_FILE` and of `SSL_CERT_DIR` (a colon list); empty ones count
    /// as not set. Does not fail: an unreadable file, and one that is no
    /// certificate, is passed over.
    pub fn load(ssl_cert_file: Option<&Path>, ssl_cert_dir: Option<&OsStr>) -> Self {
        Self::load_or(ssl_cert_file, ssl_cert_dir, &FILES, &FOLDERS)
    }

    fn load_or(
        ssl_cert_file: Option<&Path>,
        ssl_cert_dir: Option<&OsStr>,
        default_files: &[impl AsRef<Path>],
        default_folders: &[impl AsRef<Path>],
    ) -> Self {
        let mut roots = Self::default();
        let places = RootPlaces::new(ssl_cert_file, ssl_cert_dir, default_files, default_folders);
        match places.file {
            Some(file) => {
                roots.read_file(&file);
                roots.looked_in.push(file);
            }
            // One bundle counts. There is none: all places were looked in.
            None => {
                let all = default_files.iter().map(|file| file.as_ref().to_owned());
                roots.looked_in.extend(all);
            }
        }
        for folder in places.folders {
            for file in files_in(&folder) {
                roots.read_file(&file);
            }
            roots.looked_in.push(folder);
        }
        // Files and folders hold the same roots; the verifier searches in their order.
        roots
            .certificates
            .sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        roots.certificates.dedup();
        roots
    }

    fn read_file(&mut self, path: &Path) {
        let mut pass_over = |reason: String| {
            self.passed_over.push(PassedOver {
                path: path.to_owned(),
                reason,
            });
        };
        // Opening a pipe would wait for its writer.
        if !is_file(path) {
            return pass_over("it is not a file".to_owned());
        }
        let read = load_certs_from_paths(Some(path), None);
        for error in &read.errors {
            pass_over(words(error));
        }
        if read.certs.is_empty() && read.errors.is_empty() {
            pass_over("it holds no certificate in PEM".to_owned());
        }
        for certificate in read.certs {
            // One bad certificate would otherwise spoil the client.
            match RootCertStore::empty().add(certificate.clone()) {
                Ok(()) => self.certificates.push(certificate),
                Err(_) => pass_over("a certificate in it cannot be used".to_owned()),
            }
        }
    }
}

/// Why a file cannot be used. The parser's own words quote the line, which may
/// be that of a private key.
fn words(error: &rustls_native_certs::Error) -> String {
    match &error.kind {
        ErrorKind::Io { inner, .. } => inner.to_string(),
        _ => "it is not well-formed PEM".to_owned(),
    }
}

/// The files of a folder, aliases left out; none of one that cannot be read.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| !is_alias(entry))
        .map(|entry| entry.path())
        .filter(|path| is_file(path))
        .collect();
    // The order of a folder is that of its file system.
    files.sort_unstable();
    files
}

/// Whether the entry is another name for an entry of the same folder, as
/// `c_rehash` makes them.
fn is_alias(entry: &DirEntry) -> bool {
    fs::read_link(entry.path()).is_ok_and(|target| !target.as_os_str().as_bytes().contains(&b'/'))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

impl fmt::Display for Roots {
    /// For the message that a registry's certificate is not trusted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self
            .looked_in
            .iter()
            .map(|path| format!("`{}`", path.display()))
            .collect();
        let count = self.certificates.len();
        write!(f, "{count} root certificates in {}", paths.join(", "))?;
        for passed in self.passed_over.iter().take(SHOWN) {
            write!(f, "; {passed}")?;
        }
        match self.passed_over.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more files passed over"),
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "passed over `{}`: {}", self.path.display(), self.reason)
    }
}

#[cfg(test)]
mod tests;
