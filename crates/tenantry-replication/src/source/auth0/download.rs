//! A file of JSON lines behind a link, unpacked as it arrives and cut into pages at line ends.
//!
//! Sends no credentials. Takes no web page for a file, no file for whole whose end is not proven, and none that unpacks beyond its limits.

use bytes::{Bytes, BytesMut};
use memchr::memrchr;
use xxhash_rust::xxh3::Xxh3;

use super::failure::may_pass;
use super::gunzip::Gunzip;
use super::transport::{HttpRequest, HttpResponse, Method, Patience, Transport};
use super::url::Url;
use crate::defects::{Defect, planted};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::json;

/// Bytes of lines handed out at once, unless a single line is longer.
pub(super) const PAGE_BYTES: usize = 2 << 20;
/// Longest line: older user profiles may have 1 MB, and escapes multiply it by six.
const LINE_BYTES_MAX: usize = 32 << 20;
/// Most bytes of a whole file, unpacked: 100 million users of 2.5 KB.
const FILE_BYTES_MAX: u64 = 256 << 30;
/// A file that unpacks to more than this many times its packed size is a bomb; lists of users reach 10 to 40.
const RATIO_MAX: u64 = 400;
/// Below this unpacked size the ratio is of no interest.
const RATIO_FROM: u64 = 64 << 20;
const ACTION: &str = "read the export file";

/// Why a link gives no file.
pub(super) enum OpenError {
    /// The link is not (or no longer) valid: ask for another one.
    Expired,
    /// The file cannot be had now.
    Failed(SourceError),
}

/// A file being read.
pub(super) struct Download {
    response: HttpResponse,
    format: Format,
    /// Unpacked bytes not yet handed out.
    pending: BytesMut,
    packed: u64,
    unpacked: u64,
    ended: bool,
    /// What was handed out, for a later attempt to skip.
    pub(super) position: Position,
    /// What an earlier attempt has handed out already.
    skip: Option<Position>,
}

/// How far a file was handed out.
#[derive(Clone, Default)]
pub(super) struct Position {
    bytes: u64,
    hash: Xxh3,
    /// Lines that are not blank.
    pub(super) lines: u64,
}

enum Format {
    /// The first bytes have not come yet.
    Unknown(BytesMut),
    Plain,
    Gzip(Box<Gunzip>),
}

impl Download {
    /// Fetches a link. What `skip` tells was handed out before is not handed out again.
    pub(super) async fn open(
        transport: &dyn Transport,
        link: Url,
        skip: Position,
    ) -> Result<Self, OpenError> {
        let request = HttpRequest {
            method: Method::Get,
            url: link,
            headers: if planted(Defect::TokenSentToFileHost) {
                vec![("authorization", "Bearer".to_owned())]
            } else {
                Vec::new()
            },
            body: Bytes::new(),
            limit: FILE_BYTES_MAX,
            patience: Patience::File,
        };
        let response = transport.send(request).await.map_err(|error| {
            OpenError::Failed(
                SourceError::new(SourceErrorKind::Unavailable, ACTION, error.reason.clone()).caused_by(error),
            )
        })?;
        match response.status {
            200 => Ok(Self {
                response,
                format: Format::Unknown(BytesMut::new()),
                pending: BytesMut::new(),
                packed: 0,
                unpacked: 0,
                ended: false,
                position: Position::default(),
                skip: (skip.bytes > 0).then_some(skip),
            }),
            400 | 401 | 403 | 404 | 410 => Err(OpenError::Expired),
            status => {
                let kind =
                    if may_pass(status) { SourceErrorKind::Unavailable } else { SourceErrorKind::Refused };
                let mut error = SourceError::new(kind, ACTION, format!("the file's host answered {status}"));
                error.status = Some(status);
                Err(OpenError::Failed(error))
            }
        }
    }

    /// The next whole lines; `None` once the file has ended and its end was proven.
    pub(super) async fn next(&mut self) -> SourceResult<Option<Bytes>> {
        loop {
            if self.pending.len() >= PAGE_BYTES || self.ended {
                let end = if self.ended {
                    Some(self.pending.len())
                } else {
                    memrchr(b'\n', &self.pending).map(|at| at + 1)
                };
                match end {
                    Some(0) if self.ended => return self.finished(),
                    Some(end) => {
                        let page = self.pending.split_to(end).freeze();
                        if self.position.bytes == 0 && is_markup(&page) {
                            let reason = "the file is a web page, not lines of JSON";
                            return Err(SourceError::new(SourceErrorKind::Malformed, ACTION, reason));
                        }
                        let page = self.hand_out(page)?;
                        if !page.is_empty() {
                            return Ok(Some(page));
                        }
                        continue;
                    }
                    None if self.pending.len() > LINE_BYTES_MAX => {
                        let reason = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                        return Err(SourceError::new(SourceErrorKind::LimitExceeded, ACTION, reason));
                    }
                    None => {}
                }
            }
            self.read().await?;
        }
    }

