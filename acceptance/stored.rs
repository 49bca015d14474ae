//! Key files that Kubernetes and GitLab keep: fetched, and unlocked here.

mod gitlab;
mod pod;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::cosign::BOTH;
use crate::support::elsewhere;
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::Service;
use crate::support::services::kubernetes::Kubernetes;
use crate::support::services::stand_in::{Recorded, StandIn, Transport};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

const TOKEN: &str = "canary-token-of-the-cluster-0123456789";
const KEY: &str = "p256-cosign3";
const SECRET: &str = "/api/v1/namespaces/team/secrets/cosign";

fn read(name: &str) -> String {
    std::fs::read_to_string(testdata("keys").join(name)).unwrap()
}

fn key() -> String {
    read(&format!("{KEY}.key"))
}

fn password() -> String {
    read("password")
}

fn seeded() -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    (registry, image)
}

fn by(registry: &Registry, image: &Image, uri: &str) -> Signer {
    Signer::of(image, registry.host()).config(Config::none().set("key", uri))
}

#[track_caller]
fn verified(registry: &Registry, image: &Image) {
    let reference = image.reference(registry.host());
    for cosign in BOTH {
        cosign.verify(KEY, &reference, &[]).accepted();
    }
}

/// Runs at debug level with a receipt. Neither a token nor the password is in any
/// output.
#[track_caller]
fn without_canaries(signer: Signer) -> Outcome {
    elsewhere::without_canaries(signer, &[TOKEN, &password()]).0
}

/// A Secret with these values, as the API server answers.
fn secret(values: &[(&str, &str)]) -> Answer {
    let data = values.iter().map(|(name, value)| {
        let value = Value::from(STANDARD.encode(value));
        ((*name).to_owned(), value)
    });
    let data: serde_json::Map<_, _> = data.collect();
    Answer::json(200, &json!({ "kind": "Secret", "data": data }))
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    Answer::json(code, &status)
}

/// The API server with one Secret, for one token.
fn cluster(transport: Transport<'_>) -> StandIn {
    StandIn::by(transport, |asked: &Recorded| {
        let is_known = asked.header("authorization") == Some(&format!("Bearer {TOKEN}"))
            || asked.header("authorization").is_none();
        match (is_known, asked.path()) {
            (false, _) => status(401, "Unauthorized", "Unauthorized"),
            (true, SECRET) => secret(&[("cosign.key", &key()), ("cosign.password", &password())]),
            (true, _) => status(404, "NotFound", "secrets \"x\" not found"),
        }
    })
}

/// A kubeconfig as kubectl writes it.
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: other\n  cluster:\n    \
         server: https://127.0.0.1:9\n- name: k\n  cluster:\n{cluster}\ncontexts:\n- name: here\n  \
         context:\n    cluster: k\n    user: u\n    namespace: default\nusers:\n- name: u\n  user:\n{user}\n"
    )
}

/// A kubeconfig without entries, as client-go writes it for kubectl.
fn bare_config(current: &str) -> String {
    format!(
        "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: {current}\n\
         kind: Config\npreferences: {{}}\nusers: null\n"
    )
}

fn trusting(service: &StandIn) -> String {
    let authority = STANDARD.encode(service.authority());
    let url = service.url();
    format!("    server: {url}\n    certificate-authority-data: {authority}")
}

/// Writes `~/.kube/config`, and asks for a Secret.
fn with_config(registry: &Registry, image: &Image, config: &str) -> Signer {
    let signer = by(registry, image, "k8s://team/cosign");
    let folder = signer.folder().join(".kube");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config"), config).unwrap();
    signer
}

