//! The frame of every page: head, navigation, switches for language and theme, the place where content comes.
//!
//! Holds no inline style and no inline script: the policy refuses both.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::address;
use super::reply::raw;
use super::visit::{Theme, Visit};
use super::words::Words;

/// A part of the console.
struct Section {
    path: &'static str,
    name: (&'static str, &'static str),
    /// Its picture, as the inside of an SVG of 24 by 24.
    icon: &'static str,
    /// The key that goes there after `g`.
    key: &'static str,
}

const SECTIONS: &[Section] = &[
    Section {
        path: "/",
        name: ("Overview", "概要"),
        icon: "<path d='M4 13h6V4H4zM14 20h6V4h-6zM4 20h6v-4H4z'/>",
        key: "o",
    },
    Section {
        path: "/insight",
        name: ("Insight", "インサイト"),
        icon: "<path d='M4 20V10M10 20V4M16 20v-7M21 20H3'/>",
        key: "i",
    },
    Section {
        path: "/detections",
        name: ("Detections", "検出"),
        icon: "<path d='M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM9 12l2 2 4-4'/>",
        key: "t",
    },
    Section {
        path: "/explore",
        name: ("Explore", "データ"),
        icon: "<path d='M4 5h16v14H4zM4 10h16M10 10v9'/>",
        key: "e",
    },
    Section { path: "/sql", name: ("SQL", "SQL"), icon: "<path d='M5 7l5 5-5 5M12 18h7'/>", key: "q" },
    Section {
        path: "/diagram",
        name: ("Diagram", "ER図"),
        icon: "<path d='M4 4h6v5H4zM14 15h6v5h-6zM7 9v4h10v2'/>",
        key: "r",
    },
    Section {
        path: "/syncs",
        name: ("Syncs", "同期"),
        icon: "<path d='M20 11a8 8 0 0 0-14.5-3.5L4 9M4 4v5h5M4 13a8 8 0 0 0 14.5 3.5L20 15M20 20v-5h-5'/>",
        key: "s",
    },
];

/// Only where there is a simulated tenant to play with.
const DEMO: Section = Section {
    path: "/demo",
    name: ("Demo", "デモ"),
    icon: "<path d='M9 3h6M10 3v6l-5 9a2 2 0 0 0 2 3h10a2 2 0 0 0 2-3l-5-9V3M7.5 15h9'/>",
    key: "d",
};

/// Everything before the content. The place of the content shows that it is being waited for until it comes.
pub(super) fn head(visit: &Visit, title: &str) -> Markup {
    let words = visit.words;
    let opened = html! {
        (DOCTYPE)
        (PreEscaped(format!("<html lang='{}' data-theme='{}'>", words.code(), visit.theme.code())))
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Tenantry" }
            link rel="icon" href=(address("icon.svg")) type="image/svg+xml";
            link rel="stylesheet" href=(address("uPlot.min.css"));
            link rel="stylesheet" href=(address("console.css"));
            script defer src=(address("uPlot.iife.min.js")) {}
            script defer src=(address("charts.js")) {}
            script defer src=(address("console.js")) {}
        }
        (raw("<body>"))
        a.skip href="#content" { (words.say("Skip to content", "本文へ移動")) }
        (side(visit))
        (raw("<div class='page'>"))
        header.top {
            h1 { (title) }
            (switches(visit))
        }
        div.waiting role="status" {
            span.hidden-text { (words.say("Loading", "読み込み中")) }
            span.bone {} span.bone {} span.bone {}
        }
    };
    opened
}

/// The content, or the first part of it. More may follow until [`closed`].
pub(super) fn opened(content: &Markup) -> Markup {
    html! { (raw("<main id='content' tabindex='-1'>")) (content) }
}

/// The end of the content, and everything behind it.
pub(super) fn closed() -> Markup {
    html! { span.is-all hidden {} (raw("</main></div></body></html>")) }
}

/// A page for somebody who is not let in.
pub(super) fn door(words: Words, title: &str, text: &str, form: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.code()) data-theme=(Theme::System.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Tenantry" }
                link rel="icon" href=(address("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(address("console.css"));
            }
            body.door {
                main {
                    (brand())
                    h1 { (title) }
                    p { (text) }
                    (form)
                }
            }
        }
    }
}

fn brand() -> Markup {
    html! {
        span.brand {
            svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
                (raw("<path class='brand-a' d='M3 5h18v4H3z'/><path class='brand-b' d='M10 9h4v11h-4z'/>"))
            }
            "Tenantry"
        }
    }
}

fn side(visit: &Visit) -> Markup {
    let words = visit.words;
    let facts = &visit.console.facts;
    html! {
        div.side {
            (brand())
            nav aria-label=(words.say("Sections", "セクション")) {
                @for section in sections(visit) {
                    @let here = is_here(&visit.path, section.path);
                    a href=(section.path) aria-current=[here.then_some("page")] data-key=(section.key) {
                        svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" { (raw(section.icon)) }
                        span { (words.say(section.name.0, section.name.1)) }
                    }
                }
            }
            dl.about {
                @if let Some(tenant) = facts.tenant.as_deref() {
                    dt { (words.say("Tenant", "テナント")) }
                    dd { (tenant) }
                }
                dt { (words.say("Destination", "保存先")) }
                dd { (facts.destination) }
            }
        }
    }
}

fn sections(visit: &Visit) -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().chain(visit.console.stage.as_ref().map(|_| &DEMO))
}

fn is_here(path: &str, section: &str) -> bool {
    if section == "/" { path == "/" } else { path == section || path.starts_with(&format!("{section}/")) }
}

/// Language and theme, as forms: they work without a script.
fn switches(visit: &Visit) -> Markup {
    let words = visit.words;
    let theme = match visit.theme {
        Theme::System => Theme::Light,
        Theme::Light => Theme::Dark,
        Theme::Dark => Theme::System,
    };
    let (now, icon) = match visit.theme {
        Theme::System => (words.say("as the system", "システム"), "<path d='M4 5h16v11H4zM9 20h6M12 16v4'/>"),
        Theme::Light => (
            words.say("light", "ライト"),
            "<circle cx='12' cy='12' r='4'/><path d='M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2'/>",
        ),
        Theme::Dark => (words.say("dark", "ダーク"), "<path d='M20 14A8 8 0 1 1 10 4a7 7 0 0 0 10 10z'/>"),
    };
    let (other, label) = match words.code() {
        "en" => ("ja", "日本語"),
        _ => ("en", "English"),
    };
    html! {
        div.switches {
            form method="post" action="/choose" {
                (word(visit))
                input type="hidden" name="back" value=(visit.here());
                button.quiet type="submit" name="language" value=(other) lang=(other) { (label) }
                button.quiet.icon type="submit" name="theme" value=(theme.code())
                    title={ (words.say("Theme: ", "テーマ：")) (now) } aria-label={ (words.say("Theme: ", "テーマ：")) (now) } {
                    svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" { (raw(icon)) }
                }
            }
        }
    }
}

/// The word that a form of this session carries.
pub(super) fn word(visit: &Visit) -> Markup {
    html! { input type="hidden" name="word" value=(visit.session.word); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_section_is_in_it() {
        assert!(is_here("/", "/") && !is_here("/explore", "/"));
        assert!(is_here("/explore/x", "/explore") && !is_here("/explorer", "/explore"));
    }
}