    /// Reads one piece from the network.
    async fn read(&mut self) -> SourceResult<()> {
        let piece = self.response.body.next().await.map_err(|error| {
            SourceError::new(SourceErrorKind::Unavailable, ACTION, error.reason.clone()).caused_by(error)
        })?;
        let Some(piece) = piece else { return self.end() };
        self.packed += piece.len() as u64;
        let piece = match &mut self.format {
            Format::Unknown(begin) => {
                begin.extend_from_slice(&piece);
                if begin.len() < 2 {
                    return Ok(());
                }
                let begin = std::mem::take(begin).freeze();
                self.format = if Gunzip::is_gzip(&begin) {
                    Format::Gzip(Box::new(Gunzip::new()))
                } else {
                    Format::Plain
                };
                begin
            }
            _ => piece,
        };
        self.unpack(piece)
    }

    fn unpack(&mut self, piece: Bytes) -> SourceResult<()> {
        let Format::Gzip(gunzip) = &mut self.format else {
            self.unpacked += piece.len() as u64;
            self.pending.extend_from_slice(&piece);
            return self.within_limits();
        };
        gunzip.push(piece);
        while let Format::Gzip(gunzip) = &mut self.format {
            let Some(part) = gunzip.pull().map_err(broken)? else { break };
            self.unpacked += part.len() as u64;
            if self.pending.capacity() - self.pending.len() < part.len() {
                // Room for a whole page at once, or each would be copied again and again while it grows.
                self.pending.reserve(PAGE_BYTES + part.len());
            }
            self.pending.extend_from_slice(part);
            self.within_limits()?;
        }
        Ok(())
    }

    fn within_limits(&self) -> SourceResult<()> {
        let bomb = self.unpacked > RATIO_FROM && self.unpacked / self.packed.max(1) > RATIO_MAX;
        if bomb || self.unpacked > FILE_BYTES_MAX {
            let reason = format!("the file unpacks to more than {} bytes", self.unpacked);
            return Err(SourceError::new(SourceErrorKind::LimitExceeded, ACTION, reason));
        }
        Ok(())
    }

    /// The network gave everything: is it whole?
    fn end(&mut self) -> SourceResult<()> {
        match &mut self.format {
            Format::Gzip(gunzip) => {
                let rest = gunzip.finish().map_err(broken)?;
                self.pending.extend_from_slice(&rest);
            }
            Format::Unknown(begin) if self.response.framed => {
                let begin = std::mem::take(begin);
                self.pending.extend_from_slice(&begin);
            }
            Format::Plain if self.response.framed || planted(Defect::ShortFileIsWhole) => {}
            Format::Unknown(_) | Format::Plain => {
                // Lines cut at a line end look whole.
                let reason = "the file came without a length, so that nothing proves that it is whole";
                return Err(SourceError::new(SourceErrorKind::Malformed, ACTION, reason));
            }
        }
        self.ended = true;
        Ok(())
    }

    /// Takes from a page what an earlier attempt has handed out, once it has proven to be the same.
    fn hand_out(&mut self, mut page: Bytes) -> SourceResult<Bytes> {
        if let Some(skip) = &self.skip {
            let missing = (skip.bytes - self.position.bytes).min(page.len() as u64) as usize;
            let known = page.split_to(missing);
            self.position.count(&known);
            if self.position.bytes == skip.bytes {
                if self.position.hash.digest() != skip.hash.digest() {
                    return Err(differs());
                }
                self.skip = None;
            }
        }
        self.position.count(&page);
        Ok(page)
    }

    fn finished(&self) -> SourceResult<Option<Bytes>> {
        if self.skip.is_some() { Err(differs()) } else { Ok(None) }
    }
}

impl Position {
    fn count(&mut self, lines: &[u8]) {
        self.bytes += lines.len() as u64;
        self.hash.update(lines);
        self.lines += json::lines(lines).count() as u64;
    }
}

