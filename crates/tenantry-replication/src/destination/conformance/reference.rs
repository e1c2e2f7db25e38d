//! Random publishes, done by the destination and by the reference alike: every count, every row, every absent key has to be the same.
//!
//! The words are few, so that keys meet again and again: as doubles, across pages, after a sweep.

use super::super::memory::MemoryDestination;
use super::tables::{self, events, pairs, things};
use super::{Commit, Scene, Subject, Value, batch, commit, rows, text};
use crate::catalog::{Column, Stream, Table};
use crate::destination::{Destination as _, Expected, Key, Scope};

const SEEDS: u64 = 6;
const PUBLISHES_PER_SEED: i64 = 12;

pub async fn agrees_with_the_reference(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let reference = MemoryDestination::new();
    reference.prepare(&tables::CATALOG).await.unwrap();
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        for round in 0..PUBLISHES_PER_SEED {
            let stream = [things(), pairs(), events()][dice.below(3)];
            for _ in 0..dice.below(4) {
                let table = &stream.tables[dice.below(stream.tables.len())];
                let staged: Vec<_> = (0..dice.below(8)).map(|_| dice.row(table)).collect();
                let staged = batch(table, &staged);
                reference.stage(staged.clone()).await.unwrap();
                scene.destination.stage(staged).await.unwrap();
            }
            let context = format!("seed {seed}, publish {round} of {}", stream.name);
            assert_eq!(
                scene.absent(stream).await,
                reference.absent(stream, 100).await.unwrap(),
                "absent keys, {context}"
            );
            let commit = dice.commit(stream, round);
            if dice.below(3) == 0 {
                let expected = reference.compare(commit.clone(), 2).await.unwrap();
                let compared = scene.destination.compare(commit.clone(), 2).await.unwrap();
                assert_eq!(compared, expected, "compare, {context}: {commit:?}");
            }
            let expected = reference.publish(commit.clone()).await.unwrap();
            assert_eq!(
                scene.destination.publish(commit.clone()).await.unwrap(),
                expected,
                "{context}: {commit:?}"
            );
            for table in stream.tables {
                let expected = reference.rows(table.name);
                assert_eq!(
                    rows(subject, scene.destination.as_ref(), table).await,
                    expected,
                    "{}, {context}",
                    table.name
                );
            }
        }
        assert_eq!(scene.destination.state().await.unwrap(), reference.state().await.unwrap());
    }
}

/// Seeded chance (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn word(&mut self) -> Value {
        text(["a", "b", "c", "d"][self.below(4)])
    }

    fn row(&mut self, table: &Table) -> (i64, Vec<Value>) {
        let page = i64::try_from(self.below(3)).unwrap();
        let mut values = Vec::new();
        for column in table.data_columns() {
            let may_be_null = !table.key.contains(&column.name) || column.name.ends_with("other");
            values.push(match column.kind {
                _ if may_be_null && self.below(4) == 0 => Value::Null,
                crate::catalog::Type::String => self.word(),
                crate::catalog::Type::Boolean => Value::Boolean(self.below(2) == 0),
                crate::catalog::Type::Integer => Value::Integer(self.below(2) as i64),
                crate::catalog::Type::Timestamp => Value::Timestamp(self.below(2) as i64),
            });
        }
        (page, values)
    }

    fn keys(&mut self, stream: &Stream) -> Vec<Key> {
        let count = self.below(3);
        let part = |dice: &mut Self, name: &&str| {
            if *name == "other" { ["", "0", "1"][dice.below(3)].to_owned() } else { dice.word().key_text() }
        };
        (0..count).map(|_| stream.root().key.iter().map(|name| part(self, name)).collect()).collect()
    }

    fn expected(&mut self, stream: &Stream) -> Expected {
        let columns: Vec<&Column> = stream.root().data_columns().collect();
        let mut expected = Expected { anything: self.below(6) == 0, ..Expected::default() };
        for _ in 0..self.below(3) {
            let column = columns[self.below(columns.len())];
            let values = [self.word().key_text(), ["0", "1", "true"][self.below(3)].to_owned()];
            expected.told.push((column.name, values.into()));
        }
        let times = columns.iter().find(|column| column.kind == crate::catalog::Type::Timestamp);
        expected.since = times.filter(|_| self.below(2) == 0).map(|column| (column.name, 1));
        expected
    }

    fn commit(&mut self, stream: &'static Stream, round: i64) -> Commit {
        let scope = match self.below(3) {
            0 => Scope::Rows,
            1 => Scope::Records { spared: self.keys(stream) },
            _ => Scope::Table { spared: self.keys(stream) },
        };
        let mut commit = commit(stream, scope, 1000 + round);
        if self.below(3) == 0 {
            commit.gone = self.keys(stream);
        }
        if self.below(4) == 0 {
            let dropped = self.below(commit.tables.len());
            commit.tables.remove(dropped);
        }
        if self.below(2) == 0 {
            commit.checkpoint = None;
        }
        if self.below(2) == 0 {
            commit.expected = Some(self.expected(stream));
        }
        commit
    }
}
