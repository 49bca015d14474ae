//! The log of slow uploads: a line every ten seconds, as long as bytes are on their way
//! (SIG-81). An upload that takes less says nothing.

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
        // Where no byte has moved, the HTTP client warns of the host (SIG-80).
        if before != Some(sent) {
            info!("Sent {sent}");
        }
        before = Some(sent);
    }
}
