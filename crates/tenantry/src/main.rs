//! tenantry
fn main() {}
