//! Which rows belong together: how a row of one table names a row of another, derived from the catalog's own words.
//!
//! Adds nothing that the catalog does not say: children carry their record's key, the diagram's lines name a column, and a record that holds
//! another record's key under the same path refers to it.

use super::{Catalog, Column, Origin, Rows, Table, Type};

/// A table whose rows name rows of another one.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The table that refers.
    pub child: &'static Table,
    /// The table that is referred to.
    pub parent: &'static Table,
    /// Columns that hold the same values: the child's, the parent's.
    pub columns: Vec<(&'static Column, &'static Column)>,
}

/// A path that each kind of record has for its own key: two records that share it have nothing in common.
const OWN_KEY: &str = "/id";

impl Catalog {
    /// All references, in the order of the tables that refer; of two tables at most one.
    pub fn references(&self) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        let mut add = |child: &'static Table, parent: &'static Table, columns: Vec<_>| {
            let known =
                found.iter().any(|one| one.child.name == child.name && one.parent.name == parent.name);
            if !known && !columns.is_empty() && child.name != parent.name {
                found.push(Reference { child, parent, columns });
            }
        };
        for stream in self.streams {
            for child in stream.children() {
                let pairs = stream.parent_key(child);
                add(child, stream.root(), pairs.into_iter().map(|(of_root, own)| (own, of_root)).collect());
            }
        }
        for line in self.relationships {
            let (Some(child), Some(parent)) = (self.table(line.child), self.table(line.parent)) else {
                continue;
            };
            if let (Some(own), Some(key)) = (child.column(line.column), only_key(parent)) {
                add(child, parent, vec![(own, key)]);
            }
        }
        for parent in self.streams.iter().map(super::Stream::root) {
            // A point in time, as the day of a statistic, names nothing.
            let Some(key) = only_key(parent).filter(|key| key.kind == Type::String) else { continue };
            let Origin::Field(path) = key.origin else { continue };
            let holders = self.tables().filter(|table| table.rows == Rows::Record && path != OWN_KEY);
            for child in holders {
                let same = child.columns.iter().find(|column| column.origin == key.origin);
                add(child, parent, same.map(|own| (own, key)).into_iter().collect());
            }
        }
        let position = |name: &str| self.tables().position(|table| table.name == name);
        found.sort_by_key(|one| (position(one.child.name), position(one.parent.name)));
        found
    }
}

/// The key of a table that has one column for it.
fn only_key(table: &'static Table) -> Option<&'static Column> {
    match table.key {
        [name] => table.column(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::CATALOG;

    fn pairs() -> Vec<String> {
        let text = |one: &super::Reference| {
            let columns: Vec<String> =
                one.columns.iter().map(|(own, key)| format!("{}={}", own.name, key.name)).collect();
            format!("{} -> {}: {}", one.child.name, one.parent.name, columns.join(" "))
        };
        CATALOG.references().iter().map(text).collect()
    }

    #[test]
    fn every_line_of_the_diagram_is_a_reference() {
        let pairs = pairs();
        for line in CATALOG.relationships {
            let begins = format!("{} -> {}: ", line.child, line.parent);
            assert!(pairs.iter().any(|pair| pair.starts_with(&begins)), "{begins} is not among {pairs:#?}");
        }
    }

    #[test]
    fn what_happened_at_a_time_names_no_day_of_the_statistics() {
        let pairs = pairs();
        assert!(!pairs.iter().any(|pair| pair.contains("-> stats_daily")), "{pairs:#?}");
    }

    #[test]
    fn a_member_is_a_user_although_no_line_says_so() {
        let pairs = pairs();
        assert!(pairs.contains(&"organization_member -> users: id=id".to_owned()), "{pairs:#?}");
        assert!(pairs.contains(&"action_trigger_runtime -> action_trigger: action_trigger_id=id action_trigger_version=version".to_owned()), "{pairs:#?}");
        assert!(!pairs.iter().any(|pair| pair.starts_with("role -> ")), "{pairs:#?}");
    }
}
