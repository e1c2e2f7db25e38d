//! From configuration to the two edges of a run: the tenant and the destination.
//!
//! Opens; decides nothing about what runs between them.

use std::sync::Arc;

use tenantry_destinations::{Access, BUILT_IN, Language, Options};
use tenantry_replication::catalog::{CATALOG, Replication, Stream};
use tenantry_replication::clock::Clock;
use tenantry_replication::destination::{Destination, MemoryDestination};
use tenantry_replication::error::{DestinationErrorKind, SourceErrorKind, SourceResult};
use tenantry_replication::source::auth0::{Algorithm, Auth0, Credentials, Domain, Secret, Settings};
use tenantry_replication::source::{self, Source};

use crate::config::{Allowance, Config, settings, without_password};
use crate::error::{CommandError, Exit, did_you_mean};

/// A tenant to read, and how it is read.
pub(crate) struct Tenant {
    /// The tenant's domain as it was given.
    pub(crate) domain: String,
    /// The application that reads it, where the credentials name one.
    pub(crate) client_id: Option<String>,
    /// What it identifies itself with, in words.
    pub(crate) means: &'static str,
    /// The tenant itself. Nothing is sent before it is asked for something.
    pub(crate) source: Arc<dyn Source>,
}

impl Tenant {
    /// The name that a destination knows the tenant by: its host, however the domain was written.
    pub(crate) fn name(&self) -> String {
        let domain = self.domain.trim().to_ascii_lowercase();
        let host =
            domain.strip_prefix("https://").or_else(|| domain.strip_prefix("http://")).unwrap_or(&domain);
        host.trim_end_matches('/').to_owned()
    }

    /// What the token allows. Getting one proves that it works; one that came ready is tried out on a list.
    pub(crate) async fn connect(&self) -> SourceResult<source::Access> {
        let access = self.source.connect().await?;
        let is_list =
            |stream: &&Stream| stream.endpoint.is_some() && stream.replication == Replication::FullTable;
        if let (None, Some(stream)) = (&self.client_id, CATALOG.streams.iter().find(is_list)) {
            let mut pages =
                self.source.open(source::Read { stream, parents: Vec::new(), from: None, since: None });
            match pages.next().await {
                // A scope that is missing is told with the others.
                Ok(_) => {}
                Err(error) if error.kind == SourceErrorKind::ScopeMissing => {}
                Err(error) => return Err(error),
            }
        }
        Ok(access)
    }
}

/// The tenant that the configuration names.
pub(crate) fn tenant(config: &Config, clock: Arc<dyn Clock>) -> Result<Tenant, CommandError> {
    tenant_within(config, clock, Allowance::default())
}

/// The same, with no more requests and time than that from now on.
pub(crate) fn tenant_within(
    config: &Config,
    clock: Arc<dyn Clock>,
    allowance: Allowance,
) -> Result<Tenant, CommandError> {
    let domain = config.text(&settings::DOMAIN)?;
    let credentials = credentials(config)?;
    let (Some(domain), Some(credentials)) = (domain.as_deref(), credentials) else {
        return Err(incomplete(config, domain.is_some()));
    };
    let parsed = Domain::parse(domain).map_err(|error| {
        CommandError::usage(format!("{} is no domain of a tenant: {error}", settings::DOMAIN.name()))
            .hint("it is the bare host of the tenant, such as acme.eu.auth0.com")
    })?;
    let (client_id, means) = match &credentials {
        Credentials::ClientSecret { client_id, .. } => (Some(client_id.clone()), "client secret"),
        Credentials::PrivateKey { client_id, .. } => (Some(client_id.clone()), "private key"),
        Credentials::Token(_) => (None, "ready token"),
    };
    let mut chosen = Settings::new(parsed, credentials);
    chosen.audience = config.text(&settings::AUDIENCE)?;
    chosen.leave = config.leave()?.unwrap_or(chosen.leave);
    chosen.max_rps = config.max_rps()?;
    chosen.answer_timeout = config.timeout()?;
    chosen.max_requests = allowance.max_requests;
    chosen.max_time = allowance.max_time;
    Ok(Tenant { domain: domain.to_owned(), client_id, means, source: connect(chosen, clock)? })
}

