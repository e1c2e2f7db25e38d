//! JSON text in one canonical spelling: no space, strings escaped only where they must be, numbers as they came.

use std::fmt::Write;

use super::text::{Escape, escape};
use super::{JsonError, number_end, skip_space, skip_string, skip_value};

/// Rewrites a value; values of members for whose name `secret` is true become `"***"`.
///
/// Checks what it rewrites completely. Works without recursion: nesting is limited by memory alone.
pub(super) fn compact(bytes: &[u8], secret: &dyn Fn(&str) -> bool) -> Result<String, JsonError> {
    let mut writer = Writer { bytes, at: 0, out: String::with_capacity(bytes.len()), open: Vec::new() };
    loop {
        writer.value_or_open()?;
        if !writer.close_and_advance(secret)? {
            return Ok(writer.out);
        }
    }
}

struct Writer<'a> {
    bytes: &'a [u8],
    at: usize,
    out: String,
    /// Closing brackets of the containers that we are in.
    open: Vec<u8>,
}

impl Writer<'_> {
    fn space(&mut self) {
        self.at = skip_space(self.bytes, self.at);
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError { offset: self.at, reason })
    }

    /// Writes a scalar, or opens containers down to the first scalar or empty container.
    fn value_or_open(&mut self) -> Result<(), JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => {
                self.out.push('{');
                self.open.push(b'}');
                self.at += 1;
            }
            Some(b'[') => {
                self.out.push('[');
                self.open.push(b']');
                self.at += 1;
            }
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => {
                let end = number_end(self.bytes, self.at);
                skip_value(self.bytes, self.at)?;
                self.copy(end);
            }
            _ => {
                let end = skip_value(self.bytes, self.at)?;
                self.copy(end);
            }
        }
        Ok(())
    }

    fn copy(&mut self, end: usize) {
        self.out.push_str(&String::from_utf8_lossy(&self.bytes[self.at..end]));
        self.at = end;
    }

    /// After a value or an opening bracket: closes what ends here and moves to the next value. False at the very end.
    fn close_and_advance(&mut self, secret: &dyn Fn(&str) -> bool) -> Result<bool, JsonError> {
        loop {
            self.space();
            let Some(&close) = self.open.last() else {
                return if self.at == self.bytes.len() {
                    Ok(false)
                } else {
                    self.fail("more after the end of the value")
                };
            };
            let begins = self.out.ends_with(['{', '[']) && self.opened_last();
            match self.peek() {
                Some(byte) if byte == close => {
                    self.out.push(close as char);
                    self.open.pop();
                    self.at += 1;
                    continue;
                }
                Some(b',') if !begins => {
                    self.out.push(',');
                    self.at += 1;
                }
                Some(_) if begins => {}
                _ => return self.fail("expected a comma or the end"),
            }
            if close == b']' || !self.member_name(secret)? {
                return Ok(true);
            }
        }
    }

    /// Whether the last thing read was an opening bracket (and not the same character at the end of a string: those end in a quote).
    fn opened_last(&self) -> bool {
        let before =
            self.bytes[..self.at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        matches!(before, Some(b'{' | b'['))
    }

    /// Writes a member's name and colon. True when its value was a secret and has been written too.
    fn member_name(&mut self, secret: &dyn Fn(&str) -> bool) -> Result<bool, JsonError> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name");
        }
        let written = self.out.len();
        self.string()?;
        let hide = secret(&self.out[written + 1..self.out.len() - 1]);
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.out.push(':');
        self.at += 1;
        if hide {
            self.space();
            self.at = skip_value(self.bytes, self.at)?;
            self.out.push_str("\"***\"");
        }
        Ok(hide)
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let end = skip_string(self.bytes, self.at)?;
        let body = &self.bytes[self.at + 1..end - 1];
        self.out.push('"');
        let mut at = 0;
        let mut plain = 0;
        while at < body.len() {
            if body[at] == b'\\' || body[at] < 0x20 {
                self.out.push_str(&String::from_utf8_lossy(&body[plain..at]));
                at += self.special(&body[at..]);
                plain = at;
            } else {
                at += 1;
            }
        }
        self.out.push_str(&String::from_utf8_lossy(&body[plain..]));
        self.out.push('"');
        self.at = end;
        Ok(())
    }

    /// Writes the escape sequence or control character at the begin of `rest`; gives the bytes used.
    fn special(&mut self, rest: &[u8]) -> usize {
        let (meaning, used) =
            if rest[0] == b'\\' { escape(rest) } else { (Escape::Character(rest[0] as char), 1) };
        match meaning {
            Escape::Character('"') => self.out.push_str("\\\""),
            Escape::Character('\\') => self.out.push_str("\\\\"),
            Escape::Character('\n') => self.out.push_str("\\n"),
            Escape::Character('\r') => self.out.push_str("\\r"),
            Escape::Character('\t') => self.out.push_str("\\t"),
            Escape::Character(character) if character < ' ' => {
                let _ = write!(self.out, "\\u{:04x}", character as u32);
            }
            Escape::Character(character) => self.out.push(character),
            Escape::LoneSurrogate(half) => {
                let _ = write!(self.out, "\\u{half:04x}");
            }
        }
        used
    }
}
