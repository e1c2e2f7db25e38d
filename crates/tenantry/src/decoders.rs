//! What reads text that people write, for fuzzing: gives back only whether it was taken.

use tenantry_replication::catalog::CATALOG;

use crate::{config, selection};

/// Whether a text is a project file.
pub fn is_project_file(text: &str) -> bool {
    config::is_project_file(text)
}

/// Whether these are selectors of tables.
pub fn is_selection(select: &[String], exclude: &[String]) -> bool {
    selection::tables(&CATALOG, select, exclude).is_ok()
}
