//! Line plots as SVG, without a library.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 6] = ["#0b6", "#073", "#c40", "#80b", "#06c", "#888"];

#[derive(Clone, Serialize, Deserialize)]
pub struct Plot {
    pub file: String,
    pub title: String,
    pub x: String,
    pub y: String,
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    pub fn new(file: &str, title: &str, x: &str, y: &str) -> Self {
        Self {
            file: file.to_owned(),
            title: title.to_owned(),
            x: x.to_owned(),
            y: y.to_owned(),
            lines: Vec::new(),
        }
    }

    /// A program's line; none without points.
    pub fn line(mut self, name: &str, points: Vec<(f64, f64)>) -> Self {
        if !points.is_empty() {
            self.lines.push((name.to_owned(), points));
        }
        self
    }

    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let (x_step, y_step) = (step(most(|p| p.0)), step(most(|p| p.1)));
        let end = |most: f64, step: f64| (most / step).ceil().max(1.0) * step;
        let (x_end, y_end) = (end(most(|p| p.0), x_step), end(most(|p| p.1), y_step));
        let x = |value: f64| LEFT + value / x_end * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / y_end * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="22" font-size="15">{}</text>
"##,
            escaped(&self.title)
        );
        let mut text = |x: f64, y: f64, more: &str, text: &str| {
            let text = escaped(text);
            let _infallible = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}"{more}>{text}</text>"#);
        };
        for tick in ticks(x_end, x_step) {
            text(
                x(tick),
                HEIGHT - BOTTOM + 18.0,
                r#" text-anchor="middle""#,
                &format!("{tick}"),
            );
        }
        for tick in ticks(y_end, y_step) {
            text(
                LEFT - 8.0,
                y(tick) + 4.0,
                r#" text-anchor="end""#,
                &format!("{tick}"),
            );
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        text(middle, HEIGHT - 12.0, r#" text-anchor="middle""#, &self.x);
        let turned = format!(
            r#" text-anchor="middle" transform="rotate(-90 16 {})""#,
            HEIGHT / 2.0
        );
        text(16.0, HEIGHT / 2.0, &turned, &self.y);
        for tick in ticks(y_end, y_step) {
            let (from, to, at) = (LEFT, WIDTH - RIGHT, y(tick));
            let _infallible = writeln!(svg, r##"<path d="M{from} {at:.1}H{to}" stroke="#ddd"/>"##);
        }
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let place = |(a, b): &(f64, f64)| format!("{:.1},{:.1}", x(*a), y(*b));
            let path: Vec<String> = points.iter().map(place).collect();
            let _infallible = writeln!(
                svg,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
                path.join(" ")
            );
            for (a, b) in points {
                let _infallible = writeln!(
                    svg,
                    r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#,
                    x(*a),
                    y(*b)
                );
            }
            let (at, row) = (WIDTH - RIGHT + 14.0, TOP + 14.0 + 20.0 * number as f64);
            let _infallible = writeln!(
                svg,
                r#"<path d="M{at} {row}h18" stroke="{colour}" stroke-width="2"/><text x="{}" y="{}">{}</text>"#,
                at + 24.0,
                row + 4.0,
                escaped(name)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn ticks(end: f64, step: f64) -> impl Iterator<Item = f64> {
    (0..=(end / step).round() as u32).map(move |number| f64::from(number) * step)
}

/// 1, 2 or 5 times a power of ten, for some five ticks.
fn step(most: f64) -> f64 {
    let rough = (most / 5.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(steps[3])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
