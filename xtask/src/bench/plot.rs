//! Bars as SVG: small pictures side by side, each with a scale of its own, every bar with its value.

use std::fmt::Write;

/// One small picture.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// One for each name, from above; `None` where nothing was measured.
    pub(crate) values: Vec<Option<f64>>,
}

/// A picture of bars: rows of panels that share the names at the left.
pub(crate) struct Picture {
    pub(crate) title: String,
    /// What each bar stands for, and its colour.
    pub(crate) names: Vec<(String, &'static str)>,
    pub(crate) rows: Vec<Vec<Panel>>,
    /// How a value is written at the end of its bar.
    pub(crate) format: fn(f64) -> String,
}

// Lengths in pixels at the picture's natural size.
const MARGIN: f64 = 12.0;
const NAMES_WIDTH: f64 = 180.0;
const PANEL_WIDTH: f64 = 240.0;
/// Kept free at the right of a panel for the value of its longest bar.
const VALUE_WIDTH: f64 = 62.0;
const TITLE_HEIGHT: f64 = 34.0;
const PANEL_TITLE_HEIGHT: f64 = 26.0;
const LINE_HEIGHT: f64 = 20.0;
const BAR_HEIGHT: f64 = 13.0;
const ROW_GAP: f64 = 16.0;
const TEXT_GAP: f64 = 5.0;

/// Reads well on white and on black: pictures in documents do not know what is behind them.
const TEXT_COLOUR: &str = "#76808a";
const FONT: &str = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

impl Picture {
    /// The whole file.
    pub(crate) fn svg(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let row_height = PANEL_TITLE_HEIGHT + self.names.len() as f64 * LINE_HEIGHT + ROW_GAP;
        let width = 2.0 * MARGIN + NAMES_WIDTH + columns * PANEL_WIDTH;
        let height = TITLE_HEIGHT + self.rows.len() as f64 * row_height;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"{FONT}\" font-size=\"12\" fill=\"{TEXT_COLOUR}\">\n"
        );
        text(&mut svg, MARGIN, TITLE_HEIGHT - 12.0, "font-size=\"15\" font-weight=\"600\"", &self.title);
        for (index, row) in self.rows.iter().enumerate() {
            self.row(&mut svg, row, TITLE_HEIGHT + index as f64 * row_height);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn row(&self, svg: &mut String, panels: &[Panel], top: f64) {
        let line_top = |line: usize| top + PANEL_TITLE_HEIGHT + line as f64 * LINE_HEIGHT;
        let baseline = |line: usize| line_top(line) + BAR_HEIGHT - 2.0;
        for (line, (name, _)) in self.names.iter().enumerate() {
            let right = MARGIN + NAMES_WIDTH - 2.0 * TEXT_GAP;
            text(svg, right, baseline(line), "text-anchor=\"end\"", name);
        }
        for (column, panel) in panels.iter().enumerate() {
            let left = MARGIN + NAMES_WIDTH + column as f64 * PANEL_WIDTH;
            text(svg, left, top + PANEL_TITLE_HEIGHT - 10.0, "font-weight=\"600\"", &panel.title);
            let longest = panel.values.iter().flatten().fold(0.0, |longest: f64, value| longest.max(*value));
            for (line, (value, (_, colour))) in panel.values.iter().zip(&self.names).enumerate() {
                let Some(value) = value else { continue };
                let length = if longest > 0.0 { (PANEL_WIDTH - VALUE_WIDTH) * value / longest } else { 0.0 };
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\" fill=\"{colour}\"/>",
                    line_top(line)
                );
                text(svg, left + length + TEXT_GAP, baseline(line), "", &(self.format)(*value));
            }
        }
    }
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{content}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: Vec<Option<f64>>) -> String {
        Picture {
            title: "a < b & c".to_owned(),
            names: vec![("first".to_owned(), "#111"), ("second".to_owned(), "#222")],
            rows: vec![vec![Panel { title: "panel".to_owned(), values }]],
            format: |value| format!("{value:.0}"),
        }
        .svg()
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = picture(vec![Some(10.0), Some(5.0)]);
        let full = PANEL_WIDTH - VALUE_WIDTH;
        assert!(svg.contains(&format!("width=\"{full:.1}\"")), "{svg}");
        assert!(svg.contains(&format!("width=\"{:.1}\"", full / 2.0)), "{svg}");
        assert!(svg.contains(">10</text>") && svg.contains(">5</text>"), "{svg}");
    }

    #[test]
    fn what_was_not_measured_has_no_bar() {
        let svg = picture(vec![Some(1.0), None]);
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains(">second</text>"));
    }

    #[test]
    fn text_is_escaped() {
        assert!(picture(vec![]).contains("a &lt; b &amp; c"));
    }
}
