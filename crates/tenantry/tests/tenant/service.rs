//! `tenantry run` against a tenant that changes all the time.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::scenario::churn;
use crate::world::World;
use crate::{small, tables};

/// Rounds of change.
const ROUNDS: u64 = 4;
/// Syncs of everything after which a change must have arrived: the first may have begun before it.
const SYNCS: usize = 2;

/// A service that syncs everything each second, and what it prints.
struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(world: &World) -> Self {
        let mut command = world.command(&["run", "--json"]);
        for every in ["TENANTRY_LOGS_EVERY", "TENANTRY_USERS_EVERY", "TENANTRY_OTHERS_EVERY"] {
            command.env(every, "1s");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The report of the next sync, which must have gone well.
    fn next(&mut self) -> Value {
        let report: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(report["outcome"], "done", "{report}");
        report
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_service_keeps_up_with_a_tenant_that_changes_and_leaves_the_tables_to_others_when_it_ends() {
    let world = World::start(small());
    let mut service = Service::start(&world);
    service.next();
    let mut changed = 0;
    for round in 0..ROUNDS {
        world.churn(&churn(500 + round, 1));
        changed += (0..SYNCS).map(|_| service.next()["totals"]["deleted"].as_u64().unwrap()).sum::<u64>();
    }
    assert!(changed > 0, "rows were marked deleted on the way");
    let truth = world.truth();
    service.stop();

    let held = world.tables();
    for (table, rows) in &held {
        let expected = &truth[table];
        for (key, row) in expected {
            assert_eq!(
                rows.get(key).map(|held| (&held.row, held.deleted)),
                Some((row, false)),
                "{table} {key:?}"
            );
        }
        let mut others = rows.iter().filter(|(key, _)| !expected.contains_key(*key));
        assert!(others.all(|(_, held)| held.deleted || tables::only_grows(table)), "{table}");
    }
    let lease = world.query("SELECT CAST(until AS VARCHAR) FROM _tenantry.lease");
    assert_eq!(lease, [[None]], "the lease was given back");
    world.sync();
}
