//! Staged rows become visible, whole and once.

use super::prepare::thing;
use super::tables::{self, events, pairs, things};
use super::{Batch, Scene, Subject, Value, batch, commit, counts, records, rows, text, texts, whole};
use crate::destination::{Commit, Counts, Scope};
use crate::state::State;

pub(super) fn part(page: i64, thing: &str, name: &str, index: i64) -> (i64, Vec<Value>) {
    (page, vec![text(thing), text(name), Value::Integer(index)])
}

pub(super) fn label(page: i64, thing: &str, value: &str) -> (i64, Vec<Value>) {
    (page, vec![text(&format!("{thing}/{value}")), text(thing), text(value)])
}

pub(super) fn event(id: &str, at: i64) -> (i64, Vec<Value>) {
    (0, vec![text(id), Value::Timestamp(at)])
}

pub async fn staged_rows_are_invisible_until_published(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    assert!(scene.rows(root).await.is_empty());
    assert!(scene.rows(parts).await.is_empty());
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(published["thing"], counts(1, 0, 0, 0));
    assert_eq!(published["thing_part"], counts(1, 0, 0, 0));
    assert_eq!(published["thing_label"], counts(0, 0, 0, 0));
    let rows = scene.rows(root).await;
    assert_eq!((rows.len(), rows[0].deleted, rows[0].synced_at), (1, false, 10));

    scene.stage(root, &[thing(0, "b", "Ben")]).await;
    let scene = scene.reopened().await;
    assert_eq!(scene.rows(root).await, rows, "what was staged is gone with the process");
    let published = scene.publish(commit(things(), Scope::Rows, 20)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 0));
}

pub async fn publishing_the_same_twice_changes_nothing(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    for synced_at in [10, 20] {
        scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben")]).await;
        scene.stage(parts, &[part(0, "a", "arm", 0), part(0, "a", "leg", 1)]).await;
        scene.stage(labels, &[label(0, "b", "new")]).await;
        let published = scene.publish(commit(things(), whole(), synced_at)).await;
        let expected = |rows| if synced_at == 10 { counts(rows, 0, 0, 0) } else { counts(0, 0, 0, rows) };
        assert_eq!(published["thing"], expected(2));
        assert_eq!(published["thing_part"], expected(2));
        assert_eq!(published["thing_label"], expected(1));
    }
    for table in things().tables {
        assert!(scene.rows(table).await.iter().all(|row| row.synced_at == 10), "{}", table.name);
    }
}

pub async fn of_equal_keys_in_a_batch_the_last_counts(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(0, "a", "first"), thing(0, "b", "Ben"), thing(0, "a", "second")]).await;
    scene.stage(root, &[thing(0, "a", "third")]).await;
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(published["thing"], counts(2, 0, 0, 0));
    assert_eq!(scene.live(root, "name").await, texts(&["third", "Ben"]));
    scene.stage(root, &[thing(0, "a", "fourth"), thing(0, "a", "third")]).await;
    let published = scene.publish(commit(things(), Scope::Rows, 20)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 1));
}

pub async fn of_equal_keys_the_later_page_counts_whatever_came_last(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(1, "a", "page 1"), thing(0, "b", "Ben")]).await;
    scene.stage(root, &[thing(0, "a", "page 0")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(scene.live(root, "name").await, texts(&["page 1", "Ben"]));
}

pub async fn children_of_a_record_on_several_pages_are_those_of_the_last(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben"), thing(1, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "old", 0), part(0, "b", "kept", 0), part(1, "a", "new", 0)]).await;
    // On the last page the record has no label any more.
    scene.stage(labels, &[label(0, "a", "old"), label(0, "b", "kept")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(scene.live(parts, "name").await, texts(&["new", "kept"]));
    assert_eq!(scene.live(labels, "value").await, texts(&["kept"]));
}

pub async fn children_of_equal_records_in_a_page_are_united(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0), part(0, "a", "leg", 0), part(0, "a", "arm", 7)]).await;
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(published["thing_part"], counts(2, 0, 0, 0));
    assert_eq!(scene.live(parts, "index").await, [Value::Integer(7), Value::Integer(0)]);
}

pub async fn composite_keys_with_null_in_them_are_one_key(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, marks] = pairs().tables else { panic!() };
    let pair = |one: &str, other: Value, value: &str| (0, vec![text(one), other, text(value)]);
    let mark = |one: &str, other: Value, mark: &str| (0, vec![text(one), other, text(mark)]);
    let one = Value::Integer(1);
    for (synced_at, value) in [(10, "old"), (20, "new"), (30, "new")] {
        scene
            .stage(
                root,
                &[
                    pair("x", Value::Null, value),
                    pair("x", one.clone(), "kept"),
                    pair("x", Value::Null, value),
                ],
            )
            .await;
        scene
            .stage(
                marks,
                &[mark("x", Value::Null, "m"), mark("x", one.clone(), "m"), mark("x", Value::Null, "m")],
            )
            .await;
        let published = scene.publish(commit(pairs(), records(), synced_at)).await;
        let (of_root, of_marks) = match synced_at {
            10 => (counts(2, 0, 0, 0), counts(2, 0, 0, 0)),
            20 => (counts(0, 1, 0, 1), counts(0, 0, 0, 2)),
            _ => (counts(0, 0, 0, 2), counts(0, 0, 0, 2)),
        };
        assert_eq!((published["pair"], published["pair_mark"]), (of_root, of_marks));
    }
    assert_eq!(scene.live(root, "value").await, texts(&["new", "kept"]));
    scene.stage(root, &[pair("x", one, "kept")]).await;
    assert_eq!(scene.absent(pairs()).await, [super::key(&["x", ""])]);
    let spared = Scope::Table { spared: vec![super::key(&["x", ""])] };
    assert_eq!(scene.publish(commit(pairs(), spared, 40)).await["pair"], counts(0, 0, 0, 1));
    assert_eq!(scene.publish(commit(pairs(), whole(), 50)).await["pair"], counts(0, 0, 2, 0));
}

