//! Strings and numbers of JSON: unescaping that never fails, and whole numbers.

use std::borrow::Cow;

use memchr::memchr2;

/// Stands for what cannot be kept as text in every destination: lone surrogates, bytes that are not UTF-8, and NUL.
const REPLACEMENT: char = '\u{fffd}';

/// Reads the inside of a JSON string.
pub(super) fn unescape(body: &[u8]) -> Cow<'_, str> {
    if memchr2(b'\\', 0, body).is_none() {
        // Nearly all bytes are text, and to prove that takes a fraction of looking for those that are not.
        return str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    }
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'\\' => {
                let (character, used) = escape(&body[at..]);
                let character = match character {
                    Escape::Character('\0') | Escape::LoneSurrogate(_) => REPLACEMENT,
                    Escape::Character(character) => character,
                };
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += used;
            }
            0 => {
                out.extend_from_slice(REPLACEMENT.encode_utf8(&mut [0; 4]).as_bytes());
                at += 1;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// What an escape sequence stands for.
pub(super) enum Escape {
    /// A character, NUL included.
    Character(char),
    /// Half of a surrogate pair, without its other half.
    LoneSurrogate(u16),
}

/// Reads the escape sequence at the begin of `bytes` (on its backslash): what it stands for, and its length.
/// An unknown escape stands for the character after the backslash.
pub(super) fn escape(bytes: &[u8]) -> (Escape, usize) {
    let character = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode_escape(bytes),
        Some(&byte) if byte.is_ascii() => byte as char,
        _ => return (Escape::Character(REPLACEMENT), 1),
    };
    (Escape::Character(character), 2)
}

fn unicode_escape(bytes: &[u8]) -> (Escape, usize) {
    let Some(first) = hex4(bytes, 2) else { return (Escape::Character(REPLACEMENT), 2) };
    if let Some(character) = char::from_u32(u32::from(first)) {
        return (Escape::Character(character), 6);
    }
    let second = if bytes[6..].starts_with(b"\\u") { hex4(bytes, 8) } else { None };
    match second.and_then(|second| char::decode_utf16([first, second]).next()?.ok()) {
        Some(character) => (Escape::Character(character), 12),
        None => (Escape::LoneSurrogate(first), 6),
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0u16, |sum, digit| Some(sum * 16 + (*digit as char).to_digit(16)? as u16))
}

/// Whether bytes are a number by JSON's grammar.
pub(super) fn is_number(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Largest magnitude below which every whole number is exact in a 64-bit float.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// The whole number that bytes spell, `3`, `3.0` and `3e2` alike, if it fits 64 bits exactly.
pub(super) fn whole_number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    if !text.contains(['.', 'e', 'E']) {
        return None;
    }
    let number = text.parse::<f64>().ok()?;
    (number.fract() == 0.0 && number.abs() < EXACT_FLOAT_MAX).then_some(number as i64)
}
