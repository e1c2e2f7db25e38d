//! How much of each stream a run reads after it heard the log: pure decisions, from what was told and what earlier reads came to.

use crate::catalog::{Catalog, Paging, Replication};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::state::Checkpoint;

use super::Options;
use super::changes::{Changes, Told};
use super::plan::{Action, Reach, Task, USERS_OVERLAP, applied_at, is_ahead, is_due};

/// Records of one stream that are looked at one by one; more than that and the list costs less.
const LOOKED_AT_MAX: usize = 50;
/// How much later by our reckoning of the tenant's clock something may seem to have happened than it did: it is known to a second.
const CLOCKS_DIFFER: Micros = 5 * crate::clock::MICROS_PER_SECOND;

/// Narrows the reach of each stream to what the log told, where that is enough.
pub(super) fn narrow(
    catalog: &Catalog,
    options: &Options,
    tasks: &mut [Task],
    changes: &Changes,
    now: Micros,
) {
    for task in tasks.iter_mut().filter(|task| task.action == Action::Read) {
        let told = changes.of(catalog, task.stream.name);
        task.reach = reach(catalog, options, task, told, now);
    }
    for at in 0..tasks.len() {
        if depends_on_unknown(catalog, tasks, &tasks[at], changes) {
            tasks[at].reach = Reach::Whole;
        }
    }
    for at in 0..tasks.len() {
        let Some(parent) = tasks[at].stream.parent.as_ref() else { continue };
        let above = changes.of(catalog, parent.stream);
        match &mut tasks[at].reach {
            // A parent that is new or changed may have children that no event named.
            Reach::Told(told) if !above.anything => told.parents.extend(above.records),
            reach => {
                *reach = Reach::Whole;
                if let Some(parent) = tasks.iter_mut().find(|task| task.stream.name == parent.stream) {
                    parent.reach = Reach::Whole;
                }
            }
        }
    }
}

/// Whether rows may depend on records that ended without being named and that the destination no longer holds, or never did: then no
/// comparison with it shows that they ended.
fn depends_on_unknown(catalog: &Catalog, tasks: &[Task], task: &Task, changes: &Changes) -> bool {
    let is_unknown = |of: &str| {
        let cause = tasks.iter().find(|cause| cause.stream.name == of && cause.action == Action::Read);
        let held = |cause: &Task| applied_at(cause).is_some_and(|at| Some(at) <= applied_at(task));
        changes.of(catalog, of).anything && cause.is_some_and(|cause| !held(cause))
    };
    let cascades = catalog.feed.cascades.iter();
    cascades.filter(|cascade| cascade.stream == task.stream.name).any(|cascade| is_unknown(cascade.of))
}

fn reach(catalog: &Catalog, options: &Options, task: &Task, told: Told, now: Micros) -> Reach {
    let (Some(Checkpoint::Full { read_at, .. }), Some(applied_at)) = (&task.from, applied_at(task)) else {
        return Reach::Whole;
    };
    let is_due = is_due(catalog, options, task, *read_at, now) || is_ahead(applied_at, now);
    // A read that was begun is brought to its end.
    let goes_on = task.parked.is_some();
    if is_due || goes_on || told.anything || told.records.len() + told.parents.len() > LOOKED_AT_MAX {
        return Reach::Whole;
    }
    if may_have_shifted(task, &told) {
        return Reach::Whole;
    }
    match task.stream.replication {
        Replication::FullTable => Reach::Told(told),
        Replication::Export if planted(Defect::UsersOverlapDropped) => Reach::Since(applied_at, told),
        Replication::Export => Reach::Since(applied_at - USERS_OVERLAP, told),
        Replication::Log | Replication::Daily | Replication::Frozen => Reach::Whole,
    }
}

