//! State, summaries and queries.

use super::prepare::thing;
use super::publish::event;
use super::tables::{self, events, things};
use super::{Scene, Subject, commit, whole};
use crate::destination::{Commit, Scope};
use crate::error::DestinationErrorKind;
use crate::source::Gap;
use crate::state::{Checkpoint, Quarantine, RunRecord, State, TableRecord};

pub async fn checkpoint_and_rows_come_together_and_stay(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    assert_eq!(scene.destination.state().await.unwrap(), State::default());
    scene.stage(events().root(), &[event("1", 1)]).await;
    assert_eq!(scene.destination.state().await.unwrap(), State::default());
    let log = Checkpoint::Log {
        log_id: "it's \"1\"".to_owned(),
        newest: Some(-1),
        whole_until: None,
        read_at: None,
    };
    scene
        .publish(Commit {
            checkpoint: Some(("events".to_owned(), log.clone())),
            ..commit(events(), Scope::Rows, 10)
        })
        .await;
    let daily = Checkpoint::Daily { date: "2024-02-29".to_owned() };
    scene
        .publish(Commit {
            checkpoint: Some(("things".to_owned(), daily.clone())),
            ..commit(things(), Scope::Rows, 10)
        })
        .await;
    let scene = scene.reopened().await;
    let state = scene.destination.state().await.unwrap();
    assert_eq!(state.checkpoints, [("events".to_owned(), log), ("things".to_owned(), daily)].into());
    assert_eq!(scene.rows(events().root()).await.len(), 1);
}

pub async fn a_checkpoint_of_its_own_is_kept_and_replaced(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let events = |offset: &str| Checkpoint::Events { offset: offset.to_owned() };
    for (offset, run) in [("a", 3), ("it's \"b\"", 4)] {
        scene.destination.keep("the feed", &events(offset), run, 10).await.unwrap();
    }
    let scene = scene.reopened().await;
    let state = scene.destination.state().await.unwrap();
    assert_eq!(state.checkpoints, [("the feed".to_owned(), events("it's \"b\""))].into());
    assert_eq!((state.checkpoint_runs["the feed"], state.last_run, state.next_run()), (4, 0, 5));
}

fn run(number: u64, outcome: &str, message: Option<&str>) -> RunRecord {
    let table = TableRecord {
        table: "thing".to_owned(),
        outcome: outcome.to_owned(),
        message: message.map(str::to_owned),
        inserted: 1,
        updated: 2,
        deleted: 3,
        unchanged: 4,
        drifted: 1,
        quarantined: 5,
        requests: 6,
        limited: 2,
        waited: 1.5,
        began: 0.25,
        seconds: 0.5,
    };
    RunRecord {
        run: number,
        started_at: 1000 * i64::try_from(number).unwrap(),
        finished_at: 1000 * i64::try_from(number).unwrap() + 1,
        outcome: outcome.to_owned(),
        requests: 7,
        tables: vec![table],
    }
}

pub async fn runs_are_remembered(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.destination.record(&run(1, "done", None)).await.unwrap();
    scene.destination.record(&run(2, "failed", Some("grant read:things"))).await.unwrap();
    scene.destination.record(&run(2, "failed", Some("grant read:things"))).await.unwrap();
    scene.destination.record(&RunRecord { tables: Vec::new(), ..run(3, "interrupted", None) }).await.unwrap();
    let scene = scene.reopened().await;
    assert_eq!(scene.destination.state().await.unwrap().last_run, 3);
    let summary = scene.destination.summarize(&tables::CATALOG).await.unwrap();
    let line = summary.iter().find(|line| line.table == "thing").unwrap();
    assert_eq!(line.last_success, Some(1001));
    assert_eq!(line.last_outcome.as_deref(), Some("failed: grant read:things"));
    assert_eq!(line.last, Some((6, 0.5)));
    assert_eq!(summary.iter().find(|line| line.table == "event").unwrap().last_outcome, None);
}

pub async fn quarantined_records_and_gaps_are_kept(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let quarantine = |key: &str| Quarantine {
        table: "thing",
        key: key.to_owned(),
        reason: "seen_at: not a time".to_owned(),
        record: format!("{{\"id\":{key},\"note\":\"it's \u{0}\"}}"),
    };
    let gap = Gap { from: "a".to_owned(), to: String::new(), reason: "older than retention".to_owned() };
    for run in [1, 2] {
        let quarantined = vec![quarantine("[\"a\"]"), quarantine("[\"b\"]"), quarantine("[\"a\"]")];
        let gaps = vec![gap.clone(), gap.clone()];
        scene.publish(Commit { run, quarantined, gaps, ..commit(things(), whole(), 10) }).await;
    }
    // What became of them is the destination's own layout; that it took them, and goes on, is shown here.
    scene.stage(things().root(), &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 20)).await;
    let scene = scene.reopened().await;
    assert_eq!(scene.rows(things().root()).await.len(), 1);
}

pub async fn the_summary_counts_rows(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben"), thing(0, "c", "Cleo")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben")]).await;
    scene.publish(commit(things(), whole(), 20)).await;
    let summary = scene.destination.summarize(&tables::CATALOG).await.unwrap();
    let names: Vec<_> = summary.iter().map(|line| line.table).collect();
    assert_eq!(names, tables::CATALOG.tables().map(|table| table.name).collect::<Vec<_>>());
    assert_eq!((summary[0].live, summary[0].deleted, summary[0].newest), (2, 1, Some(20)));
    assert_eq!((summary[1].live, summary[1].deleted, summary[1].newest), (0, 0, None));
}

pub async fn queries_that_write_are_refused(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    let before = scene.rows(root).await;
    for sql in subject.forbidden(root) {
        match scene.destination.query(&sql).await {
            Ok(answer) => panic!("{sql} was answered: {answer:?}"),
            Err(error) => assert_eq!(error.kind, DestinationErrorKind::Query, "{sql}: {error}"),
        }
    }
    assert_eq!(scene.rows(root).await, before);
    scene.stage(root, &[thing(0, "b", "Ben")]).await;
    scene.publish(commit(things(), Scope::Rows, 20)).await;
    assert_eq!(scene.rows(root).await.len(), 2, "refusals leave the destination usable");
}

pub async fn another_tenant_is_refused(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.destination.claim("one.example.com").await.unwrap();
    let scene = scene.reopened().await;
    scene.destination.claim("one.example.com").await.unwrap();
    let refusal = scene.destination.claim("other.example.com").await.unwrap_err();
    assert_eq!(refusal.kind, DestinationErrorKind::OtherTenant);
    assert!(refusal.message.contains("one.example.com"), "{}", refusal.message);
}
