//! The project file `tenantry.toml`: sections of settings, checked against the one list.
//!
//! An unknown key is an error, so that a misspelt one is not silently ignored. `[tenants.NAME]` stands for one tenant of several: what it
//! says holds for that one alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::settings::{Kind, SETTINGS, Setting, keys};
use crate::error::{CommandError, did_you_mean};

/// Bytes that a name of a tenant or schema may have: with what is put before it, PostgreSQL takes 63.
const IDENTIFIER_BYTES_MAX: usize = 40;
/// Bytes that a project file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the project file says.
#[derive(Debug, Clone, Default)]
pub(super) struct ProjectFile {
    /// The file, where there is one.
    pub(super) path: Option<PathBuf>,
    values: Values,
    tenants: BTreeMap<String, Values>,
}

/// The words of each key; for text exactly one.
type Values = BTreeMap<String, Vec<String>>;

/// The section of one tenant, and of a list of them.
const TENANT: &str = "tenant";
const TENANTS: &str = "tenants";

impl ProjectFile {
    /// Reads the file; `required` when somebody named it.
    pub(super) fn read(path: &Path, required: bool) -> Result<Self, CommandError> {
        let text = match super::read_limited(path, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(CommandError::usage(format!("read {}: {error}", path.display()))),
        };
        let mut file = Self::parse(&text).map_err(|error| error.within(path))?;
        file.path = Some(path.to_owned());
        Ok(file)
    }

    /// What a text says; `None` where it is no project file.
    pub(super) fn of(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| Problem::new(error.to_string().trim_end()))?;
        let mut file = Self::default();
        for (section, value) in table {
            let Value::Table(members) = value else {
                return Err(unknown(&section));
            };
            if section == TENANTS {
                for (name, value) in members {
                    let tenant = tenant(&name, value)?;
                    file.tenants.insert(name, tenant);
                }
            } else {
                read(&section, members, &mut file.values)?;
            }
        }
        if !file.tenants.is_empty() && file.values.keys().any(|key| key.starts_with("tenant.")) {
            return Err(Problem::new(
                "`[tenant]` is for one tenant and `[tenants.NAME]` for several: not both",
            ));
        }
        Ok(file)
    }

    /// Names of the tenants, where several are listed.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// What the section of one tenant says.
    pub(super) fn of_tenant(&self, tenant: &str, setting: &Setting) -> Option<&[String]> {
        self.tenants.get(tenant)?.get(setting.key?).map(Vec::as_slice)
    }

    /// The words that a setting has in the file; for text exactly one.
    pub(super) fn get(&self, setting: &Setting) -> Option<&[String]> {
        self.values.get(setting.key?).map(Vec::as_slice)
    }

    /// A path in the file, seen from the file's own folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        match self.path.as_deref().and_then(Path::parent) {
            Some(folder) => folder.join(path),
            None => PathBuf::from(path),
        }
    }
}

/// Reads the members of a section.
fn read(section: &str, members: Table, values: &mut Values) -> Result<(), Problem> {
    for (name, value) in members {
        let key = format!("{section}.{name}");
        let setting = SETTINGS.iter().find(|setting| setting.key == Some(key.as_str()));
        let setting = setting.ok_or_else(|| unknown(&key))?;
        values.insert(key, words(setting, value)?);
    }
    Ok(())
}

/// Reads the section of one tenant of several: its own keys, and sections of others.
fn tenant(name: &str, value: Value) -> Result<Values, Problem> {
    let Value::Table(members) = value else {
        return Err(Problem::new(format!("`{TENANTS}.{name}` must be a section")));
    };
    if !is_identifier(name) {
        return Err(Problem::new(format!(
            "`{TENANTS}.{name}`: a name has lower case letters, digits and _ alone"
        )));
    }
    let (mut own, mut values) = (Table::new(), Values::new());
    for (key, value) in members {
        match value {
            Value::Table(members) => read(&key, members, &mut values)?,
            value => drop(own.insert(key, value)),
        }
    }
    read(TENANT, own, &mut values)?;
    Ok(values)
}

/// Whether a name can be a schema's without being quoted.
pub(super) fn is_identifier(name: &str) -> bool {
    let is_fine =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(is_fine)
        && name.len() <= IDENTIFIER_BYTES_MAX
}

/// What is wrong in a project file.
#[derive(Debug)]
struct Problem {
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn within(self, path: &Path) -> CommandError {
        CommandError::usage(format!("{}: {}", path.display(), self.message)).hint_if(self.hint)
    }
}

