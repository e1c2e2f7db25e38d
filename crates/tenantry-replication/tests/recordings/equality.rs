//! A tenant rebuilt from recordings, replicated by a whole run, and its tables compared cell by cell with a naive projection.
//!
//! The projection is `tenantry-oracle`'s: it shares no code with the replicator and knows nothing of the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tenantry_oracle::{Row, Tables, Tenant, show_micros};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::{Clock, Micros};
use tenantry_replication::destination::{Destination, MemoryDestination, Value};
use tenantry_replication::sync::{self, Edges, Event, Observer, Options, Report};

use crate::archive;
use crate::network::{self, Answers, Virtual};
use crate::rebuilt::Rebuilt;
use crate::server::Server;

/// 1 December 2026: later than every recording, and later than everything that the log begins with.
const NOW: Micros = 1_796_083_200_000_000;
/// The published diagram.
const DIAGRAM: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/erd.mermaid.md"));
/// Mismatches that are shown, at most.
const SHOWN_MAX: usize = 40;

struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}

/// One run over all tables.
pub(crate) async fn sync(
    answers: Arc<dyn Answers>,
    clock: &Arc<Virtual>,
    destination: &Arc<MemoryDestination>,
) -> Report {
    let edges = Edges {
        source: Arc::new(network::source(answers, clock)),
        destination: Arc::clone(destination) as Arc<dyn Destination>,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        observer: Arc::new(Silent),
    };
    let tables = CATALOG.tables().map(|table| table.name).collect();
    let options = Options {
        tenant: "tenant.example.com".to_owned(),
        tables,
        full: false,
        streams_at_once: 4,
        full_every: sync::FULL_EVERY,
        untold_every: sync::UNTOLD_EVERY,
    };
    sync::sync(&edges, &CATALOG, &options).await.unwrap()
}

#[tokio::test]
async fn a_tenant_rebuilt_from_recordings_becomes_these_rows() {
    let Some(recordings) = archive::recordings() else { return };
    let server = Arc::new(Server::new(Rebuilt::from(&recordings)));
    assert!(server.tenant.entities() > 3_000, "{} entities are few", server.tenant.entities());
    let expected = tenantry_oracle::project(&tenant(&server.tenant));
    assert_eq!(columns_of(&expected), BTreeMap::new(), "the projection has the columns of the diagram");

    let clock = Virtual::at(NOW);
    let destination = Arc::new(MemoryDestination::new());
    let report = sync(Arc::clone(&server) as Arc<dyn Answers>, &clock, &destination).await;
    assert!(report.all_done(), "{report:#?}");
    assert_eq!(report.requests, server.requests.load(Ordering::Relaxed));
    let held = held(&destination);
    assert_same(&expected, &held);
    for line in &report.tables {
        assert_eq!(line.inserted, held[line.table.as_str()].len() as u64, "{}", line.table);
        assert_eq!((line.updated, line.deleted, line.quarantined), (0, 0, 0), "{}", line.table);
    }

    let before = rows(&destination);
    clock.pass(Duration::from_hours(48));
    let report = sync(server, &clock, &destination).await;
    assert!(report.all_done(), "{report:#?}");
    for line in &report.tables {
        assert_eq!((line.inserted, line.updated, line.deleted), (0, 0, 0), "{} changed", line.table);
    }
    assert_eq!(before, rows(&destination), "an unchanged tenant read twice changes no row");
    assert_eq!((destination.gaps(), destination.quarantined()), (Vec::new(), Vec::new()));
}

/// The tenant as the projection takes it.
fn tenant(rebuilt: &Rebuilt) -> Tenant {
    let ids = |nested: &BTreeMap<String, BTreeMap<String, serde_json::Value>>, parents: &str| {
        let parents: BTreeSet<String> =
            rebuilt.list(parents).iter().map(|parent| parent["id"].as_str().unwrap().to_owned()).collect();
        // A list that no listed record stands for cannot be reached.
        let reached = nested.iter().filter(|(parent, _)| parents.contains(*parent));
        reached.map(|(parent, children)| (parent.clone(), children.keys().cloned().collect())).collect()
    };
    Tenant {
        actions: rebuilt.list("/actions/actions"),
        triggers: rebuilt.triggers.clone(),
        clients: rebuilt.list("/clients"),
        client_grants: rebuilt.list("/client-grants"),
        connections: rebuilt.list("/connections"),
        connection_clients: ids(&rebuilt.connection_clients, "/connections"),
        organizations: rebuilt.list("/organizations"),
        organization_members: ids(&rebuilt.members, "/organizations"),
        resource_servers: rebuilt.list("/resource-servers"),
        roles: rebuilt.list("/roles"),
        log_streams: rebuilt.list("/log-streams"),
        logs: rebuilt.list("/logs"),
        grants: rebuilt.list("/grants"),
        stats_daily: rebuilt.list("/stats/daily"),
        users: rebuilt.list("/users"),
    }
}

