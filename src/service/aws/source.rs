//! The source of credentials: the one that is found first, in the
//! order of aws-sdk-go-v2 `config/resolve_credentials.go` (KEY-85).
//! Finding is reading: variables, files and profiles. Nobody is asked here, and a
//! source that is set up and cannot be used is an error, rather than a reason to
//! take the next one.

use std::path::Path;

use super::config::{AwsConfig, http_url};
use super::credentials::{AwsCredentials, token_file};
use super::metadata::{ContainerSource, Machine};
use super::profiles::Section;
use crate::secret::Secret;
use crate::service::{Tried, Trouble, Variables};

/// Profiles that lead to each other by `source_profile`. More are a circle.
const DEEPEST: usize = 8;

/// A source of credentials, and all that it takes to ask it.
pub(super) enum AwsSource {
    Static(AwsCredentials),
    /// A token of another service, which vouches for a role.
    WebIdentity(Role, Secret),
    /// A role that the credentials of another source may take on.
    Assumed(Role, Box<AwsSource>),
    /// A command for `sh`, and its profile.
    Process(String, String),
    Container(ContainerSource),
    /// The virtual machine's own, if it is one; and the sources before it.
    Machine(Machine, Vec<Tried>),
}

/// A role to take on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
    /// Seconds, as the profile has them: AWS says whether it is a number that it
    /// takes.
    pub(super) duration: Option<String>,
}

impl AwsSource {
    /// Whether it may give others when it is asked again.
    pub(super) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Static(_))
    }

    /// Finds the first source that is set up. The machine's metadata service is the
    /// last, since only a request tells whether it is there.
    ///
    /// # Errors
    /// On a source that is set up and cannot be used.
    pub(super) fn find(config: &AwsConfig) -> Result<Self, Trouble> {
        let mut tried = Vec::new();
        if let Some(credentials) = of_environment(&config.variables, &mut tried)? {
            return Ok(Self::Static(credentials));
        }
        if let Some(source) = of_web_identity(&config.variables, &mut tried)? {
            return Ok(source);
        }
        let name = &config.profile;
        match (config.section(), config.chosen_by) {
            (Some(section), _) => {
                if let Some(source) = of_profile(config, name, section, 0)? {
                    return Ok(source);
                }
                tried.push(("profile", format!("`{name}` has none")));
            }
            (None, Some(variable)) => {
                return Err(Trouble::setting(variable, "there is no such profile"));
            }
            (None, None) => tried.push(("profile", format!("there is no `{name}`"))),
        }
        match ContainerSource::find(&config.variables)? {
            Some(container) => return Ok(Self::Container(container)),
            None => tried.push(("container", "not set".to_owned())),
        }
        of_machine(&config.variables, tried)
    }
}

