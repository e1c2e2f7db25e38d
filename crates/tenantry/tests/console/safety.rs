//! What the console refuses, asked over the wire.

use crate::harness::{Place, Tenant};
use crate::served::{Served, encoded};

/// A console over a filled destination that syncs nothing.
fn shown(place: &Place) -> Served {
    place.run(&["demo", "--users", "40", "--logs", "200", "--no-console"]).exits(0);
    Served::start(place, &["--no-sync"])
}

#[test]
fn nothing_is_shown_to_whoever_was_not_let_in() {
    let place = Place::new();
    let served = shown(&place);
    for path in [
        "/",
        "/explore",
        "/explore/users",
        "/sql?q=select+1",
        "/syncs",
        "/syncs/events",
        "/sql/export?q=select+1&as=csv",
    ] {
        let answer = served.get_with(path, &[]);
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            !answer.body.contains("demo") && !answer.body.contains("duckdb"),
            "{path} tells of the tenant: {}",
            answer.body
        );
    }
    assert_eq!(served.get_with("/open?token=guess", &[]).status, 401);
    assert_eq!(served.get_with("/open", &[]).status, 401);
    let served = served.open();
    assert_eq!(served.get("/").status, 200);
    let path = served.link.split_once(&served.host).unwrap().1.to_owned();
    assert_eq!(served.get_with(&path, &[]).status, 401, "the link opens once");
}

#[test]
fn other_names_and_other_sites_are_refused_even_with_the_cookie() {
    let place = Place::new();
    let served = shown(&place).open();
    let cookie = served.cookie().to_owned();
    let with = |headers: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        served.send("GET", "/", &all, "").status
    };
    let port = served.host.split(':').nth(1).unwrap().to_owned();
    assert_eq!(with(&[("host", "attacker.example.com")]), 421);
    assert_eq!(with(&[("host", &format!("attacker.example.com:{port}"))]), 421);
    assert_eq!(with(&[("host", "127.0.0.1")]), 421);
    assert_eq!(with(&[("host", &format!("localhost:{port}"))]), 200);
    assert_eq!(with(&[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(with(&[("sec-fetch-site", "same-site")]), 403, "another port of this machine is another site");
    assert_eq!(with(&[("sec-fetch-site", "none")]), 200);
}

#[test]
fn a_form_is_taken_from_our_own_pages_alone() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    let served = Served::start(&place, &[]).open();
    let cookie = served.cookie().to_owned();
    let post = |headers: &[(&str, &str)], body: &str| {
        let all: Vec<(&str, &str)> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        served.send("POST", "/syncs", &all, body).status
    };
    assert_eq!(post(&[("sec-fetch-site", "cross-site")], "what=resync"), 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")], "what=resync"), 403);
    assert_eq!(post(&[("sec-fetch-site", "none")], "what=resync"), 403);
    assert_eq!(post(&[], "what=resync"), 403, "it says from nowhere that it is ours");
    assert_eq!(post(&[("origin", "http://attacker.example.com")], "what=resync"), 403);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")], "what=resync"), 403, "it lacks the word");
    assert_eq!(post(&[("sec-fetch-site", "same-origin")], "what=resync&word=guess"), 403);
    assert_eq!(served.send("POST", "/syncs", &[("sec-fetch-site", "same-origin")], "what=sync").status, 401);
    assert_eq!(
        served.send("DELETE", "/syncs", &[("cookie", &cookie), ("sec-fetch-site", "same-origin")], "").status,
        405
    );
    assert_eq!(served.post("/syncs", "what=sync").status, 303);
}

#[test]
fn pages_allow_no_inline_script_no_frame_and_no_other_host() {
    let place = Place::new();
    let served = shown(&place).open();
    for path in ["/", "/explore", "/sql", "/nowhere", "/assets/console.js", "/syncs/events?x"] {
        if path.starts_with("/syncs") {
            // Its answer has no end.
            continue;
        }
        let answer = served.get(path);
        let policy = &answer.headers["content-security-policy"];
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        assert!(
            !answer.body.contains("<script>")
                && !answer.body.contains(" style=\"")
                && !answer.body.contains(" onclick"),
            "{path}"
        );
    }
    assert_eq!(served.get("/").headers["cache-control"], "no-store");
}

#[test]
fn an_address_of_the_network_needs_a_password() {
    let place = Place::new();
    place.run(&["demo", "--users", "20", "--logs", "50", "--no-console"]).exits(0);
    let refused = place.run(&["serve", "--no-sync", "--port", "0", "--listen", "0.0.0.0"]).exits(2);
    assert!(refused.err.contains("needs a password"), "{}", refused.err);
    let file = place.write("password", "correct horse\n");
    let file = file.to_str().unwrap();
    let unnamed = place
        .run(&["serve", "--no-sync", "--port", "0", "--listen", "0.0.0.0", "--password-file", file])
        .exits(2);
    assert!(unnamed.err.contains("--host"), "{}", unnamed.err);
    let served = Served::start(&place, &["--no-sync", "--password-file", file]);
    let login = |body: &str| served.send("POST", "/login", &[("sec-fetch-site", "same-origin")], body);
    assert_eq!(login("password=wrong").status, 401);
    let answer = login("password=correct+horse");
    assert_eq!(answer.status, 303);
    let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
    assert_eq!(served.get_with("/", &[("cookie", &cookie)]).status, 200);
}

#[test]
fn questions_in_sql_neither_write_nor_reach_outside() {
    let place = Place::new();
    let served = shown(&place).open();
    let ask = |sql: &str| served.page(&format!("/sql?q={}", encoded(sql)));
    assert!(ask("select 40 + 2 as answer").contains(">42<"));
    for sql in [
        "drop table auth0.users",
        "delete from auth0.users",
        "create table x as select 1",
        "select 1; drop table auth0.users",
        "copy auth0.users to 'x.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "attach 'other.duckdb'",
        "set enable_external_access = true",
        "install httpfs",
        "pragma database_list",
    ] {
        let page = ask(sql);
        assert!(page.contains("class=\"notice is-bad\""), "{sql} was not refused: {page}");
    }
    assert!(!ask("select count(*) as users from auth0.users").contains("notice is-bad"));
}

#[test]
fn sensitive_values_do_not_reach_the_browser_until_they_are_asked_for() {
    let place = Place::new();
    let served = shown(&place).open();
    let code = place
        .run(&["sql", "--format", "json", "select code from auth0.action where length(code) > 20 limit 1"])
        .exits(0)
        .json();
    let code = code[0]["code"].as_str().unwrap();
    // Not its beginning: that is a comment with the action's name, which is no secret.
    let (_, code) = code.split_once("exports").unwrap();
    let part: String = code.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let holds =
        |page: &str| page.chars().filter(char::is_ascii_alphanumeric).collect::<String>().contains(&part);
    for path in ["/explore/action", "/sql?q=select+code+from+auth0.action"] {
        assert!(!holds(&served.page(path)), "{path} shows it unasked");
        let sign = if path.contains('?') { '&' } else { '?' };
        assert!(holds(&served.page(&format!("{path}{sign}reveal=1"))), "{path} does not show it when asked");
    }
    let export = "/sql/export?as=csv&q=select+code+from+auth0.action";
    let refused = served.get(export);
    assert!(refused.status == 400 && !holds(&refused.body), "it is exported unasked");
    assert!(holds(&served.page(&format!("{export}&reveal=1"))), "it is not exported when asked");
    assert!(!served.page("/sql?q=select+code+from+auth0.action").contains("/sql/export"));
}
