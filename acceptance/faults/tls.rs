//! Whom the signer believes, and through what it asks (`spec/faults.md`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::KEY;
use crate::support::front::{Fate, Front, Opening};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{
    Action, Auth, PUBLIC_NAME, Registry, Settings, Shape, Switch, When,
};
use crate::support::signer::Signer;

pub(super) fn secured() -> (Registry, Image) {
    with(Settings {
        tls: Switch::On,
        ..Settings::default()
    })
}

pub(super) fn with(settings: Settings) -> (Registry, Image) {
    let registry = Registry::with(settings);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    (registry, image)
}

/// A run that trusts the registry's authority, and nobody else.
pub(super) fn trusting(registry: &Registry, image: &Image, host: &str) -> Signer {
    let signer = Signer::of(image, host).key(KEY);
    let file = signer.folder().join("roots.pem");
    std::fs::write(&file, registry.authority()).unwrap();
    signer
        .environment("SSL_CERT_FILE", file.to_str().unwrap())
        .environment("SSL_CERT_DIR", "/nowhere")
}

#[track_caller]
pub(super) fn is_signed(registry: &Registry, image: &Image) {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
}

/// Case 6, F: not asked twice, and the roots are named.
#[test]
fn case_06_an_unknown_authority_ends_the_run_at_once_and_names_the_roots() {
    let (registry, image) = secured();
    let (foreign, _) = secured();
    let front = Front::start("127.0.0.1:0", registry.host(), |_| Fate::Passed);
    let run = trusting(&foreign, &image, &front.host())
        .run()
        .ended_with(113);
    let run = run.says(&[
        "is not trusted",
        "SSL_CERT_FILE",
        "1 root certificates in `",
        "roots.pem",
        "/nowhere",
    ]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    // Each of the five requests that begin a run tried once, and in plain HTTP
    // before.
    assert!(front.connections() <= 10, "{}", front.connections());
    registry.was_not_asked();
}

/// Case 6, F.
#[test]
fn case_06_an_expired_certificate_ends_the_run_at_once() {
    let settings = Settings {
        tls: Switch::On,
        certificate: Shape::Expired,
        ..Settings::default()
    };
    let (registry, image) = with(settings);
    let run = trusting(&registry, &image, registry.host())
        .run()
        .ended_with(113);
    let run = run
        .says(&["is not trusted", "xpired", "hint:", "`SSL_CERT_FILE`"])
        .does_not_say(&["root certificates in"]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    registry.was_not_asked();
}

/// Case 6, F.
#[test]
fn case_06_a_certificate_for_another_name_ends_the_run_at_once() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Open);
    let signer = trusting(&registry, &image, "stranger.example");
    let run = signer
        .environment("HTTPS_PROXY", &proxy.url())
        .run()
        .ended_with(113);
    let run = run.says(&[
        "the certificate of `https://stranger.example",
        "stranger.example",
    ]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    registry.was_not_asked();
}

/// Case 7, F: no credentials, no downgrade.
#[test]
fn case_07_a_public_registry_that_speaks_plain_http_is_told_nothing() {
    let (registry, image) = with(Settings::default());
    let front_saw_plain = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = front_saw_plain.clone();
    let front = Front::start("127.0.0.1:0", registry.host(), move |opening| {
        counted.fetch_add(usize::from(opening == Opening::Plain), Ordering::SeqCst);
        Fate::Passed
    });
    let proxy = Proxy::to(&front.host(), Manner::Open);
    let signer = Signer::of(&image, PUBLIC_NAME).key(KEY);
    let signer = signer.credential(PUBLIC_NAME, "Basic cm9ib3Q6cGFzcw==");
    let run = signer
        .environment("HTTPS_PROXY", &proxy.url())
        .run()
        .ended_with(111);
    let run = run.says(&["does not speak TLS", "-insecure-registry"]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    assert_eq!(front_saw_plain.load(Ordering::SeqCst), 0);
    registry.was_not_asked();
}

#[test]
fn roots_come_from_a_file_or_from_a_folder() {
    let (registry, image) = secured();
    trusting(&registry, &image, registry.host())
        .run()
        .succeeded();
    is_signed(&registry, &image);
    let (registry, image) = secured();
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let folder = signer.folder().join("roots");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("any-name.crt"), registry.authority()).unwrap();
    let list = format!("/nowhere:{}", folder.display());
    signer.environment("SSL_CERT_DIR", &list).run().succeeded();
    is_signed(&registry, &image);
}

#[test]
fn an_insecure_registry_is_not_verified_and_warned_of() {
    let (registry, image) = secured();
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let run = signer
        .arguments(&["-insecure-registry", registry.host()])
        .run()
        .succeeded();
    run.says(&[&format!("{} is used without verifying", registry.host())]);
    is_signed(&registry, &image);
}

/// SIG-5
#[test]
fn an_insecure_registry_is_insecure_for_itself_alone() {
    let (registry, image) = secured();
    let (host, port) = registry.host().split_once(':').unwrap();
    let shorter = format!("{host}:{}", &port[..port.len() - 1]);
    for entry in [
        "",
        ",",
        &shorter,
        host,
        "127.0.0.1:1",
        "localhost",
        &format!("{}/other", registry.host()),
    ] {
        let signer = Signer::of(&image, registry.host()).key(KEY);
        let signer = signer.arguments(&[&format!("-insecure-registry={entry}")]);
        signer.run().ended_with(113).says(&["is not trusted"]);
    }
    let signer = Signer::of(&image, registry.host()).key(KEY);
    signer
        .environment("CNB_INSECURE_REGISTRIES", "")
        .run()
        .ended_with(113);
    registry.was_not_asked();
}

/// SIG-5
#[test]
fn an_insecure_registry_without_its_port_is_told_the_port() {
    let (registry, image) = secured();
    let (host, port) = registry.host().split_once(':').unwrap();
    let told = |entries: &str| {
        let signer = Signer::of(&image, registry.host()).key(KEY);
        let run = signer.environment("CNB_INSECURE_REGISTRIES", entries).run();
        let hint = format!("hint: write `{host}:{port}`: host and port must be the same");
        run.stdout.contains(&hint)
    };
    assert!(told(host));
    assert!(told(&format!("{host}:1")));
    // Another registry, and the same host twice.
    assert!(!told("other.example"));
    assert!(!told(&format!("{host},{host}:{port}")));
}

/// SIG-5: what an insecure registry names is verified all the same.
#[test]
fn case_32_an_insecure_registry_does_not_make_other_hosts_insecure() {
    let (registry, image) = secured();
    let (other, _) = secured();
    let elsewhere = format!(
        "https://{}/v2/x/blobs/uploads/session-1?_state=0",
        other.host()
    );
    registry.inject(
        When::every("POST", "/blobs/uploads/"),
        Action::change(move |answer| {
            answer.set("location", elsewhere.clone());
        }),
    );
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let signer = signer.arguments(&["-insecure-registry", registry.host()]);
    signer
        .run()
        .ended_with(113)
        .says(&["is not trusted", other.host()]);
    other.was_not_asked();
}

#[test]
fn registries_on_this_machine_may_speak_plain_http() {
    let (registry, image) = with(Settings::default());
    let port = registry.host().split_once(':').unwrap().1;
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        Signer::of(&image, &host).key(KEY).run().succeeded();
    }
}

