//! The one list of everything that can be configured: environment variables and keys of `tenantry.toml`.
//!
//! The reader, the help and the documents are all derived from it. No setting that is a secret can stand in the file or be a flag.

use std::fmt::Write as _;

pub(crate) use super::server_settings::{
    BIGQUERY_EMULATOR, BIGQUERY_LOCATION, MERGE_TOKEN, PG_PASSFILE, PG_PASSWORD, PG_SSL_MODE, PG_SSL_ROOT,
    PG_USER, SNOWFLAKE_HOST, SNOWFLAKE_PRIVATE_KEY, SNOWFLAKE_ROLE, SNOWFLAKE_USER, SNOWFLAKE_WAREHOUSE,
};

/// Name of the project file.
pub(crate) const FILE: &str = "tenantry.toml";

/// One thing that can be configured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Environment variables that set it; the first is the one to recommend.
    pub(crate) variables: &'static [&'static str],
    /// Key in the project file, as `section.key`; `None` where the file cannot set it.
    pub(crate) key: Option<&'static str>,
    /// What its value is.
    pub(crate) kind: Kind,
    /// What it means.
    pub(crate) about: &'static str,
    /// What holds where nothing is said, as text; `None` where nothing does.
    pub(crate) default: Option<&'static str>,
}

/// What a setting's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Several words: separated by blanks in a variable, an array in the file.
    Words,
    /// A secret: each variable can be given as `…_FILE` with the path of a file instead; the file's key is such a path.
    Secret,
    /// The path of a file that holds a secret, in a variable whose name does not tell.
    SecretPath,
}

pub(crate) const DOMAIN: Setting = Setting {
    variables: &["AUTH0_DOMAIN"],
    key: Some("tenant.domain"),
    kind: Kind::Text,
    about: "canonical domain of the tenant, such as acme.eu.auth0.com",
    default: None,
};

pub(crate) const CLIENT_ID: Setting = Setting {
    variables: &["AUTH0_CLIENT_ID"],
    key: Some("tenant.client_id"),
    kind: Kind::Text,
    about: "client id of the machine-to-machine application that reads the tenant",
    default: None,
};

pub(crate) const CLIENT_SECRET: Setting = Setting {
    variables: &["AUTH0_CLIENT_SECRET"],
    key: Some("tenant.client_secret_file"),
    kind: Kind::Secret,
    about: "its client secret",
    default: None,
};

pub(crate) const PRIVATE_KEY_PATH: Setting = Setting {
    variables: &["AUTH0_CLIENT_SIGNING_KEY_PATH"],
    key: Some("tenant.private_key_file"),
    kind: Kind::SecretPath,
    about: "instead of a client secret: file with the private key (PEM) that signs client assertions",
    default: None,
};

pub(crate) const PRIVATE_KEY: Setting = Setting {
    variables: &["AUTH0_CLIENT_ASSERTION_PRIVATE_KEY"],
    key: None,
    kind: Kind::Secret,
    about: "the same as text",
    default: None,
};

