//! Through which proxy a registry is asked (`spec/faults.md`).

use std::time::Duration;

use super::KEY;
use super::tls::{is_signed, secured, trusting, with};
use crate::support::proxy::{Manner, Proxy, Socks};
use crate::support::registry::{PUBLIC_NAME, Settings};
use crate::support::signer::Signer;

/// SIG-63. The tunnel leads to the registry; without it, the name has no
/// address.
#[test]
fn no_proxy_is_read_as_go_reads_it() {
    let (registry, image) = secured();
    for (list, is_asked) in [
        ("*.example", false),
        ("registry.example:443", false),
        ("REGISTRY.example", false),
        (" registry.example ", false),
        ("other,*", false),
        (".registry.example", true),
        ("registry.example:5000", true),
        ("*y.example", true),
        ("10.0.0.0/8", true),
    ] {
        let proxy = Proxy::to(registry.host(), Manner::Open);
        let signer = trusting(&registry, &image, PUBLIC_NAME)
            .environment("HTTPS_PROXY", &proxy.url())
            .environment("NO_PROXY", list)
            .arguments(&["-retry-budget=0", "-timeout=30s"]);
        let run = signer.run();
        let run = run.ended_with(if is_asked { 0 } else { 111 });
        assert_eq!(
            !proxy.asked().is_empty(),
            is_asked,
            "{list}: {}",
            run.stdout
        );
    }
}

/// SIG-63
#[test]
fn a_proxy_without_a_scheme_is_one_of_http() {
    let (registry, image) = secured();
    let proxy = Proxy::to(registry.host(), Manner::Guarded);
    let address = proxy.url_as("user", "pass").replace("http://", "");
    let signer = trusting(&registry, &image, PUBLIC_NAME);
    signer
        .environment("HTTPS_PROXY", &address)
        .run()
        .succeeded();
    is_signed(&registry, &image);
}

/// SIG-63. The proxy finds the host, whichever of the two schemes is written.
#[test]
fn socks_proxies_are_used_and_find_the_host_themselves() {
    for scheme in ["socks5", "socks5h"] {
        let (registry, image) = secured();
        let proxy = Socks::to(registry.host(), None);
        let signer = trusting(&registry, &image, PUBLIC_NAME);
        let address = format!("{scheme}://{}", proxy.host());
        signer
            .environment("HTTPS_PROXY", &address)
            .run()
            .succeeded();
        let asked = proxy.asked();
        assert!(asked.contains(&format!("{PUBLIC_NAME}:443")), "{asked:?}");
        is_signed(&registry, &image);
    }
}

/// SIG-63
#[test]
fn plain_http_goes_through_a_socks_proxy_too() {
    let (registry, image) = with(Settings::default());
    let proxy = Socks::to(registry.host(), None);
    // Private, so that plain HTTP is spoken.
    let signer = Signer::of(&image, "10.255.255.1:5000").key(KEY);
    let address = format!("socks5://{}", proxy.host());
    let signer = signer
        .environment("HTTP_PROXY", &address)
        .environment("HTTPS_PROXY", &address);
    signer.run().succeeded();
    assert!(proxy.asked().contains(&"10.255.255.1:5000".to_owned()));
    is_signed(&registry, &image);
}

/// SIG-63, SIG-15
#[test]
fn a_socks_proxy_is_shown_its_credentials_and_nothing_is_said_of_them() {
    let (registry, image) = secured();
    let proxy = Socks::to(registry.host(), Some(("user", "p@ss-canary")));
    let address = format!("socks5://user:p%40ss-canary@{}", proxy.host());
    let signer = trusting(&registry, &image, PUBLIC_NAME).arguments(&["-log-level=debug"]);
    let run = signer
        .environment("HTTPS_PROXY", &address)
        .run()
        .succeeded();
    run.does_not_say(&["ss-canary"]);
    is_signed(&registry, &image);

    let wrong = format!("socks5://user:wrong-canary@{}", proxy.host());
    let signer = trusting(&registry, &image, PUBLIC_NAME).arguments(&["-retry-budget=1s"]);
    let run = signer.environment("HTTPS_PROXY", &wrong).run();
    run.ended_with(111)
        .says(&["the proxy", PUBLIC_NAME, "HTTPS_PROXY"])
        .does_not_say(&["wrong-canary"]);
}

/// SIG-64, SIG-15
#[test]
fn a_proxy_that_is_none_is_refused_at_once_and_its_variable_named() {
    let (registry, image) = secured();
    for (variable, value) in [
        ("HTTPS_PROXY", "ftp://user:canary@127.0.0.1:1"),
        ("https_proxy", "socks4://user:canary@127.0.0.1:1"),
        ("HTTPS_PROXY", "canary://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://user:canary@127.0.0.1:port"),
    ] {
        let signer = trusting(&registry, &image, PUBLIC_NAME);
        let run = signer.environment(variable, value).run().ended_with(3);
        let run = run.says(&[variable, PUBLIC_NAME]).does_not_say(&["canary"]);
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    }
    // Nobody needs it.
    let signer = trusting(&registry, &image, registry.host());
    let signer = signer.environment("HTTPS_PROXY", "ftp://127.0.0.1:1");
    signer.run().succeeded();
    assert!(!registry.exchanges().is_empty());
}

/// SIG-65
#[test]
fn a_proxy_that_a_web_server_may_have_set_is_not_asked() {
    let (registry, image) = with(Settings::default());
    let (secure, proxy) = (
        Proxy::to(registry.host(), Manner::Open),
        Proxy::to(registry.host(), Manner::Open),
    );
    // Private: plain HTTP comes after TLS, which is not spoken there.
    let signer = Signer::of(&image, "10.255.255.1:5000").key(KEY);
    let signer = signer
        .environment("HTTPS_PROXY", &secure.url())
        .environment("HTTP_PROXY", &proxy.url())
        .environment("REQUEST_METHOD", "GET");
    let run = signer.run().ended_with(3);
    run.says(&["HTTP_PROXY", "REQUEST_METHOD"]);
    assert_eq!(proxy.asked(), [""; 0]);
}
