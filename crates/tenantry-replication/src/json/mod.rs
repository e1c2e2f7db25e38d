//! The one reader of JSON bytes: finds values without building a tree, and reads what other parsers refuse.
//!
//! Auth0 answers hold what people typed: a lone surrogate or a byte that is not UTF-8 in one user must not cost the page. So strings are
//! read leniently (what is not text becomes U+FFFD), nesting has no limit, of duplicate members the last counts, and values that nobody
//! asks for are skipped by their brackets alone. Structure is never guessed: a body that is cut short is an error.

mod compact;
mod text;

use std::borrow::Cow;

use memchr::memchr2;

/// Why bytes are not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {offset}: {reason}")]
pub struct JsonError {
    /// Where, in bytes from the begin of what was being read.
    pub offset: usize,
    /// What was expected or found.
    pub reason: &'static str,
}

/// One JSON value, as the bytes that spell it, without space around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a [u8]);

/// Kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number, unparsed.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Json<'a> {
    /// Reads bytes that hold exactly one value. A byte order mark and space around it are allowed.
    pub fn document(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let begin = skip_space(bytes, start);
        let end = skip_value(bytes, begin)?;
        let rest = skip_space(bytes, end);
        if rest < bytes.len() {
            return Err(JsonError { offset: rest, reason: "more after the end of the value" });
        }
        Ok(Self(&bytes[begin..end]))
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The bytes that spell it.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Members of an object in the order in which they stand; none for other kinds.
    pub fn members(self) -> Members<'a> {
        Members(Walk::new(self.0, b'{'))
    }

    /// Elements of an array; none for other kinds.
    pub fn elements(self) -> Elements<'a> {
        Elements(Walk::new(self.0, b'['))
    }

    /// The member of this name; of several the last. `None` also where the object is malformed.
    pub fn get(self, name: &str) -> Option<Json<'a>> {
        self.members().filter_map(Result::ok).filter(|(key, _)| key.is(name)).last().map(|(_, value)| value)
    }

    /// The value at a slash-separated path of member names, e.g. `/details/request`; `""` is the value itself.
    pub fn at(self, path: &str) -> Option<Json<'a>> {
        path.split('/').skip(1).try_fold(self, Json::get)
    }

    /// The text of a string, with what is not text replaced by U+FFFD; `None` for other kinds.
    pub fn text(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| text::unescape(self.string_body()))
    }

    /// The value of `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The value of a number that is a whole one and fits 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        if self.kind() == Kind::Number { text::whole_number(self.0) } else { None }
    }

    /// The value as JSON text without space, each string spelled in the shortest way, so that equal values give equal text.
    /// Fails where the value is not well-formed inside.
    pub fn compact(self) -> Result<String, JsonError> {
        compact::compact(self.0, &|_| false)
    }

    /// The same, with the values of members for whose name `secret` is true replaced by `"***"`.
    pub fn compact_masked(self, secret: &dyn Fn(&str) -> bool) -> Result<String, JsonError> {
        compact::compact(self.0, secret)
    }

    fn string_body(self) -> &'a [u8] {
        &self.0[1..self.0.len() - 1]
    }
}

/// The name of an object member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The bytes between the quotes, escapes unread.
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Whether the name reads so.
    pub fn is(self, name: &str) -> bool {
        self.0 == name.as_bytes() || (self.0.contains(&b'\\') && self.text() == name)
    }

    /// The name as text.
    pub fn text(self) -> Cow<'a, str> {
        text::unescape(self.0)
    }
}

/// Iterator over an object's members. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Members<'a>(Walk<'a>);

/// Iterator over an array's elements. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Walk<'a>);

