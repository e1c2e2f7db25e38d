//! The table of routes: method, path, scopes, what the audit log calls it, handler.
//!
//! A path is matched segment by segment on its raw form and each parameter is decoded once, so an id may hold any
//! character. More specific templates stand before those with parameters.

use super::others::{self, OTHERS, Shape};
use super::{
    Handler, actions, clients, connections, events, grants, jobs, logs, organizations, resource_servers,
    roles, user_links, users,
};
use crate::http::decode;
use crate::limits::Group;

/// One route of the Management API.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Without `/api/v2`.
    pub(crate) template: &'static str,
    /// Any of these will do; none = every token may.
    pub(crate) scopes: &'static [&'static str],
    /// How the audit log calls a successful write; empty = it says nothing.
    pub(crate) what: &'static str,
    pub(crate) handler: Handler,
}

const fn read(template: &'static str, scopes: &'static [&'static str], handler: Handler) -> Route {
    Route { method: "GET", template, scopes, what: "", handler }
}

const fn write(
    method: &'static str,
    template: &'static str,
    scopes: &'static [&'static str],
    what: &'static str,
    handler: Handler,
) -> Route {
    Route { method, template, scopes, what, handler }
}

const READ_CLIENTS: &[&str] =
    &["read:clients", "read:client_keys", "read:client_credentials", "read:client_summary"];
const UPDATE_USERS: &[&str] = &["update:users", "update:users_app_metadata", "update:current_user_metadata"];
const READ_LOGS: &[&str] = &["read:logs", "read:logs_users"];

