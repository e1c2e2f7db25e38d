//! The projection, table by table, in the order of the published diagram.

use serde_json::Value;

use crate::cells::{boolean, integer, row_id, text, time};
use crate::{Cell, Row, Rows, Tables, Tenant};

/// Sink members whose values are credentials.
const SINK_SECRETS: &[&str] = &[
    "datadogApiKey",
    "httpAuthorization",
    "httpCustomHeaders",
    "mixpanelServiceAccountPassword",
    "segmentWriteKey",
    "splunkToken",
    "sumoSourceAddress",
];

/// Reads one column of a record.
type Read = fn(&Value, &str) -> Cell;

/// What all 33 tables must hold for this tenant.
pub fn project(tenant: &Tenant) -> Tables {
    let mut tables = Tables::new();
    actions(tenant, &mut tables);
    triggers(tenant, &mut tables);
    clients(tenant, &mut tables);
    client_grants(tenant, &mut tables);
    connections(tenant, &mut tables);
    organizations(tenant, &mut tables);
    resource_servers(tenant, &mut tables);
    roles_streams_stats(tenant, &mut tables);
    users(tenant, &mut tables);
    logs(tenant, &mut tables);
    grants(tenant, &mut tables);
    tables.entry("user_identities_discontinued_20250812_000000").or_default();
    tables
}

