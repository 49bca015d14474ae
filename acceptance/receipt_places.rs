//! Where a receipt goes that is no new file: pipes, devices, links, mount points;
//! and what it must not replace.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::pki::Pki;
use crate::support::programs::{Programs, SIGN};
use crate::support::registry::{Action, Registry, When};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;
use crate::support::witnesses::{Files, Listed, Role, Rule};

fn seeded() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    (registry, image, signer)
}

fn with_receipt(signer: Signer, path: &Path) -> Signer {
    signer.arguments(&["-receipt", path.to_str().unwrap()])
}

fn is_complete(text: &str) -> bool {
    let table: toml::Table = text.parse().unwrap();
    table["complete"].as_bool() == Some(true)
}

/// The end of an output that begins with a log.
fn receipt_in(output: &str) -> &str {
    let start = output.find("complete = ").expect("a receipt");
    let end = output.rfind("Wrote the receipt").unwrap_or(output.len());
    &output[start..end]
}

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// SIG-39
#[test]
fn a_receipt_for_the_own_output_follows_the_log_and_the_link_stays() {
    for path in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
        let (_, _, signer) = seeded();
        let run = with_receipt(signer, Path::new(path)).run().succeeded();
        assert!(is_complete(receipt_in(&run.stdout)), "{}", run.stdout);
        assert!(run.stdout.find("Wrote 127").unwrap() < run.stdout.find("complete").unwrap());
    }
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
    let (_, _, signer) = seeded();
    let run = with_receipt(signer, Path::new("/dev/stderr"))
        .run()
        .succeeded();
    assert!(is_complete(&run.stderr), "{}", run.stderr);
}

/// The log is a file, which a new file in its place would hide.
/// SIG-39
#[test]
fn a_receipt_for_an_output_that_is_a_file_does_not_replace_it() {
    for name in ["/dev/stdout", "out.log"] {
        let (_, _, signer) = seeded();
        let log = signer.folder().join("out.log");
        let path = signer.folder().join(name);
        let signer = with_receipt(signer, &path);
        let mut command = signer.command();
        command.stdout(fs::File::create(&log).unwrap());
        assert!(command.status().unwrap().success());
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("Wrote 127"), "{text}");
        assert!(is_complete(receipt_in(&text)), "{text}");
    }
}

/// SIG-39
#[test]
fn a_receipt_for_a_pipe_arrives_at_its_reader() {
    let (_, _, signer) = seeded();
    let pipe = signer.folder().join("pipe");
    mkfifo(&pipe);
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || {
            let mut text = String::new();
            let mut pipe = fs::File::open(pipe).unwrap();
            pipe.read_to_string(&mut text).unwrap();
            text
        })
    };
    let signer = with_receipt(signer, &pipe);
    signer.run().succeeded();
    assert!(is_complete(&reader.join().unwrap()));
}

/// SIG-39
#[test]
fn a_receipt_for_a_process_substitution_arrives() {
    let (_, _, signer) = seeded();
    let copy = signer.folder().join("copy");
    let script = format!("\"$@\" -receipt >(cat > {}); sleep 1", copy.display());
    let signer = signer.within(&["bash", "-c", &script, "bash"]);
    signer.run().succeeded();
    assert!(is_complete(&fs::read_to_string(copy).unwrap()));
}

