//! The tables and what joins them, drawn from the catalog: a tree from left to right for each family, and lines across families.
//!
//! Positions follow from the catalog alone, so that the picture is the same each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use tenantry_replication::catalog::{CATALOG, Reference, Table};

use super::kept::Figures;
use super::reply::Content;
use super::visit::Visit;
use crate::terminal::text;

/// Size of a table's box, and what is between boxes.
const BOX: (i32, i32) = (248, 46);
const GAP: (i32, i32) = (96, 14);
/// Space between two families.
const FAMILY_GAP: i32 = 16;
/// Width of a letter of a name, and how much of the box names may take.
const NAME_MAX: usize = 27;

/// Where the boxes stand, by table.
struct Drawing {
    places: BTreeMap<&'static str, (i32, i32)>,
    width: i32,
    height: i32,
}

pub(super) async fn page(visit: &Visit) -> Content {
    let figures = visit.console.figures().await?;
    let references = CATALOG.references();
    let drawing = draw(&references);
    let words = visit.words;
    Ok(html! {
        p.lead { (words.say("Click a table to look into it. Lines go from a row to the rows that name it.", "テーブルをクリックすると内容を表示します。線は参照関係を示します。")) }
        div.scroll.diagram tabindex="0" role="region" aria-label=(words.say("Diagram", "ER図")) {
            svg viewBox={ "0 0 " (drawing.width) " " (drawing.height) } width=(drawing.width) height=(drawing.height) {
                title { (words.say("Tables and their relationships", "テーブルとリレーション")) }
                g.lines aria-hidden="true" { @for one in &references { (line(&drawing, one)) } }
                @for table in CATALOG.tables() { (boxed(visit, &figures, &drawing, table)) }
            }
        }
    })
}

/// Families stand one below the other in two columns of trees; a table is drawn where its first parent in the list is.
fn draw(references: &[Reference]) -> Drawing {
    let parent_of = |table: &Table| {
        let mut parents =
            references.iter().filter(|one| one.child.name == table.name).map(|one| one.parent.name);
        // Its own record's table where there is one, else the table that was named first.
        let stream = CATALOG.stream_of(table.name)?;
        let root = stream.root().name;
        if root == table.name { parents.next() } else { Some(root) }
    };
    let mut children: BTreeMap<&str, Vec<&'static Table>> = BTreeMap::new();
    let mut roots: Vec<&'static Table> = Vec::new();
    for table in CATALOG.tables() {
        match parent_of(table) {
            Some(parent) => children.entry(parent).or_default().push(table),
            None => roots.push(table),
        }
    }
    let mut drawing = Drawing { places: BTreeMap::new(), width: 0, height: FAMILY_GAP };
    for root in roots {
        let bottom = place(&children, root, 0, drawing.height, &mut drawing);
        drawing.height = bottom + FAMILY_GAP;
    }
    drawing.width += FAMILY_GAP;
    drawing
}

/// Places a table and all below it; gives where the next may begin.
fn place(
    children: &BTreeMap<&str, Vec<&'static Table>>,
    table: &'static Table,
    depth: i32,
    top: i32,
    drawing: &mut Drawing,
) -> i32 {
    let left = FAMILY_GAP + depth * (BOX.0 + GAP.0);
    drawing.width = drawing.width.max(left + BOX.0);
    drawing.places.insert(table.name, (left, top));
    let mut next = top;
    for child in children.get(table.name).into_iter().flatten() {
        next = place(children, child, depth + 1, next, drawing);
    }
    next.max(top + BOX.1 + GAP.1)
}

fn line(drawing: &Drawing, one: &Reference) -> Markup {
    let (Some(from), Some(to)) = (drawing.places.get(one.parent.name), drawing.places.get(one.child.name))
    else {
        return html! {};
    };
    let middle = BOX.1 / 2;
    let mut path = String::new();
    if to.0 > from.0 {
        let (x1, y1, x2, y2) = (from.0 + BOX.0, from.1 + middle, to.0, to.1 + middle);
        let bend = i32::midpoint(x1, x2);
        let _ = write!(path, "M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}");
    } else {
        // Within a column, or back: around the right side.
        let (x1, y1, x2, y2) = (from.0 + BOX.0, from.1 + middle, to.0 + BOX.0, to.1 + middle);
        let bend = x1.max(x2) + GAP.0 / 2;
        let _ = write!(path, "M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}");
    }
    html! { (PreEscaped(format!("<path d='{path}'/>"))) }
}

fn boxed(visit: &Visit, figures: &Figures, drawing: &Drawing, table: &'static Table) -> Markup {
    let Some((x, y)) = drawing.places.get(table.name) else { return html! {} };
    let rows = figures.table(table.name).map_or(0, |line| line.live);
    let name: String = if table.name.chars().count() > NAME_MAX {
        table.name.chars().take(NAME_MAX - 1).chain(['…']).collect()
    } else {
        table.name.to_owned()
    };
    html! {
        a.entity href={ "/explore/" (table.name) } {
            title { (table.name) ": " (visit.words.text(table.about)) }
            rect x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="8" {}
            text.entity-name x=(x + 12) y=(y + 19) { (name) }
            text.entity-key x=(x + 12) y=(y + 36) { (cut(&table.key.join(", "))) }
            text.entity-rows x=(x + BOX.0 - 12) y=(y + 19) text-anchor="end" { (short(rows)) }
        }
    }
}

fn cut(key: &str) -> String {
    if key.chars().count() > NAME_MAX + 6 {
        key.chars().take(NAME_MAX + 5).chain(['…']).collect()
    } else {
        key.to_owned()
    }
}

/// A count that fits a box.
fn short(rows: u64) -> String {
    match rows {
        0..100_000 => text::count(rows),
        100_000..10_000_000 => format!("{:.1}M", rows as f64 / 1e6),
        _ => format!("{}M", text::count(rows / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_place_of_its_own() {
        let drawing = draw(&CATALOG.references());
        assert_eq!(drawing.places.len(), CATALOG.tables().count());
        let mut places: Vec<_> = drawing.places.values().collect();
        places.sort();
        for pair in places.windows(2) {
            let apart = pair[0].0 != pair[1].0 || pair[1].1 - pair[0].1 >= BOX.1;
            assert!(apart, "{pair:?} overlap");
        }
        assert!(places.iter().all(|(x, y)| x + BOX.0 <= drawing.width && y + BOX.1 <= drawing.height));
    }
}
