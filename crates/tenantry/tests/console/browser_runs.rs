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
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/browser/look.mjs");
    let output = Command::new("node")
        .arg(script)
        .env("CONSOLE_LINK", &served.link)
        .env("CONSOLE_HOSTILE_USER", &user)
        .env("BROWSER_HOME", &browser)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.lines().any(|line| line.starts_with("looked at ")), "{said}");
}
