//! The Auth0 Management API as a source.
