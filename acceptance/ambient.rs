//! Registries that the identity of a place opens: it comes last, is asked once,
//! and for the registries of its own cloud alone. A proxy leads their names to a
//! registry of ours.

use crate::support::images::Image;
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{
    ACR_NAME, ARTIFACTS_NAME, Account, Action, Answer, Auth, ECR_NAME, ECR_PUBLIC_NAME, GCR_NAME,
    PUBLIC_NAME, Registry, Settings, Switch, When,
};
use crate::support::services::aws::{Aws, JWT, PASSWORD, USER};
use crate::support::services::pair::Kind;
use crate::support::services::stand_in::StandIn;
use crate::support::signer::{Config, Outcome, Signer};

const KEY: &str = "p256-n32768-cosign-header";

/// A registry of this name that lets in who has this password, and a cloud.
struct Stage {
    name: &'static str,
    registry: Registry,
    image: Image,
    aws: Aws,
    proxy: Proxy,
}

impl Stage {
    fn new(name: &'static str) -> Self {
        let registry = Registry::with(Settings {
            tls: Switch::On,
            auth: Auth::Basic(Account {
                user: "AWS".to_owned(),
                password: PASSWORD.to_owned(),
                identity: None,
            }),
            ..Settings::default()
        });
        let image = Image::recorded("one-document");
        image.seed(&registry);
        registry.forget_exchanges();
        let proxy = Proxy::to(registry.host(), Manner::Open);
        Self {
            name,
            registry,
            image,
            aws: Aws::start(),
            proxy,
        }
    }

    fn signer(&self, settings: &[(&str, &str)]) -> Signer {
        let signer = Signer::of(&self.image, self.name).key(KEY);
        let roots = signer.folder().join("roots.pem");
        std::fs::write(&roots, self.registry.authority()).unwrap();
        let signer = signer
            .environment("SSL_CERT_FILE", roots.to_str().unwrap())
            .environment("HTTPS_PROXY", &self.proxy.url())
            .environment("AWS_ENDPOINT_URL", &self.aws.service().url())
            .arguments(&["-log-level", "debug", "-retry-budget", "1s"]);
        let known = settings.iter();
        known.fold(signer, |signer, (name, value)| {
            signer.environment(name, value)
        })
    }

    fn run(&self, settings: &[(&str, &str)]) -> Outcome {
        let run = self.signer(settings).run();
        for secret in [PASSWORD, USER[1], JWT] {
            assert!(!run.stdout.contains(secret), "{}", run.stdout);
        }
        run
    }

    fn asked(&self) -> usize {
        self.aws.service().recorded().len()
    }
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", USER[0]),
    ("AWS_SECRET_ACCESS_KEY", USER[1]),
];

/// SIG-100
#[test]
fn the_identity_in_aws_opens_amazon_s_registries() {
    for name in [ECR_NAME, ECR_PUBLIC_NAME] {
        let stage = Stage::new(name);
        let run = stage.run(&KEYS).succeeded();
        run.says(&["Signed"]);
        assert_eq!(stage.asked(), 1);
        assert_eq!(stage.aws.count("GetAuthorizationToken"), 1);
    }
}

