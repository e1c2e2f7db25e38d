//! Rows on their way: gathered here, then in temporary tables of the session, which end with it.
//!
//! What a lost connection took with it is remembered: a stream of which rows are missing is refused until it begins anew, as a complete read
//! without them would mark them deleted.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use tenantry_replication::catalog::{Stream, Table, Type, system};
use tenantry_replication::destination::Batch;
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, place, quoted};
use super::encode::Piece;
use super::schema::KEY_BYTES_MAX;
use super::types::{POSTGRES, sql_type};
use crate::sql::server::{Connection as _, Texts, held};
use crate::sql::{ARRIVAL, Keys, Staged, columns, misfit};

/// Bytes gathered for one table before they are sent.
const GATHERED_BYTES_MAX: usize = 4 << 20;
/// Bytes gathered for all tables before they are sent.
const GATHERED_BYTES_IN_ALL_MAX: usize = 16 << 20;
/// Rows from which on the planner has to know how many there are.
const ANALYZED_FROM: u64 = 500;

/// Schema of the session's own temporary tables.
const TEMPORARY: &str = "pg_temp";

/// Everything that is staged in a session and not yet taken.
#[derive(Default)]
pub(super) struct Stage {
    tables: BTreeMap<&'static str, Gathering>,
    /// Tables of which staged rows went with a connection.
    lost: BTreeSet<&'static str>,
}

struct Gathering {
    table: &'static Table,
    piece: Piece,
    /// Whether its temporary table is there.
    is_placed: bool,
    /// Rows so far, sent or not: the number of the next one.
    rows: u64,
    /// So many of the first rows are parked.
    parked: u64,
    null_keys: BTreeSet<&'static str>,
    /// Whether a key is too long for an index.
    long_keys: bool,
}

/// Staged rows that are all with the server.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) staged: Staged,
    pub(super) rows: u64,
    /// Number of the first row that is not parked.
    pub(super) unparked: u64,
    pub(super) long_keys: bool,
}

impl Gathering {
    fn new(table: &'static Table) -> Self {
        Self {
            table,
            piece: Piece::default(),
            is_placed: false,
            rows: 0,
            parked: 0,
            null_keys: BTreeSet::new(),
            long_keys: false,
        }
    }

    fn take_in(&mut self, rows: &RecordBatch) -> Attempt<()> {
        let keys = self.table.key.iter().filter_map(|key| Some((*key, rows.column_by_name(key)?)));
        let keys: Vec<_> = keys.collect();
        self.null_keys.extend(keys.iter().filter(|(_, column)| column.null_count() > 0).map(|(key, _)| *key));
        // In this order, as of most tables no key can be too long: all keys of a batch together are not.
        let bytes: usize = keys.iter().map(|(_, column)| column.get_array_memory_size()).sum();
        self.long_keys |= bytes > KEY_BYTES_MAX && has_long_key(&keys, rows.num_rows());
        self.piece.add(rows, self.rows)?;
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    /// Sends what was gathered.
    async fn send(&mut self, connection: &Connection) -> Attempt<()> {
        let Some((bytes, rows)) = self.piece.take() else { return Ok(()) };
        let place = placed(self.table);
        if !self.is_placed {
            connection.run(&create(&place, self.table, "TEMPORARY ")).await?;
            self.is_placed = true;
        }
        connection.copy(&place, bytes, rows).await
    }
}

/// Whether the texts of some key have more bytes than an index takes.
fn has_long_key(keys: &[(&str, &ArrayRef)], rows: usize) -> bool {
    let texts: Vec<_> = keys.iter().filter_map(|(_, column)| column.as_string_opt::<i32>()).collect();
    let length = |text: &StringArray, row| text.value_length(row).unsigned_abs() as usize;
    let sent = |row: usize| texts.iter().map(|text| held(text.value(row)).len()).sum::<usize>();
    // What U+0000 becomes has two bytes more.
    (0..rows).any(|row| {
        texts.iter().map(|text| length(text, row)).sum::<usize>() * 3 > KEY_BYTES_MAX
            && sent(row) > KEY_BYTES_MAX
    })
}

impl Stage {
    /// Takes rows.
    pub(super) async fn add(&mut self, connection: &Connection, batch: Batch) -> Attempt<()> {
        if let Some(message) = misfit(&batch) {
            return Err(Failure::new(DestinationErrorKind::Failed, message));
        }
        let Batch { table, rows } = batch;
        self.check([table.name].into_iter())?;
        let gathering = self.tables.entry(table.name).or_insert_with(|| Gathering::new(table));
        gathering.take_in(&rows)?;
        if gathering.piece.len() >= GATHERED_BYTES_MAX {
            return gathering.send(connection).await;
        }
        if self.tables.values().map(|gathering| gathering.piece.len()).sum::<usize>()
            >= GATHERED_BYTES_IN_ALL_MAX
        {
            for gathering in self.tables.values_mut() {
                gathering.send(connection).await?;
            }
        }
        Ok(())
    }

