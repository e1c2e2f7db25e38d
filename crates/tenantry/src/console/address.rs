//! What stands in an address behind the path, and in a form: pairs of names and values, in order, names more than once.

use form_urlencoded::Serializer;

/// Pairs of a query or a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pairs(Vec<(String, String)>);

/// Pairs that are read; a longer query or form is cut there.
const PAIRS_MAX: usize = 200;

impl Pairs {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().take(PAIRS_MAX).collect())
    }

    /// The first value of a name; an empty one counts as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without a name.
    #[must_use]
    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// The same without one pair.
    #[must_use]
    pub(super) fn without_pair(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, held)| known != name || held != value);
        self
    }

    /// The same with a name that has this value alone.
    #[must_use]
    pub(super) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// The same with one pair more.
    #[must_use]
    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An address with these pairs behind a path.
    pub(super) fn behind(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let mut text = Serializer::for_suffix(format!("{path}?"), path.len() + 1);
        for (name, value) in &self.0 {
            text.append_pair(name, value);
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_what_they_are_given() {
        let pairs = Pairs::parse(b"a=1&b=x%20y&a=%3Cb%3E&c=");
        assert_eq!(pairs.all("a").collect::<Vec<_>>(), ["1", "<b>"]);
        assert_eq!((pairs.get("b"), pairs.get("c"), pairs.get("d")), (Some("x y"), None, None));
        let other = pairs.clone().without_pair("a", "1").with("b", "&=").without("c");
        assert_eq!(other.behind("/x"), "/x?a=%3Cb%3E&b=%26%3D");
        assert_eq!(Pairs::default().behind("/x"), "/x");
    }
}
