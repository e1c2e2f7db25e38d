//! A large tenant's tables, written by SQL: faster than any sync, and as skewed as a tenant is.
//!
//! Ids of applications, connections and organizations are those that the demo's tenant has, so that names are found.

use std::path::Path;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::ManagedDriver;

use crate::entry;

/// Columns that every row has.
const OWN: &str = "false AS _fivetran_deleted, now()::TIMESTAMP AS _fivetran_synced";

/// Writes so many users with what belongs to them, and so many events over the 90 days before now.
pub(crate) fn fill(file: &Path, users: u64, logs: u64) {
    // Names the crate that links the library.
    use tenantry_destinations as _;
    let mut driver = ManagedDriver::load_static(&entry::INIT, AdbcVersion::V110).unwrap();
    let path = OptionValue::String(file.display().to_string());
    let database = driver.new_database_with_opts([(OptionDatabase::Other("path".to_owned()), path)]).unwrap();
    let mut connection = database.new_connection().unwrap();
    let mut run = |sql: &str| {
        let mut statement = connection.new_statement().unwrap();
        statement.set_sql_query(sql).unwrap();
        statement.execute_update().unwrap();
    };
    run("SET TimeZone = 'UTC'");
    for table in [
        "users",
        "user_identities",
        "user_app_metadata",
        "organization_member",
        "grants",
        "grant_scope",
        "logs",
    ] {
        run(&format!("DELETE FROM auth0.{table}"));
    }
    for statement in people(users) {
        run(&statement);
    }
    run(&events(users, logs));
    run("CHECKPOINT");
}

/// Users, their identities (one in ten has two), metadata, memberships and consents.
fn people(users: u64) -> [String; 6] {
    let user = "format('auth0|{:07d}', i)";
    [
        format!(
            "INSERT INTO auth0.users BY NAME SELECT {user} AS id, {OWN}, i % 97 = 0 AS blocked, \
             now()::TIMESTAMP - to_seconds(i * 157680000 // {users}) AS created_at, \
             format('user{{}}@example.com', CASE WHEN i % 500 = 1 THEN i - 1 ELSE i END) AS email, i % 5 > 0 AS email_verified, \
             CASE WHEN i % 20 > 0 THEN now()::TIMESTAMP - to_seconds((pow(hash(i) % 10000 / 10000.0, 3) * 63072000)::BIGINT) END AS last_login, \
             (hash(i, 1) % 900)::BIGINT AS logins_count, format('User {{}}', i) AS name, format('user{{}}', i) AS nickname, \
             now()::TIMESTAMP - to_seconds((hash(i, 2) % 86400)::BIGINT) AS updated_at FROM range({users}) t(i)"
        ),
        format!(
            "INSERT INTO auth0.user_identities BY NAME SELECT {user} AS users_id, n AS index, {OWN}, format('{{:07d}}', i) AS user_identity_id, \
             n = 1 AS is_social, CASE n WHEN 0 THEN 'auth0' ELSE 'google-oauth2' END AS provider, \
             CASE n WHEN 0 THEN 'Username-Password-Authentication' ELSE 'google-oauth2' END AS connection \
             FROM range({users}) t(i), range(2) o(n) WHERE n = 0 OR i % 10 = 0"
        ),
        format!(
            "INSERT INTO auth0.user_app_metadata BY NAME SELECT name, {user} AS users_id, {OWN}, format('{{}}', hash(i, name) % 50) AS value \
             FROM range({users}) t(i), (VALUES ('plan'), ('segment')) m(name)"
        ),
        format!(
            "INSERT INTO auth0.organization_member BY NAME SELECT {user} AS id, o.ids[(hash(i) % len(o.ids) + 1)::BIGINT] AS organization_id, {OWN} \
             FROM range({users}) t(i), (SELECT list(id ORDER BY id) AS ids FROM auth0.organization) o WHERE i % 2 = 0"
        ),
        format!(
            "INSERT INTO auth0.grants BY NAME SELECT format('grant{{:07d}}', i) AS id, {OWN}, 'https://api.example.com' AS audience, \
             c.ids[(hash(i) % len(c.ids) + 1)::BIGINT] AS client_id, {user} AS user_id \
             FROM range({users}) t(i), (SELECT list(id ORDER BY id) AS ids FROM auth0.client) c WHERE i % 4 = 0"
        ),
        format!(
            "INSERT INTO auth0.grant_scope BY NAME SELECT scope, format('grant{{:07d}}', i) AS grant_id, index, {OWN} \
             FROM range({users}) t(i), (VALUES ('openid', 0), ('profile', 1), ('email', 2)) s(scope, index) WHERE i % 4 = 0"
        ),
    ]
}

