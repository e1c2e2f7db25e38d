//! What the client of a server is told by its surroundings: user, password, TLS, from the variables and files of the server's own tools.
//!
//! Refuses a password in a URL before anything else looks at it, and shows none.

use std::path::PathBuf;

use tenantry_destinations::Surroundings;
use tenantry_destinations::postgres::Address;

use super::settings::{
    BIGQUERY_EMULATOR, BIGQUERY_LOCATION, MERGE_TOKEN, MERGE_WITH, PG_PASSFILE, PG_PASSWORD, PG_SSL_MODE,
    PG_SSL_ROOT, PG_USER, SNOWFLAKE_HOST, SNOWFLAKE_PRIVATE_KEY, SNOWFLAKE_ROLE, SNOWFLAKE_USER,
    SNOWFLAKE_WAREHOUSE,
};
use super::{Config, is_open_to_others, read_limited};
use crate::error::CommandError;
use crate::terminal;

/// Schemes of PostgreSQL.
const POSTGRES: [&str; 2] = ["postgres", "postgresql"];
/// Scheme of Snowflake.
const SNOWFLAKE: &str = "snowflake";
/// Scheme of BigQuery.
const BIGQUERY: &str = "bigquery";
/// Scheme of Delta Lake.
const DELTA: &str = "delta";
/// Name of the file with passwords in the user's folder.
const PASSFILE: &str = ".pgpass";
/// Bytes that it may have.
const PASSFILE_BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// What the surroundings say for this destination. Nothing is read for one that is no server.
    pub(crate) fn surroundings(&self, url: &str) -> Result<Surroundings, CommandError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme == DELTA {
            return self.of_delta();
        }
        if self.merge_with.is_some() {
            let message = "--merge-with is for delta: destinations; every other one merges by itself";
            return Err(CommandError::usage(message));
        }
        if scheme == SNOWFLAKE {
            return self.of_snowflake(url);
        }
        if scheme == BIGQUERY {
            return self.of_bigquery(url);
        }
        if !POSTGRES.contains(&scheme) {
            return Ok(Surroundings::default());
        }
        let mut said = Vec::new();
        for setting in [&PG_USER, &PG_SSL_MODE, &PG_SSL_ROOT] {
            said.extend(self.text(setting)?.map(|value| (setting.name().to_owned(), value)));
        }
        let wrong = |why: String| {
            CommandError::usage(format!("`{}` is no destination: {why}", without_password(url)))
        };
        let address = Address::parse(url, &Surroundings::of(said.clone())).map_err(wrong)?;
        let password = match self.secret(&PG_PASSWORD)? {
            Some(password) => Some(password),
            None => self.passfile()?.and_then(|text| Some(address.password_from(&text)?.expose().to_owned())),
        };
        said.extend(password.map(|password| (PG_PASSWORD.name().to_owned(), password)));
        Ok(Surroundings::of(said))
    }

    fn of_snowflake(&self, url: &str) -> Result<Surroundings, CommandError> {
        let mut said = Vec::new();
        for setting in [&SNOWFLAKE_USER, &SNOWFLAKE_WAREHOUSE, &SNOWFLAKE_ROLE, &SNOWFLAKE_HOST] {
            said.extend(self.text(setting)?.map(|value| (setting.name().to_owned(), value)));
        }
        check_snowflake(url, &self.schema()?, &said)?;
        let key = self.secret(&SNOWFLAKE_PRIVATE_KEY)?.ok_or_else(|| {
            CommandError::usage("SNOWFLAKE_PRIVATE_KEY is not set")
                .hint("set SNOWFLAKE_PRIVATE_KEY_FILE to the path of the user's private key; docs/destinations/snowflake.md tells how to make one")
        })?;
        said.push((SNOWFLAKE_PRIVATE_KEY.name().to_owned(), key));
        Ok(Surroundings::of(said))
    }

    /// Credentials are found by Google's own library, where it looks for them.
    fn of_bigquery(&self, url: &str) -> Result<Surroundings, CommandError> {
        let mut said = Vec::new();
        for setting in [&BIGQUERY_EMULATOR, &BIGQUERY_LOCATION] {
            said.extend(self.text(setting)?.map(|value| (setting.name().to_owned(), value)));
        }
        check_bigquery(url, &self.schema()?, &said)?;
        Ok(Surroundings::of(said))
    }

    /// The server that merges, as a flag or a setting names it, and its token.
    fn of_delta(&self) -> Result<Surroundings, CommandError> {
        let server = self.merge_with.clone();
        let server = server.map_or_else(|| self.text(&MERGE_WITH), |server| Ok(Some(server)))?;
        let Some(server) = server else { return Ok(Surroundings::default()) };
        let mut said = vec![(MERGE_WITH.name().to_owned(), server)];
        said.extend(self.secret(&MERGE_TOKEN)?.map(|token| (MERGE_TOKEN.name().to_owned(), token)));
        Ok(Surroundings::of(said))
    }

    /// The text of the file with passwords, where there is one that nobody else can read.
    fn passfile(&self) -> Result<Option<String>, CommandError> {
        let named = self.text(&PG_PASSFILE)?.map(PathBuf::from);
        let Some(path) = named.clone().or_else(|| Some(std::env::home_dir()?.join(PASSFILE))) else {
            return Ok(None);
        };
        let shown = path.display();
        match path.metadata() {
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if is_open_to_others(&metadata) => {
                terminal::warn(&format!(
                    "{shown} is ignored, as other users of this machine can read it: chmod 600 {shown}"
                ));
                return Ok(None);
            }
            Ok(_) | Err(_) => {}
        }
        let text = read_limited(&path, PASSFILE_BYTES_MAX);
        text.map(Some).map_err(|error| CommandError::usage(format!("read passwords from {shown}: {error}")))
    }
}

