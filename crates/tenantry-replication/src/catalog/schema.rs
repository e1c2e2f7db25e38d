//! The catalog as others want to read it: Mermaid diagram, SQL, JSON, and a page of documentation for each table.
//!
//! Everything is rendered from the catalog given, in its order, and nothing is added to it. Writes no file.

mod json;
mod mermaid;
mod page;
mod sql;

pub use json::json;
pub use mermaid::mermaid;
pub use page::{index_page, table_page};
pub use sql::sql;

use super::Text;

/// Schema (namespace) in which the replicated tables stand.
pub const NAMESPACE: &str = "auth0";

/// Languages in which the catalog describes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Japanese; for columns the words of the published diagram.
    Japanese,
}

impl Text {
    /// The text in this language.
    pub const fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Japanese => self.ja,
        }
    }
}
