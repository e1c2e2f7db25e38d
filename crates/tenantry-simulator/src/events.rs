//! What people and machines do to a tenant, and the log events that this leaves.
//!
//! An [`Act`] is one thing that happens (a login, a wrong password, a change in the dashboard) and becomes one to
//! four events in the shapes of Auth0's published log schemas. Acts are rendered here and nowhere else, for the
//! generated past and for live logins alike; what they change in users is their caller's business.

use crate::api::Object;
use crate::logs::Event;
use crate::names;
use crate::random::Random;
use crate::tenant::Tenant;
use crate::users::{Slot, Source, User};
use serde_json::{Value, json};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    SignUp,
    Login,
    LoginWithSecondFactor,
    Refresh,
    Silent,
    Machine,
    WrongPassword,
    UnknownUser,
    Refused,
    Logout,
    LeakedPassword,
    LeakedAtSignup,
    Blocked,
    PasswordReset,
    MailVerified,
    SecondFactorFailed,
    Enrolled,
    FailedExchange,
    MailFailed,
    Joined,
    Dashboard,
    Automation,
    SecretsRead,
    Deprecation,
    ApiLimit,
}

/// Acts and how often of a thousand they happen; sign-ups are planned, not drawn.
pub(crate) const FREQUENCIES: [(Act, u64); 24] = [
    (Act::Login, 340),
    (Act::LoginWithSecondFactor, 70),
    (Act::Refresh, 180),
    (Act::Silent, 60),
    (Act::Machine, 110),
    (Act::WrongPassword, 75),
    (Act::UnknownUser, 25),
    (Act::Refused, 22),
    (Act::Logout, 45),
    (Act::LeakedPassword, 7),
    (Act::LeakedAtSignup, 3),
    (Act::Blocked, 4),
    (Act::PasswordReset, 9),
    (Act::MailVerified, 7),
    (Act::SecondFactorFailed, 7),
    (Act::Enrolled, 5),
    (Act::FailedExchange, 7),
    (Act::MailFailed, 3),
    (Act::Joined, 4),
    (Act::Dashboard, 8),
    (Act::Automation, 4),
    (Act::SecretsRead, 3),
    (Act::Deprecation, 1),
    (Act::ApiLimit, 1),
];

impl Act {
    /// How many events it leaves.
    pub(crate) fn events(self) -> usize {
        match self {
            Self::LoginWithSecondFactor => 4,
            Self::Login | Self::PasswordReset | Self::SignUp => 2,
            _ => 1,
        }
    }

    /// Whether a user's last login changes with it.
    pub(crate) fn is_login(self) -> bool {
        matches!(self, Self::Login | Self::LoginWithSecondFactor | Self::SignUp)
    }

    /// Whether its events tell of a change to the tenant: in the present only a change itself may leave them.
    pub(crate) fn tells_of_change(self) -> bool {
        matches!(self, Self::Joined | Self::Dashboard | Self::Automation)
    }

    /// Draws an act by frequency.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let total: u64 = FREQUENCIES.iter().map(|(_, n)| n).sum();
        let mut at = random.below(total);
        for (act, frequency) in FREQUENCIES {
            if at < frequency {
                return act;
            }
            at -= frequency;
        }
        Self::Login
    }
}

/// Who appears besides users: applications by kind, looked up once.
pub(crate) struct Cast {
    interactive: Vec<(String, String)>,
    machines: Vec<(String, String)>,
    hostname: String,
    audience: String,
}

