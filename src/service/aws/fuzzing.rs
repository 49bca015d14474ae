//! Fuzz targets for what AWS answers, and for the files of its command line.

use super::profiles::{Profiles, ProfilesForm};
use super::{credentials, ecr, fault};

/// Credentials in JSON and in XML, a password of a registry, and an error. What
/// is taken for credentials can stand in a header.
pub fn aws_answer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = [credentials::of_json(data), credentials::of_xml(&text)];
    for credentials in found.into_iter().flatten() {
        assert!(is_word(credentials.key_id.as_bytes()));
        assert!(!credentials.secret.expose().is_empty());
        let token = credentials.token.as_ref();
        assert!(token.is_none_or(|token| is_word(token.expose())));
    }
    let login = serde_json::from_slice(data)
        .ok()
        .and_then(ecr::EcrAnswer::login);
    assert!(login.is_none_or(|login| !login.password.expose().is_empty()));
    let fault = fault::AwsFault::parse(data);
    assert!(text.contains(&fault.code) || text.contains(['\\', '&']));
}

/// A setting that is found stands in the file, and is not empty.
pub fn aws_profiles(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for form in [ProfilesForm::Config, ProfilesForm::Credentials] {
        let mut profiles = Profiles::default();
        profiles.add(&text, form);
        for name in ["default", "a"] {
            let sections = [profiles.profile(name), profiles.services(name)];
            for section in sections.into_iter().flatten() {
                for setting in ["region", "role_arn", "kms.endpoint_url"] {
                    let value = section.get(setting).unwrap_or("=");
                    assert!(!value.is_empty());
                    assert!(text.contains(value));
                }
            }
        }
    }
}

fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}
