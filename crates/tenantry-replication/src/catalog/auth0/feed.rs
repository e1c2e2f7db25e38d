//! What Auth0's log tells of changes, and what it keeps to itself.
//!
//! `sapi` events record each successful write through the Management API, which the dashboard uses too. Some changes have no event of
//! their own: consents given, daily figures, what happens to records that depend on a deleted one. The streams of the first two are
//! polled; the last are cascades.

use crate::catalog::feed::{Cascade, Effect, EventRule, Feed, Key, Timed, Write};

use Effect::{Anything, Children, Record, Renewed};
use Key::{Field, Pair, Path, PathPair, Words};

/// Member of a created record in an event.
const CREATED_ID: Key = Field("/details/response/body/id");

/// The id of the record that an event of the Events feed is about.
const HEARD_ID: Key = Field("/data/object/id");

/// The rules.
pub(super) const FEED: Feed = Feed {
    stream: "logs",
    // A day on the smallest plan, less an hour for clocks.
    kept_at_least: 23 * 3_600 * 1_000_000,
    kind: "type",
    time: "date",
    write_kinds: &["sapi"],
    path_prefix: "/api/v2",
    writes: &[
        write(&["post"], "/actions/actions", &[Record("actions", CREATED_ID)]),
        write(&[], "/actions/actions/{id}/**", &[Record("actions", Path)]),
        write(&[], "/actions/triggers/**", &[]),
        write(&[], "/actions/modules/**", &[Anything("actions")]),
        write(&["post"], "/clients", &[Record("clients", Field("/details/response/body/client_id"))]),
        write(&["post"], "/clients/cimd/**", &[Anything("clients")]),
        write(&[], "/clients/{id}/**", &[Record("clients", Path)]),
        write(&["post"], "/client-grants", &[Anything("client_grants")]),
        write(&[], "/client-grants/{id}", &[Record("client_grants", Path)]),
        write(
            &["post"],
            "/connections",
            &[Record("connections", CREATED_ID), Children("connection_clients", CREATED_ID)],
        ),
        write(
            &["patch"],
            "/connections/{id}",
            &[Record("connections", Path), Children("connection_clients", Path)],
        ),
        // The users of a database go with its connection, without events of their own.
        write(&["delete"], "/connections/{id}", &[Record("connections", Path), Anything("users")]),
        write(&[], "/connections/{id}/clients", &[Children("connection_clients", Path)]),
        write(&[], "/connections/{id}/users", &[Anything("users")]),
        write(&[], "/connections/{id}/directory-provisioning/synchronizations", &[Anything("users")]),
        write(&[], "/connections/{id}/**", &[Record("connections", Path)]),
        write(&["post"], "/organizations", &[Record("organizations", CREATED_ID)]),
        write(&[], "/organizations/{id}", &[Record("organizations", Path)]),
        write(&[], "/organizations/{id}/members", &[Children("organization_members", Path)]),
        write(&[], "/organizations/{id}/**", &[]),
        // By identifier as well as by id, and with effects on what was granted: these lists are short.
        write(
            &["patch", "delete"],
            "/resource-servers/**",
            &[Anything("resource_servers"), Anything("client_grants"), Anything("grants")],
        ),
        write(&[], "/resource-servers/**", &[Anything("resource_servers")]),
        write(&["post"], "/roles", &[Record("roles", CREATED_ID)]),
        write(&[], "/roles/{id}", &[Record("roles", Path)]),
        write(&[], "/roles/{id}/**", &[]),
        write(&["post"], "/log-streams", &[Record("log_streams", CREATED_ID)]),
        write(&[], "/log-streams/{id}", &[Record("log_streams", Path)]),
        write(&[], "/grants/**", &[Anything("grants")]),
        // Changed users are found by the time of their change; those that went must be asked for.
        write(&["delete"], "/users/{id}", &[Record("users", Path)]),
        write(
            &["post"],
            "/users/{id}/identities",
            &[
                Record("users", Path),
                Record("users", Pair("/details/request/body/provider", "/details/request/body/user_id")),
            ],
        ),
        write(
            &["delete"],
            "/users/{id}/identities/**",
            &[Record("users", Path), Record("users", PathPair(3))],
        ),
        write(&[], "/users/**", &[]),
        write(&[], "/jobs/**", &[]),
    ],
    unrelated: &[
        "anomaly",
        "attack-protection",
        "branding",
        "connection-profiles",
        "custom-domains",
        "device-credentials",
        "email-templates",
        "emails",
        "event-streams",
        "experimentation",
        "flows",
        "forms",
        "groups",
        "guardian",
        "hooks",
        "keys",
        "network-acls",
        "prompts",
        "rate-limit-policies",
        "refresh-tokens",
        "risk-assessments",
        "rules",
        "rules-configs",
        "self-service-profiles",
        "sessions",
        "supplemental-signals",
        "tenants",
        "tickets",
        "token-exchange-profiles",
        "user-attribute-profiles",
        "user-blocks",
        "verifiable-credentials",
    ],
    events: &[
        EventRule {
            kinds: &["sdu", "du"],
            effects: &[Record(
                "users",
                Words { field: "/description", before: "user_id: ", provider: "/strategy" },
            )],
        },
        EventRule { kinds: &["sscim"], effects: &[Record("users", Field("/user_id"))] },
        EventRule { kinds: &["directory_sync_completed", "resource_cleanup"], effects: &[Anything("users")] },
        EventRule {
            kinds: &["organization_member_added", "si"],
            effects: &[Children("organization_members", Field("/organization_id"))],
        },
    ],
    heard: &[
        EventRule {
            kinds: &["user.created", "user.updated"],
            effects: &[Renewed("users", Field("/data/object/user_id"))],
        },
        EventRule { kinds: &["user.deleted"], effects: &[Record("users", Field("/data/object/user_id"))] },
        EventRule {
            kinds: &["organization.created", "organization.updated", "organization.deleted"],
            effects: &[Record("organizations", HEARD_ID)],
        },
        EventRule {
            kinds: &["organization.member.added", "organization.member.deleted"],
            effects: &[Children("organization_members", Field("/data/object/organization/id"))],
        },
        EventRule {
            kinds: &["connection.created", "connection.updated"],
            effects: &[Record("connections", HEARD_ID), Children("connection_clients", HEARD_ID)],
        },
        // Its users end with it; the log has that.
        EventRule { kinds: &["connection.deleted"], effects: &[Record("connections", HEARD_ID)] },
    ],
    untold: &["grants"],
    cascades: &[
        cascade("clients", "client_grants", "client_id"),
        cascade("clients", "connection_clients", "client_id"),
        cascade("clients", "grants", "client_id"),
        cascade("connections", "connection_clients", "connection_id"),
        cascade("organizations", "organization_members", "organization_id"),
        cascade("users", "organization_members", "id"),
        cascade("users", "grants", "user_id"),
    ],
    timed: &[timed("users", "updated_at"), timed("logs", "date"), timed("stats_daily", "date")],
};

const fn write(methods: &'static [&'static str], path: &'static str, effects: &'static [Effect]) -> Write {
    Write { methods, path, effects }
}

const fn cascade(of: &'static str, stream: &'static str, column: &'static str) -> Cascade {
    Cascade { of, stream, column }
}

const fn timed(stream: &'static str, column: &'static str) -> Timed {
    Timed { stream, column }
}
