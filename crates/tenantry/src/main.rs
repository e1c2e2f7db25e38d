//! The program `tenantry`: all of it is in the library, so that its decoders can be fuzzed.

use std::process::ExitCode;

fn main() -> ExitCode {
    tenantry::main()
}
