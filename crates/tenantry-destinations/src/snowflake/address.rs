//! `snowflake:ACCOUNT/DATABASE/SCHEMA`: what it names, and what the surroundings add (user, key, warehouse, role, host). Without a SCHEMA the
//! one of the options is meant, so that each of several tenants has its own.
//!
//! Takes names as Snowflake takes them unquoted: letters, digits, `_` and `$`, in upper case. Connects to nothing, reads no file.

use tenantry_replication::catalog::schema::NAMESPACE;
use tenantry_replication::source::auth0::Secret;

use super::types::stored;
use crate::Surroundings;

/// Variables that are heeded, by the names that Snowflake's own tools use.
pub const VARIABLES: [&str; 5] =
    ["SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY", "SNOWFLAKE_WAREHOUSE", "SNOWFLAKE_ROLE", "SNOWFLAKE_HOST"];
/// Where accounts are.
const DOMAIN: &str = "snowflakecomputing.com";
const FORM: &str = "it must look like snowflake:ACCOUNT/DATABASE/SCHEMA";

/// A schema in a database of an account, and how it is reached.
#[derive(Debug, Clone)]
pub struct Address {
    /// The account's identifier, as it was given.
    pub(super) account: String,
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) user: String,
    pub(super) warehouse: Option<String>,
    pub(super) role: Option<String>,
    /// Where the account listens: scheme, host and port.
    pub(super) base: String,
    /// The private key in PEM; absent while only the form is looked at.
    pub(super) key: Option<Secret>,
}

impl Address {
    /// Reads what follows `snowflake:`; `schema` is the one of the options. An error is a sentence for people that tells nothing secret.
    pub fn parse(rest: &str, schema: &str, surroundings: &Surroundings) -> Result<Self, String> {
        let parts: Vec<&str> = rest.split('/').collect();
        let (account, database, schema) = match parts.as_slice() {
            [account, database] => (account, database, schema),
            // Neither is taken for the other: of several tenants each says its own schema.
            [_, _, named] if schema != NAMESPACE && !schema.eq_ignore_ascii_case(named) => {
                return Err(format!(
                    "it names schema {named}, and the schema is said to be {schema}: leave it out, as in snowflake:ACCOUNT/DATABASE"
                ));
            }
            [account, database, named] => (account, database, *named),
            _ => return Err(FORM.to_owned()),
        };
        let is_account = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if account.is_empty() || !account.chars().all(is_account) {
            return Err(format!("it names no account: {FORM}"));
        }
        let user = surroundings.get("SNOWFLAKE_USER").ok_or("SNOWFLAKE_USER is not set")?;
        let optional = |name: &str| surroundings.get(name).map(|value| named(value, name)).transpose();
        Ok(Self {
            account: (*account).to_owned(),
            database: named(database, "the database")?,
            schema: named(schema, "the schema")?,
            user: user.to_ascii_uppercase(),
            warehouse: optional("SNOWFLAKE_WAREHOUSE")?,
            role: optional("SNOWFLAKE_ROLE")?,
            base: match surroundings.get("SNOWFLAKE_HOST") {
                Some(host) => base(host)?,
                None => format!("https://{}.{DOMAIN}", account.to_ascii_lowercase().replace('_', "-")),
            },
            key: surroundings.get("SNOWFLAKE_PRIVATE_KEY").map(Secret::new),
        })
    }

    /// What people know it by.
    pub(super) fn name(&self) -> String {
        format!("snowflake:{}/{}/{}", self.account, self.database, self.schema)
    }

    /// Schema of what runs leave for later ones, as it is stored.
    pub(super) fn state_schema(&self) -> String {
        stored(&crate::state_schema(&self.schema.to_ascii_lowercase()))
    }

    /// The same of the schema that is named behind `snowflake:`, or of the one of the options where none is.
    pub fn state_schema_of(rest: &str, schema: &str) -> String {
        let named = rest.splitn(3, '/').nth(2).unwrap_or(schema);
        stored(&crate::state_schema(&named.to_ascii_lowercase()))
    }

    /// The account as a signed claim names it: without region and cloud, in upper case.
    pub(super) fn account_claimed(&self) -> String {
        let name = self.account.split('.').next().unwrap_or_default();
        name.to_ascii_uppercase()
    }
}

