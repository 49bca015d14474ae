use std::os::unix::fs::symlink;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

fn certificate() -> String {
    let names = vec!["r.io".to_owned()];
    rcgen::generate_simple_self_signed(names)
        .unwrap()
        .cert
        .pem()
}

fn der(pem: &str) -> CertificateDer<'static> {
    let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
    der.into()
}

fn sorted(pems: &[&str]) -> Vec<CertificateDer<'static>> {
    let mut all: Vec<_> = pems.iter().map(|pem| der(pem)).collect();
    all.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    all
}

const NONE: [PathBuf; 0] = [];

/// A receipt may replace none of them, whether they hold roots or not.
#[test]
fn the_files_are_known_before_they_are_read() {
    let folder = Folder::new();
    let one = folder.write("one.pem", "no certificate");
    let (two, three) = (folder.write("a/two", ""), folder.write("b/three", ""));
    symlink("two", folder.path("a/alias")).unwrap();
    let list = format!(
        "{}::{}",
        folder.path("a").display(),
        folder.path("b").display()
    );
    let roots = LazyRoots::new(Some(one.clone()), Some(list.into()));
    assert_eq!(roots.files(), [one, two, three]);
    // The system's, where nothing is set.
    let system = LazyRoots::new(None, None).files();
    assert_eq!(
        system.is_empty(),
        LazyRoots::new(None, None).load().certificates.is_empty()
    );
}

#[test]
fn the_first_default_bundle_and_all_default_folders_count() {
    let (one, two, three, four) = (certificate(), certificate(), certificate(), certificate());
    let folder = Folder::new();
    let files = [
        folder.path("absent.pem"),
        folder.write("one.pem", &one),
        folder.write("two.pem", &two),
    ];
    folder.write("a/three.pem", &three);
    folder.write("b/four.crt", &four);
    let folders = [folder.path("a"), folder.path("absent"), folder.path("b")];
    let roots = Roots::load_or(None, None, &files, &folders);
    assert_eq!(roots.certificates, sorted(&[&one, &three, &four]));
    let looked_in = [&files[1..2], &folders].concat();
    assert_eq!(roots.looked_in, looked_in);
    assert_eq!(roots.passed_over, []);
    // Empty values count as not set.
    let empty = Roots::load_or(Some("".as_ref()), Some("".as_ref()), &files, &folders);
    assert_eq!(empty.certificates, roots.certificates);
}

#[test]
fn each_variable_replaces_its_own_defaults_only() {
    let [file, folder_of, own_file, own_folder] = [(); 4].map(|()| certificate());
    let folder = Folder::new();
    let files = [folder.write("default.pem", &file)];
    folder.write("default/d.pem", &folder_of);
    let folders = [folder.path("default")];
    let cert_file = folder.write("own.pem", &own_file);
    folder.write("own/o.pem", &own_folder);
    let cert_dir = folder.path("own").into_os_string();
    let load = |cert_file: Option<&PathBuf>, cert_dir| {
        Roots::load_or(cert_file.map(PathBuf::as_path), cert_dir, &files, &folders).certificates
    };
    assert_eq!(
        load(Some(&cert_file), None),
        sorted(&[&own_file, &folder_of])
    );
    assert_eq!(
        load(None, Some(cert_dir.as_os_str())),
        sorted(&[&file, &own_folder])
    );
    assert_eq!(
        load(Some(&cert_file), Some(cert_dir.as_os_str())),
        sorted(&[&own_file, &own_folder])
    );
}

#[test]
fn ssl_cert_dir_is_a_colon_list() {
    let (one, two) = (certificate(), certificate());
    let folder = Folder::new();
    folder.write("a/one.pem", &one);
    folder.write("b/two.pem", &two);
    let (a, b) = (folder.path("a"), folder.path("b"));
    let list = format!("{}::/absent:{}", a.display(), b.display());
    let roots = Roots::load_or(None, Some(list.as_ref()), &NONE, &NONE);
    assert_eq!(roots.certificates, sorted(&[&one, &two]));
    assert_eq!(roots.looked_in, [a, "/absent".into(), b]);
}

#[test]
fn a_bundle_holds_several_and_each_counts_once() {
    let (one, two) = (certificate(), certificate());
    let folder = Folder::new();
    let bundle = folder.write("a/bundle.pem", &format!("# text\n{one}{two}{one}"));
    folder.write("a/one.pem", &one);
    // As c_rehash makes them, and one that leads elsewhere.
    symlink("one.pem", folder.path("a/1234abcd.0")).unwrap();
    let three = certificate();
    symlink(
        folder.write("three.pem", &three),
        folder.path("a/three.pem"),
    )
    .unwrap();
    symlink("absent.pem", folder.path("a/dangling.pem")).unwrap();
    symlink("/absent/x.pem", folder.path("a/far.pem")).unwrap();
    fs::create_dir(folder.path("a/sub.pem")).unwrap();
    let cert_dir = folder.path("a").into_os_string();
    let roots = Roots::load_or(Some(&bundle), Some(&cert_dir), &NONE, &NONE);
    assert_eq!(roots.certificates, sorted(&[&one, &two, &three]));
    assert_eq!(roots.passed_over, []);
}

