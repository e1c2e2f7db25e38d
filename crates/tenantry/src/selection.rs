//! Which tables a run is about: `--select` and `--exclude`.
//!
//! A selector is a table name with the globs `*` and `?`, `tag:WORD` or `scope:SCOPE`. With `+` behind it also takes the tables whose rows belong
//! to the rows of those, with `+` before it those that they belong to; a number limits how far it goes (`1+users`, `users+1`). Several are
//! a union, exclusions come last. A child table can be selected without its parent. A selector that fits no table is an error: it is a
//! misspelling, and leaving something out by accident is worse than asking.

use std::collections::BTreeSet;

use tenantry_replication::catalog::{Catalog, Stream, Table};

use crate::error::{CommandError, did_you_mean};

/// What a selector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Name,
    Tag,
    Scope,
}

/// One selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Selector<'a> {
    method: Method,
    pattern: &'a str,
    /// Steps up to what the tables belong to, at most.
    above: usize,
    /// Steps down to what belongs to the tables, at most.
    below: usize,
}

/// Names of the tables that `select` asks for (all, when it is empty), without those that `exclude` names.
pub(crate) fn tables(
    catalog: &'static Catalog,
    select: &[String],
    exclude: &[String],
) -> Result<BTreeSet<&'static str>, CommandError> {
    let mut selected = match words(select).next() {
        Some(_) => matches(catalog, select)?,
        None => catalog.tables().map(|table| table.name).collect(),
    };
    for name in matches(catalog, exclude)? {
        selected.remove(name);
    }
    if selected.is_empty() {
        return Err(CommandError::usage(
            "no table is left to replicate: --exclude takes away all that --select asks for",
        ));
    }
    Ok(selected)
}

fn words(selectors: &[String]) -> impl Iterator<Item = &str> {
    selectors.iter().flat_map(|selector| selector.split_whitespace())
}

fn matches(catalog: &'static Catalog, selectors: &[String]) -> Result<BTreeSet<&'static str>, CommandError> {
    let mut found = BTreeSet::new();
    for word in words(selectors) {
        let selector = parse(word)?;
        let fitting: Vec<&str> = catalog
            .streams
            .iter()
            .flat_map(|stream| stream.tables.iter().filter(move |table| fits(selector, stream, table)))
            .map(|table| table.name)
            .collect();
        if fitting.is_empty() {
            return Err(nothing_fits(catalog, word, selector));
        }
        let below = |table: &'static str| {
            let all = catalog.tables().map(|child| child.name);
            all.filter(move |child| belongs_to(catalog, child) == Some(table))
        };
        found.extend(reached(fitting.clone(), selector.above, |table| belongs_to(catalog, table)));
        found.extend(reached(fitting, selector.below, below));
    }
    Ok(found)
}

/// The tables, and those that so many steps lead to.
fn reached<T: IntoIterator<Item = &'static str>>(
    tables: Vec<&'static str>,
    steps: usize,
    step: impl Fn(&'static str) -> T,
) -> BTreeSet<&'static str> {
    let mut found: BTreeSet<_> = tables.iter().copied().collect();
    let mut edge = tables;
    for _ in 0..steps {
        edge = edge.into_iter().flat_map(&step).filter(|table| found.insert(table)).collect();
        if edge.is_empty() {
            break;
        }
    }
    found
}

/// The table whose rows a table's rows are part of: a child's root, or the root of the stream that a fan-out goes over.
fn belongs_to(catalog: &'static Catalog, table: &str) -> Option<&'static str> {
    let stream = catalog.stream_of(table)?;
    if stream.root().name != table {
        return Some(stream.root().name);
    }
    Some(catalog.stream(stream.parent.as_ref()?.stream)?.root().name)
}

/// Splits off what `+` says: the steps up, the selector itself, the steps down.
fn steps(word: &str) -> (usize, &str, usize) {
    let number = |text: &str| if text.is_empty() { Some(usize::MAX) } else { text.parse().ok() };
    let (above, rest) = match word.split_once('+') {
        Some((before, rest)) => number(before).map_or((0, word), |above| (above, rest)),
        None => (0, word),
    };
    let (below, rest) = match rest.rsplit_once('+') {
        Some((rest, after)) => number(after).map_or((0, word), |below| (below, rest)),
        None => (0, rest),
    };
    (above, rest, below)
}

fn parse(word: &str) -> Result<Selector<'_>, CommandError> {
    if word.contains(',') {
        return Err(CommandError::usage(format!("`{word}` is no selector: it holds a comma"))
            .hint("separate selectors by blanks, or repeat the flag"));
    }
    let (above, plain, below) = steps(word);
    let (method, pattern) = match plain.split_once(':') {
        None => (Method::Name, plain),
        Some(("table", pattern)) => (Method::Name, pattern),
        Some(("tag", pattern)) => (Method::Tag, pattern),
        Some(("scope", pattern)) => (Method::Scope, pattern),
        Some((method, _)) => {
            return Err(CommandError::usage(format!(
                "`{word}` is no selector: there is no method `{method}:`"
            ))
            .hint_if(did_you_mean(method, ["table", "tag", "scope"]))
            .hint("a selector is a table name with * and ?, or tag:WORD, or scope:SCOPE; + before or behind it takes what it belongs to or what belongs to it"));
        }
    };
    Ok(Selector { method, pattern, above, below })
}

fn fits(selector: Selector<'_>, stream: &Stream, table: &Table) -> bool {
    match selector.method {
        Method::Name => glob(selector.pattern, table.name),
        Method::Tag => table.tags.iter().any(|tag| glob(selector.pattern, tag)),
        Method::Scope => {
            stream.endpoint.as_ref().is_some_and(|endpoint| glob(selector.pattern, endpoint.scope))
        }
    }
}

