//! Results: kept as JSON, so that one scenario can be measured again
//! without the others, and written as Markdown and plots.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::plot::Plot;
use super::programs::{Program, Sample};

#[derive(Default, Serialize, Deserialize)]
pub struct Results {
    /// By the name of the scenario, `P01` and so on for their order.
    pub scenarios: BTreeMap<String, Scenario>,
}

#[derive(Serialize, Deserialize)]
pub struct Scenario {
    pub title: String,
    pub machine: Machine,
    pub rows: Vec<Row>,
    /// Goals and what came of them, and other sentences.
    pub notes: Vec<String>,
    pub plots: Vec<Plot>,
}

/// One program at one task.
#[derive(Clone, Serialize, Deserialize)]
pub struct Row {
    /// The variable of the task: `10 keys`. Empty if there is none.
    pub task: String,
    pub program: String,
    pub round_trip_ms: u64,
    /// Each run, in the order of measuring.
    pub took_ms: Vec<f64>,
    pub requests: u64,
    /// `PUT` and `PATCH`.
    pub writes: u64,
    /// `POST` and `DELETE`.
    pub sessions: u64,
    pub connections: u64,
    pub sent: u64,
    pub received: u64,
    /// In bytes; 0 where nobody looked.
    pub peak: u64,
    /// Of the time, how long keys are unlocked (scrypt), as many at a time as there
    /// are processors; 0 where nobody measured it.
    #[serde(default)]
    pub unlocking_ms: f64,
    /// `HEAD` of blobs.
    #[serde(default)]
    pub looks: u64,
}

impl Row {
    pub fn new(task: &str, program: Program, round_trip_ms: u64, samples: &[Sample]) -> Self {
        let most = |of: &dyn Fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or_default();
        Self {
            task: task.to_owned(),
            program: program.name().to_owned(),
            round_trip_ms,
            took_ms: samples
                .iter()
                .map(|sample| (sample.took.as_secs_f64() * 1e4).round() / 10.0)
                .collect(),
            requests: most(&|sample| sample.traffic.requests),
            writes: most(&|sample| sample.traffic.writes),
            sessions: most(&|sample| sample.traffic.sessions),
            connections: most(&|sample| sample.traffic.connections),
            sent: most(&|sample| sample.traffic.sent),
            received: most(&|sample| sample.traffic.received),
            peak: most(&|sample| sample.peak),
            unlocking_ms: 0.0,
            looks: most(&|sample| sample.traffic.looks),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut took = self.took_ms.clone();
        took.sort_by(f64::total_cmp);
        took
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }
}

impl Scenario {
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            machine: Machine::this(),
            rows: Vec::new(),
            notes: Vec::new(),
            plots: Vec::new(),
        }
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Whether a goal was reached, with what was measured.
    pub fn goal(&mut self, what: &str, measured: &str, reached: bool) {
        let outcome = if reached { "reached" } else { "**missed**" };
        self.note(format!("{what}: {measured}, {outcome}."));
    }