/// A row of columns read from `record`: (column, pointer, type).
fn row(record: &Value, columns: &[(&'static str, &str, Read)]) -> Row {
    columns.iter().map(|(name, pointer, read)| (*name, read(record, pointer))).collect()
}

/// Adds a row under its key. Of several rows with one key the later counts.
fn put(rows: &mut Rows, key: &[&str], row: Row) {
    rows.insert(key_of(key, &row), row);
}

/// Adds a row unless its key is there: in an array the first of two equal elements counts.
fn put_first(rows: &mut Rows, key: &[&str], row: Row) {
    rows.entry(key_of(key, &row)).or_insert(row);
}

fn key_of(key: &[&str], row: &Row) -> Vec<String> {
    key.iter().map(|column| row[column].clone().unwrap_or_else(|| "\0".to_owned())).collect()
}

fn elements<'a>(record: &'a Value, pointer: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    record.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn entries<'a>(record: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    record.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn index(position: usize) -> String {
    position.to_string()
}

/// One row for each element of an array of strings: parent id, element, position.
fn strings(
    rows: &mut Rows,
    record: &Value,
    pointer: &str,
    parent: (&'static str, &Cell),
    column: &'static str,
) {
    for (position, element) in elements(record, pointer) {
        let row = Row::from([
            (parent.0, parent.1.clone()),
            (column, text(element, "")),
            ("index", Some(index(position))),
        ]);
        put_first(rows, &[parent.0, column], row);
    }
}

/// One row for each member of an object: parent id, name, value.
fn metadata(rows: &mut Rows, record: &Value, pointer: &str, parent: (&'static str, &Cell)) {
    for (name, value) in entries(record, pointer) {
        let row = Row::from([
            (parent.0, parent.1.clone()),
            ("name", Some(name.clone())),
            ("value", text(value, "")),
        ]);
        put(rows, &[parent.0, "name"], row);
    }
}

fn actions(tenant: &Tenant, tables: &mut Tables) {
    for action in &tenant.actions {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("all_changes_deployed", "/all_changes_deployed", boolean),
            ("code", "/code", text),
            ("created_at", "/created_at", time),
            ("current_version_build_time", "/current_version/build_time", time),
            ("current_version_code", "/current_version/code", text),
            ("current_version_created_at", "/current_version/created_at", time),
            ("current_version_id", "/current_version/id", text),
            ("current_version_number", "/current_version/number", integer),
            ("current_version_runtime", "/current_version/runtime", text),
            ("current_version_status", "/current_version/status", text),
            ("current_version_updated_at", "/current_version/updated_at", time),
            ("deployed_version_built_at", "/deployed_version/built_at", time),
            ("deployed_version_code", "/deployed_version/code", text),
            ("deployed_version_created_at", "/deployed_version/created_at", time),
            ("deployed_version_deployed", "/deployed_version/deployed", boolean),
            ("deployed_version_id", "/deployed_version/id", text),
            ("deployed_version_number", "/deployed_version/number", integer),
            ("deployed_version_runtime", "/deployed_version/runtime", text),
            ("deployed_version_secrets", "/deployed_version/secrets", text),
            ("deployed_version_status", "/deployed_version/status", text),
            ("deployed_version_supported_triggers", "/deployed_version/supported_triggers", text),
            ("deployed_version_updated_at", "/deployed_version/updated_at", time),
            ("name", "/name", text),
            ("runtime", "/runtime", text),
            ("status", "/status", text),
            ("updated_at", "/updated_at", time),
        ];
        let id = text(action, "/id");
        put(tables.entry("action").or_default(), &["id"], row(action, columns));
        for (_, dependency) in elements(action, "/dependencies") {
            let name = text(dependency, "/name");
            let row = Row::from([
                ("_fivetran_id", Some(row_id(&[&id, &name]))),
                ("action_id", id.clone()),
                ("name", name),
                ("version", text(dependency, "/version")),
            ]);
            put_first(tables.entry("action_dependency").or_default(), &["_fivetran_id"], row);
        }
        for (_, secret) in elements(action, "/secrets") {
            let name = text(secret, "/name");
            let row = Row::from([
                ("_fivetran_id", Some(row_id(&[&id, &name]))),
                ("action_id", id.clone()),
                ("name", name),
                ("updated_at", time(secret, "/updated_at")),
            ]);
            put_first(tables.entry("action_secret").or_default(), &["_fivetran_id"], row);
        }
        for (_, trigger) in elements(action, "/supported_triggers") {
            let row = Row::from([
                ("id", text(trigger, "/id")),
                ("action_id", id.clone()),
                ("version", text(trigger, "/version")),
            ]);
            put_first(
                tables.entry("action_supported_trigger").or_default(),
                &["action_id", "id", "version"],
                row,
            );
        }
    }
    for table in ["action", "action_dependency", "action_secret", "action_supported_trigger"] {
        tables.entry(table).or_default();
    }
}

/// Some answers list a trigger twice, with different runtimes: the later row counts, the children are united.
fn triggers(tenant: &Tenant, tables: &mut Tables) {
    for table in ["action_trigger", "action_trigger_compatible", "action_trigger_runtime"] {
        tables.entry(table).or_default();
    }
    for trigger in &tenant.triggers {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("version", "/version", text),
            ("default_runtime", "/default_runtime", text),
            ("status", "/status", text),
        ];
        let (id, version) = (text(trigger, "/id"), text(trigger, "/version"));
        put(tables.entry("action_trigger").or_default(), &["id", "version"], row(trigger, columns));
        let mut own = Rows::new();
        for (position, compatible) in elements(trigger, "/compatible_triggers") {
            let row = Row::from([
                ("id", text(compatible, "/id")),
                ("action_trigger_id", id.clone()),
                ("action_trigger_version", version.clone()),
                ("index", Some(index(position))),
                ("version", text(compatible, "/version")),
            ]);
            put_first(&mut own, &["action_trigger_id", "action_trigger_version", "id", "version"], row);
        }
        tables.entry("action_trigger_compatible").or_default().extend(own);
        for (_, runtime) in elements(trigger, "/runtimes") {
            let row = Row::from([
                ("runtime", text(runtime, "")),
                ("action_trigger_id", id.clone()),
                ("action_trigger_version", version.clone()),
            ]);
            let key = &["action_trigger_id", "action_trigger_version", "runtime"];
            put(tables.entry("action_trigger_runtime").or_default(), key, row);
        }
    }
}

fn clients(tenant: &Tenant, tables: &mut Tables) {
    for table in ["client", "client_callback", "client_grant_type", "client_metadata"] {
        tables.entry(table).or_default();
    }
    for client in &tenant.clients {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/client_id", text),
            ("allowed_origins", "/allowed_origins", text),
            ("callback_url_template", "/callback_url_template", boolean),
            ("cross_origin_auth", "/cross_origin_auth", boolean),
            ("cross_origin_authentication", "/cross_origin_authentication", boolean),
            ("custom_login_page_on", "/custom_login_page_on", boolean),
            ("global", "/global", boolean),
            ("is_first_party", "/is_first_party", boolean),
            ("is_token_endpoint_ip_header_trusted", "/is_token_endpoint_ip_header_trusted", boolean),
            ("jwt_configuration_alg", "/jwt_configuration/alg", text),
            ("jwt_configuration_lifetime_in_seconds", "/jwt_configuration/lifetime_in_seconds", integer),
            ("jwt_configuration_secret_encoded", "/jwt_configuration/secret_encoded", boolean),
            ("name", "/name", text),
            ("oidc_conformant", "/oidc_conformant", boolean),
            ("refresh_token_expiration_type", "/refresh_token/expiration_type", text),
            ("refresh_token_idle_token_lifetime", "/refresh_token/idle_token_lifetime", integer),
            (
                "refresh_token_infinite_idle_token_lifetime",
                "/refresh_token/infinite_idle_token_lifetime",
                boolean,
            ),
            ("refresh_token_infinite_token_lifetime", "/refresh_token/infinite_token_lifetime", boolean),
            ("refresh_token_leeway", "/refresh_token/leeway", integer),
            ("refresh_token_rotation_type", "/refresh_token/rotation_type", text),
            ("refresh_token_token_lifetime", "/refresh_token/token_lifetime", integer),
            ("sso_disabled", "/sso_disabled", boolean),
            ("tenant", "/tenant", text),
        ];
        let id = text(client, "/client_id");
        put(tables.entry("client").or_default(), &["id"], row(client, columns));
        for (_, callback) in elements(client, "/callbacks") {
            let callback = text(callback, "");
            let row = Row::from([
                ("_fivetran_id", Some(row_id(&[&id, &callback]))),
                ("callback", callback),
                ("client_id", id.clone()),
            ]);
            put_first(tables.entry("client_callback").or_default(), &["_fivetran_id"], row);
        }
        strings(
            tables.entry("client_grant_type").or_default(),
            client,
            "/grant_types",
            ("client_id", &id),
            "grant_type",
        );
        metadata(
            tables.entry("client_metadata").or_default(),
            client,
            "/client_metadata",
            ("client_id", &id),
        );
    }
}

