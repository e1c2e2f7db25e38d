//! Every stream, table and column of an Auth0 tenant: the one declarative place.

use super::Catalog;

/// What is replicated from an Auth0 tenant.
pub static CATALOG: Catalog = Catalog { streams: &[], diagram: &[], relationships: &[], secret_members: &[] };
