//! Where something was measured.

use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Machine {
    /// `2026-11-21`, UTC.
    pub date: String,
    pub processor: String,
    pub processors: usize,
    pub memory_gb: f64,
    pub kernel: String,
    /// The load average of the last minute when measuring began.
    pub load: f64,
}

impl Machine {
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.split_once(':'));
            line.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or_default();
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: (memory / 1e5).round() / 10.0,
            kernel: kernel(),
            load: load.parse().unwrap_or_default(),
        }
    }

    pub fn brief(&self) -> String {
        format!(
            "{}: {} × {}, {} GB, {}, load {} at the start.",
            self.date, self.processors, self.processor, self.memory_gb, self.kernel, self.load
        )
    }
}

/// Without the build's own name, as in `Linux 6.12.41`.
fn kernel() -> String {
    let full = output("uname", &["-sr"]);
    full.split('-').next().unwrap_or_default().to_owned()
}

/// A program's output, without the last line end.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
