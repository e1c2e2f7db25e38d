//! A picture of how first loads grow: CPU seconds and peak memory by users, both axes by powers of ten.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::measured::Cost;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 50.0;
/// Powers of ten on the vertical axis, from 0.1 to 1,000.
const LOW: f64 = -1.0;
const HIGH: f64 = 3.0;

/// Name, colour and figure of a line.
type Series = (&'static str, &'static str, fn(&Cost) -> f64);

/// The picture as SVG.
pub(crate) fn loads(loads: &BTreeMap<u64, Cost>) -> String {
    let powers = |value: f64| value.log10();
    let (first, last) = (4.0, 7.0);
    let x = |users: f64| MARGIN + (powers(users) - first) / (last - first) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - (powers(value) - LOW) / (HIGH - LOW) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for power in 4..=7 {
        let at = x(10f64.powi(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{MARGIN}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">10^{power} users</text>",
            HEIGHT - MARGIN,
            HEIGHT - MARGIN + 18.0
        );
    }
    for power in -1..=3 {
        let at = y(10f64.powi(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            at + 4.0,
            10f64.powi(power)
        );
    }
    let series: [Series; 2] =
        [("CPU seconds", "#1f6fb2", |cost| cost.cpu), ("peak memory, MB", "#c2571a", |cost| cost.peak_mb)];
    for (row, (name, colour, of)) in series.into_iter().enumerate() {
        let points: Vec<(f64, f64)> =
            loads.iter().map(|(users, cost)| (x(*users as f64), y(of(cost)))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            MARGIN + 6.0,
            20.0 + 14.0 * row as f64
        );
    }
    svg.push_str("</svg>\n");
    svg
}
