//! People and what happens: organizations, roles, users, consents, events, figures.

use super::{Read, SINK_SECRETS, elements, entries, index, metadata, put, put_first, row, strings};
use crate::cells::{boolean, integer, text, time};
use crate::{Row, Tables, Tenant};

pub(super) fn organizations(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn roles_streams_stats(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn users(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn logs(tenant: &Tenant, tables: &mut Tables) {
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

pub(super) fn grants(tenant: &Tenant, tables: &mut Tables) {
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
