//! Reads that are not over: parked, resumed in another process, and dropped once they are of no use.

use super::prepare::thing;
use super::publish::{label, part};
use super::tables::{self, pairs, things};
use super::{Batch, Scene, Subject, Value, batch, commit, counts, rows, text, texts, whole};
use crate::catalog::Stream;
use crate::destination::{LeftOut, Parking, Scope};
use crate::state::{Parked, Quarantine, State};

fn parked(position: &str) -> Parked {
    Parked {
        checkpoint: "things: it's \"some\"".to_owned(),
        position: position.to_owned(),
        begun_at: -5,
        pages: 3,
        spared: [vec!["it's".to_owned(), String::new()]].into(),
        nameless: true,
        gone: [vec!["gone".to_owned()]].into(),
        again: true,
        parents: vec!["b".to_owned(), "a".to_owned()],
        children_of: ["a".to_owned()].into(),
    }
}

pub(super) fn parking(stream: &'static Stream, position: &str) -> Parking {
    Parking { stream, parked: parked(position), rows: true, quarantined: Vec::new(), synced_at: 10, run: 1 }
}

impl Scene<'_> {
    pub(super) async fn park(&self, position: &str) {
        self.destination.park(parking(things(), position)).await.unwrap();
    }

    pub(super) async fn position(&self) -> Option<String> {
        let mut state = self.destination.state().await.unwrap();
        state.parked.remove("things").map(|parked| parked.position)
    }

    async fn resume(&self) -> bool {
        self.destination.resume(things(), None).await.unwrap()
    }
}

pub async fn a_parked_read_survives_and_stays_invisible(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.stage(root, &[thing(1, "a", "Anna"), thing(2, "b", "Ben")]).await;
    scene.stage(parts, &[part(1, "a", "arm", 0)]).await;
    let quarantined = Quarantine {
        table: "thing",
        key: "[\"c\"]".to_owned(),
        reason: "seen_at: not a time".to_owned(),
        record: "{}".to_owned(),
    };
    let whole_parking = Parking { quarantined: vec![quarantined], ..parking(things(), "page 3 of \"it's\"") };
    scene.destination.park(whole_parking).await.unwrap();
    assert!(scene.rows(root).await.is_empty(), "readers see nothing of it");
    scene.stage(root, &[thing(3, "c", "Cleo")]).await;
    let scene = scene.reopened().await;
    assert!(scene.rows(root).await.is_empty());
    let expected =
        State { parked: [("things".to_owned(), parked("page 3 of \"it's\""))].into(), ..State::default() };
    assert_eq!(scene.destination.state().await.unwrap(), expected);
    assert!(scene.resume().await);
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!((published["thing"], published["thing_part"]), (counts(2, 0, 0, 0), counts(1, 0, 0, 0)));
    assert_eq!(scene.live(root, "name").await, texts(&["Anna", "Ben"]), "what was not parked is gone");
}

pub async fn parking_again_adds_what_came_since(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    for (page, name) in [(1, "first"), (2, "second"), (3, "third")] {
        scene.stage(root, &[thing(page, "a", name), thing(page, name, name)]).await;
        scene.stage(parts, &[part(page, "a", name, page)]).await;
        if page == 2 {
            scene.stage(labels, &[label(page, "second", "new")]).await;
        }
        scene.park(name).await;
    }
    // An empty round: only the position moves.
    scene.park("fourth").await;
    let scene = scene.reopened().await;
    assert_eq!(scene.position().await.as_deref(), Some("fourth"));
    assert!(scene.resume().await);
    assert!(scene.absent(things()).await.is_empty());
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(published["thing"], counts(4, 0, 0, 0));
    assert_eq!(scene.live(root, "name").await, texts(&["third", "first", "second", "third"]));
    assert_eq!(scene.live(parts, "name").await, texts(&["third"]), "children of the record's last page");
    assert_eq!(scene.live(labels, "value").await, texts(&["new"]));
}

pub async fn a_resumed_read_is_parked_further(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(1, "a", "Anna")]).await;
    scene.park("1").await;
    let scene = scene.reopened().await;
    assert!(scene.resume().await);
    scene.stage(root, &[thing(2, "b", "Ben")]).await;
    scene.park("2").await;
    scene.stage(root, &[thing(3, "c", "Cleo")]).await;
    let scene = scene.reopened().await;
    assert!(scene.resume().await);
    assert!(scene.resume().await, "resuming twice stages it once");
    scene.stage(root, &[thing(3, "a", "Anna again")]).await;
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(published["thing"], counts(2, 0, 0, 0));
    assert_eq!(scene.live(root, "name").await, texts(&["Anna again", "Ben"]));
}

pub async fn parking_anew_forgets_what_was_parked_before(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.stage(root, &[thing(1, "a", "Anna")]).await;
    scene.stage(parts, &[part(1, "a", "arm", 0)]).await;
    scene.park("old").await;
    let scene = scene.reopened().await;
    scene.stage(root, &[thing(1, "b", "Ben")]).await;
    scene.park("new").await;
    let scene = scene.reopened().await;
    assert_eq!(scene.position().await.as_deref(), Some("new"));
    assert!(scene.resume().await);
    let published = scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!((published["thing"], published["thing_part"]), (counts(1, 0, 0, 0), counts(0, 0, 0, 0)));
    assert_eq!(scene.live(root, "name").await, texts(&["Ben"]));
}