    /// Refuses to go on with tables of which rows are missing.
    fn check(&self, mut tables: impl Iterator<Item = &'static str>) -> Attempt<()> {
        if tables.any(|table| self.lost.contains(table)) {
            return Err(Failure::new(
                DestinationErrorKind::Unavailable,
                "the connection was lost, and rows that were staged went with it; nothing of them was written",
            ));
        }
        Ok(())
    }

    /// Notes that the session is gone, and with it everything that was staged.
    pub(super) fn lose(&mut self) {
        self.lost.extend(std::mem::take(&mut self.tables).into_keys());
    }

    /// The staged rows of a table, all of them with the server; `None` when there are none. They stay staged.
    pub(super) async fn settle(
        &mut self,
        connection: &Connection,
        table: &'static Table,
    ) -> Attempt<Option<Settled>> {
        self.check([table.name].into_iter())?;
        let Some(gathering) = self.tables.get_mut(table.name) else { return Ok(None) };
        gathering.send(connection).await?;
        if gathering.rows == 0 {
            return Ok(None);
        }
        let staged =
            Staged { table, place: placed(table), null_keys: gathering.null_keys.iter().copied().collect() };
        let (rows, unparked, long_keys) = (gathering.rows, gathering.parked, gathering.long_keys);
        Ok(Some(Settled { staged, rows, unparked, long_keys }))
    }

    /// The staged rows of all tables of a stream, ready to be merged: the planner knows how many there are. They stay staged.
    pub(super) async fn settle_all(
        &mut self,
        connection: &Connection,
        stream: &'static Stream,
    ) -> Attempt<Vec<Settled>> {
        let mut all = Vec::new();
        for table in stream.tables {
            all.extend(self.settle(connection, table).await?);
        }
        let many = all.iter().filter(|settled| settled.rows >= ANALYZED_FROM);
        let many: Vec<String> = many.map(|settled| format!("ANALYZE {}", settled.staged.place)).collect();
        if !many.is_empty() {
            connection.run(&many.join("; ")).await?;
        }
        Ok(all)
    }

    /// Notes that rows are parked.
    pub(super) fn note_parked(&mut self, parked: &[Settled]) {
        for settled in parked {
            if let Some(gathering) = self.tables.get_mut(settled.staged.table.name) {
                gathering.parked = settled.rows;
            }
        }
    }

    /// Stages the rows that a query gives, with their numbers, and counts them as parked. Nothing of the table is staged before.
    pub(super) async fn restage(
        &mut self,
        connection: &Connection,
        table: &'static Table,
        query: &str,
    ) -> Attempt<()> {
        let place = placed(table);
        connection.run(&create(&place, table, "TEMPORARY ")).await?;
        let mut gathering = Gathering { is_placed: true, ..Gathering::new(table) };
        let nulls: Vec<String> =
            table.key.iter().map(|key| format!("count(*) FILTER (WHERE {} IS NULL)", quoted(key))).collect();
        let row = connection
            .row(
                &format!(
                    "WITH staged AS (INSERT INTO {place} {query} RETURNING *) \
                     SELECT coalesce(max({ARRIVAL}) + 1, 0), count(*) FILTER (WHERE {} > {KEY_BYTES_MAX}), {} FROM staged",
                    key_bytes(table, None),
                    nulls.join(", ")
                ),
                &[],
            )
            .await?;
        gathering.rows = row.try_get::<_, i64>(0)?.unsigned_abs();
        gathering.parked = gathering.rows;
        gathering.long_keys = row.try_get::<_, i64>(1)? > 0;
        for (at, key) in table.key.iter().enumerate() {
            if row.try_get::<_, i64>(at + 2)? > 0 {
                gathering.null_keys.insert(key);
            }
        }
        self.tables.insert(table.name, gathering);
        Ok(())
    }

