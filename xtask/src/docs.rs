//! Documents generated from the catalog and the questions over it: one page for each table in both languages, their indexes, the diagram, and
//! what can be asked and looked for.
//!
//! Knows where they go, not what they say.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tenantry_insight::{detections_page, questions_page};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::catalog::schema::{Language, index_page, mermaid, table_page};

use crate::{Findings, shown};

/// The folder that holds generated files alone.
const TABLES: &str = "docs/tables";

/// Writes every document, and removes what no table stands behind any more.
pub(crate) fn write(root: &Path) -> io::Result<Findings> {
    let documents = documents();
    for (path, text) in &documents {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    for path in strays(root, &documents)? {
        std::fs::remove_file(root.join(path))?;
    }
    Ok(Findings::new())
}

/// One finding for each document that is missing, stale, or no longer generated.
pub(crate) fn check(root: &Path) -> io::Result<Findings> {
    let documents = documents();
    let mut findings = Findings::new();
    for (path, text) in &documents {
        match std::fs::read_to_string(root.join(path)) {
            Ok(present) if present == *text => {}
            Ok(_) => findings.push(format!("{path} is stale: run `cargo xtask docs`")),
            Err(_) => findings.push(format!("{path} is missing: run `cargo xtask docs`")),
        }
    }
    let strays = strays(root, &documents)?;
    findings.extend(strays.iter().map(|path| format!("{path} is of no table: run `cargo xtask docs`")));
    Ok(findings)
}

/// All documents by their path below the project's folder.
fn documents() -> BTreeMap<String, String> {
    let mut documents = BTreeMap::from([
        ("docs/schema.mmd".to_owned(), mermaid(&CATALOG, Language::English)),
        ("docs/schema.ja.mmd".to_owned(), mermaid(&CATALOG, Language::Japanese)),
        ("docs/insight.md".to_owned(), questions_page(Language::English)),
        ("docs/insight.ja.md".to_owned(), questions_page(Language::Japanese)),
        ("docs/detections.md".to_owned(), detections_page(Language::English)),
        ("docs/detections.ja.md".to_owned(), detections_page(Language::Japanese)),
    ]);
    for (folder, language) in
        [(TABLES.to_owned(), Language::English), (format!("{TABLES}/ja"), Language::Japanese)]
    {
        documents.insert(format!("{folder}/README.md"), index_page(&CATALOG, language));
        for table in CATALOG.tables() {
            documents.insert(format!("{folder}/{}.md", table.name), table_page(&CATALOG, table, language));
        }
    }
    documents
}

/// Files in the folder of generated ones that are not among `documents`.
fn strays(root: &Path, documents: &BTreeMap<String, String>) -> io::Result<Vec<String>> {
    let mut strays = Vec::new();
    for folder in [TABLES.to_owned(), format!("{TABLES}/ja")] {
        let folder = root.join(folder);
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = shown(root, &path);
            if path.is_file() && !documents.contains_key(&name) {
                strays.push(name);
            }
        }
    }
    strays.sort();
    Ok(strays)
}
