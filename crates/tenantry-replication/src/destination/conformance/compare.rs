//! Comparisons of staged rows with stored ones, and the drift that a publish counts.

use std::collections::BTreeMap;

use super::prepare::thing;
use super::publish::{event, label, part};
use super::tables::{events, things};
use super::{Scene, Subject, commit, counts, key, records, whole};
use crate::destination::{Commit, Comparison, Differing, Expected, Key, Row, Scope};

const KEYS_MAX: usize = 100;

impl Scene<'_> {
    async fn compare(&self, commit: Commit, keys_max: usize) -> BTreeMap<&'static str, Comparison> {
        self.destination.compare(commit, keys_max).await.unwrap().tables.into_iter().collect()
    }

    async fn all(&self) -> Vec<Vec<Row>> {
        let mut all = Vec::new();
        for table in things().tables {
            all.push(self.rows(table).await);
        }
        all
    }
}

/// Things `a` to `e` with a part each, `e` deleted.
async fn filled(subject: &dyn Subject) -> Scene<'_> {
    let scene = Scene::new(subject).await;
    let [root, parts, labels] = things().tables else { panic!() };
    let things_of = ["a", "b", "c", "d", "e"];
    scene.stage(root, &things_of.map(|id| thing(0, id, "Name"))).await;
    scene.stage(parts, &things_of.map(|id| part(0, id, "arm", 0))).await;
    scene.stage(labels, &[label(0, "a", "new")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.publish(Commit { gone: vec![key(&["e"])], ..commit(things(), Scope::Rows, 20) }).await;
    scene
}

/// What the tenant holds of them: `a` as stored, `b` renamed, `c` and `d` gone, `e` alive, `f` new.
async fn stage_changed(scene: &Scene<'_>) {
    let [root, parts, labels] = things().tables else { panic!() };
    let names = [("a", "Name"), ("b", "Other"), ("e", "Name"), ("f", "Name")];
    scene.stage(root, &names.map(|(id, name)| thing(0, id, name))).await;
    scene.stage(parts, &[part(0, "a", "arm", 0), part(0, "b", "leg", 0), part(0, "f", "arm", 0)]).await;
    scene.stage(labels, &[label(0, "a", "new")]).await;
}

fn differing(keys: &[&[&str]]) -> Differing {
    let keys: Vec<Key> = keys.iter().map(|parts| key(parts)).collect();
    Differing { rows: keys.len() as u64, keys }
}

pub async fn a_comparison_names_every_way_to_differ_and_writes_nothing(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let (before, state) = (scene.all().await, scene.destination.state().await.unwrap());
    stage_changed(&scene).await;
    let compared = scene.compare(commit(things(), whole(), 30), KEYS_MAX).await;
    let expected = Comparison {
        equal: 1,
        missing: differing(&[&["f"]]),
        stale: differing(&[&["b"]]),
        wrongly_live: differing(&[&["c"], &["d"]]),
        wrongly_deleted: differing(&[&["e"]]),
        unsynced: Differing::default(),
    };
    assert_eq!(compared["thing"], expected);
    assert_eq!(compared["thing"].drifted(), 5);
    let expected = Comparison {
        equal: 1,
        missing: differing(&[&["b", "leg"], &["f", "arm"]]),
        wrongly_live: differing(&[&["b", "arm"], &["c", "arm"], &["d", "arm"]]),
        ..Comparison::default()
    };
    assert_eq!(compared["thing_part"], expected);
    assert_eq!(compared["thing_label"], Comparison { equal: 1, ..Comparison::default() });
    assert_eq!(scene.all().await, before, "no row is written");
    assert_eq!(scene.destination.state().await.unwrap(), state, "and no checkpoint");
    let published = scene.publish(commit(things(), Scope::Rows, 40)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, 0), "what was staged is gone");
    let scene = scene.reopened().await;
    assert_eq!(scene.all().await, before);
}

pub async fn absence_differs_only_where_the_scope_gives_it_a_meaning(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let wrongly_live = async |scope: Scope, gone: Vec<Key>| {
        stage_changed(&scene).await;
        let compared = scene.compare(Commit { gone, ..commit(things(), scope, 30) }, KEYS_MAX).await;
        ["thing", "thing_part"].map(|table| compared[table].wrongly_live.clone())
    };
    let nothing = Differing::default();
    assert_eq!(wrongly_live(Scope::Rows, Vec::new()).await, [nothing.clone(), nothing.clone()]);
    assert_eq!(wrongly_live(records(), Vec::new()).await, [nothing, differing(&[&["b", "arm"]])]);
    let gone = wrongly_live(Scope::Rows, vec![key(&["c"]), key(&["e"]), key(&["nobody"])]).await;
    assert_eq!(gone, [differing(&[&["c"]]), differing(&[&["c", "arm"]])], "a tombstone is as it should be");
    let spared = Scope::Table { spared: vec![key(&["c"])] };
    let spared = wrongly_live(spared, vec![key(&["d"])]).await;
    assert_eq!(spared, [differing(&[&["d"]]), differing(&[&["b", "arm"], &["d", "arm"]])]);
    let nothing_came = scene.compare(commit(things(), whole(), 30), KEYS_MAX).await;
    assert_eq!(nothing_came["thing"].wrongly_live.rows, 4);
    let compared = scene.compare(Commit { tables: vec!["thing"], ..commit(things(), whole(), 30) }, 1).await;
    assert_eq!(compared.into_keys().collect::<Vec<_>>(), ["thing"], "only the commit's tables are told of");
}

