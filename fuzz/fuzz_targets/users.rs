//! Fuzzes `users`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tenantry_fuzz::run("users", input));
