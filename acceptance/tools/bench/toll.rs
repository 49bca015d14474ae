//! The cost of the line itself.

use std::time::{Duration, Instant};

use super::programs::Bench;
use super::results::Scenario;
use crate::support::runtime;

const REQUESTS: usize = 100;

/// One request after the other on one connection, with the line and without.
pub fn line(bench: &Bench) -> Scenario {
    let mut scenario = Scenario::new("what the line itself costs");
    // `GET /v2/`: answered without reading the disk.
    let direct = median(bench.stage.direct_host());
    for round_trip in [0, 20, 50] {
        bench.stage.reset(Duration::from_millis(round_trip));
        let through = median(&bench.stage.host());
        scenario.note(format!(
            "A request that takes {direct:.2} ms without the line takes {through:.2} ms at {round_trip} ms: the line's \
             own cost is {:.2} ms.",
            through - direct - round_trip as f64
        ));
    }
    bench.stage.reset(Duration::ZERO);
    scenario
}

fn median(host: &str) -> f64 {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build();
    let client = client.expect("a client without TLS roots");
    let ask = || {
        let start = Instant::now();
        let answer = runtime().block_on(async {
            client
                .get(format!("http://{host}/v2/"))
                .send()
                .await?
                .bytes()
                .await
        });
        answer.expect("an answer");
        start.elapsed().as_secs_f64() * 1e3
    };
    ask();
    let mut took: Vec<f64> = (0..REQUESTS).map(|_| ask()).collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}
