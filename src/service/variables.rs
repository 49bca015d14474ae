//! The settings of services as their users know them: variables and files.
//! `cli` alone reads the environment of the process, and hands over a lookup by
//! name: here a test gives its own. The names are those of each service's own
//! tools.

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::file::Files;
use crate::secret::{Secret, Secrets};

/// The most bytes of a file with settings or credentials: a kubeconfig of many
/// clusters is the largest (KEY-72).
const MOST: usize = 1024 * 1024;

/// The variables of the process, looked up by name, and the files that they name.
/// An empty variable counts as unset: templates of jobs leave such behind, and
/// the tools of the services read them so. Clones are the same variables.
///
/// A secret that is read here is hidden from then on wherever it is repeated.
#[derive(Clone)]
pub struct Variables(Arc<Inner>);

struct Inner {
    lookup: Lookup,
    secrets: Secrets,
    files: Files,
    /// The variables that were read as secrets.
    secret_names: Mutex<BTreeSet<String>>,
    /// By their type and a name within it.
    shared: Mutex<HashMap<(TypeId, String), Handle>>,
}

/// A value that several keys of a service share.
type Handle = Arc<dyn Any + Send + Sync>;

/// The value of a variable.
type Lookup = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// A file that cannot be read as settings.
#[derive(thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct Unreadable {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

debug_as_display!(Unreadable);

impl Variables {
    /// The variables that `lookup` knows; the files that they name become some of
    /// the run's `files`.
    pub fn new(
        lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
        secrets: Secrets,
        files: Files,
    ) -> Self {
        Self(Arc::new(Inner {
            lookup: Box::new(lookup),
            secrets,
            files,
            secret_names: Mutex::default(),
            shared: Mutex::default(),
        }))
    }

    /// A variable that is no secret; `None` too if it is not UTF-8.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.value(name)?.into_string().ok()
    }

    /// The first of these that is set, with its name.
    pub fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let value = |name: &&'static str| Some((*name, self.text(name)?));
        names.iter().find_map(value)
    }

    /// A variable that names a file or a folder.
    pub fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// A variable that holds a secret. It is hidden from now on, and programs
    /// that can do without it do not inherit it (KEY-117). The environment itself
    /// keeps it.
    pub fn secret(&self, name: &'static str) -> Option<Secret> {
        let secret = Secret::new(self.value(name)?.into_vec());
        self.note_secret(name);
        self.remember(secret.expose());
        Some(secret)
    }

    /// The first of these secrets that is set, with its name.
    pub fn first_secret(&self, names: &[&'static str]) -> Option<(&'static str, Secret)> {
        let value = |name: &&'static str| Some((*name, self.secret(name)?));
        names.iter().find_map(value)
    }

    /// A variable whose name the user wrote, exactly as it is: set but empty is
    /// not unset (KEY-110). It holds a key file, which nobody is shown, so that
    /// it is not hidden where others repeat it (`spec/decisions/0015`).
    pub fn named_by_user(&self, name: &str) -> Option<Secret> {
        let value = (self.0.lookup)(name)?;
        self.note_secret(name);
        Some(Secret::new(value.into_vec()))
    }

    /// Whether a variable says yes, as Go's `strconv.ParseBool` reads it.
    /// Everything else is a no, also where Go's tools would refuse it.
    pub fn is_on(&self, name: &'static str) -> bool {
        let yes = ["1", "t", "T", "TRUE", "true", "True"];
        self.text(name).is_some_and(|text| yes.contains(&&*text))
    }

    /// `HOME`
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// `PATH`, or nothing.
    pub fn program_path(&self) -> OsString {
        self.value("PATH").unwrap_or_default()
    }

    /// A file of at most 1 MiB. Its content is not taken for a secret: the
    /// caller remembers what is one. A pipe is waited for, until the run's time is
    /// over, and gives its content once.
    ///
    /// # Errors
    /// On a file that is absent, unreadable or larger.
    pub fn read(&self, path: &Path) -> Result<Secret, Unreadable> {
        self.read_as(path, "a file with settings of a key")
    }

    /// As [`read`](Self::read), of a file with another role.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_as(&self, path: &Path, role: &str) -> Result<Secret, Unreadable> {
        let unreadable = |source| Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut bytes = self.0.files.read(path, role, MOST).map_err(unreadable)?;
        if bytes.len() > MOST {
            let words = format!("it has more than {MOST} bytes");
            return Err(unreadable(io::Error::new(
                io::ErrorKind::FileTooLarge,
                words,
            )));
        }
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }

    /// As [`read`](Self::read); `None` if there is no such file.
    ///
    /// # Errors
    /// On a file that is there and cannot be read.
    pub fn read_if_there(&self, path: &Path) -> Result<Option<Secret>, Unreadable> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A value that the keys of one service share in this run, credentials or a
    /// connection: made when the first of them is found, known by its type and
    /// `name`. Some of the types are `keys`', a floor above, and so none is named
    /// here.
    ///
    /// Keys are found one after the other. Two callers at a time could both make
    /// the value, and have one each.
    ///
    /// # Errors
    /// As `make`; nothing is kept then.
    pub fn shared<T: Any + Send + Sync, E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let key = (TypeId::of::<T>(), name.to_owned());
        let shared = || {
            let shared = self.0.shared.lock();
            shared.unwrap_or_else(PoisonError::into_inner)
        };
        let known = shared().get(&key).cloned();
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return Ok(known);
        }
        let made = Arc::new(make()?);
        shared().insert(key, Arc::clone(&made) as Handle);
        Ok(made)
    }

    /// The files of the run.
    pub fn files(&self) -> &Files {
        &self.0.files
    }

    /// Hides a secret from now on.
    pub fn remember(&self, secret: &[u8]) {
        self.0.secrets.remember(secret);
    }

    /// The secrets of the run.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    fn note_secret(&self, name: &str) {
        let names = self.0.secret_names.lock();
        let mut names = names.unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned());
    }

    /// The variables that were read as secrets so far: a program of others that
    /// can do without them does not inherit them. The list is whole once every
    /// key of the run was found.
    pub fn secret_names(&self) -> Vec<String> {
        let names = self.0.secret_names.lock();
        let names = names.unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }

    fn value(&self, name: &str) -> Option<OsString> {
        (self.0.lookup)(name).filter(|value| value != OsStr::new(""))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables(…)")
    }
}
