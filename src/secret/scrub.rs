//! Text of others without the secrets of this run (`spec/decisions/0015`).
//!
//! A registry, its token service and a proxy are shown passwords and tokens, and
//! some of them repeat these in an error. So each text of theirs is compared with
//! every secret that they were shown, byte by byte, in all forms in which it may
//! have been written, whole or cut. A rule by form (the words behind
//! `Authorization:`) misses the form that nobody thought of.
//!
//! Every comparison takes time in proportion to the text and to the secrets, and
//! not to their product, whatever the text is: a hostile host chooses it. Pieces
//! are compared by their hashes alone. Two that collide hide a piece of text too
//! much.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Secret;
use super::forms::{self, SecretEncoding, View, folded};

/// Stands in the place of a secret.
const HIDDEN: char = '…';
/// Shorter secrets cannot be told from ordinary text: every line would show where
/// they are.
const SHORTEST: usize = 4;
/// Shorter ones are hidden only where they stand as a word of their own.
const SHORTEST_PIECE: usize = 6;
/// The bytes of a secret in a row that are hidden in our own lines too if they
/// have both letters and digits.
const MIXED_PIECE: usize = 8;
/// Pieces of this length are hidden there if they are most of the secret, and
/// no plain word.
const MOST_PIECE: usize = 10;
/// Pieces of this length are hidden there in any case.
const LONG_PIECE: usize = 16;
/// A secret of this length is a token: its pieces are hidden from
/// [`LONG_PIECE`] on in our own lines.
const TOKEN: usize = 64;
/// Servers accept no longer header, so that the bytes behind it are never sent.
const LONGEST: usize = 8 * 1024;
/// How many times text is escaped at most: JSON in JSON in a log that escapes, too.
const LAYERS: usize = 3;
/// The bytes of a piece that are looked up before the piece is looked for.
const ANCHOR: usize = 6;

/// The author of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// A line of ours, which may quote others. A secret that is a plain word
    /// may occur in it by chance.
    Ours,
    /// A text of others alone.
    Theirs,
}

/// The secrets that this run shows to others, wiped when they are forgotten.
/// Clones are the same secrets. Passwords of keys and keys are not among them:
/// nobody is shown them, and they would have to be kept until the end of the run.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<KnownSecrets>>);

#[derive(Default)]
struct KnownSecrets {
    values: Vec<Secret>,
    /// Hashes of pieces such that every piece that is hidden in a line of ours
    /// holds one; the shorter ones for secrets that are short themselves.
    anchors: HashSet<u64>,
    short_anchors: HashSet<u64>,
}

impl KnownSecrets {
    /// Adds the anchors of the pieces of `value`.
    fn add_anchors(&mut self, value: &[u8]) {
        forms::each(value, |form, bytes| {
            for HiddenPiece { length, .. } in rules(form, value, bytes.len(), Voice::Ours) {
                // In steps in which every piece of this length holds one whole
                // anchor.
                let (anchor, anchors) = match length {
                    ..ANCHOR => (SHORTEST, &mut self.short_anchors),
                    _ => (ANCHOR, &mut self.anchors),
                };
                anchors.extend(windows(bytes, anchor).step_by(length - anchor + 1));
            }
        });
    }
}

impl Secrets {
    /// Hides `value` from now on; of a very long value, its beginning. Lines that
    /// were printed before show it. May be called again with the same.
    pub fn remember(&self, value: &[u8]) {
        let value = value.get(..LONGEST).unwrap_or(value);
        if value.len() < SHORTEST {
            return;
        }
        let mut known = self.known();
        let is_known = known.values.iter().any(|other| other.expose() == value);
        if is_known {
            return;
        }
        known.add_anchors(value);
        known.values.push(Secret::new(value.to_vec()));
    }

    /// Wipes all secrets. From now on, nothing is hidden: it is for the end of a
    /// run, when its last error was printed.
    pub fn forget(&self) {
        *self.known() = KnownSecrets::default();
    }

    /// Hides a password, and the base64 of user and password as HTTP carries
    /// it. The user too, if that may be the secret: some registries take a
    /// token there.
    pub fn remember_login(&self, user: &str, password: &[u8]) {
        let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
        pair.extend_from_slice(user.as_bytes());
        pair.push(b':');
        pair.extend_from_slice(password);
        self.remember(Zeroizing::new(STANDARD.encode(&*pair)).as_bytes());
        self.remember(password);
        // People's names are shorter, or have no digit.
        let looks_made = user.len() >= 20 && user.bytes().any(|byte| byte.is_ascii_digit());
        if password.len() < SHORTEST || looks_made {
            self.remember(user.as_bytes());
        }
    }

