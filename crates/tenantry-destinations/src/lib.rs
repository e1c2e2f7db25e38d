//! Where rows go: one folder and one feature for each destination, and the one place that maps a URL to a destination.
//!
//! All SQL of the project lives here. Knows HTTP only where a warehouse is reached by it, and names no replicated table or column: those come from the catalog.

#[cfg(feature = "bigquery")]
pub mod bigquery;
#[cfg(feature = "duckdb")]
pub mod duckdb;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(all(feature = "test-utils", any(feature = "bigquery", feature = "postgres", feature = "snowflake")))]
mod shared_server;
#[cfg(feature = "snowflake")]
pub mod snowflake;
#[cfg(any(feature = "bigquery", feature = "duckdb", feature = "postgres", feature = "snowflake"))]
mod sql;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tenantry_replication::destination::Destination;
use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};

/// What a destination is opened with. Each takes what it knows of and leaves the rest.
#[derive(Debug, Clone)]
pub struct Options {
    /// Schema for the replicated tables.
    pub schema: String,
    /// Language of the descriptions that tables and columns get as comments.
    pub language: Language,
    /// Whether anything will be written.
    pub access: Access,
    /// Most memory that an embedded engine may take, as it writes sizes (`300MB`); the destination's own default when `None`.
    pub memory_limit: Option<String>,
    /// Threads of an embedded engine; one for each core when `None`.
    pub threads: Option<usize>,
    /// Whether people look at the tables meanwhile: then an embedded engine keeps all its threads, and takes more memory where no limit is set.
    pub is_looked_at: bool,
    /// File format version that an embedded engine keeps to, so that older readers can follow.
    pub storage_version: Option<String>,
    /// What the surroundings say to the client of a server.
    pub surroundings: Surroundings,
}

/// What the surroundings say to the client of a server: values, some of them secret, by the names of the variables that the server's own
/// tools read. Nobody but the caller reads the environment.
#[derive(Clone, Default)]
pub struct Surroundings(BTreeMap<String, String>);

impl Surroundings {
    /// Takes values by their names.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Surroundings {
    /// Names only: values may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: tenantry_replication::catalog::schema::NAMESPACE.to_owned(),
            language: Language::English,
            access: Access::Write,
            memory_limit: None,
            threads: None,
            is_looked_at: false,
            storage_version: None,
            surroundings: Surroundings::default(),
        }
    }
}

/// Language of descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese, in the published diagram's words.
    Japanese,
}

/// What a destination is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// To write: takes the destination's lock where it has one.
    #[default]
    Write,
    /// To answer questions only: several processes may do so at once, as long as none writes.
    Read,
}

/// Schema of what runs leave for later ones, beside the tables of this schema: each set of tables has its own, so that several tenants can
/// share a database.
pub fn state_schema(schema: &str) -> String {
    if schema == tenantry_replication::catalog::schema::NAMESPACE {
        "_tenantry".to_owned()
    } else {
        format!("_tenantry_{schema}")
    }
}

/// The same as the SQL of the destination that a URL names calls it, which may name a schema itself.
pub fn state_place(url: &str, schema: &str) -> String {
    match url.split_once(':') {
        #[cfg(feature = "snowflake")]
        Some(("snowflake", rest)) => snowflake::Address::state_schema_of(rest, schema),
        #[cfg(feature = "bigquery")]
        Some(("bigquery", rest)) => bigquery::Address::state_dataset_of(rest, schema),
        _ => state_schema(schema),
    }
}

/// Opens the destination that a URL names, in one of the forms of [`BUILT_IN`].
///
/// Fails with [`DestinationErrorKind::Unavailable`] for a scheme that this build does not know.
pub async fn open(url: &str, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        #[cfg(feature = "duckdb")]
        "duckdb" => Ok(Arc::new(duckdb::DuckDb::open(rest, options).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            // Boxed, as what it takes to connect is large, and would be part of every caller.
            Ok(Arc::new(Box::pin(postgres::Postgres::open(url, options)).await?))
        }
        #[cfg(feature = "snowflake")]
        "snowflake" => Ok(Arc::new(Box::pin(snowflake::Snowflake::open(rest, options)).await?)),
        #[cfg(feature = "bigquery")]
        "bigquery" => Ok(Arc::new(Box::pin(bigquery::BigQuery::open(rest, options)).await?)),
        #[cfg(feature = "delta")]
        "delta" => Ok(Arc::new(tenantry_delta::Delta::open(rest, of_delta(options)).await?)),
        _ => Err(DestinationError::new(
            DestinationErrorKind::Unavailable,
            "open the destination",
            format!("`{scheme}:` is not a destination of this build; built in: {}", BUILT_IN.join(", ")),
        )),
    }
}

/// The forms of URL that this build opens.
pub const BUILT_IN: &[&str] = &[
    #[cfg(feature = "duckdb")]
    "duckdb:PATH",
    #[cfg(feature = "postgres")]
    "postgres://USER@HOST/DATABASE",
    #[cfg(feature = "snowflake")]
    "snowflake:ACCOUNT/DATABASE/SCHEMA",
    #[cfg(feature = "bigquery")]
    "bigquery:PROJECT.DATASET",
    #[cfg(feature = "delta")]
    "delta:PATH|s3://BUCKET/PREFIX",
];

/// What Delta Lake tables take of the options.
#[cfg(feature = "delta")]
fn of_delta(options: Options) -> tenantry_delta::Options {
    let Options { schema, language, access, memory_limit, surroundings, .. } = options;
    let said = |name| surroundings.get(name).map(str::to_owned);
    tenantry_delta::Options {
        state: state_schema(&schema),
        schema,
        describe: match language {
            Language::English => |text| text.en,
            Language::Japanese => |text| text.ja,
        },
        writes: access == Access::Write,
        memory_limit,
        merge_with: said("TENANTRY_MERGE_WITH"),
        merge_token: said("SPARK_CONNECT_AUTHENTICATE_TOKEN"),
        storage: std::collections::HashMap::new(),
    }
}
