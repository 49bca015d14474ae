//! Where the settings, proxies and tokens of Vault's users come from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::transit::{TOKEN, Transit};
use super::{key, signer};
use crate::support::elsewhere::{seeded, without_canaries};
use crate::support::proxy::{Manner, Proxy};
use crate::support::services::pair::Kind;
use crate::support::services::stand_in::Transport;
use crate::support::signer::{Config, Signer};

/// KEY-66
#[test]
fn the_settings_of_vault_s_users_count() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let mutual = transit.serve(Transport::Mutual(&["vault.test"]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = file("ca.pem", mutual.authority());
    let [certificate, private] = mutual.client();
    let (certificate, private) = (file("client.pem", certificate), file("client.key", private));
    let base = || {
        let address = format!("{}/prefix/", mutual.url());
        signer(&registry, &image, &address, key("k"))
            .environment("VAULT_CLIENT_CERT", &certificate)
            .environment("VAULT_CLIENT_KEY", &private)
    };
    base()
        .environment("VAULT_CACERT", &authority)
        .environment("VAULT_NAMESPACE", "team/a")
        .environment("VAULT_TLS_SERVER_NAME", "vault.test")
        .environment("VAULT_HEADERS", r#"{"X-Front": "canary-of-a-header"}"#)
        .run()
        .succeeded();
    for asked in mutual.recorded() {
        assert_eq!(asked.header("x-vault-namespace"), Some("team/a"));
        assert_eq!(asked.header("x-front"), Some("canary-of-a-header"));
        assert!(asked.path().starts_with("/prefix/v1/transit/"));
    }
    let again = |name: &str, value: &str| base().environment(name, value).run();
    again("VAULT_CACERT_BYTES", mutual.authority()).succeeded();
    let folder_of_one = tempfile::tempdir().unwrap();
    std::fs::copy(&authority, folder_of_one.path().join("a.pem")).unwrap();
    again("VAULT_CAPATH", folder_of_one.path().to_str().unwrap()).succeeded();
    again("VAULT_SKIP_VERIFY", "true")
        .succeeded()
        .says(&["without verifying its certificate"]);
    again("VAULT_TLS_SERVER_NAME", "other.test").ended_with(113);
    base().run().ended_with(113).says(&["`VAULT_CACERT`"]);
    signer(&registry, &image, &mutual.url(), key("k"))
        .environment("VAULT_CACERT", &authority)
        .run()
        .ended_with(113)
        .says(&["`VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`"]);
}

/// KEY-66
#[test]
fn a_proxy_of_vault_s_own_comes_before_the_machine_s() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let service = transit.serve(Transport::Https(&["vault.test"]));
    let proxy = Proxy::to(service.host(), Manner::Open);
    for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
        signer(&registry, &image, "https://vault.test", key("k"))
            .environment("VAULT_CACERT_BYTES", service.authority())
            .environment(name, &proxy.url())
            .environment("HTTPS_PROXY", "http://127.0.0.1:9")
            .run()
            .succeeded();
    }
    assert_eq!(service.recorded().len(), 3);
    assert!(proxy.asked().iter().all(|host| host == "vault.test:443"));
}

/// KEY-66, SIG-64
#[test]
fn a_proxy_that_is_none_has_the_code_of_whose_it_is() {
    let (registry, image) = seeded();
    let run = |name, value| {
        let signer = signer(&registry, &image, "https://vault.test", key("k"));
        signer.environment(name, value).run().says(&[name])
    };
    for value in ["ftp://user:canary@127.0.0.1:1", "canary://127.0.0.1:1"] {
        for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
            let run = run(name, value).ended_with(115);
            run.says(&[&format!("hint: write `{name}` as `http://<host>:<port>`")])
                .does_not_say(&["canary"]);
        }
        // Vault's own is read before anything is sent.
        assert!(registry.exchanges().is_empty());
    }
    let run = run("HTTPS_PROXY", "ftp://user:canary@127.0.0.1:1").ended_with(3);
    run.says(&["hint: set `HTTPS_PROXY` to `http://<host>:<port>`"])
        .does_not_say(&["canary"]);
}

/// A file in the home of the signer's user.
fn home_file(signer: &Signer, name: &str, text: &str) -> PathBuf {
    let path = signer.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// KEY-65
#[test]
fn the_token_is_looked_for_where_cosign_looks() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    let bare =
        || signer(&registry, &image, &service.url(), key("k")).without_environment("VAULT_TOKEN");
    bare()
        .environment("BAO_TOKEN", TOKEN)
        .environment("BAO_ADDR", &service.url())
        .without_environment("VAULT_ADDR")
        .run()
        .succeeded();
    let from_file = bare();
    home_file(&from_file, ".vault-token", &format!("{TOKEN}\n"));
    from_file.run().succeeded();
    let helped = bare();
    home_file(&helped, ".vault-token", "stale");
    let script = format!("#!/bin/sh\ntest \"$1\" = get && echo {TOKEN}\n");
    let helper = home_file(&helped, "helper", &script);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home_file(
        &helped,
        ".vault",
        &format!("token_helper = \"{}\"\n", helper.display()),
    );
    without_canaries(helped, &[TOKEN]).0.succeeded();
    let failing = bare();
    let helper = home_file(&failing, "helper", "#!/bin/sh\necho no agent >&2; exit 1\n");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home_file(
        &failing,
        ".vault",
        &format!("token_helper = \"{}\"\n", helper.display()),
    );
    failing.run().ended_with(115).says(&[
        "its token helper failed",
        "no agent",
        "~/.vault-token (not there)",
    ]);
    service.forget();
    bare()
        .run()
        .ended_with(115)
        .says(&["no credentials were found; looked at VAULT_TOKEN (not set), BAO_TOKEN (not set), ~/.vault (not there), ~/.vault-token (not there)", "`vault login`"]);
    assert!(service.recorded().is_empty());
}