/// KEY-70, KEY-73, KEY-74
#[test]
fn the_real_kubernetes_gives_the_key_to_a_token_and_to_a_certificate() {
    if is_here(Need::Service(Service::Kubernetes)) {
        let kubernetes = Kubernetes::start();
        let (key, password, public) = (key(), password(), read(&format!("{KEY}.pub")));
        let values: [(&str, &[u8]); 3] = [
            ("cosign.key", key.as_bytes()),
            ("cosign.pub", public.as_bytes()),
            ("cosign.password", password.as_bytes()),
        ];
        kubernetes.create_secret("team", "cosign", &values);
        kubernetes.create_secret("team", "other", &[("x", b"y")]);
        let token = kubernetes.token("team", "cosign");
        let [certificate, private] = kubernetes.client("team", "cosign");
        let certificate = json!({
            "client-certificate-data": STANDARD.encode(certificate),
            "client-key-data": STANDARD.encode(private),
        });
        for user in [json!({ "token": token }), certificate] {
            let (registry, image) = seeded();
            let config = kubernetes.config(&user);
            let signer = with_config(&registry, &image, &config);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("kube.json");
            std::fs::write(&path, &config).unwrap();
            without_canaries(signer.environment("KUBECONFIG", path.to_str().unwrap()))
                .succeeded()
                .does_not_say(&[&token])
                .says(&["Unlocked key k8s://team/cosign"]);
            verified(&registry, &image);
            let environment = [("KUBECONFIG", path.to_str().unwrap())];
            for cosign in BOTH {
                let reference = image.reference(registry.host());
                cosign
                    .verify_by("k8s://team/cosign", &reference, &environment)
                    .accepted();
            }
        }
        let (registry, image) = seeded();
        let run = |uri: &str, token: &str| {
            let config = kubernetes.config(&json!({ "token": token }));
            let signer = by(&registry, &image, uri);
            let path = signer.folder().join("kube.yaml");
            std::fs::write(&path, config).unwrap();
            signer
                .environment("KUBECONFIG", path.to_str().unwrap())
                .run()
        };
        run("k8s://team/other", &token)
            .ended_with(113)
            .says(&["cannot get resource", "--resource-name=other"]);
        run("k8s://team/cosign", "nobody's")
            .ended_with(113)
            .says(&["Unauthorized", "may have expired"]);
        let absent = kubernetes.token("team", "absent");
        run("k8s://team/absent", &absent)
            .ended_with(115)
            .says(&["not found", "cosign generate-key-pair k8s://team/absent"]);
        let other = kubernetes.token("team", "other");
        run("k8s://team/other", &other)
            .ended_with(115)
            .says(&["the Secret has no `cosign.key`"]);
        registry.stored_nothing();
    }
}

