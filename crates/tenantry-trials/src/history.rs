//! What the tenant held, and when: the truth that a trial is judged by.
//!
//! Looks at the simulator alone, and projects with the oracle; knows nothing of the replicator but the order of its merge keys.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tenantry_oracle::{Row, Rows, Tables, Tenant};
use tenantry_replication::catalog::{CATALOG, Table};
use tenantry_replication::clock::Micros;
use tenantry_simulator::Simulation;

/// Everything that the tenant ever held.
#[derive(Default)]
pub(crate) struct History {
    /// The truth without its log after each change, oldest first.
    moments: Vec<Moment>,
    /// Every event ever readable: id to JSON text.
    events: BTreeMap<String, String>,
    /// Events that were readable when the first checkpoint of the log was there, or later: they must not be lost.
    owed: BTreeSet<String>,
    /// Whether that checkpoint is there.
    owes: bool,
    /// Events that can be read now.
    pub(crate) held: BTreeSet<String>,
    /// Whether an event became readable after one with a higher id.
    pub(crate) late: bool,
    /// Everything since this time is kept; what is older may be gone.
    pub(crate) kept_from: Micros,
}

struct Moment {
    at: Micros,
    dump: Value,
    tables: Option<Tables>,
}

impl Moment {
    fn tables(&mut self) -> &Tables {
        self.tables
            .get_or_insert_with(|| keyed_as_ours(tenantry_oracle::project(&Tenant::from_dump(&self.dump))))
    }
}

impl History {
    /// Notes the tenant after a change.
    pub(crate) fn changed(&mut self, simulation: &mut Simulation, at: Micros) {
        self.moments.push(Moment { at, dump: simulation.entities(), tables: None });
        self.listen(simulation, at);
    }

    /// Notes which events can be read now. Must be called before any of them can have gone.
    pub(crate) fn listen(&mut self, simulation: &mut Simulation, at: Micros) {
        self.held.clear();
        self.kept_from = self.kept_from.max(at - simulation.retention_micros());
        for (id, event) in simulation.events(at) {
            if !self.events.contains_key(id) {
                self.late |= self.events.keys().next_back().is_some_and(|last| last.as_str() > id);
                self.events.insert(id.to_owned(), event.to_owned());
            }
            self.held.insert(id.to_owned());
        }
        if self.owes {
            self.owed.extend(self.held.iter().cloned());
        }
    }

    /// From now on no event that can be read may be lost.
    pub(crate) fn owe(&mut self) {
        self.owes = true;
        self.owed.extend(self.held.iter().cloned());
    }

    /// Whether a checkpoint of the log was ever there.
    pub(crate) fn owes(&self) -> bool {
        self.owes
    }

    /// Events that must be in the table, or in a gap.
    pub(crate) fn owed(&self) -> &BTreeSet<String> {
        &self.owed
    }

    /// Rows of every event that was ever readable, by table.
    pub(crate) fn events(&self) -> Tables {
        let logs = self.events.values().filter_map(|event| serde_json::from_str(event).ok()).collect();
        keyed_as_ours(tenantry_oracle::project(&Tenant { logs, ..Tenant::default() }))
    }

    /// The tables as the tenant is now, without its log.
    pub(crate) fn now(&mut self) -> Tables {
        self.moments.last_mut().map(|moment| moment.tables().clone()).unwrap_or_default()
    }

    /// Whether the tenant held this row at every moment from `since` until now.
    pub(crate) fn always_held(&mut self, table: &str, key: &[String], since: Micros) -> bool {
        let first = self.moments.iter().rposition(|moment| moment.at <= since).unwrap_or(0);
        self.moments[first..]
            .iter_mut()
            .all(|moment| moment.tables().get(table).is_some_and(|rows| rows.contains_key(key)))
    }

    /// Shows what the tenant held, from now back to the beginning, until that is enough.
    pub(crate) fn until(&mut self, mut is_enough: impl FnMut(&Tables) -> bool) {
        let _ = self.moments.iter_mut().rev().any(|moment| is_enough(moment.tables()));
    }

    /// When the tenant last changed in the row of this key, or in whether it is there.
    pub(crate) fn describe(&mut self, table: &str, key: &[String]) -> String {
        let mut shown = Vec::new();
        let mut before: Option<Option<Row>> = None;
        for moment in &mut self.moments {
            let row = moment.tables().get(table).and_then(|rows| rows.get(key)).cloned();
            if before.as_ref() != Some(&row) {
                let what = if row.is_some() { "there" } else { "not there" };
                shown.push(format!("{what} from {}", tenantry_oracle::show_micros(moment.at)));
            }
            before = Some(row);
        }
        shown.join(", ")
    }
}

/// The projection under the catalog's merge keys, in their order.
fn keyed_as_ours(truth: Tables) -> Tables {
    let keyed = |(name, rows): (&'static str, Rows)| {
        let Some(table) = CATALOG.table(name) else { return (name, rows) };
        (name, rows.into_values().map(|row| (key(table, &row), row)).collect())
    };
    truth.into_iter().map(keyed).collect()
}

/// A row's merge key as the oracle writes it.
pub(crate) fn key(table: &Table, row: &Row) -> Vec<String> {
    let cell = |name: &&'static str| row.get(name).cloned().flatten().unwrap_or_else(|| "\0".to_owned());
    table.key.iter().map(cell).collect()
}
