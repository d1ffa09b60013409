//! Aligned columns, coloured where the output is a terminal.

/// Colour of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Bold,
    Green,
    Red,
    Yellow,
}

/// Rows under a heading; columns are as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<(String, Colour)>>,
    is_coloured: bool,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str], is_coloured: bool) -> Self {
        let heading = headings.iter().map(|text| ((*text).to_owned(), Colour::Bold)).collect();
        Self { rows: vec![heading], is_coloured }
    }

    /// Appends a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Colour); N]) {
        self.rows.push(cells.into());
    }

    /// The table as text.
    pub(crate) fn render(&self) -> String {
        let column_count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..column_count)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|(text, _)| width(text))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let last = row.iter().rposition(|(text, _)| !text.is_empty());
            for (column, (text, colour)) in row.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
                out.push_str(&self.painted(text, *colour));
                if Some(column) != last {
                    out.push_str(&" ".repeat(widths[column] - width(text) + 2));
                }
            }
            out.push('\n');
        }
        out
    }

    fn painted(&self, text: &str, colour: Colour) -> String {
        let code = match colour {
            _ if !self.is_coloured => return text.to_owned(),
            Colour::Plain => return text.to_owned(),
            Colour::Bold => 1,
            Colour::Green => 32,
            Colour::Red => 31,
            Colour::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A cell without colour.
pub(crate) fn plain(text: impl Into<String>) -> (String, Colour) {
    (text.into(), Colour::Plain)
}

/// A node's state in its colour.
pub(crate) fn state(text: &str) -> (String, Colour) {
    let colour = match text {
        "up" => Colour::Green,
        "down" => Colour::Red,
        "suspect" | "unknown" => Colour::Yellow,
        "-" => Colour::Plain,
        _ => Colour::Bold,
    };
    (text.to_owned(), colour)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let mut table = Table::new(&["NAME", "STATE", ""], false);
        table.row([plain("é1"), state("up"), plain("x")]);
        table.row([plain("longer"), state("down"), plain("")]);
        assert_eq!(table.render(), "NAME    STATE\né1      up     x\nlonger  down\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let render = |is_coloured| {
            let mut table = Table::new(&["A", "B"], is_coloured);
            table.row([state("down"), plain("x")]);
            table.render()
        };
        assert!(render(true).contains("\x1b[31mdown\x1b[0m  x"));
        let uncoloured =
            ["\x1b[0m", "\x1b[1m", "\x1b[31m"].iter().fold(render(true), |text, code| text.replace(code, ""));
        assert_eq!(uncoloured, render(false));
    }
}
