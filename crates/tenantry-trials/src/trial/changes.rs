//! What happens to a tenant in a trial: single changes, and those that go together. Pure.

use tenantry_simulator::Churn;

use super::What;
use crate::chance::Chance;

/// Something or other.
pub(super) fn what(chance: &mut Chance) -> What {
    match chance.below(26) {
        24..=25 => What::Membership,
        0 => What::Import(if chance.happens(0.04) { 1_050 } else { chance.between(1, 40) as u32 }),
        1 => What::Retention(chance.between(1, 3) as i64),
        2 => What::ExportAllowed(chance.happens(0.5)),
        7..=9 => What::Churn(Box::new(swap(chance))),
        3..=6 => What::Logins(chance.between(1, 12) as u32),
        _ => What::Churn(Box::new(churn(chance))),
    }
}

/// As many made as taken: lists that are read by pages shift, and their totals do not tell.
pub(super) fn swap(chance: &mut Chance) -> Churn {
    let count = chance.between(1, 2) as u32;
    Churn {
        seed: chance.next(),
        roles_created: count,
        roles_deleted: count,
        actions_created: count,
        actions_deleted: count,
        resource_servers_created: count,
        resource_servers_deleted: count,
        client_grants_created: 1,
        client_grants_deleted: 1,
        ..Churn::default()
    }
}

/// The same by one record, and in lists alone that a later run does not read again as a whole.
pub(super) fn shift(chance: &mut Chance) -> Churn {
    Churn {
        seed: chance.next(),
        roles_created: 1,
        roles_deleted: 1,
        actions_created: 1,
        actions_deleted: 1,
        ..Churn::default()
    }
}

/// Changes of records that are looked at one by one where the log tells of them, and by no other means for a week.
pub(super) fn lasting(chance: &mut Chance) -> Churn {
    Churn {
        seed: chance.next(),
        users_deleted: 2,
        clients_created: 1,
        connections_created: 1,
        organizations_created: 1,
        ..Churn::default()
    }
}

/// A list grows, so that a walk over its pages begins anew, and what it has given already is another by then.
pub(super) fn reshape(chance: &mut Chance) -> Churn {
    Churn {
        seed: chance.next(),
        actions_created: 1,
        actions_updated: 4,
        resource_servers_created: 1,
        resource_servers_updated: 4,
        ..Churn::default()
    }
}

/// A few changes of a few kinds. Never a member added and one removed in one step, so that nothing goes and comes back unseen.
fn churn(chance: &mut Chance) -> Churn {
    let mut some = |odds: f64, most: u64| {
        let count = chance.between(1, most) as u32;
        if chance.happens(odds) { count } else { 0 }
    };
    let mut churn = Churn {
        users_created: some(0.3, 4),
        users_updated: some(0.3, 6),
        users_deleted: some(0.3, 3),
        users_linked: some(0.12, 2),
        clients_created: some(0.12, 2),
        clients_updated: some(0.12, 2),
        clients_deleted: some(0.1, 1),
        client_grants_created: some(0.1, 2),
        client_grants_updated: some(0.1, 1),
        client_grants_deleted: some(0.1, 1),
        connections_created: some(0.12, 2),
        connections_updated: some(0.12, 1),
        connections_deleted: some(0.1, 1),
        connection_clients_changed: some(0.15, 1),
        organizations_created: some(0.15, 2),
        organizations_updated: some(0.12, 1),
        organizations_deleted: some(0.1, 1),
        members_added: some(0.2, 4),
        members_removed: some(0.2, 3),
        resource_servers_created: some(0.1, 2),
        resource_servers_updated: some(0.1, 1),
        resource_servers_deleted: some(0.1, 1),
        roles_created: some(0.12, 2),
        roles_updated: some(0.1, 1),
        roles_deleted: some(0.12, 1),
        actions_created: some(0.1, 2),
        actions_updated: some(0.1, 1),
        actions_deployed: some(0.1, 1),
        actions_deleted: some(0.1, 1),
        log_streams_created: some(0.08, 1),
        log_streams_updated: some(0.08, 1),
        log_streams_deleted: some(0.08, 1),
        grants_created: some(0.15, 3),
        grants_deleted: some(0.12, 2),
        ..Churn::default()
    };
    if churn.members_added > 0 {
        churn.members_removed = 0;
    }
    if chance.happens(0.02) {
        churn.users_updated = 60;
        churn.roles_created = 60;
    }
    churn.seed = chance.next();
    churn
}
