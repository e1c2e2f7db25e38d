//! What the clients of servers are told, by the variables of the servers' own tools. A part of the list of [`super::settings`].

use super::settings::{Kind, Setting};

pub(crate) const PG_USER: Setting = Setting {
    variables: &["PGUSER"],
    key: None,
    kind: Kind::Text,
    about: "for postgres: destinations: the role to connect as, where the URL names none",
    default: None,
};

pub(crate) const PG_PASSWORD: Setting = Setting {
    variables: &["PGPASSWORD"],
    key: Some("destination.password_file"),
    kind: Kind::Secret,
    about: "for postgres: destinations: its password",
    default: None,
};

pub(crate) const PG_PASSFILE: Setting = Setting {
    variables: &["PGPASSFILE"],
    key: None,
    kind: Kind::Text,
    about: "for postgres: destinations: file with passwords, a line for each as HOST:PORT:DATABASE:USER:PASSWORD, where it is not ~/.pgpass",
    default: None,
};

pub(crate) const PG_SSL_MODE: Setting = Setting {
    variables: &["PGSSLMODE"],
    key: None,
    kind: Kind::Text,
    about: "for postgres: destinations: verify-full, verify-ca or disable, where the URL does not say; on this machine disable holds, else verify-full",
    default: None,
};

pub(crate) const PG_SSL_ROOT: Setting = Setting {
    variables: &["PGSSLROOTCERT"],
    key: None,
    kind: Kind::Text,
    about: "for postgres: destinations: file with the certificates of those who sign the server's, where they are not the system's",
    default: None,
};

pub(crate) const SNOWFLAKE_USER: Setting = Setting {
    variables: &["SNOWFLAKE_USER"],
    key: None,
    kind: Kind::Text,
    about: "for snowflake: destinations: the user to log in as",
    default: None,
};

pub(crate) const SNOWFLAKE_PRIVATE_KEY: Setting = Setting {
    variables: &["SNOWFLAKE_PRIVATE_KEY"],
    key: Some("destination.private_key_file"),
    kind: Kind::Secret,
    about: "for snowflake: destinations: the user's private key, PEM without a passphrase",
    default: None,
};

pub(crate) const SNOWFLAKE_WAREHOUSE: Setting = Setting {
    variables: &["SNOWFLAKE_WAREHOUSE"],
    key: None,
    kind: Kind::Text,
    about: "for snowflake: destinations: the warehouse to work with, where it is not the user's own",
    default: None,
};

pub(crate) const SNOWFLAKE_ROLE: Setting = Setting {
    variables: &["SNOWFLAKE_ROLE"],
    key: None,
    kind: Kind::Text,
    about: "for snowflake: destinations: the role to work as, where it is not the user's own",
    default: None,
};

pub(crate) const SNOWFLAKE_HOST: Setting = Setting {
    variables: &["SNOWFLAKE_HOST"],
    key: None,
    kind: Kind::Text,
    about: "for snowflake: destinations: the account's host, where it is not ACCOUNT.snowflakecomputing.com",
    default: None,
};

pub(crate) const BIGQUERY_EMULATOR: Setting = Setting {
    variables: &["BIGQUERY_EMULATOR_HOST"],
    key: None,
    kind: Kind::Text,
    about: "for bigquery: destinations: where an emulator listens on this machine, as HOST:PORT, or another endpoint, as https://HOST",
    default: None,
};

pub(crate) const BIGQUERY_LOCATION: Setting = Setting {
    variables: &["BIGQUERY_LOCATION"],
    key: None,
    kind: Kind::Text,
    about: "for bigquery: destinations: where missing datasets are made, such as EU",
    default: None,
};

pub(crate) const MERGE_TOKEN: Setting = Setting {
    variables: &["SPARK_CONNECT_AUTHENTICATE_TOKEN"],
    key: Some("destination.merge_token_file"),
    kind: Kind::Secret,
    about: "for delta: destinations: the token that the server of --merge-with wants, if any",
    default: None,
};
