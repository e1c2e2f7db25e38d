//! Publishes staged rows of one table as a run does, for `scale.py`: `publish PLACE TABLE ROWS SYNCED [SERVER]`.
//!
//! ROWS is a Parquet file with the table's columns and `_change`, which is 2 for a row of whose record only is to be said that it is gone.
//! SYNCED is the time of the sync in microseconds; SERVER merges, where one is named. Prints what was done as one JSON object.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking, and measures real time"
)]

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_select::filter::filter_record_batch;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use tenantry_delta::{Delta, Options};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::{Batch, Commit, Destination, Key, Scope, Value, staged_schema};

/// In `_change`: the record is gone.
const GONE: i32 = 2;
const ROWS_AT_ONCE: usize = 50_000;

#[tokio::main]
async fn main() {
    let said: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [place, table, rows, synced_at, server @ ..] = said.as_slice() else {
        println!("{}", json!({ "skipped": "scale.py says what is to be published" }));
        return;
    };
    let (stream, table) = CATALOG
        .streams
        .iter()
        .find_map(|stream| Some((stream, stream.table(table)?)))
        .expect("the catalog has the table");
    let options = Options {
        schema: "auth0".to_owned(),
        state: "_tenantry".to_owned(),
        describe: |text| text.en,
        writes: true,
        memory_limit: None,
        merge_with: server.first().cloned(),
        merge_token: None,
        storage: HashMap::new(),
    };
    let began = Instant::now();
    let destination = Delta::open(place, options).await.unwrap();
    let mut gone: Vec<Key> = Vec::new();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(rows).unwrap()).unwrap();
    for (page, rows) in reader.with_batch_size(ROWS_AT_ONCE).build().unwrap().enumerate() {
        let rows = rows.unwrap();
        let changes = rows.column_by_name("_change").unwrap().as_primitive::<Int32Type>();
        let keys = |row: usize| -> Key {
            let value = |name: &&str| Value::at(rows.column_by_name(name).unwrap(), row);
            table
                .key
                .iter()
                .map(|name| value(name).map_or_else(String::new, |value| value.key_text()))
                .collect()
        };
        gone.extend((0..rows.num_rows()).filter(|row| changes.value(*row) == GONE).map(keys));
        let came: BooleanArray = changes.values().iter().map(|change| Some(*change != GONE)).collect();
        let came = filter_record_batch(&rows, &came).unwrap();
        let page: ArrayRef = Arc::new(Int64Array::from(vec![page as i64; came.num_rows()]));
        let columns = table.data_columns().map(|column| came.column_by_name(column.name).unwrap());
        let columns = columns.chain([&page]).map(Arc::clone).collect();
        let rows = RecordBatch::try_new(staged_schema(table), columns).unwrap();
        destination.stage(Batch { table, rows }).await.unwrap();
    }
    let commit = Commit {
        stream,
        tables: vec![table.name],
        scope: Scope::Rows,
        gone,
        checkpoint: None,
        synced_at: synced_at.parse().unwrap(),
        run: 1,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    };
    let (name, counts) = destination.publish(commit).await.unwrap().tables[0];
    println!(
        "{}",
        json!({
            "table": name,
            "new": counts.inserted,
            "changed": counts.updated,
            "deleted": counts.deleted,
            "unchanged": counts.unchanged,
            "seconds": began.elapsed().as_secs_f64(),
        })
    );
}
