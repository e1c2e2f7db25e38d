//! The catalog as a Mermaid entity-relationship diagram, in the shape of the published one.

use std::fmt::Write as _;

use super::super::{Catalog, Mark, Type};
use super::Language;

/// The diagram: every table in the published order with types, key marks and descriptions, then every relationship.
///
/// In Japanese it holds what the published diagram holds, no more and no less. Mermaid knows no way to write a double quote inside a
/// description; a single one stands for it.
pub fn mermaid(catalog: &Catalog, language: Language) -> String {
    let mut out = String::from("erDiagram\n");
    for table in catalog.diagram.iter().filter_map(|name| catalog.table(name)) {
        let _ = writeln!(out, "    {} {{", table.name);
        for column in table.columns {
            let mark = match column.mark {
                Mark::None => "",
                Mark::Primary => " PK",
                Mark::Foreign => " FK",
            };
            let about = column.about.in_language(language).replace('"', "'");
            let _ = writeln!(out, "        {} {}{mark} \"{about}\"", type_name(column.kind), column.name);
        }
        out.push_str("    }\n\n");
    }
    for line in catalog.relationships {
        let _ = writeln!(out, "    {} ||--o{{ {} : {}", line.parent, line.child, line.column);
    }
    out
}

/// The diagram's word for a logical type.
pub(super) const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::String => "STRING",
        Type::Boolean => "BOOLEAN",
        Type::Timestamp => "TIMESTAMP",
        Type::Integer => "INTEGER",
    }
}
