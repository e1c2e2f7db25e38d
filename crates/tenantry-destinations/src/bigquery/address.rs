//! Which project and dataset a URL names, and how the service is reached. Reads no environment.
//!
//! Refuses an endpoint without TLS that is not on this machine.

use tenantry_replication::catalog::schema::NAMESPACE;

use crate::Surroundings;

/// Variables that say something to this destination, by the names that Google's own tools give them.
pub const VARIABLES: &[&str] = &[EMULATOR, LOCATION];
/// Where an emulator listens, as `HOST:PORT` or a URL.
pub(super) const EMULATOR: &str = "BIGQUERY_EMULATOR_HOST";
/// Where datasets are made that are missing.
pub(super) const LOCATION: &str = "BIGQUERY_LOCATION";

/// Where the service is, unless something else is said.
const SERVICE: &str = "https://bigquery.googleapis.com";
/// What follows the dataset's name in the name of the one that holds our state.
const STATE_SUFFIX: &str = "_tenantry";
/// Most characters of a dataset's name.
const NAME_MAX: usize = 1024;

/// A project, a dataset in it, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The project that holds the datasets, and pays.
    pub project: String,
    /// The dataset of the replicated tables.
    pub dataset: String,
    /// The dataset of our own tables.
    pub state_dataset: String,
    /// Scheme and host of the API.
    pub endpoint: String,
    /// Whether there is nobody to show credentials to: an emulator on this machine.
    pub is_anonymous: bool,
    /// Where missing datasets are made; the service's own default when `None`.
    pub location: Option<String>,
    /// Most bytes that one job may be billed for.
    pub bytes_billed_max: Option<u64>,
}

impl Address {
    /// Reads `PROJECT.DATASET?location=…&max_bytes_billed=…`, what comes after `bigquery:`; `schema` names the dataset where the URL does not.
    /// Fails with a sentence for the operator.
    pub fn parse(rest: &str, schema: &str, surroundings: &Surroundings) -> Result<Self, String> {
        let (names, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (project, dataset) = match parts(names) {
            // Neither is taken for the other: of several tenants each says its own schema.
            (_, Some(dataset)) if schema != NAMESPACE && schema != dataset => {
                return Err(format!(
                    "it names dataset {dataset}, and the schema is said to be {schema}: name the project alone, as bigquery:PROJECT"
                ));
            }
            (project, dataset) => (project, dataset.unwrap_or(schema)),
        };
        check_project(project)?;
        check_dataset(dataset)?;
        let mut address = Self {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            state_dataset: format!("{dataset}{STATE_SUFFIX}"),
            endpoint: SERVICE.to_owned(),
            is_anonymous: false,
            location: surroundings.get(LOCATION).filter(|said| !said.is_empty()).map(str::to_owned),
            bytes_billed_max: None,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("location", location)) if is_location(location) => {
                    address.location = Some(location.to_owned());
                }
                Some(("max_bytes_billed", bytes)) => {
                    let bytes = bytes.parse().map_err(|_| "max_bytes_billed must be a whole number")?;
                    address.bytes_billed_max = Some(bytes);
                }
                _ => {
                    return Err(format!(
                        "it holds `{option}`, and only location=… and max_bytes_billed=… may follow the `?`"
                    ));
                }
            }
        }
        if let Some(host) = surroundings.get(EMULATOR).filter(|host| !host.is_empty()) {
            address.reach(host)?;
        }
        Ok(address)
    }

    /// The dataset of our own tables, of the dataset that is named behind `bigquery:`, or of the schema of the options where none is.
    pub fn state_dataset_of(rest: &str, schema: &str) -> String {
        let names = rest.split_once('?').map_or(rest, |(names, _)| names);
        format!("{}{STATE_SUFFIX}", parts(names).1.unwrap_or(schema))
    }

    fn reach(&mut self, host: &str) -> Result<(), String> {
        let url = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
        let url = url.trim_end_matches('/');
        let is_plain = url.starts_with("http://");
        if is_plain && !is_loopback(&url["http://".len()..]) {
            return Err(format!(
                "{EMULATOR} names a host that is not this machine, without TLS: write https://"
            ));
        }
        if !is_plain && !url.starts_with("https://") {
            return Err(format!("{EMULATOR} must look like HOST:PORT or https://HOST"));
        }
        url.clone_into(&mut self.endpoint);
        self.is_anonymous = is_plain;
        Ok(())
    }

    /// What to call it in messages.
    pub fn name(&self) -> String {
        format!("{}.{}", self.project, self.dataset)
    }
}

