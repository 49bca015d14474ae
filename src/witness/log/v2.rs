//! Rekor v2 (rekor-tiles v2.3). An entry comes back with the next checkpoint.
//!
//! A signature that the log has already is answered with its index alone. The
//! entry is made from the log's checkpoint and tiles then, which are files under
//! the same address (C2SP tlog-tiles v1.0.0). Signatures are deterministic, so that a run
//! which died between log and registry always comes here when it is repeated; sigstore-go
//! has no such way (sigstore-go#647).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::ask::{Asking, LogAnswer};
use crate::http::StatusCode;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{
    EntryError, Inclusion, LogEntry, RekorVersion, checkpoint_v2, leaf_v2, request,
};
use crate::proof::merkle::{Node, Tile, path_of_tiles, tiles};
use crate::proof::trust::root::LogKey;
use crate::service::{ServiceError, Trouble};

const ENTRIES: &str = "api/v2/log/entries";
const CHECKPOINT: &str = "api/v2/checkpoint";
const INDEX: &str = "x-log-index";

/// How long an entry may take to get into a checkpoint, and how often that is
/// looked at. A checkpoint may be 20 s away; the client's patience may be shorter.
const INTEGRATION: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(1);

/// Enters the signature, or finds its entry.
pub(super) async fn enter(asking: &Asking<'_>) -> Result<LogEntry, ServiceError> {
    let body = request(RekorVersion::V2, asking.signature);
    let body = body.map_err(|error| asking.unsent(&error))?;
    let length = body.length();
    let answered = asking.send_entry(ENTRIES, body).await?;
    match answered.status() {
        // 201, once the entry is in a checkpoint.
        StatusCode::OK | StatusCode::CREATED => asking.entry(RekorVersion::V2, &answered),
        StatusCode::CONFLICT => {
            let index = answered
                .response
                .header(INDEX)
                .and_then(|text| text.parse().ok());
            let reason = "it has the signature, and does not say where";
            let index = index.ok_or_else(|| asking.useless(&answered.action, reason))?;
            asking.claims.note(asking.service, index);
            recover(asking, index).await
        }
        _ => Err(asking.refused(answered, length)),
    }
}

/// The entry at `index` of the log's tree (EVD-37):
///
/// 1. a checkpoint of a tree that has the index, signed by a log of the trusted root;
/// 2. the tiles on the way from the leaf to its root, all at the same time;
/// 3. the leaf has to be that of our own body;
/// 4. the path and the checkpoint make the entry, which is judged like any other.
async fn recover(asking: &Asking<'_>, index: u64) -> Result<LogEntry, ServiceError> {
    let SignedCheckpoint {
        answered,
        note,
        checkpoint,
        log,
    } = integrated(asking, index).await?;
    let unproven = |error: EntryError| asking.unproven(&answered, &error);
    let size = checkpoint.size;
    let needed = tiles(index, size).map_err(|error| unproven(error.into()))?;
    let hashes = needed.into_iter().map(|tile| async move {
        let hashes = read(asking, &tile).await?;
        Ok::<_, ServiceError>((tile, hashes))
    });
    let hashes: HashMap<Tile, Vec<Node>> = try_join_all(hashes).await?.into_iter().collect();
    let known = |tile: &Tile| hashes.get(tile).map(Vec::as_slice);
    let (leaf, path) = path_of_tiles(index, size, known).map_err(|error| unproven(error.into()))?;
    if leaf != leaf_v2(asking.signature).map_err(unproven)? {
        return Err(unproven(EntryError::Other));
    }
    let inclusion = Inclusion {
        index,
        size,
        root: checkpoint.root,
        hashes: path,
        checkpoint: note,
    };
    LogEntry::of_inclusion(inclusion, &log.id, asking.signature, asking.root).map_err(unproven)
}

/// A checkpoint that a log of the trusted root signed. Its log need not be the one whose
/// URL the signing config has: the address for reading may differ.
struct SignedCheckpoint<'a> {
    answered: LogAnswer,
    note: String,
    checkpoint: Checkpoint,
    log: &'a LogKey,
}

/// The first checkpoint of a tree that has the entry at `index`. A conflict is answered
/// from memory before the entry is in the tree.
async fn integrated<'a>(
    asking: &Asking<'a>,
    index: u64,
) -> Result<SignedCheckpoint<'a>, ServiceError> {
    let (patience, began) = (asking.client.patience(INTEGRATION), Instant::now());
    loop {
        let answered = asking.get(CHECKPOINT).await?;
        if answered.status() != StatusCode::OK {
            return Err(asking.refused(answered, 0));
        }
        let note = String::from_utf8_lossy(&answered.response.body).into_owned();
        let (checkpoint, log) = checkpoint_v2(&note, asking.root)
            .map_err(|error| asking.unproven(&answered, &error))?;
        if index < checkpoint.size {
            return Ok(SignedCheckpoint {
                answered,
                note,
                checkpoint,
                log,
            });
        }
        if began.elapsed() + INTERVAL > patience {
            let size = checkpoint.size;
            let reason = format!("its tree of {size} entries has none at index {index} yet");
            let action = answered.action;
            return Err(asking.fault(Trouble::Unproven { action, reason }));
        }
        sleep(INTERVAL).await;
    }
}

/// The hashes of a tile. When the tree has grown, a tile may be there in full
/// alone: logs may delete partial ones then.
async fn read(asking: &Asking<'_>, tile: &Tile) -> Result<Vec<Node>, ServiceError> {
    let path = |path: String| format!("api/v2/{path}");
    let mut answered = asking.get(&path(tile.path())).await?;
    if answered.status() == StatusCode::NOT_FOUND && tile.path() != tile.full_path() {
        answered = asking.get(&path(tile.full_path())).await?;
    }
    if answered.status() != StatusCode::OK {
        return Err(asking.refused(answered, 0));
    }
    let hashes = tile.hashes(&answered.response.body);
    hashes.map_err(|error| asking.unproven(&answered, &error.into()))
}
