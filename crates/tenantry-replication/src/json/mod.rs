//! The one reader of JSON bytes: finds values without building a tree, and reads what other parsers refuse.
//!
//! Auth0 answers hold what people typed: a lone surrogate or a byte that is not UTF-8 in one user must not cost the page. So strings are
//! read leniently (what is not text becomes U+FFFD), nesting has no limit, of duplicate members the last counts, and values that nobody
//! asks for are skipped by their brackets alone. Structure is never guessed: a body that is cut short is an error.

mod compact;
mod text;

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Lines that are not blank, without their ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    let split = std::iter::from_fn(move || {
        let bytes = rest?;
        // By blocks of bytes: a split by a closure looks at each byte for itself, which shows in files of gigabytes.
        let Some(end) = memchr(b'\n', bytes) else { return rest.take() };
        rest = Some(&bytes[end + 1..]);
        Some(&bytes[..end])
    });
    split.filter(|line| !line.trim_ascii_start().is_empty())
}

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

    /// Bytes that ought to hold one value, not looked at yet: enough for its kind, and for a [`Cursor`] that is going to read them.
    pub(crate) fn begin(bytes: &'a [u8]) -> Self {
        Self(&bytes[Cursor::new(bytes).position()..])
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
        Members((self.kind() == Kind::Object).then(|| Cursor::inside(self.0)))
    }

    /// Elements of an array; none for other kinds.
    pub fn elements(self) -> Elements<'a> {
        Elements((self.kind() == Kind::Array).then(|| Cursor::inside(self.0)))
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
pub struct Members<'a>(Option<Cursor<'a>>);

/// Iterator over an array's elements. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Option<Cursor<'a>>);

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Name<'a>, Json<'a>), JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut()?;
        let item = match cursor.member() {
            Ok(None) => None,
            Ok(Some(name)) => Some(cursor.value().map(|value| (name, value))),
            Err(error) => Some(Err(error)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.0 = None;
        }
        item
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Json<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut()?;
        let item = match cursor.element() {
            Ok(false) => None,
            Ok(true) => Some(cursor.value()),
            Err(error) => Some(Err(error)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.0 = None;
        }
        item
    }
}

/// A place in JSON bytes from which values are read one after another, each byte looked at once.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Just behind an opening bracket: no comma is due.
    entered: bool,
}

impl<'a> Cursor<'a> {
    /// At the value that begins `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, at: skip_space(bytes, start), entered: false }
    }

    /// Inside the container that is `bytes`.
    fn inside(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 1, entered: true }
    }

    /// Bytes from the begin to here.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Goes back to a place where a value began.
    pub(crate) fn rewind(&mut self, position: usize) {
        self.at = position;
        self.entered = false;
    }

    /// Steps into the object or array here.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
        self.entered = true;
    }

    /// Whether the value here begins with this byte.
    pub(crate) fn begins_with(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// Whether only space is left.
    pub(crate) fn is_at_end(&self) -> bool {
        skip_space(self.bytes, self.at) == self.bytes.len()
    }

    /// The value whose bytes lie between `begin` and here.
    pub(crate) fn since(&self, begin: usize) -> Json<'a> {
        Json(&self.bytes[begin..self.at])
    }

    /// Steps over the value here.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Json<'a>, JsonError> {
        let begin = self.at;
        self.at = skip_value(self.bytes, begin)?;
        Ok(Json(&self.bytes[begin..self.at]))
    }

    /// Inside an object: steps to the next member's value and gives its name, or leaves the object.
    #[inline]
    pub(crate) fn member(&mut self) -> Result<Option<Name<'a>>, JsonError> {
        if !self.item(b'}')? {
            return Ok(None);
        }
        if !self.begins_with(b'"') {
            return self.fail("expected a member name");
        }
        let begin = self.at + 1;
        let end = skip_string(self.bytes, self.at)?;
        self.at = skip_space(self.bytes, end);
        if !self.begins_with(b':') {
            return self.fail("expected a colon");
        }
        self.at = skip_space(self.bytes, self.at + 1);
        Ok(Some(Name(&self.bytes[begin..end - 1])))
    }

    /// Inside an array: steps to the next element, or leaves the array.
    #[inline]
    pub(crate) fn element(&mut self) -> Result<bool, JsonError> {
        self.item(b']')
    }

    #[inline]
    fn item(&mut self, close: u8) -> Result<bool, JsonError> {
        let entered = std::mem::take(&mut self.entered);
        self.at = skip_space(self.bytes, self.at);
        if self.begins_with(close) {
            self.at += 1;
            return Ok(false);
        }
        if entered {
            return Ok(true);
        }
        if self.begins_with(b',') {
            self.at = skip_space(self.bytes, self.at + 1);
            return Ok(true);
        }
        self.fail("expected a comma or the end")
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError { offset: self.at, reason })
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// End of the string that begins at `at` (on its quote).
#[inline]
fn skip_string(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut next = at + 1;
    loop {
        match quote_or_backslash(bytes, next) {
            Some(found) if bytes[found] == b'"' => return Ok(found + 1),
            Some(found) => next = found + 2,
            None => return Err(JsonError { offset: bytes.len(), reason: "a string does not end" }),
        }
    }
}

/// Bytes of a string that are looked at eight at a time before a search for long ones takes over.
const SHORT_STRING: usize = 32;

/// The next quote or backslash. Most strings of a record are short: those are found here, without a call.
#[inline]
fn quote_or_backslash(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < from + SHORT_STRING {
        let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
        let word = u64::from_le_bytes(*eight);
        let found = zero_bytes(word ^ u64::from_le_bytes([b'"'; 8]))
            | zero_bytes(word ^ u64::from_le_bytes([b'\\'; 8]));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', bytes.get(at..)?).map(|found| at + found)
}

/// Marks the lowest zero byte of a word by its high bit (higher marks may be false).
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
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
            if text::is_number(&bytes[at..end]) {
                Ok(end)
            } else {
                Err(JsonError { offset: at, reason: "not a number" })
            }
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
    if bytes[at..].starts_with(word) {
        Ok(at + word.len())
    } else {
        Err(JsonError { offset: at, reason: "not a word of JSON" })
    }
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
