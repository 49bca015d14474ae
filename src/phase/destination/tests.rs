use super::*;

fn found(path: &Path) -> Destination {
    Destination::find(path, &[], Instant::now()).unwrap()
}

/// SIG-39
#[test]
fn a_file_is_replaced_in_one_step_and_others_names_of_it_keep_what_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("receipt"), folder.path().join("other"));
    fs::write(&path, "old").unwrap();
    fs::hard_link(&path, &other).unwrap();
    found(&path).write(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::read(&other).unwrap(), b"old");
}

#[test]
fn what_is_written_in_place_is_the_new_text_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipt");
    for (old, new) in [
        ("", "new"),
        ("old", "newer"),
        ("older one", "new"),
        ("old", "new"),
    ] {
        fs::write(&path, old).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        overwrite(&file, new.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), new);
    }
}

/// A sealed memory file may not grow, as if the disk were full.
/// SIG-39
#[test]
fn what_stood_there_stays_until_the_new_text_has_its_room() {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let mut file = File::from(memfd_create(c"receipt", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    file.write_all(b"old").unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
    assert!(overwrite(&file, b"a longer one").is_err());
    let mut text = [0; 3];
    file.read_exact_at(&mut text, 0).unwrap();
    assert_eq!(&text, b"old");
    overwrite(&file, b"ok").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2);
}

/// SIG-39
#[test]
fn a_descriptor_is_written_to_although_it_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipt");
    fs::write(&path, "old").unwrap();
    let held = File::open(&path).unwrap();
    let descriptor = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    assert!(is_descriptor(&descriptor));
    assert!(!is_descriptor(&path));
    found(&descriptor).write(b"new").unwrap();
    let mut text = [0; 3];
    held.read_exact_at(&mut text, 0).unwrap();
    assert_eq!(&text, b"new");
}

#[test]
fn an_input_is_known_by_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let (key, link) = (folder.path().join("key"), folder.path().join("link"));
    fs::write(&key, "a key").unwrap();
    std::os::unix::fs::symlink(&key, &link).unwrap();
    let input = Input::find(&key, "the key".to_owned()).unwrap();
    for path in [&key, &link] {
        let error =
            Destination::find(path, std::slice::from_ref(&input), Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "it is the key of this run");
    }
    assert!(Input::find(Path::new("/dev/null"), String::new()).is_none());
}