/// Roots are missed where TLS is spoken, and nowhere else.
#[test]
fn without_root_certificates_plain_http_is_spoken() {
    let (registry, image) = with(Settings::default());
    let run = Signer::of(&image, registry.host())
        .key(KEY)
        .environment("SSL_CERT_FILE", "/nowhere/roots.pem")
        .environment("SSL_CERT_DIR", "/nowhere")
        .run()
        .succeeded();
    assert!(run.warnings().is_empty(), "{}", run.stdout);
    is_signed(&registry, &image);
}

#[test]
fn a_registry_may_have_an_ipv6_address() {
    let (registry, image) = with(Settings {
        auth: Auth::basic("pass"),
        ..Settings::default()
    });
    let front = Front::start("[::1]:0", registry.host(), |_| Fate::Passed);
    let signer = Signer::of(&image, &front.host()).key(KEY);
    signer
        .credential(&front.host(), "Basic cm9ib3Q6cGFzcw==")
        .run()
        .succeeded();
    is_signed(&registry, &image);
    let (registry, image) = secured();
    let front = Front::start("[::1]:0", registry.host(), |_| Fate::Passed);
    trusting(&registry, &image, &front.host()).run().succeeded();
    is_signed(&registry, &image);
}

/// Case 69.
#[test]
fn case_69_a_public_registry_is_asked_through_the_proxy() {
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let (registry, image) = secured();
        let proxy = Proxy::to(registry.host(), Manner::Open);
        let signer = trusting(&registry, &image, PUBLIC_NAME);
        signer.environment(variable, &proxy.url()).run().succeeded();
        assert!(
            proxy.asked().contains(&format!("{PUBLIC_NAME}:443")),
            "{:?}",
            proxy.asked()
        );
        is_signed(&registry, &image);
    }
}