fn words(setting: &Setting, value: Value) -> Result<Vec<String>, Problem> {
    let key = setting.key.unwrap_or_default();
    match (setting.kind, value) {
        (Kind::Words, Value::Array(elements)) => elements
            .into_iter()
            .map(|element| match element {
                Value::String(word) => Ok(word),
                _ => Err(Problem::new(format!("`{key}` must be an array of texts"))),
            })
            .collect(),
        (Kind::Words, _) => Err(Problem::new(format!("`{key}` must be an array of texts"))),
        (_, Value::String(text)) => Ok(vec![text]),
        (_, Value::Integer(number)) => Ok(vec![number.to_string()]),
        (..) => Err(Problem::new(format!("`{key}` must be text"))),
    }
}

fn unknown(key: &str) -> Problem {
    let hint = if SETTINGS.iter().any(|setting| setting.key == Some(&format!("{key}_file"))) {
        Some(format!(
            "secrets do not belong into this file: put it into a file of its own and name that with `{key}_file`"
        ))
    } else {
        did_you_mean(key, keys().map(|(key, _)| key))
    };
    Problem { message: format!("unknown key `{key}`"), hint }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{CLIENT_SECRET, DOMAIN, EXCLUDE};
    use super::*;

    fn problem(text: &str) -> (String, Option<String>) {
        let problem = ProjectFile::parse(text).unwrap_err();
        (problem.message, problem.hint)
    }

    #[test]
    fn sections_and_keys_are_read() {
        let text = "[tenant]\ndomain = 'acme.eu.auth0.com'\nclient_secret_file = 'secret'\n[sync]\nexclude = ['a', 'b*']";
        let mut file = ProjectFile::parse(text).unwrap();
        assert_eq!(file.get(&DOMAIN), Some(&["acme.eu.auth0.com".to_owned()][..]));
        assert_eq!(file.get(&EXCLUDE).map(<[String]>::len), Some(2));
        file.path = Some(PathBuf::from("/etc/acme/tenantry.toml"));
        let secret = file.get(&CLIENT_SECRET).unwrap();
        assert_eq!(file.resolve(&secret[0]), Path::new("/etc/acme/secret"));
        assert_eq!(file.resolve("/run/secret"), Path::new("/run/secret"));
    }

    #[test]
    fn each_tenant_of_a_list_has_a_section() {
        let text = "[tenants.acme]\ndomain = 'acme.eu.auth0.com'\n[tenants.acme.sync]\nexclude = ['a']\n[tenants.beta]\ndomain = 'b'";
        let file = ProjectFile::parse(text).unwrap();
        assert_eq!(file.tenants().collect::<Vec<_>>(), ["acme", "beta"]);
        assert_eq!(file.of_tenant("acme", &DOMAIN), Some(&["acme.eu.auth0.com".to_owned()][..]));
        assert_eq!(file.of_tenant("acme", &EXCLUDE).map(<[String]>::len), Some(1));
        assert_eq!(file.of_tenant("beta", &EXCLUDE), None);
        assert_eq!(file.get(&DOMAIN), None);
        assert_eq!(problem("[tenants.acme]\ndomian = 'x'").0, "unknown key `tenant.domian`");
        assert!(problem("[tenants.Acme]\ndomain = 'x'").0.contains("lower case"));
        assert!(problem("[tenants]\nacme = 'x'").0.contains("must be a section"));
        assert!(problem("[tenant]\ndomain = 'x'\n[tenants.a]\ndomain = 'x'").0.contains("not both"));
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_a_suggestion() {
        assert_eq!(
            problem("[tenant]\ndomian = 'x'"),
            ("unknown key `tenant.domian`".into(), Some("did you mean `tenant.domain`?".into()))
        );
        assert_eq!(problem("domain = 'x'").0, "unknown key `domain`");
    }

    #[test]
    fn a_secret_in_the_file_is_refused() {
        let (message, hint) = problem("[tenant]\nclient_secret = 'canary'");
        assert!(!message.contains("canary"));
        assert!(hint.unwrap().contains("client_secret_file"));
    }

    #[test]
    fn a_value_of_another_kind_is_refused() {
        assert_eq!(problem("[sync]\nselect = 'a'").0, "`sync.select` must be an array of texts");
        assert_eq!(problem("[tenant]\ndomain = true").0, "`tenant.domain` must be text");
    }
}