/// Position inside a container.
#[derive(Debug, Clone)]
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], open: u8) -> Self {
        if bytes.first() == Some(&open) { Self { bytes, at: 1, first: true } } else { Self { bytes: &[], at: 0, first: true } }
    }

    /// Moves to the begin of the next item; `None` at the closing bracket.
    fn item(&mut self) -> Option<Result<usize, JsonError>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let mut at = skip_space(self.bytes, self.at);
        let close = if self.bytes[0] == b'{' { b'}' } else { b']' };
        match self.bytes.get(at) {
            Some(&byte) if byte == close => {
                self.at = self.bytes.len();
                None
            }
            Some(b',') if !self.first => {
                at = skip_space(self.bytes, at + 1);
                Some(Ok(at))
            }
            Some(_) if self.first => {
                self.first = false;
                Some(Ok(at))
            }
            _ => Some(self.stop(at, "expected a comma or the end")),
        }
    }

    fn value(&mut self, begin: usize) -> Result<Json<'a>, JsonError> {
        match skip_value(self.bytes, begin) {
            Ok(end) => {
                self.at = end;
                Ok(Json(&self.bytes[begin..end]))
            }
            Err(error) => {
                self.at = self.bytes.len();
                Err(error)
            }
        }
    }

    fn stop<T>(&mut self, offset: usize, reason: &'static str) -> Result<T, JsonError> {
        self.at = self.bytes.len();
        Err(JsonError { offset, reason })
    }

    fn member(&mut self, begin: usize) -> Result<(Name<'a>, Json<'a>), JsonError> {
        if self.bytes.get(begin) != Some(&b'"') {
            return self.stop(begin, "expected a member name");
        }
        let end = match skip_string(self.bytes, begin) {
            Ok(end) => end,
            Err(error) => return self.stop(error.offset, error.reason),
        };
        let colon = skip_space(self.bytes, end);
        if self.bytes.get(colon) != Some(&b':') {
            return self.stop(colon, "expected a colon");
        }
        let value = self.value(skip_space(self.bytes, colon + 1))?;
        Ok((Name(&self.bytes[begin + 1..end - 1]), value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Name<'a>, Json<'a>), JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.0.item()? {
            Ok(begin) => self.0.member(begin),
            Err(error) => Err(error),
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Json<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.0.item()? {
            Ok(begin) => self.0.value(begin),
            Err(error) => Err(error),
        })
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// End of the string that begins at `at` (on its quote).
fn skip_string(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut next = at + 1;
    while let Some(found) = bytes.get(next..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        let position = next + found;
        if bytes[position] == b'"' {
            return Ok(position + 1);
        }
        next = position + 2;
    }
    Err(JsonError { offset: bytes.len(), reason: "a string does not end" })
}

/// End of the value that begins at `at`. Containers are skipped by their brackets, without a look at what is inside.
fn skip_value(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at),
        Some(b'{' | b'[') => skip_container(bytes, at),
        Some(b't') => skip_word(bytes, at, b"true"),
        Some(b'f') => skip_word(bytes, at, b"false"),
        Some(b'n') => skip_word(bytes, at, b"null"),
        Some(b'-' | b'0'..=b'9') => {
            let end = number_end(bytes, at);
            if text::is_number(&bytes[at..end]) { Ok(end) } else { Err(JsonError { offset: at, reason: "not a number" }) }
        }
        Some(_) => Err(JsonError { offset: at, reason: "expected a value" }),
        None => Err(JsonError { offset: at, reason: "ended where a value was expected" }),
    }
}

fn number_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

fn skip_word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, JsonError> {
    if bytes[at..].starts_with(word) { Ok(at + word.len()) } else { Err(JsonError { offset: at, reason: "not a word of JSON" }) }
}

fn skip_container(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut depth = 0usize;
    let mut next = at;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'"' => {
                next = skip_string(bytes, next)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    let closes = if bytes[at] == b'{' { b'}' } else { b']' };
                    if *byte != closes {
                        return Err(JsonError { offset: next, reason: "brackets do not match" });
                    }
                    return Ok(next + 1);
                }
            }
            _ => {}
        }
        next += 1;
    }
    Err(JsonError { offset: bytes.len(), reason: "an array or object does not end" })
}

#[cfg(test)]
mod tests;
