//! tenantry-replication
