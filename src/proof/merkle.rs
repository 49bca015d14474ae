//! Merkle trees as logs build them (RFC 6962, section 2.1; RFC 9162, section
//! 2.1.3), and the tiles in which static logs serve theirs (C2SP tlog-tiles
//! v1.0.0).
//!
//! Whether a root is the log's own is for [`checkpoint`](super::checkpoint) to
//! say.

use sha2::{Digest as _, Sha256};

/// The hash of an entry, or of everything below a point of the tree.
pub type Node = [u8; 32];

/// The most hashes of an inclusion path: one for each bit of an index.
pub const DEEPEST: usize = 64;

/// The levels of a tree that a tile spans, and the hashes of a full tile: the sizes
/// that tlog-tiles fixes.
const TILE_LEVELS: u32 = 8;
const TILE_WIDTH: u64 = 1 << TILE_LEVELS;

/// A path that proves nothing. Its numbers are what somebody claims.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("its index {index} is not in a tree of {size} entries")]
    Outside { index: u64, size: u64 },
    #[error("its inclusion proof has {found} hashes in place of {needed}")]
    Length { found: usize, needed: usize },
    #[error("a tile of the log has not the hashes that its tree has")]
    Tile,
}

debug_as_display!(PathError);

/// The hash of an entry. The first byte, 0 here and 1 in [`parent`], keeps two nodes
/// from being shown as one entry (RFC 6962, section 2.1).
pub fn leaf(entry: &[u8]) -> Node {
    let hash = Sha256::new().chain_update([0]).chain_update(entry);
    hash.finalize().into()
}

/// The hash of two nodes beside each other.
pub fn parent(left: &Node, right: &Node) -> Node {
    let hash = Sha256::new().chain_update([1]).chain_update(left);
    hash.chain_update(right).finalize().into()
}

/// The root of a tree of `size` entries that `path` leads to from the leaf at
/// `index`, from below upwards. It proves something once a log has signed that root
/// with that size: any numbers and hashes lead to some root.
///
/// # Errors
/// On an index outside of the tree, and on a path of another length.
pub fn root(index: u64, size: u64, leaf: &Node, path: &[Node]) -> Result<Node, PathError> {
    if index >= size {
        return Err(PathError::Outside { index, size });
    }
    let mut hash = *leaf;
    let mut hashes = path.iter();
    // RFC 9162, section 2.1.3.2: the length of the path follows from index and size. A
    // path with a hash left over proves as little as one that ends too early.
    let needed = siblings(index, size).count();
    for sibling in siblings(index, size) {
        let found = path.len();
        let other = hashes.next().ok_or(PathError::Length { found, needed })?;
        hash = match sibling.side {
            Side::Left => parent(other, &hash),
            Side::Right => parent(&hash, other),
        };
    }
    match hashes.next() {
        None => Ok(hash),
        Some(_) => Err(PathError::Length {
            found: path.len(),
            needed,
        }),
    }
}

/// A node that is hashed together with one on the path from a leaf to the root: an item
/// of an inclusion proof.
#[derive(Clone, Copy, Debug)]
struct Sibling {
    side: Side,
    /// The first entry below it, and the one after the last.
    first: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Left,
    Right,
}

/// The siblings from the leaf at `index` up to the root of a tree of `size`
/// entries; `index` is less than `size`, which callers have checked. So `size - 1` and
/// `node - 1` do not wrap.
fn siblings(index: u64, size: u64) -> impl Iterator<Item = Sibling> {
    (0..u64::BITS).filter_map(move |level| {
        // The node of this level above the leaf, and the last one of the level.
        let (node, last) = (index >> level, (size - 1) >> level);
        let width = 1u64 << level;
        if node % 2 == 1 {
            let first = (node - 1) * width;
            let end = node * width;
            return Some(Sibling {
                side: Side::Left,
                first,
                end,
            });
        }
        // The last node of a level rises alone. A sibling at the right edge has fewer
        // entries below it than its width; sizes near 2^64 saturate.
        (node < last).then(|| Sibling {
            side: Side::Right,
            first: (node + 1) * width,
            end: (node + 1).saturating_add(1).saturating_mul(width).min(size),
        })
    })
}

/// A tile: the hashes `number * 256` and following of every eighth level of a
/// tree. The levels between are computed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Counted in tiles: its hashes are those of level `level * 8` of the tree.
    level: u32,
    number: u64,
    /// The hashes that it has; fewer than 256 at the right edge of the tree.
    width: u64,
}

impl Tile {
    /// Its path below the log's address: `tile/<level>/<number>`, with
    /// `.p/<width>` if it is not full. A number has groups of three digits, all but the
    /// last with an `x`: `x001/234`.
    pub fn path(&self) -> String {
        match self.width {
            TILE_WIDTH => self.full_path(),
            width => format!("{}.p/{width}", self.full_path()),
        }
    }