    pub fn row(&self, task: &str, program: Program, round_trip_ms: u64) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.task == task && row.program == program.name() && row.round_trip_ms == round_trip_ms
        })
    }

    /// The median of the fastest cosign.
    pub fn better_cosign(&self, task: &str, round_trip_ms: u64) -> Option<f64> {
        let medians = Program::COSIGN
            .into_iter()
            .filter_map(|program| Some(self.row(task, program, round_trip_ms)?.median()));
        medians.min_by(f64::total_cmp)
    }

    /// How many times as fast a program of ours is as the fastest cosign.
    pub fn ratio(&self, task: &str, ours: Program, round_trip_ms: u64) -> Option<f64> {
        let ours = self.row(task, ours, round_trip_ms)?.median();
        Some(self.better_cosign(task, round_trip_ms)? / ours)
    }

    /// Compares with goals for some round-trip times.
    pub fn compare(&mut self, task: &str, ours: Program, goals: &[(u64, f64)]) {
        let mut measured = Vec::new();
        let mut reached = true;
        for (round_trip, goal) in goals {
            let Some(ratio) = self.ratio(task, ours, *round_trip) else {
                continue;
            };
            reached &= ratio >= *goal;
            measured.push(format!("{ratio:.2}× (goal {goal}×) at {round_trip} ms"));
        }
        let task = if task.is_empty() {
            String::new()
        } else {
            format!(", {task}")
        };
        let what = format!("`{}`{task} against the better cosign", ours.name());
        self.goal(&what, &measured.join(", "), reached);
    }

    /// The most requests of ours, settled or not.
    pub fn requests(&mut self, ours: Program, task: &str, most: u64) {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| row.program == ours.name() && row.task == task);
        let requests = rows.map(|row| row.requests).max().unwrap_or_default();
        let task = if task.is_empty() {
            String::new()
        } else {
            format!(", {task}")
        };
        let what = format!("`{}`{task}, requests", ours.name());
        let measured = format!("{requests} (at most {most})");
        self.goal(&what, &measured, requests <= most);
    }

    fn markdown(&self, id: &str, text: &mut String) {
        let id = match id.trim_start_matches(['P', '0']) {
            "" => "P0".to_owned(),
            number => format!("P{number}"),
        };
        let _infallible = writeln!(
            text,
            "\n## {id}: {}\n\n{}",
            self.title,
            self.machine.brief()
        );
        if !self.rows.is_empty() {
            let has_peak = self.rows.iter().any(|row| row.peak > 0);
            let (more, rule) = if has_peak {
                (" memory |", "---|")
            } else {
                ("", "")
            };
            let _infallible = writeln!(
                text,
                "\n| task | program | round trip | median | besides unlocking | min to max | runs \
                 | requests | writes | connections | sent | received |{more}\n\
                 |---|---|---|---|---|---|---|---|---|---|---|---|{rule}"
            );
            for row in &self.rows {
                row.markdown(has_peak, text);
            }
        }
        text.push('\n');
        for note in &self.notes {
            let _infallible = writeln!(text, "- {note}");
        }
        for plot in &self.plots {
            let _infallible = writeln!(text, "\n![{}]({})", plot.title, plot.file);
        }
    }
}

impl Row {
    fn markdown(&self, has_peak: bool, text: &mut String) {
        let sorted = self.sorted();
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        let _infallible = write!(
            text,
            "| {} | {} | {} ms | {} | {} | {} to {} | {} | {} | {} | {} | {} | {} |",
            self.task,
            self.program,
            self.round_trip_ms,
            milliseconds(self.median()),
            match self.unlocking_ms {
                0.0 => String::new(),
                unlocking => milliseconds((self.median() - unlocking).max(0.0)),
            },
            milliseconds(least),
            milliseconds(most),
            sorted.len(),
            self.requests,
            self.writes,
            self.connections,
            kilobytes(self.sent),
            kilobytes(self.received),
        );
        if has_peak {
            let _infallible = write!(text, " {:.1} MB |", self.peak as f64 / 1e6);
        }
        text.push('\n');
    }
}

pub fn milliseconds(took: f64) -> String {
    match took {
        took if took < 100.0 => format!("{took:.1} ms"),
        took if took < 10_000.0 => format!("{took:.0} ms"),
        took => format!("{:.1} s", took / 1e3),
    }
}

fn kilobytes(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

impl Results {
    /// Those of earlier runs.
    pub fn read(folder: &Path) -> Self {
        match std::fs::read(folder.join("results.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("results of this program"),
            Err(_absent) => Self::default(),
        }
    }

    /// Everything: JSON, Markdown and plots.
    pub fn write(&self, folder: &Path, head: &str) {
        std::fs::create_dir_all(folder).expect("a writable folder");
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).expect("a writable folder");
        };
        let mut json = serde_json::to_string_pretty(self).expect("JSON");
        json.push('\n');
        write("results.json", json);
        let mut text = head.to_owned();
        for (id, scenario) in &self.scenarios {
            scenario.markdown(id, &mut text);
            for plot in &scenario.plots {
                write(&plot.file, plot.svg());
            }
        }
        write("README.md", text);
    }
}
