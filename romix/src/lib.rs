//! scrypt (RFC 7914) with r = 8, p = 1, the only parameters of cosign's keys.
//!
//! The `scrypt` crate computes the same and is what the signer's tests compare
//! this with. There are two differences, both in time. Its SSE2 code does one
//! step of Salsa20 after the other, and takes 171 ms where the four independent
//! quarter-rounds of the scalar code here keep more of a processor busy (109 ms,
//! N = 65536, on an AMD EPYC whose vector operations take two cycles). And its
//! 64 MiB come in 16384 pages, which the kernel needs 24 to 30 ms to make;
//! asked for huge pages it needs 3 ms.
//!
//! A package of its own, so that it is optimised in test builds too.

use std::io;

use memmap2::{Advice, MmapMut};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

/// 64 bytes, the unit of Salsa20.
type Block = [u32; 16];
const BLOCK: usize = size_of::<Block>();
/// 2r blocks.
type Row = [Block; 16];
const ROW: usize = size_of::<Row>();

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
    let mut bytes = Zeroizing::new([0; ROW]);
    pbkdf2_hmac::<Sha256>(password, salt, 1, &mut *bytes);
    let mut memory = MmapMut::map_anon(cost.n() as usize * ROW)?;
    // A kernel without huge pages refuses: then it takes a little longer.
    #[cfg(target_os = "linux")]
    let _advised = memory.advise(Advice::HugePage);
    let (rows, _) = memory.as_chunks_mut();
    mix_rows(&mut bytes, rows);
    pbkdf2_hmac::<Sha256>(password, &*bytes, 1, output);
    Ok(())
}

/// scryptROMix of RFC 7914, section 5. `rows` is V; they are N, an even number.
fn mix_rows(bytes: &mut [u8; ROW], rows: &mut [[u8; ROW]]) {
    let mut x = Zeroizing::new(Row::default());
    let mut y = Zeroizing::new(Row::default());
    load(bytes, &mut x);
    let (pairs, _) = rows.as_chunks_mut::<2>();
    for [first, second] in pairs {
        store(&x, first);
        mix(&x, &[0; ROW], &mut y);
        store(&y, second);
        mix(&y, &[0; ROW], &mut x);
    }
    for _ in 0..rows.len() / 2 {
        mix(&x, row(rows, &x), &mut y);
        mix(&y, row(rows, &y), &mut x);
    }
    store(&x, bytes);
}

/// Integerify: the row that `x` chooses.
fn row<'a>(rows: &'a [[u8; ROW]], x: &Row) -> &'a [u8; ROW] {
    // Both are far below 2^32, and the number of rows is a power of two.
    &rows[x[15][0] as usize & (rows.len() - 1)]
}

/// scryptBlockMix of RFC 7914, section 4, on `x` XOR `row`.
#[inline(always)]
fn mix(x: &Row, row: &[u8; ROW], y: &mut Row) {
    let (blocks, _) = row.as_chunks::<BLOCK>();
    let mut last = x[15];
    xor(&mut last, &blocks[15]);
    for (index, block) in x.iter().enumerate() {
        for (word, other) in last.iter_mut().zip(block) {
            *word ^= other;
        }
        xor(&mut last, &blocks[index]);
        salsa20_8(&mut last);
        y[index / 2 + index % 2 * 8] = last;
    }
}

#[inline(always)]
fn xor(block: &mut Block, bytes: &[u8; BLOCK]) {
    for (word, bytes) in block.iter_mut().zip(bytes.as_chunks().0) {
        *word ^= u32::from_le_bytes(*bytes);
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

fn load(bytes: &[u8; ROW], row: &mut Row) {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    for (block, bytes) in row.iter_mut().zip(blocks) {
        *block = [0; 16];
        xor(block, bytes);
    }
}

fn store(row: &Row, bytes: &mut [u8; ROW]) {
    let words = row.as_flattened().iter();
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}
