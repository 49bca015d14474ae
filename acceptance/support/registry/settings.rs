//! The settings of a registry: its kind, its certificate, and who may do what.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The kind of registry. The default is the plainest one: no
/// authentication, two-step uploads, no referrers API, tags that move freely.
#[derive(Default)]
pub struct Settings {
    pub auth: Auth,
    /// Deviations from full access, by repository path.
    pub access: BTreeMap<String, Access>,
    /// Whether everybody may read, whoever may write.
    pub public_pull: Switch,
    pub referrers: Switch,
    /// Whether `POST …/uploads/?digest=` with a body stores a blob at once.
    pub single_post: Switch,
    pub mount: Switch,
    /// Whether a `Range` of a blob is answered with that part alone.
    pub ranges: Switch,
    pub immutable_tags: Switch,
    pub tls: Switch,
    /// HTTP/2 instead of HTTP/1.1, one stream at a time on each connection.
    pub http2: Switch,
    pub certificate: Shape,
    /// Whether clients have to show a certificate.
    pub wants_certificate: Switch,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Switch {
    On,
    #[default]
    Off,
}

/// The certificate of a registry.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Good, and of an authority of its own.
    #[default]
    Current,
    Expired,
    /// It is its own authority, as `openssl req -x509` makes it.
    Own,
    OwnForClients,
    OwnExpired,
    /// It could sign others, which its authority does not mind.
    Authority,
    ForAnything,
}

/// How clients prove who they are.
#[derive(Clone, Default)]
pub enum Auth {
    #[default]
    None,
    Basic(Account),
    /// Tokens from `/token`, by user and password or by the identity token.
    Bearer {
        account: Account,
        lifetime: Duration,
    },
}

#[derive(Clone)]
pub struct Account {
    pub user: String,
    pub password: String,
    /// The token that `docker login` of an identity-token registry would have stored.
    pub identity: Option<String>,
}

impl Auth {
    /// User `robot` with a password that a test can look for in outputs.
    pub fn basic(password: &str) -> Self {
        Self::Basic(Account::robot(password))
    }

    /// The same account behind tokens that live five minutes.
    pub fn bearer(password: &str) -> Self {
        Self::Bearer {
            account: Account::robot(password),
            lifetime: Duration::from_secs(300),
        }
    }
}

impl Account {
    fn robot(password: &str) -> Self {
        Self {
            user: "robot".to_owned(),
            password: password.to_owned(),
            identity: None,
        }
    }

    /// `<user>:<password>` in base64, as Basic authentication carries it.
    pub fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.user, self.password))
    }
}

/// The actions that a repository allows everybody who has proved who they are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
    Nothing,
}

impl Access {
    pub(super) fn allows(self, action: &str) -> bool {
        match self {
            Self::ReadWrite => true,
            Self::ReadOnly => action == "pull",
            Self::Nothing => false,
        }
    }
}
