//! Export files on their way: counted by their job, cut short, or with wrong bytes in them.
//!
//! Decides on no occasion: `network` does. A file that is cut at the end of a line shows nothing: only its framing or its job's count tells.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tenantry_simulator::{Request, Response, Simulation};

use crate::world::World;

fn plain(file: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(file).read_to_end(&mut plain).ok().map(|_| plain)
}

/// Ends of lines.
fn ends(plain: &[u8]) -> Vec<usize> {
    plain.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect()
}

/// Adds to the answer about a finished job how many users its file holds.
pub(crate) fn count(simulation: &mut Simulation, answer: &mut Response, at: i64) -> Option<()> {
    let mut job: Value = serde_json::from_slice(&answer.body).ok()?;
    let location = job["location"].as_str()?.split_once("/exports/")?.1;
    let (path, query) = location.split_once('?')?;
    let mut request = Request::new("GET", &format!("/exports/{path}"));
    query.clone_into(&mut request.query);
    let file = simulation.handle(&request, at);
    let users = ends(&plain(&file.body)?).len();
    job["summary"] = json!({ "total": users });
    answer.body = job.to_string().into_bytes();
    Some(())
}

/// The file without its last lines, plain or packed; `None` where it holds none.
pub(crate) fn cut(world: &World, file: &Bytes, packed: bool) -> Option<Bytes> {
    let mut plain = plain(file)?;
    let ends = ends(&plain);
    let kept = world.draw(ends.len() as u64) as usize;
    plain.truncate(if kept == 0 { 0 } else { ends[kept - 1] });
    if ends.is_empty() || !packed {
        return (!ends.is_empty()).then(|| plain.into());
    }
    let mut pack = GzEncoder::new(Vec::new(), Compression::fast());
    pack.write_all(&plain).ok()?;
    pack.finish().ok().map(Bytes::from)
}

/// The file with one bit flipped.
pub(crate) fn corrupt(world: &World, file: &Bytes) -> Bytes {
    let mut bytes = file.to_vec();
    let at = world.draw(bytes.len() as u64) as usize;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << world.draw(8);
    }
    bytes.into()
}
