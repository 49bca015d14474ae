//! Entries of an archive: which are documents, and which are refused.

use super::hostile::{PATH, exceeded, refused};
use super::{Document, LayerLimits, SbomError, Tar, bytes, layer, paths, read, read_archive};
use crate::sbom::Exceeded;

#[test]
fn only_documents_are_taken() {
    let launch = "/layers/sbom/launch";
    let archive = Tar::new()
        .entry(b'5', "/layers", "")
        .entry(b'5', format!("{launch}/y/sbom.cdx.json"), "")
        .entry(b'0', format!("{launch}/y/sbom.cdx.json/"), "")
        .entry(b'2', format!("{launch}/link"), "")
        .file(format!("{launch}/sbom.legacy.json"), "null")
        .file(format!("{launch}/x/sbom.json"), "no JSON")
        .file(format!("{launch}/x/xsbom.cdx.json"), "no JSON")
        .file(format!("{launch}/x/sbom.cdx.json.bak"), "no JSON")
        .file(format!("{launch}/x/.wh.sbom.cdx.json"), "")
        .file("/layers/sbom/build/x/sbom.cdx.json", "no JSON")
        .file("/layers/sbom.cdx.json", "no JSON")
        .file("/sbom.cdx.json", "no JSON")
        .file("/other/sbom/launch/x/sbom.cdx.json", "{}")
        .file("./layers//sbom/launch/z/sbom.syft.json", "{}")
        .file("layers/sbom/launch/a/any.sbom.spdx.json", "{}")
        .file(format!("{launch}/sbom.cdx.json"), " {\"a\":1e400}\n")
        .done();
    let documents = read_archive(&archive).unwrap();
    let expected = ["a/any.sbom.spdx.json", "sbom.cdx.json", "z/sbom.syft.json"];
    let expected = expected.map(|name| format!("{launch}/{name}"));
    assert_eq!(paths(&documents), expected);
    assert_eq!(bytes(&documents[1]), b" {\"a\":1e400}\n");
    let exceeds: Vec<_> = documents.iter().map(Document::exceeds_float64).collect();
    assert_eq!(exceeds, [false, true, false]);
}

#[test]
fn another_launch_folder_counts_if_the_layers_folder_has_none() {
    let archive = Tar::new()
        .file("/opt/l/sbom/launch/x/sbom.cdx.json", "{}")
        .file("/layers/sbom/launch/sbom.legacy.json", "null")
        .done();
    let documents = read_archive(&archive).unwrap();
    assert_eq!(paths(&documents), ["/opt/l/sbom/launch/x/sbom.cdx.json"]);
    let mut layer = layer(&archive, &archive);
    for layers_dir in ["/opt/l", "/opt//l/", "/opt/./l"] {
        layer.layers_dir = layers_dir.to_owned();
        let documents = read(&layer, archive.clone().into(), &LayerLimits::default());
        assert_eq!(documents.unwrap().len(), 1);
    }
}

#[test]
fn long_names_are_read_in_both_forms() {
    let long = format!("/layers/sbom/launch/{}/sbom.cdx.json", "x".repeat(300));
    let by_gnu = Tar::new().entry(b'L', "././@LongLink", long.clone() + "\0");
    let by_pax = Tar::new().pax(b'x', &[("path", long.as_bytes()), ("mtime", b"1.5")]);
    let with_a_newline = Tar::new().pax(
        b'x',
        &[("comment", b"a\n9 path=b"), ("path", long.as_bytes())],
    );
    for archive in [by_gnu, by_pax, with_a_newline] {
        let archive = archive.file("cut", "{}").file(PATH, "{}").done();
        let documents = read_archive(&archive).unwrap();
        assert_eq!(paths(&documents), [PATH, &long]);
    }
}

/// SBOM-6
#[test]
fn paths_that_mean_two_things_are_refused() {
    for name in [
        "../layers/sbom/launch/x/sbom.cdx.json",
        "/layers/sbom/launch/../launch/x/sbom.cdx.json",
        "/layers/sbom/launch/x/..",
        "..",
    ] {
        let archive = Tar::new().file(name, "{}");
        assert_eq!(refused(archive), "its path holds `..`", "{name}");
    }
    let name = b"/layers/sbom/launch/x\0/sbom.cdx.json";
    let nul_by_pax = Tar::new().pax(b'x', &[("path", name)]).file("x", "{}");
    let nul_by_gnu = Tar::new().entry(b'L', "x", name).file("x", "{}");
    for archive in [nul_by_pax, nul_by_gnu] {
        assert_eq!(refused(archive), "its path holds a NUL byte");
    }
    let not_utf8 = Tar::new().file(b"/layers/sbom/launch/\xff/sbom.cdx.json", "{}");
    assert_eq!(refused(not_utf8), "its path is not UTF-8");
    for second in [PATH, "layers/sbom/launch/./x//sbom.cdx.json"] {
        let twice = Tar::new().file(PATH, "{}").file(second, "{}");
        assert_eq!(refused(twice), "the path stands twice in the layer");
    }
}

