//! The questions to the Security Token Service (STS API 2011-06-15), as forms. The
//! answers are XML, of which `credentials` reads the elements that it needs.

use jiff::Timestamp;
use url::form_urlencoded::Serializer;

use super::source::Role;
use crate::secret::Secret;

const VERSION: &str = "2011-06-15";

/// A question, encoded. A web identity's token is in it.
pub(super) struct StsForm {
    pub(super) operation: &'static str,
    pub(super) body: Secret,
}

/// Takes on a role with the credentials that sign the question.
pub(super) fn assume(role: &Role) -> StsForm {
    form("AssumeRole", role, None)
}

/// Takes on a role that a token stands for.
pub(super) fn web_identity(role: &Role, token: &Secret) -> StsForm {
    form("AssumeRoleWithWebIdentity", role, token.expose_str())
}

fn form(operation: &'static str, role: &Role, token: Option<&str>) -> StsForm {
    // A session has to have a name; it stands in the account's trail.
    let session = match &role.session {
        Some(session) => session.clone(),
        None => format!("cnb-signer-{}", Timestamp::now().as_second()),
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", operation)
        .append_pair("Version", VERSION)
        .append_pair("RoleArn", &role.arn)
        .append_pair("RoleSessionName", &session);
    if let Some(token) = token {
        form.append_pair("WebIdentityToken", token);
    }
    if let Some(external_id) = &role.external_id {
        form.append_pair("ExternalId", external_id);
    }
    if let Some(duration) = &role.duration {
        form.append_pair("DurationSeconds", duration);
    }
    StsForm {
        operation,
        body: Secret::from(form.finish()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_all_of_a_role() {
        let role = Role {
            arn: "arn:aws:iam::1:role/x".to_owned(),
            session: Some("s".to_owned()),
            external_id: Some("e".to_owned()),
            duration: Some("900".to_owned()),
        };
        let form = assume(&role);
        let expected = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx\
                        &RoleSessionName=s&ExternalId=e&DurationSeconds=900";
        assert_eq!(form.body.expose_str(), Some(expected));
        let token = Secret::from("a.b".to_owned());
        let form = web_identity(&Role::default(), &token);
        let body = form.body.expose_str().unwrap();
        assert!(body.contains("&RoleSessionName=cnb-signer-"), "{body}");
        assert!(body.ends_with("&WebIdentityToken=a.b"), "{body}");
    }
}
