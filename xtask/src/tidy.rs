//! What the compiler cannot hold: rules on files, names and dependencies, read from the sources as text.
//!
//! Changes nothing. A rule says what is wrong and where, in one line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tenantry_replication::catalog::{CATALOG, system};

use crate::{Findings, shown};

/// Lines at which a file has to justify itself; the catalog is a list, and may be as long as what it lists.
const LONGEST_FILE: usize = 500;
/// The place that says which tables and columns there are.
const CATALOG_FOLDER: &str = "crates/tenantry-replication/src/catalog";
/// The simulator is a tenant of its own: it must not know the catalog, and so it has to name things itself.
const SIMULATOR: &str = "crates/tenantry-simulator";
/// The oracle of the tests works out naively what the tables must hold: it must not know the catalog either.
const ORACLE: &str = "crates/tenantry-oracle";
/// Questions over the tables are about tables: this crate alone may name them too, and its tests prepare each text against the catalog's.
const INSIGHT: &str = "crates/tenantry-insight";
/// Table names up to this length are also plain words.
const PLAIN_WORD: usize = 8;
/// Folders of a machine, not of the project. Split, so that this file does not find itself.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
/// Folders that hold nothing of ours.
const NOT_OURS: [&str; 4] = ["target", "node_modules", ".git", ".duckdb"];

struct File {
    /// Below the project's folder, with forward slashes.
    path: String,
    text: String,
}

/// Applies every rule and returns what was found, in order of path.
pub(crate) fn check(root: &Path) -> io::Result<Findings> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = Findings::new();
    for file in &files {
        if Path::new(&file.path).extension().is_some_and(|extension| extension == "rs") {
            module_header(file, &mut findings);
            length(file, &mut findings);
            table_names(file, &mut findings);
        }
        machine_paths(file, &mut findings);
    }
    stands_alone(SIMULATOR, &files, &mut findings);
    stands_alone(ORACLE, &files, &mut findings);
    one_arrow(&files, &mut findings);
    changelog(&files, &mut findings);
    Ok(findings)
}

/// Reads every text file of the project; what is not UTF-8 is no text.
fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || NOT_OURS.contains(&name.as_str()) || name.starts_with(".venv") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push(File { path: shown(root, &path), text });
        }
    }
    Ok(())
}

fn module_header(file: &File, findings: &mut Findings) {
    if !file.text.starts_with("//! ") {
        findings.push(format!("{}: begins with no `//!` that says its purpose", file.path));
    }
}

fn length(file: &File, findings: &mut Findings) {
    let lines = file.text.lines().count();
    if lines > LONGEST_FILE && !file.path.starts_with(CATALOG_FOLDER) {
        findings.push(format!("{}: {lines} lines, split it (at most {LONGEST_FILE})", file.path));
    }
}

/// Tables and the columns that every table has are named in the catalog and in questions alone; tests may name what they look at.
fn table_names(file: &File, findings: &mut Findings) {
    let exempt =
        [CATALOG_FOLDER, INSIGHT, SIMULATOR, ORACLE].iter().any(|folder| file.path.starts_with(folder));
    let test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    if exempt || test || !file.path.starts_with("crates/") || !file.path.contains("/src/") {
        return;
    }
    let names: Vec<&str> = CATALOG
        .tables()
        .map(|table| table.name)
        .filter(|name| name.len() > PLAIN_WORD)
        .chain([system::DELETED, system::SYNCED, system::ROW_ID])
        .collect();
    for (number, line) in code(&file.text) {
        for name in &names {
            // A name of one word ("organization") is a table's only as a literal of its own.
            let found = if name.contains('_') {
                words(line).any(|word| word == *name)
            } else {
                line.contains(&format!("\"{name}\""))
            };
            if found {
                findings.push(format!("{}:{number}: names `{name}`, which only the catalog may", file.path));
            }
        }
    }
}

/// Numbered lines of code: comments left out, and everything from the file's inline test module on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(position, line)| (position + 1, line))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

fn machine_paths(file: &File, findings: &mut Findings) {
    for (position, line) in file.text.lines().enumerate() {
        let begins_path = |at: usize| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !(c.is_alphanumeric() || "/}~._-".contains(c)))
        };
        for folder in MACHINE_FOLDERS {
            if line.match_indices(folder).any(|(at, _)| begins_path(at)) {
                findings.push(format!("{}:{}: a path of one machine ({folder})", file.path, position + 1));
            }
        }
    }
}

/// A double of the tenant, or of what comes of it, derived from our own catalog would share its mistakes.
fn stands_alone(double: &str, files: &[File], findings: &mut Findings) {
    let manifest = format!("{double}/Cargo.toml");
    match files.iter().find(|file| file.path == manifest) {
        Some(file) => {
            for line in file.text.lines().filter(|line| line.trim_start().starts_with("tenantry")) {
                findings.push(format!("{manifest}: depends on a crate of ours: {line}"));
            }
        }
        None => findings.push(format!("{manifest}: missing")),
    }
}