/// Whether bytes begin as HTML or XML does: lines of it would be taken for records that cannot be read.
fn is_markup(begin: &[u8]) -> bool {
    begin.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn broken(error: std::io::Error) -> SourceError {
    SourceError::new(SourceErrorKind::Malformed, ACTION, "the packed file is broken or cut short")
        .caused_by(error)
}

fn differs() -> SourceError {
    SourceError::new(SourceErrorKind::Malformed, ACTION, "the file is not the one that was read before")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::super::gunzip::tests::pack;
    use super::super::transport::{Body, Headers, TransportError};
    use super::*;

    /// Lines of a file that was read to its end.
    #[derive(Debug, PartialEq)]
    struct Seen(u64);

    /// Serves a body in pieces.
    struct Pieces(Mutex<Vec<Bytes>>, bool);

    #[async_trait]
    impl Transport for Pieces {
        async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
            assert!(request.headers.is_empty(), "no credentials for the file's host");
            let mut answer = HttpResponse::whole(200, Headers::default(), Bytes::new());
            answer.body = Box::new(Rest(self.0.lock().unwrap().drain(..).rev().collect()));
            answer.framed = self.1;
            Ok(answer)
        }
    }

    struct Rest(Vec<Bytes>);

    #[async_trait]
    impl Body for Rest {
        async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
            Ok(self.0.pop())
        }
    }

    fn read(body: &[u8], piece: usize, framed: bool, skip: Position) -> SourceResult<(Vec<Bytes>, Seen)> {
        let pieces = body.chunks(piece).map(Bytes::copy_from_slice).collect();
        let transport = Pieces(Mutex::new(pieces), framed);
        let link = Url::parse("https://files.example.com/x").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let Ok(mut download) = Download::open(&transport, link, skip).await else {
                panic!("the file is there")
            };
            let mut pages = Vec::new();
            while let Some(page) = download.next().await? {
                pages.push(page);
            }
            Ok((pages, Seen(download.position.lines)))
        })
    }

    fn lines(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|n| {
                format!("{{\"user_id\":\"auth0|{n}\",\"hash\":{}}}\n", n * 7_919 % 104_729).into_bytes()
            })
            .collect()
    }

    #[test]
    fn pages_end_at_line_ends_and_are_bounded() {
        let text = lines(150_000);
        for body in [text.clone(), pack(&text)] {
            let (pages, position) = read(&body, 60_000, true, Position::default()).unwrap();
            assert!(pages.len() > 2 && pages.iter().all(|page| page.ends_with(b"}\n")));
            assert!(pages.iter().all(|page| page.len() <= PAGE_BYTES + (9 << 20)));
            assert_eq!(pages.concat(), text);
            assert_eq!(position, Seen(150_000));
        }
    }

    #[test]
    fn what_was_handed_out_is_skipped_if_it_is_the_same() {
        let text = lines(100_000);
        let (pages, _) = read(&text, 60_000, true, Position::default()).unwrap();
        let mut seen = Position::default();
        seen.count(&pages[0]);
        let (rest, position) = read(&pack(&text), 1_000, true, seen.clone()).unwrap();
        assert_eq!(rest.concat(), pages[1..].concat());
        assert_eq!(position, Seen(100_000));
        let other = lines(100_001)[1..].to_vec();
        assert_eq!(read(&other, 60_000, true, seen.clone()).unwrap_err().kind, SourceErrorKind::Malformed);
        assert_eq!(read(&text[..500], 60_000, true, seen).unwrap_err().kind, SourceErrorKind::Malformed);
    }

    #[test]
    fn an_end_that_nothing_proves_is_not_taken() {
        assert_eq!(
            read(&lines(10), 100, false, Position::default()).unwrap_err().kind,
            SourceErrorKind::Malformed
        );
        assert_eq!(read(b"", 100, false, Position::default()).unwrap_err().kind, SourceErrorKind::Malformed);
        assert_eq!(
            read(&pack(&lines(10)), 100, false, Position::default()).unwrap().1,
            Seen(10),
            "a trailer proves it"
        );
        assert_eq!(read(b"", 100, true, Position::default()).unwrap().1, Seen(0));
        assert_eq!(read(&pack(b""), 1, true, Position::default()).unwrap().1, Seen(0));
        let packed = pack(&lines(10));
        assert_eq!(
            read(&packed[..packed.len() - 1], 100, true, Position::default()).unwrap_err().kind,
            SourceErrorKind::Malformed
        );
    }

    #[test]
    fn a_web_page_is_no_file() {
        for page in [&b"<html>sign in</html>"[..], b"\n <?xml version=\"1.0\"?>\n<Error/>\n"] {
            let error = read(page, 100, true, Position::default()).unwrap_err();
            assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
        }
    }

    #[test]
    fn bombs_and_endless_lines_are_refused() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..100 {
            bomb.write_all(&b"\n".repeat(1 << 20)).unwrap();
        }
        let error = read(&bomb.finish().unwrap(), 1 << 16, true, Position::default()).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::LimitExceeded);
        let endless = b"x".repeat(LINE_BYTES_MAX + PAGE_BYTES);
        assert_eq!(
            read(&endless, 1 << 20, true, Position::default()).unwrap_err().kind,
            SourceErrorKind::LimitExceeded
        );
    }
}
