//! Values survive: NULL, extremes, awkward text, many rows.

use super::publish::{event, part};
use super::tables::{events, things};
use super::{Batch, Scene, Subject, Value, batch, commit, counts, text, whole};
use crate::destination::Scope;

pub async fn every_type_holds_null(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    let null = (0, vec![text("a"), Value::Null, Value::Null, Value::Null, Value::Null]);
    let full = (0, vec![text("a"), text(""), Value::Boolean(false), Value::Integer(0), Value::Timestamp(0)]);
    for (synced_at, row) in [(10, &null), (20, &full), (30, &null)] {
        scene.stage(root, std::slice::from_ref(row)).await;
        let published = scene.publish(commit(things(), whole(), synced_at)).await;
        let expected = if synced_at == 10 { counts(1, 0, 0, 0) } else { counts(0, 1, 0, 0) };
        assert_eq!(published["thing"], expected, "NULL differs from every value, the empty text included");
        let rows = scene.rows(root).await;
        let values: Vec<Value> =
            root.data_columns().map(|column| rows[0].values[column.name].clone()).collect();
        assert_eq!(values, row.1);
        scene.stage(root, std::slice::from_ref(row)).await;
        assert_eq!(scene.publish(commit(things(), whole(), 99)).await["thing"], counts(0, 0, 0, 1));
    }
}

pub async fn extreme_values_survive(subject: &dyn Subject) {
    const YEAR_1: i64 = -62_135_596_800_000_000;
    const END_OF_YEAR_9999: i64 = 253_402_300_799_999_999;
    let scene = Scene::new(subject).await;
    let root = things().root();
    let row = |id: &str, active, size, at| {
        (0, vec![text(id), Value::Null, Value::Boolean(active), Value::Integer(size), Value::Timestamp(at)])
    };
    let rows = [
        row("least", false, i64::MIN, YEAR_1),
        row("most", true, i64::MAX, END_OF_YEAR_9999),
        row("next", true, -1, -1),
    ];
    scene.stage(root, &rows).await;
    scene.publish(commit(things(), whole(), END_OF_YEAR_9999)).await;
    let read = scene.rows(root).await;
    for (row, (_, values)) in read.iter().zip(&rows) {
        assert_eq!(
            root.data_columns().map(|column| row.values[column.name].clone()).collect::<Vec<_>>(),
            *values
        );
        assert_eq!(row.synced_at, END_OF_YEAR_9999);
    }
    scene.stage(root, &rows).await;
    assert_eq!(scene.publish(commit(things(), whole(), 0)).await["thing"], counts(0, 0, 0, 3));
}

pub async fn awkward_text_survives(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    let large = "あ1".repeat(250_000);
    let awkward = [
        "\u{0}",
        "a\u{0}b",
        "'; DROP TABLE thing; --",
        "\"quoted\" \\ %_ $1 ?",
        "e\u{301} is not \u{e9}",
        "\u{202e}rtl\u{202c} \u{feff} \u{10ffff}",
        "  leading, trailing\t\r\n ",
        "NULL",
        large.as_str(),
    ];
    let mut rows: Vec<_> = awkward
        .iter()
        .map(|one| (0, vec![text(one), text(one), Value::Null, Value::Null, Value::Null]))
        .collect();
    scene.stage(root, &rows).await;
    let parts: Vec<_> = awkward.iter().map(|one| part(0, one, one, 0)).collect();
    scene.stage(&things().tables[1], &parts).await;
    scene.publish(commit(things(), whole(), 10)).await;
    let mut expected: Vec<_> = awkward.iter().map(|one| text(&scene.held(one))).collect();
    expected.sort();
    let read: Vec<_> = scene.rows(root).await.into_iter().map(|row| row.values["name"].clone()).collect();
    assert_eq!(read, expected);
    rows.reverse();
    scene.stage(root, &rows).await;
    scene.stage(&things().tables[1], &parts).await;
    let published = scene.publish(commit(things(), whole(), 20)).await;
    assert_eq!(published["thing"], counts(0, 0, 0, awkward.len() as u64));
    assert_eq!(published["thing_part"], counts(0, 0, 0, awkward.len() as u64));
}

/// More rows than fit one group of rows, in which faults of an engine have hidden before, then a change of every third.
pub async fn many_rows_survive(subject: &dyn Subject) {
    const ROWS: i64 = 150_000;
    let scene = Scene::new(subject).await;
    let root = events().root();
    let rows = |changed: bool| {
        let at = move |n: i64| if changed && n % 3 == 0 { n + 1 } else { n };
        (0..ROWS).map(move |n| event(&format!("{n:06}"), at(n))).collect::<Vec<_>>()
    };
    for chunk in rows(false).chunks(10_000) {
        scene.stage(root, chunk).await;
    }
    assert_eq!(scene.publish(commit(events(), Scope::Rows, 10)).await["event"], counts(150_000, 0, 0, 0));
    let scene = scene.reopened().await;
    for chunk in rows(true).chunks(10_000) {
        scene.stage(root, chunk).await;
    }
    assert_eq!(
        scene.publish(commit(events(), Scope::Rows, 20)).await["event"],
        counts(0, 50_000, 0, 100_000)
    );
    let read = scene.rows(root).await;
    assert_eq!(read.len(), 150_000);
    for (n, row) in (0..).zip(&read) {
        let changed = n % 3 == 0;
        assert_eq!(row.values["happened_at"], Value::Timestamp(n + i64::from(changed)));
        assert_eq!(row.synced_at, if changed { 20 } else { 10 });
    }
}

/// Arrow slices share their parent's buffers, at an offset that is no multiple of eight.
pub async fn a_slice_of_a_batch_is_taken_as_the_slice(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    let odd = |n: i64, value: Value| if n % 2 == 0 { Value::Null } else { value };
    let rows: Vec<_> = (0..100_i64)
        .map(|n| {
            let name = odd(n, text(&format!("name {n}")));
            let active = odd(n, Value::Boolean(n % 3 == 0));
            (
                0,
                vec![
                    text(&format!("{n:03}")),
                    name,
                    active,
                    odd(n, Value::Integer(n)),
                    odd(n, Value::Timestamp(n)),
                ],
            )
        })
        .collect();
    let Batch { table, rows: whole_batch } = batch(root, &rows);
    for (from, length) in [(0, 3), (3, 10), (13, 66), (79, 21)] {
        let sliced = Batch { table, rows: whole_batch.slice(from, length) };
        scene.destination.stage(sliced).await.unwrap();
    }
    scene.publish(commit(things(), whole(), 10)).await;
    let read = scene.rows(root).await;
    let values: Vec<Vec<Value>> = read
        .iter()
        .map(|row| root.data_columns().map(|column| row.values[column.name].clone()).collect())
        .collect();
    assert_eq!(values, rows.into_iter().map(|(_, values)| values).collect::<Vec<_>>());
}
