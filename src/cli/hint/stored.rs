//! Remedies for key files that Kubernetes and GitLab keep (KEY-70 to 75, KEY-77 and 78).
//! Commands are for the very namespace, Secret or project of the URI.

use super::{Hint, http, say};
use crate::http::HttpError;
use crate::service::{BAD_PROXY, BY_PROGRAM, GitLabProject, KubernetesSecret, Trouble};

pub(super) fn of_kubernetes(secret: &KubernetesSecret, trouble: &Trouble) -> Hint {
    let KubernetesSecret {
        namespace, secret, ..
    } = secret;
    match trouble {
        Trouble::NoCredentials { .. } => say(
            "run as a pod with a service account, or name a kubeconfig with `KUBECONFIG`; in a pod \
             the Secret may also be mounted, and `key` be the path of the file",
        ),
        Trouble::Setting { reason, .. } if *reason == BAD_PROXY => {
            Some(http::of_proxy("proxy-url").into())
        }
        // KEY-71
        Trouble::Setting { reason, .. } if BY_PROGRAM.contains(reason) => say(
            "no program is run to log in: write a kubeconfig with a token, as `kubectl create \
             token ACCOUNT` prints it",
        ),
        Trouble::Setting { .. } | Trouble::File(_) => say(
            "a cluster with `server`, and a user with `token`, `tokenFile` or a client certificate \
             are needed, as `kubectl config view --minify --flatten --raw` prints them",
        ),
        Trouble::Expired { .. } => {
            say("the token or the client certificate may have expired: name a new one")
        }
        Trouble::Denied { .. } => Some(
            format!(
                "allow it: `kubectl -n {namespace} create role {secret}-reader --verb=get \
                 --resource=secrets --resource-name={secret}` and `kubectl -n {namespace} create \
                 rolebinding {secret}-reader --role={secret}-reader --serviceaccount=NAMESPACE:ACCOUNT`"
            )
            .into(),
        ),
        Trouble::Missing { .. } => Some(
            format!("make it with `cosign generate-key-pair k8s://{namespace}/{secret}`").into(),
        ),
        Trouble::Unfit { .. } => {
            say("the Secret needs `cosign.key`, and `cosign.password` unless the password is empty")
        }
        Trouble::Http(HttpError::Certificate { .. }) => say(
            "name the cluster's authority in the kubeconfig, as `certificate-authority` or \
             `certificate-authority-data`",
        ),
        Trouble::Http(error) if error.wants_certificate() => {
            say("the cluster wants a client certificate: name one for the user of the kubeconfig")
        }
        Trouble::Http(error) => http::of_http(error),
        _ => None,
    }
}

pub(super) fn of_gitlab(project: &GitLabProject, trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NotSet(_) => say(
            "set `GITLAB_TOKEN` to a token with the scope `api`; in a job of GitLab CI the variable \
             is there already: write `env://COSIGN_PRIVATE_KEY`",
        ),
        Trouble::Setting { name, .. } if name == "GITLAB_HOST" => {
            say("write `GITLAB_HOST` with its scheme, as in `https://gitlab.example`")
        }
        Trouble::Denied { .. } => say(
            "the token of `GITLAB_TOKEN` needs the scope `api` and the role of a maintainer; a \
             job's own token reads no variables: write `env://COSIGN_PRIVATE_KEY` there",
        ),
        // GitLab answers 404, too, where the token may not see the project.
        Trouble::Missing { .. } => Some(
            format!(
                "the variable `COSIGN_PRIVATE_KEY` is made by `cosign generate-key-pair \
                 gitlab://{}`; a project that the token may not see counts as absent",
                project.project
            )
            .into(),
        ),
        Trouble::Http(error) => http::of_http(error),
        _ => None,
    }
}
