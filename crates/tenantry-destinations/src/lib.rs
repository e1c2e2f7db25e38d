//! tenantry-destinations