pub(crate) const KEY_ALGORITHM: Setting = Setting {
    variables: &["AUTH0_CLIENT_SIGNING_ALGORITHM", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG"],
    key: Some("tenant.private_key_algorithm"),
    kind: Kind::Text,
    about: "how that key signs: RS256, RS384 or PS256",
    default: Some("RS256"),
};

pub(crate) const KEY_ID: Setting = Setting {
    variables: &["TENANTRY_PRIVATE_KEY_ID"],
    key: Some("tenant.private_key_id"),
    kind: Kind::Text,
    about: "id of that key, where the application has several",
    default: None,
};

pub(crate) const ACCESS_TOKEN: Setting = Setting {
    variables: &["AUTH0_ACCESS_TOKEN", "AUTH0_API_TOKEN"],
    key: Some("tenant.access_token_file"),
    kind: Kind::Secret,
    about: "a Management API token to use as it is, until it expires; goes before the other credentials",
    default: None,
};

pub(crate) const AUDIENCE: Setting = Setting {
    variables: &["AUTH0_AUDIENCE"],
    key: Some("tenant.audience"),
    kind: Kind::Text,
    about: "audience of the token, where it is not https://DOMAIN/api/v2/",
    default: None,
};

pub(crate) const PLAN: Setting = Setting {
    variables: &["TENANTRY_PLAN"],
    key: Some("tenant.plan"),
    kind: Kind::Text,
    about: "the tenant's plan, which decides for how long it keeps log events: free, essentials, professional or enterprise",
    default: None,
};

pub(crate) const RETENTION: Setting = Setting {
    variables: &["TENANTRY_RETENTION"],
    key: Some("tenant.retention"),
    kind: Kind::Text,
    about: "how long the tenant keeps log events, where the plan does not tell, such as 10d",
    default: None,
};

pub(crate) const DESTINATION: Setting = Setting {
    variables: &["TENANTRY_DESTINATION"],
    key: Some("destination.url"),
    kind: Kind::Text,
    about: "where the tables are, as --destination",
    default: Some("duckdb:tenantry.duckdb"),
};

pub(crate) const SCHEMA: Setting = Setting {
    variables: &["TENANTRY_SCHEMA"],
    key: Some("destination.schema"),
    kind: Kind::Text,
    about: "schema of the tables; of several tenants each has its own by default, auth0_NAME",
    default: Some("auth0"),
};

pub(crate) const MEMORY_LIMIT: Setting = Setting {
    variables: &["TENANTRY_MEMORY_LIMIT"],
    key: Some("destination.memory_limit"),
    kind: Kind::Text,
    about: "most memory that an embedded destination may take, such as 300MB",
    default: None,
};

pub(crate) const COMMENTS: Setting = Setting {
    variables: &["TENANTRY_COMMENTS"],
    key: Some("destination.comments"),
    kind: Kind::Text,
    about: "language of the comments on tables and columns: en or ja",
    default: Some("en"),
};

pub(crate) const KEEP_VERSIONS: Setting = Setting {
    variables: &["TENANTRY_KEEP_VERSIONS"],
    key: Some("destination.keep_versions"),
    kind: Kind::Text,
    about: "how long `tenantry maintain` leaves old versions of tables that are made of files, such as 7d",
    default: Some("7d"),
};

pub(crate) const MERGE_WITH: Setting = Setting {
    variables: &["TENANTRY_MERGE_WITH"],
    key: Some("destination.merge_with"),
    kind: Kind::Text,
    about: "for delta: destinations: a Spark Connect server that rewrites files whose rows changed, as --merge-with",
    default: None,
};

pub(crate) const SELECT: Setting = Setting {
    variables: &["TENANTRY_SELECT"],
    key: Some("sync.select"),
    kind: Kind::Words,
    about: "tables to replicate, as --select",
    default: None,
};

pub(crate) const EXCLUDE: Setting = Setting {
    variables: &["TENANTRY_EXCLUDE"],
    key: Some("sync.exclude"),
    kind: Kind::Words,
    about: "tables to leave out, as --exclude",
    default: None,
};

pub(crate) const STREAMS_AT_ONCE: Setting = Setting {
    variables: &["TENANTRY_STREAMS_AT_ONCE"],
    key: Some("sync.streams_at_once"),
    kind: Kind::Text,
    about: "lists read at the same time, at most",
    default: Some("4"),
};

pub(crate) const FULL_EVERY: Setting = Setting {
    variables: &["TENANTRY_FULL_EVERY"],
    key: Some("sync.full_every"),
    kind: Kind::Text,
    about: "how long a run may follow the log before lists are read in full again, such as 12h",
    default: Some("24h"),
};

pub(crate) const UNTOLD_EVERY: Setting = Setting {
    variables: &["TENANTRY_UNTOLD_EVERY"],
    key: Some("sync.untold_every"),
    kind: Kind::Text,
    about: "the same for lists that change without a word in the log",
    default: Some("1h"),
};

pub(crate) const LEAVE: Setting = Setting {
    variables: &["TENANTRY_LEAVE"],
    key: Some("sync.leave"),
    kind: Kind::Text,
    about: "share of the tenant's rate limits to leave to others",
    default: Some("20%"),
};

pub(crate) const MAX_RPS: Setting = Setting {
    variables: &["TENANTRY_MAX_RPS"],
    key: Some("sync.max_rps"),
    kind: Kind::Text,
    about: "requests a second, at most, whatever the tenant would allow",
    default: None,
};

pub(crate) const TIMEOUT: Setting = Setting {
    variables: &["TENANTRY_TIMEOUT"],
    key: Some("sync.timeout"),
    kind: Kind::Text,
    about: "how long one answer of the tenant may take; half of it without a single byte is too long as well",
    default: Some("90s"),
};

pub(crate) const MAX_REQUESTS: Setting = Setting {
    variables: &["TENANTRY_MAX_REQUESTS"],
    key: Some("sync.max_requests"),
    kind: Kind::Text,
    about: "requests that one sync sends, at most; a later one goes on from there",
    default: None,
};

pub(crate) const MAX_MINUTES: Setting = Setting {
    variables: &["TENANTRY_MAX_MINUTES"],
    key: Some("sync.max_minutes"),
    kind: Kind::Text,
    about: "minutes that one sync takes, at most; a later one goes on from there",
    default: None,
};

pub(crate) const LOGS_EVERY: Setting = Setting {
    variables: &["TENANTRY_LOGS_EVERY"],
    key: Some("run.logs_every"),
    kind: Kind::Text,
    about: "how often `tenantry run` reads the log",
    default: Some("1m"),
};

pub(crate) const FOLLOW_LOGS_EVERY: Setting = Setting {
    variables: &["TENANTRY_FOLLOW_LOGS_EVERY"],
    key: Some("follow.logs_every"),
    kind: Kind::Text,
    about: "how often `tenantry sync --follow` reads the log, where no event makes it do so sooner",
    default: Some("10s"),
};

pub(crate) const USERS_EVERY: Setting = Setting {
    variables: &["TENANTRY_USERS_EVERY"],
    key: Some("run.users_every"),
    kind: Kind::Text,
    about: "how often `tenantry run` looks for changed users",
    default: Some("5m"),
};

pub(crate) const OTHERS_EVERY: Setting = Setting {
    variables: &["TENANTRY_OTHERS_EVERY"],
    key: Some("run.others_every"),
    kind: Kind::Text,
    about: "how often `tenantry run` brings all other tables up to date",
    default: Some("1h"),
};

pub(crate) const TENANT: Setting = Setting {
    variables: &["TENANTRY_TENANT"],
    key: None,
    kind: Kind::Text,
    about: "of the tenants that the project file lists the one that is meant, as --tenant",
    default: None,
};

pub(crate) const CONFIG: Setting = Setting {
    variables: &["TENANTRY_CONFIG"],
    key: None,
    kind: Kind::Text,
    about: "path of the project file, where it is not ./tenantry.toml",
    default: Some("tenantry.toml"),
};

/// Every setting, in the order in which people meet them.
pub(crate) const SETTINGS: &[&Setting] = &[
    &DOMAIN,
    &CLIENT_ID,
    &CLIENT_SECRET,
    &PRIVATE_KEY_PATH,
    &PRIVATE_KEY,
    &KEY_ALGORITHM,
    &KEY_ID,
    &ACCESS_TOKEN,
    &AUDIENCE,
    &PLAN,
    &RETENTION,
    &DESTINATION,
    &SCHEMA,
    &MEMORY_LIMIT,
    &COMMENTS,
    &PG_USER,
    &PG_PASSWORD,
    &PG_PASSFILE,
    &PG_SSL_MODE,
    &PG_SSL_ROOT,
    &SNOWFLAKE_USER,
    &SNOWFLAKE_PRIVATE_KEY,
    &SNOWFLAKE_WAREHOUSE,
    &SNOWFLAKE_ROLE,
    &SNOWFLAKE_HOST,
    &BIGQUERY_EMULATOR,
    &BIGQUERY_LOCATION,
    &KEEP_VERSIONS,
    &MERGE_WITH,
    &MERGE_TOKEN,
    &SELECT,
    &EXCLUDE,
    &STREAMS_AT_ONCE,
    &FULL_EVERY,
    &UNTOLD_EVERY,
    &LEAVE,
    &MAX_RPS,
    &TIMEOUT,
    &MAX_REQUESTS,
    &MAX_MINUTES,
    &LOGS_EVERY,
    &USERS_EVERY,
    &OTHERS_EVERY,
    &FOLLOW_LOGS_EVERY,
    &TENANT,
    &CONFIG,
];

/// Variables that are not ours, and are heeded.
const CUSTOMS: &[(&str, &str)] = &[
    ("NO_COLOR", "set to anything: no colour"),
    ("HTTPS_PROXY", "proxy for requests to the tenant; NO_PROXY lists exceptions"),
];

impl Setting {
    /// Variables that hold the value itself, then those that hold the path of a file with it.
    pub(crate) fn all_variables(&self) -> impl Iterator<Item = String> {
        let twins = (self.kind == Kind::Secret).then_some("_FILE");
        let direct = self.variables.iter().map(|name| (*name).to_owned());
        direct.chain(self.variables.iter().filter_map(move |name| Some(format!("{name}{}", twins?))))
    }

    /// What it means, and what holds where nothing is said.
    pub(crate) fn about_with_default(&self) -> String {
        match self.default {
            Some(default) => format!("{} [default: {default}]", self.about),
            None => self.about.to_owned(),
        }
    }

    /// Whether it says which tenant is read, or how: it never holds for another one.
    pub(crate) fn is_of_tenant(&self) -> bool {
        self.key.is_some_and(|key| key.starts_with("tenant.")) || self.name().starts_with("AUTH0_")
    }

    /// The name to call it by: its first variable.
    pub(crate) const fn name(&self) -> &'static str {
        self.variables[0]
    }
}