/// Every route with state behind it.
const ROUTES: &[Route] = &[
    read("/actions/actions", &["read:actions"], actions::list),
    write("POST", "/actions/actions", &["create:actions"], "Create an action", actions::create),
    read("/actions/actions/{id}", &["read:actions"], actions::get),
    write("PATCH", "/actions/actions/{id}", &["update:actions"], "Update an action", actions::update),
    write("DELETE", "/actions/actions/{id}", &["delete:actions"], "Delete an action", actions::delete),
    write("POST", "/actions/actions/{id}/deploy", &["create:actions"], "Deploy an action", actions::deploy),
    read("/actions/actions/{id}/versions", &["read:actions"], actions::versions),
    read("/actions/actions/{id}/versions/{version}", &["read:actions"], actions::version),
    read("/actions/triggers", &["read:actions"], actions::triggers),
    read("/actions/triggers/{id}/bindings", &["read:actions"], actions::bindings),
    write(
        "PATCH",
        "/actions/triggers/{id}/bindings",
        &["update:actions"],
        "Update trigger bindings",
        actions::set_bindings,
    ),
    read("/clients", READ_CLIENTS, clients::list),
    write("POST", "/clients", &["create:clients"], "Create a client", clients::create),
    read("/clients/{id}", READ_CLIENTS, clients::get),
    write(
        "PATCH",
        "/clients/{id}",
        &["update:clients", "update:client_keys"],
        "Update a client",
        clients::update,
    ),
    write("DELETE", "/clients/{id}", &["delete:clients"], "Delete a client", clients::delete),
    write(
        "POST",
        "/clients/{id}/rotate-secret",
        &["update:client_keys"],
        "Rotate a client secret",
        clients::rotate_secret,
    ),
    read(
        "/clients/{id}/connections",
        &["read:connections", "read:clients", "read:client_summary"],
        clients::connections,
    ),
    read("/client-grants", &["read:client_grants"], grants::list),
    write("POST", "/client-grants", &["create:client_grants"], "Create client grant", grants::create),
    read("/client-grants/{id}", &["read:client_grants"], grants::get),
    write("PATCH", "/client-grants/{id}", &["update:client_grants"], "Update client grant", grants::update),
    write("DELETE", "/client-grants/{id}", &["delete:client_grants"], "Delete client grant", grants::delete),
    read("/client-grants/{id}/organizations", &["read:organization_client_grants"], grants::organizations),
    read("/events", &["read:events"], events::subscribe),
    read("/connections", &["read:connections"], connections::list),
    write("POST", "/connections", &["create:connections"], "Create a connection", connections::create),
    read("/connections/{id}", &["read:connections"], connections::get),
    write("PATCH", "/connections/{id}", &["update:connections"], "Update a connection", connections::update),
    write("DELETE", "/connections/{id}", &["delete:connections"], "Delete a connection", connections::delete),
    read("/connections/{id}/clients", &["read:connections"], connections::clients),
    write(
        "PATCH",
        "/connections/{id}/clients",
        &["update:connections"],
        "Update enabled clients for a connection",
        connections::enable_clients,
    ),
    read("/connections/{id}/status", &["read:connections"], connections::status),
    read("/organizations", &["read:organizations", "read:organizations_summary"], organizations::list),
    write(
        "POST",
        "/organizations",
        &["create:organizations"],
        "Create an Organization",
        organizations::create,
    ),
    read("/organizations/name/{name}", &["read:organizations"], organizations::by_name),
    read("/organizations/{id}", &["read:organizations", "read:organizations_summary"], organizations::get),
    write(
        "PATCH",
        "/organizations/{id}",
        &["update:organizations"],
        "Modify an Organization",
        organizations::update,
    ),
    write(
        "DELETE",
        "/organizations/{id}",
        &["delete:organizations"],
        "Delete organization",
        organizations::delete,
    ),
    read("/organizations/{id}/members", &["read:organization_members"], organizations::members),
    write(
        "POST",
        "/organizations/{id}/members",
        &["create:organization_members"],
        "Add members to an organization",
        organizations::add_members,
    ),
    write(
        "DELETE",
        "/organizations/{id}/members",
        &["delete:organization_members"],
        "Delete members from an organization",
        organizations::remove_members,
    ),
    read(
        "/organizations/{id}/members/{user}/roles",
        &["read:organization_member_roles"],
        organizations::member_roles,
    ),
    write(
        "POST",
        "/organizations/{id}/members/{user}/roles",
        &["create:organization_member_roles"],
        "Assign user roles to an organization member",
        organizations::add_member_roles,
    ),
    write(
        "DELETE",
        "/organizations/{id}/members/{user}/roles",
        &["delete:organization_member_roles"],
        "Delete user roles from an organization member",
        organizations::remove_member_roles,
    ),
    read(
        "/organizations/{id}/enabled_connections",
        &["read:organization_connections"],
        organizations::connections,
    ),
    write(
        "POST",
        "/organizations/{id}/enabled_connections",
        &["create:organization_connections"],
        "Add connections to an organization",
        organizations::enable_connection,
    ),
    read(
        "/organizations/{id}/enabled_connections/{connection}",
        &["read:organization_connections"],
        organizations::connection,
    ),
    write(
        "PATCH",
        "/organizations/{id}/enabled_connections/{connection}",
        &["update:organization_connections"],
        "Modify an Organization Connection",
        organizations::update_connection,
    ),
    write(
        "DELETE",
        "/organizations/{id}/enabled_connections/{connection}",
        &["delete:organization_connections"],
        "Delete connections from an organization",
        organizations::disable_connection,
    ),
    read(
        "/organizations/{id}/connections",
        &["read:organization_connections"],
        organizations::connections_list,
    ),
    read(
        "/organizations/{id}/connections/{connection}",
        &["read:organization_connections"],
        organizations::connection,
    ),
    read(
        "/organizations/{id}/client-grants",
        &["read:organization_client_grants"],
        organizations::client_grants,
    ),
    write(
        "POST",
        "/organizations/{id}/client-grants",
        &["create:organization_client_grants"],
        "Associate a client grant with an organization",
        organizations::add_client_grant,
    ),
    write(
        "DELETE",
        "/organizations/{id}/client-grants/{grant}",
        &["delete:organization_client_grants"],
        "Remove a client grant from an organization",
        organizations::remove_client_grant,
    ),
    read("/resource-servers", &["read:resource_servers"], resource_servers::list),
    write(
        "POST",
        "/resource-servers",
        &["create:resource_servers"],
        "Create a resource server",
        resource_servers::create,
    ),
    read("/resource-servers/{id}", &["read:resource_servers"], resource_servers::get),
    write(
        "PATCH",
        "/resource-servers/{id}",
        &["update:resource_servers"],
        "Update a resource server",
        resource_servers::update,
    ),
    write(
        "DELETE",
        "/resource-servers/{id}",
        &["delete:resource_servers"],
        "Delete a resource server",
        resource_servers::delete,
    ),
    read("/roles", &["read:roles"], roles::list),
    write("POST", "/roles", &["create:roles"], "Create a role", roles::create),
    read("/roles/{id}", &["read:roles"], roles::get),
    write("PATCH", "/roles/{id}", &["update:roles"], "Update a role", roles::update),
    write("DELETE", "/roles/{id}", &["delete:roles"], "Delete a role", roles::delete),
    read("/roles/{id}/permissions", &["read:roles"], roles::permissions),
    write(
        "POST",
        "/roles/{id}/permissions",
        &["update:roles"],
        "Associate permissions with a role",
        roles::add_permissions,
    ),
    write(
        "DELETE",
        "/roles/{id}/permissions",
        &["update:roles"],
        "Remove permissions from a role",
        roles::remove_permissions,
    ),
    read("/roles/{id}/users", &["read:users", "read:roles", "read:role_members"], roles::users),
    write(
        "POST",
        "/roles/{id}/users",
        &["update:roles", "create:role_members"],
        "Assign users to a role",
        roles::assign_users,
    ),
    read("/users", &["read:users", "read:user_idp_tokens"], users::list),
    write("POST", "/users", &["create:users"], "Create a User", users::create),
    read("/users-by-email", &["read:users"], users::by_email),
    read("/users/{id}", &["read:users", "read:user_idp_tokens"], users::get),
    write("PATCH", "/users/{id}", UPDATE_USERS, "Update a User", users::update),
    write("DELETE", "/users/{id}", &["delete:users"], "Delete a User", users::delete),
    write("POST", "/users/{id}/identities", &["update:users"], "Link a User Account", users::link),
    write(
        "DELETE",
        "/users/{id}/identities/{provider}/{user}",
        &["update:users"],
        "Unlink a User Identity",
        users::unlink,
    ),
    read("/users/{id}/roles", &["read:users", "read:roles", "read:role_members"], user_links::roles),
    write(
        "POST",
        "/users/{id}/roles",
        &["update:users", "create:role_members"],
        "Assign roles to a user",
        user_links::assign_roles,
    ),
    write(
        "DELETE",
        "/users/{id}/roles",
        &["update:users", "delete:role_members"],
        "Removes roles from a user",
        user_links::remove_roles,
    ),
    read("/users/{id}/permissions", &["read:users"], user_links::permissions),
    write(
        "POST",
        "/users/{id}/permissions",
        &["update:users"],
        "Assign permissions to a user",
        user_links::add_permissions,
    ),
    write(
        "DELETE",
        "/users/{id}/permissions",
        &["update:users"],
        "Remove permissions from a user",
        user_links::remove_permissions,
    ),
    read("/users/{id}/organizations", &["read:organizations"], user_links::organizations),
    read("/users/{id}/logs", READ_LOGS, user_links::logs),
    read("/log-streams", &["read:log_streams"], logs::streams),
    write("POST", "/log-streams", &["create:log_streams"], "Create a log stream", logs::create_stream),
    read("/log-streams/{id}", &["read:log_streams"], logs::stream),
    write("PATCH", "/log-streams/{id}", &["update:log_streams"], "Update a log stream", logs::update_stream),
    write("DELETE", "/log-streams/{id}", &["delete:log_streams"], "Delete log stream", logs::delete_stream),
    read("/logs", READ_LOGS, logs::list),
    read("/logs/{id}", READ_LOGS, logs::get),
    read("/stats/daily", &["read:stats"], logs::daily),
    read("/stats/active-users", &["read:stats"], logs::active_users),
    read("/grants", &["read:grants"], grants::consents),
    write("DELETE", "/grants", &["delete:grants"], "Delete a grant", grants::delete_consents),
    write("DELETE", "/grants/{id}", &["delete:grants"], "Delete a grant", grants::delete_consent),
    write("POST", "/jobs/users-exports", &["read:users"], "Create export users job", jobs::export),
    write(
        "POST",
        "/jobs/verification-email",
        &["update:users"],
        "Create verification email job",
        jobs::verification_email,
    ),
    read("/jobs/{id}", &["create:users", "read:users"], jobs::get),
    read("/jobs/{id}/errors", &["create:users", "read:users"], jobs::errors),
    write(
        "POST",
        "/tickets/password-change",
        &["create:user_tickets"],
        "Create a password change ticket",
        logs::ticket,
    ),
    write(
        "POST",
        "/tickets/email-verification",
        &["create:user_tickets"],
        "Create an email verification ticket",
        logs::ticket,
    ),
    read("/tenants/settings", &["read:tenant_settings"], others::settings),
];

