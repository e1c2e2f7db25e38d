//! What holds of flags, environment and project file together.

use std::io::Write as _;

use tenantry_replication::source::auth0::LEAVE;
use tenantry_replication::sync::{FULL_EVERY, UNTOLD_EVERY};

use super::*;

fn said(error: &CommandError) -> String {
    error.render(str::to_owned)
}

#[test]
fn flags_go_before_the_environment() {
    let config = Config::of(&[("TENANTRY_DESTINATION", "duckdb:a"), ("TENANTRY_SELECT", "x  y")]);
    assert_eq!(config.destination(Some("duckdb:b")).unwrap(), "duckdb:b");
    assert_eq!(config.destination(None).unwrap(), "duckdb:a");
    assert_eq!(config.words(&settings::SELECT, &[]), ["x", "y"]);
    assert_eq!(config.words(&settings::SELECT, &["z".into()]), ["z"]);
    assert_eq!(Config::of(&[]).destination(None).unwrap(), "duckdb:tenantry.duckdb");
}

#[test]
fn two_names_for_one_thing_must_agree() {
    let same = Config::of(&[("AUTH0_ACCESS_TOKEN", "a"), ("AUTH0_API_TOKEN", "a")]);
    assert_eq!(same.secret(&settings::ACCESS_TOKEN).unwrap().as_deref(), Some("a"));
    let differing = Config::of(&[("AUTH0_ACCESS_TOKEN", "canary"), ("AUTH0_API_TOKEN", "other")]);
    let error = said(&differing.secret(&settings::ACCESS_TOKEN).unwrap_err());
    assert!(error.contains("AUTH0_ACCESS_TOKEN and AUTH0_API_TOKEN are both set"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn a_secret_can_come_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret").unwrap();
    let path = file.path().to_str().unwrap();
    let config = Config::of(&[("AUTH0_CLIENT_SECRET_FILE", path), ("AUTH0_CLIENT_SIGNING_KEY_PATH", path)]);
    assert_eq!(config.secret(&settings::CLIENT_SECRET).unwrap().as_deref(), Some("s3cret"));
    assert_eq!(config.secret(&settings::PRIVATE_KEY_PATH).unwrap().as_deref(), Some("s3cret"));
    let missing = Config::of(&[("AUTH0_CLIENT_SECRET_FILE", "/no/such/file")]);
    assert!(said(&missing.secret(&settings::CLIENT_SECRET).unwrap_err()).contains("/no/such/file"));
}

#[test]
fn the_log_is_kept_as_the_plan_or_the_operator_says() {
    let days = |days: u64| Some(Duration::from_hours(24 * days));
    assert_eq!(Config::of(&[]).retention(None).unwrap(), None);
    assert_eq!(Config::of(&[("TENANTRY_PLAN", "professional")]).retention(None).unwrap(), days(10));
    let both = Config::of(&[("TENANTRY_PLAN", "free"), ("TENANTRY_RETENTION", "3d")]);
    assert_eq!(both.retention(None).unwrap(), days(3));
    assert_eq!(both.retention(days(2)).unwrap(), days(2));
    let error = said(&Config::of(&[("TENANTRY_PLAN", "gold")]).retention(None).unwrap_err());
    assert!(error.contains("TENANTRY_PLAN must be free, essentials"), "{error}");
}

#[test]
fn defaults_hold_where_nothing_is_said_and_are_those_of_the_libraries() {
    let config = Config::of(&[]);
    assert_eq!(settings::CONFIG.default, Some(FILE));
    assert_eq!(config.shown(&settings::DOMAIN).unwrap(), None);
    assert_eq!(config.leave().unwrap(), Some(LEAVE));
    assert_eq!(config.every(&settings::FULL_EVERY).unwrap(), FULL_EVERY);
    assert_eq!(config.every(&settings::UNTOLD_EVERY).unwrap(), UNTOLD_EVERY);
    assert!(config.every(&settings::RETENTION).is_err(), "it has no default");
}

#[test]
fn settings_are_shown_with_their_origin_and_secrets_are_not() {
    let config = Config::of(&[("AUTH0_CLIENT_SECRET", "canary"), ("AUTH0_DOMAIN", "acme.eu.auth0.com")]);
    let shown = |setting| config.shown(setting).unwrap().unwrap();
    assert_eq!(shown(&settings::CLIENT_SECRET).0, "***");
    let (value, origin) = shown(&settings::DOMAIN);
    assert_eq!((&*value, &*origin.to_string()), ("acme.eu.auth0.com", "variable AUTH0_DOMAIN"));
    assert_eq!(shown(&settings::LEAVE), ("20%".to_owned(), Origin::Default));
    let file = Config::of(&[("AUTH0_CLIENT_SECRET_FILE", "/run/secret")]);
    assert_eq!(file.shown(&settings::CLIENT_SECRET).unwrap().unwrap().0, "/run/secret");
}

#[test]
fn debug_output_holds_no_values() {
    let config = Config::of(&[("AUTH0_CLIENT_SECRET", "canary")]);
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn numbers_are_checked() {
    assert_eq!(Config::of(&[]).timeout().unwrap(), Duration::from_secs(90));
    assert!(Config::of(&[("TENANTRY_TIMEOUT", "0s")]).timeout().is_err());
    assert_eq!(Config::of(&[]).streams_at_once().unwrap(), 4);
    assert!(Config::of(&[("TENANTRY_STREAMS_AT_ONCE", "0")]).streams_at_once().is_err());
    assert_eq!(Config::of(&[("TENANTRY_STREAMS_AT_ONCE", "8")]).streams_at_once().unwrap(), 8);
    for (text, share) in [("20%", Some(0.2)), ("0.5", Some(0.5)), ("96%", None), ("-1", None), ("NaN", None)]
    {
        assert_eq!(Config::of(&[("TENANTRY_LEAVE", text)]).leave().ok(), share.map(Some), "{text}");
    }
    for (text, seconds) in [
        ("90s", Some(90)),
        ("12h", Some(43_200)),
        ("7d", Some(604_800)),
        ("h", None),
        ("1", None),
        ("-1h", None),
        ("1.5h", None),
    ] {
        let read = Config::of(&[("TENANTRY_FULL_EVERY", text)]).duration(&settings::FULL_EVERY).ok();
        assert_eq!(read, seconds.map(|seconds| Some(Duration::from_secs(seconds))), "{text}");
    }
    assert_eq!(Config::of(&[("TENANTRY_MAX_RPS", "1.5")]).max_rps().unwrap(), Some(1.5));
    assert!(Config::of(&[("TENANTRY_MAX_RPS", "inf")]).max_rps().is_err());
}

#[test]
fn a_server_that_merges_is_for_tables_that_are_files() {
    let config = Config::of(&[
        ("TENANTRY_MERGE_WITH", "sc://one.example.com"),
        ("SPARK_CONNECT_AUTHENTICATE_TOKEN", "canary"),
    ]);
    let said = config.surroundings("delta:lake").unwrap();
    assert_eq!(said.get("TENANTRY_MERGE_WITH"), Some("sc://one.example.com"));
    assert_eq!(said.get("SPARK_CONNECT_AUTHENTICATE_TOKEN"), Some("canary"));
    assert_eq!(config.surroundings("duckdb:a.duckdb").unwrap().get("TENANTRY_MERGE_WITH"), None);
    let config = config.merging_with(Some("sc://two.example.com"));
    let said = config.surroundings("delta:lake").unwrap();
    assert_eq!(said.get("TENANTRY_MERGE_WITH"), Some("sc://two.example.com"), "a flag wins");
    assert!(config.surroundings("duckdb:a.duckdb").is_err(), "a flag that means nothing is refused");
}
