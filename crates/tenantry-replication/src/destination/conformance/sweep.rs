//! What absence means, and what it does not.

use super::prepare::thing;
use super::publish::{label, part};
use super::tables::{events, things};
use super::{Scene, Subject, commit, counts, key, records, text, texts, whole};
use crate::destination::{Commit, Scope};

/// Three things with parts; `a` and `b` have labels too.
async fn filled(subject: &dyn Subject) -> Scene<'_> {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben"), thing(0, "c", "Cleo")]).await;
    scene
        .stage(
            parts,
            &[part(0, "a", "arm", 0), part(0, "a", "leg", 1), part(0, "b", "arm", 0), part(0, "c", "arm", 0)],
        )
        .await;
    scene.stage(labels, &[label(0, "a", "new"), label(0, "b", "new")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene
}

pub async fn children_are_replaced_record_by_record(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Benno")]).await;
    scene.stage(parts, &[part(0, "a", "leg", 0), part(0, "a", "toe", 1)]).await;
    scene.stage(labels, &[label(0, "a", "new"), label(0, "b", "old")]).await;
    let published = scene.publish(commit(things(), records(), 20)).await;
    assert_eq!(published["thing"], counts(0, 1, 0, 1));
    assert_eq!(
        published["thing_part"],
        counts(1, 1, 2, 0),
        "a/toe is new, a/leg moved, a/arm and b/arm are gone"
    );
    assert_eq!(published["thing_label"], counts(1, 0, 1, 1));
    assert_eq!(scene.live(parts, "thing_id").await, texts(&["a", "a", "c"]));
    let tombstone = &scene.rows(parts).await[0];
    assert_eq!((tombstone.deleted, tombstone.synced_at), (true, 20), "a soft delete moves the sync time");
    assert_eq!(tombstone.values["name"], text("arm"), "and keeps the last values");
    assert_eq!(
        scene.live(root, "id").await,
        texts(&["a", "b", "c"]),
        "records that did not come are not touched"
    );
}

pub async fn spared_records_keep_their_other_children(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben")]).await;
    let spared = Scope::Records { spared: vec![key(&["a"])] };
    let published = scene.publish(commit(things(), spared, 20)).await;
    assert_eq!(published["thing_part"], counts(0, 0, 1, 0));
    assert_eq!(scene.live(parts, "thing_id").await, texts(&["a", "a", "c"]));
}

pub async fn a_complete_read_sweeps_what_it_did_not_hold(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "d", "Dora")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    scene.stage(labels, &[label(0, "a", "new")]).await;
    let published = scene.publish(commit(things(), whole(), 20)).await;
    assert_eq!(published["thing"], counts(1, 0, 2, 1));
    assert_eq!(published["thing_part"], counts(0, 0, 3, 1));
    assert_eq!(published["thing_label"], counts(0, 0, 1, 1));
    let rows = scene.rows(root).await;
    let shown: Vec<_> =
        rows.iter().map(|row| (row.deleted, row.synced_at, row.values["name"].clone())).collect();
    let expected = [(false, 10, "Anna"), (true, 20, "Ben"), (true, 20, "Cleo"), (false, 20, "Dora")];
    assert_eq!(shown, expected.map(|(deleted, at, name)| (deleted, at, text(name))));

    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "d", "Dora")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    let published = scene.publish(commit(things(), whole(), 30)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 2), "a tombstone is marked once");
    assert_eq!(scene.rows(root).await, rows);
}

pub async fn a_complete_read_of_nothing_sweeps_everything(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let published = scene.publish(commit(things(), whole(), 20)).await;
    assert_eq!(published["thing"], counts(0, 0, 3, 0));
    assert_eq!(published["thing_part"], counts(0, 0, 4, 0));
    assert_eq!(published["thing_label"], counts(0, 0, 2, 0));
    let published = scene.publish(commit(things(), records(), 30)).await;
    assert_eq!(published["thing_part"], counts(0, 0, 0, 0));
}

pub async fn spared_keys_and_their_children_are_not_swept(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "c", "Cleo")]).await;
    let spared = Scope::Table { spared: vec![key(&["a"]), key(&["nobody"])] };
    let published = scene.publish(commit(things(), spared, 20)).await;
    assert_eq!(published["thing"], counts(0, 0, 1, 1));
    assert_eq!(scene.live(root, "id").await, texts(&["a", "c"]));
    assert_eq!(scene.live(parts, "thing_id").await, texts(&["a", "a"]));
    assert_eq!(scene.live(labels, "thing_id").await, texts(&["a"]));
}

pub async fn rows_scope_sweeps_nothing(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.stage(parts, &[part(0, "a", "toe", 0)]).await;
    let published = scene.publish(commit(things(), Scope::Rows, 20)).await;
    assert_eq!(published["thing_part"], counts(1, 0, 0, 0));
    for table in [root, parts, labels] {
        assert!(scene.rows(table).await.iter().all(|row| !row.deleted), "{}", table.name);
    }
}

