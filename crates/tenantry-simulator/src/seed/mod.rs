//! Generates a believable tenant from a seed: configuration first, then people, then the history of both.
//!
//! Every part draws from a stream of its own, so more users do not change which clients there are. Nothing here is
//! random in any other sense, and nothing reads a clock.

mod applications;
pub(crate) mod directory;
pub(crate) mod extensions;
mod history;
pub(crate) mod people;

use crate::config::Config;
use crate::tenant::Tenant;
use crate::users::Users;

/// Generates the tenant that a configuration describes.
pub(crate) fn tenant(config: Config) -> Tenant {
    let mut tenant = Tenant::empty(config);
    tenant.users = Users::default();
    directory::connections(&mut tenant);
    applications::resource_servers(&mut tenant);
    applications::clients(&mut tenant);
    applications::client_grants(&mut tenant);
    applications::enabled_clients(&mut tenant);
    directory::roles(&mut tenant);
    directory::organizations(&mut tenant);
    extensions::triggers(&mut tenant);
    extensions::actions(&mut tenant);
    extensions::log_streams(&mut tenant);
    people::users(&mut tenant);
    people::memberships(&mut tenant);
    people::assignments(&mut tenant);
    people::consents(&mut tenant);
    history::write(&mut tenant);
    tenant
}