/// What a path leads to.
pub(crate) enum Found {
    Route(&'static Route, Vec<String>),
    /// An endpoint of a part that this tenant does not use.
    Other(&'static str, &'static [&'static str], &'static Shape, Vec<String>),
}

/// The parameters of a path (without `/api/v2`) that fits a template.
fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(params),
            (Some(t), Some(s)) if t.starts_with('{') && !s.is_empty() => params.push(decode(s)),
            (Some(t), Some(s)) if t == s => {}
            _ => return None,
        }
    }
}

/// Finds the route of a method and a raw path without `/api/v2`.
pub(crate) fn find(method: &str, path: &str) -> Option<Found> {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    for route in ROUTES.iter().filter(|r| r.method == method) {
        if let Some(params) = fit(route.template, path) {
            return Some(Found::Route(route, params));
        }
    }
    if method != "GET" {
        return None;
    }
    OTHERS.iter().find_map(|(template, scopes, shape)| {
        fit(template, path).map(|params| Found::Other(template, scopes, shape, params))
    })
}

/// The bucket from which a template draws.
pub(crate) fn group(template: &str) -> Group {
    let mut parts = template.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next(), parts.nth(1)) {
        ("users", Some(_), Some("organizations"), _) => Group::UserOrganizations,
        ("users" | "users-by-email", ..) => Group::Users,
        ("logs", ..) => Group::Logs,
        ("clients", ..) => Group::Clients,
        ("connections", ..) => Group::Connections,
        ("organizations", None, ..) => Group::Organizations,
        ("organizations", Some(_), Some("members"), Some("roles")) => Group::MemberRoles,
        ("organizations", Some(_), Some("members"), _) => Group::MembersOfOrganization,
        ("organizations", ..) => Group::Organization,
        _ => Group::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn template(method: &str, path: &str) -> (&'static str, Vec<String>) {
        match find(method, path) {
            Some(Found::Route(route, params)) => (route.template, params),
            Some(Found::Other(template, _, _, params)) => (template, params),
            None => ("", Vec::new()),
        }
    }

    #[test]
    fn ids_may_hold_anything_and_are_decoded_once() {
        assert_eq!(
            template("GET", "/users/auth0%7Ca%2Fb%2520c"),
            ("/users/{id}", vec!["auth0|a/b%20c".into()])
        );
        assert_eq!(template("GET", "/users/auth0%7C1/roles").0, "/users/{id}/roles");
        assert_eq!(template("GET", "/organizations/name/acme").0, "/organizations/name/{name}");
        assert_eq!(
            template("GET", "/guardian/factors/sms/templates").0,
            "/guardian/factors/{factor}/templates"
        );
        assert_eq!(template("DELETE", "/actions/actions/").0, "");
        assert_eq!(template("GET", "/nothing").0, "");
    }

    #[test]
    fn no_route_stands_twice() {
        let keys: Vec<_> = ROUTES.iter().map(|r| (r.method, r.template)).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn buckets_follow_the_plans_table() {
        assert_eq!(group("/organizations"), Group::Organizations);
        assert_eq!(group("/organizations/{id}"), Group::Organization);
        assert_eq!(group("/organizations/{id}/members"), Group::MembersOfOrganization);
        assert_eq!(group("/organizations/{id}/members/{user}/roles"), Group::MemberRoles);
        assert_eq!(group("/users/{id}/organizations"), Group::UserOrganizations);
        assert_eq!(group("/stats/daily"), Group::Other);
    }
}
