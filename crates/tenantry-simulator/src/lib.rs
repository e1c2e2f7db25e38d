//! tenantry-simulator
