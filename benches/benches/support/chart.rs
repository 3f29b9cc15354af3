//! A picture of dots on a logarithmic scale, as SVG. It takes the colour of its text from the page that it
//! is part of; on its own it follows the reader's choice of light or dark.

use std::fmt::Write as _;

/// One line of the picture: a label, and for each series what was measured, if it was.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) values: Vec<Option<f64>>,
}

const LABELS: f64 = 340.0;
const PLOT: f64 = 570.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 56.0;
const HEIGHT: f64 = 17.0;
/// For each series, how its dots look, around their middle: told apart by shape, too. The first is a ring, in
/// which the others can be seen.
const MARKS: [(&str, &str); 3] = [
    ("fill=\"none\" stroke-width=\"2\" stroke=\"#2f9e44\"", "m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0"),
    ("fill=\"#e8590c\"", "m-3-3h6v6h-6z"),
    ("fill=\"#8b6cf0\"", "m0-4.5l4.5 4.5-4.5 4.5-4.5-4.5z"),
];

/// `unit` is what is counted, `series` the names of the dots. Lines without any value are headings.
pub(crate) fn dots(title: &str, unit: &str, series: &[&str], lines: &[Line]) -> String {
    let values = || lines.iter().flat_map(|line| line.values.iter().copied().flatten());
    let low = values().fold(f64::MAX, f64::min).log10().floor();
    let high = values().fold(1.0, f64::max).log10().ceil();
    let x = |value: f64| LABELS + PLOT * (value.log10() - low) / (high - low);
    let (width, bottom) = (LABELS + PLOT + RIGHT, TOP + HEIGHT * lines.len() as f64);
    let height = bottom + 34.0;
    // Neither blank nor indented lines, which end HTML in Markdown, or make code of it.
    let mut svg = format!(
        "<svg class=\"dots\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\n\
         <title>{title}</title>\n\
         <style>\n\
         svg.dots{{font:12px sans-serif;max-width:100%;height:auto}}\n\
         svg.dots:root{{color:#1f2328;background:#fff}}\n\
         @media (prefers-color-scheme:dark){{svg.dots:root{{color:#e6edf3;background:#0d1117}}}}\n\
         svg.dots text{{fill:currentColor}}\n\
         svg.dots line{{stroke:currentColor;stroke-opacity:.2}}\n\
         </style>\n\
         <text x=\"10\" y=\"20\" font-weight=\"bold\">{title}</text>\n"
    );
    let mut left = LABELS;
    for (name, mark) in series.iter().zip(MARKS) {
        dot(&mut svg, mark, left, 36.0);
        text(&mut svg, left + 10.0, 40.0, "start", name);
        left += 40.0 + 6.5 * name.len() as f64;
    }
    let mut power = low;
    while power <= high {
        let at = x(10_f64.powf(power));
        let _infallible = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"></line>"
        );
        text(&mut svg, at, bottom + 15.0, "middle", &short(power));
        power += 1.0;
    }
    text(&mut svg, LABELS + PLOT / 2.0, bottom + 30.0, "middle", unit);
    for (number, line) in lines.iter().enumerate() {
        let y = TOP + HEIGHT * (number as f64 + 0.5);
        text(&mut svg, LABELS - 12.0, y + 4.0, "end", &line.label);
        for (value, mark) in line.values.iter().zip(MARKS) {
            if let Some(value) = value {
                dot(&mut svg, mark, x(*value), y);
            }
        }
    }
    svg + "</svg>\n"
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _infallible =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn dot(svg: &mut String, (paint, shape): (&str, &str), x: f64, y: f64) {
    let _infallible = writeln!(svg, "<path {paint} d=\"M{x:.1} {y:.1}{shape}\"></path>");
}

fn short(power: f64) -> String {
    let (unit, rest) = match power {
        power if power >= 9.0 => (" billion", power - 9.0),
        power if power >= 6.0 => (" million", power - 6.0),
        power if power >= 3.0 => (" thousand", power - 3.0),
        power => ("", power),
    };
    format!("{}{unit}", 10_f64.powf(rest))
}