/// SIG-100
#[test]
fn credentials_that_are_written_come_first() {
    let stage = Stage::new(ECR_NAME);
    let account = Account {
        user: "AWS".to_owned(),
        password: PASSWORD.to_owned(),
        identity: None,
    };
    let signer = stage.signer(&KEYS);
    let basic = format!("Basic {}", account.basic());
    signer.credential(ECR_NAME, &basic).run().succeeded();
    let wrong = "Basic QVdTOndyb25nLXBhc3N3b3Jk";
    let signer = stage.signer(&KEYS).credential(ECR_NAME, wrong);
    signer.run().ended_with(113).says(&["CNB_REGISTRY_AUTH"]);
    let signer = stage.signer(&KEYS);
    let auths = serde_json::json!({ "auths": { ECR_NAME: { "auth": account.basic() } } });
    let folder = signer.folder().join(".docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), auths.to_string()).unwrap();
    signer.run().succeeded();
    assert_eq!(stage.asked(), 0);
}

/// SIG-100
#[test]
fn no_cloud_is_asked_for_the_registry_of_another() {
    let stage = Stage::new(PUBLIC_NAME);
    let run = stage.run(&KEYS).ended_with(113);
    run.does_not_say(&["the identity in AWS"]);
    assert_eq!(stage.asked(), 0);
}

/// SIG-101
#[test]
fn ambient_credentials_can_be_switched_off() {
    let stage = Stage::new(ECR_NAME);
    let off = ("CNB_NO_AMBIENT_CREDENTIALS", "true");
    let run = |signer: Signer| {
        let run = signer.run().ended_with(113);
        run.says(&["the identity in AWS: switched off"]);
    };
    run(stage.signer(&KEYS).arguments(&["-no-ambient-credentials"]));
    run(stage.signer(&[KEYS[0], KEYS[1], off]));
    assert_eq!(stage.asked(), 0);
    let flag = ["-no-ambient-credentials=false"];
    let signer = stage.signer(&[KEYS[0], KEYS[1], off]).arguments(&flag);
    signer.run().succeeded();
    let garbage = ("CNB_NO_AMBIENT_CREDENTIALS", "perhaps");
    let run = stage.run(&[KEYS[0], KEYS[1], garbage]).succeeded();
    run.says(&["`CNB_NO_AMBIENT_CREDENTIALS` is no boolean but `perhaps`"]);
}

/// SIG-102
#[test]
fn a_cloud_that_gives_nothing_is_one_more_source_that_has_none() {
    let stage = Stage::new(ECR_NAME);
    let lacking = stage.run(&[]).ended_with(113);
    lacking.says(&[
        "CNB_REGISTRY_AUTH: not set",
        "the identity in AWS: credentials for AWS: no credentials were found",
    ]);
    assert_eq!(stage.asked(), 0);
    let denied = serde_json::json!({
        "__type": "AccessDeniedException",
        "message": "not authorized to perform: ecr:GetAuthorizationToken",
    });
    let denied = Action::Answer(Answer::json(400, &denied));
    stage
        .aws
        .service()
        .inject(When::every("POST", "GetAuthorizationToken"), denied);
    let run = stage.run(&KEYS).ended_with(113);
    run.says(&[
        "the identity in AWS: Amazon ECR: access denied",
        "not authorized",
    ]);
    assert_eq!(stage.asked(), 1);
    stage.registry.stored_nothing();
}

/// SIG-102
#[test]
fn a_cloud_that_cannot_be_reached_may_be_asked_later() {
    let stage = Stage::new(ECR_NAME);
    let failing = Action::Answer(Answer::new(503));
    stage
        .aws
        .service()
        .inject(When::every("POST", "GetAuthorizationToken"), failing);
    let run = stage.run(&KEYS).ended_with(111);
    run.says(&["cannot ask for a credential of the identity in AWS"]);
    stage.registry.stored_nothing();
}

/// KEY-85, SIG-100
#[test]
fn a_key_and_a_registry_share_the_identity() {
    let stage = Stage::new(ECR_NAME);
    stage.aws.add("team", Kind::P256);
    let signer = stage.signer(&[
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/signer"),
    ]);
    let jwt = signer.folder().join("jwt");
    std::fs::write(&jwt, JWT).unwrap();
    let signer = signer
        .environment("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.to_str().unwrap())
        .config(Config::none().set("key", "awskms:///alias/team"));
    signer.run().succeeded();
    assert_eq!(stage.aws.count("AssumeRoleWithWebIdentity"), 1);
    assert_eq!(stage.aws.count("GetAuthorizationToken"), 1);
}

/// A registry of this name that lets in who has this token, and the identity's
/// service by plain HTTP on this machine.
fn of_cloud(name: &str, auth: Auth) -> (Registry, Signer) {
    let registry = Registry::with(Settings {
        tls: Switch::On,
        auth,
        ..Settings::default()
    });
    let image = Image::recorded("one-document");
    image.seed(&registry);
    registry.forget_exchanges();
    let proxy = Proxy::to(registry.host(), Manner::Open);
    let signer = Signer::of(&image, name).key(KEY);
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    let signer = signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .environment("HTTPS_PROXY", &proxy.url())
        .arguments(&["-log-level", "debug", "-retry-budget", "1s"]);
    (registry, signer)
}

const TOKEN: &str = "canary-token-of-a-cloud-7";
const REFRESH: &str = "canary-refresh-of-a-registry-8";

/// SIG-100
#[test]
fn the_identity_in_google_cloud_opens_google_s_registries() {
    for name in [GCR_NAME, ARTIFACTS_NAME] {
        let body = serde_json::json!({ "access_token": TOKEN, "expires_in": 3599 });
        let metadata =
            StandIn::start(move |_| Answer::json(200, &body).with("metadata-flavor", "Google"));
        let auth = Auth::Basic(Account {
            user: "oauth2accesstoken".to_owned(),
            password: TOKEN.to_owned(),
            identity: None,
        });
        let (_registry, signer) = of_cloud(name, auth);
        let signer = signer.environment("GCE_METADATA_HOST", metadata.host());
        let run = signer.run().succeeded();
        assert!(!run.stdout.contains(TOKEN), "{}", run.stdout);
        assert_eq!(metadata.recorded().len(), 1);
        metadata.forget();
        let off = signer
            .arguments(&["-no-ambient-credentials"])
            .run()
            .ended_with(113);
        off.says(&["the identity in Google Cloud: switched off"]);
        assert!(metadata.recorded().is_empty());
    }
}

/// SIG-100, SIG-102
#[test]
fn the_identity_in_azure_opens_azure_s_registries() {
    let body = serde_json::json!({ "access_token": TOKEN, "expires_in": 3599 });
    let login = StandIn::start(move |_| Answer::json(200, &body));
    let auth = Auth::Bearer {
        account: Account {
            user: "nobody".to_owned(),
            password: "canary-password-of-nobody".to_owned(),
            identity: Some(REFRESH.to_owned()),
        },
        lifetime: std::time::Duration::from_secs(300),
    };
    let (registry, signer) = of_cloud(ACR_NAME, auth);
    let signer = signer
        .environment("AZURE_AUTHORITY_HOST", &login.url())
        .environment("AZURE_TENANT_ID", "tenant-1")
        .environment("AZURE_CLIENT_ID", "client-1")
        .environment("AZURE_CLIENT_SECRET", "canary-secret-of-a-client-9");
    // As Azure's, its token service has the registry's own name.
    let host = registry.host().to_owned();
    let own = Action::change(move |answer| {
        if let Some(challenge) = answer.header("www-authenticate") {
            let challenge = challenge.replace(&host, ACR_NAME);
            answer.set("www-authenticate", challenge);
        }
    });
    registry.inject(When::every("*", "/v2/"), own.clone());
    let exchanged = serde_json::json!({ "refresh_token": REFRESH });
    registry.inject(
        When::every("POST", "/oauth2/exchange"),
        Action::Answer(Answer::json(200, &exchanged)),
    );
    let run = signer.run().succeeded();
    for secret in [TOKEN, REFRESH, "canary-secret-of-a-client-9"] {
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
    let asked = login.recorded();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path(), "/tenant-1/oauth2/v2.0/token");
    let scope = &asked[0].form()["scope"];
    assert_eq!(scope, "https://containerregistry.azure.net/.default");
    assert_eq!(
        registry
            .exchanges()
            .position("POST", "/oauth2/exchange")
            .into_iter()
            .count(),
        1
    );
    registry.heal();
    registry.inject(When::every("*", "/v2/"), own);
    let denied = Answer::error(401, "UNAUTHORIZED", "authentication required");
    let denied = Action::Answer(denied);
    registry.inject(When::every("POST", "/oauth2/exchange"), denied);
    let run = signer.run().ended_with(113);
    run.says(&["the identity in Azure: `team.azurecr.io`: access denied"]);
    let run = signer
        .without_environment("AZURE_CLIENT_SECRET")
        .run()
        .ended_with(113);
    run.says(&["the identity in Azure: Azure: no credentials were found; looked at"]);
}
