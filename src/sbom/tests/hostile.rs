use super::*;
use crate::sbom::{Exceeded, JsonFault, MAX_ENTRIES, MAX_PATH, MAX_RATIO, RATIO_FLOOR};

pub(super) const PATH: &str = "/layers/sbom/launch/x/sbom.cdx.json";

pub(super) fn one_document() -> Vec<u8> {
    Tar::new().file(PATH, "{}").done()
}

/// The reason why an entry is refused.
pub(super) fn refused(archive: Tar) -> &'static str {
    match read_archive(&archive.done()) {
        Err(SbomError::Entry { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

pub(super) fn exceeded(result: Result<Vec<Document>, SbomError>) -> Exceeded {
    match result {
        Err(SbomError::Limit(exceeded)) => exceeded,
        other => panic!("{other:?}"),
    }
}

/// SBOM-3
#[test]
fn a_blob_other_than_the_manifest_says_is_refused() {
    let archive = one_document();
    let blob = gzip(&archive);
    let layer = layer(&archive, &blob);
    let mut other = blob.clone();
    *other.last_mut().unwrap() ^= 1;
    let result = read(&layer, other.into(), &LayerLimits::default());
    assert!(matches!(result, Err(SbomError::BlobDigest { .. })));
    for other in [blob[1..].to_vec(), [blob.as_slice(), b"\0"].concat()] {
        let result = read(&layer, other.into(), &LayerLimits::default());
        assert!(matches!(result, Err(SbomError::BlobSize { .. })));
    }
}

/// SBOM-3
#[test]
fn an_archive_other_than_the_config_says_is_refused() {
    let blob = gzip(&one_document());
    let result = read_blob(&Tar::new().file(PATH, "{ }").done(), blob);
    assert!(matches!(result, Err(SbomError::DiffId { .. })));
}

/// SBOM-3
#[test]
fn what_follows_the_archive_counts_for_its_digest() {
    let archive = one_document();
    let longer = [archive.as_slice(), &[0; 4096], b"x"].concat();
    assert_eq!(read_archive(&longer).unwrap().len(), 1);
    let result = read_blob(&archive, gzip(&longer));
    assert!(matches!(result, Err(SbomError::DiffId { .. })));
}

#[test]
fn sha512_is_checked_too() {
    let archive = one_document();
    let blob = gzip(&archive);
    let mut layer = layer(&archive, &blob);
    let mut hasher = crate::oci::Hasher::new(crate::oci::digest::HashAlgorithm::Sha512);
    hasher.update(&archive);
    layer.diff_id = hasher.finish();
    assert!(read(&layer, blob.clone().into(), &LayerLimits::default()).is_ok());
    layer.diff_id = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    let result = read(&layer, blob.into(), &LayerLimits::default());
    assert!(matches!(result, Err(SbomError::DiffId { .. })));
}

/// SBOM-4
#[test]
fn damaged_compression_is_refused() {
    let archive = one_document();
    let blob = gzip(&archive);
    let mut wrong_checksum = blob.clone();
    let crc = blob.len() - 6;
    wrong_checksum[crc] ^= 1;
    let zstd = std::fs::read(testdata("sbom/zstd/one-frame.tar.zst")).unwrap();
    let mut wrong_zstd_checksum = zstd.clone();
    *wrong_zstd_checksum.last_mut().unwrap() ^= 1;
    let window = std::fs::read(testdata("sbom/zstd/window-64-mib.tar.zst")).unwrap();
    let skippable_cut_off = [zstd.as_slice(), b"\x50\x2a\x4d\x18\xff\xff\xff\xff"].concat();
    for (what, blob) in [
        ("truncated", blob[..blob.len() - 9].to_vec()),
        ("without its end", blob[..blob.len() - 4].to_vec()),
        ("garbage after it", [blob.as_slice(), b"garbage"].concat()),
        ("zeros after it", [blob.as_slice(), &[0; 512]].concat()),
        ("wrong checksum", wrong_checksum),
        ("header alone", blob[..10].to_vec()),
        ("zstd truncated", zstd[..zstd.len() - 5].to_vec()),
        ("zstd header alone", zstd[..5].to_vec()),
        ("zstd wrong checksum", wrong_zstd_checksum),
        ("zstd with garbage", [zstd.as_slice(), b"garbage"].concat()),
        ("zstd skippable cut off", skippable_cut_off),
        ("zstd with a window of 64 MiB", window),
    ] {
        let result = read_blob(&archive, blob);
        assert!(
            matches!(result, Err(SbomError::Inflate(_))),
            "{what}: {result:?}"
        );
    }
}

#[test]
fn a_damaged_archive_is_refused() {
    let archive = one_document();
    let mut wrong_checksum = archive.clone();
    wrong_checksum[0] ^= 1;
    let mut wrong_size = Tar::header(PATH.as_bytes(), b'0', 2);
    wrong_size.as_old_mut().size = *b"zzzzzzzzzzz\0";
    wrong_size.set_cksum();
    let longer_than_the_archive = Tar::header(PATH.as_bytes(), b'0', 1 << 40);
    let nothing_named = Tar::new().entry(b'L', "x", "/layers/y\0").done();
    for (what, archive) in [
        ("garbage", b"garbage".to_vec()),
        ("cut off in the document", archive[..513].to_vec()),
        ("cut off in the header", archive[..100].to_vec()),
        ("wrong checksum", wrong_checksum),
        ("wrong size", wrong_size.as_bytes().to_vec()),
        (
            "size without content",
            [longer_than_the_archive.as_bytes().as_slice(), b"{}"].concat(),
        ),
        ("nothing after a name", nothing_named),
    ] {
        let result = read_archive(&archive);
        let is_refused = matches!(result, Err(SbomError::Tar(_) | SbomError::Json { .. }));
        assert!(is_refused, "{what}: {result:?}");
    }
    assert!(read_archive(b"").unwrap().is_empty());
}

/// SBOM-5
#[test]
fn a_bomb_is_stopped_at_the_ratio() {
    let zeros = vec![0u8; 1 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..(RATIO_FLOOR >> 20) + 64 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(RATIO_FLOOR > 400 * bomb.len() as u64);
    let expected = Exceeded::Ratio {
        ratio: MAX_RATIO,
        bytes: RATIO_FLOOR,
    };
    let layer = layer(b"", &bomb);
    let result = read(&layer, bomb.into(), &LayerLimits::default());
    assert_eq!(exceeded(result), expected);
}

#[test]
fn a_small_repetitive_layer_is_no_bomb() {
    let document = format!("{{\"a\":[{}0]}}", "0,".repeat(4 << 20));
    let archive = Tar::new().file(PATH, &document).done();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&archive).unwrap();
    let blob = encoder.finish().unwrap();
    assert!(archive.len() as u64 > MAX_RATIO * blob.len() as u64);
    let documents = read_blob(&archive, blob).unwrap();
    assert_eq!(documents[0].content().length(), document.len() as u64);
    assert!(bytes(&documents[0]) == document.as_bytes());
}

/// SBOM-5
#[test]
fn limits_are_judged_exactly() {
    let archive = one_document();
    let blob = gzip(&archive);
    let layer = layer(&archive, &blob);
    let with = |limits: LayerLimits| read(&layer, blob.clone().into(), &limits);
    let exact = LayerLimits {
        compressed: blob.len() as u64,
        expanded: archive.len() as u64,
        entries: 1,
        path: PATH.len(),
        ..LayerLimits::default()
    };
    assert!(with(exact.clone()).is_ok());
    for (limits, expected) in [
        (
            LayerLimits {
                compressed: exact.compressed - 1,
                ..exact.clone()
            },
            Exceeded::Compressed(exact.compressed - 1),
        ),
        (
            LayerLimits {
                expanded: exact.expanded - 1,
                ..exact.clone()
            },
            Exceeded::Expanded(exact.expanded - 1),
        ),
        (
            LayerLimits {
                entries: 0,
                ..exact.clone()
            },
            Exceeded::Entries(0),
        ),
        (
            LayerLimits {
                path: PATH.len() - 1,
                ..exact.clone()
            },
            Exceeded::Path(PATH.len() - 1),
        ),
    ] {
        assert_eq!(exceeded(with(limits)), expected);
    }
}

/// SBOM-5
#[test]
fn entries_and_paths_are_limited_by_default() {
    let mut archive = Tar::new();
    for _ in 0..=MAX_ENTRIES {
        archive = archive.entry(b'5', "/layers/", "");
    }
    let result = read_archive(&archive.done());
    assert_eq!(exceeded(result), Exceeded::Entries(MAX_ENTRIES));
    let long = "x/".repeat(MAX_PATH / 2) + "x";
    let by_pax = Tar::new().pax(b'x', &[("path", long.as_bytes())]);
    let by_gnu = Tar::new().entry(b'L', "x", long.clone() + "\0");
    for archive in [by_pax, by_gnu] {
        let result = read_archive(&archive.file("x", "").done());
        assert_eq!(exceeded(result), Exceeded::Path(MAX_PATH));
    }
}

/// SBOM-4
#[test]
fn a_zstd_window_of_eight_mebibytes_is_read_and_no_larger_one() {
    let archive = one_document();
    // A frame without a checksum and of unknown length, with one raw block.
    let frame = |window: u8| {
        let block = (archive.len() << 3 | 1).to_le_bytes();
        let head = [0x28, 0xB5, 0x2F, 0xFD, 0, window];
        [&head, &block[..3], archive.as_slice()].concat()
    };
    let eight_mebibytes = 13 << 3;
    let read = read_blob(&archive, frame(eight_mebibytes));
    assert_eq!(read.unwrap().len(), 1);
    for window in [eight_mebibytes + 1, 15 << 3] {
        let result = read_blob(&archive, frame(window));
        assert!(matches!(result, Err(SbomError::Inflate(_))), "{result:?}");
    }
}

/// SBOM-11. Repetitions that only zstd sees: each document would have to be read
/// with all that lies before it.
#[test]
fn a_zstd_layer_whose_documents_cannot_be_kept_is_refused() {
    let blob = std::fs::read(testdata("sbom/zstd/long-repeats.tar.zst")).unwrap();
    let diff_id = std::fs::read_to_string(testdata("sbom/zstd/long-repeats.diffid")).unwrap();
    let layer = SbomLayer {
        diff_id: diff_id.trim().parse().unwrap(),
        ..layer(b"", &blob)
    };
    let result = read(&layer, blob.into(), &LayerLimits::default());
    assert!(matches!(exceeded(result), Exceeded::Kept(_)));
}

/// SBOM-7
#[test]
fn a_document_that_is_no_json_object_is_named() {
    let deep = format!("{{\"a\":{}", "[".repeat(20_000));
    for (text, reason) in [
        ("", JsonFault::NotAnObject),
        ("[]", JsonFault::NotAnObject),
        ("<bom/>", JsonFault::NotAnObject),
        ("\u{feff}{}", JsonFault::ByteOrderMark),
        ("{\"a\":NaN}", JsonFault::Unexpected),
        ("{\"a\":1", JsonFault::Truncated),
        ("{} {}", JsonFault::Trailing),
        (&deep, JsonFault::TooDeep),
    ] {
        let archive = Tar::new().file(PATH, text).done();
        match read_archive(&archive) {
            Err(SbomError::Json { path, source }) => {
                assert_eq!((path.as_str(), source.reason), (PATH, reason));
            }
            other => panic!("{text:.40}: {other:?}"),
        }
    }
}

#[test]
fn big_documents_are_not_kept_but_read_the_same() {
    let document = |seed: u64, items: usize| {
        let mut random = fastrand::Rng::with_seed(seed);
        let items: Vec<_> = (0..items).map(|_| random.u64(..).to_string()).collect();
        format!("{{\"a\":[{}]}}", items.join(","))
    };
    let (small, big, other) = (document(1, 10), document(2, 200_000), document(3, 150_000));
    let path = |name: &str| format!("/layers/sbom/launch/{name}/sbom.cdx.json");
    let archive = Tar::new()
        .file(path("a"), &small)
        .file(path("b"), &big)
        .file(path("c"), &other)
        .done();
    for blob in [archive.clone(), gzip(&archive)] {
        let documents = read_blob(&archive, blob).unwrap();
        for _ in 0..2 {
            assert!(bytes(&documents[0]) == small.as_bytes());
            assert!(bytes(&documents[1]) == big.as_bytes());
            assert!(bytes(&documents[2]) == other.as_bytes());
        }
    }
}

#[test]
fn small_documents_are_kept_up_to_a_total() {
    let document = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
    let mut archive = Tar::new();
    for index in 0..20 {
        let path = format!("/layers/sbom/launch/{index:02}/sbom.cdx.json");
        archive = archive.file(path, &document);
    }
    let documents = read_archive(&archive.done()).unwrap();
    assert_eq!(documents.len(), 20);
    assert!(documents.iter().all(|d| bytes(d) == document.as_bytes()));
}

#[test]
fn what_an_error_prints_cannot_steer_a_terminal() {
    let archive = Tar::new().file("/layers/\u{1b}[2J\u{202e}/..", "");
    let error = read_archive(&archive.done()).unwrap_err().to_string();
    assert!(error.contains(r"\u{1b}[2J\u{202e}"), "{error}");
}

#[test]
fn random_damage_never_panics_nor_gets_past_the_digests() {
    let archive = Tar::new()
        .pax(b'x', &[("path", PATH.as_bytes())])
        .file("x", "{\"a\":[1,2,3]}")
        .done();
    let zstd = std::fs::read(testdata("sbom/zstd/frames.tar.zst")).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for seed in [archive.clone(), gzip(&archive), zstd] {
        for _ in 0..1_500 {
            let mut blob = seed.clone();
            let at = random.usize(..blob.len());
            match random.u8(..3) {
                0 => blob[at] ^= 1 << random.u8(..8),
                1 => blob.truncate(at),
                _ => blob.insert(at, random.u8(..)),
            }
            // A correct manifest, so that the damage reaches the archive.
            let result = read_blob(&archive, blob.clone());
            if let Ok(documents) = result {
                assert_eq!(bytes(&documents[0]), b"{\"a\":[1,2,3]}");
            }
        }
    }
}