    /// Forgets everything that is staged for a stream, and what was lost of it.
    pub(super) async fn discard(&mut self, connection: &Connection, stream: &'static Stream) -> Attempt<()> {
        let placed = self.forget(stream);
        if placed.is_empty() { Ok(()) } else { connection.run(&drop_tables(&placed)).await }
    }

    /// The same of every stream.
    pub(super) async fn discard_all(&mut self, connection: &Connection) -> Attempt<()> {
        self.lost.clear();
        let tables = std::mem::take(&mut self.tables).into_values();
        let placed: Vec<String> =
            tables.filter(|gathering| gathering.is_placed).map(|gathering| placed(gathering.table)).collect();
        if placed.is_empty() { Ok(()) } else { connection.run(&drop_tables(&placed)).await }
    }

    /// Forgets a stream here, and gives the tables that the server holds for it.
    fn forget(&mut self, stream: &'static Stream) -> Vec<String> {
        let mut places = Vec::new();
        for table in stream.tables {
            self.lost.remove(table.name);
            let gathering = self.tables.remove(table.name);
            places.extend(
                gathering.filter(|gathering| gathering.is_placed).map(|gathering| placed(gathering.table)),
            );
        }
        places
    }
}

/// Bytes of the texts of a key, of the rows called `of`, in SQL.
pub(super) fn key_bytes(table: &Table, of: Option<&str>) -> String {
    let texts = table.key_columns().filter(|column| column.kind == Type::String);
    let bytes =
        |column| format!("coalesce(octet_length({}), 0)", columns(&POSTGRES, std::iter::once(column), of));
    let bytes: Vec<String> = texts.map(bytes).collect();
    if bytes.is_empty() { "0".to_owned() } else { bytes.join(" + ") }
}

/// Where staged rows of a table are.
fn placed(table: &Table) -> String {
    place(TEMPORARY, table.name)
}

/// A temporary table beside those of staged rows. The sign in its name keeps it apart from them.
pub(super) fn aside(name: &str) -> String {
    place(TEMPORARY, &format!("#{name}"))
}

pub(super) fn drop_tables(places: &[String]) -> String {
    format!("DROP TABLE IF EXISTS {}", places.join(", "))
}

/// Columns of staged rows, with their types.
pub(super) fn staged_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let data = table.data_columns().map(|column| (column.name, sql_type(column.kind)));
    data.chain([(system::PAGE, "bigint"), (ARRIVAL, "bigint")]).collect()
}

/// The same without types, as a list.
pub(super) fn staged_names(table: &Table, of: &str) -> String {
    let data = columns(&POSTGRES, table.data_columns(), Some(of));
    format!("{data}, {of}.{}, {of}.{ARRIVAL}", quoted(system::PAGE))
}

/// The statement that creates a table for staged rows. Texts are compared by their bytes, as in the tables of the catalog.
pub(super) fn create(place: &str, table: &Table, how: &str) -> String {
    let column = |(name, kind): (&str, &str)| {
        let collation = if table.key.contains(&name) && kind == "text" { " COLLATE \"C\"" } else { "" };
        format!("{} {kind}{collation}", quoted(name))
    };
    let columns: Vec<String> = staged_columns(table).into_iter().map(column).collect();
    format!("CREATE {how}TABLE {place} ({})", columns.join(", "))
}

/// Puts texts into a temporary table of their own.
pub(super) async fn stage_texts(connection: &Connection, name: &str, texts: Texts) -> Attempt<Keys> {
    use tokio_postgres::types::{ToSql, Type as Of};
    let place = aside(name);
    let parts = texts.columns.len();
    let declared: Vec<String> = (0..parts).map(|part| format!("k{part} text COLLATE \"C\"")).collect();
    connection
        .run(&format!(
            "DROP TABLE IF EXISTS {place}; CREATE TEMPORARY TABLE {place} ({})",
            declared.join(", ")
        ))
        .await?;
    if texts.rows > 0 {
        let values: Vec<(&(dyn ToSql + Sync), Of)> =
            texts.columns.iter().map(|column| (column as &(dyn ToSql + Sync), Of::TEXT_ARRAY)).collect();
        let given: Vec<String> = (1..=parts).map(|part| format!("${part}")).collect();
        let sql = format!("INSERT INTO {place} SELECT * FROM unnest({})", given.join(", "));
        connection.change(&sql, &values).await?;
        if texts.rows as u64 >= ANALYZED_FROM {
            connection.run(&format!("ANALYZE {place}")).await?;
        }
    }
    Ok(Keys { place, blank: texts.blank })
}