/// SIG-39
#[test]
fn a_receipt_for_a_link_goes_where_the_link_leads_and_the_link_stays() {
    for standing in [Some("an older one"), None] {
        let (_, _, signer) = seeded();
        let folder = signer.folder().join("elsewhere");
        fs::create_dir(&folder).unwrap();
        let target = folder.join("receipt.toml");
        if let Some(text) = standing {
            fs::write(&target, text).unwrap();
        }
        let (first, second) = (
            signer.folder().join("first"),
            signer.folder().join("second"),
        );
        symlink("elsewhere/receipt.toml", &second).unwrap();
        symlink(&second, &first).unwrap();
        let signer = with_receipt(signer, &first);
        signer.run().succeeded();
        assert!(is_complete(&fs::read_to_string(&target).unwrap()));
        for link in [first, second] {
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }
}

/// As a container gets a file: `docker run -v receipt.toml:/r.toml`. Its name
/// cannot be given to another file.
/// SIG-39
#[test]
fn a_receipt_that_is_a_mount_point_is_written_in_place() {
    if !is_here(Need::Mounts) {
        return;
    }
    for old in ["short", &"much longer than a receipt ".repeat(400)] {
        let (registry, image, signer) = seeded();
        let outside = signer.folder().join("outside.toml");
        let inside = signer.folder().join("inside.toml");
        fs::write(&outside, old).unwrap();
        fs::write(&inside, "").unwrap();
        let script = format!(
            "mount --bind {} {} && exec \"$@\"",
            outside.display(),
            inside.display()
        );
        let within = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        let signer = with_receipt(signer.within(&within), &inside);
        signer.run().succeeded();
        assert!(is_complete(&fs::read_to_string(&outside).unwrap()));
        assert!(
            registry
                .tags(image.repository())
                .contains(&image.attached("sig"))
        );
    }
}

fn refused(registry: &Registry, run: Outcome, words: &str) {
    run.ended_with(3).says(&[words, "hint:"]);
    registry.was_not_asked();
}

/// SIG-39
#[test]
fn a_receipt_that_would_replace_an_input_is_refused() {
    let words = [
        ("cosign.key", "the key of `configs[0]`"),
        ("cosign.password", "the password of `configs[0]`"),
        ("report.toml", "the report"),
        ("cosign.toml", "the `cosign.toml`"),
        (".docker/config.json", "a file with credentials"),
        ("roots.pem", "a file with certificates"),
        ("certificates/one.pem", "a file with certificates"),
        ("link", "the key of `configs[0]`"),
        ("hard", "the key of `configs[0]`"),
    ];
    for (name, role) in words {
        let registry = Registry::start();
        let image = Image::recorded("no-sbom-layer");
        let signer = Signer::of(&image, registry.host());
        let folder = signer.folder().to_owned();
        let key = folder.join("cosign.key");
        fs::copy(testdata("keys/p256-n32768-cosign-header.key"), &key).unwrap();
        fs::copy(testdata("keys/password"), folder.join("cosign.password")).unwrap();
        fs::create_dir(folder.join(".docker")).unwrap();
        fs::write(folder.join(".docker/config.json"), "{}").unwrap();
        fs::create_dir(folder.join("certificates")).unwrap();
        for name in ["roots.pem", "certificates/one.pem"] {
            fs::write(folder.join(name), "").unwrap();
        }
        symlink(&key, folder.join("link")).unwrap();
        fs::hard_link(&key, folder.join("hard")).unwrap();
        let config = Config::key_file(&key).set("password", "cosign.password");
        let signer = signer
            .config(config)
            .environment("SSL_CERT_FILE", folder.join("roots.pem").to_str().unwrap())
            .environment(
                "SSL_CERT_DIR",
                folder.join("certificates").to_str().unwrap(),
            );
        let signer = with_receipt(signer, &folder.join(name));
        refused(
            &registry,
            signer.run(),
            &format!("it is {role} of this run"),
        );
        let kept = fs::read(&key).unwrap();
        assert_eq!(
            kept,
            fs::read(testdata("keys/p256-n32768-cosign-header.key")).unwrap()
        );
    }
}

/// Every file that a `cosign.toml` names, whichever of its keys does.
/// SIG-39
#[test]
fn a_receipt_that_would_replace_a_file_that_a_config_names_is_refused() {
    const KEY: &str = "p256-cosign3";
    let (pki, programs) = (Pki::new(), Programs::new());
    let url = "https://authority.example";
    let authority = Listed::new(Role::CertificateAuthority, url, pki.pem("chain.pem"));
    let files = Files::of(&[authority], Rule::Any);
    let (leaf, chain) = (pki.leaf(KEY), pki.path("chain.pem"));
    let answers = programs.path("answers");
    fs::create_dir(&answers).unwrap();
    for name in ["index.toml", "signature-00-00.sig", "receipt.toml"] {
        fs::write(answers.join(name), "text").unwrap();
    }
    let answer = |name: &str| answers.join(name).display().to_string();
    let certified = Config::key(KEY)
        .set("certificate", &leaf)
        .set("certificate-chain", &chain);
    let vouched = Config::key(KEY)
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config());
    let (program, folder) = (programs.program(SIGN), programs.folder("answers"));
    let path = |name: &str| programs.path(name).display().to_string();
    let cases = [
        (&certified, leaf, "the certificate of `configs[0]`"),
        (&certified, chain, "the certificate chain of `configs[0]`"),
        (&vouched, files.trusted_root().to_owned(), "a trusted root"),
        (
            &vouched,
            files.signing_config().to_owned(),
            "a signing config",
        ),
        (&program, path("sign"), "a program"),
        (
            &program,
            path("public.pub"),
            "a file with settings of a key",
        ),
        (&folder, path("public.pub"), "a file with settings of a key"),
        (&folder, answer("index.toml"), "a file of `signatures`"),
        (
            &folder,
            answer("signature-00-00.sig"),
            "a file of `signatures`",
        ),
    ];
    for (config, path, role) in cases {
        let registry = Registry::start();
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let kept = fs::read(&path).unwrap();
        let signer = Signer::of(&image, registry.host()).config(config.clone());
        let run = with_receipt(signer, Path::new(&path)).run();
        assert!(fs::read(&path).unwrap() == kept, "{role}: {path}");
        refused(&registry, run, &format!("it is {role} of this run"));
    }
    // One that no run reads, as the receipt of the run before.
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).config(folder);
    let run = with_receipt(signer, Path::new(&answer("receipt.toml"))).run();
    run.ended_with(112).says(&["Wrote the receipt to"]);
}

