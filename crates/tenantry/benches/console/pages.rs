//! Every page of the console, and those of them that are hardest.

use tenantry_insight::{CHECKS, DETECTIONS, QUESTIONS};

/// A page that is measured.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: String,
}

fn page(name: &str, path: &str) -> Page {
    Page { name: name.to_owned(), path: path.to_owned() }
}

/// All of them, in the order in which they are measured. A path `first of PAGE` is that of the first row there.
pub(crate) fn all(users: u64, logs: u64) -> Vec<Page> {
    let mut pages = vec![
        page("overview", "/"),
        page("what an alert means", "/explain/gap"),
        page("syncs", "/syncs"),
        page("a run", "/syncs/1"),
        page("diagram", "/diagram"),
        page("explore", "/explore"),
    ];
    pages.extend(rows(users, logs));
    pages.extend([
        page("SQL: the form", "/sql"),
        page("SQL: names to complete", "/sql/names"),
        page("SQL: events by type", "/sql?q=select+type%2Ccount%28%2A%29+from+auth0.logs+group+by+1"),
        page(
            "SQL: events by type as CSV",
            "/sql/export?as=csv&q=select+type%2Ccount%28%2A%29+from+auth0.logs+group+by+1",
        ),
    ]);
    pages.push(page("insight", "/insight"));
    pages.push(page("insight, 7 days", "/insight?days=7"));
    for question in QUESTIONS {
        let id = question.id;
        pages.push(page(&format!("insight/{id}"), &format!("/insight/{id}")));
        if question.takes.time {
            pages.push(page(&format!("insight/{id}, 90 days"), &format!("/insight/{id}?days=90")));
        }
        if question.takes.client {
            // Nobody has asked for this one before, and nothing of it was prepared.
            pages.push(page(
                &format!("insight/{id}, one client"),
                &format!("/insight/{id}?client=nobody-{id}"),
            ));
        }
    }
    pages.push(page("detections", "/detections"));
    for days in [7, 90] {
        pages.push(page(&format!("detections, {days} days"), &format!("/detections?days={days}")));
    }
    let ids = DETECTIONS.iter().map(|one| one.id).chain(CHECKS.iter().map(|one| one.id));
    pages.extend(ids.map(|id| page(&format!("detections/{id}"), &format!("/detections/{id}"))));
    pages
}

/// Tables page by page, filtered, sorted and from their middle, and rows with what belongs to them.
fn rows(users: u64, logs: u64) -> Vec<Page> {
    let middle = users / 2;
    let half_way = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 45 * 86_400).unwrap();
    let at = |text: String| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let by_key = at(format!(r#"{{"by":null,"key":["auth0|{middle:07}"],"before":false}}"#));
    let by_email =
        at(format!(r#"{{"by":"user{middle}@example.com","key":["auth0|{middle:07}"],"before":false}}"#));
    let by_date = at(format!(r#"{{"by":"{half_way}","key":["900{:021}"],"before":false}}"#, logs / 2));
    let user = at(format!(r#"["auth0|{middle:07}"]"#));
    let event = at(format!(r#"["900{:021}"]"#, 77_777));
    let mut pages = vec![
        page("users by key", "/explore/users"),
        page("users by key, from the middle on", &format!("/explore/users?at={by_key}")),
        page("users by email, from the middle on", &format!("/explore/users?by=email&at={by_email}")),
        page("users by last login, descending", "/explore/users?by=last_login&down=1"),
        page("users whose email contains a text", "/explore/users?w=email%7Ehas%7E12345"),
        page("users who are blocked, by email", "/explore/users?w=blocked%7Eis%7Etrue&by=email"),
        page("identities by provider", "/explore/user_identities?by=provider"),
        page("log events, newest first", "/explore/logs"),
        page("log events, from the middle on", &format!("/explore/logs?at={by_date}")),
        page("log events by IP address", "/explore/logs?by=ip"),
        page("log events of one type", "/explore/logs?w=type%7Eis%7Efp"),
        page("log events of one user", &format!("/explore/logs?w=user_id%7Eis%7Eauth0%7C{middle:07}")),
        page("log events of one IP address", "/explore/logs?w=ip%7Eis%7E198.51.100.7"),
        page("log events whose user agent contains a text", "/explore/logs?w=user_agent%7Ehas%7Enowhere"),
        page("one user with all that belongs to it", &format!("/explore/users/row?key={user}")),
        page("one log event", &format!("/explore/logs/row?key={event}")),
    ];
    for table in ["client", "organization", "action"] {
        pages.push(page(&format!("{table}s"), &format!("/explore/{table}")));
        pages.push(page(
            &format!("one {table} with all that belongs to it"),
            &format!("first of /explore/{table}"),
        ));
    }
    pages
}