/// KEY-71, KEY-72
#[test]
fn what_a_kubeconfig_may_say_counts() {
    let (registry, image) = seeded();
    let service = cluster(Transport::Https(&["k.test"]));
    let token = format!("    token: {TOKEN}");
    let run = |cluster: &str, user: &str| {
        without_canaries(with_config(&registry, &image, &config(cluster, user)))
    };
    run(&trusting(&service), &token).succeeded();
    verified(&registry, &image);
    assert_eq!(service.recorded().len(), 1);
    let named = format!("{}\n    tls-server-name: k.test", trusting(&service));
    run(&named, &token).succeeded();
    let misnamed = format!("{}\n    tls-server-name: other.test", trusting(&service));
    run(&misnamed, &token).ended_with(113);
    let unverified = format!(
        "    server: {}\n    insecure-skip-tls-verify: true",
        service.url()
    );
    run(&unverified, &token)
        .succeeded()
        .says(&["without verifying its certificate"]);
    let proxy = Proxy::to(service.host(), Manner::Open);
    let authority = STANDARD.encode(service.authority());
    let proxied = format!(
        "    server: https://k.test\n    certificate-authority-data: {authority}\n    proxy-url: {}",
        proxy.url()
    );
    run(&proxied, &token).succeeded();
    assert_eq!(proxy.asked(), ["k.test:443"]);
    let none = proxied.replace("proxy-url: http", "proxy-url: ftp");
    run(&none, &token).ended_with(115).says(&[
        "/.kube/config` cannot be used: its `proxy-url` is no URL of a proxy",
        "hint: write `proxy-url` as `http://<host>:<port>`",
    ]);
    run(&format!("    server: {}", service.url()), &token)
        .ended_with(113)
        .says(&["`certificate-authority`"]);
    // Files, relative to the kubeconfig; of several kubeconfigs each has a part.
    let signer = by(&registry, &image, "k8s://team/cosign");
    let write = |name: &str, text: &str| {
        let path = signer.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    write("ca.pem", service.authority());
    write("token", &format!("{TOKEN}\n"));
    let cluster = format!(
        "    server: {}\n    certificate-authority: ca.pem",
        service.url()
    );
    let first = write("first", "apiVersion: v1\ncurrent-context: here\n");
    let files = "    tokenFile: token\n    token: stale";
    let second = write("second", &config(&cluster, files));
    let list = format!("/absent:{first}:{second}");
    signer.environment("KUBECONFIG", &list).run().succeeded();
    // A part is all that `kubectl config use-context` writes to a file of its own.
    let second = config(&trusting(&service), &token);
    let signer = with_config(&registry, &image, &second);
    let bare = signer.folder().join("bare");
    std::fs::write(&bare, bare_config("here")).unwrap();
    let second = signer.folder().join(".kube/config");
    let list = format!("{}:{}", bare.display(), second.display());
    signer.environment("KUBECONFIG", &list).run().succeeded();
}

/// KEY-71
#[test]
fn a_client_certificate_is_shown() {
    let (registry, image) = seeded();
    let service = cluster(Transport::Mutual(&[]));
    let [certificate, private] = service.client().map(|pem| STANDARD.encode(pem));
    let user =
        format!("    client-certificate-data: {certificate}\n    client-key-data: {private}");
    let run = |user: &str| {
        without_canaries(with_config(
            &registry,
            &image,
            &config(&trusting(&service), user),
        ))
    };
    run(&user).succeeded();
    run(&format!("    client-certificate-data: {certificate}"))
        .ended_with(115)
        .says(&["without its key"]);
    run(&format!("    token: {TOKEN}"))
        .ended_with(113)
        .says(&["wants a client certificate"]);
}

/// KEY-71, KEY-72, SIG-11
#[test]
fn what_is_no_use_in_a_kubeconfig_is_named_before_anything_is_sent() {
    let (registry, image) = seeded();
    let service = cluster(Transport::Https(&[]));
    let here = trusting(&service);
    let run = |text: &str| without_canaries(with_config(&registry, &image, text)).ended_with(115);
    for (user, words) in [
        (
            "    exec:\n      command: aws",
            "`kubectl create token ACCOUNT`",
        ),
        ("    auth-provider:\n      name: gcp", "auth-provider"),
        ("    username: a\n    password: b", "by name and password"),
        ("    token: a\n    as: root", "acts as another"),
        ("    {}", "no token and no certificate"),
        ("    token: \"a b\"", "token is none"),
        ("    tokenFile: absent", "cannot read"),
        ("    client-certificate-data: '?'", "not base64"),
    ] {
        run(&config(&here, user)).says(&[words, "k8s://team/cosign"]);
    }
    let token = format!("    token: {TOKEN}");
    let good = config(&here, &token);
    for (text, words) in [
        (
            good.replace("current-context: here", ""),
            "no `current-context`",
        ),
        (
            good.replace("current-context: here", "current-context: x"),
            "context is not in it",
        ),
        (
            good.replace("    cluster: k\n", "    cluster: x\n"),
            "the cluster of its context",
        ),
        (
            good.replace("    user: u\n", "    user: x\n"),
            "the user of its context",
        ),
        (
            good.replace("server: https://127.0.0.1:", "server: h:"),
            "its server is no URL",
        ),
        ("a: [".to_owned(), "it is no YAML"),
        ("clusters: 1".to_owned(), "it is no kubeconfig"),
        ("a: &x b".to_owned(), "an anchor"),
    ] {
        run(&text).says(&[words]);
    }
    by(&registry, &image, "k8s://team/cosign")
        .run()
        .ended_with(115)
        .says(&[
            "looked at ~/.kube/config (not there), KUBERNETES_SERVICE_HOST (not set)",
            "`KUBECONFIG`",
        ]);
    by(&registry, &image, "k8s://team/cosign")
        .environment("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .run()
        .ended_with(115)
        .says(&["KUBERNETES_SERVICE_PORT (not set)"])
        .does_not_say(&["KUBERNETES_SERVICE_HOST (not set)"]);
    by(&registry, &image, "k8s://team")
        .run()
        .ended_with(3)
        .says(&["write `k8s://NAMESPACE/SECRET`"]);
    Signer::of(&image, registry.host())
        .config(
            Config::none()
                .set("key", "k8s://team/cosign")
                .set("password", "p"),
        )
        .run()
        .ended_with(3)
        .says(&["is not opened by a `password`"]);
    assert!(service.recorded().is_empty());
    registry.was_not_asked();
}

/// KEY-70, KEY-73, KEY-74, SIG-11
#[test]
fn what_a_cluster_answers_has_its_code_and_its_remedy() {
    let (key, password) = (key(), password());
    let newline = format!("{password}\n");
    for (answer, code, words) in [
        (
            status(401, "Unauthorized", "Unauthorized"),
            113,
            "may have expired",
        ),
        (
            status(
                403,
                "Forbidden",
                "secrets \"cosign\" is forbidden: User \"u\" cannot get",
            ),
            113,
            "User \"u\" cannot get",
        ),
        (
            status(404, "NotFound", "secrets \"cosign\" not found"),
            115,
            "generate-key-pair k8s://team/cosign",
        ),
        (status(503, "ServiceUnavailable", "later"), 111, "503"),
        (
            secret(&[("cosign.pub", "x")]),
            115,
            "the Secret has no `cosign.key`",
        ),
        (
            Answer::json(200, &json!({ "kind": "Secret" })),
            115,
            "the Secret has no `cosign.key`",
        ),
        (
            Answer::json(200, &json!({ "data": { "cosign.key": "?" } })),
            112,
            "not base64",
        ),
        (
            Answer::new(200).body("text/html", "<p>"),
            112,
            "not the JSON of a Secret",
        ),
        (
            Answer::new(200).body("application/json", "x".repeat(4 << 20)),
            112,
            "is larger than",
        ),
        (
            Answer::new(302).with("location", "/elsewhere"),
            112,
            "unexpected status 302",
        ),
        (secret(&[("cosign.key", "nonsense")]), 115, "no PEM block"),
        (
            secret(&[("cosign.key", &key)]),
            115,
            "there is no `cosign.password` beside the key",
        ),
        (
            secret(&[("cosign.key", &key), ("cosign.password", "x")]),
            115,
            "that of `cosign.password`, beside the key",
        ),
        (
            secret(&[("cosign.key", &key), ("cosign.password", &newline)]),
            0,
            "Unlocked key",
        ),
    ] {
        let (registry, image) = seeded();
        let service = cluster(Transport::Https(&[]));
        service.inject(When::every("GET", "/secrets/"), Action::Answer(answer));
        let config = config(&trusting(&service), &format!("    token: {TOKEN}"));
        let signer = with_config(&registry, &image, &config)
            .arguments(&["-retry-budget", "1s"])
            // It is for other keys.
            .environment("COSIGN_PASSWORD", &password);
        without_canaries(signer).ended_with(code).says(&[words]);
        if code != 0 {
            registry.stored_nothing();
        }
    }
}

/// KEY-75
#[test]
fn a_secret_of_two_signatories_is_fetched_once() {
    let (registry, image) = seeded();
    let service = cluster(Transport::Https(&[]));
    let config = config(&trusting(&service), &format!("    token: {TOKEN}"));
    let elsewhere = format!("{}/signatures", registry.host());
    let second = Config::none().set("key", "k8s://team/cosign");
    with_config(&registry, &image, &config)
        .key("p256-cosign2")
        .config(second.set("repository", &elsewhere))
        .run()
        .succeeded();
    assert_eq!(service.recorded().len(), 1);
    verified(&registry, &image);
}
