//! Changes rows of a destination behind the command's back, by DuckDB itself.

use std::path::Path;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::ManagedDriver;

use super::entry::INIT;

/// Runs statements on the file; each must change exactly one row.
pub(crate) fn change(file: &Path, statements: &[String]) {
    // Names the crate that links the library.
    use tenantry_destinations as _;
    let mut driver = ManagedDriver::load_static(&INIT, AdbcVersion::V110).unwrap();
    let path = OptionValue::String(file.display().to_string());
    let database = driver.new_database_with_opts([(OptionDatabase::Other("path".to_owned()), path)]).unwrap();
    let mut connection = database.new_connection().unwrap();
    for sql in statements {
        let mut statement = connection.new_statement().unwrap();
        statement.set_sql_query(sql).unwrap();
        assert_eq!(statement.execute_update().unwrap(), Some(1), "{sql}");
    }
    let mut statement = connection.new_statement().unwrap();
    statement.set_sql_query("CHECKPOINT").unwrap();
    statement.execute_update().unwrap();
}
