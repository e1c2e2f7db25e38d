//! Which stored rows can matter to a publish, as a condition that lets whole files be skipped by what the log says of them.
//!
//! A condition lets too much through rather than too little: rows are judged one by one afterwards. This is what makes the cost of a
//! publish follow what changed and not what is stored: of a log that grows by its ids only the youngest files are read.

use std::collections::BTreeSet;

use deltalake::datafusion::common::Column as Name;
use deltalake::datafusion::logical_expr::{Expr, lit};
use tenantry_replication::catalog::{Column, Type};

/// Values up to which each is named; more are told by their range. Readers of statistics take longer lists apart no more.
const NAMED_MAX: usize = 16;

/// Values of a column of text.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// All of them while they are few, then the smallest and the largest.
    texts: BTreeSet<String>,
    are_range: bool,
    null: bool,
}

impl Values {
    pub(crate) fn add(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            self.null = true;
            return;
        };
        if self.are_range {
            let is_inside = |bound: Option<&String>, inside: fn(&str, &str) -> bool| {
                bound.is_some_and(|bound| inside(bound, text))
            };
            if is_inside(self.texts.first(), |first, text| first <= text)
                && is_inside(self.texts.last(), |last, text| text <= last)
            {
                return;
            }
        }
        if self.texts.contains(text) {
            return;
        }
        self.texts.insert(text.to_owned());
        let max = if self.are_range { 2 } else { NAMED_MAX };
        if self.texts.len() > max {
            let bounds = (self.texts.pop_first(), self.texts.pop_last());
            self.texts = bounds.0.into_iter().chain(bounds.1).collect();
            self.are_range = true;
        }
    }

    /// A value that is told as text: NULL is told as the empty text.
    pub(crate) fn add_told(&mut self, text: &str) {
        self.null |= text.is_empty();
        self.add(Some(text));
    }

    /// That the column holds one of them; `None` where nothing can be said.
    pub(crate) fn condition(&self, column: &Column) -> Option<Expr> {
        if column.kind != Type::String {
            return None;
        }
        self.holds(&name(column.name))
    }

    /// The same of `column` under another name, where each value would be named.
    pub(crate) fn condition_if_few(&self, column: &Column, called: &Expr) -> Option<Expr> {
        let is_few = column.kind == Type::String && !self.are_range && !self.texts.is_empty();
        is_few.then(|| self.holds(called)).flatten()
    }

    fn holds(&self, column: &Expr) -> Option<Expr> {
        let holds = || column.clone();
        let mut condition = if self.are_range {
            let (first, last) = (self.texts.first()?, self.texts.last()?);
            holds().gt_eq(lit(first.as_str())).and(holds().lt_eq(lit(last.as_str())))
        } else {
            let each = self.texts.iter().map(|text| holds().eq(lit(text.as_str())));
            each.reduce(Expr::or).unwrap_or_else(|| lit(false))
        };
        if self.null {
            condition = condition.or(holds().is_null());
        }
        Some(condition)
    }
}

/// A column by its exact name.
pub(crate) fn name(name: &str) -> Expr {
    Expr::Column(Name::from_name(name))
}

#[cfg(test)]
mod tests {
    use tenantry_replication::destination::conformance::tables::things;

    use super::*;

    fn condition(texts: impl IntoIterator<Item = String>) -> String {
        let mut values = Values::default();
        texts.into_iter().for_each(|text| values.add(Some(&text)));
        values.condition(things().root().column("id").unwrap()).unwrap().to_string()
    }

    #[test]
    fn few_values_are_named_and_many_are_a_range() {
        assert_eq!(condition(["b", "a", "b"].map(str::to_owned)), "id = Utf8(\"a\") OR id = Utf8(\"b\")");
        let many = (0..100).rev().map(|number| format!("{number:02}"));
        assert_eq!(condition(many), "id >= Utf8(\"00\") AND id <= Utf8(\"99\")");
        assert_eq!(condition([]), "Boolean(false)");
    }

    #[test]
    fn null_is_one_of_them_where_it_may_be_meant() {
        let mut values = Values::default();
        values.add_told("");
        let column = things().root().column("id").unwrap();
        assert_eq!(values.condition(column).unwrap().to_string(), "id = Utf8(\"\") OR id IS NULL");
        assert!(values.condition(things().root().column("size").unwrap()).is_none());
    }
}
