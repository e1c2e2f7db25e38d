//! What runs left on record, read back: runs with their tables, gaps, quarantined records, the tenant.
//!
//! Gives nothing where no run has made the state tables yet. Quarantined records themselves stay where they are.

use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{GapRecord, Losses, QuarantineRecord};
use tenantry_replication::state::{RunRecord, TableRecord};

use super::super::connection::{Attempt, Connection};
use super::super::state::{exists, has_column};

/// The last runs with their tables, newest first.
pub(super) fn runs(connection: &mut Connection, most: usize) -> Attempt<Vec<RunRecord>> {
    let runs = connection.state("run");
    select(connection, &format!("run IN (SELECT run FROM {runs} ORDER BY run DESC LIMIT {most})"))
}

/// One run.
pub(super) fn run(connection: &mut Connection, number: u64) -> Attempt<Option<RunRecord>> {
    Ok(select(connection, &format!("run = {number}"))?.into_iter().next())
}

fn select(connection: &mut Connection, which: &str) -> Attempt<Vec<RunRecord>> {
    if !exists(connection, "run")? || !exists(connection, "run_table")? {
        return Ok(Vec::new());
    }
    let rows = connection.texts(&format!(
        "SELECT CAST(run AS VARCHAR), CAST(epoch_us(started_at) AS VARCHAR), CAST(epoch_us(finished_at) AS VARCHAR), outcome, \
         CAST(requests AS VARCHAR) FROM {} WHERE {which} ORDER BY run DESC",
        connection.state("run")
    ))?;
    let record = |row: &Vec<Option<String>>| RunRecord {
        run: number(row, 0),
        started_at: number(row, 1),
        finished_at: number(row, 2),
        outcome: text(row, 3),
        requests: number(row, 4),
        tables: Vec::new(),
    };
    let mut runs: Vec<RunRecord> = rows.iter().map(record).collect();
    // A file that an older version wrote and this one only reads.
    let tells_delays = has_column(connection, "run_table", "waited")?;
    let (limited, waited, began) =
        if tells_delays { ("limited", "waited", "began") } else { ("0", "0", "0") };
    let rows = connection.texts(&format!(
        "SELECT CAST(run AS VARCHAR), \"table\", outcome, message, CAST(inserted AS VARCHAR), CAST(updated AS VARCHAR), \
         CAST(deleted AS VARCHAR), CAST(unchanged AS VARCHAR), CAST(coalesce(drifted, 0) AS VARCHAR), \
         CAST(quarantined AS VARCHAR), CAST(requests AS VARCHAR), CAST(seconds AS VARCHAR), \
         CAST(coalesce({limited}, 0) AS VARCHAR), CAST(coalesce({waited}, 0) AS VARCHAR), \
         CAST(coalesce({began}, 0) AS VARCHAR) FROM {} WHERE {which} ORDER BY rowid",
        connection.state("run_table")
    ))?;
    for row in &rows {
        let of = number::<u64>(row, 0);
        if let Some(run) = runs.iter_mut().find(|run| run.run == of) {
            run.tables.push(table(row));
        }
    }
    Ok(runs)
}

fn table(row: &[Option<String>]) -> TableRecord {
    TableRecord {
        table: text(row, 1),
        outcome: text(row, 2),
        message: row.get(3).cloned().flatten(),
        inserted: number(row, 4),
        updated: number(row, 5),
        deleted: number(row, 6),
        unchanged: number(row, 7),
        drifted: number(row, 8),
        quarantined: number(row, 9),
        requests: number(row, 10),
        seconds: number(row, 11),
        limited: number(row, 12),
        waited: number(row, 13),
        began: number(row, 14),
    }
}

/// Gaps and quarantined records, newest first.
pub(super) fn losses(connection: &mut Connection, most: usize) -> Attempt<Losses> {
    if !exists(connection, "gap")? || !exists(connection, "quarantine")? {
        return Ok(Losses::default());
    }
    let (gap, quarantine) = (connection.state("gap"), connection.state("quarantine"));
    let gaps = connection.texts(&format!(
        "SELECT stream, \"from\", \"to\", reason, CAST(run AS VARCHAR), CAST(epoch_us(recorded_at) AS VARCHAR) FROM {gap} \
         ORDER BY recorded_at DESC, rowid DESC LIMIT {most}"
    ))?;
    let quarantined = connection.texts(&format!(
        "SELECT \"table\", key, reason, CAST(run AS VARCHAR), CAST(epoch_us(recorded_at) AS VARCHAR) FROM {quarantine} \
         ORDER BY recorded_at DESC, rowid DESC LIMIT {most}"
    ))?;
    let [all_gaps] = connection.numbers(&format!("SELECT count(*) FROM {gap}"))?;
    let [all_quarantined] = connection.numbers(&format!("SELECT count(*) FROM {quarantine}"))?;
    let gap = |row: &Vec<Option<String>>| GapRecord {
        stream: text(row, 0),
        from: text(row, 1),
        to: text(row, 2),
        reason: text(row, 3),
        run: number(row, 4),
        recorded_at: number::<Micros>(row, 5),
    };
    let quarantine = |row: &Vec<Option<String>>| QuarantineRecord {
        table: text(row, 0),
        key: text(row, 1),
        reason: text(row, 2),
        run: number(row, 3),
        recorded_at: number::<Micros>(row, 4),
    };
    Ok(Losses {
        gaps: gaps.iter().map(gap).collect(),
        quarantined: quarantined.iter().map(quarantine).collect(),
        counts: (all_gaps.unsigned_abs(), all_quarantined.unsigned_abs()),
    })
}

/// Whose tables these are.
pub(super) fn tenant(connection: &mut Connection) -> Attempt<Option<String>> {
    if !exists(connection, "meta")? {
        return Ok(None);
    }
    let rows = connection.texts(&format!("SELECT tenant FROM {}", connection.state("meta")))?;
    Ok(rows.into_iter().flatten().next().flatten())
}

fn text(row: &[Option<String>], column: usize) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

/// A number that the state tables hold as one; its default for NULL.
fn number<T: std::str::FromStr + Default>(row: &[Option<String>], column: usize) -> T {
    row.get(column).and_then(Option::as_deref).and_then(|text| text.parse().ok()).unwrap_or_default()
}