/// A name as it is stored when it is written without quotes.
fn named(name: &str, what: &str) -> Result<String, String> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || "_$".contains(c)) {
        return Ok(name.to_ascii_uppercase());
    }
    Err(format!("{what} has to be a name that needs no quotes (letters, digits, _ and $): {FORM}"))
}

/// The address of a host: encrypted, except on this machine itself, where `http://` may be written before it.
fn base(host: &str) -> Result<String, String> {
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    };
    if let Some(plain) = host.strip_prefix("http://") {
        let name = plain.split(':').next().unwrap_or_default();
        return if is_host(plain) && ["127.0.0.1", "localhost"].contains(&name) {
            Ok(host.to_owned())
        } else {
            Err("SNOWFLAKE_HOST: only this machine itself may be reached without encryption".to_owned())
        };
    }
    let host = host.strip_prefix("https://").unwrap_or(host).trim_end_matches('/');
    if is_host(host) { Ok(format!("https://{host}")) } else { Err("SNOWFLAKE_HOST is no host".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str, variables: &[(&str, &str)]) -> Result<Address, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Address::parse(rest, NAMESPACE, &Surroundings::of(variables))
    }

    const USER: (&str, &str) = ("SNOWFLAKE_USER", "tenantry");

    #[test]
    fn names_are_those_that_need_no_quotes() {
        let address = parse("my_org-my_account/warehouse/auth0", &[USER]).unwrap();
        assert_eq!(
            (address.database.as_str(), address.schema.as_str(), address.user.as_str()),
            ("WAREHOUSE", "AUTH0", "TENANTRY")
        );
        assert_eq!(address.base, "https://my-org-my-account.snowflakecomputing.com");
        assert_eq!(address.account_claimed(), "MY_ORG-MY_ACCOUNT");
        assert_eq!(parse("xy12345.eu-central-1/d/s", &[USER]).unwrap().account_claimed(), "XY12345");
        for (wrong, words) in [
            ("", "must look like"),
            ("a", "must look like"),
            ("a/b/", "the schema"),
            ("a/b/c/d", "must look like"),
            ("/b/c", "no account"),
            ("a/b b/c", "the database"),
            ("a/b/\"c\"", "the schema"),
            ("a/1b/c", "the database"),
        ] {
            let said = parse(wrong, &[USER]).unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
        assert!(parse("a/b/c", &[]).unwrap_err().contains("SNOWFLAKE_USER"));
    }

    #[test]
    fn the_schema_is_named_once() {
        let parse = |rest, schema| {
            let user = [(USER.0.to_owned(), USER.1.to_owned())];
            Address::parse(rest, schema, &Surroundings::of(user))
        };
        let address = parse("a/b", "auth0_acme").unwrap();
        assert_eq!(
            [address.schema.as_str(), &address.state_schema()],
            ["AUTH0_ACME", "_TENANTRY_AUTH0_ACME"]
        );
        assert_eq!(parse("a/b", NAMESPACE).unwrap().state_schema(), "_TENANTRY");
        for rest in ["a/b", "a/b/c"] {
            let address = parse(rest, NAMESPACE).unwrap();
            assert_eq!(address.state_schema(), Address::state_schema_of(rest, NAMESPACE));
        }
        assert_eq!(parse("a/b/C", "c").unwrap().schema, "C");
        assert_eq!(parse("a/b/c", NAMESPACE).unwrap().schema, "C");
        let said = parse("a/b/c", "auth0_acme").unwrap_err();
        assert!(said.contains("snowflake:ACCOUNT/DATABASE"), "{said}");
    }

    #[test]
    fn other_machines_are_reached_encrypted() {
        let of = |host| parse("a/b/c", &[USER, ("SNOWFLAKE_HOST", host)]).map(|address| address.base);
        assert_eq!(
            of("a.privatelink.snowflakecomputing.com").unwrap(),
            "https://a.privatelink.snowflakecomputing.com"
        );
        assert_eq!(of("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        for host in
            ["http://example.com", "http://127.0.0.1.example.com", "a/b", "http://127.0.0.1@example.com"]
        {
            assert!(of(host).is_err(), "{host}");
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        let address = parse("a/b/c", &[USER, ("SNOWFLAKE_PRIVATE_KEY", "canary")]).unwrap();
        assert!(address.key.is_some() && !format!("{address:?}").contains("canary"));
    }
}
