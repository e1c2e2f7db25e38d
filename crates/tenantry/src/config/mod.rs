//! Configuration, and the only reader of the environment and of files: `tenantry.toml`, then the environment, then flags.
//!
//! Reads a secret only when a command needs it, and never shows one.

mod file;
pub(crate) mod process;
mod server;
mod server_settings;
pub(crate) mod settings;
mod tenants;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use file::{ProjectFile, is_identifier};
use tenantry_replication::source::auth0::LEAVE_MAX;

pub(crate) use server::without_password;
use settings::{FILE, Kind, SETTINGS, Setting};

use crate::error::CommandError;
use crate::terminal;

/// Lists that may be read at the same time, at most.
const STREAMS_AT_ONCE_MAX: usize = 64;
/// Days for which each plan keeps log events, as Auth0 documents it.
const RETENTION_DAYS: [(&str, u64); 4] =
    [("free", 1), ("essentials", 5), ("professional", 10), ("enterprise", 30)];
/// What a length of time looks like.
const DURATION: &str = "a whole number with s, m, h or d, such as 12h";
/// A year.
const MINUTES_MAX: f64 = 366.0 * 24.0 * 60.0;
/// Bytes that a file with a secret may have.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Everything that was said before the flags.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    environment: Environment,
    file: ProjectFile,
    /// The one tenant of several that it is for.
    tenant: Option<String>,
    /// The server that merges, where a flag names one.
    merge_with: Option<String>,
}

/// The variables that we know, as far as they are set. An empty one counts as not set.
#[derive(Clone, Default)]
struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Who said what a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This variable of the environment.
    Variable(String),
    /// This key of this project file.
    File(PathBuf, String),
    /// Nobody.
    Default,
}

