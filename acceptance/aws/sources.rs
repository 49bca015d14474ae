//! Where credentials come from, and what else users set.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::{Scene, key};
use crate::support::proxy::{Manner, Proxy};
use crate::support::services::aws::{
    Aws, CONTAINER, JWT, PASSWORD, SESSION, SESSION_SECRET, USER, session_key,
};
use crate::support::services::pair::Kind;
use crate::support::services::stand_in::{StandIn, Transport};
use crate::support::signer::Outcome;

/// A run with one key, and these settings beside the endpoint.
struct Place {
    aws: Aws,
    scene: Scene,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            aws: Aws::start(),
            scene: Scene::new(),
        };
        place.aws.add("team", Kind::P256);
        place
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.scene.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    fn run(&self, settings: &[(&str, &str)]) -> Outcome {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.aws.service().url()),
            ("AWS_REGION", "eu-west-1".to_owned()),
        ];
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let receipt = self.scene.folder.path().join("receipt.json");
        let run = self
            .scene
            .signer(key("awskms:///alias/team"), &environment)
            .arguments(&[
                "-log-level",
                "debug",
                "-receipt",
                &receipt.display().to_string(),
            ])
            .run();
        let written = std::fs::read_to_string(receipt).unwrap_or_default();
        for secret in [USER[1], SESSION, SESSION_SECRET, JWT, CONTAINER, PASSWORD] {
            for text in [&run.stdout, &run.stderr, &written] {
                assert!(!text.contains(secret), "`{secret}` in:\n{text}");
            }
        }
        run
    }

    /// The access keys that requests to KMS were signed by.
    fn signed_by(&self) -> Vec<String> {
        let mut keys: Vec<_> = self
            .aws
            .service()
            .asked("POST", "TrentService")
            .iter()
            .filter_map(|one| {
                let shown = one.header("authorization")?;
                let (_, rest) = shown.split_once("Credential=")?;
                Some(rest.split('/').next()?.to_owned())
            })
            .collect();
        keys.dedup();
        keys
    }
}

/// KEY-85
#[test]
fn every_source_of_credentials_signs() {
    let place = Place::new();
    let jwt = place.file("jwt", &format!("{JWT}\n"));
    let token = place.file("token", CONTAINER);
    let [id, secret] = USER;
    let keys = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let process = place.file(
        "process",
        &format!(
            "#!/bin/sh\necho '{{\"Version\":1,\"AccessKeyId\":\"{id}\",\
             \"SecretAccessKey\":\"{secret}\"}}'; echo {secret} >&2\n"
        ),
    );
    let role = "role_arn = arn:aws:iam::123456789012:role/signer\n";
    let credentials = place.file("credentials", &format!("[default]\n{keys}[static]\n{keys}"));
    let config = place.file(
        "config",
        &format!(
            "[profile role]\n{role}source_profile = static\n\
             [profile chain]\n{role}source_profile = role\n\
             [profile self]\n{role}source_profile = self\n{keys}\
             [profile environment]\n{role}credential_source = Environment\n\
             [profile container]\n{role}credential_source = EcsContainer\n\
             [profile web]\n{role}web_identity_token_file = {jwt}\n\
             [profile first]\n{role}{keys}web_identity_token_file = /absent\n\
             [profile process]\ncredential_process = '{process}' x\n"
        ),
    );
    let url = place.aws.service().url();
    let full = format!("{url}/container");
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", &*credentials),
        ("AWS_CONFIG_FILE", &*config),
    ];
    let profile = |name| [&files[..], &[("AWS_PROFILE", name)]].concat();
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &*jwt),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/signer"),
    ];
    let user = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*full),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &*token),
    ];
    let machine = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url),
    ];
    // Requests beside those to KMS; how many sessions there are then.
    for (settings, others, sessions) in [
        (user.to_vec(), 0, 0),
        (web.to_vec(), 1, 1),
        (files.to_vec(), 0, 1),
        (profile("static"), 0, 1),
        (profile("role"), 1, 2),
        (profile("chain"), 2, 4),
        (profile("self"), 1, 5),
        (
            [profile("environment"), user.to_vec()].concat()[2..].to_vec(),
            0,
            5,
        ),
        ([profile("container"), container.to_vec()].concat(), 2, 7),
        (profile("web"), 1, 8),
        (profile("process"), 0, 8),
        (container.to_vec(), 1, 9),
        (machine.to_vec(), 3, 10),
        // The first that is set up counts.
        (
            [user.to_vec(), web.to_vec(), machine.to_vec()].concat(),
            0,
            10,
        ),
        ([web.to_vec(), files.to_vec()].concat(), 1, 11),
        (profile("first"), 1, 12),
    ] {
        place.aws.service().forget();
        place.run(&settings).succeeded();
        let all = place.aws.service().recorded().len();
        let kms = place.aws.service().asked("POST", "TrentService").len();
        assert_eq!(all - kms, others, "{settings:?}");
        let signed = place.signed_by();
        match others {
            0 => assert_eq!(signed, [id], "{settings:?}"),
            _ => assert_eq!(signed, [session_key(sessions)], "{settings:?}"),
        }
    }
}

