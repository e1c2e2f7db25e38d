//! Server-sent events, decoded piece by piece as they arrive: pure, without a socket and without a clock.
//!
//! Follows the WHATWG's rules: lines end in LF, CR or CRLF, a byte order mark at the begin counts for nothing, a line that
//! begins with a colon is a comment, an unknown field is ignored, and a message that no blank line has ended is none. It
//! does not read what a message says, and takes no message larger than it is told to.

use bytes::{Buf as _, Bytes, BytesMut};

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The last `event` field; empty where there was none.
    pub(super) kind: String,
    /// The `data` fields, joined by line ends.
    pub(super) data: String,
    /// The last `id` that was seen in this stream, in this message or before.
    pub(super) id: String,
}

/// A message that is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A stream under way.
#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    pending: BytesMut,
    /// Bytes of `pending` that are known to hold no line end.
    searched: usize,
    begun: bool,
    /// The last line ended in CR: an LF right behind it belongs to it.
    after_cr: bool,
    message: Message,
    has_data: bool,
}

impl Decoder {
    /// `limit`: bytes that a message may have, its longest line included.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            pending: BytesMut::new(),
            searched: 0,
            begun: false,
            after_cr: false,
            message: Message::default(),
            has_data: false,
        }
    }

    /// Takes the next bytes, however they were cut.
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.pending.extend_from_slice(piece);
    }

    /// The next whole message; `None` until more bytes come.
    pub(super) fn next(&mut self) -> Result<Option<Message>, TooLarge> {
        self.skip_mark();
        while self.begun {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                let has_data = std::mem::take(&mut self.has_data);
                let id = self.message.id.clone();
                let message = std::mem::replace(&mut self.message, Message { id, ..Message::default() });
                if has_data {
                    return Ok(Some(message));
                }
                continue;
            }
            self.field(&String::from_utf8_lossy(&line))?;
        }
        Ok(None)
    }

    /// Skips a byte order mark, once enough bytes came to tell.
    fn skip_mark(&mut self) {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if self.begun || self.pending.is_empty() {
            return;
        }
        let known = self.pending.len().min(MARK.len());
        if self.pending[..known] == MARK[..known] {
            if known < MARK.len() {
                return;
            }
            self.pending.advance(known);
        }
        self.begun = true;
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.after_cr && !self.pending.is_empty() {
            self.after_cr = false;
            if self.pending[0] == b'\n' {
                self.pending.advance(1);
            }
        }
        let found = memchr::memchr2(b'\n', b'\r', &self.pending[self.searched..]);
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.pending.len();
            return if self.searched > self.limit { Err(TooLarge) } else { Ok(None) };
        };
        self.searched = 0;
        self.after_cr = self.pending[at] == b'\r';
        let line = self.pending.split_to(at).freeze();
        self.pending.advance(1);
        Ok(Some(line))
    }

    fn field(&mut self, line: &str) -> Result<(), TooLarge> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.has_data = true;
                self.message.data.push_str(value);
                if self.message.data.len() > self.limit {
                    return Err(TooLarge);
                }
            }
            "event" => value.clone_into(&mut self.message.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.message.id),
            // Comments have an empty name; `retry` is Auth0's to send and ours to decide.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 16;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Message> {
        let mut decoder = Decoder::new(LIMIT);
        let mut messages = Vec::new();
        for piece in pieces {
            decoder.push(&Bytes::copy_from_slice(piece));
            while let Some(message) = decoder.next().unwrap() {
                messages.push(message);
            }
        }
        messages
    }

    fn message(kind: &str, data: &str, id: &str) -> Message {
        Message { kind: kind.into(), data: data.into(), id: id.into() }
    }

    #[test]
    fn messages_end_at_blank_lines_whatever_lines_end_in() {
        for end in ["\n", "\r", "\r\n"] {
            let text =
                ["id: 7", "event: user.created", "data: {", "data:}", "", ": heartbeat", "", "data", "", ""]
                    .join(end);
            let expected = [message("user.created", "{\n}", "7"), message("", "", "7")];
            assert_eq!(decode([text.as_bytes()]), expected, "{end:?}");
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        assert_eq!(decode([&b": heartbeat\n\nevent: x\n\nid: 3\n\nretry: 5\n\n"[..]]), []);
        assert_eq!(decode([&b"data: unfinished\n"[..]]), []);
        assert_eq!(decode([&b"id: a\x00b\ndata: 1\n\n"[..]]), [message("", "1", "")]);
        assert_eq!(decode([&b"data:  two\nunknown: x\n\n"[..]]), [message("", " two", "")]);
    }

    #[test]
    fn a_byte_order_mark_counts_only_at_the_begin() {
        let parts: [&[u8]; 4] = [b"\xEF", b"\xBB", b"\xBFdata: 1\n", b"\n\xEF\xBB\xBFdata: 2\n\n"];
        assert_eq!(decode(parts), [message("", "1", "")]);
    }

    #[test]
    fn large_messages_are_refused_and_large_streams_are_not() {
        let small = "data: x\n\n".repeat(LIMIT);
        assert_eq!(decode(small.as_bytes().chunks(1_000)).len(), LIMIT);
        let refused = |text: &str| {
            let mut decoder = Decoder::new(100);
            text.as_bytes().chunks(7).any(|piece| {
                decoder.push(&Bytes::copy_from_slice(piece));
                decoder.next().is_err()
            })
        };
        assert!(refused(&format!("data: {}", "x".repeat(200))), "a line without end");
        assert!(refused(&"data: xxxxxxxxxx\n".repeat(20)), "many lines");
        assert!(!refused(&"data: xxxxxxxxxx\n\n".repeat(20)));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_messages_are_the_same(
            messages in prop::collection::vec(("[a-z.]{0,8}", "[ -~é\n]{0,20}", "[a-z0-9]{1,6}"), 0..8),
            end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
            mark in any::<bool>(),
            cuts in prop::collection::vec(0_usize..400, 0..12),
        ) {
            let mut text = if mark { "\u{FEFF}".to_owned() } else { String::new() };
            let mut expected = Vec::new();
            for (kind, data, id) in &messages {
                let _ = write!(text, ": comment{end}id: {id}{end}event: {kind}{end}");
                for line in data.split('\n') {
                    let _ = write!(text, "data: {line}{end}");
                }
                text.push_str(end);
                expected.push(message(kind, data, id));
            }
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let begins = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let pieces: Vec<&[u8]> = begins.zip(ends).map(|(begin, end)| &bytes[begin..end]).collect();
            prop_assert_eq!(decode(pieces), expected.clone());
            prop_assert_eq!(decode(bytes.chunks(1)), expected);
        }

        #[test]
        fn no_bytes_end_in_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = Decoder::new(64);
            decoder.push(&Bytes::from(bytes));
            while let Ok(Some(_)) = decoder.next() {}
        }
    }
}