fn nothing_fits(catalog: &'static Catalog, word: &str, selector: Selector<'_>) -> CommandError {
    let known: BTreeSet<&str> = match selector.method {
        Method::Name => catalog.tables().map(|table| table.name).collect(),
        Method::Tag => catalog.tables().flat_map(|table| table.tags.iter().copied()).collect(),
        Method::Scope => {
            catalog.streams.iter().filter_map(|stream| Some(stream.endpoint.as_ref()?.scope)).collect()
        }
    };
    let error = CommandError::usage(format!("no table fits `{word}`"));
    let error = error.hint_if(did_you_mean(selector.pattern, known.iter().copied()));
    match selector.method {
        Method::Name => error.hint("`tenantry tables` lists all of them"),
        Method::Tag | Method::Scope => {
            error.hint(format!("known are: {}", known.into_iter().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one character.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where the last `*` stood, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_at, taken_to)) = star else { return false };
                star = Some((star_at, taken_to + 1));
                at_pattern = star_at + 1;
                at_text = taken_to + 1;
            }
        }
    }
    pattern[at_pattern..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use tenantry_replication::catalog::CATALOG;

    use super::*;

    fn select(select: &[&str], exclude: &[&str]) -> Result<BTreeSet<&'static str>, String> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        tables(&CATALOG, &owned(select), &owned(exclude)).map_err(|error| error.render(str::to_owned))
    }

    /// A stream with children, whatever it is called.
    fn family() -> &'static Stream {
        CATALOG
            .streams
            .iter()
            .find(|stream| stream.endpoint.is_some() && stream.children().len() > 1)
            .unwrap()
    }

    #[test]
    fn nothing_said_is_everything() {
        assert_eq!(select(&[], &[]).unwrap().len(), CATALOG.tables().count());
        assert_eq!(select(&["*"], &[]), select(&[], &[]));
    }

    #[test]
    fn a_child_is_selected_without_its_parent() {
        let child = family().children()[0].name;
        assert_eq!(select(&[child], &[]).unwrap(), BTreeSet::from([child]));
    }

    #[test]
    fn selectors_are_a_union_and_exclusions_come_last() {
        let stream = family();
        let (root, child) = (stream.root().name, stream.children()[0].name);
        let both = format!("{root} {child}");
        assert_eq!(select(&[&both], &[]).unwrap(), BTreeSet::from([root, child]));
        assert_eq!(select(&[root, child], &[root]).unwrap(), BTreeSet::from([child]));
        assert!(!select(&[], &[child]).unwrap().contains(child));
    }

    #[test]
    fn a_scope_selects_what_needs_it() {
        let stream = family();
        let selector = format!("scope:{}", stream.endpoint.as_ref().unwrap().scope);
        let selected = select(&[&selector], &[]).unwrap();
        assert!(stream.tables.iter().all(|table| selected.contains(table.name)));
        assert!(selected.len() < CATALOG.tables().count());
    }

    #[test]
    fn a_plus_takes_what_a_table_belongs_to_or_what_belongs_to_it() {
        let fan_out = CATALOG.streams.iter().find(|stream| stream.parent.is_some()).unwrap();
        let parent = CATALOG.stream(fan_out.parent.as_ref().unwrap().stream).unwrap();
        let (root, member) = (parent.root().name, fan_out.root().name);
        let below = select(&[&format!("{root}+")], &[]).unwrap();
        assert!(parent.tables.iter().chain(fan_out.tables).all(|table| below.contains(table.name)));
        assert_eq!(select(&[&format!("+{member}")], &[]).unwrap(), BTreeSet::from([root, member]));
        let both = select(&[&format!("+{root}+")], &[]).unwrap();
        assert_eq!(both, below, "nothing is above a list of its own");
        let child = family().children()[0].name;
        assert_eq!(
            select(&[&format!("1+{child}")], &[]).unwrap(),
            BTreeSet::from([family().root().name, child])
        );
        assert_eq!(select(&[&format!("0+{child}")], &[]).unwrap(), BTreeSet::from([child]));
        assert!(select(&[&format!("{root}+1")], &[]).unwrap().contains(member));
        assert!(select(&[&format!("x+{child}")], &[]).unwrap_err().contains("no table fits"));
        assert!(select(&["tag:child+"], &[]).unwrap().len() >= select(&["tag:child"], &[]).unwrap().len());
    }

    #[test]
    fn a_tag_selects_what_carries_it() {
        let children = select(&["tag:child"], &[]).unwrap();
        assert!(children.iter().all(|name| CATALOG.table(name).unwrap().tags.contains(&"child")));
        assert!(!children.is_empty());
    }

    #[test]
    fn what_fits_nothing_is_named_with_a_suggestion() {
        let name = family().root().name;
        let misspelt = format!("{name}z");
        let error = select(&[], &[&misspelt]).unwrap_err();
        assert!(error.starts_with(&format!("error: no table fits `{misspelt}`\n")), "{error}");
        assert!(error.contains(&format!("hint: did you mean `{name}`?")), "{error}");
        insta::assert_snapshot!(select(&["tga:child"], &[]).unwrap_err(), @r"
        error: `tga:child` is no selector: there is no method `tga:`

        hint: did you mean `tag`?
        hint: a selector is a table name with * and ?, or tag:WORD, or scope:SCOPE; + before or behind it takes what it belongs to or what belongs to it
        ");
        assert!(select(&["a,b"], &[]).unwrap_err().contains("comma"));
        assert!(select(&["*"], &["*"]).unwrap_err().contains("no table is left"));
    }

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("users", "users", true),
            ("user", "users", false),
            ("user*", "users", true),
            ("*_scope", "client_grant_scope", true),
            ("c*t_?rant*", "client_grant", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("?", "", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
