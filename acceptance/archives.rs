//! Archives that two readers could read differently: whatever the signer takes
//! from an SBOM layer, Go's `archive/tar` finds there too, and nothing else.
//! `acceptance/tools/tar-reader` says what Go's finds; the lifecycle and pack read with it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use signer::oci::{Descriptor, Digest, MediaType};
use signer::sbom::{LayerLimits, SbomError, SbomLayer, read};

use crate::support::{testdata, tool};

const PATH: &str = "/layers/sbom/launch/x/sbom.cdx.json";
/// How many archives are made of each by damaging it.
const MUTANTS: usize = 400;

#[derive(Deserialize)]
struct Archive {
    entries: Vec<Entry>,
    error: String,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    kind: String,
    sha256: String,
}

/// Documents by path, with the SHA-256 of their bytes.
type Documents = BTreeMap<String, String>;

/// The entries that Go's reader finds in each archive.
fn go(archives: &[Vec<u8>]) -> Vec<Archive> {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = String::new();
    for (number, archive) in archives.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, archive).unwrap();
        paths.push_str(&format!("{}\n", path.display()));
    }
    let mut child = Command::new(tool("tar-reader/tar-reader"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(paths.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let lines = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let read: Vec<Archive> = lines.collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), archives.len());
    read
}

/// The documents among Go's files. None: Go refuses the archive.
fn documents(archive: &Archive) -> Option<Documents> {
    let mut documents = Documents::new();
    for entry in &archive.entries {
        let segments = entry.name.split('/');
        let segments: Vec<_> = segments.filter(|name| !matches!(*name, "" | ".")).collect();
        let path = format!("/{}", segments.join("/"));
        let name = segments.last().copied().unwrap_or_default();
        let is_file = entry.kind == "0" && !entry.name.ends_with('/');
        let is_document = [".cdx.json", ".spdx.json", ".syft.json"]
            .iter()
            .any(|end| name == format!("sbom{end}") || name.ends_with(&format!(".sbom{end}")));
        let is_document = is_document && !name.starts_with(".wh.");
        if is_file && is_document && path.starts_with("/layers/sbom/launch/") {
            documents.insert(path, entry.sha256.clone());
        }
    }
    archive.error.is_empty().then_some(documents)
}

fn ours(archive: &[u8]) -> Result<Documents, SbomError> {
    let layer = SbomLayer {
        descriptor: Descriptor::of(MediaType::new("layer"), archive),
        diff_id: Digest::of(archive),
        layers_dir: "/layers".to_owned(),
    };
    let blob = bytes::Bytes::copy_from_slice(archive);
    let documents = read(&layer, blob, &LayerLimits::default())?.into_iter();
    let is_ours = |path: &str| path.starts_with("/layers/sbom/launch/");
    let documents = documents.filter(|document| is_ours(document.path()));
    let hashed = documents.map(|document| {
        let digest = document.content().digest().unwrap();
        (document.path().to_owned(), digest.hex().to_owned())
    });
    Ok(hashed.collect())
}

/// Two blocks, header and content, of a document or what a case makes of it.
fn entry(kind: u8, name: &[u8], content: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_mtime(315_532_801);
    header.set_uid(0);
    header.set_gid(0);
    change(header.as_mut_bytes());
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(change: impl Fn(&mut [u8])) -> Vec<u8> {
    entry(b'0', PATH.as_bytes(), b"{}", change)
}

fn pax(records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length);
        content.extend(format!("{} ", length.unwrap()).bytes());
        content.extend([key, b"=".as_slice(), value, b"\n"].concat());
    }
    entry(b'x', b"PaxHeaders/x", &content, |_| {})
}

fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    let end = vec![0; 1024];
    [parts.concat(), end].concat()
}

fn put(bytes: &mut [u8], offset: usize, text: &[u8]) {
    bytes[offset..offset + text.len()].copy_from_slice(text);
}

fn gnu(bytes: &mut [u8]) {
    put(bytes, 257, b"ustar  \0");
}

