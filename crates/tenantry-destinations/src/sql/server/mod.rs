//! What is the same for every destination that is a server: how its calls share a connection, what a connection is asked for, how a transaction
//! ends, what a commit says, what state is kept.
//!
//! Knows no server but by the traits [`Connection`] and [`Transactions`]. How rows get there, and what is done to a table, each has its own
//! way for.

#[cfg(any(feature = "bigquery", feature = "snowflake"))]
mod bare;
mod connection;
mod failure;
mod said;
#[cfg(any(feature = "postgres", feature = "snowflake"))]
mod session;
mod shared;
pub(crate) mod state;
pub(crate) mod summary;

#[cfg(any(feature = "bigquery", feature = "snowflake"))]
pub(crate) use self::bare::bare;
#[cfg(any(feature = "bigquery", feature = "snowflake"))]
pub(crate) use self::connection::pause;
pub(crate) use self::connection::{Connection, Texts, held};
pub(crate) use self::failure::{Attempt, Failure};
pub(crate) use self::said::{Said, settle};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
pub(crate) use self::session::{Session, Transactions};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
pub(crate) use self::shared::Shared;
#[cfg(feature = "bigquery")]
pub(crate) use self::shared::{Rights, to_its_end};
