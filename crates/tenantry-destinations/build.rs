//! Lets tests and benches find the prebuilt DuckDB library without `LD_LIBRARY_PATH`, and says what to do when it is missing.
//!
//! Downloads nothing: `make setup` does.
#![expect(clippy::disallowed_methods, reason = "a build script is told everything by environment variables")]

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_DUCKDB").is_none() {
        return;
    }
    let directory = env::var_os("DUCKDB_LIB_DIR").unwrap_or_else(|| ".duckdb".into());
    let directory = std::path::absolute(Path::new(&directory)).unwrap_or_else(|_| directory.into());
    let library = directory.join("libduckdb.so");
    println!("cargo::rerun-if-changed={}", library.display());
    if !library.exists() {
        println!("cargo::error=the DuckDB library {} is missing: run `make setup`", library.display());
        return;
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", directory.display());
}