pub async fn a_position_is_parked_without_rows(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(1, "a", "Anna")]).await;
    scene.destination.park(Parking { rows: false, ..parking(things(), "job") }).await.unwrap();
    let scene = scene.reopened().await;
    assert_eq!(scene.position().await.as_deref(), Some("job"));
    assert!(scene.resume().await);
    let published = scene.publish(commit(things(), Scope::Rows, 10)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 0));
}

pub async fn rows_of_lost_records_are_left_out(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(1, "a", "Anna"), thing(1, "b", "Ben"), thing(1, "c", "Cleo")]).await;
    scene.stage(parts, &[part(1, "a", "arm", 0), part(1, "b", "leg", 0)]).await;
    scene.stage(labels, &[label(1, "b", "new"), label(1, "c", "old")]).await;
    scene.park("1").await;
    let scene = scene.reopened().await;
    let lost = LeftOut { column: root.key[0], values: ["b", "nobody"].map(str::to_owned).into() };
    assert!(scene.destination.resume(things(), Some(lost)).await.unwrap());
    scene.stage(root, &[thing(2, "d", "Dora")]).await;
    scene.park("2").await;
    scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(scene.live(root, "name").await, texts(&["Anna", "Cleo", "Dora"]));
    assert_eq!(scene.live(parts, "name").await, texts(&["arm"]));
    assert_eq!(scene.live(labels, "value").await, texts(&["old"]));
}

pub async fn publishing_drops_what_was_parked(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(1, "a", "Anna")]).await;
    scene.park("1").await;
    scene.publish(commit(things(), whole(), 10)).await;
    assert_eq!(scene.position().await, None);
    let scene = scene.reopened().await;
    assert_eq!(scene.position().await, None);
    assert!(!scene.resume().await);
    scene.stage(root, &[thing(1, "b", "Ben")]).await;
    let published = scene.publish(commit(things(), whole(), 20)).await;
    assert_eq!(published["thing"], counts(1, 0, 1, 0), "nothing of the earlier read came back");
}

pub async fn discarding_drops_what_was_parked_and_unstaging_does_not(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(1, "a", "Anna")]).await;
    scene.park("1").await;
    scene.destination.unstage(things()).await.unwrap();
    let published = scene.destination.absent(things(), 10).await.unwrap();
    assert!(published.is_empty());
    assert_eq!(scene.position().await.as_deref(), Some("1"));
    assert!(scene.resume().await);
    scene.destination.discard(things()).await.unwrap();
    assert_eq!(scene.position().await, None);
    let scene = scene.reopened().await;
    assert!(!scene.resume().await);
    scene.destination.discard(things()).await.unwrap();
    let published = scene.publish(commit(things(), Scope::Rows, 10)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 0));
}

pub async fn parked_reads_of_streams_do_not_mix(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    scene.stage(things().root(), &[thing(1, "a", "Anna")]).await;
    scene.stage(pairs().root(), &[(1, vec![text("x"), Value::Null, text("pair")])]).await;
    scene.park("things").await;
    scene.destination.park(parking(pairs(), "pairs")).await.unwrap();
    let scene = scene.reopened().await;
    scene.publish(commit(things(), Scope::Rows, 10)).await;
    assert_eq!(scene.position().await, None);
    assert!(scene.destination.resume(pairs(), None).await.unwrap());
    let published = scene.publish(commit(pairs(), whole(), 20)).await;
    assert_eq!(published["pair"], counts(1, 0, 0, 0));
    assert!(scene.rows(things().root()).await.is_empty());
}

pub async fn a_failed_publish_leaves_what_was_parked(subject: &dyn Subject) {
    // The children's tables do not exist, so the publish fails after the root was merged.
    let destination = subject.open().await;
    destination.prepare(&tables::ROOT_ONLY).await.unwrap();
    let Batch { table, rows: staged } = batch(things().root(), &[thing(1, "a", "Anna")]);
    destination.stage(Batch { table, rows: staged }).await.unwrap();
    destination.park(parking(things(), "1")).await.unwrap();
    assert!(destination.publish(commit(things(), whole(), 10)).await.is_err());
    assert!(rows(subject, destination.as_ref(), things().root()).await.is_empty());
    assert!(destination.state().await.unwrap().parked.contains_key("things"));
    assert!(destination.resume(things(), None).await.unwrap());
}

pub async fn every_value_survives_parking(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    // The last time that comes out of an answer of the tenant; not every destination holds a later one.
    let last = 253_402_300_799_999_999;
    let all = |id: &str, name: Value, flag: Value, number: i64| {
        (1, vec![text(id), name, flag, Value::Integer(number), Value::Timestamp(number.min(last))])
    };
    let staged = [
        all("nothing", Value::Null, Value::Null, i64::MAX / 2),
        all("odd \u{0} \u{1F600} '\"\\", text(""), Value::Boolean(true), -1),
    ];
    scene.stage(root, &staged).await;
    scene.park("1").await;
    let scene = scene.reopened().await;
    assert!(scene.resume().await);
    scene.publish(commit(things(), whole(), 10)).await;
    let held = scene.rows(root).await;
    assert_eq!(held.len(), 2);
    for (_, values) in staged {
        let names = root.data_columns().map(|column| column.name);
        let expected = names.zip(values.iter().map(|value| scene.held_value(value))).collect();
        assert!(held.iter().any(|row| row.values == expected), "{expected:?} among {held:?}");
    }
}
