//! The conformance suite, on a local folder.

use crate::place::Folder;

tenantry_replication::destination_conformance!(Folder::new());
