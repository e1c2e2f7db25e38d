//! An Auth0 tenant that behaves: state, paging, limits, retention, exports, faults.
//!
//! The core is a pure function from state, request and clock to response ([`Simulation::handle`]); the HTTP server
//! ([`server`]) is a thin shell around it, so the same tenant can be run without sockets on virtual time. Shapes,
//! limits and oddities are those of Auth0's published documents and of recorded answers; nothing is shared with the
//! replicator that reads the tenant. Everything generated is derived from one seed.
//!
//! The tour: `config` says what a tenant is made of, `seed` generates it, `tenant` holds it, `api` answers the
//! Management API, `token` the token endpoint, `feed` and `told` the Events feed, `exports` the download of export files, `control` the `/__sim`
//! routes that tests drive the tenant with, `churn` changes it
//! at random, `traffic` lets people log in, `scenes` makes an attack or a mistake happen.
//!
//! It is no identity provider: nobody can log in, and tokens prove nothing to anyone else.

mod administrator;
mod api;
mod audit;
mod churn;
mod config;
mod control;
mod events;
mod exports;
mod faults;
mod feed;
mod http;
mod limits;
mod live;
mod logs;
mod names;
mod paging;
mod profile;
mod random;
mod scenes;
mod scopes;
mod search;
mod seed;
pub mod server;
mod simulation;
mod stats;
mod tenant;
mod time;
mod token;
mod told;
mod traffic;
mod users;

pub use churn::Churn;
pub use config::{Config, Plan};
pub use http::{Request, Response};
pub use scenes::Scene;
pub use simulation::Simulation;

/// Client id of the machine-to-machine application that may read (and write) everything.
pub const CLIENT_ID: &str = "TenantrySimulatorReader000000001";
/// Its secret. It opens simulated tenants alone.
pub const CLIENT_SECRET: &str = "simulated-tenant-secret-that-opens-nothing-else-000000000000000";