/// Archives of one document that some readers see elsewhere, otherwise, or not.
fn doubtful() -> Vec<(&'static str, Vec<u8>)> {
    let plain = || file(|_| {});
    let with = |records: &[(&[u8], &[u8])]| archive(&[pax(records), plain()]);
    let other = b"/layers/sbom/launch/y/sbom.cdx.json";
    let long = |kind, name: &[u8]| entry(kind, b"././@LongLink", name, gnu);
    vec![
        ("an empty PAX path", with(&[(b"path", b"")])),
        (
            "a sparse name on a plain file",
            with(&[(b"GNU.sparse.name", other)]),
        ),
        ("a sparse map on a plain file", {
            let map: [(&[u8], &[u8]); 3] = [
                (b"GNU.sparse.numblocks", b"1"),
                (b"GNU.sparse.map", b"0,2"),
                (b"GNU.sparse.size", b"2"),
            ];
            with(&map)
        }),
        ("a NUL in a PAX key", with(&[(b"a\0b", b"c")])),
        ("an empty PAX key", with(&[(b"", b"c")])),
        ("a PAX time that is none", with(&[(b"mtime", b"soon")])),
        (
            "a PAX time with a letter behind its point",
            with(&[(b"atime", b"1.5x")]),
        ),
        ("a PAX user that is none", with(&[(b"uid", b"root")])),
        (
            "a PAX user beyond 64 bits",
            with(&[(b"gid", b"9223372036854775808")]),
        ),
        ("a NUL in a PAX user name", with(&[(b"uname", b"a\0b")])),
        ("two PAX sizes", with(&[(b"size", b"9"), (b"size", b"2")])),
        ("an empty long name", archive(&[long(b'L', b"\0"), plain()])),
        ("a global header after a PAX header", {
            let global = entry(b'g', b"g", b"9 a=bcde\n", |_| {});
            archive(&[pax(&[(b"path", other)]), global, plain()])
        }),
        (
            "GNU's magic with a prefix",
            archive(&[file(|bytes| {
                gnu(bytes);
                put(bytes, 345, b"hidden/here");
            })]),
        ),
        ("GNU's magic with a prefix that completes the path", {
            let name = b"x/sbom.cdx.json";
            archive(&[entry(b'0', name, b"{}", |bytes| {
                gnu(bytes);
                put(bytes, 345, b"/layers/sbom/launch");
            })])
        }),
        (
            "a mode with a sign",
            archive(&[file(|bytes| put(bytes, 100, b"+000644\0"))]),
        ),
        (
            "a user with a tab",
            archive(&[file(|bytes| put(bytes, 108, b"\t000000\0"))]),
        ),
        (
            "a time with a letter",
            archive(&[file(|bytes| put(bytes, 136, b"0000000000x\0"))]),
        ),
        (
            "a size with a sign",
            archive(&[file(|bytes| put(bytes, 124, b"+0000000002\0"))]),
        ),
        (
            "a device that is no number",
            archive(&[file(|bytes| put(bytes, 329, b"zzzzzzz\0"))]),
        ),
        (
            "the time of star that is none",
            archive(&[file(|bytes| {
                put(bytes, 476, b"zzzzzzzzzzz\0");
                put(bytes, 508, b"tar\0");
            })]),
        ),
        (
            "a sparse entry before it",
            archive(&[entry(b'S', b"s", b"", gnu), plain()]),
        ),
        (
            "an extended header of Solaris",
            archive(&[entry(b'X', b"s", b"", |_| {}), plain()]),
        ),
        (
            "one block of zeros in the middle",
            archive(&[plain(), vec![0; 512], plain()]),
        ),
        ("a last block that is cut", [plain(), vec![0; 700]].concat()),
        ("a header that is cut", [plain(), vec![1; 100]].concat()),
    ]
}

/// Archives that every reader reads alike.
fn honest() -> Vec<(&'static str, Vec<u8>)> {
    let long = format!("/layers/sbom/launch/{}/sbom.cdx.json", "x".repeat(200));
    let with = |records: &[(&[u8], &[u8])]| archive(&[pax(records), file(|_| {})]);
    vec![
        ("plain", archive(&[file(|_| {})])),
        ("without an end", file(|_| {})),
        ("with half an end", [file(|_| {}), vec![0; 512]].concat()),
        ("padded", [archive(&[file(|_| {})]), vec![0; 8704]].concat()),
        ("a long path in PAX", with(&[(b"path", long.as_bytes())])),
        (
            "PAX times",
            with(&[(b"mtime", b"1350244992.023960108"), (b"atime", b"-1.5")]),
        ),
        (
            "PAX users",
            with(&[(b"uid", b"2097152"), (b"uname", "é".as_bytes())]),
        ),
        (
            "extended attributes",
            with(&[(b"SCHILY.xattr.user.a", b"a\0b")]),
        ),
        ("a comment", with(&[(b"comment", b"")])),
        ("a long name of GNU", {
            let name = [long.as_bytes(), b"\0"].concat();
            archive(&[entry(b'L', b"././@LongLink", &name, gnu), file(gnu)])
        }),
        (
            "GNU's times",
            archive(&[file(|bytes| {
                gnu(bytes);
                put(bytes, 345, b"14000000000\x0014000000000\0");
            })]),
        ),
        (
            "the seventh edition",
            archive(&[file(|bytes| put(bytes, 257, &[0; 8]))]),
        ),
        (
            "blanks around numbers",
            archive(&[file(|bytes| put(bytes, 100, b"   644 \0"))]),
        ),
        (
            "a negative time",
            archive(&[file(|bytes| put(bytes, 136, &[0xff; 12]))]),
        ),
    ]
}

