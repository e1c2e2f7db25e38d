//! A real PostgreSQL server: the conformance suite, and what is particular to it.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use tenantry_destinations::postgres::server::{Database, SEALED};
use tenantry_destinations::{Access, Language, Options, Surroundings};
use tenantry_replication::catalog::{CATALOG, Table, Type};
use tenantry_replication::destination::Destination;
use tenantry_replication::destination::conformance::{Subject, tables};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

/// A database of its own on the shared server.
struct Own {
    database: Database,
}

impl Own {
    fn new() -> Self {
        Self { database: Database::new() }
    }
}

#[async_trait]
impl Subject for Own {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.database.url(), Options::default()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let order = table.key_columns().map(|column| {
            let collation = if column.kind == Type::String { " COLLATE \"C\"" } else { "" };
            format!("\"{}\"{collation} NULLS FIRST", column.name)
        });
        let order: Vec<_> = order.collect();
        format!("SELECT {} FROM auth0.{} ORDER BY {}", columns.join(", "), table.name, order.join(", "))
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        let corpus = include_str!("forbidden_postgres.sql");
        let statements = corpus.split("\n\n").map(str::trim).filter(|statement| !statement.is_empty());
        let statements = statements.filter(|statement| !statement.starts_with("--"));
        statements.map(|sql| sql.replace("{table}", &format!("auth0.{}", table.name))).collect()
    }
}

tenantry_replication::destination_conformance!(Own::new());

async fn open(url: &str, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    tenantry_destinations::open(url, options).await
}