pub async fn keys_of_differing_rows_are_limited_and_their_count_is_not(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let ids: Vec<String> = (0..50).map(|id| format!("new {id:02}")).collect();
    scene.stage(things().root(), &ids.iter().map(|id| thing(0, id, "x")).collect::<Vec<_>>()).await;
    let compared = scene.compare(commit(things(), Scope::Rows, 30), 3).await;
    assert_eq!(compared["thing"].missing.rows, 50);
    assert_eq!(compared["thing"].missing.keys, ["new 00", "new 01", "new 02"].map(|id| key(&[id])));
}

fn told(column: &'static str, values: &[&str]) -> Expected {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Expected { told: vec![(column, values)], ..Expected::default() }
}

pub async fn what_was_told_of_is_not_synced_yet(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let compare = async |expected: Option<Expected>| {
        stage_changed(&scene).await;
        scene.compare(Commit { expected, ..commit(things(), whole(), 30) }, KEYS_MAX).await
    };
    let compared = compare(Some(told("id", &["b", "c", "f", "nobody"]))).await;
    assert_eq!(compared["thing"].unsynced, differing(&[&["b"], &["c"], &["f"]]));
    assert_eq!(compared["thing"].wrongly_live, differing(&[&["d"]]));
    assert_eq!(compared["thing"].wrongly_deleted, differing(&[&["e"]]));
    assert_eq!(compared["thing"].drifted(), 2);
    assert_eq!(compared["thing"].equal, 1);
    let parts = &compared["thing_part"];
    assert_eq!(parts.unsynced, differing(&[&["b", "arm"], &["b", "leg"], &["c", "arm"], &["f", "arm"]]));
    assert_eq!(parts.wrongly_live, differing(&[&["d", "arm"]]), "children go by their record");

    let compared = compare(Some(told("name", &["Other"]))).await;
    assert_eq!(compared["thing"].unsynced, differing(&[&["b"]]), "by a column that is no key");
    let compared = compare(Some(Expected { anything: true, ..Expected::default() })).await;
    assert_eq!((compared["thing"].unsynced.rows, compared["thing"].drifted()), (5, 0));
    let compared = compare(Some(Expected::default())).await;
    assert_eq!(compared["thing"].drifted(), 5);

    scene.stage(events().root(), &[event("1", 10), event("2", 20), event("3", 30)]).await;
    let since = Some(Expected { since: Some(("happened_at", 20)), ..Expected::default() });
    let commit = Commit { expected: since, ..commit(events(), Scope::Rows, 30) };
    let compared = scene.compare(commit, KEYS_MAX).await;
    assert_eq!(compared["event"].missing, differing(&[&["1"]]), "younger records are not written yet");
    assert_eq!(compared["event"].unsynced, differing(&[&["2"], &["3"]]));
}

pub async fn rows_that_nothing_told_of_have_drifted(subject: &dyn Subject) {
    for (expected, drifted) in [
        (None, [0, 0, 0]),
        (Some(Expected::default()), [5, 5, 0]),
        (Some(told("id", &["b", "d", "e"])), [2, 2, 0]),
        (Some(Expected { anything: true, ..Expected::default() }), [0, 0, 0]),
    ] {
        let scene = filled(subject).await;
        stage_changed(&scene).await;
        let context = format!("{expected:?}");
        let published = scene.publish(Commit { expected, ..commit(things(), whole(), 30) }).await;
        assert_eq!(
            ["thing", "thing_part", "thing_label"].map(|table| published[table].drifted),
            drifted,
            "{context}"
        );
        let thing = published["thing"];
        assert_eq!((thing.inserted + thing.updated, thing.deleted, thing.unchanged), (3, 2, 1), "{context}");
    }
}

pub async fn a_sample_is_drawn_by_its_seed(subject: &dyn Subject) {
    let scene = filled(subject).await;
    let all = ["a", "b", "c", "d", "e"].map(|id| key(&[id]));
    let sample = async |rows, seed| scene.destination.sample(things(), rows, seed).await.unwrap();
    assert_eq!(sample(9, 1).await, all, "rows marked deleted are among them");
    assert!(sample(0, 1).await.is_empty());
    let mut drawn = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let keys = sample(2, seed).await;
        assert_eq!(keys.len(), 2);
        assert!(keys[0] < keys[1], "{keys:?}");
        assert_eq!(keys, sample(2, seed).await, "the same seed draws the same rows");
        drawn.extend(keys);
    }
    assert_eq!(drawn, all.into(), "every row has its chance");
    assert!(scene.destination.sample(events(), 5, 1).await.unwrap().is_empty());
}