#[test]
fn archives_that_go_reads_otherwise_are_refused() {
    let doubtful = doubtful();
    for (what, archive) in &doubtful {
        assert!(ours(archive).is_err(), "{what}");
    }
}

/// SBOM-6
#[test]
fn archives_that_go_reads_alike_are_read() {
    let honest = honest();
    let bytes: Vec<_> = honest.iter().map(|(_, bytes)| bytes.clone()).collect();
    for ((what, bytes), archive) in honest.iter().zip(go(&bytes)) {
        let ours = ours(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(Some(&ours), documents(&archive).as_ref(), "{what}");
        assert_eq!(ours.len(), 1, "{what}");
    }
}

/// SBOM-6
#[test]
fn damaged_archives_are_read_as_go_reads_them_or_not_at_all() {
    let mut seeds: Vec<Vec<u8>> = [doubtful(), honest()]
        .concat()
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    for found in std::fs::read_dir(testdata("fuzz/sbom_archive")).unwrap() {
        seeds.push(std::fs::read(found.unwrap().path()).unwrap());
    }
    let mut random = fastrand::Rng::with_seed(12);
    let mut archives = seeds.clone();
    for seed in &seeds {
        for _ in 0..MUTANTS {
            let mut mutant = seed.clone();
            damage(&mut mutant, &mut random);
            repair(&mut mutant);
            archives.push(mutant);
        }
    }
    let mut read = 0;
    for (bytes, archive) in archives.iter().zip(go(&archives)) {
        // Compressed it is something else.
        if matches!(bytes[..], [0x1f | 0x28 | 0x50..=0x5f, ..]) {
            continue;
        }
        if let Ok(ours) = ours(bytes) {
            let go = documents(&archive);
            assert_eq!(Some(&ours), go.as_ref(), "{}: {bytes:?}", archive.error);
            read += 1;
        }
    }
    assert!(read > MUTANTS, "{read} of {}", archives.len());
}

/// Changes a few bytes, where headers are and not in their checksums.
fn damage(archive: &mut Vec<u8>, random: &mut fastrand::Rng) {
    const TEXTS: [&[u8]; 9] = [
        b"\0",
        b"/",
        b" ",
        b"0000002\0",
        b"tar\0",
        b"ustar  \0",
        b"ustar\0",
        b"\x80",
        b"GNU.sparse.",
    ];
    if archive.len() < 512 {
        return;
    }
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..archive.len());
        let text = TEXTS[random.usize(..TEXTS.len())];
        match random.u8(..8) {
            0 => archive.truncate(at.max(512)),
            1 | 2 => archive[at] = random.u8(..),
            3 => archive[at] ^= 1 << random.u8(..8),
            4 => {
                let fields = [
                    0, 100, 108, 116, 124, 136, 156, 157, 257, 263, 329, 337, 345, 357, 476, 508,
                ];
                let at = at / 512 * 512 + fields[random.usize(..fields.len())];
                for (place, byte) in archive.iter_mut().skip(at).zip(text) {
                    *place = *byte;
                }
            }
            5 => archive[at / 512 * 512..]
                .iter_mut()
                .skip(156)
                .take(1)
                .for_each(|kind| *kind = b"0157xgLKS"[random.usize(..9)]),
            _ => {
                for (place, byte) in archive.iter_mut().skip(at).zip(text) {
                    *place = *byte;
                }
            }
        }
    }
}

/// Makes the checksum of each header right, so that a damage gets behind it.
fn repair(archive: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = archive.get_mut(at..at + 512) {
        if block.iter().all(|byte| *byte == 0) {
            return;
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.entry_size().unwrap_or(0).min(1 << 30) as usize;
        at += 512 + size.next_multiple_of(512);
    }
}
