//! Several tenants in one project file: which are meant, and what holds for one of them.
//!
//! What belongs to a tenant, its credentials above all, comes from its own section alone.

use std::path::Path;

use serde_json::Value;
use tenantry_replication::catalog::schema::NAMESPACE;

use super::settings::{self, FILE, Setting};
use super::{Config, Origin};
use crate::error::{CommandError, did_you_mean};

impl Config {
    /// What the section of the one tenant says of a setting, or its name.
    pub(super) fn said_of_tenant(&self, setting: &Setting) -> Option<(String, Origin)> {
        let tenant = self.tenant.as_deref()?;
        let origin = |key: &str| {
            let key = key.strip_prefix("tenant.").unwrap_or(key);
            Origin::File(self.path().unwrap_or(Path::new(FILE)).to_owned(), format!("tenants.{tenant}.{key}"))
        };
        match (self.file.of_tenant(tenant, setting), setting.key) {
            (Some(words), Some(key)) => Some((words.join(" "), origin(key))),
            _ if *setting == settings::SCHEMA => Some((format!("{NAMESPACE}_{tenant}"), Origin::Default)),
            _ => None,
        }
    }

    /// The configurations of the tenants that are meant: of the one that is named; without a name of each that the project file lists, or of
    /// the one tenant that there is.
    pub(crate) fn tenants(self, named: Option<&str>) -> Result<Vec<Self>, CommandError> {
        let listed: Vec<String> = self.file.tenants().map(str::to_owned).collect();
        let Some(named) = named.or_else(|| self.environment.get(settings::TENANT.variables[0])) else {
            if listed.is_empty() {
                return Ok(vec![self]);
            }
            return Ok(listed.into_iter().map(|name| self.for_tenant(name)).collect());
        };
        if listed.iter().any(|name| name == named) {
            return Ok(vec![self.for_tenant(named.to_owned())]);
        }
        let known = if listed.is_empty() {
            "the project file lists none: it has no section [tenants.NAME]".to_owned()
        } else {
            format!("it lists {}", listed.join(", "))
        };
        Err(CommandError::usage(format!("`{named}` is no tenant of the project file"))
            .hint_if(did_you_mean(named, listed.iter().map(String::as_str)))
            .hint(known))
    }

    /// The configuration of the tenant that is named, or of the only one.
    pub(crate) fn tenant(self, named: Option<&str>) -> Result<Self, CommandError> {
        let mut rest = self.tenants(named)?;
        match (rest.pop(), rest.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                let listed: Vec<String> = rest.into_iter().chain(last).filter_map(|one| one.tenant).collect();
                Err(CommandError::usage(
                    "this works on one tenant at a time, and the project file lists several",
                )
                .hint(format!("name one with --tenant: {}", listed.join(", "))))
            }
        }
    }

    fn for_tenant(&self, tenant: String) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    /// The tenant's name in the project file, where that lists several.
    pub(crate) fn tenant_name(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// An object for a program, with the tenant's name in it where there are several.
    pub(crate) fn labelled(&self, mut object: Value) -> Value {
        if let (Some(tenant), Some(members)) = (&self.tenant, object.as_object_mut()) {
            members.insert("tenant".to_owned(), Value::String(tenant.clone()));
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::ProjectFile;
    use super::*;

    const LIST: &str = "[destination]\nurl = 'duckdb:all.duckdb'\n[tenants.acme]\ndomain = 'acme.example.com'\n\
                        [tenants.beta]\ndomain = 'beta.example.com'\n[tenants.beta.destination]\nschema = 'b'";

    fn config(text: &str, variables: &[(&str, &str)]) -> Config {
        let mut file = ProjectFile::of(text).unwrap();
        file.path = Some(FILE.into());
        Config { file, ..Config::of(variables) }
    }

    fn names(configs: Result<Vec<Config>, CommandError>) -> Vec<String> {
        configs.unwrap().iter().filter_map(|config| config.tenant_name().map(str::to_owned)).collect()
    }

    #[test]
    fn each_listed_tenant_is_meant_unless_one_is_named() {
        assert_eq!(names(config(LIST, &[]).tenants(None)), ["acme", "beta"]);
        assert_eq!(names(config(LIST, &[]).tenants(Some("beta"))), ["beta"]);
        assert_eq!(names(config(LIST, &[("TENANTRY_TENANT", "acme")]).tenants(None)), ["acme"]);
        let said = |error: CommandError| error.render(str::to_owned);
        let unknown = said(config(LIST, &[]).tenants(Some("acne")).unwrap_err());
        assert!(unknown.contains("did you mean `acme`?") && unknown.contains("acme, beta"), "{unknown}");
        let several = said(config(LIST, &[]).tenant(None).unwrap_err());
        assert!(several.contains("--tenant: acme, beta"), "{several}");
        assert!(config("", &[]).tenants(Some("acme")).is_err());
        assert_eq!(config("", &[]).tenant(None).unwrap().tenant_name(), None);
    }

    #[test]
    fn a_tenant_has_its_own_section_and_schema_and_what_is_said_for_all() {
        let of = |tenant| config(LIST, &[]).tenant(Some(tenant)).unwrap();
        let domain = |tenant| of(tenant).text(&settings::DOMAIN).unwrap().unwrap();
        assert_eq!([domain("acme"), domain("beta")], ["acme.example.com", "beta.example.com"]);
        assert_eq!([of("acme").schema().unwrap(), of("beta").schema().unwrap()], ["auth0_acme", "b"]);
        assert_eq!(of("beta").destination(None).unwrap(), "duckdb:all.duckdb");
        let (_, origin) = of("beta").shown(&settings::DOMAIN).unwrap().unwrap();
        assert!(origin.to_string().ends_with(": tenants.beta.domain"), "{origin}");
    }

    #[test]
    fn the_secret_of_the_environment_goes_to_no_tenant_of_a_list() {
        let variables = [
            ("AUTH0_DOMAIN", "other.example.com"),
            ("AUTH0_CLIENT_SECRET", "canary"),
            ("AUTH0_CLIENT_ASSERTION_PRIVATE_KEY", "canary"),
            ("AUTH0_ACCESS_TOKEN", "canary"),
            ("TENANTRY_MAX_RPS", "3"),
        ];
        let acme = config(LIST, &variables).tenant(Some("acme")).unwrap();
        for secret in [&settings::CLIENT_SECRET, &settings::PRIVATE_KEY, &settings::ACCESS_TOKEN] {
            assert_eq!(acme.secret(secret).unwrap(), None);
        }
        assert_eq!(acme.text(&settings::DOMAIN).unwrap().as_deref(), Some("acme.example.com"));
        assert_eq!(acme.max_rps().unwrap(), Some(3.0));
    }

    #[test]
    fn an_object_for_a_program_says_which_tenant_it_is_of() {
        let acme = config(LIST, &[]).tenant(Some("acme")).unwrap();
        assert_eq!(
            acme.labelled(serde_json::json!({ "a": 1 })),
            serde_json::json!({ "a": 1, "tenant": "acme" })
        );
        assert_eq!(config("", &[]).labelled(serde_json::json!({})), serde_json::json!({}));
    }
}