impl Cast {
    pub(crate) fn of(tenant: &Tenant) -> Self {
        let named = |machine: bool| {
            let of_kind = |c: &Object| {
                let kind = c.get("app_type").and_then(Value::as_str);
                kind.is_some_and(|k| (k == "non_interactive") == machine)
            };
            let chosen =
                tenant.clients.iter().filter(|(id, c)| of_kind(c) && id.as_str() != crate::CLIENT_ID);
            let text = |c: &Object| c.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let found: Vec<_> = chosen.map(|(id, c)| (id.clone(), text(c))).collect();
            if found.is_empty() {
                vec![(crate::CLIENT_ID.into(), "Warehouse Replication".into())]
            } else {
                found
            }
        };
        let own = tenant.resource_servers.values().find(|s| !s.contains_key("is_system"));
        let audience = own.and_then(|s| s.get("identifier")).and_then(Value::as_str);
        Self {
            interactive: named(false),
            machines: named(true),
            hostname: tenant.config.host(),
            audience: audience.unwrap_or("https://api.example.com/").to_owned(),
        }
    }
}

/// A stage on which one act is played.
pub(crate) struct Stage<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) cast: &'a Cast,
    pub(crate) slot: Slot,
    /// Milliseconds.
    pub(crate) at: i64,
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}

fn strategy_type(source: &Source) -> &'static str {
    match source.strategy.as_str() {
        "auth0" => "database",
        "sms" | "email" => "passwordless",
        _ if source.is_social() => "social",
        _ => "enterprise",
    }
}

const SCOPE: &str = "openid profile email offline_access";

