//! Every table with what a row of it is, in the order of its streams.

use maud::html;
use tenantry_replication::catalog::CATALOG;

use super::super::reply::Content;
use super::super::visit::Visit;
use crate::terminal::text;

pub(super) async fn page(visit: &Visit) -> Content {
    let figures = visit.console.figures().await?;
    let words = visit.words;
    Ok(html! {
        p.lead {
            (words.counted(CATALOG.tables().count() as u64, "table", "tables", "テーブル")) " · "
            (words.counted(figures.live(), "row", "rows", "行"))
        }
        div.tiles {
            @for stream in CATALOG.streams {
                section.tile {
                    @for (position, table) in stream.tables.iter().enumerate() {
                        @let line = figures.table(table.name);
                        a.tile-row.(if position == 0 { "is-root" } else { "is-child" }) href={ "/explore/" (table.name) } {
                            span.tile-name { (table.name) }
                            span.number { (text::count(line.map_or(0, |line| line.live))) }
                            span.tile-about { (words.text(table.about)) }
                        }
                    }
                }
            }
        }
    })
}
