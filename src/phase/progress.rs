//! The log of slow uploads: a line every ten seconds, as long
//! as bytes are on their way.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use tracing::info;

use crate::attach::Meter;

/// Between two lines, and before the first one.
const EACH: Duration = Duration::from_secs(10);

/// The outcome of `uploads`, whose bytes `meter` counts.
pub(super) async fn said<T>(meter: &Meter, uploads: impl Future<Output = T>) -> T {
    let mut uploads = pin!(uploads);
    let mut before = None;
    loop {
        if let Ok(outcome) = timeout(EACH, uploads.as_mut()).await {
            return outcome;
        }
        let sent = meter.sent();
        // Of bytes that do not move the HTTP client says why.
        if before != Some(sent) {
            info!("Sent {sent}");
        }
        before = Some(sent);
    }
}