impl Stage<'_> {
    fn event(&self, after: i64, kind: &'static str, fields: Object) -> Event {
        Event { date: self.at + after, kind, fields }
    }

    fn user(&self) -> Option<(&User, &Source)> {
        let user = self.tenant.users.get(self.slot)?;
        Some((user, self.tenant.users.sources.get(usize::from(user.source))?))
    }

    /// What every event of a browser says: application, address, agent.
    fn browser(&self, random: &mut Random) -> Object {
        let (client, name) = random.pick(&self.cast.interactive);
        let (agent, mobile) = *random.pick(names::USER_AGENTS);
        let ip = match self.user() {
            Some((user, _)) if user.ip != 0 && !random.chance(150) => user.ip,
            _ => random.next(),
        };
        let mut fields = object(json!({
            "description": "",
            "client_id": client,
            "client_name": name,
            "ip": names::ip(ip),
            "user_agent": agent,
            "isMobile": mobile,
            "hostname": self.cast.hostname,
            "tenant_name": self.tenant.config.tenant,
            "$event_schema": { "version": "1.0.0" },
        }));
        if random.chance(400) {
            fields.insert("auth0_client".into(), json!({ "name": "auth0-spa-js", "version": "2.4.1" }));
        }
        fields
    }

    /// Lays over an event who it is about and where that user signs in.
    fn about_user(&self, mut fields: Object) -> Object {
        let Some((user, source)) = self.user() else { return fields };
        fields.insert("connection".into(), source.name.as_str().into());
        fields.insert("connection_id".into(), source.connection_id.as_str().into());
        fields.insert("user_id".into(), user.id.as_ref().into());
        let shown = user.email(&self.tenant.users.sources).unwrap_or_else(|| user.id.to_string());
        fields.insert("user_name".into(), shown.into());
        fields.insert("strategy".into(), source.strategy.as_str().into());
        fields.insert("strategy_type".into(), strategy_type(source).into());
        let organization = self.tenant.memberships.get(&self.slot).and_then(|o| o.first());
        if let Some(organization) = organization.filter(|_| self.at % 3 == 0) {
            let name = self.tenant.organizations.get(organization).and_then(|o| o.get("name"));
            fields.insert("organization_id".into(), organization.as_str().into());
            fields.insert("organization_name".into(), name.cloned().unwrap_or_default());
        }
        fields
    }

    /// Some event types have their scopes in an array.
    fn scopes(&self, scopes: &[&str]) -> Value {
        if self.tenant.config.oddities { json!(scopes) } else { scopes.join(" ").into() }
    }

    fn with(fields: Object, more: Value) -> Object {
        let mut fields = fields;
        fields.extend(object(more));
        fields
    }

    /// An exchange of something for tokens, right after a login or by itself.
    fn exchange(&self, base: &Object, random: &mut Random) -> Object {
        let mut fields = base.clone();
        fields.shift_remove("strategy");
        fields.shift_remove("strategy_type");
        let details = json!({ "code": format!("*************************************{}", random.hex(3)) });
        let ip = fields.get("ip").cloned().unwrap_or_default();
        Self::with(
            fields,
            json!({ "audience": self.cast.audience, "scope": SCOPE, "client_ip": ip, "details": details }),
        )
    }

    fn login(&self, base: &Object, random: &mut Random) -> Object {
        let count = self.user().map_or(0, |(u, _)| u.logins) + 1;
        let started = self.at - 4_000 - random.below(20_000) as i64;
        let details = json!({
            "prompts": [{ "name": "prompt-authenticate", "completedAt": self.at, "elapsedTime": self.at - started }],
            "initiatedAt": started, "completedAt": self.at, "elapsedTime": self.at - started,
            "session_id": random.alphanumeric(32), "stats": { "loginsCount": count },
        });
        Self::with(base.clone(), json!({ "description": "Successful login", "details": details }))
    }

    /// The second factor's events have no application.
    fn guardian(&self, description: &str, random: &mut Random) -> Object {
        let mut fields = self.about_user(self.browser(random));
        for name in ["client_id", "client_name", "hostname", "strategy", "strategy_type"] {
            fields.shift_remove(name);
        }
        let request = json!({ "ip": fields.get("ip"), "method": "POST", "path": "/mfa-session",
            "userAgent": fields.get("user_agent"), "auth": { "subject": fields.get("user_id"), "strategy": "jwt_mfa",
            "scopes": ["guardian"] } });
        let details = json!({ "authenticator": { "type": "otp", "id": null }, "request": request, "response": { "statusCode": 200 } });
        Self::with(fields, json!({ "description": description, "details": details }))
    }

    /// Plays an act: its events in order.
    pub(crate) fn play(&self, act: Act, random: &mut Random) -> Vec<Event> {
        match act {
            Act::SignUp => self.sign_up(random),
            Act::Login | Act::LoginWithSecondFactor => self.log_in(act, random),
            Act::Machine | Act::Refresh | Act::Silent => vec![self.tokens(act, random)],
            Act::Dashboard | Act::Automation | Act::SecretsRead | Act::Deprecation | Act::ApiLimit => {
                vec![self.administration(act, random)]
            }
            Act::PasswordReset => {
                let base = self.about_user(self.browser(random));
                let body = json!({ "body": { "tenant": self.tenant.config.tenant, "email": base.get("user_name") } });
                let request = Self::with(base.clone(), json!({ "user_id": "", "details": body }));
                let done = Self::with(
                    base,
                    json!({ "description": "You can now login to the application with the new password." }),
                );
                vec![self.event(0, "scpr", request), self.event(45_000, "scp", done)]
            }
            _ => vec![self.single(act, random)],
        }
    }

    fn sign_up(&self, random: &mut Random) -> Vec<Event> {
        let base = self.about_user(self.browser(random));
        let database = self.user().is_some_and(|(_, s)| s.is_database());
        let login = self.event(1_500, "s", self.login(&base, random));
        if !database {
            // The first login of a social or enterprise user is all that the log tells of its creation.
            return vec![login, self.event(1_900, "seacft", self.exchange(&base, random))];
        }
        let body = json!({ "body": { "tenant": self.tenant.config.tenant, "client_id": base.get("client_id"),
            "connection": base.get("connection"), "email": base.get("user_name"), "password": "*****" } });
        vec![self.event(0, "ss", Self::with(base, json!({ "details": body }))), login]
    }

    fn log_in(&self, act: Act, random: &mut Random) -> Vec<Event> {
        let base = self.about_user(self.browser(random));
        let mut events = Vec::new();
        if act == Act::LoginWithSecondFactor {
            events.push(self.event(
                -9_000,
                "gd_start_auth",
                self.guardian("Second factor authentication started.", random),
            ));
            events.push(self.event(
                -400,
                "gd_auth_succeed",
                self.guardian("Guardian - Second factor authentication succeeded", random),
            ));
        }
        events.push(self.event(0, "s", self.login(&base, random)));
        events.push(self.event(400 + random.below(900) as i64, "seacft", self.exchange(&base, random)));
        events
    }

    fn tokens(&self, act: Act, random: &mut Random) -> Event {
        match act {
            Act::Machine => {
                let (client, name) = random.pick(&self.cast.machines);
                let fields = object(json!({
                    "description": "", "connection_id": "", "client_id": client, "client_name": name,
                    "ip": names::ip(random.below(12) + 1), "user_agent": "Other 0.0.0 / Other 0.0.0",
                    "hostname": self.cast.hostname, "user_id": "", "user_name": "", "audience": self.cast.audience,
                    "scope": if random.chance(300) { self.scopes(&["read:orders", "write:orders"]) } else { json!("read:orders") },
                    "tenant_name": self.tenant.config.tenant,
                }));
                self.event(0, "seccft", fields)
            }
            Act::Refresh => {
                let base = self.about_user(self.browser(random));
                let details = json!({ "familyId": random.hex(16), "tokenCounter": 1 + random.below(40) });
                let fields = Self::with(self.exchange(&base, random), json!({ "details": details }));
                self.event(0, "sertft", fields)
            }
            _ => {
                let fields = self.about_user(self.browser(random));
                self.event(
                    0,
                    "ssa",
                    Self::with(fields, json!({ "audience": self.cast.audience, "scope": SCOPE })),
                )
            }
        }
    }

    fn single(&self, act: Act, random: &mut Random) -> Event {
        let base = self.about_user(self.browser(random));
        let wrong = json!({ "description": "Wrong email or password.", "details": { "error": { "message": "Wrong email or password." } } });
        let (kind, fields) = match act {
            Act::WrongPassword => ("fp", Self::with(base, wrong)),
            Act::UnknownUser => {
                let name =
                    format!("{}.{}@example.com", names::person(random.next()).mailbox, random.below(9_000));
                ("fu", Self::with(Self::with(base, wrong), json!({ "user_id": "", "user_name": name })))
            }
            Act::Refused => ("f", self.refused(base, random)),
            Act::Logout => {
                let details = json!({ "return_to": "https://example.com", "allowed_logout_url": ["https://example.com"],
                    "session_id": random.alphanumeric(32) });
                (
                    "slo",
                    Self::with(
                        base,
                        json!({ "description": "User successfully logged out", "details": details }),
                    ),
                )
            }
            Act::LeakedPassword => (
                "pwd_leak",
                Self::with(
                    base,
                    json!({ "description": "Someone behind the IP address attempted to login with a leaked password" }),
                ),
            ),
            Act::LeakedAtSignup => (
                "signup_pwd_leak",
                Self::with(
                    base,
                    json!({ "user_id": "", "description": "Signup with a leaked password was blocked" }),
                ),
            ),
            Act::Blocked => (
                "limit_wc",
                Self::with(base, json!({ "description": "User account is blocked: too many failed logins" })),
            ),
            Act::MailVerified => (
                "sv",
                Self::with(
                    base,
                    json!({ "description": "Your email was verified. You can continue using the application." }),
                ),
            ),
            Act::SecondFactorFailed => {
                ("gd_auth_failed", self.guardian("Guardian - Second factor authentication failed", random))
            }
            Act::Enrolled => {
                ("gd_enrollment_complete", self.guardian("Guardian - Enrollment complete (otp)", random))
            }
            Act::FailedExchange => {
                ("feacft", Self::with(base, json!({ "description": "Invalid authorization code" })))
            }
            Act::MailFailed => {
                let to = base.get("user_name").cloned().unwrap_or_default();
                let details =
                    json!({ "email_type": "verify_email", "to": to, "error": "the domain is blacklisted" });
                ("fn", Self::with(base, json!({ "description": "To: see details", "details": details })))
            }
            _ => {
                let details = json!({ "reason": "invitation" });
                ("organization_member_added", Self::with(base, json!({ "details": details })))
            }
        };
        self.event(0, kind, fields)
    }

    /// A login that a rule or the application refused: `scope` comes as an array, and rarely the client is null or
    /// a list.
    fn refused(&self, base: Object, random: &mut Random) -> Object {
        let error = json!({ "message": "user is blocked", "oauthError": "unauthorized", "type": "oauth-authorization" });
        let more = json!({ "description": "user is blocked", "scope": self.scopes(&["openid", "profile", "email"]),
            "audience": self.cast.audience, "details": { "error": error } });
        let mut fields = Self::with(base, more);
        match random.below(25) {
            _ if !self.tenant.config.oddities => None,
            0 => fields.insert("client_id".into(), Value::Null),
            1 => {
                let client = fields.get("client_id").cloned().unwrap_or_default();
                fields.insert("client_id".into(), json!([client, "duplicate-parameter"]))
            }
            _ => None,
        };
        fields
    }

    fn administration(&self, act: Act, random: &mut Random) -> Event {
        let (client, name) = random.pick(&self.cast.interactive);
        let base = json!({
            "client_id": crate::CLIENT_ID, "client_name": "", "ip": names::ip(random.below(4) + 1),
            "user_agent": "Other 0.0.0 / Other 0.0.0", "tenant_name": self.tenant.config.tenant,
        });
        let request = |method: &str, channel: &str, user: Value, credentials: Value| {
            json!({ "method": method, "path": format!("/api/v2/clients/{client}"), "query": {}, "channel": channel,
                "userAgent": "Mozilla/5.0", "ip": "203.0.113.20", "body": { "name": name },
                "auth": { "user": user, "strategy": "jwt", "credentials": credentials } })
        };
        let admin = json!({ "user_id": "google-oauth2|100000000000000000001", "name": "Example Admin", "email": "admin@example.com" });
        let answer = json!({ "statusCode": 200, "body": { "client_id": client, "name": name } });
        let (kind, more) = match act {
            Act::Dashboard => (
                "sapi",
                json!({ "description": "Update a client", "user_id": admin["user_id"],
                "details": { "request": request("patch", "https://manage.auth0.com/", admin.clone(), json!({ "jti": random.hex(32) })), "response": answer } }),
            ),
            Act::Automation => (
                "sapi",
                json!({ "description": "Update a client",
                "details": { "request": request("patch", "api", json!({}), json!({ "scopes": ["read:clients", "update:clients"] })), "response": answer } }),
            ),
            Act::SecretsRead => (
                "mgmt_api_read",
                json!({ "description": "Get a client",
                "details": { "request": request("get", "api", json!({}), json!({ "jti": random.hex(32) })), "response": { "statusCode": 200, "body": {} },
                    "accessedSecrets": if random.chance(500) { json!(["client_secret"]) } else { json!(["client_secret", "encryption_key"]) } } }),
            ),
            Act::Deprecation => (
                "depnote",
                json!({ "description": "The feature is deprecated: unpaginated requests",
                "details": { "feature": { "id": "unpaginated-requests", "name": "Unpaginated requests" } } }),
            ),
            _ => (
                "api_limit",
                json!({ "description": "You passed the limit of allowed calls to /api/v2/users with the given user.",
                "details": { "limit": { "bucket": "mgmt-global", "global": true, "size": 50 }, "request": { "method": "GET", "path": "/api/v2/users" } } }),
            ),
        };
        self.event(0, kind, Self::with(object(base), more))
    }
}
