//! Environment, project file and flags, and secrets that never show.

use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET};

use crate::harness::{Place, Tenant};

const CANARY: &str = "canary-0a1b2c3d4e5f";

#[test]
fn nothing_set_names_everything_that_is_missing() {
    insta::assert_snapshot!(Place::new().run(&["sync"]).exits(2).err, @r"
    error: no tenant to read: AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET not set

    hint: set them to the values of a machine-to-machine application of the tenant that is authorized for the Auth0 Management API
    hint: `tenantry --help` lists every variable; `tenantry demo` needs none of them
    ");
}

#[test]
fn a_domain_that_is_none_is_refused() {
    for domain in [
        "http://acme.eu.auth0.com",
        "https://user:pass@acme.eu.auth0.com",
        "acme.eu.auth0.com/api",
        "ftp://acme",
        " ",
    ] {
        let place = Place::new()
            .with("AUTH0_DOMAIN", domain)
            .with("AUTH0_CLIENT_ID", "a")
            .with("AUTH0_CLIENT_SECRET", "b");
        let wrong = place.run(&["sync"]).exits(2);
        assert!(
            wrong.err.starts_with("error: AUTH0_DOMAIN is no domain of a tenant"),
            "{domain}: {}",
            wrong.err
        );
        assert!(!wrong.err.contains("user:pass"), "{}", wrong.err);
    }
}

#[test]
fn an_unknown_key_in_the_project_file_is_refused() {
    let place = Place::new();
    place.write("tenantry.toml", "[tenant]\ndomian = 'acme.eu.auth0.com'\n");
    insta::assert_snapshot!(place.run(&["status"]).exits(2).err, @r"
    error: tenantry.toml: unknown key `tenant.domian`

    hint: did you mean `tenant.domain`?
    ");
    place.write("tenantry.toml", "[tenant\n");
    assert!(
        place.run(&["status"]).exits(2).err.starts_with("error: tenantry.toml: TOML parse error at line 1")
    );
    let elsewhere = Place::new().with("TENANTRY_CONFIG", "missing.toml");
    assert!(elsewhere.run(&["status"]).exits(2).err.starts_with("error: read missing.toml: "));
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let place = Place::new();
    place.write("tenantry.toml", "[destination]\nurl = 'duckdb:of-file.duckdb'\n");
    assert!(place.run(&["status"]).exits(5).err.contains("of-file.duckdb"));
    let place = place.with("TENANTRY_DESTINATION", "duckdb:of-environment.duckdb");
    assert!(place.run(&["status"]).exits(5).err.contains("of-environment.duckdb"));
    assert!(
        place
            .run(&["status", "--destination", "duckdb:of-flag.duckdb"])
            .exits(5)
            .err
            .contains("of-flag.duckdb")
    );
}

#[test]
fn a_tenant_can_be_named_by_the_project_file_with_its_secret_in_another() {
    let tenant = Tenant::small();
    let place = Place::new();
    let secret = place.write("secret", &format!("{CLIENT_SECRET}\n"));
    let domain = tenant.server.url();
    place.write(
        "tenantry.toml",
        &format!("[tenant]\ndomain = '{domain}'\nclient_id = '{CLIENT_ID}'\nclient_secret_file = 'secret'\n"),
    );
    let checked = place.run(&["check"]).exits(0);
    assert!(checked.out.contains("tenantry.toml read"), "{}", checked.out);
    let place = Place::of(&tenant)
        .with("AUTH0_CLIENT_SECRET", "")
        .with("AUTH0_CLIENT_SECRET_FILE", secret.to_str().unwrap());
    place.run(&["check"]).exits(0);
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("AUTH0_CLIENT_SECRET", "").with("AUTH0_CLIENT_SECRET_FILE", "secret");
    let path = place.write("secret", CLIENT_SECRET);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = place.run(&["check"]).exits(0);
    assert!(
        open.err.contains("warning: secret can be read by other users of this machine: chmod 600 secret"),
        "{}",
        open.err
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(place.run(&["check"]).exits(0).err, "");
}

#[test]
fn secrets_are_in_no_output() {
    let tenant = Tenant::small();
    let key = "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----");
    let places = [
        Place::of(&tenant).with("AUTH0_CLIENT_SECRET", CANARY),
        Place::of(&tenant).with("AUTH0_ACCESS_TOKEN", CANARY),
        Place::of(&tenant).with("AUTH0_ACCESS_TOKEN", CANARY).with("AUTH0_API_TOKEN", "another"),
        Place::of(&tenant).with(key, &pem),
        Place::of(&tenant).with("AUTH0_CLIENT_SECRET_FILE", "secret").with("AUTH0_CLIENT_SECRET", "another"),
    ];
    for place in places {
        place.write("secret", CANARY);
        for arguments in [
            &["sync"][..],
            &["sync", "--json"],
            &["check"],
            &["check", "--json"],
            &["sync", "--help"],
            &["status"],
        ] {
            let ran = place.run(arguments);
            assert!(
                ran.code != 0 || !matches!(arguments, ["sync" | "check"]),
                "wrong credentials must not work: {arguments:?}"
            );
            assert!(!ran.out.contains(CANARY) && !ran.err.contains(CANARY), "{arguments:?}: {ran:?}");
        }
    }
}

#[test]
fn the_configuration_is_shown_with_its_origin_and_without_secrets() {
    let place = Place::new()
        .with("AUTH0_DOMAIN", "acme.eu.auth0.com")
        .with("AUTH0_CLIENT_SECRET", CANARY)
        .with("AUTH0_ACCESS_TOKEN", CANARY);
    place.write("tenantry.toml", "[tenant]\nclient_id = 'app'\n[sync]\nexclude = ['a', 'b']\n");
    let shown = place.run(&["config", "show", "--origin"]).exits(0);
    for line in [
        ["tenant.domain", "acme.eu.auth0.com", "variable AUTH0_DOMAIN"],
        ["tenant.client_id", "app", "tenantry.toml: tenant.client_id"],
        ["tenant.client_secret_file", "***", "variable AUTH0_CLIENT_SECRET"],
        ["sync.exclude", "a b", "tenantry.toml: sync.exclude"],
        ["sync.leave", "20%", "default"],
        ["sync.max_rps", "-", "not set"],
    ] {
        let is_it = |shown: &str| line.iter().all(|part| shown.contains(part));
        assert!(shown.out.lines().any(is_it), "{line:?}: {}", shown.out);
    }
    let json = place.run(&["config", "show", "--json"]).exits(0);
    assert_eq!(json.json()["settings"][0]["value"], "acme.eu.auth0.com");
    assert!(!format!("{}{}{}", shown.out, json.out, json.err).contains(CANARY));
}