/// A file names a program that cannot be run, and one that says too much: the
/// token is in `~/.vault-token`, or nowhere.
///
/// KEY-65
#[test]
fn a_helper_that_does_not_run_well_leaves_the_turn_to_the_file() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    for (script, mode, words) in [
        ("#!/absent/interpreter\n", 0o755, "cannot be run"),
        ("#!/bin/sh\nyes\n", 0o755, "printed more than"),
        ("#!/bin/sh\n", 0o644, "cannot be run"),
    ] {
        let helped = || {
            let signer = signer(&registry, &image, &service.url(), key("k"));
            let signer = signer.without_environment("VAULT_TOKEN");
            let helper = home_file(&signer, "helper", script);
            std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(mode)).unwrap();
            let names = format!("token_helper = \"{}\"\n", helper.display());
            let config = home_file(&signer, "vault.hcl", &names);
            signer.environment("VAULT_CONFIG_PATH", config.to_str().unwrap())
        };
        helped()
            .run()
            .ended_with(115)
            .says(&["VAULT_CONFIG_PATH (its token helper", words])
            .does_not_say(&["~/.vault ("]);
        let with = helped();
        home_file(&with, ".vault-token", TOKEN);
        with.run().succeeded();
    }
}

/// KEY-65
#[test]
fn a_helper_that_a_variable_leads_to_needs_no_home() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    let homeless = || {
        signer(&registry, &image, &service.url(), key("k"))
            .without_environment("VAULT_TOKEN")
            .environment("HOME", "")
    };
    let helped = homeless();
    let helper = home_file(&helped, "helper", &format!("#!/bin/sh\necho {TOKEN}\n"));
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let names = format!("token_helper = \"{}\"\n", helper.display());
    let config = home_file(&helped, "vault.hcl", &names);
    helped
        .environment("VAULT_CONFIG_PATH", config.to_str().unwrap())
        .run()
        .succeeded();
    homeless().run().ended_with(115).says(&[
        "BAO_TOKEN (not set), ~/.vault (HOME is not set), ~/.vault-token (HOME is not set)",
    ]);
}

/// KEY-66
#[test]
fn of_a_folder_with_certificates_none_is_passed_over() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let service = transit.serve(Transport::Https(&[]));
    let folder = tempfile::tempdir().unwrap();
    // Folders of it count, too, and links to them do not.
    let inner = folder.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::os::unix::fs::symlink(folder.path(), inner.join("round")).unwrap();
    let file = |number: usize, text: &str| {
        let folder = [folder.path(), &inner][number % 2];
        std::fs::write(folder.join(format!("{number:05}.pem")), text).unwrap();
    };
    let run = || {
        signer(&registry, &image, &service.url(), key("k"))
            .environment("VAULT_CAPATH", folder.path().to_str().unwrap())
            .run()
    };
    for number in (1..1000).chain([0]) {
        file(number, service.authority());
        if number == 1 {
            run().succeeded();
        }
    }
    run().succeeded();
    file(1000, service.authority());
    run()
        .ended_with(115)
        .says(&["`VAULT_CAPATH` cannot be used: there are too many files in it"]);
}

/// KEY-60, KEY-66
#[test]
fn what_is_set_wrong_is_named_before_anything_is_sent() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    for (name, value, words) in [
        ("VAULT_ADDR", "", "set `VAULT_ADDR`"),
        (
            "VAULT_ADDR",
            "vault.test:8200",
            "`VAULT_ADDR` cannot be used",
        ),
        ("VAULT_ADDR", "unix:///run/vault.sock", "sockets"),
        (
            "VAULT_ADDR",
            "https://u:canary-p@h",
            "more than a host and a path",
        ),
        ("VAULT_TOKEN", "a b", "holds no token"),
        ("VAULT_HEADERS", "[]", "no JSON object"),
        (
            "VAULT_HEADERS",
            r#"{"x-vault-token": "canary-t"}"#,
            "Vault's own",
        ),
        ("VAULT_CACERT", "/absent", "cannot read `/absent`"),
        ("VAULT_CACERT_BYTES", "no PEM", "no certificate"),
        ("VAULT_CAPATH", "/absent", "no readable folder"),
        (
            "VAULT_CLIENT_CERT",
            "/absent",
            "`VAULT_CLIENT_KEY` is not set",
        ),
        (
            "TRANSIT_SECRET_ENGINE_PATH",
            "a/../b",
            "no path of a secret engine",
        ),
    ] {
        let signer = signer(&registry, &image, &service.url(), key("k")).environment(name, value);
        without_canaries(signer, &["canary-p", "canary-t"])
            .0
            .ended_with(115)
            .says(&[words, "hashivault://k"]);
    }
    for (uri, words) in [
        ("hashivault://", "it names no key"),
        ("openbao://transit/k", "write `openbao://KEY`"),
        ("hashivault:///k", "no slash"),
    ] {
        signer(
            &registry,
            &image,
            &service.url(),
            Config::none().set("key", uri),
        )
        .run()
        .ended_with(3)
        .says(&[words]);
    }
    signer(
        &registry,
        &image,
        &service.url(),
        key("k").set("password", "p"),
    )
    .run()
    .ended_with(3)
    .says(&["is not opened by a `password`"]);
    assert!(service.recorded().is_empty());
    registry.was_not_asked();
}
