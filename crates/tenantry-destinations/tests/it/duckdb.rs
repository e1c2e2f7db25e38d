//! The DuckDB file: the conformance suite, and what is particular to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::Int64Array;
use async_trait::async_trait;
use tempfile::TempDir;
use tenantry_destinations::{Access, Options};
use tenantry_replication::catalog::{CATALOG, Table};
use tenantry_replication::destination::Destination;
use tenantry_replication::destination::conformance::{Subject, tables};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

/// A file in a folder of its own.
struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.duckdb")
    }
}

#[async_trait]
impl Subject for File {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.path(), Options::default()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let key: Vec<_> = table.key.iter().map(|name| format!("\"{name}\" NULLS FIRST")).collect();
        format!("SELECT {} FROM auth0.{} ORDER BY {}", columns.join(", "), table.name, key.join(", "))
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        let elsewhere = self.folder.path().join("elsewhere");
        std::fs::write(self.folder.path().join("secret.csv"), "secret\n").unwrap();
        let folder = self.folder.path().display().to_string();
        let corpus = include_str!("forbidden.sql");
        let statements = corpus.split("\n\n").filter(|statement| !statement.trim_start().starts_with("--"));
        statements
            .map(|sql| {
                sql.replace("{table}", &format!("auth0.{}", table.name))
                    .replace("{elsewhere}", &elsewhere.display().to_string())
                    .replace("{folder}", &folder)
            })
            .collect()
    }
}

tenantry_replication::destination_conformance!(File::new());

async fn open(path: &Path, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    tenantry_destinations::open(&format!("duckdb:{}", path.display()), options).await
}

async fn number(destination: &dyn Destination, sql: &str) -> i64 {
    let answer = destination.query(sql).await.unwrap();
    answer[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

/// A file named like the schema must not confuse the two.
#[tokio::test]
async fn every_table_and_column_of_the_real_catalog_is_there_with_its_description() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth0.duckdb");
    let destination = open(&path, Options::default()).await.unwrap();
    destination.prepare(&CATALOG).await.unwrap();
    let found = number(
        destination.as_ref(),
        "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'auth0' AND length(comment) > 0",
    );
    let wanted: usize = CATALOG.tables().map(|table| table.columns.len()).sum();
    assert_eq!(usize::try_from(found.await).unwrap(), wanted);
    let summary = destination.summarize(&CATALOG).await.unwrap();
    assert_eq!(summary.len(), CATALOG.tables().count());
}
