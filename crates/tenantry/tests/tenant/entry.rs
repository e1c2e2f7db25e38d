//! The entry of DuckDB's driver, for tests and benches that go to a file behind the command's back.

use std::ffi::{c_int, c_void};

use adbc_ffi::FFI_AdbcError;

// SAFETY: the signature is that of `AdbcDriverInitFunc` in the ADBC specification, which libduckdb's `duckdb_adbc_init` has.
unsafe extern "C" {
    fn duckdb_adbc_init(version: c_int, driver: *mut c_void, error: *mut FFI_AdbcError) -> u8;
}

pub(crate) static INIT: unsafe extern "C" fn(c_int, *mut c_void, *mut FFI_AdbcError) -> u8 = duckdb_adbc_init;