/// SBOM-6
#[test]
fn a_document_that_is_no_regular_file_is_refused() {
    for kind in *b"123467" {
        let archive = Tar::new().entry(kind, PATH, "");
        assert_eq!(
            refused(archive),
            "an SBOM document must be a regular file",
            "{}",
            char::from(kind)
        );
    }
}

/// SBOM-6
#[test]
fn headers_that_disagree_are_refused() {
    let agreeing = Tar::new().pax(b'x', &[("size", b"2"), ("path", PATH.as_bytes())]);
    let agreeing = agreeing.file(PATH, "{}").done();
    assert_eq!(read_archive(&agreeing).unwrap().len(), 1);
    for size in [b"0".as_slice(), b"3", b"1024"] {
        let lie = Tar::new().pax(b'x', &[("size", size)]).file(PATH, "{}");
        assert_eq!(refused(lie), "its headers disagree on its size");
    }
    let two_names = Tar::new()
        .pax(b'x', &[("path", PATH.as_bytes())])
        .entry(b'L', "x", "/harmless\0")
        .file("x", "{}");
    assert_eq!(refused(two_names), "its headers disagree on its path");
    let twice = Tar::new().entry(b'L', "x", "/a\0").entry(b'L', "x", "/a\0");
    let twice = twice.file("x", "{}");
    assert_eq!(
        refused(twice),
        "an entry has two extended headers of one kind"
    );
    let link = Tar::new()
        .entry(b'2', "/layers/link", "content")
        .file(PATH, "{}");
    assert_eq!(refused(link), "it is no file, but has content");
    let global = Tar::new().pax(b'g', &[("path", b"/x")]).file(PATH, "{}");
    let reason = "a global header names or sizes the entries after it";
    assert_eq!(refused(global), reason);
    let harmless = Tar::new().pax(b'g', &[("comment", b"x")]).file(PATH, "{}");
    assert_eq!(read_archive(&harmless.done()).unwrap().len(), 1);
}

/// Go's `archive/tar` reads a prefix or an extended header here, the `tar`
/// crate none, or another.
#[test]
fn a_header_of_an_unknown_layout_is_refused() {
    let with = |kind: u8, version: [u8; 2], prefix: &[u8], trailer: &[u8]| {
        let mut header = Tar::header(b"sbom.cdx.json", kind, 2);
        let ustar = header.as_ustar_mut().unwrap();
        ustar.version = version;
        ustar.prefix[..prefix.len()].copy_from_slice(prefix);
        header.as_mut_bytes()[508..508 + trailer.len()].copy_from_slice(trailer);
        header.set_cksum();
        let mut archive = Tar::new();
        archive.0.append(&header, b"{}".as_slice()).unwrap();
        archive.file(PATH, "{}")
    };
    let reason = "its header has a layout that readers understand differently";
    let folder = b"layers/sbom/launch";
    for kind in [b'0', b'x', b'L', b'g'] {
        assert_eq!(refused(with(kind, *b"01", folder, b"")), reason);
    }
    for kind in [b'x', b'g', b'L', b'K'] {
        let mut header = tar::Header::new_old();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(0);
        header.set_cksum();
        let mut archive = Tar::new();
        archive.0.append(&header, b"".as_slice()).unwrap();
        assert_eq!(refused(archive.file(PATH, "{}")), reason);
    }
    let long = format!("{}/layers/sbom/launch", "./".repeat(56));
    assert_eq!(long.len(), 131);
    assert_eq!(
        refused(with(b'0', *b"00", long.as_bytes(), b"tar\0")),
        reason
    );
    for (prefix, trailer) in [
        (folder.as_slice(), b"tar\0".as_slice()),
        (long.as_bytes(), b""),
    ] {
        let archive = with(b'0', *b"00", prefix, trailer);
        assert_eq!(read_archive(&archive.done()).unwrap().len(), 2);
    }
}

#[test]
fn malformed_pax_records_are_refused() {
    for records in [
        "x",
        "5 a=b",
        "6 a=b",
        "99 a=b\n",
        "+6 a=b\n",
        "3 a=b\n",
        "0 \n",
        "6 abc\n",
        "11 size=-1\n",
        "18446744073709551616 a=b\n",
        " 6 a=b\n",
    ] {
        let archive = Tar::new().entry(b'x', "x", records).file(PATH, "{}").done();
        let result = read_archive(&archive);
        assert!(
            matches!(result, Err(SbomError::Tar(_))),
            "{records:?}: {result:?}"
        );
    }
}

/// SBOM-5
#[test]
fn an_extended_header_is_never_read_at_its_own_word() {
    for kind in *b"xgL" {
        let header = Tar::header(b"x", kind, 3 << 20);
        let result = read_archive(header.as_bytes());
        assert_eq!(exceeded(result), Exceeded::ExtendedHeader(1 << 20));
    }
}