/// Whether what names a place in Snowflake can be read. A build without Snowflake refuses it later.
#[cfg(feature = "snowflake")]
fn check_snowflake(url: &str, schema: &str, said: &[(String, String)]) -> Result<(), CommandError> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    tenantry_destinations::snowflake::Address::parse(rest, schema, &Surroundings::of(said.to_vec()))
        .map(drop)
        .map_err(|why| CommandError::usage(format!("`{url}` is no destination: {why}")))
}

/// Whether what names a place in BigQuery can be read. A build without BigQuery refuses it elsewhere.
#[cfg(feature = "bigquery")]
fn check_bigquery(url: &str, schema: &str, said: &[(String, String)]) -> Result<(), CommandError> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    tenantry_destinations::bigquery::Address::parse(rest, schema, &Surroundings::of(said.to_vec()))
        .map(drop)
        .map_err(|why| CommandError::usage(format!("`{url}` is no destination: {why}")))
}

#[cfg(not(feature = "snowflake"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build's may fail")]
fn check_snowflake(_: &str, _: &str, _: &[(String, String)]) -> Result<(), CommandError> {
    Ok(())
}

#[cfg(not(feature = "bigquery"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build's may fail")]
fn check_bigquery(_: &str, _: &str, _: &[(String, String)]) -> Result<(), CommandError> {
    Ok(())
}

/// Where a password stands in a URL, if there is one: from its colon to the `@`.
fn password_in(url: &str) -> Option<std::ops::Range<usize>> {
    let start = url.find("//").map_or(0, |at| at + 2);
    let rest = &url[start..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password with a slash in it, which should have been escaped, ends later.
    let path_end = rest.find('?').unwrap_or(rest.len());
    let at = rest[..end].rfind('@').or_else(|| rest[..path_end].rfind('@'))?;
    let colon = rest[..at].find(':')?;
    Some(start + colon..start + at)
}

/// A URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match password_in(url) {
        Some(password) if url.contains("//") => {
            format!("{}:***{}", &url[..password.start], &url[password.end..])
        }
        _ => url.to_owned(),
    }
}

