//! The catalog as others want to read it: Mermaid diagram, SQL, JSON.

/// Schema (namespace) in which the replicated tables stand.
pub const NAMESPACE: &str = "auth0";
