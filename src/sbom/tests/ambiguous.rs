//! Archives that Go's `archive/tar` reads otherwise than the `tar` crate, or not
//! at all.

use super::hostile::{PATH, one_document, refused};
use super::*;

/// SBOM-6. Go reads a sparse file's map where others read the next header, and
/// takes its name only if there is a map; Solaris had an extended header `X`.
#[test]
fn an_entry_of_a_kind_that_not_all_readers_know_is_refused() {
    for kind in *b"SXNDMV8Z" {
        for name in [PATH, "/layers/other"] {
            let archive = Tar::new().entry(kind, name, "").file(PATH, "{}");
            let reason = "it is of a kind that readers understand differently";
            assert_eq!(refused(archive), reason, "{}", char::from(kind));
        }
    }
    for name in [PATH, "/layers/other"] {
        for sparse in [
            &[("GNU.sparse.name", name.as_bytes())][..],
            &[
                ("GNU.sparse.major", b"1".as_slice()),
                ("GNU.sparse.name", name.as_bytes()),
            ],
        ] {
            let archive = Tar::new().pax(b'x', sparse).file("x", "{}");
            let reason = "it is sparse, which readers understand differently";
            assert_eq!(refused(archive), reason);
        }
    }
}

/// SBOM-6
#[test]
fn extended_headers_that_go_refuses_or_passes_over_are_refused() {
    let empty = "a PAX header leaves its name or size empty";
    let key = "a PAX key is empty or holds a NUL byte";
    let value = "a PAX header holds a value that some readers refuse";
    for (record, reason) in [
        (("path", b"".as_slice()), empty),
        (("linkpath", b""), empty),
        (("size", b""), empty),
        (("", b"x"), key),
        (("a\0b", b"x"), key),
        (("mtime", b"soon"), value),
        (("mtime", b"."), value),
        (("ctime", b"1.2.3"), value),
        (("atime", b"1,5"), value),
        (("uid", b"root"), value),
        (("gid", b"9223372036854775808"), value),
        (("gname", b"a\0"), value),
        (("linkpath", b"a\0"), value),
    ] {
        let archive = Tar::new().pax(b'x', &[record]).file(PATH, "{}");
        assert_eq!(refused(archive), reason, "{record:?}");
    }
    for record in [
        ("mtime", b"-1350244992.023960108".as_slice()),
        ("mtime", b"1."),
        ("uid", b""),
        ("uname", b""),
        ("SCHILY.xattr.user.x", b"a\0b"),
    ] {
        let archive = Tar::new().pax(b'x', &[record]).file(PATH, "{}");
        let read = read_archive(&archive.done());
        assert_eq!(read.unwrap().len(), 1, "{record:?}");
    }
    let nul = Tar::new().pax(b'g', &[("a\0b", b"x")]).file(PATH, "{}");
    assert_eq!(refused(nul), key);
    let empty_name = Tar::new().entry(b'L', "x", "\0").file(PATH, "{}");
    assert_eq!(refused(empty_name), "a long name is empty");
    let forgotten = Tar::new().pax(b'x', &[("path", b"/layers/other")]);
    let forgotten = forgotten.pax(b'g', &[("comment", b"x")]).file(PATH, "{}");
    let reason = "a global header stands between an entry and its extended header";
    assert_eq!(refused(forgotten), reason);
}

/// SBOM-6
#[test]
fn headers_that_go_refuses_or_reads_otherwise_are_refused() {
    let with = |offset: usize, field: &[u8]| {
        let mut header = Tar::header(PATH.as_bytes(), b'0', 2);
        header.as_mut_bytes()[offset..offset + field.len()].copy_from_slice(field);
        header.set_cksum();
        let mut archive = Tar::new();
        archive.0.append(&header, b"{}".as_slice()).unwrap();
        archive
    };
    let number = "its header holds a number that readers understand differently";
    for (offset, field) in [
        (100, b"+000644\0".as_slice()),
        (108, b"\t000000\0"),
        (116, b"0000008\0"),
        (124, b"+0000000002\0"),
        (136, b"0000000000x\0"),
        (329, b"zzzzzzz\0"),
    ] {
        assert_eq!(refused(with(offset, field)), number, "{offset}");
    }
    let gnu_with = |prefix: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..PATH.len()].copy_from_slice(PATH.as_bytes());
        header.as_mut_bytes()[345..345 + prefix.len()].copy_from_slice(prefix);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(2);
        header.set_cksum();
        let mut archive = Tar::new();
        archive.0.append(&header, b"{}".as_slice()).unwrap();
        archive
    };
    let layout = "its header has a layout that readers understand differently";
    assert_eq!(refused(gnu_with(b"hidden")), layout);
    for times in [b"".as_slice(), b"14000000000\x0014000000000\0"] {
        let read = read_archive(&gnu_with(times).done());
        assert_eq!(read.unwrap().len(), 1, "{times:?}");
    }
}

/// SBOM-6
#[test]
fn an_archive_ends_with_two_blocks_of_zeros_or_with_its_last_entry() {
    let archive = one_document();
    let entries = archive.len() - 1024;
    let whole = |end: &[u8]| [&archive[..entries], end].concat();
    for end in [&[][..], &[0; 512], &[0; 1024], &[0; 9728]] {
        assert_eq!(read_archive(&whole(end)).unwrap().len(), 1);
    }
    let hidden = [&[0; 512], &archive[..entries]].concat();
    for end in [&[0; 1][..], &[0; 511], &[0; 513], &[0; 1023], &hidden] {
        let result = read_archive(&whole(end));
        assert!(matches!(result, Err(SbomError::Tar(_))), "{}", end.len());
    }
}
