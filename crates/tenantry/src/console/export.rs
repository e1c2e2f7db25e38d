//! An answer as a file: CSV, JSON or Parquet, with every value as it is, within limits of its own. Sensitive values only where they were asked for.

use axum::http::StatusCode;
use axum::response::Response;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tenantry_replication::destination::Answer;

use super::reply::{self, Trouble};
use super::sql::{asked, is_sensitive};
use super::visit::Visit;
use crate::terminal::values;

/// Rows of a file; what is more has to be asked for in parts.
const ROWS_MAX: usize = 200_000;

/// The answer to the address's question as a file.
pub(super) async fn file(visit: &Visit) -> Response {
    let question = visit.query.get("q").unwrap_or_default();
    let made = match asked(&visit.console, question, ROWS_MAX).await {
        Ok(answer) if answer.is_cut => Err(Trouble {
            what: format!("the answer has more than {ROWS_MAX} rows: ask for it in parts"),
            hint: None,
        }),
        Ok(answer) if !visit.query.has("reveal") && is_sensitive(question, &answer).contains(&true) => {
            Err(Trouble {
                what: "the answer holds sensitive values: show them first, then export".to_owned(),
                hint: None,
            })
        }
        Ok(answer) => written(&answer, visit.query.get("as").unwrap_or_default()),
        Err(trouble) => Err(trouble),
    };
    match made {
        Ok((name, kind, bytes)) => reply::download(name, kind, bytes),
        Err(trouble) => {
            let content = reply::sorry(visit.words, &trouble);
            reply::whole(visit, StatusCode::BAD_REQUEST, visit.words.say("Export", "エクスポート"), &content)
        }
    }
}

type Written = (&'static str, &'static str, Vec<u8>);

fn written(answer: &Answer, form: &str) -> Result<Written, Trouble> {
    match form {
        "csv" => {
            let text = values::to_csv(&answer.batches)?;
            Ok(("answer.csv", "text/csv; charset=utf-8", text.into_bytes()))
        }
        "json" => {
            let rows = values::to_json(&answer.batches)?;
            Ok(("answer.json", "application/json", rows.to_string().into_bytes()))
        }
        "parquet" => Ok(("answer.parquet", "application/vnd.apache.parquet", to_parquet(answer)?)),
        _ => Err(Trouble { what: "the form must be csv, json or parquet".to_owned(), hint: None }),
    }
}

fn to_parquet(answer: &Answer) -> Result<Vec<u8>, Trouble> {
    let failed = |error: parquet::errors::ParquetError| Trouble { what: error.to_string(), hint: None };
    let Some(first) = answer.batches.first() else { return Ok(Vec::new()) };
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties)).map_err(failed)?;
    for batch in &answer.batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)
}