impl Origin {
    /// Whether what stands here is a secret itself, and not the path of a file with one.
    fn tells_secret(&self, setting: &Setting) -> bool {
        matches!(self, Self::Variable(name) if setting.kind == Kind::Secret && setting.variables.contains(&name.as_str()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::File(path, key) => write!(formatter, "{}: {key}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    fn read() -> Result<Self, CommandError> {
        let mut variables = BTreeMap::new();
        for name in SETTINGS.iter().flat_map(|setting| setting.all_variables()) {
            let Some(value) = std::env::var_os(&name).filter(|value| !value.is_empty()) else { continue };
            let value =
                value.into_string().map_err(|_| CommandError::usage(format!("{name} is not UTF-8 text")))?;
            variables.insert(name, value);
        }
        Ok(Self(variables))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// What one sync may take; `None` for any amount.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowance {
    pub(crate) max_requests: Option<u64>,
    pub(crate) max_time: Option<Duration>,
}

/// Whether a text can be read as the project file, and each of its values as what its setting takes. Opens no file that it names.
pub(crate) fn is_project_file(text: &str) -> bool {
    let Some(file) = ProjectFile::of(text) else { return false };
    let config = Config { environment: Environment::default(), file, tenant: None, merge_with: None };
    let mut values = SETTINGS.iter().filter(|setting| matches!(setting.kind, Kind::Text | Kind::Words));
    values.all(|setting| config.shown(setting).is_ok())
        && config.streams_at_once().is_ok()
        && config.leave().is_ok()
        && config.max_rps().is_ok()
        && config.retention(None).is_ok()
}

/// A number of minutes, at most a year.
pub(crate) fn minutes_above_zero(text: &str) -> Option<f64> {
    text.parse().ok().filter(|minutes: &f64| *minutes > 0.0 && *minutes <= MINUTES_MAX)
}

impl Config {
    /// Reads the environment and the project file.
    pub(crate) fn load() -> Result<Self, CommandError> {
        let environment = Environment::read()?;
        let named = environment.get(settings::CONFIG.variables[0]).map(PathBuf::from);
        let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE));
        let file = ProjectFile::read(&path, named.is_some())?;
        Ok(Self { environment, file, tenant: None, merge_with: None })
    }

    /// The project file that was read.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.path.as_deref()
    }

    /// What a setting is at the moment and who said so, for people to look at: secrets are hidden. `None` where nothing holds.
    pub(crate) fn shown(&self, setting: &Setting) -> Result<Option<(String, Origin)>, CommandError> {
        Ok(self.said(setting)?.map(|(value, origin)| {
            // The path of a file is no secret, what stands in it is.
            let value = if origin.tells_secret(setting) { "***".to_owned() } else { value };
            let value =
                if *setting == settings::DESTINATION { server::without_password(&value) } else { value };
            (value, origin)
        }))
    }

    /// What a setting is and who said so: a variable, the project file, or nobody where it has a default. Words are joined by blanks; of a
    /// secret it is what the origin holds, the secret itself or the path of its file.
    fn said(&self, setting: &Setting) -> Result<Option<(String, Origin)>, CommandError> {
        if let Some(said) = self.said_of_tenant(setting) {
            return Ok(Some(said));
        }
        // What belongs to a tenant, its secret above all, must not go to another.
        if self.tenant.is_none() || !setting.is_of_tenant() {
            if let Some((name, value)) = self.one(setting.all_variables())? {
                return Ok(Some((value, Origin::Variable(name))));
            }
            if let (Some(words), Some(key), Some(path)) = (self.file.get(setting), setting.key, self.path()) {
                return Ok(Some((words.join(" "), Origin::File(path.to_owned(), key.to_owned()))));
            }
        }
        Ok(setting.default.map(|default| (default.to_owned(), Origin::Default)))
    }

    /// Schema of the tables.
    pub(crate) fn schema(&self) -> Result<String, CommandError> {
        let schema = held(&settings::SCHEMA, self.text(&settings::SCHEMA)?)?;
        if is_identifier(&schema) {
            return Ok(schema);
        }
        Err(CommandError::usage(format!(
            "{} must be a name of lower case letters, digits and _, not `{schema}`",
            settings::SCHEMA.name()
        )))
    }

    /// Where the tables are.
    pub(crate) fn destination(&self, flag: Option<&str>) -> Result<String, CommandError> {
        let url = match flag {
            Some(url) => url.to_owned(),
            None => held(&settings::DESTINATION, self.text(&settings::DESTINATION)?)?,
        };
        server::check_no_password(&url)?;
        Ok(url)
    }

    /// The same with the server that a flag names to merge with.
    pub(crate) fn merging_with(mut self, flag: Option<&str>) -> Self {
        self.merge_with = flag.map(str::to_owned);
        self
    }

    /// Schema of what runs leave for later ones in this destination.
    pub(crate) fn state_schema(&self, url: &str) -> Result<String, CommandError> {
        Ok(tenantry_destinations::state_place(url, &self.schema()?))
    }

    /// Selectors of tables: the flags where there are any.
    pub(crate) fn words(&self, setting: &Setting, flags: &[String]) -> Vec<String> {
        if !flags.is_empty() {
            return flags.to_vec();
        }
        if let Some(words) = self.tenant.as_deref().and_then(|tenant| self.file.of_tenant(tenant, setting)) {
            return words.to_vec();
        }
        let variable = setting.variables.iter().find_map(|name| self.environment.get(name));
        match variable {
            Some(words) => words.split_whitespace().map(str::to_owned).collect(),
            None => self.file.get(setting).unwrap_or_default().to_vec(),
        }
    }

    /// Lists to read at the same time.
    pub(crate) fn streams_at_once(&self) -> Result<usize, CommandError> {
        let wanted = format!("a number from 1 to {STREAMS_AT_ONCE_MAX}");
        let number = self.number(&settings::STREAMS_AT_ONCE, &wanted, |text| {
            text.parse().ok().filter(|number| (1..=STREAMS_AT_ONCE_MAX).contains(number))
        })?;
        held(&settings::STREAMS_AT_ONCE, number)
    }

    /// Share of each rate limit to leave to others: `20%` or `0.2`.
    pub(crate) fn leave(&self) -> Result<Option<f64>, CommandError> {
        let share = |text: &str| match text.strip_suffix('%') {
            Some(percent) => Some(percent.trim().parse::<f64>().ok()? / 100.0),
            None => text.parse().ok(),
        };
        self.number(&settings::LEAVE, "a share from 0% to 95%", |text| {
            share(text).filter(|share| (0.0..=LEAVE_MAX).contains(share))
        })
    }

    /// A length of time that always holds: the setting has a default.
    pub(crate) fn every(&self, setting: &Setting) -> Result<Duration, CommandError> {
        held(setting, self.duration(setting)?)
    }

    /// A length of time.
    fn duration(&self, setting: &Setting) -> Result<Option<Duration>, CommandError> {
        self.number(setting, DURATION, duration)
    }

    /// How long the tenant keeps log events: what is said, or what its plan says.
    pub(crate) fn retention(&self, flag: Option<Duration>) -> Result<Option<Duration>, CommandError> {
        let said = match flag {
            Some(flag) => Some(flag),
            None => self.duration(&settings::RETENTION)?,
        };
        let of_plan =
            self.number(&settings::PLAN, "free, essentials, professional or enterprise", |plan| {
                let days = RETENTION_DAYS.iter().find(|(name, _)| *name == plan)?.1;
                Some(Duration::from_hours(24 * days))
            })?;
        Ok(said.or(of_plan))
    }

    /// Requests a second, at most.
    pub(crate) fn max_rps(&self) -> Result<Option<f64>, CommandError> {
        self.number(&settings::MAX_RPS, "a number above 0", |text| {
            text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        })
    }

    /// How long one answer of the tenant may take.
    pub(crate) fn timeout(&self) -> Result<Duration, CommandError> {
        let above_zero = |text: &str| duration(text).filter(|timeout| !timeout.is_zero());
        held(&settings::TIMEOUT, self.number(&settings::TIMEOUT, DURATION, above_zero)?)
    }

    /// Requests and time that one sync may take: the flags where there are any.
    pub(crate) fn allowance(
        &self,
        requests: Option<u64>,
        minutes: Option<f64>,
    ) -> Result<Allowance, CommandError> {
        let max_requests = match requests {
            Some(_) => requests,
            None => self.number(&settings::MAX_REQUESTS, "a number from 1", |text| {
                text.parse().ok().filter(|number| *number > 0)
            })?,
        };
        let minutes = match minutes {
            Some(_) => minutes,
            None => self.number(&settings::MAX_MINUTES, "a number above 0", minutes_above_zero)?,
        };
        let max_time = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
        Ok(Allowance { max_requests, max_time })
    }

    /// A setting that `read` can make sense of, or else must be `wanted`.
    fn number<T>(
        &self,
        setting: &Setting,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, CommandError> {
        let Some(text) = self.text(setting)? else { return Ok(None) };
        match read(&text) {
            Some(number) => Ok(Some(number)),
            None => Err(CommandError::usage(format!("{} must be {wanted}, not `{text}`", setting.name()))),
        }
    }

    /// A setting that is text.
    pub(crate) fn text(&self, setting: &Setting) -> Result<Option<String>, CommandError> {
        Ok(self.said(setting)?.map(|(value, _)| value))
    }

    /// A secret: from its variable, or from the file that a variable or the project file names. The file is read now.
    pub(crate) fn secret(&self, setting: &Setting) -> Result<Option<String>, CommandError> {
        match self.said(setting)? {
            Some((value, origin)) if origin.tells_secret(setting) => Ok(Some(value.trim().to_owned())),
            Some((path, Origin::Variable(_))) => read_secret(Path::new(&path)).map(Some),
            Some((path, Origin::File(..))) => read_secret(&self.file.resolve(&path)).map(Some),
            Some((_, Origin::Default)) | None => Ok(None),
        }
    }

    /// The one variable of several that is set; two that say different things are an error.
    fn one(&self, names: impl Iterator<Item = String>) -> Result<Option<(String, String)>, CommandError> {
        let mut found: Option<(String, String)> = None;
        for name in names {
            let Some(value) = self.environment.get(&name) else { continue };
            match &found {
                None => found = Some((name, value.to_owned())),
                Some((_, same)) if same == value => {}
                Some((other, _)) => {
                    return Err(CommandError::usage(format!("{other} and {name} are both set, and differ"))
                        .hint("unset one of them"));
                }
            }
        }
        Ok(found)
    }

    /// What a test wants to find in the environment and in the project file.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            environment: Environment(variables.collect()),
            file: ProjectFile::default(),
            tenant: None,
            merge_with: None,
        }
    }
}

/// What holds of a setting that has a default.
fn held<T>(setting: &Setting, value: Option<T>) -> Result<T, CommandError> {
    value.ok_or_else(|| CommandError::usage(format!("{} is not set", setting.name())))
}

/// Reads a length of time: a whole number with `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.char_indices().next_back()?;
    let seconds = match unit.1 {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u32 = text[..unit.0].parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

/// The same, of a flag.
pub(crate) fn duration_flag(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| format!("it must be {DURATION}"))
}

/// Reads a file that holds a secret, without the line end that editors leave; says when other users can read it.
pub(crate) fn read_secret(path: &Path) -> Result<String, CommandError> {
    let wrong = |why: &str| CommandError::usage(format!("read secret from {}: {why}", path.display()));
    let text = read_limited(path, SECRET_BYTES_MAX).map_err(|error| wrong(&error.to_string()))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(wrong("the file is empty"));
    }
    if path.metadata().is_ok_and(|metadata| is_open_to_others(&metadata)) {
        let path = path.display();
        terminal::warn(&format!("{path} can be read by other users of this machine: chmod 600 {path}"));
    }
    Ok(secret.to_owned())
}

/// Reads a text file of at most `limit` bytes.
fn read_limited(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}
