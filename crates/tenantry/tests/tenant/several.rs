//! Several tenants in one project file: each has its turn and its own schema in the same warehouse, whatever becomes of the others.

use std::fs;

use serde_json::Value;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config};

use crate::small;
use crate::world::{Kind, World};

/// Runs a command, and gives its exit code, the objects on stdout and what stands on stderr.
fn run(world: &World, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let output = world.command(arguments).output().unwrap();
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), objects.collect(), messages)
}

fn of(tenant: &str, objects: &[Value]) -> Value {
    objects.iter().find(|object| object["tenant"] == tenant).unwrap().clone()
}

/// Two tenants, and between them one that refuses the credentials.
fn several(kind: Kind) {
    let [acme, beta] = [11, 12].map(|seed| World::start(Config { seed, ..small() }).into(kind));
    let section = |name: &str, domain: &str, secret: &str| {
        fs::write(acme.folder().join(format!("{name}.secret")), secret).unwrap();
        format!(
            "[tenants.{name}]\ndomain = '{domain}'\nclient_id = '{CLIENT_ID}'\nclient_secret_file = '{name}.secret'\n"
        )
    };
    let list = [
        section("acme", acme.domain(), CLIENT_SECRET),
        section("away", beta.domain(), "not-its-secret"),
        section("beta", beta.domain(), CLIENT_SECRET),
    ];
    fs::write(acme.folder().join("tenantry.toml"), list.concat()).unwrap();

    let (code, reports, messages) = run(&acme, &["sync", "--json"]);
    assert_eq!(code, 3, "{messages}");
    assert_eq!(of("acme", &reports)["outcome"], "done", "{messages}");
    assert_eq!(of("away", &reports)["outcome"], "credentials", "{messages}");
    assert_eq!(of("beta", &reports)["outcome"], "done", "{messages}");
    let rows = |schema: &str| {
        let sql = format!("SELECT count(*) FROM {schema}.users WHERE NOT _fivetran_deleted");
        let rows = acme.try_query(&sql).unwrap();
        rows[0].as_object().unwrap().values().next().unwrap().as_u64().unwrap()
    };
    let held = |world: &World| world.truth()["users"].len() as u64;
    assert_eq!([rows("auth0_acme"), rows("auth0_beta")], [held(&acme), held(&beta)]);

    // Each goes on from its own checkpoint: nothing changed.
    let (code, reports, messages) = run(&acme, &["sync", "--json", "--tenant", "beta"]);
    assert_eq!((code, reports.len()), (0, 1), "{messages}");
    let totals = &of("beta", &reports)["totals"];
    assert_eq!([&totals["inserted"], &totals["deleted"]].map(Value::as_u64), [Some(0), Some(0)], "{totals}");
    let (code, _, messages) = run(&acme, &["sync", "--follow"]);
    assert_eq!(code, 2, "{messages}");
    assert!(messages.contains("--tenant: acme, away, beta"), "{messages}");
}

#[test]
fn one_tenant_that_fails_keeps_no_other_from_its_turn() {
    several(Kind::DuckDb);
}

#[test]
fn several_tenants_share_a_database() {
    several(Kind::Postgres);
}

#[cfg(feature = "bigquery")]
#[test]
fn several_tenants_share_a_bigquery_project() {
    several(Kind::BigQuery);
}

#[cfg(feature = "snowflake")]
#[test]
fn several_tenants_share_a_snowflake_database() {
    several(Kind::Snowflake);
}

#[cfg(feature = "delta")]
#[test]
fn several_tenants_share_a_lake() {
    several(Kind::Delta);
}
