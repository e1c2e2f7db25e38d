//! Tables as aligned text: a heading, then rows. Knows nothing of what the columns mean.

use std::fmt::Write as _;

use super::{HEADING, paint, text};

/// Spaces between columns.
const GAP: usize = 2;

/// On which side a column's text is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of text under a heading.
#[derive(Debug)]
pub(crate) struct TextTable {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table without rows.
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(name, align)| (text::visible(name), align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells are made safe for a terminal here.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| text::visible(&cell)).collect());
    }

    /// The table as lines, the heading in bold, no blanks at line ends.
    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|index| self.width(index)).collect();
        let mut rendered = String::new();
        let heading: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(rendered, "{}", paint(HEADING, &self.line(&heading, &widths)));
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            let _ = writeln!(rendered, "{}", self.line(&cells, &widths));
        }
        rendered
    }

    fn width(&self, index: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| text::width(cell));
        cells.chain([text::width(&self.columns[index].0)]).max().unwrap_or(0)
    }

    fn line(&self, cells: &[&str], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let blanks = " ".repeat(width.saturating_sub(text::width(cell)));
            match align {
                Align::Left => line.extend([*cell, &blanks]),
                Align::Right => line.extend([&blanks, *cell]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table =
            TextTable::new([("name", Align::Left), ("rows", Align::Right), ("about", Align::Left)]);
        table.row(["利用者".into(), "12".into(), "people".into()]);
        table.row(["roles".into(), "1,234".into(), String::new()]);
        let rendered = anstream::adapter::strip_str(&table.render()).to_string();
        insta::assert_snapshot!(rendered, @r"
        name     rows  about
        利用者     12  people
        roles   1,234
        ");
    }
}