/// A source that reads as `settings` say.
pub(crate) fn connect(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, CommandError> {
    Ok(Arc::new(Auth0::over_https(settings, clock)?))
}

/// A ready token goes first, then a private key, then a client secret.
fn credentials(config: &Config) -> Result<Option<Credentials>, CommandError> {
    if let Some(token) = config.secret(&settings::ACCESS_TOKEN)? {
        return Ok(Some(Credentials::Token(Secret::new(token))));
    }
    let Some(client_id) = config.text(&settings::CLIENT_ID)? else { return Ok(None) };
    let pem = match config.secret(&settings::PRIVATE_KEY)? {
        Some(pem) => Some(pem),
        None => config.secret(&settings::PRIVATE_KEY_PATH)?,
    };
    if let Some(pem) = pem {
        let (algorithm, key_id) = (algorithm(config)?, config.text(&settings::KEY_ID)?);
        return Ok(Some(Credentials::PrivateKey { client_id, pem: Secret::new(pem), algorithm, key_id }));
    }
    let secret = config.secret(&settings::CLIENT_SECRET)?;
    Ok(secret.map(|secret| Credentials::ClientSecret { client_id, secret: Secret::new(secret) }))
}

fn algorithm(config: &Config) -> Result<Algorithm, CommandError> {
    match config.text(&settings::KEY_ALGORITHM)?.as_deref() {
        None | Some("RS256") => Ok(Algorithm::Rs256),
        Some("RS384") => Ok(Algorithm::Rs384),
        Some("PS256") => Ok(Algorithm::Ps256),
        Some(other) => {
            let name = settings::KEY_ALGORITHM.name();
            Err(CommandError::usage(format!("{name} must be RS256, RS384 or PS256, not `{other}`")))
        }
    }
}

/// Names everything that is missing at once.
fn incomplete(config: &Config, has_domain: bool) -> CommandError {
    // Of a listed tenant the environment says nothing: it is the keys of its section that are missing.
    let name = |setting: &settings::Setting| match (config.tenant_name(), setting.key) {
        (Some(tenant), Some(key)) => format!("tenants.{tenant}.{}", key.trim_start_matches("tenant.")),
        _ => setting.name().to_owned(),
    };
    let mut missing = Vec::new();
    if !has_domain {
        missing.push(name(&settings::DOMAIN));
    }
    if !matches!(credentials(config), Ok(Some(_))) {
        if !matches!(config.text(&settings::CLIENT_ID), Ok(Some(_))) {
            missing.push(name(&settings::CLIENT_ID));
        }
        if !matches!(config.secret(&settings::CLIENT_SECRET), Ok(Some(_))) {
            missing.push(name(&settings::CLIENT_SECRET));
        }
    }
    CommandError::usage(format!("no tenant to read: {} not set", missing.join(", ")))
        .hint("set them to the values of a machine-to-machine application of the tenant that is authorized for the Auth0 Management API")
        .hint("`tenantry --help` lists every variable; `tenantry demo` needs none of them")
}

/// Opens the destination at `url`.
pub(crate) async fn destination(
    config: &Config,
    url: &str,
    access: Access,
) -> Result<Arc<dyn Destination>, CommandError> {
    check_scheme(url)?;
    Ok(tenantry_destinations::open(url, options(config, url, access)?).await?)
}

/// The same for a process that shows the destination while it works.
pub(crate) async fn looked_at(
    config: &Config,
    url: &str,
    access: Access,
) -> Result<Arc<dyn Destination>, CommandError> {
    check_scheme(url)?;
    let options = Options { is_looked_at: true, ..options(config, url, access)? };
    Ok(tenantry_destinations::open(url, options).await?)
}

/// Opens a destination that a run has filled before, to show it.
pub(crate) async fn existing_looked_at(
    config: &Config,
    url: &str,
) -> Result<Arc<dyn Destination>, CommandError> {
    looked_at(config, url, Access::Read).await.map_err(never_filled)
}

fn options(config: &Config, url: &str, access: Access) -> Result<Options, CommandError> {
    Ok(Options {
        access,
        schema: config.schema()?,
        language: comments(config)?,
        memory_limit: config.text(&settings::MEMORY_LIMIT)?,
        surroundings: config.surroundings(url)?,
        ..Options::default()
    })
}

/// Opens a destination to ask it something; an empty one where no run has made it yet.
pub(crate) async fn existing_or_empty(
    config: &Config,
    url: &str,
) -> Result<Arc<dyn Destination>, CommandError> {
    check_scheme(url)?;
    match tenantry_destinations::open(url, options(config, url, Access::Read)?).await {
        Err(error) if error.kind == DestinationErrorKind::Absent => {
            let empty = MemoryDestination::new();
            empty.prepare(&CATALOG).await?;
            Ok(Arc::new(empty))
        }
        opened => Ok(opened?),
    }
}

/// Opens a destination that a run has filled before, to ask it something.
pub(crate) async fn existing(config: &Config, url: &str) -> Result<Arc<dyn Destination>, CommandError> {
    destination(config, url, Access::Read).await.map_err(never_filled)
}

fn never_filled(error: CommandError) -> CommandError {
    if error.exit() == Exit::Destination && !error.has_hints() {
        error.hint("if it was never filled: `tenantry sync` or `tenantry demo` does that")
    } else {
        error
    }
}

fn comments(config: &Config) -> Result<Language, CommandError> {
    match config.text(&settings::COMMENTS)?.as_deref() {
        None | Some("en") => Ok(Language::English),
        Some("ja") => Ok(Language::Japanese),
        Some(other) => {
            Err(CommandError::usage(format!("{} must be en or ja, not `{other}`", settings::COMMENTS.name())))
        }
    }
}

/// Other names of schemes.
const ALSO_KNOWN: [&str; 1] = ["postgresql"];
/// Schemes that a build can have, and how it gets them.
const OPTIONAL: [(&str, &str); 3] = [
    ("bigquery", "--features bigquery"),
    ("delta", "--features delta"),
    ("snowflake", "--features snowflake"),
];
/// Schemes whose SQL the questions, detections and checks are written in.
const ASKED: [&str; 3] = ["duckdb", "postgres", "postgresql"];

/// Refuses to ask what is known by name where its SQL would not be understood, or would mean something else.
pub(crate) fn check_asked(url: &str) -> Result<(), CommandError> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    if ASKED.contains(&scheme) {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "questions, detections and checks are written in the SQL of duckdb: and postgres: destinations, not of {scheme}:"
    ))
    .hint("`tenantry sql QUERY` asks it in its own SQL"))
}