/// Refuses a URL with a password in it: process lists, shell histories and reports show URLs.
pub(super) fn check_no_password(url: &str) -> Result<(), CommandError> {
    if !url.contains("://") || password_in(url).is_none() {
        return Ok(());
    }
    Err(CommandError::usage("the URL of the destination holds a password, which process lists and shell histories would show")
        .hint("take it out of the URL, and set PGPASSWORD, PGPASSWORD_FILE (the path of a file that holds it), or a line in ~/.pgpass"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_in_a_url_is_refused_and_never_shown() {
        for url in [
            "postgres://me:canary@h/w",
            "postgresql://me:can/ary@h/w",
            "postgres://me:canary@h:1/w?sslmode=disable",
        ] {
            let error = check_no_password(url).unwrap_err().render(str::to_owned);
            assert!(error.contains("PGPASSWORD_FILE") && !error.contains("canary"), "{error}");
            assert!(!without_password(url).contains("ary@"), "{}", without_password(url));
        }
        assert_eq!(without_password("postgres//me:canary@h/w"), "postgres//me:***@h/w");
        for url in
            ["duckdb:a@b.duckdb", "postgres://me@h:5432/w", "postgres://h:5432/w?host=/a@b", "duckdb:/a:b"]
        {
            assert!(check_no_password(url).is_ok(), "{url}");
            assert_eq!(without_password(url), url);
        }
        let config = Config::of(&[("TENANTRY_DESTINATION", "postgres://me:canary@h/w")]);
        assert!(config.destination(None).is_err());
        let shown = config.shown(&super::super::settings::DESTINATION).unwrap().unwrap().0;
        assert_eq!(shown, "postgres://me:***@h/w");
    }

    #[test]
    fn passwords_come_from_a_variable_or_a_file_that_nobody_else_can_read() {
        let url = "postgres://me@db.example.com/w";
        let of = |variables: &[(&str, &str)]| {
            let surroundings = Config::of(variables).surroundings(url).unwrap();
            surroundings.get("PGPASSWORD").map(str::to_owned)
        };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "db.example.com:*:w:me:from a file").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(of(&[("PGPASSFILE", &path)]).as_deref(), Some("from a file"));
        assert_eq!(of(&[("PGPASSFILE", &path), ("PGPASSWORD", "canary")]).as_deref(), Some("canary"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(of(&[("PGPASSFILE", &path)]), None);
        assert!(Config::of(&[("PGPASSFILE", "/no/such/file")]).surroundings(url).is_err());
        assert_eq!(
            Config::of(&[("PGPASSWORD", "x")]).surroundings("duckdb:a").unwrap().get("PGPASSWORD"),
            None
        );
    }

    #[test]
    fn what_snowflake_needs_comes_from_its_own_variables_alone() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "canary").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let url = "snowflake:example/w/auth0";
        let of = |variables: &[(&str, &str)]| Config::of(variables).surroundings(url);
        let surroundings = of(&[("SNOWFLAKE_USER", "me"), ("SNOWFLAKE_PRIVATE_KEY_FILE", &path)]).unwrap();
        assert_eq!(surroundings.get("SNOWFLAKE_PRIVATE_KEY"), Some("canary"));
        assert!(!format!("{surroundings:?}").contains("canary"));
        let error = of(&[("SNOWFLAKE_USER", "me")]).unwrap_err();
        assert!(error.render(str::to_owned).contains("SNOWFLAKE_PRIVATE_KEY_FILE"));
        assert_eq!(error.exit(), crate::error::Exit::Usage);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_wrong_usage() {
        let error = Config::of(&[]).surroundings("postgres://me@h/w?sslmode=require").unwrap_err();
        assert_eq!(error.exit(), crate::error::Exit::Usage);
    }
}