/// Tables whose projected rows do not have exactly the diagram's columns, with both.
fn columns_of(projected: &Tables) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut drawn: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = None;
    for line in DIAGRAM.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [name, "{"] => table = Some(name.to_owned()),
            ["}"] => table = None,
            [_, column, ..] => {
                let columns = table.as_ref().map(|table| drawn.entry(table.clone()).or_default());
                if let Some(columns) =
                    columns.filter(|_| !["_fivetran_deleted", "_fivetran_synced"].contains(&column))
                {
                    columns.insert(column.to_owned());
                }
            }
            _ => {}
        }
    }
    assert_eq!(drawn.len(), 33);
    assert_eq!(projected.len(), 33);
    let differs = |(table, columns): (String, BTreeSet<String>)| {
        let rows = projected.get(table.as_str()).unwrap_or_else(|| panic!("{table} is not projected"));
        let other = rows
            .values()
            .map(|row| row.keys().map(|name| (*name).to_owned()).collect())
            .find(|row| *row != columns)?;
        Some((table, (columns, other)))
    };
    drawn.into_iter().filter_map(differs).collect()
}

/// The destination's live rows as text cells, under the merge key.
fn held(destination: &MemoryDestination) -> Tables {
    let mut tables = Tables::new();
    for table in CATALOG.tables() {
        let held = tables.entry(table.name).or_default();
        for row in destination.rows(table.name) {
            assert!(!row.deleted, "{}: a row is marked deleted", table.name);
            let row: Row = row.values.into_iter().map(|(name, value)| (name, cell(value))).collect();
            let twice = held.insert(key(table.key, &row), row);
            assert!(twice.is_none(), "{}: two rows with one key", table.name);
        }
    }
    tables
}

fn cell(value: Value) -> tenantry_oracle::Cell {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Timestamp(micros) => Some(show_micros(micros)),
    }
}

fn key(names: &[&str], row: &Row) -> Vec<String> {
    names.iter().map(|name| row[name].clone().unwrap_or_else(|| "\0".to_owned())).collect()
}

/// Compares cell by cell; shows table, key, column, what was expected and what came.
fn assert_same(expected: &Tables, held: &Tables) {
    let mut wrong = Vec::new();
    for table in CATALOG.tables() {
        let rows: BTreeMap<Vec<String>, &Row> =
            expected[table.name].values().map(|row| (key(table.key, row), row)).collect();
        assert_eq!(
            rows.len(),
            expected[table.name].len(),
            "{}: the merge key tells all rows apart",
            table.name
        );
        let came = &held[table.name];
        for (key, row) in &rows {
            match came.get(key) {
                None => wrong.push(format!("{} {key:?}: the row is missing", table.name)),
                Some(came) => {
                    let columns: BTreeSet<_> = row.keys().chain(came.keys()).collect();
                    let differing =
                        columns.into_iter().filter(|column| row.get(*column) != came.get(*column));
                    wrong.extend(differing.map(|column| {
                        format!(
                            "{} {key:?} {column}: expected {:?}, got {:?}",
                            table.name,
                            row.get(column),
                            came.get(column)
                        )
                    }));
                }
            }
        }
        let added = came.keys().filter(|key| !rows.contains_key(*key));
        wrong.extend(added.map(|key| format!("{} {key:?}: the row is not the tenant's", table.name)));
    }
    let shown = wrong.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} mismatches:\n{shown}", wrong.len());
}

type Kept = Vec<(&'static str, Vec<tenantry_replication::destination::Row>)>;

fn rows(destination: &MemoryDestination) -> Kept {
    CATALOG.tables().map(|table| (table.name, destination.rows(table.name))).collect()
}