fn client_grants(tenant: &Tenant, tables: &mut Tables) {
    tables.entry("client_grant").or_default();
    tables.entry("client_grant_scope").or_default();
    for grant in &tenant.client_grants {
        let columns: &[(&'static str, &str, Read)] =
            &[("id", "/id", text), ("client_id", "/client_id", text), ("audience", "/audience", text)];
        put(tables.entry("client_grant").or_default(), &["id"], row(grant, columns));
        for (position, scope) in elements(grant, "/scope") {
            let row = Row::from([
                ("scope", text(scope, "")),
                ("client_grant_id", text(grant, "/id")),
                ("client_id", text(grant, "/client_id")),
                ("index", Some(index(position))),
            ]);
            put_first(tables.entry("client_grant_scope").or_default(), &["client_grant_id", "scope"], row);
        }
    }
}

fn connections(tenant: &Tenant, tables: &mut Tables) {
    for table in ["connection", "connection_realm", "connection_enabled_client"] {
        tables.entry(table).or_default();
    }
    for connection in &tenant.connections {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("is_domain_connection", "/is_domain_connection", boolean),
            ("name", "/name", text),
            ("strategy", "/strategy", text),
        ];
        let id = text(connection, "/id");
        put(tables.entry("connection").or_default(), &["id"], row(connection, columns));
        strings(
            tables.entry("connection_realm").or_default(),
            connection,
            "/realms",
            ("connection_id", &id),
            "realms",
        );
    }
    for (connection, clients) in &tenant.connection_clients {
        for client in clients {
            let row =
                Row::from([("client_id", Some(client.clone())), ("connection_id", Some(connection.clone()))]);
            put(tables.entry("connection_enabled_client").or_default(), &["client_id", "connection_id"], row);
        }
    }
}

fn organizations(tenant: &Tenant, tables: &mut Tables) {
    for table in ["organization", "organization_metadata", "organization_member"] {
        tables.entry(table).or_default();
    }
    for organization in &tenant.organizations {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("branding_colors_page_background", "/branding/colors/page_background", text),
            ("branding_colors_primary", "/branding/colors/primary", text),
            ("display_name", "/display_name", text),
            ("name", "/name", text),
        ];
        let id = text(organization, "/id");
        put(tables.entry("organization").or_default(), &["id"], row(organization, columns));
        metadata(
            tables.entry("organization_metadata").or_default(),
            organization,
            "/metadata",
            ("organization_id", &id),
        );
    }
    for (organization, members) in &tenant.organization_members {
        for member in members {
            let row =
                Row::from([("id", Some(member.clone())), ("organization_id", Some(organization.clone()))]);
            put(tables.entry("organization_member").or_default(), &["organization_id", "id"], row);
        }
    }
}