pub async fn what_is_gone_is_marked_in_any_scope(subject: &dyn Subject) {
    for scope in [Scope::Rows, records(), whole()] {
        let scene = filled(subject).await;
        let [root, parts, labels] = things().tables else { panic!() };
        scene
            .stage(
                root,
                &[
                    thing(0, "a", "Anna"),
                    thing(0, "b", "Benno"),
                    thing(0, "c", "Cleo"),
                    thing(0, "x", "Xaver"),
                ],
            )
            .await;
        scene
            .stage(
                parts,
                &[
                    part(0, "a", "arm", 0),
                    part(0, "a", "leg", 1),
                    part(0, "b", "toe", 0),
                    part(0, "c", "arm", 0),
                ],
            )
            .await;
        scene.stage(labels, &[label(0, "a", "new")]).await;
        let gone = vec![key(&["b"]), key(&["nobody"]), key(&["x"])];
        let published = scene.publish(Commit { gone, ..commit(things(), scope.clone(), 20) }).await;
        assert_eq!(published["thing"], counts(0, 0, 1, 2), "{scope:?}");
        assert_eq!(published["thing_part"], counts(0, 0, 1, 3), "{scope:?}");
        assert_eq!(published["thing_label"], counts(0, 0, 1, 1), "{scope:?}");
        assert_eq!(scene.live(root, "id").await, texts(&["a", "c"]));
        assert_eq!(scene.live(parts, "thing_id").await, texts(&["a", "a", "c"]));
        assert_eq!(
            scene.rows(root).await[1].values["name"],
            text("Ben"),
            "a tombstone keeps its last values"
        );
        // The next scope begins from everything being there.
        scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Ben"), thing(0, "c", "Cleo")]).await;
        scene.stage(parts, &[part(0, "b", "arm", 0)]).await;
        scene.stage(labels, &[label(0, "b", "new")]).await;
        scene.publish(commit(things(), Scope::Rows, 30)).await;
    }
}

pub async fn a_returning_row_is_an_update_that_clears_the_flag(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let [root, parts, _] = things().tables else { panic!() };
    scene.publish(commit(things(), whole(), 20)).await;
    scene.stage(root, &[thing(0, "a", "Anna"), thing(0, "b", "Benno")]).await;
    scene.stage(parts, &[part(0, "a", "arm", 0)]).await;
    let published = scene.publish(commit(things(), whole(), 30)).await;
    assert_eq!(published["thing"], counts(0, 2, 0, 0));
    assert_eq!(published["thing_part"], counts(0, 1, 0, 0));
    let rows = scene.rows(root).await;
    assert_eq!(rows.iter().map(|row| row.deleted).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(rows.iter().map(|row| row.synced_at).collect::<Vec<_>>(), [30, 30, 20]);
}

pub async fn absent_keys_come_in_order(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    assert!(scene.absent(things()).await.is_empty());
    let all = ["b", "a", "ä", "A", "あ", "10", "9", ""];
    scene.stage(root, &all.map(|id| thing(0, id, "x"))).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.stage(root, &[thing(0, "a", "x"), thing(0, "new", "x")]).await;
    let expected = ["", "10", "9", "A", "b", "ä", "あ"].map(|id| key(&[id]));
    assert_eq!(scene.absent(things()).await, expected);
    assert_eq!(scene.destination.absent(things(), 2).await.unwrap(), expected[..2]);
    assert_eq!(scene.absent(things()).await, expected, "asking changes nothing");
    scene.publish(commit(things(), whole(), 20)).await;
    scene.stage(root, &[thing(0, "new", "x")]).await;
    assert_eq!(scene.absent(things()).await, [key(&["a"])], "tombstones are not missed");
    assert!(scene.absent(events()).await.is_empty());
}

pub async fn rows_are_found_by_any_column(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let root = things().root();
    scene.stage(root, &[thing(0, "d", "Anna"), thing(0, "e", "it's \u{0}"), thing(0, "f", "Fred")]).await;
    scene.publish(Commit { gone: vec![key(&["f"])], ..commit(things(), Scope::Rows, 20) }).await;
    let find = async |column, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        scene.destination.find(things(), column, &values).await.unwrap()
    };
    assert_eq!(
        find("name", &["it's \u{0}", "Anna", "nobody", "Fred"]).await,
        ["a", "d", "e"].map(|id| key(&[id]))
    );
    assert_eq!(find("id", &["c", "f"]).await, [key(&["c"])], "a tombstone is not found");
    assert!(find("name", &[]).await.is_empty());
    scene.publish(Commit { gone: vec![key(&["a"])], ..commit(things(), Scope::Rows, 30) }).await;
    assert_eq!(find("name", &["Anna"]).await, [key(&["d"])]);
}