/// Events in parts of a thousand. Most are logins and tokens, some fail, few are of the second factor, of attacks or of administrators; half of
/// the failures come from few addresses.
fn events(users: u64, logs: u64) -> String {
    const KINDS: [(u32, &str); 22] = [
        (450, "s"),
        (620, "seacft"),
        (770, "sertft"),
        (840, "ssa"),
        (890, "fp"),
        (910, "fu"),
        (920, "f"),
        (945, "slo"),
        (960, "sapi"),
        (970, "gd_auth_succeed"),
        (976, "gd_send_pn"),
        (978, "gd_auth_failed"),
        (979, "gd_auth_rejected"),
        (980, "ferrt"),
        (985, "ss"),
        (989, "sv"),
        (991, "limit_wc"),
        (993, "limit_sul"),
        (995, "pwd_leak"),
        (996, "ublkdu"),
        (998, "scp"),
        (1000, "fs"),
    ];
    let kinds: Vec<String> =
        KINDS.iter().map(|(below, code)| format!("WHEN k < {below} THEN '{code}'")).collect();
    let kind = kinds.join(" ");
    format!(
        "INSERT INTO auth0.logs BY NAME SELECT format('900{{:021d}}', i) AS log_id, {OWN}, \
         now()::TIMESTAMP - to_milliseconds((({logs} - i) * 7776000000 // {logs})::BIGINT) AS date, type, \
         CASE WHEN type IN ('fu', 'seacft', 'sapi') THEN NULL ELSE format('auth0|{{:07d}}', h // 7 % {users}) END AS user_id, \
         c.ids[(h // 11 % len(c.ids) + 1)::BIGINT] AS client_id, \
         CASE WHEN type IN ('seacft', 'sapi') THEN NULL ELSE n.ids[(h // 13 % len(n.ids) + 1)::BIGINT] END AS connection_id, \
         CASE WHEN type IN ('fp', 'fu', 'f') AND h % 2 = 0 THEN format('198.51.100.{{}}', h // 17 % 200) \
              ELSE format('10.{{}}.{{}}.{{}}', h // 19 % 8, h // 23 % 250, h // 29 % 250) END AS ip, \
         CASE type WHEN 'fp' THEN 'Wrong email or password.' WHEN 'f' THEN 'Callback URL mismatch.' WHEN 'sapi' THEN 'Update a client' END AS description, \
         format('Chrome {{}}.0 / Mac OS X', 110 + h // 31 % 12) AS user_agent, h % 3 = 0 AS is_mobile, 'tenant.example.com' AS hostname, \
         CASE WHEN type IN ('seacft', 'sertft') THEN 'https://api.example.com' END AS audience, \
         CASE WHEN type = 'sapi' THEN 'admin@example.com' END AS request_auth_user, CASE WHEN type = 'sapi' THEN 'patch' END AS request_method, \
         CASE WHEN type = 'sapi' THEN '/api/v2/clients/abc' END AS request_path, CASE WHEN type = 'sapi' THEN 200 END AS response_status_code \
         FROM (SELECT *, CASE {kind} END AS type FROM (SELECT i, h, h % 1000 AS k FROM (SELECT i, hash(i) % 1000000000000 AS h FROM range({logs}) t(i)))), \
         (SELECT list(id ORDER BY id) AS ids FROM auth0.client) c, (SELECT list(id ORDER BY id) AS ids FROM auth0.connection) n"
    )
}
