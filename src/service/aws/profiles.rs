//! The files of AWS's command line: `~/.aws/config` and `~/.aws/credentials`
//! (AWS SDKs and Tools Reference Guide, "Shared config and credentials files").
//! They look like INI and are not: names of sections have words before them, and
//! an indented line belongs to the setting above. The meaning of a setting is
//! `source`'s and `config`'s.

use std::collections::HashMap;

use zeroize::Zeroizing;

/// The profiles of both files, and the sections that they lead to.
#[derive(Default)]
pub(super) struct Profiles {
    profiles: HashMap<String, Section>,
    services: HashMap<String, Section>,
}

/// The settings of a section: names in small letters; of a setting inside
/// another one `outer.inner`.
#[derive(Default)]
pub(super) struct Section(HashMap<String, Zeroizing<String>>);

/// A file of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfilesForm {
    /// Its profiles are named `[profile x]`, but for `[default]`.
    Config,
    /// Its profiles are named `[x]`.
    Credentials,
}

/// The section that a line opens.
enum Opened {
    Profile(String),
    Services(String),
    Other,
}

impl Section {
    /// A setting, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.as_str());
        value.filter(|value| !value.is_empty())
    }
}

impl Profiles {
    /// Adds a file's sections. Its settings win over those added before, so that
    /// the file of credentials comes last. A line that makes no sense is passed
    /// over, as AWS's own readers do.
    pub(super) fn add(&mut self, text: &str, form: ProfilesForm) {
        let mut open = Opened::Other;
        let mut outer: Option<String> = None;
        for line in text.lines() {
            let is_inner = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                open = opened(rest, form);
                outer = None;
                self.open(&open);
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let name = name.trim().to_ascii_lowercase();
            let value = uncommented(value.trim());
            match (is_inner, &outer) {
                (true, Some(outer)) => self.set(&open, format!("{outer}.{name}"), value),
                // The rest of the value above: no setting that counts has one.
                (true, None) => {}
                (false, _) => {
                    outer = value.is_empty().then(|| name.clone());
                    self.set(&open, name, value);
                }
            }
        }
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }

    pub(super) fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    /// An empty section is there, too.
    fn open(&mut self, open: &Opened) -> Option<&mut Section> {
        match open {
            Opened::Profile(name) => Some(self.profiles.entry(name.clone()).or_default()),
            Opened::Services(name) => Some(self.services.entry(name.clone()).or_default()),
            Opened::Other => None,
        }
    }

    fn set(&mut self, open: &Opened, name: String, value: &str) {
        if let Some(section) = self.open(open) {
            section.0.insert(name, Zeroizing::new(value.to_owned()));
        }
    }
}

/// The section that a title opens. Of a section of another kind (`sso-session`)
/// nothing is read, and none of its settings go to the section before it.
fn opened(rest: &str, form: ProfilesForm) -> Opened {
    let Some((title, _)) = rest.split_once(']') else {
        return Opened::Other;
    };
    let title = title.trim();
    let unquoted = |name: &str| name.trim().trim_matches(['"', '\'']).to_owned();
    let (kind, name) = title.split_once([' ', '\t']).unwrap_or(("", title));
    match (form, kind) {
        (ProfilesForm::Config, "profile") => Opened::Profile(unquoted(name)),
        (ProfilesForm::Config, "services") => Opened::Services(unquoted(name)),
        (ProfilesForm::Config, "") if name == "default" => Opened::Profile(name.to_owned()),
        (ProfilesForm::Credentials, _) => Opened::Profile(unquoted(title)),
        (ProfilesForm::Config, _) => Opened::Other,
    }
}

/// A comment at a value's end has a blank before it: a value may have a `#`
/// within.
fn uncommented(value: &str) -> &str {
    let marks = [" #", " ;", "\t#", "\t;"];
    let end = marks.iter().filter_map(|mark| value.find(mark)).min();
    let value = end.and_then(|end| value.get(..end)).unwrap_or(value);
    match value.starts_with(['#', ';']) {
        true => "",
        false => value.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[default]\n\
region = eu-west-1 ; home\n\
# nothing\n\
[profile a b]\n\
role_arn=arn:aws:iam::1:role/x\n\
services = local\n\
[services local]\n\
kms =\n  endpoint_url = http://127.0.0.1:1\n\
sts =\n\tendpoint_url=http://127.0.0.1:2\n\
[sso-session z]\nregion = us-east-1\n\
[ignored]\nregion = x\n";

    #[test]
    fn both_files_make_one_profile_of_each_name() {
        let mut profiles = Profiles::default();
        profiles.add(CONFIG, ProfilesForm::Config);
        profiles.add(
            "[default]\naws_access_key_id = A\nAWS_SECRET_ACCESS_KEY = a#b=\n[profile x]\n",
            ProfilesForm::Credentials,
        );
        let default = profiles.profile("default").unwrap();
        assert_eq!(default.get("region"), Some("eu-west-1"));
        assert_eq!(default.get("aws_access_key_id"), Some("A"));
        assert_eq!(default.get("aws_secret_access_key"), Some("a#b="));
        let other = profiles.profile("a b").unwrap();
        assert_eq!(other.get("role_arn"), Some("arn:aws:iam::1:role/x"));
        let local = profiles.services("local").unwrap();
        assert_eq!(local.get("kms.endpoint_url"), Some("http://127.0.0.1:1"));
        assert_eq!(local.get("sts.endpoint_url"), Some("http://127.0.0.1:2"));
        assert!(profiles.profile("ignored").is_none());
        assert!(profiles.profile("profile x").is_some());
    }
}