/// Case 69.
#[test]
fn case_69_hosts_that_need_no_proxy_are_asked_without() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Open);
    for none in [PUBLIC_NAME, ".example", "other,example", "*"] {
        let signer = trusting(&registry, &image, PUBLIC_NAME);
        let signer = signer
            .environment("HTTPS_PROXY", &proxy.url())
            .environment("NO_PROXY", none);
        // The name has no address.
        let signer = signer.arguments(&["-retry-budget=0", "-timeout=30s"]);
        signer.run().ended_with(111);
        assert_eq!(proxy.asked(), [""; 0], "{none}");
    }
    // Neither does this machine, nor a registry that is insecure anyway.
    let signer = trusting(&registry, &image, registry.host());
    signer
        .environment("HTTPS_PROXY", &proxy.url())
        .environment("HTTP_PROXY", &proxy.url())
        .run()
        .succeeded();
    let signer = Signer::of(&image, PUBLIC_NAME).key(KEY);
    let signer = signer.environment("HTTPS_PROXY", &proxy.url());
    let signer = signer.arguments(&[
        "-retry-budget=0",
        "-timeout=30s",
        "-insecure-registry",
        PUBLIC_NAME,
    ]);
    signer.run().ended_with(111);
    assert_eq!(proxy.asked(), [""; 0]);
}

/// Case 69, F.
#[test]
fn case_69_a_proxy_that_wants_credentials_is_named_at_once() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Guarded);
    let signer = trusting(&registry, &image, PUBLIC_NAME);
    let run = signer
        .environment("HTTPS_PROXY", &proxy.url())
        .run()
        .ended_with(111);
    let run = run.says(&["the proxy lets nobody through", PUBLIC_NAME, "HTTPS_PROXY"]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
}

/// Case 69. SIG-15
#[test]
fn case_69_a_proxy_is_shown_its_credentials_and_nobody_else_is() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Guarded);
    let signer = trusting(&registry, &image, PUBLIC_NAME).arguments(&["-log-level=debug"]);
    let run = signer
        .environment("HTTPS_PROXY", &proxy.url_as("user", "pass"))
        .run()
        .succeeded();
    run.does_not_say(&["user:pass", "dXNlcjpwYXNz"]);
    is_signed(&registry, &image);
    assert!(
        registry
            .exchanges()
            .filter(|e| e.authorization.is_some())
            .is_empty()
    );
}

/// Case 69.
#[test]
fn case_69_a_proxy_that_cuts_a_tunnel_is_asked_again() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::CutsFirst);
    let signer = trusting(&registry, &image, PUBLIC_NAME);
    signer
        .environment("HTTPS_PROXY", &proxy.url())
        .run()
        .succeeded();
    is_signed(&registry, &image);
}

/// Case 69, F.
#[test]
fn case_69_a_proxy_that_reaches_nothing_is_named_when_the_budget_is_spent() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Lost);
    let signer = trusting(&registry, &image, PUBLIC_NAME).arguments(&["-retry-budget=1s"]);
    let run = signer
        .environment("HTTPS_PROXY", &proxy.url())
        .run()
        .ended_with(111);
    run.says(&["the proxy does not reach", PUBLIC_NAME]);
    assert!(proxy.asked().len() > 1);
}
