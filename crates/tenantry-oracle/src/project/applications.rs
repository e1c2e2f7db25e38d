//! Applications and what they may do: actions, clients, connections, APIs.

use super::{Read, elements, index, metadata, put, put_first, row, strings};
use crate::cells::{boolean, integer, row_id, text, time};
use crate::{Row, Rows, Tables, Tenant};

pub(super) fn actions(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn triggers(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn clients(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn client_grants(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn connections(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn resource_servers(tenant: &Tenant, tables: &mut Tables) {
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
