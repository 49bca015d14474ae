//! Access: Basic credentials, or Bearer tokens from the registry's own
//! token endpoint (distribution's token specification).

use std::time::{Duration, Instant};

use super::answer::Answer;
use super::call::Call;
use super::settings::{Access, Auth, Switch};
use super::state::{Registry, lock};
use super::tokens::Token;

impl Registry {
    /// A token that allows everything in one repository.
    pub fn issue_token(&self, repository: &str) -> String {
        let grants = ["pull", "push"].map(|action| (repository.to_owned(), action.to_owned()));
        lock(&self.0.tokens).issue(grants.into(), Duration::from_secs(300))
    }

    fn access(&self, repository: &str) -> Access {
        let access = &self.0.settings.access;
        access.get(repository).copied().unwrap_or_default()
    }

    /// The refusal of a call that its credential does not allow.
    pub(super) fn refusal(&self, call: &Call) -> Option<Answer> {
        let repository = call.repository().unwrap_or_default();
        let action = call.action();
        let allowed = repository.is_empty() || self.access(repository).allows(action);
        let denied = || Answer::error(403, "DENIED", "requested access to the resource is denied");
        if self.0.settings.public_pull == Switch::On && !repository.is_empty() && action == "pull" {
            return None;
        }
        match &self.0.settings.auth {
            Auth::None => (!allowed).then(denied),
            Auth::Basic(account) => {
                let expected = format!("Basic {}", account.basic());
                if call.header("authorization") != Some(expected.as_str()) {
                    let challenge = r#"Basic realm="acceptance""#;
                    return Some(unauthorized().with("www-authenticate", challenge));
                }
                (!allowed).then(denied)
            }
            Auth::Bearer { .. } => self.bearer_refusal(call, repository, action),
        }
    }

    /// Whether a call to another repository may read this one too.
    pub(super) fn may_pull(&self, call: &Call, repository: &str) -> bool {
        let Auth::Bearer { .. } = self.0.settings.auth else {
            return self.access(repository).allows("pull");
        };
        self.bearer_refusal(call, repository, "pull").is_none()
    }

    fn bearer_refusal(&self, call: &Call, repository: &str, action: &str) -> Option<Answer> {
        let authorization = call.header("authorization");
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let tokens = lock(&self.0.tokens);
        let known = token.and_then(|token| tokens.0.get(token));
        let live = known.filter(|token| Instant::now() < token.expires);
        let granted = |token: &Token| {
            let needed = (repository.to_owned(), action.to_owned());
            repository.is_empty() || token.grants.contains(&needed)
        };
        if live.is_some_and(granted) {
            return None;
        }
        let realm = format!("{}://{}/token", self.scheme(), self.host());
        let scope = match action {
            "push" => format!("repository:{repository}:pull,push"),
            _ => format!("repository:{repository}:pull"),
        };
        let error = match (token, live) {
            (None, _) => "",
            (Some(_), None) => r#",error="invalid_token""#,
            (Some(_), Some(_)) => r#",error="insufficient_scope""#,
        };
        let challenge =
            format!(r#"Bearer realm="{realm}",service="acceptance",scope="{scope}"{error}"#);
        Some(unauthorized().with("www-authenticate", challenge))
    }

    /// `GET /token` with Basic credentials, or `POST /token` with the identity
    /// token. Actions that the account has not are left out of the token.
    pub(super) fn give_token(&self, call: &Call) -> Answer {
        let Auth::Bearer { account, lifetime } = &self.0.settings.auth else {
            return Answer::new(404);
        };
        let form = match call.method.as_str() {
            "POST" => parse_form(&String::from_utf8_lossy(&call.body)),
            _ => call.query.clone(),
        };
        let value = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let proved = match call.method.as_str() {
            "POST" => {
                value("grant_type").as_deref() == Some("refresh_token")
                    && account.identity.is_some()
                    && value("refresh_token") == account.identity
            }
            _ => {
                let expected = format!("Basic {}", account.basic());
                call.header("authorization") == Some(expected.as_str())
            }
        };
        if !proved {
            return Answer::error(401, "UNAUTHORIZED", "incorrect username or password");
        }
        let mut grants = Vec::new();
        for (_, scope) in form.iter().filter(|(name, _)| name == "scope") {
            grants.extend(scope.split(' ').flat_map(|scope| self.grants(scope)));
        }
        let text = lock(&self.0.tokens).issue(grants, *lifetime);
        let field = if call.method == "POST" {
            "access_token"
        } else {
            "token"
        };
        Answer::json(
            200,
            &serde_json::json!({ field: text, "expires_in": lifetime.as_secs() }),
        )
    }

    /// The granted actions of a scope `repository:<name>:<action>,…`.
    fn grants(&self, scope: &str) -> Vec<(String, String)> {
        let mut parts = scope.splitn(3, ':');
        let (Some("repository"), Some(name), Some(actions)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Vec::new();
        };
        let allowed = |action: &&str| self.access(name).allows(action);
        let actions = actions.split(',').filter(allowed);
        actions
            .map(|action| (name.to_owned(), action.to_owned()))
            .collect()
    }
}

fn unauthorized() -> Answer {
    Answer::error(401, "UNAUTHORIZED", "authentication required")
}

/// `a=b&c=d`, percent-encoded.
pub fn parse_form(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}
