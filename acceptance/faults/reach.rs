//! Where hosts may lead that are not the machine itself (`spec/faults.md`): not
//! to its loopback and not to its link, however that is written.

use super::KEY;
use crate::support::images::Image;
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{
    Action, Answer, Auth, INWARD_NAME, PRIVATE_ADDRESS, PUBLIC_NAME, Registry, Settings, Switch,
    When,
};
use crate::support::signer::Signer;

const ROBOT: &str = "Basic cm9ib3Q6cGFzcw==";

fn secured(auth: Auth) -> Registry {
    Registry::with(Settings {
        tls: Switch::On,
        auth,
        ..Settings::default()
    })
}

/// A registry at `host`, a service of the machine itself that must not be asked,
/// and the signer, which trusts both.
struct Stage {
    registry: Registry,
    own: Registry,
    image: Image,
    signer: Signer,
    _proxy: Proxy,
}

fn stage(host: &str) -> Stage {
    let registry = secured(Auth::None);
    let own = secured(Auth::bearer("pass"));
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let proxy = Proxy::to(registry.host(), Manner::Open);
    let signer = Signer::of(&image, host).key(KEY).credential(host, ROBOT);
    let roots = signer.folder().join("roots.pem");
    let authorities = [registry.authority(), own.authority()].concat();
    std::fs::write(&roots, authorities).unwrap();
    let signer = signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .environment("HTTPS_PROXY", &proxy.url())
        .environment("NO_PROXY", INWARD_NAME)
        .arguments(&["-timeout=20s", "-retry-budget=2s"]);
    Stage {
        registry,
        own,
        image,
        signer,
        _proxy: proxy,
    }
}

/// All the ways in which a registry leads somewhere.
fn leads(stage: &Stage, way: &str, target: &str) {
    let (registry, target) = (&stage.registry, target.to_owned());
    let to = target.clone();
    match way {
        "manifest" => registry.inject(
            When::every("GET", "/manifests/v1"),
            Action::Answer(Answer::new(307).with("location", to)),
        ),
        "blob" => registry.inject(
            When::every("GET", "/blobs/sha256"),
            Action::Answer(Answer::new(302).with("location", to)),
        ),
        "upload" => registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::change(move |answer| answer.set("location", to.clone())),
        ),
        "realm" => registry.inject(
            When::every("*", "/v2/"),
            Action::Answer(Answer::error(401, "UNAUTHORIZED", "who?").with(
                "www-authenticate",
                format!(r#"Bearer realm="{target}",service="x""#),
            )),
        ),
        way => panic!("{way}"),
    }
}

const WAYS: [(&str, i32); 4] = [
    ("manifest", 111),
    ("blob", 111),
    ("upload", 111),
    ("realm", 113),
];

/// A private address leads to the machine itself as little as a public name.
/// WIRE-14
#[test]
fn a_registry_elsewhere_does_not_lead_to_the_machine_itself() {
    // Every way, and every name, is tried with each host.
    let names = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"];
    for (host, skip) in [(PRIVATE_ADDRESS, 0), (PUBLIC_NAME, 1)] {
        let names = names.iter().cycle().skip(skip);
        for ((way, code), name) in WAYS.into_iter().zip(names) {
            let stage = stage(host);
            let port = stage.own.host().rsplit_once(':').unwrap().1;
            leads(&stage, way, &format!("https://{name}:{port}/admin/secrets"));
            let run = stage.signer.run().ended_with(code);
            run.says(&["must not", "/admin/secrets"]);
            let asked = stage.own.exchanges();
            assert!(asked.is_empty(), "{host} {way} {name}: {asked:?}");
            assert!(stage.registry.exchanges().puts().is_empty());
        }
    }
}

/// The machine's link, and where clouds keep its credentials.
#[test]
fn a_registry_elsewhere_does_not_lead_to_the_link() {
    let names = ["169.254.169.254", "[fe80::1]", "0.0.0.0", "100.100.100.200"];
    for ((way, code), name) in WAYS.into_iter().zip(names) {
        let stage = stage(PRIVATE_ADDRESS);
        leads(&stage, way, &format!("https://{name}/latest"));
        stage.signer.run().ended_with(code).says(&["link-local"]);
    }
}

