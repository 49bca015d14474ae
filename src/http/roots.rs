//! Which root certificates are trusted, by Go's rules (`crypto/x509`
//! `root_unix.go` and `root_linux.go`, Go 1.26), which the lifecycle's other
//! phases follow.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the default bundle and the
//! default folders each for itself. (OpenSSL and `rustls-native-certs` drop the
//! defaults of both as soon as one is set: a platform that adds a folder would
//! lose the system's roots.) No roots are built in: whom to trust is the
//! platform operator's to say.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirEntry, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::load_certs_from_paths;

/// The system's bundle; the first one that can be read counts.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
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

/// The root certificates, and where they were looked for.
#[derive(Debug, Default)]
pub struct Roots {
    /// Each once, in a stable order. Empty if there are none; that is an error
    /// only for who needs one.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The file that was read and each folder, whether it exists or not.
    pub looked_in: Vec<PathBuf>,
    /// Files in which something could not be used.
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
    loaded: OnceLock<Roots>,
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

    /// The roots, read once.
    pub fn load(&self) -> &Roots {
        let read = || Roots::load(self.cert_file.as_deref(), self.cert_dir.as_deref());
        self.loaded.get_or_init(read)
    }
}

impl Roots {
    /// Reads the certificates from disk. The arguments are the values of
    /// `SSL_CERT_FILE` and of `SSL_CERT_DIR` (a colon list); empty ones count
    /// as not set. Does not fail: what cannot be read or is no certificate is
    /// passed over.
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
        match ssl_cert_file.filter(|path| !path.as_os_str().is_empty()) {
            Some(file) => {
                roots.looked_in.push(file.to_owned());
                roots.read_file(file);
            }
            None => roots.read_first(default_files),
        }
        match ssl_cert_dir.filter(|list| !list.is_empty()) {
            Some(list) => {
                for folder in std::env::split_paths(list) {
                    if !folder.as_os_str().is_empty() {
                        roots.read_folder(&folder);
                    }
                }
            }
            None => {
                for folder in default_folders {
                    roots.read_folder(folder.as_ref());
                }
            }
        }
        roots
            .certificates
            .sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        roots.certificates.dedup();
        roots
    }

    /// What to do about a certificate that none of the roots vouches for. A
    /// container without a bundle is told so.
    pub(super) fn remedy(&self) -> String {
        if self.certificates.is_empty() {
            return format!(
                "there are no root certificates here: mount a bundle at `{}`, or name one with \
                 `SSL_CERT_FILE`; found {self}",
                FILES[0]
            );
        }
        format!(
            "add the registry's root certificate with `SSL_CERT_FILE` or `SSL_CERT_DIR`; there \
             are {self}"
        )
    }

    /// One bundle counts. If there is none, all places were looked in.
    fn read_first(&mut self, files: &[impl AsRef<Path>]) {
        let readable = |path: &&Path| is_file(path) && File::open(path).is_ok();
        let mut paths = files.iter().map(AsRef::as_ref);
        match paths.find(readable) {
            Some(file) => {
                self.looked_in.push(file.to_owned());
                self.read_file(file);
            }
            None => {
                let all = files.iter().map(|file| file.as_ref().to_owned());
                self.looked_in.extend(all);
            }
        }
    }

    fn read_folder(&mut self, folder: &Path) {
        self.looked_in.push(folder.to_owned());
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| !is_alias(entry))
            .map(|entry| entry.path())
            .filter(|path| is_file(path))
            .collect();
        files.sort_unstable();
        for file in files {
            self.read_file(&file);
        }
    }

    fn read_file(&mut self, path: &Path) {
        let mut pass_over = |reason: String| {
            self.passed_over.push(PassedOver {
                path: path.to_owned(),
                reason,
            });
        };
        // Opening a pipe would wait for who writes to it.
        if !is_file(path) {
            return pass_over("it is not a file".to_owned());
        }
        let read = load_certs_from_paths(Some(path), None);
        for error in &read.errors {
            pass_over(error.to_string());
        }
        if read.certs.is_empty() && read.errors.is_empty() {
            pass_over("it holds no certificate in PEM".to_owned());
        }
        for certificate in read.certs {
            // One bad certificate would otherwise spoil the client.
            match RootCertStore::empty().add(certificate.clone()) {
                Ok(()) => self.certificates.push(certificate),
                Err(error) => pass_over(format!("a certificate cannot be used: {error}")),
            }
        }
    }
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
mod tests {
    use std::os::unix::fs::symlink;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use tempfile::TempDir;

