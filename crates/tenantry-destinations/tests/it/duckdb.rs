//! The DuckDB file: what is particular to it.

use std::sync::Arc;

use tenantry_destinations::Options;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::Destination;

async fn open(path: &std::path::Path) -> Arc<dyn Destination> {
    tenantry_destinations::open(&format!("duckdb:{}", path.display()), Options::default()).await.unwrap()
}

#[tokio::test]
async fn every_table_and_column_of_the_real_catalog_is_there_with_its_description() {
    let folder = tempfile::tempdir().unwrap();
    let destination = open(&folder.path().join("auth0.duckdb")).await;
    destination.prepare(&CATALOG).await.unwrap();
    destination.prepare(&CATALOG).await.unwrap();
    let found = destination
        .query("SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'auth0' AND comment IS NOT NULL")
        .await
        .unwrap();
    let found: &arrow_array::Int64Array = found[0].column(0).as_any().downcast_ref().unwrap();
    let wanted: usize = CATALOG.tables().map(|table| table.columns.len()).sum();
    assert_eq!(usize::try_from(found.value(0)).unwrap(), wanted);
}
