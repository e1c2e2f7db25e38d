//! The console in a real browser: the scripts beside this file open it, look at each page, and judge.
//!
//! The browser and its driver are installed by `make setup`; where they are absent this says so and passes, unless
//! `TENANTRY_REQUIRE_CLIENTS` is set.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Request};

use crate::harness::{Place, Tenant};
use crate::served::Served;

/// A name that would run, were it not escaped.
const HOSTILE: &str = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>";

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to ask where tools are installed")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where `make setup` installs the driver, or nothing, said aloud.
fn installed() -> Option<PathBuf> {
    let cache = variable("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/tenantry")));
    let browser = cache.unwrap_or_default().join("browser");
    if browser.join("node_modules/playwright-core").exists() && browser.join("chromium").exists() {
        return Some(browser);
    }
    assert!(
        variable("TENANTRY_REQUIRE_CLIENTS").is_none(),
        "the browser's driver is not installed: run make setup"
    );
    let _ = writeln!(std::io::stderr(), "SKIPPED: the browser's driver is not installed: run make setup");
    None
}

/// A request to the tenant's own API.
fn call(tenant: &Tenant, method: &str, path: &str, body: &Value) -> Value {
    let simulation = tenant.server.simulation();
    let mut simulation = simulation.lock().unwrap();
    let now = simulation.now();
    let mut token = Request::new("POST", "/oauth/token").header("content-type", "application/json");
    token.body = json!({ "grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "audience": format!("{}/api/v2/", tenant.server.url()) })
        .to_string()
        .into_bytes();
    let token = simulation.handle(&token, now).json()["access_token"].as_str().expect("a token").to_owned();
    let mut request = Request::new(method, path)
        .header("authorization", &format!("Bearer {token}"))
        .header("content-type", "application/json");
    request.body = body.to_string().into_bytes();
    let answer = simulation.handle(&request, now);
    assert!(answer.status < 300, "{method} {path}: {}", answer.status);
    answer.json()
}

#[test]
fn the_console_is_usable_in_a_browser_and_lets_nothing_of_the_tenant_run() {
    let Some(browser) = installed() else { return };
    let tenant = Tenant::of(Config { users: 120, logs: 600, organizations: 6, ..Tenant::config() });
    let users = call(&tenant, "GET", "/api/v2/users?per_page=1", &Value::Null);
    let user = users[0]["user_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v2/users/{}", user.replace('|', "%7C"));
    call(&tenant, "PATCH", &path, &json!({ "name": HOSTILE, "app_metadata": { HOSTILE: HOSTILE } }));

    let place = Place::of(&tenant);
    let served = Served::start(&place, &[]);
    let said =
        watched(&browser, "look.mjs", &[("CONSOLE_LINK", &served.link), ("CONSOLE_HOSTILE_USER", &user)]);
    assert!(said.lines().any(|line| line.starts_with("looked at ")), "{said}");
}

/// Runs a script of the browser to its good end, and gives what it said.
#[track_caller]
fn watched(browser: &Path, script: &str, variables: &[(&str, &str)]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/browser").join(script);
    let output = Command::new("node")
        .arg(script)
        .env("BROWSER_HOME", browser)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    said
}

#[test]
fn a_password_lets_a_browser_of_the_network_in_and_a_wrong_one_does_not() {
    let Some(browser) = installed() else { return };
    let place = Place::new();
    place.run(&["demo", "--users", "40", "--logs", "200", "--no-console"]).exits(0);
    let file = place.write("password", "correct horse\n");
    let name = "console.example.com";
    let served = Served::start(
        &place,
        &["--no-sync", "--listen", "0.0.0.0", "--host", name, "--password-file", file.to_str().unwrap()],
    );
    let port = served.host.rsplit(':').next().unwrap();
    let base = format!("http://{name}:{port}");
    let said =
        watched(&browser, "login.mjs", &[("CONSOLE_BASE", &base), ("CONSOLE_PASSWORD", "correct horse")]);
    assert_eq!(said.trim(), "signed in");
    let messages = std::fs::read_to_string(place.path("messages")).unwrap();
    assert!(messages.contains("unencrypted"), "it does not say what it opens: {messages}");
}

#[test]
fn the_demos_scenes_are_watched_as_they_arrive() {
    let Some(browser) = installed() else { return };
    let place = Place::new();
    let mut demo = place.command(&["demo", "--port", "0", "--users", "200", "--logs", "1000"]);
    let served = Served::of(&mut demo, &place);
    let said = watched(&browser, "demo.mjs", &[("CONSOLE_LINK", &served.link)]);
    assert_eq!(said.trim(), "watched 4 scenes");
}
