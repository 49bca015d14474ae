//! Alternating runs of several programs at one task.

use std::time::Duration;

use super::programs::{Bench, Job, Memory, Program, Sample};
use super::results::{Row, Scenario};

/// How often something is measured.
#[derive(Clone, Copy)]
pub struct Runs {
    pub most: usize,
    /// A program that has run for so long at one task and round-trip time is not run again.
    pub budget: Duration,
}

pub struct Contest<'a> {
    pub bench: &'a Bench,
    pub runs: Runs,
    pub memory: Memory,
    pub round_trips: &'a [u64],
}

impl Contest<'_> {
    /// Every program does the job as often as [`Runs`] says, each time in
    /// repositories of its own, and who began the round before ends this one.
    pub fn hold(&self, scenario: &mut Scenario, task: &str, job: &Job, programs: &[Program]) {
        let unlocking = self.bench.unlocking();
        for round_trip in self.round_trips {
            let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); programs.len()];
            for round in 0..self.runs.most {
                for turn in 0..programs.len() {
                    let number = (round + turn) % programs.len();
                    let spent: Duration = samples[number].iter().map(|sample| sample.took).sum();
                    if spent < self.runs.budget {
                        let image = self
                            .bench
                            .stage
                            .fresh(&job.image, job.image.repositories().len());
                        let job = job.of(image);
                        let round_trip = Duration::from_millis(*round_trip);
                        let sample =
                            self.bench
                                .run(programs[number], &job, round_trip, self.memory);
                        samples[number].push(sample);
                    }
                }
            }
            for (program, samples) in programs.iter().zip(&samples) {
                let mut row = Row::new(task, *program, *round_trip, samples);
                if Program::OURS.contains(program) {
                    let processors = std::thread::available_parallelism().map_or(1, usize::from);
                    row.unlocking_ms = unlocking * job.keys.div_ceil(processors) as f64;
                }
                eprintln!(
                    "    {task:16} {:18} {round_trip:3} ms: {:8.1} ms of {} runs, {} requests",
                    program.name(),
                    row.median(),
                    samples.len(),
                    row.requests,
                );
                scenario.rows.push(row);
            }
        }
    }
}
