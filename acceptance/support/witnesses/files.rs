//! The two files that users give the signer and cosign, as real cosign writes them:
//! a trusted root (who is believed) and a signing config (who is asked).

use std::path::Path;

use tempfile::TempDir;

use crate::support::cosign::Cosign;

/// Everything here has been valid since then.
const START: &str = "2020-01-01T00:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    TimestampAuthority,
    /// A transparency log of a major version.
    Log(u32),
    CertificateAuthority,
    /// Logs certificates; nobody asks it but the authority.
    CertificateLog,
    /// Gives out identity tokens.
    Issuer,
}

/// A witness as the files list it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub role: Role,
    pub url: String,
    /// Its public key, or its certificates from the leaf to the root.
    pub pem: String,
    pub operator: String,
}

impl Listed {
    pub fn new(role: Role, url: impl Into<String>, pem: impl Into<String>) -> Self {
        Self {
            role,
            url: url.into(),
            pem: pem.into(),
            operator: "acceptance.example".to_owned(),
        }
    }

    /// Run by somebody else.
    pub fn operated_by(mut self, operator: &str) -> Self {
        operator.clone_into(&mut self.operator);
        self
    }

    /// The argument of `trusted-root create`, with the PEM at `path`.
    fn trusted(&self, path: &Path) -> Option<String> {
        let (flag, file) = match self.role {
            Role::TimestampAuthority => ("tsa", "certificate-chain"),
            Role::Log(_) => ("rekor", "public-key"),
            Role::CertificateAuthority => ("fulcio", "certificate-chain"),
            Role::CertificateLog => ("ctfe", "public-key"),
            Role::Issuer => return None,
        };
        let (url, path) = (&self.url, path.display());
        Some(format!(
            "--{flag}=url={url},{file}={path},start-time={START}"
        ))
    }

    /// The argument of `signing-config create`.
    fn asked(&self) -> Option<String> {
        let (flag, version) = match self.role {
            Role::TimestampAuthority => ("tsa", 1),
            Role::Log(version) => ("rekor", version),
            Role::CertificateAuthority => ("fulcio", 1),
            Role::CertificateLog => return None,
            Role::Issuer => ("oidc-provider", 1),
        };
        let (url, operator) = (&self.url, &self.operator);
        Some(format!(
            "--{flag}=url={url},api-version={version},start-time={START},operator={operator}"
        ))
    }
}

/// How many of the listed logs, and of the timestamp authorities, have to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Any,
    All,
    Exact(u32),
}

impl Rule {
    fn word(self) -> String {
        match self {
            Self::Any => "ANY".to_owned(),
            Self::All => "ALL".to_owned(),
            Self::Exact(count) => format!("EXACT:{count}"),
        }
    }
}

/// Both files; they end with this value.
pub struct Files {
    _folder: TempDir,
    trusted_root: String,
    signing_config: String,
}

impl Files {
    pub fn of(listed: &[Listed], rule: Rule) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let text = |name: &str| path(name).display().to_string();
        let (root, config) = (text("trusted-root.json"), text("signing-config.json"));
        let pems = listed.iter().enumerate().filter_map(|(number, one)| {
            let pem = path(&format!("{number}.pem"));
            std::fs::write(&pem, &one.pem).expect("a folder of our own");
            one.trusted(&pem)
        });
        create("trusted-root", &root, pems.collect());
        let mut asked: Vec<_> = listed.iter().filter_map(Listed::asked).collect();
        for (flag, rule_flag) in [("--rekor=", "rekor"), ("--tsa=", "tsa")] {
            if asked.iter().any(|argument| argument.starts_with(flag)) {
                asked.push(format!("--{rule_flag}-config={}", rule.word()));
            }
        }
        create("signing-config", &config, asked);
        Self {
            _folder: folder,
            trusted_root: root,
            signing_config: config,
        }
    }

    /// The path of the trusted root.
    pub fn trusted_root(&self) -> &str {
        &self.trusted_root
    }

    /// The path of the signing config.
    pub fn signing_config(&self) -> &str {
        &self.signing_config
    }
}

fn create(what: &str, out: &str, arguments: Vec<String>) {
    let mut command = vec![what.to_owned(), "create".to_owned()];
    command.extend(arguments);
    command.extend(["--out".to_owned(), out.to_owned()]);
    Cosign::V3.run(&command, &[]).accepted();
}