/// The project, and the dataset where one is named.
fn parts(names: &str) -> (&str, Option<&str>) {
    // A project's own name may hold a dot: that of a domain stands before a colon.
    let start = names.find(':').map_or(0, |at| at + 1);
    match names[start..].split_once('.') {
        Some((_, dataset)) => (&names[..names.len() - dataset.len() - 1], Some(dataset)),
        None => (names, None),
    }
}

fn is_loopback(host_and_port: &str) -> bool {
    let host = host_and_port.rsplit_once(':').map_or(host_and_port, |(host, _)| host);
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

fn is_location(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
}

fn check_project(project: &str) -> Result<(), String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-.:".contains(char);
    if project.is_empty() || !project.chars().all(is_part) {
        return Err("it must look like bigquery:PROJECT.DATASET".to_owned());
    }
    Ok(())
}

fn check_dataset(dataset: &str) -> Result<(), String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    if dataset.is_empty() || !dataset.chars().all(is_part) || dataset.len() + STATE_SUFFIX.len() > NAME_MAX {
        return Err("a dataset's name is made of letters, digits and _ (bigquery:PROJECT.DATASET)".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str, said: &[(&str, &str)]) -> Result<Address, String> {
        let said = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Address::parse(rest, "auth0", &Surroundings::of(said))
    }

    #[test]
    fn a_url_names_project_and_dataset() {
        let address = parse("my-project.warehouse?location=EU&max_bytes_billed=1000", &[]).unwrap();
        assert_eq!((address.project.as_str(), address.dataset.as_str()), ("my-project", "warehouse"));
        assert_eq!(address.state_dataset, "warehouse_tenantry");
        assert_eq!((address.location.as_deref(), address.bytes_billed_max), (Some("EU"), Some(1000)));
        assert_eq!((address.endpoint.as_str(), address.is_anonymous), (SERVICE, false));
        let of_domain = parse("example.com:my-project.warehouse", &[]).unwrap();
        assert_eq!(of_domain.name(), "example.com:my-project.warehouse");
        assert_eq!(parse("my-project", &[]).unwrap().dataset, "auth0", "the schema names the dataset");
    }

    #[test]
    fn a_dataset_and_another_schema_are_not_both_meant() {
        let parse = |rest, schema| Address::parse(rest, schema, &Surroundings::default());
        assert_eq!(parse("p", "auth0_acme").unwrap().state_dataset, "auth0_acme_tenantry");
        assert_eq!(parse("p.w", "auth0").unwrap().dataset, "w");
        assert_eq!(parse("p.w", "w").unwrap().dataset, "w");
        assert!(parse("p.w", "auth0_acme").unwrap_err().contains("bigquery:PROJECT"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in
            ["", ".d", "p.", "p.d-e", "p.a.b", "p.d`x", "p.d?password=x", "p.d?max_bytes_billed=many"]
        {
            assert!(parse(wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        let at = |host| parse("p.d", &[(EMULATOR, host)]);
        assert_eq!(at("127.0.0.1:9050").unwrap().endpoint, "http://127.0.0.1:9050");
        assert!(at("http://localhost:9050/").unwrap().is_anonymous);
        assert!(!at("https://bigquery.example.com").unwrap().is_anonymous);
        for wrong in [
            "http://db.example.com:9050",
            "db.example.com:9050",
            "ftp://localhost",
            "127.0.0.1.example.com:1",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
