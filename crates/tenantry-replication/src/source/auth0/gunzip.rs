//! Unpacks gzip as it arrives, and takes it for whole only when its trailer says so.
//!
//! Bounds what one step can produce, so that a small input cannot take all memory; how much may come in all is the caller's to say.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// First bytes of every gzip file.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Input unpacked in one step. Deflate packs 1,032 bytes into one at most, so a step gives 8 MB at most.
const STEP: usize = 8 * 1024;

/// Unpacks one stream of gzip members.
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    input: Bytes,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), input: Bytes::new() }
    }

    /// Whether bytes begin like a gzip file.
    pub(super) fn is_gzip(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Takes the next piece of input; [`Self::pull`] unpacks it. The piece before must have been unpacked.
    pub(super) fn push(&mut self, input: Bytes) {
        debug_assert!(self.input.is_empty(), "input before was not unpacked");
        self.input = input;
    }

    /// Unpacks a part of the input, into the same memory each time; `None` when more input is needed.
    pub(super) fn pull(&mut self) -> io::Result<Option<&[u8]>> {
        self.decoder.get_mut().clear();
        while !self.input.is_empty() {
            let step = self.input.split_to(self.input.len().min(STEP));
            self.decoder.write_all(&step)?;
            if !self.decoder.get_ref().is_empty() {
                return Ok(Some(self.decoder.get_ref()));
            }
        }
        Ok(None)
    }

    /// What was still held back, once the input has ended. Fails when the trailer is missing or does not fit.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.decoder.get_mut().clear();
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// Packs bytes as one gzip member.
    pub(in super::super) fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        for chunk in packed.chunks(piece) {
            gunzip.push(Bytes::copy_from_slice(chunk));
            while let Some(part) = gunzip.pull()? {
                out.extend(part);
            }
        }
        out.extend(gunzip.finish()?);
        Ok(out)
    }

    fn text() -> Vec<u8> {
        (0..5_000)
            .flat_map(|n| format!("{{\"n\":{n},\"hash\":{}}}\n", n * 7_919 % 104_729).into_bytes())
            .collect()
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let text = text();
        let packed = pack(&text);
        for piece in [1, 2, 7, 1_000, packed.len()] {
            assert_eq!(unpack(&packed, piece).unwrap(), text, "{piece}");
        }
        let two = [pack(b"one\n"), pack(b""), pack(b"two\n")].concat();
        assert_eq!(unpack(&two, 5).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_cut_anywhere_is_an_error() {
        let packed = pack(&text()[..2_000]);
        for cut in 1..packed.len() {
            assert!(unpack(&packed[..cut], 100).is_err(), "cut after {cut} of {}", packed.len());
        }
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let mut packed = pack(b"some text");
        let crc = packed.len() - 6;
        packed[crc] ^= 1;
        assert!(unpack(&packed, 100).is_err());
    }

    #[test]
    fn one_step_never_gives_much_more_than_deflate_can_pack_into_it() {
        let packed = pack(&vec![b'x'; 64 << 20]);
        let mut gunzip = Gunzip::new();
        gunzip.push(Bytes::from(packed));
        let first = gunzip.pull().unwrap().unwrap();
        assert!(first.len() <= STEP * 1_100, "{}", first.len());
    }
}
