//! Endpoints of parts of Auth0 that the simulated tenant does not use: the empty answers that a tenant without
//! them gives, so that tools which read everything can read this tenant.
//!
//! Reads alone; a write to any of them is an unknown route.

use super::{ApiError, Call, Outcome, ok};
use crate::paging::{self, Listing};
use crate::tenant::Tenant;
use crate::time;
use serde_json::{Value, json};

/// What an endpoint answers.
pub(crate) enum Shape {
    /// A list that pages like others.
    List(&'static str),
    /// An object that is always there.
    Fixed(fn() -> Value),
    /// Nothing configured.
    Absent(&'static str),
}

/// Template, scopes, answer.
pub(crate) const OTHERS: &[(&str, &[&str], Shape)] = &[
    ("/actions/modules", &["read:actions"], Shape::List("modules")),
    ("/attack-protection/bot-detection", &["read:attack_protection"], Shape::Fixed(bot_detection)),
    (
        "/attack-protection/breached-password-detection",
        &["read:attack_protection"],
        Shape::Fixed(breached_passwords),
    ),
    ("/attack-protection/brute-force-protection", &["read:attack_protection"], Shape::Fixed(brute_force)),
    ("/attack-protection/captcha", &["read:attack_protection"], Shape::Fixed(captcha)),
    (
        "/attack-protection/phone-provider-protection",
        &["read:attack_protection"],
        Shape::Fixed(phone_protection),
    ),
    ("/attack-protection/suspicious-ip-throttling", &["read:attack_protection"], Shape::Fixed(ip_throttling)),
    ("/branding", &["read:branding"], Shape::Fixed(branding)),
    ("/branding/phone/providers", &["read:phone_providers"], Shape::Fixed(|| json!({ "providers": [] }))),
    ("/branding/phone/templates", &["read:phone_templates"], Shape::Fixed(|| json!({ "templates": [] }))),
    ("/branding/templates/universal-login", &["read:branding"], Shape::Absent("The template does not exist")),
    (
        "/branding/themes/default",
        &["read:branding"],
        Shape::Absent("There was an error retrieving branding settings: no default theme"),
    ),
    ("/connection-profiles", &["read:connection_profiles"], Shape::List("connection_profiles")),
    (
        "/connections-directory-provisionings",
        &["read:directory_provisionings"],
        Shape::List("directory_provisionings"),
    ),
    ("/connections-scim-configurations", &["read:scim_config"], Shape::List("scim_configurations")),
    ("/custom-domains", &["read:custom_domains"], Shape::Fixed(|| json!([]))),
    ("/custom-domains/default", &["read:custom_domains"], Shape::Absent("No default custom domain")),
    ("/device-credentials", &["read:device_credentials"], Shape::List("device_credentials")),
    ("/email-templates/{name}", &["read:email_templates"], Shape::Absent("The template does not exist.")),
    (
        "/emails/provider",
        &["read:email_provider"],
        Shape::Absent("There is not a configured email provider."),
    ),
    ("/event-streams", &["read:event_streams"], Shape::List("eventStreams")),
    ("/flows", &["read:flows"], Shape::List("flows")),
    ("/flows/vault/connections", &["read:flows_vault_connections"], Shape::List("connections")),
    ("/forms", &["read:forms"], Shape::List("forms")),
    ("/groups", &["read:groups"], Shape::List("groups")),
    ("/guardian/factors", &["read:guardian_factors"], Shape::Fixed(factors)),
    (
        "/guardian/factors/phone/message-types",
        &["read:guardian_factors"],
        Shape::Fixed(|| json!({ "message_types": [] })),
    ),
    (
        "/guardian/factors/phone/selected-provider",
        &["read:guardian_factors"],
        Shape::Fixed(|| json!({ "provider": "auth0" })),
    ),
    (
        "/guardian/factors/push-notification/selected-provider",
        &["read:guardian_factors"],
        Shape::Fixed(|| json!({ "provider": "guardian" })),
    ),
    (
        "/guardian/factors/sms/selected-provider",
        &["read:guardian_factors"],
        Shape::Fixed(|| json!({ "provider": "auth0" })),
    ),
    (
        "/guardian/factors/{factor}/providers/{provider}",
        &["read:guardian_factors"],
        Shape::Fixed(|| json!({})),
    ),
    ("/guardian/factors/{factor}/templates", &["read:guardian_factors"], Shape::Fixed(|| json!({}))),
    ("/guardian/factors/{factor}/settings", &["read:guardian_factors"], Shape::Fixed(|| json!({}))),
    ("/guardian/policies", &["read:mfa_policies"], Shape::Fixed(|| json!([]))),
    ("/hooks", &["read:hooks"], Shape::List("hooks")),
    ("/keys/custom-signing", &["read:custom_signing_keys"], Shape::Absent("No custom signing keys")),
    ("/keys/encryption", &["read:encryption_keys"], Shape::List("keys")),
    ("/keys/signing", &["read:signing_keys"], Shape::Fixed(|| json!([]))),
    ("/network-acls", &["read:network_acls"], Shape::List("network_acls")),
    (
        "/prompts",
        &["read:prompts"],
        Shape::Fixed(
            || json!({ "universal_login_experience": "new", "identifier_first": false, "webauthn_platform_first_factor": false }),
        ),
    ),
    ("/prompts/rendering", &["read:prompts"], Shape::List("configs")),
    ("/prompts/{prompt}/custom-text/{language}", &["read:prompts"], Shape::Fixed(|| json!({}))),
    ("/prompts/{prompt}/partials", &["read:prompts"], Shape::Fixed(|| json!({}))),
    (
        "/prompts/{prompt}/screen/{screen}/rendering",
        &["read:prompts"],
        Shape::Fixed(|| json!({ "rendering_mode": "standard" })),
    ),
    ("/rate-limit-policies", &["read:rate_limit_policies"], Shape::List("rate_limit_policies")),
    ("/risk-assessments/settings", &["read:attack_protection"], Shape::Fixed(|| json!({ "enabled": false }))),
    (
        "/risk-assessments/settings/new-device",
        &["read:attack_protection"],
        Shape::Fixed(|| json!({ "remember_for": 30 })),
    ),
    ("/rules", &["read:rules"], Shape::List("rules")),
    ("/rules-configs", &["read:rules_configs"], Shape::Fixed(|| json!([]))),
    ("/self-service-profiles", &["read:self_service_profiles"], Shape::List("self_service_profiles")),
    (
        "/self-service-profiles/{id}/custom-text/{language}/{page}",
        &["read:self_service_profile_custom_texts"],
        Shape::Fixed(|| json!({})),
    ),
    (
        "/supplemental-signals",
        &["read:attack_protection"],
        Shape::Fixed(|| json!({ "akamai_enabled": false })),
    ),
    ("/token-exchange-profiles", &["read:token_exchange_profiles"], Shape::List("token_exchange_profiles")),
    ("/user-attribute-profiles", &["read:user_attribute_profiles"], Shape::List("user_attribute_profiles")),
    ("/clients/{id}/credentials", &["read:client_credentials"], Shape::Fixed(|| json!([]))),
    ("/connections/{id}/keys", &["read:connections_keys"], Shape::Fixed(|| json!([]))),
    ("/connections/{id}/scim-configuration", &["read:scim_config"], Shape::Absent("Not Found")),
    (
        "/connections/{id}/directory-provisioning",
        &["read:directory_provisionings"],
        Shape::Absent("Not Found"),
    ),
    (
        "/organizations/{id}/clients",
        &["read:organization_clients", "read:organizations"],
        Shape::List("clients"),
    ),
    (
        "/organizations/{id}/discovery-domains",
        &["read:organization_discovery_domains"],
        Shape::List("domains"),
    ),
    ("/organizations/{id}/invitations", &["read:organization_invitations"], Shape::List("invitations")),
    ("/organizations/{id}/groups", &["read:organization_groups"], Shape::List("groups")),
    ("/users/{id}/authentication-methods", &["read:authentication_methods"], Shape::List("authenticators")),
    ("/users/{id}/enrollments", &["read:users"], Shape::Fixed(|| json!([]))),
    ("/users/{id}/groups", &["read:groups"], Shape::List("groups")),
];

/// Answers an endpoint of the table.
pub(crate) fn answer(call: &Call<'_>, shape: &Shape) -> Outcome {
    match shape {
        Shape::Fixed(value) => ok(value()),
        Shape::Absent(message) => Err(ApiError::not_found(message, None)),
        Shape::List(collection) => {
            let listing = Listing::new(collection).checkpointed();
            paging::keyed(call, &std::collections::BTreeMap::new(), &listing, |_| true, Clone::clone)
        }
    }
}

/// The tenant's settings.
pub(crate) fn settings(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let settings = json!({
        "friendly_name": tenant.config.tenant,
        "support_email": "support@example.com",
        "enabled_locales": ["en", "ja"],
        "session_lifetime": 168.0,
        "idle_session_lifetime": 72.0,
        "sandbox_version": "22",
        "flags": { "enable_client_connections": false, "revoke_refresh_token_grant": false },
        "universal_login": { "colors": { "primary": "#0059d6", "page_background": "#000000" } },
        "picture_url": format!("{}/logo.png?{}", call.origin(), time::compact(0)),
    });
    let settings = settings.as_object().cloned().unwrap_or_default();
    ok(super::project(call, settings, &[]))
}

fn bot_detection() -> Value {
    json!({ "bot_detection_level": "medium", "challenge_password_policy": "never", "challenge_passwordless_policy": "never",
        "challenge_password_reset_policy": "never", "allowlist": [], "monitoring_mode_enabled": false })
}

fn breached_passwords() -> Value {
    json!({ "enabled": true, "shields": ["block"], "admin_notification_frequency": [], "method": "standard",
        "stage": { "pre-user-registration": { "shields": [] }, "pre-change-password": { "shields": [] } } })
}

fn brute_force() -> Value {
    json!({ "enabled": true, "shields": ["block", "user_notification"], "mode": "count_per_identifier_and_ip",
        "allowlist": [], "max_attempts": 10 })
}

fn captcha() -> Value {
    json!({ "active_provider_id": "auth_challenge", "auth_challenge": { "fail_open": false } })
}

fn phone_protection() -> Value {
    json!({ "type": "auth0" })
}

fn ip_throttling() -> Value {
    json!({ "enabled": true, "shields": ["admin_notification", "block"], "allowlist": [],
        "stage": { "pre-login": { "max_attempts": 100, "rate": 864_000 },
            "pre-user-registration": { "max_attempts": 50, "rate": 1_200 } } })
}

fn branding() -> Value {
    json!({ "colors": { "primary": "#0059d6", "page_background": "#000000" }, "logo_url": "https://example.com/logo.png" })
}

fn factors() -> Value {
    let names = [
        "sms",
        "push-notification",
        "otp",
        "email",
        "duo",
        "webauthn-roaming",
        "webauthn-platform",
        "recovery-code",
    ];
    names
        .iter()
        .map(|name| json!({ "name": name, "enabled": *name == "otp", "trial_expired": false }))
        .collect()
}
