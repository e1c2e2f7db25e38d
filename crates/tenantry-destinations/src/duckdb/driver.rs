//! The one place where DuckDB's C code is entered: its ADBC driver, linked into the program.
//!
//! Everything else goes through the safe interface that [`ManagedDriver`] makes of it.

use adbc_core::error::Result;
use adbc_core::options::AdbcVersion;
use adbc_driver_manager::ManagedDriver;

/// DuckDB as an ADBC driver.
pub(super) fn driver() -> Result<ManagedDriver> {
    // Names the crate whose build script links the library.
    use libduckdb_sys as _;
    ManagedDriver::load_static(&entry::INIT, AdbcVersion::V110)
}

#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry {
    use std::ffi::{c_int, c_void};

    use adbc_ffi::FFI_AdbcError;

    // SAFETY: the signature is that of `AdbcDriverInitFunc` in the ADBC specification, which libduckdb's `duckdb_adbc_init` has
    // (duckdb/src/include/duckdb/common/adbc/adbc-init.hpp); `load_static` calls it with valid pointers to structs of that version.
    unsafe extern "C" {
        fn duckdb_adbc_init(version: c_int, driver: *mut c_void, error: *mut FFI_AdbcError) -> u8;
    }

    pub(super) static INIT: unsafe extern "C" fn(c_int, *mut c_void, *mut FFI_AdbcError) -> u8 =
        duckdb_adbc_init;
}
