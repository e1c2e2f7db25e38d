//! The catalog as others want to read it: Mermaid diagram, SQL, JSON.