/// SIG-39
#[test]
fn a_path_that_takes_no_receipt_is_refused_before_anything_is_sent() {
    let (registry, _, signer) = seeded();
    registry.inject(When::every("*", ""), Action::status(500));
    let folder = signer.folder();
    let socket = folder.join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    mkfifo(&folder.join("pipe"));
    symlink("/nonexistent/receipt.toml", folder.join("dangling")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    let cases = [
        (socket.to_str().unwrap(), "neither a file nor a pipe"),
        ("pipe", "nobody reads it"),
        ("dangling", "os error 2"),
        ("loop", "os error 40"),
        ("new/", "a folder"),
        (".", "a folder"),
    ];
    for (path, words) in cases {
        let path = folder.join(path);
        let signer = Signer::of(&Image::recorded("no-sbom-layer"), registry.host())
            .key("p256-n32768-cosign-header")
            .arguments(&["-timeout", "1s"]);
        let run = with_receipt(signer, &path).run();
        assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
        refused(&registry, run, words);
    }
}

/// The disk is full, which shows only once something is written.
/// SIG-18, SIG-39
#[test]
fn a_receipt_that_cannot_be_written_after_something_was_published_is_117() {
    let (registry, image, signer) = seeded();
    let signer = with_receipt(signer, Path::new("/dev/full"));
    let words = [
        "everything is published, but cannot write the receipt",
        "hint:",
    ];
    signer.run().ended_with(117).says(&words);
    assert!(
        registry
            .tags(image.repository())
            .contains(&image.attached("sig"))
    );
    // Nothing was there to be published.
    signer.run().ended_with(3);
}

/// SIG-36
#[test]
fn a_receipt_that_cannot_be_written_does_not_call_a_part_everything() {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    registry.inject(When::every("PUT", ".att"), Action::error(403, "MINE"));
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    let run = with_receipt(signer, Path::new("/dev/full")).run();
    run.ended_with(117)
        .says(&[
            "cannot write the receipt to `/dev/full`",
            "published in part",
        ])
        .does_not_say(&["everything is published"]);
}