    use super::*;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn certificate() -> String {
        let names = vec!["r.io".to_owned()];
        rcgen::generate_simple_self_signed(names)
            .unwrap()
            .cert
            .pem()
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
        der.into()
    }

    fn sorted(pems: &[&str]) -> Vec<CertificateDer<'static>> {
        let mut all: Vec<_> = pems.iter().map(|pem| der(pem)).collect();
        all.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        all
    }

    const NONE: [PathBuf; 0] = [];

    #[test]
    fn the_first_default_bundle_and_all_default_folders_count() {
        let (one, two, three, four) = (certificate(), certificate(), certificate(), certificate());
        let folder = Folder::new();
        let files = [
            folder.path("absent.pem"),
            folder.write("one.pem", &one),
            folder.write("two.pem", &two),
        ];
        folder.write("a/three.pem", &three);
        folder.write("b/four.crt", &four);
        let folders = [folder.path("a"), folder.path("absent"), folder.path("b")];
        let roots = Roots::load_or(None, None, &files, &folders);
        assert_eq!(roots.certificates, sorted(&[&one, &three, &four]));
        let looked_in = [&files[1..2], &folders].concat();
        assert_eq!(roots.looked_in, looked_in);
        assert_eq!(roots.passed_over, []);
        // Empty values count as not set.
        let empty = Roots::load_or(Some("".as_ref()), Some("".as_ref()), &files, &folders);
        assert_eq!(empty.certificates, roots.certificates);
    }

    #[test]
    fn each_variable_replaces_its_own_defaults_only() {
        let [file, folder_of, own_file, own_folder] = [(); 4].map(|()| certificate());
        let folder = Folder::new();
        let files = [folder.write("default.pem", &file)];
        folder.write("default/d.pem", &folder_of);
        let folders = [folder.path("default")];
        let cert_file = folder.write("own.pem", &own_file);
        folder.write("own/o.pem", &own_folder);
        let cert_dir = folder.path("own").into_os_string();
        let load = |cert_file: Option<&PathBuf>, cert_dir| {
            Roots::load_or(cert_file.map(PathBuf::as_path), cert_dir, &files, &folders).certificates
        };
        assert_eq!(
            load(Some(&cert_file), None),
            sorted(&[&own_file, &folder_of])
        );
        assert_eq!(
            load(None, Some(cert_dir.as_os_str())),
            sorted(&[&file, &own_folder])
        );
        assert_eq!(
            load(Some(&cert_file), Some(cert_dir.as_os_str())),
            sorted(&[&own_file, &own_folder])
        );
    }

    #[test]
    fn ssl_cert_dir_is_a_colon_list() {
        let (one, two) = (certificate(), certificate());
        let folder = Folder::new();
        folder.write("a/one.pem", &one);
        folder.write("b/two.pem", &two);
        let (a, b) = (folder.path("a"), folder.path("b"));
        let list = format!("{}::/absent:{}", a.display(), b.display());
        let roots = Roots::load_or(None, Some(list.as_ref()), &NONE, &NONE);
        assert_eq!(roots.certificates, sorted(&[&one, &two]));
        assert_eq!(roots.looked_in, [a, "/absent".into(), b]);
    }

    #[test]
    fn a_bundle_holds_several_and_each_counts_once() {
        let (one, two) = (certificate(), certificate());
        let folder = Folder::new();
        let bundle = folder.write("a/bundle.pem", &format!("# text\n{one}{two}{one}"));
        folder.write("a/one.pem", &one);
        // As c_rehash makes them, and one that leads elsewhere.
        symlink("one.pem", folder.path("a/1234abcd.0")).unwrap();
        let three = certificate();
        symlink(
            folder.write("three.pem", &three),
            folder.path("a/three.pem"),
        )
        .unwrap();
        symlink("absent.pem", folder.path("a/dangling.pem")).unwrap();
        symlink("/absent/x.pem", folder.path("a/far.pem")).unwrap();
        fs::create_dir(folder.path("a/sub.pem")).unwrap();
        let cert_dir = folder.path("a").into_os_string();
        let roots = Roots::load_or(Some(&bundle), Some(&cert_dir), &NONE, &NONE);
        assert_eq!(roots.certificates, sorted(&[&one, &two, &three]));
        assert_eq!(roots.passed_over, []);
    }

    #[test]
    fn junk_is_passed_over_and_remembered() {
        let good = certificate();
        let folder = Folder::new();
        let body = STANDARD.encode(b"no certificate");
        folder.write(
            "a/1-no-certificate.pem",
            &format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"),
        );
        folder.write(
            "a/2-no-base64.pem",
            "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
        );
        folder.write("a/3-readme.txt", "hello");
        folder.write("a/4-empty.pem", "");
        fs::write(folder.path("a/5-der.crt"), der(&good)).unwrap();
        folder.write("a/6-good.pem", &good);
        // Another name for an entry beside it is not a second file.
        symlink("3-readme.txt", folder.path("a/7-alias.txt")).unwrap();
        let cert_dir = folder.path("a").into_os_string();
        let roots = Roots::load_or(None, Some(&cert_dir), &NONE, &NONE);
        assert_eq!(roots.certificates, sorted(&[&good]));
        let passed_over: Vec<_> = roots.passed_over.iter().map(|junk| &junk.path).collect();
        let names = [
            "a/1-no-certificate.pem",
            "a/2-no-base64.pem",
            "a/3-readme.txt",
            "a/4-empty.pem",
            "a/5-der.crt",
        ];
        assert_eq!(
            passed_over,
            names
                .map(|name| folder.path(name))
                .iter()
                .collect::<Vec<_>>()
        );
        let text = roots.to_string();
        assert!(text.starts_with("1 root certificates in `"), "{text}");
        for name in names {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let folder = Folder::new();
        let absent = folder.path("absent.pem");
        let roots = Roots::load_or(Some(&absent), None, &NONE, &NONE);
        assert!(roots.certificates.is_empty());
        assert_eq!(
            roots.to_string(),
            format!(
                "0 root certificates in `{0}`; passed over `{0}`: it is not a file",
                absent.display()
            )
        );
        let files = [folder.path("x"), folder.path("y")];
        let roots = Roots::load_or(None, None, &files, &[folder.path("z")]);
        assert_eq!(roots.looked_in, [&files[..], &[folder.path("z")]].concat());
        assert!(roots.passed_over.is_empty());
    }

    #[test]
    fn a_container_without_a_bundle_is_told_so() {
        let folder = Folder::new();
        let files = [folder.path("x")];
        let none = Roots::load_or(None, None, &files, &NONE).remedy();
        assert!(none.starts_with("there are no root certificates here: mount a bundle at `/etc/ssl/certs/ca-certificates.crt`"), "{none}");
        assert!(none.contains("0 root certificates in `"), "{none}");
        let file = folder.write("one.pem", &certificate());
        let one = Roots::load_or(Some(&file), None, &NONE, &NONE).remedy();
        assert!(
            one.starts_with("add the registry's root certificate"),
            "{one}"
        );
    }

    #[test]
    fn a_pipe_does_not_make_it_wait() {
        let folder = Folder::new();
        let pipe = folder.path("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let cert_dir = folder.0.path().as_os_str();
        let roots = Roots::load_or(Some(&pipe), Some(cert_dir), &NONE, &NONE);
        assert!(roots.certificates.is_empty());
        assert_eq!(roots.passed_over.len(), 1);
    }

    #[test]
    fn many_files_passed_over_are_counted() {
        let folder = Folder::new();
        for number in 0..8 {
            folder.write(&format!("{number}.txt"), "junk");
        }
        let roots = Roots::load_or(None, Some(folder.0.path().as_os_str()), &NONE, &NONE);
        assert!(
            roots
                .to_string()
                .ends_with("; and 3 more files passed over")
        );
    }

    #[test]
    fn the_systems_roots_are_found_where_go_finds_them() {
        let roots = Roots::load(None, None);
        let is_there = |path: &&str| fs::metadata(path).is_ok_and(|m| m.len() > 0);
        assert_eq!(FILES.iter().any(is_there), !roots.certificates.is_empty());
        assert!(roots.looked_in.contains(&FOLDERS[0].into()));
    }
}
