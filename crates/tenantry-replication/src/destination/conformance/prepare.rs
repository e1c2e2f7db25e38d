//! Tables come to be, grow, and refuse to be bent.

use super::tables::{self, things};
use super::{Scene, Subject, commit, counts, text, whole};
use super::{Value, rows};
use crate::error::DestinationErrorKind;

pub async fn preparing_twice_changes_nothing(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    let before = scene.rows(things().root()).await;
    scene.destination.prepare(&tables::CATALOG).await.unwrap();
    assert_eq!(scene.rows(things().root()).await, before);
    let scene = scene.reopened().await;
    assert_eq!(scene.rows(things().root()).await, before);
}

pub async fn a_missing_column_is_added(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(0, "a", "Anna"), thing(0, "b", "Ben")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.destination.prepare(&tables::WIDER).await.unwrap();

    let stream = &tables::WIDER.streams[0];
    let wide = |id: &str, colour: Value, name: &str| {
        (0, vec![text(id), colour, text(name), Value::Null, Value::Null, Value::Null])
    };
    scene.stage(stream.root(), &[wide("a", Value::Null, "Anna"), wide("b", text("blue"), "Ben")]).await;
    let published = scene.publish(commit(stream, whole(), 20)).await;
    assert_eq!(published["thing"], counts(0, 1, 0, 1));
    let rows = rows(subject, scene.destination.as_ref(), stream.root()).await;
    assert_eq!(rows[0].values["colour"], Value::Null);
    assert_eq!(rows[0].synced_at, 10, "a row that is as it was is not rewritten for a new column");
    assert_eq!(rows[1].values["colour"], text("blue"));
}

pub async fn a_column_of_another_type_is_a_conflict(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    let before = scene.rows(things().root()).await;
    let error = scene.destination.prepare(&tables::CONFLICTING).await.unwrap_err();
    assert_eq!(error.kind, DestinationErrorKind::SchemaConflict);
    assert!(error.to_string().contains("thing.name"), "{error}");
    assert_eq!(scene.rows(things().root()).await, before);
}

/// A row of `thing` with only id and name.
pub(super) fn thing(page: i64, id: &str, name: &str) -> (i64, Vec<Value>) {
    (page, vec![text(id), text(name), Value::Null, Value::Null, Value::Null])
}