pub async fn discarding_forgets_what_was_staged(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.destination.discard(things()).await.unwrap();
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    scene.stage(events().root(), &[event("1", 1)]).await;
    scene.destination.discard(things()).await.unwrap();
    scene.destination.discard(things()).await.unwrap();
    let published = scene.publish(commit(things(), Scope::Rows, 10)).await;
    assert_eq!(published["thing"], Counts::default());
    assert_eq!(scene.publish(commit(events(), Scope::Rows, 10)).await["event"], counts(1, 0, 0, 0));
}

pub async fn streams_do_not_mix(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(0, "a", "Anna")]).await;
    scene.stage(events().root(), &[event("1", 1)]).await;
    scene.stage(things().root(), &[thing(0, "b", "Ben")]).await;
    scene.stage(events().root(), &[event("2", 2)]).await;
    let published = scene.publish(commit(events(), Scope::Rows, 10)).await;
    assert_eq!(published.keys().collect::<Vec<_>>(), [&"event"]);
    assert!(scene.rows(things().root()).await.is_empty());
    scene.stage(things().root(), &[thing(0, "c", "Cleo")]).await;
    assert_eq!(scene.publish(commit(things(), whole(), 20)).await["thing"], counts(3, 0, 0, 0));
    assert_eq!(scene.rows(events().root()).await.len(), 2);
}

pub async fn tables_that_the_commit_does_not_name_stay_as_they_are(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    scene.stage(labels, &[label(0, "a", "old")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.stage(root, &[thing(0, "a", "Another")]).await;
    scene.stage(parts, &[part(0, "a", "leg", 0)]).await;
    scene.stage(labels, &[label(0, "a", "new")]).await;
    let only_parts = Commit { tables: vec!["thing_part"], ..commit(things(), records(), 20) };
    let published = scene.publish(only_parts).await;
    assert_eq!(published.into_iter().collect::<Vec<_>>(), [("thing_part", counts(1, 0, 1, 0))]);
    assert_eq!(scene.live(root, "name").await, texts(&["Anna"]));
    assert_eq!(scene.live(labels, "value").await, texts(&["old"]));
    let published = scene.publish(commit(things(), Scope::Rows, 30)).await;
    assert!(published.values().all(|counts| *counts == Counts::default()), "what was staged is forgotten");
}

pub async fn rows_staged_during_a_publish_wait_for_the_next(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = events().root();
    let mut total = 0;
    for round in 0..20_i64 {
        let ids = |part: &str| (0..50).map(|n| event(&format!("{round}-{part}-{n}"), n)).collect::<Vec<_>>();
        scene.stage(root, &ids("before")).await;
        let publish = scene.destination.publish(commit(events(), Scope::Rows, round));
        let (published, staged) =
            futures::join!(publish, scene.destination.stage(batch(root, &ids("during"))));
        staged.unwrap();
        total += published.unwrap().tables[0].1.inserted;
    }
    total += scene.publish(commit(events(), Scope::Rows, 99)).await["event"].inserted;
    assert_eq!(total, 2000, "every row is published once, with this publish or the next");
    assert_eq!(scene.rows(root).await.len(), 2000);
}

pub async fn a_failed_publish_leaves_nothing_behind(subject: &dyn Subject) {
    // The children's tables do not exist, so the publish fails after the root was merged.
    let destination = subject.open().await;
    destination.prepare(&tables::ROOT_ONLY).await.unwrap();
    let [root, parts, _] = things().tables else { panic!() };
    let stage = async |table, rows: &[(i64, Vec<Value>)]| {
        let Batch { table, rows } = batch(table, rows);
        destination.stage(Batch { table, rows }).await.unwrap();
    };
    stage(root, &[thing(0, "a", "Anna")]).await;
    stage(parts, &[part(0, "a", "arm", 0)]).await;
    assert!(destination.publish(commit(things(), whole(), 10)).await.is_err());
    assert!(rows(subject, destination.as_ref(), root).await.is_empty());
    assert_eq!(destination.state().await.unwrap(), State::default());
    let published =
        destination.publish(commit(&tables::ROOT_ONLY.streams[0], Scope::Rows, 20)).await.unwrap();
    assert_eq!(published.tables, [("thing", Counts::default())], "what was staged is gone");
}

pub async fn an_empty_publish_moves_the_checkpoint_alone(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    let before = scene.rows(things().root()).await;
    scene.publish(commit(things(), Scope::Rows, 20)).await;
    assert_eq!(scene.rows(things().root()).await, before);
    let state = scene.destination.state().await.unwrap();
    assert_eq!(
        state.checkpoints["things"],
        crate::state::Checkpoint::Full { read_at: 20, applied_at: None, behind_log: false, read_until: None }
    );
    scene.publish(Commit { checkpoint: None, ..commit(things(), Scope::Rows, 30) }).await;
    assert_eq!(scene.destination.state().await.unwrap(), state, "no checkpoint leaves the old one");
}
