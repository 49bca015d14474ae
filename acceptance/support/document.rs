//! The parts of `spec/interop.md` that tests write from what they have run, each
//! between `<!-- part: name -->` and `<!-- end -->`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::package;

/// With this variable set, the tests write the parts instead of comparing them.
pub const WRITE: &str = "SIGNER_WRITE_INTEROP";

/// Parts are written one after the other.
static FILE: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    package("spec/interop.md")
}

/// The text before, in and after a part.
fn split<'a>(whole: &'a str, part: &str) -> (&'a str, &'a str, &'a str) {
    let begin = format!("<!-- part: {part} -->\n");
    let start = whole.find(&begin).expect("the part's begin") + begin.len();
    let length = whole[start..].find("<!-- end -->").expect("its end");
    let (before, rest) = whole.split_at(start);
    let (text, after) = rest.split_at(length);
    (before, text, after)
}

/// The part as it is committed.
pub fn committed(part: &str) -> String {
    let whole = std::fs::read_to_string(path()).expect("spec/interop.md");
    split(&whole, part).1.trim().to_owned()
}

/// # Panics
/// If the committed part is not what a test has found, unless it is to be written.
#[track_caller]
pub fn documented(part: &str, found: &str) {
    if std::env::var_os(WRITE).is_none() {
        let committed = committed(part);
        assert_eq!(
            committed,
            found.trim(),
            "spec/interop.md is out of date: set {WRITE}=1 to write what was found"
        );
        return;
    }
    let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = std::fs::read_to_string(path()).expect("spec/interop.md");
    let (before, _, after) = split(&whole, part);
    let whole = format!("{before}\n{}\n\n{after}", found.trim());
    std::fs::write(path(), whole).expect("spec/interop.md");
}
