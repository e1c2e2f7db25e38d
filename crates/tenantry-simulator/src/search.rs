//! The subset of Lucene's query language that Auth0's user and log search take.
//!
//! `field:value`, `field:"phrase"`, `field:prefix*`, `field:[a TO b}` with `*` as an open bound, `field:(a OR b)`,
//! `_exists_:field`, `AND`, `OR`, `NOT`, parentheses. No fuzziness, no boosts, no regular expressions. Parsing and
//! matching are pure; what a field holds is asked of a [`Document`].

use crate::time;
use serde_json::Value;

/// What a query is put to.
pub(crate) trait Document {
    /// Every value at a dotted path; arrays are flattened.
    fn values(&self, path: &str) -> Vec<Value>;
    /// The fields that a term without field is compared with.
    fn default_fields(&self) -> &'static [&'static str];
}

impl Document for Value {
    fn values(&self, path: &str) -> Vec<Value> {
        let mut out = Vec::new();
        dig(self, path, &mut out);
        out
    }

    fn default_fields(&self) -> &'static [&'static str] {
        &["description", "user_id", "user_name", "client_id", "client_name", "type", "ip", "connection"]
    }
}

/// Collects the values at a dotted path, going into arrays on the way.
pub(crate) fn dig(value: &Value, path: &str, out: &mut Vec<Value>) {
    if let Value::Array(items) = value {
        for item in items {
            dig(item, path, out);
        }
    } else if path.is_empty() {
        out.push(value.clone());
    } else if let Value::Object(fields) = value {
        if let Some(found) = fields.get(path) {
            return dig(found, "", out);
        }
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(found) = fields.get(head) {
            dig(found, rest, out);
        }
    }
}

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Not(Box<Query>),
    Everything,
    Term { field: Option<String>, test: Test },
}

/// What is asked of one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Is(String),
    Like(String),
    Exists,
    Range { low: Option<Bound>, high: Option<Bound> },
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) inclusive: bool,
}

impl Query {
    /// Parses; the error is one sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokenize(text)?, at: 0, depth: 0 };
        if parser.tokens.is_empty() {
            return Ok(Self::Everything);
        }
        let query = parser.any(None)?;
        if parser.at < parser.tokens.len() {
            return Err(format!("unexpected {:?}", parser.tokens[parser.at]));
        }
        Ok(query)
    }

    pub(crate) fn matches(&self, document: &dyn Document) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|p| p.matches(document)),
            Self::Any(parts) => parts.iter().any(|p| p.matches(document)),
            Self::Not(part) => !part.matches(document),
            Self::Term { field: Some(field), test } => {
                document.values(field).iter().any(|v| test.accepts(field, v))
            }
            Self::Term { field: None, test } => {
                let fields = document.default_fields();
                fields.iter().any(|f| document.values(f).iter().any(|v| test.accepts(f, v)))
            }
        }
    }

    /// The terms that every match must fulfil.
    pub(crate) fn required(&self) -> Vec<(&str, &Test)> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::required).collect(),
            Self::Term { field: Some(field), test } => vec![(field.as_str(), test)],
            _ => Vec::new(),
        }
    }

    /// The values that a field must have one of, where the query says so at its top.
    pub(crate) fn one_of(&self, name: &str) -> Option<Vec<&str>> {
        match self {
            Self::Term { field: Some(field), test: Test::Is(value) } if field == name => Some(vec![value]),
            Self::Any(parts) => {
                let lists: Option<Vec<_>> = parts.iter().map(|p| p.one_of(name)).collect();
                lists.map(|l| l.into_iter().flatten().collect())
            }
            Self::All(parts) => parts.iter().find_map(|p| p.one_of(name)),
            _ => None,
        }
    }
}

/// Fields that hold times.
pub(crate) fn is_time(field: &str) -> bool {
    matches!(field, "created_at" | "updated_at" | "last_login" | "last_password_reset" | "date")
}

