//! A statement of the user's without what means nothing for what it is.
//!
//! Judges nothing. Where comments begin and how a quote ends, each server has its own way.

/// The statement without comments, and without what stands between quotes.
///
/// `comments` begin ones that end with the line; `/*` always begins one. `quoted_length` gives the bytes of what stands between quotes of a
/// kind at the beginning of a text, with them.
pub(crate) fn bare(
    sql: &str,
    comments: &[&str],
    quotes: &str,
    quoted_length: fn(&str, char) -> usize,
) -> String {
    let mut bare = String::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = if comments.iter().any(|begin| rest.starts_with(begin)) {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if let Some(inner) = rest.strip_prefix("/*") {
            Some(inner.find("*/").map_or(rest.len(), |end| end + 4))
        } else if quotes.contains(first) {
            Some(quoted_length(rest, first))
        } else {
            None
        };
        if let Some(length) = skipped {
            bare.push(' ');
            rest = &rest[length..];
        } else {
            bare.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    bare
}