/// A destination of no known kind is wrong usage, not a failure of the destination.
fn check_scheme(url: &str) -> Result<(), CommandError> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    let known = || BUILT_IN.iter().filter_map(|form| Some(form.split_once(':')?.0)).chain(ALSO_KNOWN);
    if url.contains(':') && known().any(|known| known == scheme) {
        return Ok(());
    }
    let wrong = CommandError::usage(format!(
        "`{}` is no destination: it must look like {}",
        without_password(url),
        BUILT_IN.join(" or ")
    ));
    Err(match OPTIONAL.iter().find(|(optional, _)| *optional == scheme && !known().any(|one| one == scheme)) {
        Some((_, how)) => wrong.hint(format!("{scheme}: is not in this build; `cargo build --release -p tenantry {how}` makes one that has it")),
        None => wrong.hint_if(did_you_mean(scheme, known())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: &CommandError) -> String {
        error.render(str::to_owned)
    }

    #[test]
    fn everything_missing_is_named_at_once() {
        let Err(Some(error)) = credentials_error(&[]) else { panic!("nothing is set") };
        assert!(
            error.starts_with(
                "error: no tenant to read: AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET not set\n"
            ),
            "{error}"
        );
        let Err(Some(error)) =
            credentials_error(&[("AUTH0_DOMAIN", "acme.eu.auth0.com"), ("AUTH0_CLIENT_ID", "app")])
        else {
            panic!("the secret is missing")
        };
        assert!(error.starts_with("error: no tenant to read: AUTH0_CLIENT_SECRET not set\n"), "{error}");
    }

    fn credentials_error(variables: &[(&str, &str)]) -> Result<(), Option<String>> {
        let clock = Arc::new(crate::clock::SystemClock::new());
        tenant(&Config::of(variables), clock).map(drop).map_err(|error| Some(said(&error)))
    }

    #[test]
    fn a_ready_token_goes_before_a_key_and_a_key_before_a_secret() {
        let kind = |variables: &[(&str, &str)]| match credentials(&Config::of(variables)).unwrap().unwrap() {
            Credentials::Token(_) => "token",
            Credentials::PrivateKey { .. } => "key",
            Credentials::ClientSecret { .. } => "secret",
        };
        let all = [
            ("AUTH0_ACCESS_TOKEN", "t"),
            ("AUTH0_CLIENT_ASSERTION_PRIVATE_KEY", "k"),
            ("AUTH0_CLIENT_ID", "app"),
            ("AUTH0_CLIENT_SECRET", "s"),
        ];
        assert_eq!([kind(&all), kind(&all[1..]), kind(&all[2..])], ["token", "key", "secret"]);
    }

    #[test]
    fn destinations_are_named_by_a_known_scheme() {
        assert!(check_scheme("duckdb:a.duckdb").is_ok());
        assert!(check_scheme("postgres://me@h/w").is_ok() && check_scheme("postgresql://me@h/w").is_ok());
        let error = said(&check_scheme("postgers://me:canary@h/w").unwrap_err());
        assert!(error.contains("did you mean `postgres`?") && !error.contains("canary"), "{error}");
        let error = said(&check_scheme("duckbd:a.duckdb").unwrap_err());
        assert!(error.contains("did you mean `duckdb`?"), "{error}");
        assert!(check_scheme("duckdb").is_err());
    }

    #[test]
    fn what_is_known_by_name_is_asked_where_its_sql_is_understood() {
        assert!(check_asked("duckdb:a").is_ok() && check_asked("postgres://h/w").is_ok());
        let error = said(&check_asked("snowflake:a/b/c").unwrap_err());
        assert!(error.contains("not of snowflake:") && error.contains("tenantry sql QUERY"), "{error}");
    }
}
