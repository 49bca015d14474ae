use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::*;

/// The public vectors, which say for each case whether it holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    desc: String,
    want_err: bool,
}

fn node(text: &str) -> Option<Node> {
    STANDARD.decode(text).unwrap().try_into().ok()
}

impl Vector {
    fn holds(&self) -> bool {
        let path = self.proof.iter().flatten().map(|hash| node(hash));
        let (Some(path), Some(leaf)) = (path.collect::<Option<Vec<_>>>(), node(&self.leaf_hash))
        else {
            return false;
        };
        let root = root(self.leaf_idx, self.tree_size, &leaf, &path).ok();
        root.is_some() && root == node(&self.root)
    }
}

#[test]
fn the_public_vectors_come_out_as_they_say() {
    let vectors = include_str!("../../../testdata/proof/merkle/inclusion.json");
    let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
    assert_eq!(vectors.len(), 98);
    for vector in vectors {
        assert_eq!(vector.holds(), !vector.want_err, "{}", vector.desc);
    }
}

/// A tree as RFC 6962 defines it, by recursion.
fn root_of(leaves: &[Node]) -> Node {
    match leaves {
        [] => Sha256::digest(b"").into(),
        [leaf] => *leaf,
        _ => {
            let half = 1 << (leaves.len() - 1).ilog2();
            parent(&root_of(&leaves[..half]), &root_of(&leaves[half..]))
        }
    }
}

fn path_of(index: usize, leaves: &[Node]) -> Vec<Node> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let half = 1 << (leaves.len() - 1).ilog2();
    let (left, right) = leaves.split_at(half);
    let (mut path, other) = match index < half {
        true => (path_of(index, left), root_of(right)),
        false => (path_of(index - half, right), root_of(left)),
    };
    path.push(other);
    path
}

/// The tiles of a tree, by their paths, as a static log serves them.
fn served(leaves: &[Node]) -> BTreeMap<String, Vec<u8>> {
    let mut tiles = BTreeMap::new();
    let (mut level, mut hashes) = (0, leaves.to_vec());
    while !hashes.is_empty() {
        for (number, tile) in hashes.chunks(256).enumerate() {
            let tile_of = Tile {
                level,
                number: number as u64,
                width: tile.len() as u64,
            };
            tiles.insert(tile_of.path(), tile.concat());
        }
        hashes = hashes.chunks_exact(256).map(root_of).collect();
        level += 1;
    }
    tiles
}

#[test]
fn tiles_give_the_path_of_every_entry() {
    for size in [1usize, 2, 3, 7, 8, 255, 256, 257, 511, 513, 700, 66_000] {
        let leaves: Vec<Node> = (0..size).map(|index| leaf(&index.to_be_bytes())).collect();
        let (served, whole) = (served(&leaves), root_of(&leaves));
        let step = (size / 50).max(1);
        let indices = (0..size).step_by(step).chain([size / 2, size - 1]);
        for index in indices {
            let (at, of) = (index as u64, size as u64);
            let asked = tiles(at, of).unwrap();
            let hashes: BTreeMap<Tile, Vec<Node>> = asked
                .iter()
                .map(|tile| (*tile, tile.hashes(&served[&tile.path()]).unwrap()))
                .collect();
            let look = |tile: &Tile| hashes.get(tile).map(Vec::as_slice);
            let (found, path) = path_of_tiles(at, of, look).unwrap();
            assert_eq!(found, leaves[index], "{index} of {size}");
            if size < 1000 {
                assert_eq!(path, path_of(index, &leaves), "{index} of {size}");
            }
            assert_eq!(root(at, of, &found, &path), Ok(whole), "{index} of {size}");
        }
    }
}

#[test]
fn a_fuller_tile_does_as_well_as_a_partial_one() {
    let leaves: Vec<Node> = (0..300u64)
        .map(|index| leaf(&index.to_be_bytes()))
        .collect();
    let [tile] = tiles(1, 200).unwrap()[..] else {
        panic!("one tile holds 200 entries");
    };
    assert_eq!(
        (tile.path(), tile.full_path()),
        ("tile/0/000.p/200".to_owned(), "tile/0/000".to_owned())
    );
    let full = tile.hashes(&leaves[..256].concat()).unwrap();
    let (found, path) = path_of_tiles(1, 200, |_| Some(&full)).unwrap();
    let expected = root_of(&leaves[..200]);
    assert_eq!(root(1, 200, &found, &path), Ok(expected));
}

#[test]
fn tiles_are_numbered_in_groups_of_three_digits() {
    for (number, path) in [
        (0, "tile/2/000"),
        (999, "tile/2/999"),
        (1000, "tile/2/x001/000"),
        (1_234_067, "tile/2/x001/x234/067"),
    ] {
        let (level, width) = (2, 256);
        let tile = Tile {
            level,
            number,
            width,
        };
        assert_eq!(tile.path(), path);
        let partial = Tile { width: 8, ..tile };
        assert_eq!(partial.path(), format!("{path}.p/8"));
    }
}

#[test]
fn the_largest_numbers_are_handled() {
    let last = u64::MAX - 1;
    for (index, size) in [(0, u64::MAX), (last, u64::MAX), (1 << 63, u64::MAX)] {
        assert!(root(index, size, &[0; 32], &[]).is_err());
        let needed = siblings(index, size).count();
        assert!(needed <= DEEPEST);
        assert!(root(index, size, &[0; 32], &vec![[0; 32]; needed]).is_ok());
        assert!(tiles(index, size).unwrap().len() < 30);
        assert_eq!(path_of_tiles(index, size, |_| None), Err(PathError::Tile));
    }
    let outside = PathError::Outside { index: 5, size: 5 };
    assert_eq!(root(5, 5, &[0; 32], &[]), Err(outside));
    assert_eq!(tiles(5, 5), Err(outside));
    assert_eq!(path_of_tiles(5, 5, |_| None), Err(outside));
}

#[test]
fn a_tile_of_another_length_is_refused() {
    let [tile] = tiles(0, 3).unwrap()[..] else {
        panic!("one tile holds three entries");
    };
    for length in [0, 95, 97, 64, 257 * 32] {
        assert_eq!(
            tile.hashes(&vec![0; length]),
            Err(PathError::Tile),
            "{length}"
        );
    }
    assert_eq!(tile.hashes(&[0; 96]).unwrap().len(), 3);
}