#[test]
fn junk_is_passed_over_and_remembered() {
    let good = certificate();
    let folder = Folder::new();
    let body = STANDARD.encode(b"no certificate");
    folder.write(
        "a/1-no-certificate.pem",
        &format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"),
    );
    folder.write(
        "a/2-no-base64.pem",
        "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
    );
    folder.write("a/3-readme.txt", "hello");
    folder.write("a/4-empty.pem", "");
    fs::write(folder.path("a/5-der.crt"), der(&good)).unwrap();
    folder.write("a/6-good.pem", &good);
    // Another name for an entry beside it is not a second file.
    symlink("3-readme.txt", folder.path("a/7-alias.txt")).unwrap();
    let cert_dir = folder.path("a").into_os_string();
    let roots = Roots::load_or(None, Some(&cert_dir), &NONE, &NONE);
    assert_eq!(roots.certificates, sorted(&[&good]));
    let passed_over: Vec<_> = roots.passed_over.iter().map(|junk| &junk.path).collect();
    let names = [
        "a/1-no-certificate.pem",
        "a/2-no-base64.pem",
        "a/3-readme.txt",
        "a/4-empty.pem",
        "a/5-der.crt",
    ];
    assert_eq!(
        passed_over,
        names
            .map(|name| folder.path(name))
            .iter()
            .collect::<Vec<_>>()
    );
    let text = roots.to_string();
    assert!(text.starts_with("1 root certificates in `"), "{text}");
    for name in names {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_place_that_is_not_there_is_named() {
    let folder = Folder::new();
    let absent = folder.path("absent.pem");
    let roots = Roots::load_or(Some(&absent), None, &NONE, &NONE);
    assert!(roots.certificates.is_empty());
    assert_eq!(
        roots.to_string(),
        format!(
            "0 root certificates in `{0}`; passed over `{0}`: it is not a file",
            absent.display()
        )
    );
    let files = [folder.path("x"), folder.path("y")];
    let roots = Roots::load_or(None, None, &files, &[folder.path("z")]);
    assert_eq!(roots.looked_in, [&files[..], &[folder.path("z")]].concat());
    assert!(roots.passed_over.is_empty());
}

/// SIG-15
#[test]
fn nothing_of_a_file_is_quoted() {
    let folder = Folder::new();
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    for (begin, between, end) in [
        (
            "-----BEGIN PRIVATE KEY-----",
            "\\n",
            "-----END PRIVATE KEY-----",
        ),
        (
            "-----BEGIN PRIVATE KEY-----",
            " ",
            "-----END PRIVATE KEY-----",
        ),
        (
            "-----BEGIN CERTIFICATE-----",
            " ",
            "-----END CERTIFICATE-----",
        ),
        ("-----BEGIN CERTIFICATE-----", "\n", "-----END"),
        (
            "-----BEGIN CERTIFICATE-----",
            "\n!",
            "-----END CERTIFICATE-----",
        ),
        ("-----BEGIN CERTIFICATE", "\n", "-----END CERTIFICATE-----"),
        (
            "-----BEGIN CERTIFICATE-----",
            "\n",
            "-----END PRIVATE KEY-----",
        ),
        (
            "-----BEGIN CERTIFICATE-----",
            "\n",
            "-----END CERTIFICATE-----",
        ),
    ] {
        let text = format!("{begin}{between}{key}{between}{end}");
        let file = folder.write("key.pem", &text);
        let roots = Roots::load_or(Some(&file), Some("/nowhere".as_ref()), &NONE, &NONE);
        assert_eq!(roots.passed_over.len(), 1, "{text}");
        let said = roots.to_string();
        // As text, and as a list of bytes.
        for quote in [&key[..8], "77, 73, 71", "4d494748"] {
            assert!(!said.contains(quote), "{text}: {said}");
        }
    }
}

#[test]
fn a_pipe_does_not_make_it_wait() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let cert_dir = folder.0.path().as_os_str();
    let roots = Roots::load_or(Some(&pipe), Some(cert_dir), &NONE, &NONE);
    assert!(roots.certificates.is_empty());
    assert_eq!(roots.passed_over.len(), 1);
}

#[test]
fn many_files_passed_over_are_counted() {
    let folder = Folder::new();
    for number in 0..8 {
        folder.write(&format!("{number}.txt"), "junk");
    }
    let roots = Roots::load_or(None, Some(folder.0.path().as_os_str()), &NONE, &NONE);
    assert!(
        roots
            .to_string()
            .ends_with("; and 3 more files passed over")
    );
}

#[test]
fn the_systems_roots_are_found_where_go_finds_them() {
    let roots = Roots::load(None, None);
    let is_there = |path: &&str| fs::metadata(path).is_ok_and(|m| m.len() > 0);
    assert_eq!(FILES.iter().any(is_there), !roots.certificates.is_empty());
    assert!(roots.looked_in.contains(&FOLDERS[0].into()));
}