    /// `text` with `…` in the place of every secret, and of every piece of a
    /// secret that is too long to occur by chance. `also` are hidden this once.
    /// The caller cuts afterwards: a secret that is cut could be too short to be
    /// found.
    pub fn scrubbed<'a>(&self, text: &'a str, voice: Voice, also: &[Secret]) -> Cow<'a, str> {
        let known = self.known();
        if text.is_empty() || (known.values.is_empty() && also.is_empty()) {
            return Cow::Borrowed(text);
        }
        let views = views(text);
        // Every line of the log passes here: most are done with a few look-ups.
        if voice == Voice::Ours && also.is_empty() && !known.may_be_in(&views) {
            return Cow::Borrowed(text);
        }
        let mut is_hidden = vec![false; text.len()];
        for view in &views {
            let values = known.values.iter().chain(also);
            hide(view, values, voice, &mut is_hidden);
        }
        if is_hidden.contains(&true) {
            Cow::Owned(shown(text, &is_hidden))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Also after a panic that held the lock: what is known then is hidden still.
    fn known(&self) -> MutexGuard<'_, KnownSecrets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl KnownSecrets {
    /// Whether a piece that would be hidden in a line of ours may be in one of
    /// the views: `false` is certain.
    fn may_be_in(&self, views: &[View]) -> bool {
        let any = |bytes: &[u8], length, anchors: &HashSet<u64>| {
            !anchors.is_empty() && windows(bytes, length).any(|window| anchors.contains(&window))
        };
        views.iter().any(|view| {
            let bytes = folded(&view.bytes);
            any(&bytes, ANCHOR, &self.anchors) || any(&bytes, SHORTEST, &self.short_anchors)
        })
    }
}

/// The text as it is, and without each layer of its escapes.
fn views(text: &str) -> Vec<View> {
    let mut views = vec![View::of(text)];
    for _ in 0..LAYERS {
        let Some(plain) = views.last().and_then(View::unescaped) else {
            break;
        };
        views.push(plain);
    }
    views
}

/// A piece of a form that is hidden.
#[derive(Clone, Copy)]
struct HiddenPiece {
    length: usize,
    place: Surroundings,
}

/// The surroundings in which a piece is hidden. Each later place includes the
/// earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Surroundings {
    /// A piece with both letters and digits.
    Mixed,
    /// A piece without a letter or digit beside it.
    Word,
    /// A piece that does not consist of letters alone.
    NoWord,
    Anywhere,
}

/// The pieces of a form of `value` that are hidden. `length` is the form's.
fn rules(
    form: SecretEncoding,
    value: &[u8],
    length: usize,
    voice: Voice,
) -> impl Iterator<Item = HiddenPiece> {
    let whole = value.len();
    let of = |length, place| Some(HiddenPiece { length, place });
    let [first, second] = match (form, voice) {
        (SecretEncoding::Plain, Voice::Theirs) if whole < SHORTEST_PIECE => {
            [of(whole, Surroundings::Word), None]
        }
        (SecretEncoding::Plain, Voice::Theirs) => {
            [of(SHORTEST_PIECE, Surroundings::Anywhere), None]
        }
        (SecretEncoding::Plain, Voice::Ours) => {
            let most = whole / 4 * 3;
            let main = match whole {
                ..LONG_PIECE if is_word(value) => None,
                ..SHORTEST_PIECE => of(whole, Surroundings::Word),
                SHORTEST_PIECE..MOST_PIECE => of(whole, Surroundings::Anywhere),
                _ if most < LONG_PIECE => of(most.max(MOST_PIECE), Surroundings::NoWord),
                _ => of(LONG_PIECE, Surroundings::Anywhere),
            };
            let has_pieces = (MIXED_PIECE..TOKEN).contains(&whole);
            [
                main,
                of(MIXED_PIECE, Surroundings::Mixed).filter(|_| has_pieces),
            ]
        }
        // The encoded form of so short a secret is only a few letters.
        (_, Voice::Ours) if whole < SHORTEST_PIECE => [None, None],
        // A longer encoded form is never a plain word.
        (SecretEncoding::Base64 | SecretEncoding::Hexadecimal, _) => {
            let bytes = match voice {
                Voice::Theirs => whole.min(SHORTEST_PIECE),
                Voice::Ours if whole < TOKEN => whole.min(MIXED_PIECE),
                Voice::Ours => LONG_PIECE,
            };
            let piece = match form {
                SecretEncoding::Hexadecimal => 2 * bytes,
                _ => (4 * bytes).div_ceil(3),
            };
            [of(piece.min(length), Surroundings::Anywhere), None]
        }
    };
    let fits =
        move |rule: &HiddenPiece| whole >= SHORTEST && (SHORTEST..=length).contains(&rule.length);
    [first, second].into_iter().flatten().filter(fits)
}