/// KEY-87
#[test]
fn credentials_that_expire_are_fetched_once_more() {
    let place = Place::new();
    let jwt = place.file("jwt", JWT);
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &*jwt),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/signer"),
    ];
    place.aws.expire(&session_key(1));
    place.run(&web).succeeded();
    assert_eq!(place.aws.count("AssumeRoleWithWebIdentity"), 2);
    assert_eq!(place.signed_by(), [session_key(1), session_key(2)]);
    for number in 2..9 {
        place.aws.expire(&session_key(number));
    }
    place.aws.service().forget();
    place
        .run(&web)
        .ended_with(113)
        .says(&["ExpiredTokenException", "give new credentials"]);
    assert_eq!(place.aws.count("AssumeRoleWithWebIdentity"), 2);
    // Nobody has others in a variable.
    place.aws.expire(USER[0]);
    place.aws.service().forget();
    let user = [
        ("AWS_ACCESS_KEY_ID", USER[0]),
        ("AWS_SECRET_ACCESS_KEY", USER[1]),
    ];
    place.run(&user).ended_with(113);
    assert_eq!(place.aws.service().recorded().len(), 1);
}

/// KEY-84, KEY-85
#[test]
fn region_endpoint_and_authority_come_from_where_aws_s_tools_have_them() {
    let [id, secret] = USER;
    let names = [
        "*.eu-west-1.amazonaws.com",
        "*.amazonaws.com",
        "kms.example",
    ];
    let aws = Aws::by(Transport::Https(&names));
    aws.add("team", Kind::P256);
    let scene = Scene::new();
    let bundle = scene.folder.path().join("bundle.pem");
    std::fs::write(&bundle, aws.service().authority()).unwrap();
    let proxy = Proxy::to(aws.service().host(), Manner::Open);
    let config = scene.folder.path().join("config");
    let run = |uri: &str, settings: &[(&str, &str)], text: &str| {
        std::fs::write(&config, text).unwrap();
        let mut environment = vec![
            ("AWS_ACCESS_KEY_ID", id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
            ("AWS_CONFIG_FILE", config.display().to_string()),
            ("HTTPS_PROXY", proxy.url()),
            ("AWS_CA_BUNDLE", bundle.display().to_string()),
        ];
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let before = proxy.asked().len();
        let run = scene.signer(key(uri), &environment).run();
        let asked = proxy.asked().get(before).cloned().unwrap_or_default();
        (run, asked)
    };
    let arn = format!("awskms:///{}", aws.arn("team"));
    let alias = "awskms:///alias/team";
    let region = [("AWS_REGION", "eu-west-1")];
    for (uri, settings, text, host) in [
        (&*arn, &[][..], "", "kms.eu-west-1.amazonaws.com:443"),
        // An ARN knows better.
        (
            &arn,
            &[("AWS_REGION", "us-east-1")],
            "",
            "kms.eu-west-1.amazonaws.com:443",
        ),
        (alias, &region, "", "kms.eu-west-1.amazonaws.com:443"),
        (
            alias,
            &[("AWS_DEFAULT_REGION", "eu-west-1")],
            "",
            "kms.eu-west-1.amazonaws.com:443",
        ),
        (
            alias,
            &[],
            "[default]\nregion = eu-west-1\n",
            "kms.eu-west-1.amazonaws.com:443",
        ),
        (
            alias,
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_USE_FIPS_ENDPOINT", "true"),
            ],
            "",
            "kms-fips.eu-west-1.amazonaws.com:443",
        ),
        (
            "awskms://kms.example:8443/alias/team",
            &region,
            "",
            "kms.example:8443",
        ),
        (
            alias,
            &region,
            "[default]\nservices=x\nendpoint_url = https://127.0.0.1:1\n\
             [services x]\nkms =\n  endpoint_url = https://kms.example\n",
            "kms.example:443",
        ),
        (
            alias,
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL_KMS", "https://kms.example"),
                ("AWS_ENDPOINT_URL", "https://127.0.0.1:1"),
            ],
            "",
            "kms.example:443",
        ),
    ] {
        let (run, asked) = run(uri, settings, text);
        run.succeeded();
        assert_eq!(asked, host, "{uri} {settings:?} {text}");
    }
    let (lacking, _) = run(alias, &[], "");
    lacking
        .ended_with(115)
        .says(&["`AWS_REGION` is not set", "set `AWS_REGION`"]);
    let (wrong, _) = run(alias, &[("AWS_REGION", "a.example/")], "");
    wrong.ended_with(115).says(&["no region's name"]);
    let (untrusted, _) = run(alias, &[region[0], ("AWS_CA_BUNDLE", "")], "");
    untrusted.ended_with(113);
    let (absent, _) = run(alias, &[region[0], ("AWS_CA_BUNDLE", "/absent.pem")], "");
    absent.ended_with(115).says(&["/absent.pem"]);
    let text = format!("[default]\nca_bundle = {}\n", config.display());
    let of_variable = [region[0], ("AWS_CA_BUNDLE", config.to_str().unwrap())];
    let (none, _) = run(alias, &of_variable, &text);
    none.ended_with(115)
        .says(&["`AWS_CA_BUNDLE` cannot be used"]);
    let (none, _) = run(alias, &[region[0], ("AWS_CA_BUNDLE", "")], &text);
    none.ended_with(115)
        .says(&["`ca_bundle` cannot be used: it holds no certificate"]);
    let insecure = [
        region[0],
        ("AWS_CA_BUNDLE", ""),
        ("AWS_TLS_INSECURE_SKIP_VERIFY", "1"),
    ];
    let (warned, _) = run(alias, &insecure, "");
    let warned = warned.succeeded();
    assert_eq!(warned.warnings().len(), 1, "{}", warned.stdout);
}

