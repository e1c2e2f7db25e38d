//! What a table's log says of a file: how many rows it has, and between which values they lie. Readers leave out files by it.

use deltalake::parquet::basic::{LogicalType, TimeUnit};
use deltalake::parquet::file::metadata::ParquetMetaData;
use deltalake::parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use crate::range::Range;

/// Reads what the log says of a file: of a column, and the number of its rows.
pub(crate) fn told(stats: Option<&str>, column: Option<&str>) -> (Range, Option<i64>) {
    let stats: Value = stats.and_then(|stats| serde_json::from_str(stats).ok()).unwrap_or_default();
    let bound = |which: &str| column.and_then(|column| Some(stats[which][column].as_str()?.to_owned()));
    let null = column.is_none_or(|column| stats["nullCount"][column].as_i64() != Some(0));
    (Range { texts: bound("minValues").zip(bound("maxValues")), null }, stats["numRecords"].as_i64())
}

/// What the log is told of a file, from the file's own metadata, of these columns.
pub(crate) fn of(metadata: &ParquetMetaData, columns: &[&str]) -> Value {
    let (mut smallest, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
    let schema = metadata.file_metadata().schema_descr();
    for (index, column) in schema.columns().iter().enumerate() {
        if !columns.contains(&column.name()) {
            continue;
        }
        let groups: Option<Vec<&Statistics>> =
            metadata.row_groups().iter().map(|group| group.column(index).statistics()).collect();
        let Some(groups) = groups else { continue };
        let count: Option<u64> = groups.iter().map(|group| group.null_count_opt()).sum();
        if let Some(count) = count {
            nulls.insert(column.name().to_owned(), json!(count));
        }
        let rows = |index: usize| u64::try_from(metadata.row_group(index).num_rows()).ok();
        let filled =
            groups.iter().enumerate().filter(|(index, group)| group.null_count_opt() != rows(*index));
        let bounds: Option<Vec<(Bound, Bound)>> =
            filled.map(|(_, group)| Bound::both(group, column.logical_type_ref())).collect();
        let Some((first, last)) = bounds.and_then(|bounds| bounds.into_iter().reduce(wider)) else {
            continue;
        };
        smallest.insert(column.name().to_owned(), first.shown());
        largest.insert(column.name().to_owned(), last.shown());
    }
    json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": smallest,
        "maxValues": largest,
        "nullCount": nulls,
    })
}

fn wider(one: (Bound, Bound), other: (Bound, Bound)) -> (Bound, Bound) {
    let smallest = if other.0 < one.0 { other.0 } else { one.0 };
    let largest = if other.1 > one.1 { other.1 } else { one.1 };
    (smallest, largest)
}

/// The smallest or the largest value of a column.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Boolean(bool),
    Integer(i64),
    Instant(i64),
    Text(String),
}

impl Bound {
    fn both(of: &Statistics, kind: Option<&LogicalType>) -> Option<(Self, Self)> {
        match (of, kind) {
            (Statistics::Boolean(of), _) => {
                Some((Self::Boolean(*of.min_opt()?), Self::Boolean(*of.max_opt()?)))
            }
            (Statistics::Int64(of), None | Some(LogicalType::Integer(_))) => {
                Some((Self::Integer(*of.min_opt()?), Self::Integer(*of.max_opt()?)))
            }
            (Statistics::Int64(of), Some(LogicalType::Timestamp(kind))) if kind.unit == TimeUnit::MICROS => {
                Some((Self::Instant(*of.min_opt()?), Self::Instant(*of.max_opt()?)))
            }
            (Statistics::ByteArray(of), Some(LogicalType::String)) => {
                let text = |bytes: &[u8]| Some(Self::Text(std::str::from_utf8(bytes).ok()?.to_owned()));
                Some((text(of.min_opt()?.data())?, text(of.max_opt()?.data())?))
            }
            _ => None,
        }
    }

    /// As the format has it: an instant to the millisecond, which is what readers expect and allow for.
    fn shown(&self) -> Value {
        match self {
            Self::Boolean(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::Instant(micros) => {
                let instant = chrono::DateTime::from_timestamp_micros(*micros);
                instant.map_or(Value::Null, |instant| {
                    json!(instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
                })
            }
        }
    }
}