fn resource_servers(tenant: &Tenant, tables: &mut Tables) {
    tables.entry("resource_server").or_default();
    tables.entry("resource_server_scopes").or_default();
    for server in &tenant.resource_servers {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("allow_offline_access", "/allow_offline_access", boolean),
            ("client", "/client", text),
            ("enforce_policies", "/enforce_policies", boolean),
            ("identifier", "/identifier", text),
            ("is_system", "/is_system", boolean),
            ("name", "/name", text),
            ("signing_alg", "/signing_alg", text),
            (
                "skip_consent_for_verifiable_first_party_clients",
                "/skip_consent_for_verifiable_first_party_clients",
                boolean,
            ),
            ("token_dialect", "/token_dialect", text),
            ("token_lifetime", "/token_lifetime", integer),
            ("token_lifetime_for_web", "/token_lifetime_for_web", integer),
        ];
        let id = text(server, "/id");
        put(tables.entry("resource_server").or_default(), &["id"], row(server, columns));
        for (_, scope) in elements(server, "/scopes") {
            let value = text(scope, "/value");
            let row = Row::from([
                ("_fivetran_id", Some(row_id(&[&id, &value]))),
                ("description", text(scope, "/description")),
                ("resource_server_id", id.clone()),
                ("value", value),
            ]);
            put_first(tables.entry("resource_server_scopes").or_default(), &["_fivetran_id"], row);
        }
    }
}