/// The first and last millisecond that a test on a time field accepts.
pub(crate) fn millis_of(wanted: &Test) -> Option<(i64, i64)> {
    match wanted {
        Test::Is(value) => time::interval(value),
        Test::Range { low, high } => {
            let low = match low {
                None => i64::MIN,
                Some(b) if b.inclusive => time::interval(&b.text)?.0,
                Some(b) => time::interval(&b.text)?.1 + 1,
            };
            let high = match high {
                None => i64::MAX,
                Some(b) if b.inclusive => time::interval(&b.text)?.1,
                Some(b) => time::interval(&b.text)?.0 - 1,
            };
            Some((low, high))
        }
        Test::Like(_) | Test::Exists => None,
    }
}

impl Test {
    fn accepts(&self, field: &str, value: &Value) -> bool {
        if matches!(self, Self::Exists) {
            return !value.is_null();
        }
        if is_time(field)
            && let (Some((low, high)), Some(at)) = (millis_of(self), value.as_str().and_then(time::interval))
        {
            return (low..=high).contains(&at.0);
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => return false,
            other => other.to_string(),
        };
        match self {
            Self::Is(wanted) if field.ends_with("email") => text.eq_ignore_ascii_case(wanted),
            Self::Is(wanted) => text == *wanted,
            Self::Like(pattern) => like(&text.to_lowercase(), &pattern.to_lowercase()),
            Self::Exists => true,
            Self::Range { low, high } => {
                let above = low.as_ref().is_none_or(|b| compare(&text, &b.text, b.inclusive, true));
                above && high.as_ref().is_none_or(|b| compare(&text, &b.text, b.inclusive, false))
            }
        }
    }
}

fn compare(value: &str, bound: &str, inclusive: bool, above: bool) -> bool {
    use std::cmp::Ordering;
    let order = match (value.parse::<f64>(), bound.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => value.cmp(bound),
    };
    match order {
        Ordering::Equal => inclusive,
        Ordering::Greater => above,
        Ordering::Less => !above,
    }
}

/// `*` stands for any run of characters, `?` for one.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            (t, p) = (t + 1, p + 1);
        } else if let Some((sp, st)) = star {
            star = Some((sp, st + 1));
            (t, p) = (st + 1, sp + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Text and whether it stood in quotes.
    Word(String, bool),
    Field(String),
    Open,
    Close,
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
}

fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '(' => {
                tokens.push(Token::Open);
                at += 1;
            }
            ')' => {
                tokens.push(Token::Close);
                at += 1;
            }
            '[' | '{' => tokens.push(range(&chars, &mut at)?),
            '"' => {
                let quoted = quoted(&chars, &mut at)?;
                tokens.push(Token::Word(quoted, true));
            }
            _ => {
                let value = matches!(tokens.last(), Some(Token::Field(_)));
                tokens.push(word(&chars, &mut at, value));
            }
        }
    }
    Ok(tokens)
}

fn quoted(chars: &[char], at: &mut usize) -> Result<String, String> {
    let mut out = String::new();
    *at += 1;
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            '"' => return Ok(out),
            '\\' if *at < chars.len() => {
                out.push(chars[*at]);
                *at += 1;
            }
            c => out.push(c),
        }
    }
    Err("a quote is not closed".into())
}

/// A bare word; `value` = it stands after a field's colon, so its own colons are text.
fn word(chars: &[char], at: &mut usize, value: bool) -> Token {
    let mut out = String::new();
    while let Some(&c) = chars.get(*at) {
        if c.is_whitespace() || c == ')' || (c == '(' && out.is_empty()) {
            break;
        }
        *at += 1;
        match c {
            // A colon ends a field's name when something but blank follows.
            ':' if !value && chars.get(*at).is_some_and(|n| !n.is_whitespace()) => {
                return Token::Field(out);
            }
            '\\' if *at < chars.len() => {
                out.push(chars[*at]);
                *at += 1;
            }
            c => out.push(c),
        }
    }
    Token::Word(out, false)
}