    /// The path of the full tile, which may be all that is left when the tree
    /// has grown.
    pub fn full_path(&self) -> String {
        let mut number = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        format!("tile/{}/{number}", self.level)
    }

    /// The hashes of a served tile, of which a fuller one has more than asked; those
    /// are never looked at. Whether they are the log's shows when the root is computed.
    ///
    /// # Errors
    /// On fewer bytes, on more than a tile can have, and on half a hash.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Node>, PathError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = (self.width..=TILE_WIDTH).contains(&(hashes.len() as u64));
        match fits && rest.is_empty() {
            true => Ok(hashes.to_vec()),
            false => Err(PathError::Tile),
        }
    }

    /// The tile of a tree of `size` entries that holds the root of the complete
    /// subtree of `1 << level` entries from `first` on, and the tile's hashes
    /// below that. It is complete, so that its hashes lie in one tile side by side: in
    /// the one of the level at or under its root.
    fn of_subtree(first: u64, level: u32, size: u64) -> (Self, std::ops::Range<u64>) {
        let tile_level = level / TILE_LEVELS;
        let below = tile_level * TILE_LEVELS;
        let position = first >> below;
        let number = position / TILE_WIDTH;
        let all = size >> below;
        let tile = Self {
            level: tile_level,
            number,
            width: (all - number * TILE_WIDTH).min(TILE_WIDTH),
        };
        let start = position % TILE_WIDTH;
        (tile, start..start + (1 << (level - below)))
    }
}

/// The complete subtrees that the entries from `first` to `end` consist of, from
/// left to right: the first entry and level of each. `first` is a multiple of
/// the largest, as that of each sibling is, so that each fits where it stands.
fn subtrees(mut first: u64, end: u64) -> impl Iterator<Item = (u64, u32)> {
    std::iter::from_fn(move || {
        let level = (end - first).checked_ilog2()?;
        let subtree = (first, level);
        first += 1 << level;
        Some(subtree)
    })
}

/// The tiles that hold the leaf at `index` and its path to the root of a tree of
/// `size` entries, each once. All of them can be fetched at the same time.
///
/// # Errors
/// On an index outside of the tree.
pub fn tiles(index: u64, size: u64) -> Result<Vec<Tile>, PathError> {
    if index >= size {
        return Err(PathError::Outside { index, size });
    }
    let of_path = siblings(index, size).flat_map(|sibling| subtrees(sibling.first, sibling.end));
    let all = std::iter::once((index, 0)).chain(of_path);
    let mut tiles: Vec<Tile> = all
        .map(|(first, level)| Tile::of_subtree(first, level, size).0)
        .collect();
    tiles.sort_unstable();
    tiles.dedup();
    Ok(tiles)
}

/// The leaf at `index`, and its path to the root of a tree of `size` entries,
/// from the hashes of its [`tiles`]. Both are only as good as the tiles: the caller
/// compares the leaf with its entry, and the root with a signed checkpoint.
///
/// # Errors
/// On an index outside of the tree, and on a tile that `hashes` has not.
pub fn path_of_tiles<'a>(
    index: u64,
    size: u64,
    hashes: impl Fn(&Tile) -> Option<&'a [Node]>,
) -> Result<(Node, Vec<Node>), PathError> {
    if index >= size {
        return Err(PathError::Outside { index, size });
    }
    let subtree = |(first, level)| {
        let (tile, range) = Tile::of_subtree(first, level, size);
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        complete(hashes(&tile)?.get(range)?)
    };
    let found = subtree((index, 0)).ok_or(PathError::Tile)?;
    let mut path = Vec::new();
    for sibling in siblings(index, size) {
        let parts: Option<Vec<Node>> = subtrees(sibling.first, sibling.end).map(subtree).collect();
        // Incomplete siblings are hashed from the right: the smallest subtree is the
        // deepest (RFC 6962, section 2.1).
        let node = parts.and_then(|parts| {
            parts
                .into_iter()
                .rev()
                .reduce(|right, left| parent(&left, &right))
        });
        path.push(node.ok_or(PathError::Tile)?);
    }
    Ok((found, path))
}

/// The root of a complete tree over `nodes`, a power of two of them.
fn complete(nodes: &[Node]) -> Option<Node> {
    let mut level = nodes.to_vec();
    while level.len() > 1 {
        let (pairs, rest) = level.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        level = pairs
            .iter()
            .map(|[left, right]| parent(left, right))
            .collect();
    }
    level.first().copied()
}

#[cfg(test)]
mod tests;