fn roles_streams_stats(tenant: &Tenant, tables: &mut Tables) {
    for table in ["role", "log_stream", "log_stream_sink", "stats_daily"] {
        tables.entry(table).or_default();
    }
    for role in &tenant.roles {
        let columns: &[(&'static str, &str, Read)] =
            &[("id", "/id", text), ("description", "/description", text), ("name", "/name", text)];
        put(tables.entry("role").or_default(), &["id"], row(role, columns));
    }
    for stream in &tenant.log_streams {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("name", "/name", text),
            ("type", "/type", text),
            ("status", "/status", text),
        ];
        put(tables.entry("log_stream").or_default(), &["id"], row(stream, columns));
        for (name, value) in entries(stream, "/sink") {
            let hidden = SINK_SECRETS.contains(&name.as_str()) && !value.is_null();
            let value = if hidden { Some("***".to_owned()) } else { text(value, "") };
            let row = Row::from([
                ("log_stream_id", text(stream, "/id")),
                ("name", Some(name.clone())),
                ("value", value),
            ]);
            put(tables.entry("log_stream_sink").or_default(), &["log_stream_id", "name"], row);
        }
    }
    for day in &tenant.stats_daily {
        let columns: &[(&'static str, &str, Read)] = &[
            ("date", "/date", time),
            ("created_at", "/created_at", time),
            ("leaked_passwords", "/leaked_passwords", integer),
            ("leaked_passwords_signup", "/leaked_passwords_signup", integer),
            ("logins", "/logins", integer),
            ("signups", "/signups", integer),
            ("updated_at", "/updated_at", time),
            ("leaked_passwords_reset", "/leaked_passwords_reset", integer),
        ];
        put(tables.entry("stats_daily").or_default(), &["date"], row(day, columns));
    }
}

fn users(tenant: &Tenant, tables: &mut Tables) {
    for table in ["users", "user_app_metadata", "user_identities"] {
        tables.entry(table).or_default();
    }
    for user in &tenant.users {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/user_id", text),
            ("blocked", "/blocked", boolean),
            ("created_at", "/created_at", time),
            ("email", "/email", text),
            ("email_verified", "/email_verified", boolean),
            ("last_ip", "/last_ip", text),
            ("last_login", "/last_login", time),
            ("logins_count", "/logins_count", integer),
            ("name", "/name", text),
            ("nickname", "/nickname", text),
            ("updated_at", "/updated_at", time),
            ("username", "/username", text),
            ("picture", "/picture", text),
            ("last_password_reset", "/last_password_reset", time),
        ];
        let id = text(user, "/user_id");
        put(tables.entry("users").or_default(), &["id"], row(user, columns));
        metadata(tables.entry("user_app_metadata").or_default(), user, "/app_metadata", ("users_id", &id));
        for (position, identity) in elements(user, "/identities") {
            let row = Row::from([
                ("users_id", id.clone()),
                ("index", Some(index(position))),
                ("user_identity_id", text(identity, "/user_id")),
                ("is_social", boolean(identity, "/isSocial")),
                ("provider", text(identity, "/provider")),
                ("connection", text(identity, "/connection")),
            ]);
            let key = &["users_id", "provider", "connection", "user_identity_id"];
            put_first(tables.entry("user_identities").or_default(), key, row);
        }
    }
}

fn logs(tenant: &Tenant, tables: &mut Tables) {
    tables.entry("logs").or_default();
    tables.entry("log_detail_accessed_secret").or_default();
    for event in &tenant.logs {
        let columns: &[(&'static str, &str, Read)] = &[
            ("log_id", "/log_id", text),
            ("audience", "/audience", text),
            ("client_id", "/client_id", text),
            ("client_name", "/client_name", text),
            ("connection_id", "/connection_id", text),
            ("date", "/date", time),
            ("description", "/description", text),
            ("hostname", "/hostname", text),
            ("ip", "/ip", text),
            ("is_mobile", "/isMobile", boolean),
            ("request_auth_credential", "/details/request/auth/credentials", text),
            ("request_auth_user", "/details/request/auth/user", text),
            ("scope", "/scope", text),
            ("strategy", "/strategy", text),
            ("strategy_type", "/strategy_type", text),
            ("type", "/type", text),
            ("user_agent", "/user_agent", text),
            ("user_id", "/user_id", text),
            ("request_channel", "/details/request/channel", text),
            ("request_ip", "/details/request/ip", text),
            ("response_client_id", "/details/response/body/client_id", text),
            ("request_auth_strategy", "/details/request/auth/strategy", text),
            ("request_path", "/details/request/path", text),
            ("request_method", "/details/request/method", text),
            ("request_user_agent", "/details/request/userAgent", text),
            ("response_status_code", "/details/response/statusCode", integer),
        ];
        put(tables.entry("logs").or_default(), &["log_id"], row(event, columns));
        let id = text(event, "/log_id");
        let secrets = tables.entry("log_detail_accessed_secret").or_default();
        strings(secrets, event, "/details/accessedSecrets", ("log_id", &id), "accessedsecret");
    }
}

fn grants(tenant: &Tenant, tables: &mut Tables) {
    tables.entry("grants").or_default();
    tables.entry("grant_scope").or_default();
    for grant in &tenant.grants {
        let columns: &[(&'static str, &str, Read)] = &[
            ("id", "/id", text),
            ("audience", "/audience", text),
            ("client_id", "/clientID", text),
            ("user_id", "/user_id", text),
        ];
        let id = text(grant, "/id");
        put(tables.entry("grants").or_default(), &["id"], row(grant, columns));
        strings(tables.entry("grant_scope").or_default(), grant, "/scope", ("grant_id", &id), "scope");
    }
}