fn range(chars: &[char], at: &mut usize) -> Result<Token, String> {
    let low_inclusive = chars[*at] == '[';
    *at += 1;
    let mut parts: Vec<(String, bool)> = Vec::new();
    let mut current = String::new();
    loop {
        let Some(&c) = chars.get(*at) else { return Err("a range is not closed".into()) };
        match c {
            '"' => parts.push((quoted(chars, at)?, true)),
            ']' | '}' => {
                *at += 1;
                if !current.is_empty() {
                    parts.push((current, false));
                }
                return finish_range(&parts, low_inclusive, c == ']');
            }
            c if c.is_whitespace() => {
                *at += 1;
                if !current.is_empty() {
                    parts.push((std::mem::take(&mut current), false));
                }
            }
            c => {
                *at += 1;
                current.push(c);
            }
        }
    }
}

fn finish_range(
    parts: &[(String, bool)],
    low_inclusive: bool,
    high_inclusive: bool,
) -> Result<Token, String> {
    let middle = parts.iter().position(|(text, quoted)| text == "TO" && !quoted);
    let Some(middle) = middle else { return Err("a range needs TO".into()) };
    let join = |part: &[(String, bool)], inclusive| {
        let text = part.iter().map(|(t, _)| t.as_str()).collect::<Vec<_>>().join(" ");
        let open = text == "*" && part.iter().all(|(_, quoted)| !quoted);
        (!open).then_some(Bound { text, inclusive })
    };
    if middle == 0 || middle + 1 == parts.len() {
        return Err("a range needs two bounds".into());
    }
    Ok(Token::Range {
        low: join(&parts[..middle], low_inclusive),
        high: join(&parts[middle + 1..], high_inclusive),
    })
}

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 50;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek_keyword(&self, keyword: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(w, false)) if w == keyword)
    }

    fn any(&mut self, field: Option<&str>) -> Result<Query, String> {
        let mut parts = vec![self.all(field)?];
        while self.peek_keyword("OR") || self.peek_keyword("||") {
            self.at += 1;
            parts.push(self.all(field)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::Any(parts) })
    }

    fn all(&mut self, field: Option<&str>) -> Result<Query, String> {
        let mut parts = vec![self.one(field)?];
        loop {
            if self.peek_keyword("AND") || self.peek_keyword("&&") {
                self.at += 1;
            } else if self.at >= self.tokens.len()
                || self.peek_keyword("OR")
                || self.peek_keyword("||")
                || self.tokens[self.at] == Token::Close
            {
                break;
            }
            parts.push(self.one(field)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::All(parts) })
    }

    fn one(&mut self, field: Option<&str>) -> Result<Query, String> {
        if self.peek_keyword("NOT") || self.peek_keyword("!") {
            self.at += 1;
            return Ok(Query::Not(Box::new(self.one(field)?)));
        }
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Err("the query ends too early".into());
        };
        self.at += 1;
        match token {
            Token::Field(name) => {
                if let Some(rest) = name.strip_prefix('-') {
                    return Ok(Query::Not(Box::new(self.one(Some(rest))?)));
                }
                self.one(Some(&name))
            }
            Token::Open => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("too many parentheses".into());
                }
                let inner = self.any(field)?;
                self.depth -= 1;
                if self.tokens.get(self.at) != Some(&Token::Close) {
                    return Err("a parenthesis is not closed".into());
                }
                self.at += 1;
                Ok(inner)
            }
            Token::Close => Err("a parenthesis is not opened".into()),
            Token::Range { low, high } => {
                let field = field.ok_or("a range needs a field")?;
                Ok(Query::Term { field: Some(field.into()), test: Test::Range { low, high } })
            }
            Token::Word(word, quoted) => Ok(term(field, word, quoted)),
        }
    }
}

fn term(field: Option<&str>, word: String, quoted: bool) -> Query {
    if field == Some("_exists_") {
        return Query::Term { field: Some(word), test: Test::Exists };
    }
    if word == "*" && !quoted {
        return match field {
            None => Query::Everything,
            Some(name) => Query::Term { field: Some(name.into()), test: Test::Exists },
        };
    }
    let test = if !quoted && word.contains(['*', '?']) { Test::Like(word) } else { Test::Is(word) };
    Query::Term { field: field.map(str::to_owned), test }
}

#[cfg(test)]
mod tests;
