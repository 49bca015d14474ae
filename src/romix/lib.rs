//! scrypt (RFC 7914) with r = 8, p = 1, the only parameters of cosign's keys.
//!
//! The `scrypt` crate computes the same and is what the signer's tests compare
//! this with. The difference is time: its SSE2 code does one step of Salsa20
//! after the other, and takes 171 ms where the four independent quarter-rounds
//! of scalar code keep more of a processor busy (100 ms, N = 65536, on an AMD
//! EPYC whose vector operations take two cycles). And memory that cannot be had
//! is an error here, where the crate ends the process.
//!
//! A package of its own, so that it is optimised in test builds too.

use std::io;
use std::sync::mpsc;
use std::thread;

use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

/// 64 bytes, the unit of Salsa20.
type Block = [u32; 16];
/// 2r blocks.
type Row = [Block; 16];
/// V comes in pieces of at most so many rows, 1 MiB.
const PIECE: u32 = 1024;

/// N, the number of rows of 1 KiB that scrypt fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost(u32);

impl Cost {
    /// The power of two, from 2^1 to 2^20 (1 GiB).
    pub fn of(n: u64) -> Option<Self> {
        let n = u32::try_from(n).ok()?;
        let is_good = n.is_power_of_two() && (2..=1 << 20).contains(&n);
        is_good.then_some(Self(n))
    }

    pub fn n(self) -> u32 {
        self.0
    }
}

/// Derives `output` from a password. Takes N KiB of memory while it computes,
/// which is given back to the system without being wiped.
///
/// # Errors
/// If the system does not have that much memory.
pub fn scrypt(password: &[u8], salt: &[u8], cost: Cost, output: &mut [u8]) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; size_of::<Row>()]);
    pbkdf2_hmac::<Sha256>(password, salt, 1, &mut *bytes);
    let mut row = Zeroizing::new(Row::default());
    let words = || bytes.as_chunks().0.iter();
    for (word, bytes) in row.as_flattened_mut().iter_mut().zip(words()) {
        *word = u32::from_le_bytes(*bytes);
    }
    mix_rows(&mut row, cost)?;
    let words = row.as_flattened().iter();
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    pbkdf2_hmac::<Sha256>(password, &*bytes, 1, output);
    Ok(())
}

/// scryptROMix of RFC 7914, section 5. N is even: two rows change places.
fn mix_rows(x: &mut Row, Cost(n): Cost) -> io::Result<()> {
    let mut y = Zeroizing::new(Row::default());
    let mut pieces: Vec<Vec<Row>> = Vec::new();
    fill(x, &mut y, &mut pieces, n)?;
    let rows = |x: &Row| {
        // N is a power of two.
        let index = x[15][0] & (n - 1);
        &pieces[(index / PIECE) as usize][(index % PIECE) as usize]
    };
    for _ in 0..n / 2 {
        mix(x, rows(x), &mut y);
        mix(&y, rows(&y), x);
    }
    Ok(())
}

/// Fills V. A sixth of the time that this takes is the kernel's, for 16384 new
/// pages: another thread gets them ahead of this one.
fn fill(x: &mut Row, y: &mut Row, pieces: &mut Vec<Vec<Row>>, n: u32) -> io::Result<()> {
    let rows = move |first: u32| PIECE.min(n - first) as usize;
    let new = move || {
        let firsts = (0..n).step_by(PIECE as usize);
        firsts.map(move |first| zeroed(rows(first)))
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let allocate = move || {
            for piece in new() {
                if sender.send(piece).is_err() {
                    break;
                }
            }
        };
        match thread::Builder::new().spawn_scoped(scope, allocate) {
            Ok(_) => fill_pieces(x, y, pieces, receiver),
            // The system grants no thread, and it takes a little longer.
            Err(_) => fill_pieces(x, y, pieces, new()),
        }
    })
}

fn fill_pieces(
    x: &mut Row,
    y: &mut Row,
    pieces: &mut Vec<Vec<Row>>,
    new: impl IntoIterator<Item = io::Result<Vec<Row>>>,
) -> io::Result<()> {
    for piece in new {
        let mut piece = piece?;
        for [first, second] in piece.as_chunks_mut().0 {
            *first = *x;
            mix(x, &[[0; 16]; 16], y);
            *second = *y;
            mix(y, &[[0; 16]; 16], x);
        }
        pieces.push(piece);
    }
    Ok(())
}

/// Memory whose pages are there.
fn zeroed(rows: usize) -> io::Result<Vec<Row>> {
    let mut piece = Vec::new();
    piece
        .try_reserve_exact(rows)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    piece.resize(rows, Row::default());
    Ok(piece)
}

/// scryptBlockMix of RFC 7914, section 4, on `x` XOR `row`.
#[inline(always)]
fn mix(x: &Row, row: &Row, y: &mut Row) {
    let mut last = x[15];
    xor(&mut last, &row[15]);
    for (index, (block, other)) in x.iter().zip(row).enumerate() {
        xor(&mut last, block);
        xor(&mut last, other);
        salsa20_8(&mut last);
        y[index / 2 + index % 2 * 8] = last;
    }
}

#[inline(always)]
fn xor(block: &mut Block, other: &Block) {
    for (word, other) in block.iter_mut().zip(other) {
        *word ^= other;
    }
}

/// Salsa20/8 of RFC 7914, section 3.
#[inline(always)]
fn salsa20_8(block: &mut Block) {
    let mut x = *block;
    for _ in 0..4 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 5, 9, 13, 1);
        quarter(&mut x, 10, 14, 2, 6);
        quarter(&mut x, 15, 3, 7, 11);
        quarter(&mut x, 0, 1, 2, 3);
        quarter(&mut x, 5, 6, 7, 4);
        quarter(&mut x, 10, 11, 8, 9);
        quarter(&mut x, 15, 12, 13, 14);
    }
    for (word, mixed) in block.iter_mut().zip(x) {
        *word = word.wrapping_add(mixed);
    }
}

#[inline(always)]
fn quarter(x: &mut Block, a: usize, b: usize, c: usize, d: usize) {
    x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
    x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
    x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
    x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
}
