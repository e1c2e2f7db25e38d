//! Reads Mermaid entity-relationship diagrams, as far as the published one uses them.
//!
//! Shares no code with the writer of diagrams, so that the two cannot be wrong together.

/// The published diagram: the contract, word for word.
const PUBLISHED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/erd.mermaid.md"));

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diagram {
    pub(super) tables: Vec<DiagramTable>,
    /// Parent, child, column.
    pub(super) relationships: Vec<[String; 3]>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct DiagramTable {
    pub(super) name: String,
    /// Type, name, key mark, description.
    pub(super) columns: Vec<[String; 4]>,
}

impl Diagram {
    /// Reads the subset of Mermaid that the published diagram uses, and panics on any other line: nothing is skipped unseen.
    pub(super) fn parse(text: &str) -> Self {
        let mut diagram = Self::default();
        let mut open = false;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with("%%") || line.starts_with("```") || line == "erDiagram" {
                continue;
            }
            if let Some(name) = line.strip_suffix(" {") {
                assert!(!open, "table {name} begins inside another");
                diagram.tables.push(DiagramTable { name: name.to_owned(), columns: Vec::new() });
                open = true;
            } else if line == "}" {
                open = false;
            } else if open {
                diagram.tables.last_mut().unwrap().columns.push(Self::column(line));
            } else {
                let (parent, rest) =
                    line.split_once(" ||--o{ ").unwrap_or_else(|| panic!("unknown line {line}"));
                let (child, column) = rest.split_once(" : ").unwrap();
                diagram.relationships.push([parent, child, column].map(str::to_owned));
            }
        }
        diagram
    }

    fn column(line: &str) -> [String; 4] {
        let (head, about) =
            line.strip_suffix('"').and_then(|line| line.split_once(" \"")).expect("a description");
        let words: Vec<&str> = head.split(' ').collect();
        let mark = match words[2..] {
            [] => "",
            [mark] => mark,
            _ => panic!("unknown column {line}"),
        };
        [words[0], words[1], mark, about].map(str::to_owned)
    }
}

/// The published diagram, read.
pub(super) fn published() -> Diagram {
    Diagram::parse(PUBLISHED)
}