/// Runs the signer where two names mean `address`.
fn where_inward_is(address: &str, signer: Signer) -> Signer {
    let hosts = signer.folder().join("hosts");
    let text = format!("127.0.0.1 localhost\n{address} {INWARD_NAME} {PUBLIC_NAME}\n");
    std::fs::write(&hosts, text).unwrap();
    let is_root = nix::unistd::Uid::effective().is_root();
    let kind = if is_root {
        "--mount"
    } else {
        "--map-root-user"
    };
    signer.within(&[
        "/usr/bin/unshare",
        "--mount",
        kind,
        "/bin/sh",
        "-c",
        r#"mount --bind "$0" /etc/hosts && exec "$@""#,
        hosts.to_str().unwrap(),
    ])
}

/// By name neither: the addresses behind it are looked at. WIRE-14
#[test]
fn a_registry_elsewhere_leads_to_the_machine_by_no_name() {
    for address in ["127.0.0.1", "169.254.169.254"] {
        for way in ["manifest", "blob", "upload", "realm"] {
            let stage = stage(PRIVATE_ADDRESS);
            let port = stage.own.host().rsplit_once(':').unwrap().1;
            let target = format!("https://{INWARD_NAME}:{port}/admin/secrets");
            leads(&stage, way, &target);
            let run = where_inward_is(address, stage.signer).run();
            let run = run.ended_with(111);
            run.says(&[INWARD_NAME, "its name stands for", address]);
            let asked = stage.own.exchanges();
            assert!(asked.is_empty(), "{way}: {asked:?}");
        }
    }
}

/// Not for tidying up either.
#[test]
fn a_session_that_was_kept_elsewhere_is_not_cancelled_on_the_machine_itself() {
    let stage = stage(PRIVATE_ADDRESS);
    let port = stage.own.host().rsplit_once(':').unwrap().1;
    leads(
        &stage,
        "upload",
        &format!("https://{INWARD_NAME}:{port}/admin"),
    );
    // It fails after the sessions were granted.
    let refused = Action::error(403, "DENIED");
    let tag = stage.image.attached("sig");
    stage.registry.inject(When::every("GET", tag), refused);
    let run = where_inward_is("127.0.0.1", stage.signer).run();
    assert_ne!(run.code, Some(0));
    let asked = stage.own.exchanges();
    assert!(asked.is_empty(), "{asked:?}");
}

/// A host that the user named by such a name may be the machine itself, and may
/// then lead to others of its names.
#[test]
fn a_registry_that_the_user_names_may_be_the_machine_itself() {
    let registry = secured(Auth::None);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let port = registry.host().rsplit_once(':').unwrap().1;
    let host = format!("{INWARD_NAME}:{port}");
    let signer = Signer::of(&image, &host).key(KEY);
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    let signer = signer.environment("SSL_CERT_FILE", roots.to_str().unwrap());
    let path = format!("/v2/{}/manifests/v1", image.repository());
    let other = format!("https://{PUBLIC_NAME}:{port}{path}");
    let answer = Answer::new(307).with("location", other);
    registry.inject(When::first("GET", path), Action::Answer(answer));
    where_inward_is("127.0.0.1", signer).run().succeeded();
    assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 1);
}

/// As go-containerregistry follows those of foreign layers, wherever they lead.
#[test]
fn urls_of_descriptors_are_never_followed() {
    let (registry, other) = (Registry::start(), Registry::start());
    let image = Image::recorded("one-document");
    let url = format!("http://{}/v2/{}/blobs", other.host(), image.repository());
    let image = image.with_urls(&url);
    image.seed(&registry);
    image.seed(&other);
    let signer = || Signer::of(&image, registry.host()).key(KEY);
    signer().run().succeeded();
    let absent = Action::error(404, "BLOB_UNKNOWN");
    registry.inject(When::every("GET", "/blobs/sha256"), absent);
    signer().run().ended_with(114);
    other.was_not_asked();
}
