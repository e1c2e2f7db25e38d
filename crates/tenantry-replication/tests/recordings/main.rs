//! What Auth0 really answered, put through the replicator: every recorded answer is read, nothing valid is refused, and a tenant rebuilt
//! from recordings becomes exactly the rows that a naive projection of it has.
//!
//! The recordings stay beside the project and are read from there; nothing of them enters the project but counts. Without them these
//! tests say that they were skipped, and pass.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod archive;
mod decoding;
mod endpoints;
mod equality;
mod fills;
mod network;
mod rebuilt;
mod replay;
mod schemas;
mod server;