/// The environment as a section of the help.
pub(crate) fn environment_help() -> String {
    let mut help = String::from("Environment:\n");
    let ours = SETTINGS.iter().map(|setting| {
        let twin = if setting.kind == Kind::Secret { "[_FILE]" } else { "" };
        let names: Vec<String> = setting.variables.iter().map(|name| format!("{name}{twin}")).collect();
        (names.join(", "), setting.about_with_default())
    });
    let customs = CUSTOMS.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned()));
    for (names, about) in ours.chain(customs) {
        let _ = writeln!(help, "  {names}\n          {about}");
    }
    help.push_str(
        "\nA name with [_FILE] can be given with that ending and the path of a file that holds the value.\n",
    );
    help.push_str(
        "Precedence: flags, then the environment, then ./tenantry.toml. Of tenants listed there as [tenants.NAME], each has its own section;\n\
         what the environment says of a tenant and its credentials counts for none of them.",
    );
    help
}

/// Keys of the project file with what they mean, for the documents.
pub(crate) fn keys() -> impl Iterator<Item = (&'static str, String)> {
    SETTINGS.iter().filter_map(|setting| Some((setting.key?, setting.about_with_default())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_used_twice() {
        let names: Vec<String> = SETTINGS.iter().flat_map(|setting| setting.all_variables()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let keys: Vec<&str> = keys().map(|(key, _)| key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn the_project_file_has_no_place_for_a_secret_itself() {
        for setting in
            SETTINGS.iter().filter(|setting| matches!(setting.kind, Kind::Secret | Kind::SecretPath))
        {
            assert!(setting.key.is_none_or(|key| key.ends_with("_file")), "{setting:?}");
        }
    }
}