/// Batches travel from normalize to every destination in one Arrow version.
fn one_arrow(files: &[File], findings: &mut Findings) {
    let lock = files.iter().find(|file| file.path == "Cargo.lock");
    let versions: Vec<&str> = lock
        .map(|file| {
            file.text.split("[[package]]").filter(|package| package.contains("name = \"arrow-schema\"\n"))
        })
        .into_iter()
        .flatten()
        .filter_map(|package| package.lines().find_map(|line| line.strip_prefix("version = ")))
        .collect();
    if versions.len() != 1 {
        findings.push(format!("Cargo.lock: one version of arrow-schema is wanted, found {versions:?}"));
    }
}

fn changelog(files: &[File], findings: &mut Findings) {
    let kept = files.iter().any(|file| {
        file.path == "CHANGELOG.md"
            && file.text.lines().any(|line| line.starts_with("## [Unreleased]") || line == "## Unreleased")
    });
    if !kept {
        findings.push("CHANGELOG.md: no block `## Unreleased`".to_owned());
    }
}

#[cfg(test)]
mod tests {
    //! Each rule finds what it is for, and leaves alone what it is not for.

    use super::*;

    fn found(rule: fn(&File, &mut Findings), path: &str, text: &str) -> usize {
        let mut findings = Findings::new();
        rule(&File { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.len()
    }

    fn found_in_all(rule: fn(&[File], &mut Findings), path: &str, text: &str) -> usize {
        let mut findings = Findings::new();
        rule(&[File { path: path.to_owned(), text: text.to_owned() }], &mut findings);
        findings.len()
    }

    #[test]
    fn modules_say_their_purpose_and_stay_short() {
        assert_eq!(found(module_header, "crates/a/src/lib.rs", "use std;\n"), 1);
        assert_eq!(found(module_header, "crates/a/src/lib.rs", "//! Purpose.\n"), 0);
        let long = "\n".repeat(LONGEST_FILE + 1);
        assert_eq!(found(length, "crates/a/src/lib.rs", &long), 1);
        assert_eq!(found(length, &format!("{CATALOG_FOLDER}/mod.rs"), &long), 0);
    }

    #[test]
    fn only_the_catalog_names_tables() {
        let long_name = CATALOG.tables().map(|table| table.name).max_by_key(|name| name.len()).unwrap();
        for name in [long_name, system::DELETED] {
            let line = format!("let sql = \"select * from {name}\";\n");
            assert_eq!(found(table_names, "crates/a/src/b.rs", &line), 1);
            assert_eq!(found(table_names, "crates/a/tests/b.rs", &line), 0);
            assert_eq!(found(table_names, &format!("{CATALOG_FOLDER}/b.rs"), &line), 0);
            assert_eq!(found(table_names, &format!("{INSIGHT}/src/b.rs"), &line), 0);
            assert_eq!(found(table_names, "crates/a/src/b.rs", &format!("// {name}\n")), 0);
            let in_tests = format!("#[cfg(test)]\nmod tests {{\n{line}}}\n");
            assert_eq!(found(table_names, "crates/a/src/b.rs", &in_tests), 0);
        }
        assert_eq!(found(table_names, "crates/a/src/b.rs", "let organization = 1;\n"), 0);
        assert_eq!(found(table_names, "crates/a/src/b.rs", "let table = \"organization\";\n"), 1);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_addresses_are_not() {
        let [home, root, work, users] = MACHINE_FOLDERS;
        for text in
            [format!("cd {home}me"), format!("\"{root}x\""), format!("({work}y)"), format!("{users}z")]
        {
            assert_eq!(found(machine_paths, "README.md", &text), 1, "{text}");
        }
        assert_eq!(found(machine_paths, "README.md", &format!("https://example.com{work}y")), 0);
    }

    #[test]
    fn the_simulator_depends_on_no_crate_of_ours() {
        let manifest = format!("{SIMULATOR}/Cargo.toml");
        let own = "[package]\nname = \"tenantry-simulator\"\n";
        assert_eq!(
            found_in_all(|files, findings| stands_alone(SIMULATOR, files, findings), &manifest, own),
            0
        );
        let ours = format!("{own}[dependencies]\ntenantry-replication.workspace = true\n");
        assert_eq!(
            found_in_all(|files, findings| stands_alone(SIMULATOR, files, findings), &manifest, &ours),
            1
        );
        assert_eq!(
            found_in_all(|files, findings| stands_alone(SIMULATOR, files, findings), "Cargo.toml", own),
            1,
            "no manifest is no proof"
        );
    }

    #[test]
    fn two_versions_of_arrow_and_a_changelog_without_a_block_are_found() {
        let package = "[[package]]\nname = \"arrow-schema\"\nversion = \"59.3.2\"\n";
        assert_eq!(found_in_all(one_arrow, "Cargo.lock", package), 0);
        assert_eq!(found_in_all(one_arrow, "Cargo.lock", &package.repeat(2)), 1);
        assert_eq!(found_in_all(changelog, "CHANGELOG.md", "## 0.1.0\n"), 1);
        assert_eq!(found_in_all(changelog, "CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"), 0);
    }
}
