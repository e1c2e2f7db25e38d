//! The Management API's scopes: what a token may carry and what the Management API lists about itself.
//!
//! The table names resources and verbs as Auth0's OpenAPI document does; nothing here checks a token.

/// Resource and verbs: create, read, update, delete, blacklist.
const RESOURCES: &[(&str, &str)] = &[
    ("actions", "crud"),
    ("anomaly_blocks", "rd"),
    ("attack_protection", "ru"),
    ("authentication_methods", "crud"),
    ("branding", "rud"),
    ("client_credentials", "crud"),
    ("client_grants", "crud"),
    ("client_keys", "ru"),
    ("client_summary", "r"),
    ("clients", "crud"),
    ("connection_profiles", "crud"),
    ("connections", "crud"),
    ("connections_keys", "cru"),
    ("connections_options", "ru"),
    ("custom_domains", "crud"),
    ("custom_signing_keys", "crud"),
    ("device_credentials", "rd"),
    ("directory_provisionings", "crud"),
    ("email_provider", "crud"),
    ("email_templates", "cru"),
    ("encryption_keys", "crud"),
    ("event_deliveries", "ru"),
    ("event_streams", "crud"),
    ("events", "r"),
    ("flows", "crud"),
    ("flows_executions", "rd"),
    ("flows_vault_connections", "crud"),
    ("forms", "crud"),
    ("grants", "rd"),
    ("group_members", "r"),
    ("groups", "rd"),
    ("guardian_enrollment_tickets", "c"),
    ("guardian_enrollments", "rd"),
    ("guardian_factors", "ru"),
    ("hooks", "crud"),
    ("insights", "r"),
    ("log_streams", "crud"),
    ("logs", "r"),
    ("logs_users", "r"),
    ("mfa_policies", "ru"),
    ("network_acls", "crud"),
    ("organization_client_grants", "crd"),
    ("organization_clients", "crud"),
    ("organization_connections", "crud"),
    ("organization_discovery_domains", "crud"),
    ("organization_groups", "r"),
    ("organization_invitations", "crd"),
    ("organization_member_roles", "crd"),
    ("organization_members", "crd"),
    ("organizations", "crud"),
    ("organizations_summary", "r"),
    ("phone_providers", "crud"),
    ("phone_templates", "crud"),
    ("prompts", "ru"),
    ("rate_limit_policies", "crud"),
    ("refresh_tokens", "rud"),
    ("role_members", "crd"),
    ("resource_servers", "crud"),
    ("roles", "crud"),
    ("rules", "crud"),
    ("rules_configs", "rud"),
    ("scim_config", "crud"),
    ("scim_token", "crd"),
    ("self_service_profile_custom_texts", "ru"),
    ("self_service_profiles", "crud"),
    ("sessions", "rud"),
    ("shields", "crd"),
    ("signing_keys", "cru"),
    ("sso_access_tickets", "cd"),
    ("stats", "r"),
    ("tenant_settings", "ru"),
    ("token_exchange_profiles", "crud"),
    ("tokens", "b"),
    ("triggers", "ru"),
    ("user_attribute_profiles", "crud"),
    ("user_idp_tokens", "r"),
    ("user_tickets", "c"),
    ("users", "crud"),
    ("users_app_metadata", "crud"),
];

fn verb(letter: char) -> &'static str {
    match letter {
        'c' => "create",
        'r' => "read",
        'u' => "update",
        'd' => "delete",
        _ => "blacklist",
    }
}

/// Every scope, `verb:resource`, in a stable order.
pub(crate) fn all() -> Vec<String> {
    let pairs =
        RESOURCES.iter().flat_map(|(resource, verbs)| verbs.chars().map(move |v| (verb(v), resource)));
    pairs.map(|(verb, resource)| format!("{verb}:{resource}")).collect()
}

/// `read:client_grants` -> `Read Client Grants`.
pub(crate) fn describe(scope: &str) -> String {
    let words = scope.split([':', '_']).map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_about_as_many_as_auth0_lists() {
        let all = all();
        assert!((180..=260).contains(&all.len()), "{}", all.len());
        for needed in ["read:users", "read:logs", "read:stats", "read:grants", "read:connections_options"] {
            assert!(all.iter().any(|s| s == needed), "{needed}");
        }
        assert_eq!(describe("read:client_grants"), "Read Client Grants");
    }
}
