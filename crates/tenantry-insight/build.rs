//! Lets the tests find the prebuilt DuckDB library without `LD_LIBRARY_PATH`. The library itself needs no database.
//!
//! Downloads nothing: `make setup` does.
#![expect(clippy::disallowed_methods, reason = "a build script is told everything by environment variables")]

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    let directory = env::var_os("DUCKDB_LIB_DIR").unwrap_or_else(|| ".duckdb".into());
    let directory = std::path::absolute(Path::new(&directory)).unwrap_or_else(|_| directory.into());
    println!("cargo::rustc-link-arg-tests=-Wl,-rpath,{}", directory.display());
}
