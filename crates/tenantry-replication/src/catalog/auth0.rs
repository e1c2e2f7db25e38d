//! What is replicated from an Auth0 tenant: the one declarative place.
//!
//! One file for each family of endpoints; a column is a line there. Data only: no behaviour.

mod access;
mod actions;
mod clients;
mod connections;
mod feed;
mod logs;
mod organizations;
mod users;

use super::{Catalog, Relationship};

/// What is replicated from an Auth0 tenant.
pub static CATALOG: Catalog = Catalog {
    streams: &[
        actions::ACTIONS_STREAM,
        actions::ACTION_TRIGGERS_STREAM,
        clients::CLIENTS_STREAM,
        clients::CLIENT_GRANTS_STREAM,
        connections::CONNECTIONS_STREAM,
        connections::CONNECTION_CLIENTS_STREAM,
        organizations::ORGANIZATIONS_STREAM,
        organizations::ORGANIZATION_MEMBERS_STREAM,
        access::RESOURCE_SERVERS_STREAM,
        access::ROLES_STREAM,
        logs::LOG_STREAMS_STREAM,
        access::GRANTS_STREAM,
        users::USERS_STREAM,
        logs::LOGS_STREAM,
        logs::STATS_DAILY_STREAM,
        users::USER_IDENTITIES_ARCHIVE_STREAM,
    ],
    feed: feed::FEED,
    diagram: DIAGRAM,
    relationships: RELATIONSHIPS,
    secret_members: SECRET_MEMBERS,
    plain_members: PLAIN_MEMBERS,
};

/// Tables in the order in which the published diagram draws them.
const DIAGRAM: &[&str] = &[
    "action",
    "action_trigger",
    "client",
    "connection",
    "organization",
    "resource_server",
    "role",
    "users",
    "log_stream",
    "logs",
    "grants",
    "action_dependency",
    "action_secret",
    "action_supported_trigger",
    "action_trigger_compatible",
    "action_trigger_runtime",
    "client_callback",
    "client_grant",
    "client_grant_scope",
    "client_grant_type",
    "client_metadata",
    "connection_enabled_client",
    "connection_realm",
    "grant_scope",
    "log_detail_accessed_secret",
    "log_stream_sink",
    "organization_member",
    "organization_metadata",
    "resource_server_scopes",
    "user_app_metadata",
    "user_identities",
    "user_identities_discontinued_20250812_000000",
    "stats_daily",
];

/// Lines of the published diagram, in its order.
const RELATIONSHIPS: &[Relationship] = &[
    line("action", "action_dependency", "action_id"),
    line("action", "action_secret", "action_id"),
    line("action", "action_supported_trigger", "action_id"),
    line("action_trigger", "action_trigger_compatible", "action_trigger_id"),
    line("action_trigger", "action_trigger_runtime", "action_trigger_id"),
    line("client", "client_callback", "client_id"),
    line("client", "client_grant", "client_id"),
    line("client", "client_grant_type", "client_id"),
    line("client", "client_metadata", "client_id"),
    line("client_grant", "client_grant_scope", "client_grant_id"),
    line("connection", "connection_enabled_client", "connection_id"),
    line("connection", "connection_realm", "connection_id"),
    line("client", "connection_enabled_client", "client_id"),
    line("resource_server", "resource_server_scopes", "resource_server_id"),
    line("users", "user_app_metadata", "users_id"),
    line("users", "user_identities", "users_id"),
    line("users", "user_identities_discontinued_20250812_000000", "user_id"),
    line("users", "grants", "user_id"),
    line("client", "grants", "client_id"),
    line("grants", "grant_scope", "grant_id"),
    line("logs", "log_detail_accessed_secret", "log_id"),
    line("client", "logs", "client_id"),
    line("connection", "logs", "connection_id"),
    line("users", "logs", "user_id"),
    line("log_stream", "log_stream_sink", "log_stream_id"),
    line("organization", "organization_member", "organization_id"),
    line("organization", "organization_metadata", "organization_id"),
];

/// Parts of member names whose values are credentials, in lower case. Kept wide: a value masked in vain is only a nuisance.
const SECRET_MEMBERS: &[&str] = &[
    "access_key",
    "accesskey",
    "api-key",
    "api_key",
    "apikey",
    "assertion",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "customheaders",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "privatekey",
    "recovery_code",
    "secret",
    "shared_key",
    "sharedkey",
    "signing_key",
    "signingkey",
    "sourceaddress",
    "ticket",
    "token",
    "write_key",
    "writekey",
];

/// Members that hold a part of the above in their name, but nothing secret, in lower case.
const PLAIN_MEMBERS: &[&str] = &[
    "accessedsecrets",
    "idle_token_lifetime",
    "infinite_idle_token_lifetime",
    "infinite_token_lifetime",
    "is_token_endpoint_ip_header_trusted",
    "last_password_reset",
    "leaked_passwords",
    "leaked_passwords_reset",
    "leaked_passwords_signup",
    "secret_encoded",
    "token_dialect",
    "token_endpoint_auth_method",
    "token_lifetime",
    "token_lifetime_for_web",
];

const fn line(parent: &'static str, child: &'static str, column: &'static str) -> Relationship {
    Relationship { parent, child, column }
}