/// KEY-85
#[test]
fn a_source_that_is_not_set_up_well_is_told() {
    let place = Place::new();
    let config = place.file(
        "config",
        "[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=a\n\
         [profile sso]\nsso_session=x\n[profile alone]\nrole_arn=r\n\
         [profile lost]\nrole_arn=r\nsource_profile=nobody\n\
         [profile mfa]\nrole_arn=r\nsource_profile=sso\nmfa_serial=m\n\
         [profile none]\nregion=eu-west-1\n\
         [profile fails]\ncredential_process=echo canary; exit 3\n\
         [profile garbage]\ncredential_process=echo canary\n",
    );
    let empty = place.file("empty", "");
    let plain = |name: &'static str, value: &'static str| vec![(name, value)];
    let profile = |name: &'static str| vec![("AWS_CONFIG_FILE", &*config), ("AWS_PROFILE", name)];
    for (settings, words) in [
        (vec![], "no credentials were found; looked at environment"),
        (vec![], "machine (`AWS_EC2_METADATA_DISABLED` is set)"),
        (
            profile("nobody"),
            "`AWS_PROFILE` cannot be used: there is no such profile",
        ),
        (
            plain("AWS_DEFAULT_PROFILE", "nobody"),
            "`AWS_DEFAULT_PROFILE` cannot be used: there is no such profile",
        ),
        (profile("a"), "leads back to it"),
        (profile("sso"), "aws configure export-credentials"),
        (profile("alone"), "nothing vouches for its `role_arn`"),
        (profile("lost"), "no profile of the name"),
        (profile("mfa"), "a code of a device"),
        (profile("none"), "profile (`none` has none)"),
        (
            plain("AWS_WEB_IDENTITY_TOKEN_FILE", "/absent"),
            "`AWS_ROLE_ARN` is not set",
        ),
        (
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/absent"),
                ("AWS_ROLE_ARN", "r"),
            ],
            "/absent",
        ),
        (
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &*empty),
                ("AWS_ROLE_ARN", "r"),
            ],
            "holds no token",
        ),
        (
            plain("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"),
            "may not see a token without TLS",
        ),
        (
            plain("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "//example.com/x"),
            "it is no path",
        ),
        (
            vec![("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "")],
            "`AWS_SECRET_ACCESS_KEY` is not set",
        ),
        (
            // Nobody listens there.
            vec![
                ("AWS_EC2_METADATA_DISABLED", ""),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9"),
            ],
            "machine (cannot connect",
        ),
        (plain("AWS_ENDPOINT_URL", "nowhere"), "no credentials"),
        (
            vec![
                ("AWS_ENDPOINT_URL", "nowhere"),
                ("AWS_ACCESS_KEY_ID", "A"),
                ("AWS_SECRET_ACCESS_KEY", "b"),
            ],
            "`AWS_ENDPOINT_URL` cannot be used",
        ),
    ] {
        place.aws.service().forget();
        place.run(&settings).ended_with(115).says(&[words]);
        assert!(place.aws.service().recorded().is_empty(), "{settings:?}");
    }
    for name in ["fails", "garbage"] {
        let run = place.run(&profile(name)).ended_with(112);
        run.says(&["credential_process"]).does_not_say(&["canary"]);
    }
    place.scene.registry.stored_nothing();
}

/// KEY-85
#[test]
fn a_silent_metadata_service_costs_two_seconds() {
    let silent = StandIn::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(20));
        crate::support::registry::Answer::new(200)
    });
    let place = Place::new();
    let run = place.run(&[
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &silent.url()),
    ]);
    assert!(run.took.as_secs() < 10, "{:?}", run.took);
    run.ended_with(115).says(&["did not answer within 1 s"]);
}