/// Whether records came or went while the last complete read went over pages that shift then: one that was pushed from a page not read yet
/// to one read before is missing, and no event names it. However late the log tells of it, the event says when it was.
fn may_have_shifted(task: &Task, told: &Told) -> bool {
    let is_list = task.stream.replication == Replication::FullTable;
    let by_offset =
        task.stream.endpoint.as_ref().is_some_and(|endpoint| is_list && endpoint.paging == Paging::Offset);
    let Some(Checkpoint::Full { applied_at, read_until, .. }) = task.from else { return false };
    if !by_offset || *told == Told::default() || planted(Defect::ShiftedPagesTrusted) {
        return false;
    }
    match (told.earliest, read_until) {
        (Some(earliest), Some(until)) => earliest <= until + CLOCKS_DIFFER,
        _ => applied_at.is_none(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::plan::tasks;
    use super::*;
    use crate::catalog::CATALOG;
    use crate::source::Access;
    use crate::state::State;

    const HOUR: Micros = 3_600 * crate::clock::MICROS_PER_SECOND;

    pub(in super::super) fn options() -> Options {
        Options {
            tenant: "tenant.example.com".to_owned(),
            tables: CATALOG.tables().map(|table| table.name).collect(),
            full: false,
            streams_at_once: 1,
            full_every: Duration::from_hours(24),
            untold_every: Duration::from_hours(1),
        }
    }

    /// All streams as a complete read at time 0 left them, narrowed at `now` by what was told.
    fn narrowed(changes: &Changes, now: Micros) -> Vec<Task> {
        let mut state = State::default();
        for stream in CATALOG.streams {
            state.checkpoints.insert(
                stream.name.into(),
                Checkpoint::Full {
                    read_at: 0,
                    applied_at: Some(now - HOUR / 2),
                    behind_log: false,
                    read_until: None,
                },
            );
        }
        let mut tasks = tasks(&CATALOG, &options(), &Access::default(), &state);
        narrow(&CATALOG, &options(), &mut tasks, changes, now);
        tasks
    }

    fn reach_of<'a>(tasks: &'a [Task], stream: &str) -> &'a Reach {
        &tasks.iter().find(|task| task.stream.name == stream).unwrap().reach
    }

    fn told(stream: &'static str, told: Told) -> Changes {
        Changes { streams: [(stream, told)].into(), unknown: false }
    }

    #[test]
    fn what_nothing_was_told_of_is_not_read_again_before_it_is_due() {
        let tasks = narrowed(&Changes::default(), HOUR / 2);
        assert_eq!(*reach_of(&tasks, "clients"), Reach::Told(Told::default()));
        assert_eq!(*reach_of(&tasks, "grants"), Reach::Told(Told::default()));
        assert_eq!(*reach_of(&tasks, "users"), Reach::Since(-USERS_OVERLAP, Told::default()));
        let tasks = narrowed(&Changes::default(), HOUR);
        assert_eq!(*reach_of(&tasks, "grants"), Reach::Whole, "no event tells of consents");
        assert_eq!(*reach_of(&tasks, "clients"), Reach::Told(Told::default()));
        let tasks = narrowed(&Changes::default(), 24 * HOUR);
        assert!(tasks.iter().all(|task| task.reach == Reach::Whole));
    }

    #[test]
    fn a_fan_out_that_is_read_whole_needs_its_whole_parent() {
        let anything = Told { anything: true, ..Told::default() };
        let tasks = narrowed(&told("organization_members", anything.clone()), 1);
        assert_eq!(*reach_of(&tasks, "organization_members"), Reach::Whole);
        assert_eq!(*reach_of(&tasks, "organizations"), Reach::Whole);
        assert_eq!(*reach_of(&tasks, "connections"), Reach::Told(Told::default()));
        let tasks = narrowed(&told("organizations", anything), 1);
        assert_eq!(
            *reach_of(&tasks, "organization_members"),
            Reach::Whole,
            "an unknown organization may be new"
        );
    }

    #[test]
    fn a_new_parent_is_asked_for_its_children() {
        let records = Told { records: ["org_1".to_owned()].into(), ..Told::default() };
        let tasks = narrowed(&told("organizations", records), 1);
        let parents = Told { parents: ["org_1".to_owned()].into(), ..Told::default() };
        assert_eq!(*reach_of(&tasks, "organization_members"), Reach::Told(parents));
    }

    #[test]
    fn an_unknown_write_puts_every_list_in_doubt_and_users_not() {
        let tasks = narrowed(&Changes { unknown: true, ..Changes::default() }, 1);
        assert_eq!(*reach_of(&tasks, "clients"), Reach::Whole);
        assert!(matches!(reach_of(&tasks, "users"), Reach::Since(..)));
    }

    #[test]
    fn what_a_run_with_a_wrong_clock_noted_is_not_believed() {
        let reach = |read_at: Micros, applied_at: Option<Micros>| {
            let changes = Changes::default();
            let mut tasks = narrowed(&changes, HOUR / 2);
            let task = tasks.iter_mut().find(|task| task.stream.name == "clients").unwrap();
            task.from = Some(Checkpoint::Full { read_at, applied_at, behind_log: false, read_until: None });
            narrow(&CATALOG, &options(), &mut tasks, &changes, HOUR / 2);
            reach_of(&tasks, "clients").clone()
        };
        assert_eq!(reach(HOUR, None), Reach::Whole);
        assert_eq!(reach(0, Some(HOUR)), Reach::Whole);
        assert_ne!(reach(0, Some(HOUR / 2 + 1)), Reach::Whole, "clocks differ by a second or so");
    }

    #[test]
    fn a_list_whose_pages_may_have_shifted_is_read_again_where_the_log_told_of_it() {
        let told = told("roles", Told { records: ["rol_1".to_owned()].into(), ..Told::default() });
        let reach = |applied_at: Option<Micros>| {
            let mut tasks = narrowed(&told, HOUR / 2);
            let task = tasks.iter_mut().find(|task| task.stream.name == "roles").unwrap();
            task.from =
                Some(Checkpoint::Full { read_at: 0, applied_at, behind_log: false, read_until: None });
            narrow(&CATALOG, &options(), &mut tasks, &told, HOUR / 2);
            reach_of(&tasks, "roles").clone()
        };
        assert_eq!(reach(None), Reach::Whole);
        assert!(matches!(reach(Some(HOUR / 4)), Reach::Told(_)));
    }

    #[test]
    fn a_change_during_a_read_over_pages_is_not_looked_at_alone_however_late_it_is_told() {
        let second = crate::clock::MICROS_PER_SECOND;
        let reach = |stream: &'static str, happened: Micros| {
            let records =
                Told { records: ["rol_1".to_owned()].into(), earliest: Some(happened), ..Told::default() };
            let told = told(stream, records);
            let mut tasks = narrowed(&told, HOUR / 2);
            let task = tasks.iter_mut().find(|task| task.stream.name == stream).unwrap();
            // Runs since the read heard nothing yet of what happened during it.
            let applied_at = Some(HOUR / 4);
            task.from = Some(Checkpoint::Full {
                read_at: 0,
                applied_at,
                behind_log: false,
                read_until: Some(60 * second),
            });
            narrow(&CATALOG, &options(), &mut tasks, &told, HOUR / 2);
            reach_of(&tasks, stream).clone()
        };
        assert_eq!(reach("roles", 30 * second), Reach::Whole);
        assert_eq!(reach("roles", 61 * second), Reach::Whole, "clocks differ");
        assert!(matches!(reach("roles", 90 * second), Reach::Told(_)), "the read was over");
        assert!(matches!(reach("clients", 30 * second), Reach::Told(_)), "pages by checkpoint do not shift");
    }
}
