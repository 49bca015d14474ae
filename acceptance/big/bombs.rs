//! Archives and manifests that are made to take memory.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{CHEAP_KEY, SMALL, SMALL_KEY, seeded, signer, watch};
use crate::support::images::{Document, Image};
use crate::support::registry::{Stored, sha256};
use crate::support::signer::Signer;

/// SBOM-5. A layer that shrank to a thousandth, a hundred thousand brackets, and too
/// many entries.
#[test]
fn case_56_documents_that_are_bombs_are_refused_in_little_memory() {
    let deep = [
        b"{\"a\":".as_slice(),
        &[b'['; 100_000],
        &[b']'; 100_000],
        b"}",
    ]
    .concat();
    let deep = Document::new("a/sbom.cdx.json", deep);
    let entry = |number: usize| Document::new(&format!("{number}/sbom.cdx.json"), "{}");
    let entries: Vec<_> = (0..10_001).map(entry).collect();
    for (image, words) in [
        (bomb(), "times its size"),
        (Image::with_documents(&[deep]), "nested more than"),
        (Image::with_documents(&entries), "more than 10000 entries"),
    ] {
        for export in ["attestation", "attachment"] {
            let registry = seeded(&image);
            let run = watch(&signer(&image, &registry, &[CHEAP_KEY], export))
                .ended_with(116)
                .took_at_most(SMALL + SMALL_KEY)
                .says(words);
            assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
        }
    }
}

/// An SBOM layer with one document of 256 MiB, nothing but spaces.
fn bomb() -> Image {
    const SIZE: u64 = 256 << 20;
    let mut header = tar::Header::new_ustar();
    header
        .set_path("layers/sbom/launch/a/sbom.cdx.json")
        .unwrap();
    header.set_size(SIZE);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.resize(512 + SIZE as usize, b' ');
    tar.extend([0; 1024]);
    let mut blob = GzEncoder::new(Vec::new(), Compression::best());
    blob.write_all(&tar).unwrap();
    Image::with_layer(&sha256(&tar), blob.finish().unwrap())
}

/// A server that answers every request with a body of 1 GiB.
struct Endless {
    host: String,
    /// The most bytes that went out for one request.
    sent: Arc<AtomicU64>,
}

impl Endless {
    fn start(length: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // The client hangs up when it has had enough.
                thread::spawn(move || answer(socket, length, &counter));
            }
        });
        Self { host, sent }
    }
}

fn answer(mut socket: TcpStream, length: &str, sent: &AtomicU64) -> std::io::Result<()> {
    let mut request = [0; 4096];
    if socket.read(&mut request)? == 0 {
        return Ok(());
    }
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    write!(
        socket,
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n{length}\r\n\r\n"
    )?;
    let piece = [b' '; 0x10000];
    for number in 1..=(1 << 30) / piece.len() {
        if length.starts_with("transfer-encoding") {
            socket.write_all(b"10000\r\n")?;
        }
        socket.write_all(&piece)?;
        if length.starts_with("transfer-encoding") {
            socket.write_all(b"\r\n")?;
        }
        sent.fetch_max((number * piece.len()) as u64, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn case_43_a_manifest_of_a_gibibyte_is_not_read() {
    for length in [
        "content-length: 1073741824",
        "transfer-encoding: chunked",
        "connection: close",
    ] {
        let server = Endless::start(length);
        let report = format!(
            "[image]\ntags = [\"{}/app/big:v1\"]\ndigest = \"{}\"\n",
            server.host,
            sha256(b"")
        );
        let run =
            watch(&Signer::with_report(&report).key(CHEAP_KEY)).took_at_most(SMALL + SMALL_KEY);
        assert!(
            matches!(run.code, Some(111..=118)),
            "{:?}\n{}",
            run.code,
            run.stdout
        );
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
        let run = run.says("is larger than 4194304 bytes");
        // The limit of 4 MiB, and what the kernel holds for both sides.
        let sent = server.sent.load(Ordering::Relaxed);
        assert!(sent < 64 << 20, "{sent} bytes\n{}", run.stdout);
    }
}

/// Four megabytes of what a manifest may hold any number of.
#[test]
fn case_43_manifests_of_a_million_parts_are_refused_in_little_memory() {
    const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
    let fields: String = (0..300_000)
        .map(|number| format!("\"{number}\":0,"))
        .collect();
    let descriptor = format!(r#"{{"mediaType":"m","size":0,"digest":"{}"}}"#, sha256(b""));
    let manifest = |fields: &str, layers: &str| {
        format!(
            r#"{{{fields}"schemaVersion":2,"mediaType":"{MEDIA_TYPE}","config":{descriptor},"layers":[{layers}]}}"#
        )
    };
    let nothing = vec!["0"; 2_000_000].join(",");
    let layers = vec![descriptor.as_str(); 30_000].join(",");
    for (text, words) in [
        (manifest(&fields, ""), "too many fields"),
        (manifest("", &nothing), "`layers[0]` is no object"),
        (manifest("", &layers), "30000 layers"),
    ] {
        let image = Image::recorded("no-sbom-layer");
        let registry = seeded(&image);
        let stored = Stored {
            media_type: MEDIA_TYPE.to_owned(),
            bytes: text.into(),
        };
        let digest = registry.store_manifest(image.repository(), stored);
        registry.tag(image.repository(), &image.attached("sig"), &digest);
        let run = watch(&signer(&image, &registry, &[CHEAP_KEY], "attestation"))
            .ended_with(118)
            .took_at_most(SMALL + SMALL_KEY)
            .says(words);
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    }
}
