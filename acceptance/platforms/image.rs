//! The release's image, and the sandbox that these tests run it in.

use std::fs;

use super::sandbox::{Sandbox, open, succeeded, text};
use super::{KEY, with_settings};
use crate::packaging::packed_image;
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Registry, Settings, Switch};

/// The sandbox must be as it is described, or these tests prove nothing.
#[test]
fn the_sandbox_is_read_only_and_unprivileged() {
    let sandbox = Sandbox::build_image();
    let shell = |script: &str| {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        sandbox.run(&command, &[])
    };
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(
            text(&succeeded(shell("echo $(id -u) $(id -g) $(id -G)"))),
            "1000 1000 1000\n"
        );
        let capabilities = text(&succeeded(shell("true")));
        assert_eq!(capabilities, "");
    }
    assert!(text(&shell("touch /x")).contains("Read-only file system"));
    assert!(text(&shell("touch /usr/x")).contains("Read-only file system"));
    assert!(!shell("test -e /home").status.success());
}

#[test]
fn without_root_certificates_the_image_says_what_to_mount_and_works_with_it() {
    let settings = Settings {
        tls: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let inputs = tempfile::tempdir().unwrap();
    with_settings(inputs.path(), KEY);
    fs::write(
        inputs.path().join("report.toml"),
        image.report(registry.host()),
    )
    .unwrap();
    let roots = inputs.path().join("certs");
    fs::create_dir(&roots).unwrap();
    fs::write(roots.join("ca-certificates.crt"), registry.authority()).unwrap();
    open(inputs.path());
    let command = [
        "/cnb/signer",
        "-report=/in/report.toml",
        "-cosign-config=/in/cosign.toml",
    ];
    let command = command.map(str::to_owned);
    let sandbox = || Sandbox::of(&packed_image()).mounted(inputs.path(), "/in");
    let run = sandbox().run(&command, &[]);
    assert_eq!(run.status.code(), Some(113), "{}", text(&run));
    assert!(
        text(&run).contains("mount a bundle at `/etc/ssl/certs/ca-certificates.crt`"),
        "{}",
        text(&run)
    );
    succeeded(
        sandbox()
            .mounted(&roots, "/etc/ssl/certs")
            .run(&command, &[]),
    );
    let named = (
        "SSL_CERT_FILE".to_owned(),
        "/in/certs/ca-certificates.crt".to_owned(),
    );
    succeeded(sandbox().run(&command, &[named]));
    assert!(attachment(&registry, image.repository(), &image.attached("sig")).is_some());
}