/// The keys of the environment. The older names of two of the variables count
/// too, as in the SDK; half a pair is as good as none, as there.
fn of_environment(
    variables: &Variables,
    tried: &mut Vec<Tried>,
) -> Result<Option<AwsCredentials>, Trouble> {
    let key_id = variables.first(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"]);
    let secret = variables.first_secret(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"]);
    let (Some((name, key_id)), Some((_, secret))) = (&key_id, secret) else {
        let reason = match key_id {
            Some(_) => "`AWS_SECRET_ACCESS_KEY` is not set",
            None => "`AWS_ACCESS_KEY_ID` is not set",
        };
        tried.push(("environment", reason.to_owned()));
        return Ok(None);
    };
    let token = variables.secret("AWS_SESSION_TOKEN");
    let credentials = AwsCredentials::new(key_id, secret, token);
    credentials.map(Some).ok_or_else(|| unsendable(name))
}

fn unsendable(name: &str) -> Trouble {
    let reason = "it, or the secret beside it, has characters that no credential has";
    Trouble::setting(name, reason)
}

/// A token that the cluster or the platform mounts: EKS (IRSA), or GitHub's in a
/// file.
fn of_web_identity(
    variables: &Variables,
    tried: &mut Vec<Tried>,
) -> Result<Option<AwsSource>, Trouble> {
    let Some(path) = variables.path("AWS_WEB_IDENTITY_TOKEN_FILE") else {
        tried.push(("web identity", "not set".to_owned()));
        return Ok(None);
    };
    let arn = variables.text("AWS_ROLE_ARN");
    let role = Role {
        arn: arn.ok_or(Trouble::NotSet("AWS_ROLE_ARN"))?,
        session: variables.text("AWS_ROLE_SESSION_NAME"),
        ..Role::default()
    };
    let token = token_file(variables, &path, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
    Ok(Some(AwsSource::WebIdentity(role, token)))
}

/// The source that a profile sets up. `None` if it sets up none. `depth` counts the
/// profiles that led here.
fn of_profile(
    config: &AwsConfig,
    name: &str,
    section: &Section,
    depth: usize,
) -> Result<Option<AwsSource>, Trouble> {
    if depth > DEEPEST {
        return Err(of_name(name, "its `source_profile` leads back to it"));
    }
    let variables = &config.variables;
    let role = role(section);
    if let Some(token) = own_token(section) {
        let role = role.ok_or_else(|| of_name(name, "it has no `role_arn`"))?;
        let token = token_file(variables, Path::new(token), "web_identity_token_file")?;
        return Ok(Some(AwsSource::WebIdentity(role, token)));
    }
    // Nobody is there to type the code.
    if section.get("mfa_serial").is_some() && role.is_some() {
        return Err(of_name(name, "it asks for a code of a device"));
    }
    let base = match section.get("source_profile").filter(|_| role.is_some()) {
        // A profile that names itself has the keys for its own role.
        Some(other) if other == name => of_keys(config, name, section)?.map(AwsSource::Static),
        Some(other) => {
            let other_section = config.profiles.profile(other);
            let other_section = other_section.ok_or_else(|| {
                of_name(
                    name,
                    "there is no profile of the name of its `source_profile`",
                )
            })?;
            of_profile(config, other, other_section, depth + 1)?
        }
        None => of_plain_profile(config, name, section)?,
    };
    Ok(match (role, base) {
        (Some(_), None) => return Err(of_name(name, "nothing vouches for its `role_arn`")),
        (Some(role), Some(base)) => Some(AwsSource::Assumed(role, Box::new(base))),
        (None, base) => base,
    })
}

/// The token of a profile that takes its role on by it. Keys and the other sources
/// that can vouch for a role come first, as in the SDK.
fn own_token(section: &Section) -> Option<&str> {
    let others = ["source_profile", "credential_source"];
    let is_other = others.iter().any(|name| section.get(name).is_some());
    let token = section.get("web_identity_token_file")?;
    (!is_other && pair(section).is_none()).then_some(token)
}

/// The source that a profile sets up without another one. A sign-in of a person is
/// looked at last: a `credential_process` beside it uses it.
fn of_plain_profile(
    config: &AwsConfig,
    name: &str,
    section: &Section,
) -> Result<Option<AwsSource>, Trouble> {
    if let Some(keys) = of_keys(config, name, section)? {
        return Ok(Some(AwsSource::Static(keys)));
    }
    match section.get("credential_source") {
        Some("Environment") => {
            let keys = of_environment(&config.variables, &mut Vec::new())?;
            let keys = keys.ok_or(Trouble::NotSet("AWS_ACCESS_KEY_ID"))?;
            return Ok(Some(AwsSource::Static(keys)));
        }
        Some("EcsContainer") => {
            let container = ContainerSource::find(&config.variables)?;
            let container =
                container.ok_or(Trouble::NotSet("AWS_CONTAINER_CREDENTIALS_FULL_URI"))?;
            return Ok(Some(AwsSource::Container(container)));
        }
        Some("Ec2InstanceMetadata") => return of_machine(&config.variables, Vec::new()).map(Some),
        Some(_) => return Err(of_name(name, "its `credential_source` is none of AWS's")),
        None => {}
    }
    if let Some(command) = section.get("credential_process") {
        return Ok(Some(AwsSource::Process(
            command.to_owned(),
            name.to_owned(),
        )));
    }
    let signs_in = ["sso_session", "sso_start_url", "login_session"];
    match signs_in.iter().any(|name| section.get(name).is_some()) {
        true => Err(of_name(name, SIGNS_IN)),
        false => Ok(None),
    }
}

/// The reason of a profile that needs a person; it has a remedy of its own, which
/// `cli` finds by this very text.
pub const SIGNS_IN: &str = "it signs a person in";

/// The keys that stand in a profile; the secret is hidden from now on.
fn of_keys(
    config: &AwsConfig,
    name: &str,
    section: &Section,
) -> Result<Option<AwsCredentials>, Trouble> {
    let Some((key_id, secret)) = pair(section) else {
        return Ok(None);
    };
    let secret = Secret::from(secret.to_owned());
    let token = section.get("aws_session_token");
    let token = token.map(|token| Secret::from(token.to_owned()));
    let keys = AwsCredentials::new(key_id, secret, token);
    let keys = keys.ok_or_else(|| unsendable(&format!("profile {name}")))?;
    keys.remember(config.variables.secrets());
    Ok(Some(keys))
}

/// Half a pair is as good as none.
fn pair(section: &Section) -> Option<(&str, &str)> {
    let key_id = section.get("aws_access_key_id")?;
    Some((key_id, section.get("aws_secret_access_key")?))
}

fn role(section: &Section) -> Option<Role> {
    let text = |name| section.get(name).map(str::to_owned);
    Some(Role {
        arn: text("role_arn")?,
        session: text("role_session_name"),
        external_id: text("external_id"),
        duration: text("duration_seconds"),
    })
}

/// The metadata service of the machine. `tried` are the sources before it, for
/// the error if nobody answers there.
fn of_machine(variables: &Variables, mut tried: Vec<Tried>) -> Result<AwsSource, Trouble> {
    let is_disabled = variables.text("AWS_EC2_METADATA_DISABLED");
    if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        tried.push(("machine", "`AWS_EC2_METADATA_DISABLED` is set".to_owned()));
        return Err(Trouble::NoCredentials { tried });
    }
    let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    let url = match (
        variables.text(name),
        variables.text("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
    ) {
        (Some(text), _) => http_url(name, &text)?,
        (None, Some(mode)) if mode.eq_ignore_ascii_case("ipv6") => {
            http_url(name, "http://[fd00:ec2::254]")?
        }
        (None, _) => http_url(name, "http://169.254.169.254")?,
    };
    Ok(AwsSource::Machine(Machine { url }, tried))
}

fn of_name(profile: &str, reason: &'static str) -> Trouble {
    Trouble::setting(format!("profile {profile}"), reason)
}
