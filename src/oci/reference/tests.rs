use super::*;

fn parsed(text: &str) -> String {
    text.parse::<Reference>().unwrap().to_string()
}

#[test]
fn names_are_normalised_as_go_containerregistry_does() {
    for (typed, meant) in [
        ("alpine", "index.docker.io/library/alpine:latest"),
        ("docker.io/alpine:3", "index.docker.io/library/alpine:3"),
        ("docker.io/foo/bar", "index.docker.io/foo/bar:latest"),
        ("org/app:1", "index.docker.io/org/app:1"),
        ("registry-1.docker.io/app:1", "registry-1.docker.io/app:1"),
        ("localhost/app", "localhost/app:latest"),
        ("127.0.0.1:5055/app/one:v2", "127.0.0.1:5055/app/one:v2"),
        ("0x7f.r1.io/app:v2", "0x7f.r1.io/app:v2"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        (
            "my_host:5000/a__b/c-d:V.1_x-y",
            "my_host:5000/a__b/c-d:V.1_x-y",
        ),
    ] {
        assert_eq!(parsed(typed), meant, "{typed}");
    }
}

#[test]
fn a_digest_wins_over_a_tag() {
    let digest = Digest::of(b"").to_string();
    assert_eq!(
        parsed(&format!("r.io/a@{digest}")),
        format!("r.io/a@{digest}")
    );
    assert_eq!(
        parsed(&format!("r.io/a:v1@{digest}")),
        format!("r.io/a@{digest}")
    );
}

#[test]
fn bad_references_are_refused() {
    for text in [
        "",
        "/",
        "r.io/",
        "r.io/App",
        "r.io/app:",
        "r.io/app:-x",
        "r.io/app@sha256:abc",
        "r.io:port/app",
        "r.io:99999/app",
        "r.io:+80/app",
        "r.io/app:\u{e9}",
        "1.1/app",
        "127.1/app",
        "0x7f.1/app",
        "127.0.0.01/app",
        "2130706433:80/app",
        "r.0x/app",
        "[::zz]:5000/app",
        "r.io/../app",
        "r.io/app?x=y",
        "https://r.io/app",
        "r.io/app v1",
        &format!("r.io/{}", "a".repeat(300)),
        &format!("r.io/a:{}", "t".repeat(129)),
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

#[test]
fn a_replacing_repository_is_written_with_its_registry() {
    assert_eq!(
        "r.io/sigs".parse::<Repository>().unwrap().to_string(),
        "r.io/sigs"
    );
    for text in [
        "r.io",
        "127.0.0.1:5000",
        "r.io/sigs:v1",
        "r.io/sigs/",
        "signatures",
    ] {
        assert!(text.parse::<Repository>().is_err(), "{text}");
    }
}

/// The parts of a name as the `oci-distribution` crate reads them, where the two
/// have to agree: path, tag and digest. It knows neither IPv6 hosts nor
/// go-containerregistry's name of Docker Hub, adds `latest` to a name that has no
/// tag, and takes every letter of Unicode for one in a tag.
fn oracle(rest: &str) -> Option<(String, Option<String>, Option<Digest>)> {
    let name = oci_distribution::Reference::try_from(format!("registry.invalid/{rest}"));
    let name = name.ok()?;
    let digest = match name.digest() {
        Some(digest) => Some(digest.parse().ok()?),
        None => None,
    };
    let written = rest.split_once('@').map_or(rest, |(name, _)| name);
    let tag = name.tag().filter(|_| written.contains(':'));
    if tag.is_some_and(|tag| !tag.is_ascii()) {
        return None;
    }
    Some((name.repository().to_owned(), tag.map(str::to_owned), digest))
}

fn assert_agrees(rest: &str) -> bool {
    let text = format!("r.io/{rest}");
    let (registry, ours) = split_registry(&text);
    let ours = parse_parts(&text, registry, ours).ok();
    let ours = ours
        .map(|(repository, tag, digest)| (repository.path, tag.map(|tag| tag.to_string()), digest));
    assert_eq!(ours, oracle(rest), "{rest:?}");
    ours.is_some()
}

#[test]
fn a_table_of_names_is_read_as_the_independent_crate_reads_it() {
    let digest = Digest::of(b"");
    let (good, bad) = (digest.to_string(), digest.to_string().to_uppercase());
    let mut accepted = 0;
    for path in [
        "",
        "a",
        "a/",
        "/a",
        "a//b",
        "a/b/c",
        "a.b",
        "a..b",
        "a_b",
        "a__b",
        "a___b",
        "a-b",
        "a---b",
        "a-_b",
        "a_.b",
        "a.-b",
        "-a",
        "a-",
        "_a",
        "a_",
        ".a",
        "a.",
        "A",
        "aB",
        "é",
        "a b",
        "a\n",
        "..",
        "a/../b",
        "0",
        "0x7f/1",
        "h:1/a",
        "a%2fb",
        &"a".repeat(255),
        &"a".repeat(256),
        &format!("{}b", "a/".repeat(127)),
    ] {
        for tag in [
            "",
            ":",
            ":a",
            ":A_b.c-d",
            ":.a",
            ":-a",
            ":_a",
            ":a.",
            ":a/b",
            ":a:b",
            ":é",
            ":aé",
            ":\u{663}",
            ":a b",
            ":a\n",
            &format!(":{}", "t".repeat(128)),
            &format!(":{}", "t".repeat(129)),
        ] {
            for digest in ["", "@", "@a", "@sha256:", &bad, &good] {
                let at = if digest.len() > 9 { "@" } else { "" };
                accepted += usize::from(assert_agrees(&format!("{path}{tag}{at}{digest}")));
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn generated_names_are_read_as_the_independent_crate_reads_them() {
    let digest = Digest::of(b"").to_string();
    let sha512 = format!("sha512:{}", "ab".repeat(64));
    // Long pieces are rare: they make most names too long.
    let pieces = [
        "a",
        "b0",
        "7",
        "repo",
        "Z",
        "é",
        "\u{663}",
        ".",
        "_",
        "__",
        "-",
        "/",
        ":",
        "@",
        " ",
        ":v1",
        "@sha256:00",
        &format!("@{digest}"),
        &format!("@{sha512}"),
        &digest[7..],
        "sha384:",
        "+",
        "%",
        "\0",
    ];
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut rest = String::from(if random.u8(..4) > 0 { "a" } else { "" });
        for _ in 0..random.usize(0..7) {
            // Mostly what may stand there, or hardly a name were good.
            let choices = if random.u8(..5) > 0 { 13 } else { pieces.len() };
            rest.push_str(pieces[random.usize(..choices)]);
        }
        if random.u8(..6) == 0 {
            rest.push_str([":v1", "@", ":"][random.usize(..3)]);
            rest.push_str([&digest, &sha512, "b"][random.usize(..3)]);
        }
        accepted += usize::from(assert_agrees(&rest));
    }
    assert!((2_000..18_000).contains(&accepted), "{accepted}");
}

#[test]
fn local_registries_are_those_of_go_containerregistry() {
    let is_local = |text: &str| text.parse::<Registry>().unwrap().is_local();
    for text in [
        "localhost:5000",
        "a.localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]:1",
        "10.1.2.3:5000",
        "192.168.0.1",
    ] {
        assert!(is_local(text), "{text}");
    }
    for text in [
        "localhost.example",
        "r.io",
        "8.8.8.8",
        "[fd00::1]:5",
        "vm:5000",
    ] {
        assert!(!is_local(text), "{text}");
    }
    assert!(!"10.0.0.1:5".parse::<Registry>().unwrap().is_loopback());
}
