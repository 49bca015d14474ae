//! Remedies for services that keep keys, and for programs that sign. Each service
//! has its own words for one trouble: the permission that is lacking has a name there.

use super::http::of_http;
use super::{Hint, azure, google, say, stored, vault, witness};
use crate::child::ChildError;
use crate::service::aws;
use crate::service::{AwsApi, ServiceError, ServiceName, Trouble};

pub(super) fn of_service(error: &ServiceError) -> Hint {
    match &error.service {
        ServiceName::Plugin(name) => of_plugin(name, &error.trouble),
        ServiceName::Program(_) => of_program(&error.trouble),
        ServiceName::Aws(api) => of_aws(*api, &error.trouble),
        ServiceName::AwsCredentials => of_aws_credentials(&error.trouble),
        ServiceName::GitLab(project) => stored::of_gitlab(project, &error.trouble),
        ServiceName::Kubernetes(secret) => stored::of_kubernetes(secret, &error.trouble),
        ServiceName::Vault(key) => vault::of_vault(key, &error.trouble),
        ServiceName::Azure => azure::of_identity(&error.trouble),
        ServiceName::KeyVault(_) => azure::of_keys(&error.trouble),
        ServiceName::ContainerRegistry(_) => of_container_registry(&error.trouble),
        ServiceName::Google => google::of_identity(&error.trouble),
        ServiceName::GoogleKms => google::of_keys(&error.trouble),
        ServiceName::CertificateAuthority(_)
        | ServiceName::TimestampAuthority(_)
        | ServiceName::Log(_) => witness::of_witness(&error.trouble),
        ServiceName::TokenProvider(_) => witness::of_provider(&error.trouble),
    }
}

/// A refusal is one more source without a credential: the registry itself says what is
/// lacking.
fn of_container_registry(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Http(error) => of_http(error),
        _ => None,
    }
}

/// KEY-111: the program is another's, and named by the scheme.
fn of_plugin(name: &str, trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoProgram if name == "pkcs11" => say(
            "keys in tokens are asked for by a second program, `sigstore-kms-pkcs11`: `make pkcs11` \
             builds it; install it in a folder of `PATH`, or beside the signer",
        ),
        Trouble::NoProgram => Some(
            format!(
                "keys of `{name}://` are asked for by a program `sigstore-kms-{name}`: install it in \
                 a folder of `PATH`"
            )
            .into(),
        ),
        Trouble::Answer { .. } => say(
            "the program has to speak version `v1` of sigstore's plugin protocol; its own words \
             are in the log with `-log-level debug`",
        ),
        trouble => of_child(trouble),
    }
}

/// KEY-117 to 119: the program is the user's own.
fn of_program(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoProgram => say(
            "the first word of `program` is a path, relative to the folder of cosign.toml, or a \
             name in `PATH`",
        ),
        Trouble::Answer { .. } => {
            say("the program has to print the signature, as it is or in base64, and nothing else")
        }
        Trouble::File(_) => say("paths in cosign.toml are relative to its folder"),
        trouble => of_child(trouble),
    }
}

fn of_child(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Child(ChildError::Start(_)) => {
            say("the file has to be executable, and its interpreter there")
        }
        Trouble::Child(ChildError::Silence { .. }) => {
            say("the program may be waiting for an answer that nobody gives, or for its network")
        }
        Trouble::Failed(_) => say("these are the program's own words"),
        _ => None,
    }
}

/// KEY-80 to 87. The first row that fits counts: those of one API stand before those of
/// all.
fn of_aws(api: AwsApi, trouble: &Trouble) -> Hint {
    match (api, trouble) {
        (_, Trouble::NotSet(_)) => {
            say("set `AWS_REGION`, or name the key by its whole ARN, which holds the region")
        }
        (AwsApi::Kms, Trouble::Denied { .. }) => say(
            "the identity needs `kms:GetPublicKey` and `kms:Sign` for this key, by the key's policy \
             or its own",
        ),
        (AwsApi::Sts, Trouble::Denied { .. }) => {
            say("the role's trust policy has to let this identity take the role on")
        }
        (AwsApi::Ecr, Trouble::Denied { .. }) => {
            say("the identity needs `ecr:GetAuthorizationToken`")
        }
        (AwsApi::EcrPublic, Trouble::Denied { .. }) => {
            say("the identity needs `ecr-public:GetAuthorizationToken` and \
             `sts:GetServiceBearerToken`")
        }
        (AwsApi::Sts, Trouble::Expired { .. }) => {
            say("the token of the web identity, or the keys that take the role on, are too old")
        }
        (_, Trouble::Expired { .. }) => say(
            "give new credentials: AWS knows these no more, or the secret does not belong to the \
             access key",
        ),
        (_, Trouble::Clock { .. }) => {
            say("set the clock of this machine: AWS accepts a difference of five minutes")
        }
        (_, Trouble::Missing { .. }) => say(
            "AWS looks for the key in one region of one account: compare `AWS_REGION`, or name the \
             key by its whole ARN",
        ),
        (_, Trouble::Unfit { .. }) => say(
            "signing needs an enabled key of the use `SIGN_VERIFY`, and of a kind such as \
             `ECC_NIST_P256`",
        ),
        (_, Trouble::TooLong { .. }) => {
            say("sign attestations with an ECDSA or RSA key, which signs their digest")
        }
        (_, Trouble::Setting { name, .. }) if name == "host" => say(
            "write nothing between the second and the third slash for AWS itself, as in \
                 `awskms:///alias/NAME`; a host there is that of another service",
        ),
        (_, trouble) => of_aws_credentials(trouble),
    }
}

/// KEY-85: the sources of an identity for AWS.
fn of_aws_credentials(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoCredentials { .. } => say(
            "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `AWS_WEB_IDENTITY_TOKEN_FILE` and \
             `AWS_ROLE_ARN`, or `AWS_PROFILE`; or run where the place itself has a role",
        ),
        Trouble::NotSet(name) => Some(format!("set `{name}`, or leave out what needs it").into()),
        Trouble::Setting { reason, .. } if *reason == aws::SIGNS_IN => say(
            "let `credential_process` of the profile be `aws configure export-credentials`, which \
             uses the sign-in that is there",
        ),
        Trouble::Http(error) => of_http(error),
        Trouble::Failed(_) => say(
            "run the command by hand; its output is not shown here because it may hold a secret",
        ),
        trouble => of_child(trouble),
    }
}
