//! Writes the seeds of every target into `FOLDER/TARGET/`, where the fuzzer looks for them.

use std::path::PathBuf;
use std::{env, fs, io};

use tenantry_fuzz::TARGETS;

fn main() -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: tenantry-fuzz FOLDER");
    let folder = PathBuf::from(env::args_os().nth(1).ok_or_else(usage)?);
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