/// Whether a line of ours may have it by chance.
fn is_word(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphabetic) || value.iter().all(u8::is_ascii_digit)
}

/// Marks the bytes of the original that hold pieces of `values`.
fn hide<'a>(
    view: &View,
    values: impl Iterator<Item = &'a Secret>,
    voice: Voice,
    is_hidden: &mut [bool],
) {
    let bytes = folded(&view.bytes);
    let found = pieces(&bytes, values, voice);
    let lengths: HashSet<usize> = found.keys().map(|(length, _)| *length).collect();
    for length in lengths {
        for (start, window) in windows(&bytes, length).enumerate() {
            let range = start..start + length;
            let hides = found
                .get(&(length, window))
                .is_some_and(|place| place.holds(&bytes, start, length));
            if hides && let Some(hidden) = is_hidden.get_mut(view.origin(range)) {
                hidden.fill(true);
            }
        }
    }
}

/// The pieces of `values` that `text` may hold, by their lengths and hashes. A secret is
/// looked up in the text, and not the text in each secret.
fn pieces<'a>(
    text: &[u8],
    values: impl Iterator<Item = &'a Secret>,
    voice: Voice,
) -> HashMap<(usize, u64), Surroundings> {
    // The text's pieces by their lengths.
    let mut there: HashMap<usize, HashSet<u64>> = HashMap::new();
    let mut found: HashMap<(usize, u64), Surroundings> = HashMap::new();
    for value in values.map(Secret::expose) {
        forms::each(value, |form, form_bytes| {
            for HiddenPiece { length, place } in rules(form, value, form_bytes.len(), voice) {
                let there = match there.entry(length) {
                    Entry::Occupied(there) => there.into_mut(),
                    Entry::Vacant(entry) => entry.insert(windows(text, length).collect()),
                };
                for window in windows(form_bytes, length).filter(|window| there.contains(window)) {
                    let known = found.entry((length, window)).or_insert(place);
                    *known = place.max(*known);
                }
            }
        });
    }
    found
}

impl Surroundings {
    fn holds(self, text: &[u8], start: usize, length: usize) -> bool {
        let is_alphanumeric = |at: Option<usize>| {
            let byte = at.and_then(|at| text.get(at));
            byte.is_some_and(u8::is_ascii_alphanumeric)
        };
        let piece = text.get(start..start + length).unwrap_or_default();
        match self {
            Self::Anywhere => true,
            Self::NoWord => !piece.iter().all(u8::is_ascii_alphabetic),
            Self::Word => {
                !is_alphanumeric(start.checked_sub(1)) && !is_alphanumeric(Some(start + length))
            }
            Self::Mixed => {
                piece.iter().any(u8::is_ascii_digit) && piece.iter().any(u8::is_ascii_alphabetic)
            }
        }
    }
}

/// The text with one mark for every row of hidden characters.
fn shown(text: &str, is_hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut was_hidden = false;
    for (start, character) in text.char_indices() {
        let bytes = is_hidden.get(start..start + character.len_utf8());
        let hides = bytes.unwrap_or_default().contains(&true);
        match (hides, was_hidden) {
            (false, _) => shown.push(character),
            (true, false) => shown.push(HIDDEN),
            (true, true) => {}
        }
        was_hidden = hides;
    }
    shown
}

/// An odd number with its bits well mixed (2^64 by the golden ratio).
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hashes of all runs of `length` bytes, each computed from the one before
/// (Rabin and Karp), modulo 2^64. Each byte counts one more than it is, so that
/// zeros count.
fn windows(bytes: &[u8], length: usize) -> impl Iterator<Item = u64> {
    let next = |hash: u64, byte: u8| hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1);
    let leaving = (0..length).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = bytes
        .iter()
        .take(length)
        .fold(0, |hash, byte| next(hash, *byte));
    let (first, pairs) = match bytes.len() >= length {
        true => (Some(hash), bytes.get(length..).unwrap_or_default()),
        false => (None, [].as_slice()),
    };
    let others = pairs.iter().zip(bytes).map(move |(entering, left)| {
        let gone = leaving.wrapping_mul(u64::from(*left) + 1);
        hash = next(hash, *entering).wrapping_sub(gone);
        hash
    });
    first.into_iter().chain(others)
}

#[cfg(test)]
mod tests;
