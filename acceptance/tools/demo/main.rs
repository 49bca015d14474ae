//! Signs a recorded image on a registry of its own and shows what hangs on it
//! then. `demo <path of signer> [-keep]`; `-keep` serves until Ctrl-C.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demo ends by panicking"
)]

#[allow(dead_code, unused_imports, reason = "the tests use all of it")]
#[path = "../../support/mod.rs"]
mod support;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use support::cosign::Cosign;
use support::images::Image;
use support::objects::attachment;
use support::registry::Registry;
use support::signer::Signer;

const SETTINGS: &str = r#"[[annotations]]
name = "environment"
value = "demo"

[[configs]]
key = "team.key"
password = "password"

[[configs]]
key = "release.key"
password = "password"
export-sbom = "attachment"
"#;

/// File in the demo's folder, and the key of `testdata/keys` that it is.
const KEYS: [(&str, &str); 2] = [
    ("team.key", "p256-cosign3"),
    ("release.key", "rsa3072-imported-cosign3"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (keep, programs): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| *a == "-keep");
    let [program] = programs[..] else {
        eprintln!("usage: demo <path of signer> [-keep]");
        return ExitCode::from(2);
    };
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    title("An image that the lifecycle's exporter pushed");
    print!("{}", image.report(registry.host()));
    title("cosign.toml");
    print!("{SETTINGS}");

    title("signer -report report.toml -cosign-config cosign.toml");
    let signer = Signer::of(&image, registry.host()).program(Path::new(program));
    let signer = signer.settings(SETTINGS).arguments(&["-no-color"]);
    copy_keys(signer.folder());
    let run = signer.run();
    print!("{}{}", run.stdout, run.stderr);
    let code = run.code.unwrap_or(1);
    println!("exit code {code}, {} ms", run.took.as_millis());
    if code != 0 {
        return ExitCode::FAILURE;
    }
    show(&registry, &image);
    let good = verify(&registry, &image);
    title("What next");
    if keep.is_empty() {
        print!("{NEXT}");
    } else {
        serve(&registry, &signer, program).expect("signals can be waited for");
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The next step of a reader whose registry is gone.
const NEXT: &str = "\
make demo KEEP=1   keeps the registry, so that the lines above work in another terminal
README.md          signs an image of your own, in five lines
docs/platforms/    has files for Tekton, kpack, pack, GitHub Actions and GitLab CI
";

/// Until Ctrl-C; the folder with keys and `cosign.toml` goes then.
fn serve(registry: &Registry, signer: &Signer, program: &str) -> io::Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&is_over))?;
    }
    let tools = support::package(".tools").join(Cosign::V3.path());
    println!("The lines above work in another terminal, in this folder.");
    if let (true, Some(folder)) = (tools.is_file(), tools.parent()) {
        println!("cosign is in {}", folder.display());
    }
    println!(
        "Signing once more writes nothing:\n{program} -report {} -cosign-config {}",
        signer.report_path().display(),
        signer.settings_path().display()
    );
    println!("The registry serves {} until Ctrl-C.", registry.host());
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn title(text: &str) {
    println!("\n── {text}");
}

/// The demo's keys are test data: everybody knows them.
fn copy_keys(folder: &Path) {
    let copy = |from: &str, to: &str| {
        let to = folder.join(to);
        std::fs::copy(support::testdata("keys").join(from), &to).expect("test data");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(to, mode).expect("a file of our own");
    };
    copy("password", "password");
    for (file, key) in KEYS {
        copy(&format!("{key}.key"), file);
    }
}

/// Every tag that hangs on the image, with its layers.
fn show(registry: &Registry, image: &Image) {
    title("What hangs on the image now");
    for suffix in ["sig", "att", "sbom"] {
        let tag = image.attached(suffix);
        let Some(place) = attachment(registry, image.repository(), &tag) else {
            continue;
        };
        println!("{}:{tag}", image.repository());
        for layer in &place.layers {
            let about = match suffix {
                "sig" => format!("signature {}…", &layer.signature()[..20]),
                "att" => layer.annotations["predicateType"].clone(),
                _ => "the CycloneDX documents, merged".to_owned(),
            };
            println!(
                "  {:>6} bytes  {}  {about}",
                layer.bytes.len(),
                layer.media_type
            );
        }
    }
}

/// Prints the commands that verify, and runs them if `make tools` has brought
/// cosign; whether none failed.
fn verify(registry: &Registry, image: &Image) -> bool {
    title("Verifying it with cosign");
    let reference = image.reference(registry.host());
    let key = |name: &str| format!("testdata/keys/{name}.pub");
    let common = ["--insecure-ignore-tlog=true", &reference];
    let mut commands = Vec::new();
    for (_, name) in KEYS {
        let key = key(name);
        commands.push(
            [
                &["cosign", "verify", "--key", &key, "-a", "environment=demo"][..],
                &common,
            ]
            .concat()
            .join(" "),
        );
    }
    for name in ["cyclonedx", "spdxjson", "https://syft.dev/bom"] {
        let key = key(KEYS[0].1);
        let command = [
            "cosign",
            "verify-attestation",
            "--key",
            &key,
            "--type",
            name,
        ];
        commands.push([&command[..], &common].concat().join(" "));
    }
    commands.push(["cosign", "download", "sbom", &reference].join(" "));
    if !support::package(".tools").join(Cosign::V3.path()).is_file() {
        println!("{}", commands.join("\n"));
        println!("(not run here: `make tools` installs cosign)");
        return true;
    }
    let mut good = true;
    for command in commands {
        println!("{command}");
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let printed = Cosign::V3.run(&arguments, &[]);
        good &= printed.success;
        let outcome = if printed.success {
            "succeeded"
        } else {
            printed.stderr.trim()
        };
        println!("  {outcome}");
    }
    good
}
